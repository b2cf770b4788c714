"""Keeps the tracker told: renews the lease, publishes what is shared, withdraws what is not."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from peer_service.instance import Instance
from peer_service.library.library import Library
from peer_service.tracker_link import TrackerLink
from videoteca_core.catalogue import (
    Holding,
    Lease,
    Reachability,
    Registration,
    holdings_digest,
)
from videoteca_core.errors import NotRegistered, VideotecaError
from videoteca_core.names import valid_name

_log: Final = structlog.get_logger()
_FIRST_RETRY_SECONDS: Final = 0.5
_LAST_RETRY_SECONDS: Final = 5.0
_PENDING_SECONDS: Final = 1.0  # the tracker dials back after Register: ask soon what came of it
_PENDING_ASKS: Final = 5
_TOLD_SECONDS: Final = 5.0
_GATHER_SECONDS: Final = 0.25  # a change seldom comes alone: each telling costs a look at all


@dataclass(frozen=True)
class Standing:
    """How this peer stands with its tracker.

    Attributes:
        lease: the last answer to Register; none before the first.
        problem: why the last call failed; none when it did not.
    """

    lease: Lease | None = None
    problem: VideotecaError | None = None

    @property
    def reachability(self) -> Reachability:
        """Whether others can reach this peer, as far as the tracker knows."""
        return self.lease.reachability if self.lease else Reachability.PENDING


class Announcer:
    """The one that speaks for this peer to its tracker.

    Args:
        link: the tracker.
        library: what is shared.
        instance: this start of the peer, told the name and the port before each Register.
        address: what to register; an empty host lets the tracker see for itself.
    """

    def __init__(
        self, link: TrackerLink, library: Library, instance: Instance, host: str, port: int
    ) -> None:
        self._link = link
        self._library = library
        self._instance = instance
        self._host, instance.port = host, port
        self._published: dict[str, Holding] = {}
        self._told_version = -1
        self._wake = asyncio.Event()
        self._news = asyncio.Condition()
        self._busy = asyncio.Lock()
        self.standing = Standing(problem=NotRegistered())

    async def enroll(
        self, name: str, *, host: str = "", port: int = 0, claim_code: str = ""
    ) -> Lease:
        """Register under a name because its owner asked for it.

        Args:
            name: the name.
            host: the address to register from now on; empty for the one so far.
            port: the port to register from now on; 0 for the one so far.
            claim_code: the one-time code that claims an imported name.

        Raises:
            VideotecaError: as ``Tracker.Register`` answers.
        """
        name = valid_name(name)
        async with self._busy:
            before = self._host, self._instance.port
            self._host, self._instance.port = host or self._host, port or self._instance.port
            self._instance.names |= {name}
            asked = self._registration(name, claim_code)
            try:
                lease = await asyncio.to_thread(self._link.enroll, asked)
            except VideotecaError:
                self._host, self._instance.port = before
                raise
            self.standing = Standing(lease)
        self._wake.set()
        return lease

    async def told(self) -> None:
        """Wait until the tracker knows what is shared now; not for one that is away, nor long."""
        version = self._library.version
        # When it takes longer, the tracker is told all the same: only nobody waits for it.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TOLD_SECONDS), self._news:
                await self._news.wait_for(
                    lambda: self.standing.problem or self._told_version >= version
                )

    async def run(self) -> None:
        """Renew and publish until cancelled."""
        retry, asks = _FIRST_RETRY_SECONDS, 0
        await self._library.looked()  # what is not found yet must not be taken back
        while True:
            self._wake.clear()
            version = self._library.version
            try:
                async with self._busy:
                    lease = await self._renew()
                    await self._publish(lease)
                self._told_version = version
                await self._tell_news()
            except VideotecaError as error:
                if self.standing.problem is None or self.standing.problem.reason != error.reason:
                    _log.warning("not registered", reason=error.reason, problem=str(error))
                self.standing = Standing(self.standing.lease, error)
                await self._tell_news()
                await self._sleep(retry)
                retry = min(2 * retry, _LAST_RETRY_SECONDS)
                continue
            retry = _FIRST_RETRY_SECONDS
            asks = asks + 1 if lease.reachability is Reachability.PENDING else 0
            soon = 0 < asks <= _PENDING_ASKS
            await self._sleep(_PENDING_SECONDS if soon else lease.seconds / 3, version)

    async def leave(self) -> None:
        """End the lease, if there is one, and first tell what changed in the last moment.

        A tracker that is away ends the lease by itself.
        """
        async with self._busy:  # a renewal that is under way would undo it
            if self.standing.lease is None or self.standing.problem:
                return
            try:
                await self._publish_changes()
                await asyncio.to_thread(self._link.client().leave)
            except VideotecaError as error:
                _log.warning("left without a word", reason=error.reason, problem=str(error))

    async def _renew(self) -> Lease:
        known = self._link.identity
        if known is None:
            raise NotRegistered
        self._instance.names = frozenset({known.name})
        lease = await asyncio.to_thread(self._link.renew, self._registration(known.name))
        if self.standing.problem:
            _log.info("registered", peer_id=lease.peer_id, tracker=str(self._link.tracker))
        self.standing = Standing(lease)
        return lease

    async def _publish(self, lease: Lease) -> None:
        if lease.holdings_digest == holdings_digest(self._published.values()):
            await self._publish_changes()
        else:
            shared = self._library.holdings()
            await asyncio.to_thread(self._link.client().publish, shared, replaces_all=True)
            self._published = {holding.name: holding for holding in shared}
            _log.info("published", videos=len(shared), anew=True)

    async def _publish_changes(self) -> None:
        shared = {holding.name: holding for holding in self._library.holdings()}
        new = tuple(each for each in shared.values() if self._published.get(each.name) != each)
        gone = tuple(name for name in self._published if name not in shared)
        client = self._link.client()
        if new:
            await asyncio.to_thread(client.publish, new)
            _log.info("published", videos=len(new), names=_few(each.name for each in new))
        if gone:
            await asyncio.to_thread(client.withdraw, gone)
            _log.info("withdrawn", videos=len(gone), names=_few(gone))
        self._published = shared

    async def _tell_news(self) -> None:
        async with self._news:
            self._news.notify_all()

    def _registration(self, name: str, claim_code: str = "") -> Registration:
        return Registration(
            name=name,
            host=self._host,
            port=self._instance.port,
            instance_key=self._instance.key,
            claim_code=claim_code,
        )

    async def _sleep(self, seconds: float, version: int | None = None) -> None:
        """Until the time is over, enroll wakes us, or what is shared is no longer that version."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._wake.wait())]
        if version is not None:
            waits.append(asyncio.ensure_future(self._library.changed(version)))
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if version not in (None, self._library.version):
            await asyncio.sleep(_GATHER_SECONDS)


def _few(names: Iterable[str]) -> list[str]:
    return list(itertools.islice(names, 10))
