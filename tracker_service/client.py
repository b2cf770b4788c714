"""How peers and the command line reach a tracker."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Self

from tracker_service import wire
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1 import videoteca_pb2_grpc as pb_grpc
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import (
    MAX_BATCH,
    Holding,
    InfoPage,
    Lease,
    LocatedVideo,
    Registration,
    VideoQuery,
    VideoSummary,
)
from videoteca_core.rpc.channel import UNARY_TIMEOUT_SECONDS, bearer, blocking_channel
from videoteca_core.rpc.status import translated
from videoteca_core.rpc.wire import holding_to_wire

_LARGEST_PAGE: Final = 1_000


class TrackerClient:
    """A blocking client of one tracker; any thread may call it.

    Every call raises the error that the tracker answered, or Unreachable when none came.

    Args:
        endpoint: where the tracker is.
        token: what identifies the caller; empty until it has registered.
        timeout_seconds: the deadline of each call.
    """

    def __init__(
        self, endpoint: Endpoint, token: str = "", timeout_seconds: float = UNARY_TIMEOUT_SECONDS
    ) -> None:
        self._endpoint = endpoint
        self._token = token
        self._timeout = timeout_seconds
        self._channel = blocking_channel(endpoint)
        self._stub = pb_grpc.TrackerStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()

    def register(self, registration: Registration) -> Lease:
        """Register, or renew the lease; a token that the tracker gives is used from then on.

        Raises:
            NameTaken: the name is somebody else's.
            OtherTracker: another tracker than the expected one answers.
            ClaimRefused: the name was imported and the claim code is not its own.
            InvalidInput: a field is malformed.
        """
        request = wire.registration_to_wire(registration)
        with self._translated():
            response = self._stub.Register(
                request, timeout=self._timeout, metadata=bearer(self._token)
            )
        lease = wire.lease_from_wire(response)
        self._token = lease.token or self._token
        return lease

    def publish(self, holdings: Sequence[Holding], *, replaces_all: bool = False) -> bytes:
        """Add or update holdings, in calls of at most MAX_BATCH.

        Args:
            holdings: no name twice.
            replaces_all: whether every other holding of the caller is taken back.

        Returns:
            The digest of all the caller's holdings.

        Raises:
            NotRegistered: the token is not known.
            InvalidInput: a holding is malformed, or its id does not fit.
        """
        digest = b""
        for start in range(0, max(1, len(holdings)), MAX_BATCH):
            request = pb.PublishRequest(
                holdings=map(holding_to_wire, holdings[start : start + MAX_BATCH]),
                replaces_all=replaces_all and start == 0,
            )
            with self._translated():
                response = self._stub.Publish(
                    request, timeout=self._timeout, metadata=bearer(self._token)
                )
            digest = response.holdings_digest
        return digest

    def withdraw(self, names: Sequence[str]) -> bytes:
        """Take holdings back, in calls of at most MAX_BATCH.

        Returns:
            The digest of all the caller's holdings.

        Raises:
            NotRegistered: the token is not known.
            InvalidName: a name is malformed.
        """
        digest = b""
        for start in range(0, max(1, len(names)), MAX_BATCH):
            request = pb.WithdrawRequest(names=names[start : start + MAX_BATCH])
            with self._translated():
                response = self._stub.Withdraw(
                    request, timeout=self._timeout, metadata=bearer(self._token)
                )
            digest = response.holdings_digest
        return digest

    def leave(self) -> None:
        """End the lease now.

        Raises:
            NotRegistered: the token is not known.
        """
        with self._translated():
            self._stub.Leave(pb.LeaveRequest(), timeout=self._timeout, metadata=bearer(self._token))

    def info(self, query: str = "", page_size: int = 0, page_token: str = "") -> InfoPage:
        """One page of the videos whose names contain the query.

        Raises:
            NotRegistered: the token is not known.
            InvalidInput: an argument is out of its range.
        """
        request = pb.InfoRequest(query=query, page_size=page_size, page_token=page_token)
        with self._translated():
            response = self._stub.Info(request, timeout=self._timeout, metadata=bearer(self._token))
        return wire.page_from_wire(response)

    def all_videos(self, query: str = "") -> Iterator[VideoSummary]:
        """Every video whose name contains the query, page after page; errors as of info."""
        page = self.info(query, _LARGEST_PAGE)
        yield from page.videos
        while page.next_page_token:
            page = self.info(query, _LARGEST_PAGE, page.next_page_token)
            yield from page.videos

    def locate(self, query: VideoQuery) -> tuple[LocatedVideo, ...]:
        """The contents that a query means, most holders first, each with its live sources.

        Raises:
            NotRegistered: the token is not known.
            VideoUnknown: nobody has such a video.
            InvalidInput: the query is malformed.
        """
        request = wire.query_to_wire(query)
        with self._translated():
            response = self._stub.Locate(
                request, timeout=self._timeout, metadata=bearer(self._token)
            )
        return tuple(map(wire.located_from_wire, response.videos))

    def _translated(self) -> AbstractContextManager[None]:
        return translated("tracker", self._endpoint)
