"""Peers that send each other the pieces of a video, on a clock that jumps from event to event.

Each sends at its own rate, shared alike among those who read from it. Only the time that a stream
needs to begin and that news needs to arrive is added; nothing is lost, and nothing is computed.
"""

import heapq
import itertools
import random
from collections.abc import Iterator
from typing import Final

from peer_service.pieces import PieceSet
from peer_service.rate import RateMeter
from peer_service.transfer.pace import Pace
from peer_service.transfer.plan import Plan
from tests.clock import Clock
from videoteca_core.manifest import Manifest, piece_count

OPENING_SECONDS: Final = 0.002
LOOK_SECONDS: Final = 0.25
"""Who is asked for nothing is thought of again so often, whatever happens."""

METER_SECONDS: Final = 3.0
"""Over how long the rate of a stream is measured."""

_SOON: Final = 1e-9


class Sender:
    """A peer that has pieces.

    Attributes:
        sent_bytes: all that it sent, wanted or not.
    """

    def __init__(self, name: str, rate: float, has: PieceSet) -> None:
        self.name = name
        self.rate = rate
        self.has = has
        self.sent_bytes = 0.0


class Receiver(Sender):
    """A peer that downloads, and sends what it has meanwhile."""

    def __init__(self, name: str, rate: float, manifest: Manifest, rng: random.Random) -> None:
        super().__init__(name, rate, PieceSet(manifest.piece_count))
        self.plan: Plan[Sender] = Plan(manifest, self.has, rng)
        self.links: dict[Sender, Link] = {}
        self.finished_at: float | None = None


class Link:
    """What a receiver and one of its sources have to do with each other.

    Attributes:
        piece: the piece that is on its way; none while it is asked for nothing.
        opens_at: when its bytes begin to come.
    """

    def __init__(self, receiver: Receiver, sender: Sender, clock: Clock) -> None:
        self.receiver = receiver
        self.sender = sender
        self.piece: int | None = None
        self.opens_at = 0.0
        self._clock = clock
        self._known_rate: float | None = None

    def ask(self, first: int) -> None:
        """A stream is to begin with that piece."""
        self.piece = first
        self.opens_at = self._clock.now + OPENING_SECONDS
        self.piece_bytes = self._stream_bytes = 0.0
        self._meter = RateMeter(self._clock)

    def bring(self, count: float) -> None:
        """So many bytes come."""
        self.piece_bytes += count
        self._stream_bytes += count
        self._meter.add(round(count))

    def end(self) -> None:
        """Nothing is asked for any more."""
        if self.piece is not None:
            self._known_rate = self.pace.rate
            self.piece = None

    @property
    def pace(self) -> Pace:
        """How it does, as far as the receiver knows."""
        if self.piece is None or not self._stream_bytes:
            return Pace(self._known_rate)
        seconds = self._clock.now - self.opens_at
        is_new = seconds < METER_SECONDS
        rate = self._stream_bytes / seconds if is_new else self._meter.rate
        return Pace(rate, int(self.piece_bytes))


