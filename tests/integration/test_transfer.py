"""One video from a source to a file: real gRPC, real files."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from peer_service.transfer.model import SourceState
from tests.fakes.peer import FakePeer, Messages, fake_peer
from tests.fetching import DATA, STALL_SECONDS, Fetching, Log
from tests.sharing import sharing
from tests.videos import MIB, video_bytes
from tests.waiting import eventually
from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import (
    FileChanged,
    NoSourceOnline,
    NoUploadSlot,
    Unreachable,
    VideoUnknown,
)


@pytest.fixture
def fetching(tmp_path: Path) -> Fetching:
    return Fetching(tmp_path / "received")


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


@pytest.fixture
def honest() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


@pytest.fixture
def gone() -> Endpoint:
    with fake_peer(b"") as serving:
        return serving.endpoint


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB, 257 * MIB + 7])
def test_a_real_peers_video_arrives(tmp_path: Path, size: int) -> None:
    data = video_bytes(size)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "clip.mp4").write_bytes(data)
    with sharing(tmp_path / "db", tmp_path / "shared") as real:
        real.wait_shared("clip.mp4")
        fetching = Fetching(tmp_path / "received", data)
        path = fetching.succeed(real.endpoint)
        assert path == tmp_path / "received" / "clip.mp4"
        assert fetching.log.progress[-1] == fetching.log.verified_bytes == size
        assert real.counters.uploaded_bytes == size
        umask = os.umask(0)
        os.umask(umask)
        assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_the_source_is_told_of(fetching: Fetching, peer: FakePeer) -> None:
    fetching.succeed(peer)
    (source,) = fetching.transfer.sources()
    assert (source.peer, source.address) == ("peer0", str(peer.endpoint))
    assert (source.bytes, source.rate) == (len(DATA), 0)
    assert (source.state, source.reason) == (SourceState.LEFT, "")


def test_the_server_may_grant_less(fetching: Fetching, peer: FakePeer) -> None:
    def two_pieces(messages: Messages) -> Messages:
        header, *chunks = messages
        header.header.granted_bytes = min(2 * MIB, header.header.granted_bytes)
        yield header
        yield from chunks[:2]

    peer.alter = two_pieces
    fetching.succeed(peer)
    assert peer.sent_bytes == len(DATA)
    assert len(peer.fetches) >= 4
    assert all(offset % MIB == 0 for offset, _ in peer.fetches)


def test_chunks_need_not_be_pieces(fetching: Fetching, peer: FakePeer) -> None:
    def small(messages: Messages) -> Messages:
        for message in messages:
            if message.chunk:
                for at in range(0, len(message.chunk), 300_001):
                    yield pb.FetchVideoResponse(chunk=message.chunk[at : at + 300_001])
            else:
                yield message

    peer.alter = small
    fetching.succeed(peer)


def breaks_off(peer: FakePeer) -> Callable[[Messages], Messages]:
    """After three pieces or four, one of which is short."""

    def alter(messages: Messages) -> Messages:
        for message in messages:
            if message.chunk and peer.sent_bytes >= 3 * MIB:
                raise FileChanged(name="clip.mp4")
            yield message

    return alter


def test_a_later_transfer_goes_on_where_one_broke_off(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    peer.alter = breaks_off(peer)
    with pytest.raises(FileChanged):
        fetching.run(peer)
    there = fetching.log.verified_bytes
    assert there == peer.sent_bytes >= 3 * MIB
    fetching.succeed(honest)
    assert honest.sent_bytes == fetching.log.verified_bytes == len(DATA) - there
    assert honest.manifests == 0
    assert fetching.log.progress[0] == there


def after(condition: Callable[[], object], messages: Messages) -> Messages:
    eventually(condition)
    yield from messages


def test_the_next_source_goes_on_where_one_broke_off(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    peer.alter = breaks_off(peer)
    honest.alter = lambda messages: after(lambda: fetching.log.failures, messages)
    fetching.stall_seconds = 20
    fetching.succeed(peer, honest)
    assert peer.sent_bytes == fetching.source(0).bytes >= 3 * MIB
    assert fetching.source(1).bytes == len(DATA) - peer.sent_bytes
    assert fetching.source(0).state is SourceState.DROPPED
    assert fetching.source(0).reason == "FILE_CHANGED"
    assert fetching.source(0).message == "The file of 'clip.mp4' changed since it was published."
    assert fetching.source(0).fields == {"name": "clip.mp4"}


def test_a_slow_disk_is_not_the_peers_fault(
    fetching: Fetching, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = threading.Event()

    def verified(log: Log, count: int) -> None:
        slow.wait(2 * STALL_SECONDS)
        slow.set()

    monkeypatch.setattr(Log, "verified", verified)
    fetching.succeed(peer)
    assert fetching.log.failures == []


def has_no_slot(messages: Messages) -> Messages:
    raise NoUploadSlot(retry_after_seconds=1)


def knows_nothing(answer: pb.GetManifestResponse) -> None:
    raise VideoUnknown(video="clip.mp4")


def test_who_is_gone_outweighs_who_does_not_have_it(
    fetching: Fetching, peer: FakePeer, gone: Endpoint
) -> None:
    peer.alter_manifest = knows_nothing
    with pytest.raises(Unreachable):
        fetching.run(gone, peer)
    with pytest.raises(VideoUnknown):
        fetching.run(peer)


def test_without_sources_there_is_nobody(fetching: Fetching) -> None:
    with pytest.raises(NoSourceOnline):
        fetching.run()
