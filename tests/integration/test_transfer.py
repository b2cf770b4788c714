"""One video from its sources to a file: real gRPC, real files, and peers that misbehave."""

import errno
import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from peer_service.stop import Stopped
from peer_service.transfer.download import Candidate, Finished, Transfer, Wanted
from peer_service.transfer.source import PeerSource
from tests.fakes.peer import FakePeer, Messages, fake_peer
from tests.sharing import sharing
from tests.videos import MIB, manifest_of, video_bytes
from tests.waiting import eventually
from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import (
    BadSource,
    DiskFull,
    FileChanged,
    FileUnreadable,
    FolderUnusable,
    InvalidName,
    NoSourceOnline,
    NotRegistered,
    NoUploadSlot,
    RemoteFailure,
    Unreachable,
    VideotecaError,
    VideoUnknown,
)

DATA: Final = video_bytes(7 * MIB + 12_345)
STALL_SECONDS: Final = 0.5


class Log:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.verified_bytes = 0
        self.progress: list[int] = []
        self.failures: list[tuple[str, VideotecaError]] = []

    def fetching_from(self, candidate: Candidate) -> None:
        self.sources.append(candidate.peer_name)

    def verified(self, count: int) -> None:
        self.verified_bytes += count

    def progressed(self, verified_bytes: int) -> None:
        self.progress.append(verified_bytes)

    def failed(self, candidate: Candidate, error: VideotecaError) -> None:
        self.failures.append((candidate.peer_name, error))


class Fetching:
    """Transfers of one video into one folder."""

    def __init__(self, folder: Path, data: bytes = DATA, name: str = "clip.mp4") -> None:
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        self.data = data
        self.name = name
        self.stop = threading.Event()
        self.stall_seconds = STALL_SECONDS
        self.log = Log()

    def run(self, *peers: FakePeer | Endpoint) -> Finished:
        self.log = Log()
        endpoints = [each.endpoint if isinstance(each, FakePeer) else each for each in peers]
        return Transfer(
            Wanted(self.name, manifest_of(self.data).video_id),
            [Candidate(f"peer{number}", each) for number, each in enumerate(endpoints)],
            self.folder,
            observer=self.log,
            stop=self.stop,
            connect=functools.partial(PeerSource, stall_seconds=self.stall_seconds),
        ).run()

    def succeed(self, *peers: FakePeer | Endpoint) -> Path:
        finished = self.run(*peers)
        assert finished.path.read_bytes() == self.data
        assert finished.manifest == manifest_of(self.data)
        assert self.parts() == []
        return finished.path

    def parts(self) -> list[str]:
        return [part.name for part in (self.folder / ".videoteca").iterdir()]


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


def test_the_server_may_grant_less(fetching: Fetching, peer: FakePeer) -> None:
    def two_pieces(messages: Messages) -> Messages:
        header, *chunks = messages
        header.header.granted_bytes = min(2 * MIB, header.header.granted_bytes)
        yield header
        yield from chunks[:2]

    peer.alter = two_pieces
    fetching.succeed(peer)
    ends = len(DATA)
    assert peer.fetches == [(at, ends - at) for at in range(0, ends, 2 * MIB)]


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