class Simulation:
    """A video, those who have it and those who want it.

    Attributes:
        clock: how many seconds have passed.
        revoked: how often a source was told to leave the piece that it was sending.
    """

    def __init__(self, size_bytes: int, *, seed: int, news_seconds: float = 0.05) -> None:
        self.manifest = Manifest(size_bytes, bytes(32 * piece_count(size_bytes)))
        self.clock = Clock(0.0)
        self.revoked = 0
        self._rng = random.Random(seed)
        self._news_seconds = news_seconds
        self._news: list[tuple[float, int, Link, int]] = []
        self._numbers = itertools.count()
        self._links: list[Link] = []
        self._to_ask: dict[Receiver, None] = {}  # a set in the order in which it was filled
        self._look_at = 0.0

    def owner(self, name: str, rate: float, has: PieceSet | None = None) -> Sender:
        """A peer that has the video, or part of it and downloads no more, at bytes a second."""
        full = PieceSet.full(self.manifest.piece_count)
        return Sender(name, rate, full if has is None else has)

    def receiver(self, name: str, rate: float) -> Receiver:
        """A peer that wants the video, and sends at so many bytes a second."""
        return Receiver(name, rate, self.manifest, random.Random(self._rng.random()))

    def connect(self, receiver: Receiver, sender: Sender) -> None:
        """A receiver gets to know a source."""
        receiver.links[sender] = link = Link(receiver, sender, self.clock)
        receiver.plan.join(sender, sender.has)
        self._links.append(link)

    def run(self, at_most_seconds: float) -> None:
        """Let them send until everybody has everything, before so much time has passed."""
        while any(link.receiver.finished_at is None for link in self._links):
            assert self.clock.now < at_most_seconds
            self.step()

    def step(self) -> None:
        """Let the time pass to the next event, and everybody do what follows from it."""
        for receiver in self._to_ask:
            self._ask(receiver)
        flows = list(self._flows())
        self._pass(flows)
        arrived = [link for link, _ in flows if self._arrives(link)]
        self._to_ask = {link.receiver: None for link in (*arrived, *self._arriving_news())}
        if self.clock.now >= self._look_at:
            self._look_at = self.clock.now + LOOK_SECONDS
            self._to_ask = {link.receiver: None for link in self._links}

    def _ask(self, receiver: Receiver) -> None:
        """Ask the sources of a receiver that are asked for nothing."""
        for sender, link in receiver.links.items():
            if link.piece is None and receiver.finished_at is None:
                paces = {each: other.pace for each, other in receiver.links.items()}
                if claim := receiver.plan.claim(sender, paces):
                    if claim.revoked:
                        self.revoked += 1
                        receiver.links[claim.revoked].end()
                    link.ask(claim.run.first)

    def _flows(self) -> Iterator[tuple[Link, float]]:
        """The streams whose bytes are coming, and at which rate."""
        coming = [
            link
            for link in self._links
            if link.piece is not None and link.opens_at <= self.clock.now + _SOON
        ]
        readers: dict[Sender, int] = {}
        for link in coming:
            readers[link.sender] = readers.get(link.sender, 0) + 1
        for link in coming:
            yield link, link.sender.rate / readers[link.sender]

    def _pass(self, flows: list[tuple[Link, float]]) -> None:
        """Let the time pass to the next event."""
        now = self.clock.now
        events = [self._look_at, *(news[0] for news in self._news[:1])]
        events += [
            link.opens_at for link in self._links if link.piece is not None and link.opens_at > now
        ]
        events += [now + self._missing(link) / rate for link, rate in flows]
        seconds = max(min(events) - now, _SOON)
        self.clock.advance(seconds)
        for link, rate in flows:
            link.bring(rate * seconds)
            link.sender.sent_bytes += rate * seconds

    def _missing(self, link: Link) -> float:
        assert link.piece is not None
        return self.manifest.piece_range(link.piece)[1] - link.piece_bytes

    def _arrives(self, link: Link) -> bool:
        """Whether the piece is there now, or was before the stream could be told to end."""
        if link.piece is None or self._missing(link) > 1:
            return False
        piece, receiver = link.piece, link.receiver
        assert piece not in receiver.has
        receiver.has.add(piece)
        for other in self._links:
            if other.sender is receiver:
                news = (self.clock.now + self._news_seconds, next(self._numbers), other, piece)
                heapq.heappush(self._news, news)
        if receiver.plan.received(link.sender, piece):
            link.piece = piece + 1
            link.piece_bytes = 0.0
        else:
            link.end()
            receiver.plan.release(link.sender)
        if receiver.plan.is_complete:
            receiver.finished_at = self.clock.now
            for other in receiver.links.values():
                other.end()
        return True

    def _arriving_news(self) -> Iterator[Link]:
        while self._news and self._news[0][0] <= self.clock.now + _SOON:
            _, _, link, piece = heapq.heappop(self._news)
            link.receiver.plan.gained(link.sender, [piece])
            yield link