def test_the_next_source_goes_on_where_one_broke_off(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    def breaks_off(messages: Messages) -> Messages:
        for number, message in enumerate(messages):
            if number == 4:
                raise FileChanged(name="clip.mp4")
            yield message

    peer.alter = breaks_off
    fetching.succeed(peer, honest)
    assert peer.sent_bytes == 3 * MIB
    assert honest.fetches == [(3 * MIB, len(DATA) - 3 * MIB)]
    assert peer.sent_bytes + honest.sent_bytes == len(DATA)
    assert honest.manifests == 0
    assert fetching.log.sources == ["peer0", "peer0", "peer1"]


def test_a_later_transfer_goes_on_where_one_broke_off(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    peer.alter = lambda messages: peer.hang(messages, after=4)
    with pytest.raises(Unreachable):
        fetching.run(peer)
    fetching.succeed(honest)
    assert honest.fetches == [(3 * MIB, len(DATA) - 3 * MIB)]
    assert fetching.log.progress[0] == 3 * MIB


def chunks_become(change: Callable[[int, bytes], bytes]) -> Callable[[Messages], Messages]:
    def alter(messages: Messages) -> Messages:
        for number, message in enumerate(messages):
            if message.chunk:
                yield pb.FetchVideoResponse(chunk=change(number, message.chunk))
            else:
                yield message

    return alter


def header_becomes(**fields: object) -> Callable[[Messages], Messages]:
    def alter(messages: Messages) -> Messages:
        header, *chunks = messages
        header.header.MergeFrom(pb.FetchVideoHeader(**fields))  # type: ignore[arg-type]
        yield header
        yield from chunks

    return alter


def grants_part_of_a_piece(messages: Messages) -> Messages:
    header, first, second, *_ = messages
    header.header.granted_bytes = MIB + 1
    return [header, first, pb.FetchVideoResponse(chunk=second.chunk[:1])]


def joined(messages: Messages) -> Messages:
    header, first, second, *rest = messages
    return [header, pb.FetchVideoResponse(chunk=first.chunk + second.chunk), *rest]


def granted_nothing(messages: Messages) -> Messages:
    header, *_ = messages
    header.header.granted_bytes = 0
    yield header


def flipped(number: int, chunk: bytes) -> bytes:
    return chunk[:5] + bytes([chunk[5] ^ 1]) + chunk[6:] if number == 3 else chunk


LIES: Final = {
    "another video": header_becomes(video_id="0" * 64),
    "another size": header_becomes(size_bytes=5),
    "another piece size": header_becomes(piece_size_bytes=2 * MIB),
    "another offset": header_becomes(offset_bytes=MIB),
    "grants nothing": granted_nothing,
    "grants more than asked": header_becomes(granted_bytes=len(DATA) + 1),
    "grants less than a number": header_becomes(granted_bytes=-1),
    "ends within a piece": grants_part_of_a_piece,
    "no header": lambda messages: list(messages)[1:],
    "two headers": lambda messages: [*list(messages)[:1], *messages, *list(messages)[:1]],
    "nothing": lambda _messages: [],
    "an empty message": lambda messages: [*list(messages)[:1], pb.FetchVideoResponse()],
    "an empty chunk": chunks_become(lambda _number, _chunk: b""),
    "a huge chunk": joined,
    "a wrong piece": chunks_become(flipped),
    "too little": lambda messages: list(messages)[:-1],
    "too much": lambda messages: [*messages, pb.FetchVideoResponse(chunk=b"more")],
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_who_lies_is_named_and_the_next_one_asked(
    fetching: Fetching, peer: FakePeer, honest: FakePeer, lie: Callable[[Messages], Messages]
) -> None:
    peer.alter = lambda messages: lie(list(messages))
    fetching.succeed(peer, honest)
    ((name, error),) = fetching.log.failures
    assert name == "peer0"
    assert isinstance(error, BadSource)
    assert f"peer0 ({peer.endpoint})" in str(error)


def test_only_what_is_right_is_kept_of_a_liar(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    peer.alter = chunks_become(flipped)
    fetching.succeed(peer, honest)
    assert honest.fetches == [(2 * MIB, len(DATA) - 2 * MIB)]


def swapped(answer: pb.GetManifestResponse) -> None:
    answer.piece_digests = answer.piece_digests[32:] + answer.piece_digests[:32]


def resized(answer: pb.GetManifestResponse) -> None:
    answer.size_bytes += 1


def shortened(answer: pb.GetManifestResponse) -> None:
    answer.piece_digests = answer.piece_digests[:-1]


def negative(answer: pb.GetManifestResponse) -> None:
    answer.size_bytes = -1
    answer.piece_digests = b""


@pytest.mark.parametrize("lie", [swapped, resized, shortened, negative])
def test_a_manifest_is_not_believed(
    fetching: Fetching,
    peer: FakePeer,
    honest: FakePeer,
    lie: Callable[[pb.GetManifestResponse], None],
) -> None:
    peer.alter_manifest = lie
    fetching.succeed(peer, honest)
    assert [type(error) for _, error in fetching.log.failures] == [BadSource]
    assert peer.fetches == []


@pytest.mark.parametrize(
    "foreign", [DiskFull(path="/"), NotRegistered(), InvalidName(name="x", problem="y")]
)
def test_a_peer_speaks_of_itself_only(
    fetching: Fetching, peer: FakePeer, foreign: VideotecaError
) -> None:
    def alter(messages: Messages) -> Messages:
        raise foreign

    peer.alter = alter
    with pytest.raises(RemoteFailure):
        fetching.run(peer)


@pytest.mark.parametrize("after", [0, 1, 4])
def test_who_stalls_is_given_up(
    fetching: Fetching, peer: FakePeer, honest: FakePeer, after: int
) -> None:
    peer.alter = lambda messages: peer.hang(messages, after)
    begun = time.monotonic()
    fetching.succeed(peer, honest)
    assert time.monotonic() - begun < STALL_SECONDS + 10
    ((_, error),) = fetching.log.failures
    assert isinstance(error, Unreachable)
    assert "stopped sending" in str(error)


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


def test_taken_slots_outweigh_who_is_gone(
    fetching: Fetching, peer: FakePeer, gone: Endpoint
) -> None:
    def alter(messages: Messages) -> Messages:
        raise NoUploadSlot(retry_after_seconds=7)

    peer.alter = alter
    with pytest.raises(NoUploadSlot) as caught:
        fetching.run(peer, gone)
    assert caught.value.fields == {"retry_after_seconds": "7"}


def test_who_is_gone_outweighs_who_does_not_have_it(
    fetching: Fetching, peer: FakePeer, gone: Endpoint
) -> None:
    def alter(answer: pb.GetManifestResponse) -> None:
        raise VideoUnknown(video="clip.mp4")

    peer.alter_manifest = alter
    with pytest.raises(Unreachable):
        fetching.run(gone, peer)
    with pytest.raises(VideoUnknown):
        fetching.run(peer)


def test_without_sources_there_is_nobody(fetching: Fetching) -> None:
    with pytest.raises(NoSourceOnline):
        fetching.run()


def test_stops_at_once_and_keeps_what_it_has(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    fetching.stall_seconds = 60
    peer.alter = lambda messages: peer.hang(messages, after=4)
    ended: list[float] = []

    def run() -> None:
        with pytest.raises(Stopped):
            fetching.run(peer)
        ended.append(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: fetching.log.verified_bytes == 3 * MIB)
    asked = time.monotonic()
    fetching.stop.set()
    thread.join()
    assert ended[0] - asked < 5
    fetching.stop.clear()
    fetching.succeed(honest)
    assert honest.fetches == [(3 * MIB, len(DATA) - 3 * MIB)]


def test_a_missing_folder_is_an_error(fetching: Fetching, peer: FakePeer) -> None:
    fetching.folder.rmdir()
    with pytest.raises(FolderUnusable, match="received"):
        fetching.run(peer)


def test_what_is_there_already_is_used(fetching: Fetching, peer: FakePeer) -> None:
    (fetching.folder / "clip.mp4").write_bytes(DATA)
    assert fetching.succeed(peer) == fetching.folder / "clip.mp4"
    assert peer.fetches == []


def test_a_taken_name_is_left_alone(fetching: Fetching, peer: FakePeer) -> None:
    (fetching.folder / "clip.mp4").write_bytes(DATA[:-1] + b"?")
    elsewhere = fetching.folder.parent / "elsewhere.mp4"
    elsewhere.write_bytes(DATA)
    (fetching.folder / "clip (2).mp4").symlink_to(elsewhere)
    assert fetching.succeed(peer) == fetching.folder / "clip (3).mp4"
    assert (fetching.folder / "clip.mp4").read_bytes() == DATA[:-1] + b"?"
    assert fetching.succeed(peer) == fetching.folder / "clip (3).mp4"
    assert len(peer.fetches) == 1


def test_what_appears_meanwhile_is_used(
    fetching: Fetching, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = fetching.folder / "clip.mp4"
    monkeypatch.setattr(Log, "verified", lambda _log, _count: there.write_bytes(DATA))
    assert fetching.succeed(peer) == there
    assert sorted(entry.name for entry in fetching.folder.iterdir()) == [".videoteca", "clip.mp4"]


def test_a_file_that_got_its_name_is_not_written_to_any_more(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    peer.alter = lambda messages: peer.hang(messages, after=4)
    with pytest.raises(Unreachable):
        fetching.run(peer)
    (part,) = (fetching.folder / ".videoteca").glob("*.part")
    mine = fetching.folder / "renamed and cut.mp4"
    mine.hardlink_to(part)  # as by a process that was killed before it removed the part
    mine.write_bytes(b"cut")
    fetching.succeed(honest)
    assert mine.read_bytes() == b"cut"


def test_nothing_is_written_through_a_symbolic_link(
    fetching: Fetching, peer: FakePeer, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (fetching.folder / ".videoteca").symlink_to(outside)
    with pytest.raises(FolderUnusable):
        fetching.run(peer)
    (fetching.folder / ".videoteca").unlink()
    (fetching.folder / ".videoteca").mkdir()
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (fetching.folder / ".videoteca" / f"{peer.manifest.video_id}.part").symlink_to(victim)
    with pytest.raises(FileUnreadable):
        fetching.run(peer)
    assert list(outside.iterdir()) == []
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["../clip.mp4", "a/b", ".hidden", "", "a\x00b"])
def test_a_name_leaves_the_folder_never(fetching: Fetching, peer: FakePeer, name: str) -> None:
    fetching.name = name
    with pytest.raises(InvalidName):
        fetching.run(peer)
    assert [entry.name for entry in fetching.folder.iterdir()] == [".videoteca"]


def test_two_processes_do_not_write_into_one_part(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    fetching.stall_seconds = 60
    peer.alter = lambda messages: peer.hang(messages, after=4)

    def run() -> None:
        with pytest.raises(Stopped):
            fetching.run(peer)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: fetching.log.verified_bytes == 3 * MIB)
    with pytest.raises(FileUnreadable, match="another process"):
        Fetching(fetching.folder).run(honest)
    fetching.stop.set()
    thread.join()


def test_a_file_system_without_links(
    fetching: Fetching, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    (fetching.folder / "clip.mp4").write_bytes(b"mine")
    assert fetching.succeed(peer) == fetching.folder / "clip (2).mp4"
    assert (fetching.folder / "clip.mp4").read_bytes() == b"mine"
