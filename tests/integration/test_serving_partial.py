"""A peer that is still downloading serves each piece from the moment that it is there."""

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from peer_service.clients import Client
from peer_service.wire import piece_news_from_wire
from tests.calling import MIB, answers, fetch
from tests.growing import Growing
from tests.sharing import Sharing, sharing
from tests.videos import video_bytes
from tests.waiting import eventually
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1.videoteca_pb2_grpc import PeerStub
from videoteca_core.catalogue import HoldingState
from videoteca_core.errors import (
    FileChanged,
    InvalidVideoId,
    PieceMissing,
    TooManyWatchers,
    VideoUnknown,
)

DATA = video_bytes(5 * MIB + 321)
PIECES = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "received"
    path.mkdir()
    return path


@pytest.fixture
def peer(folder: Path, tmp_path: Path) -> Iterator[Sharing]:
    with sharing(tmp_path / "peer.db", folder) as running:
        yield running


@pytest.fixture
def stub(peer: Sharing) -> Iterator[PeerStub]:
    with peer.stub() as made:
        yield made


@pytest.fixture
def clip(peer: Sharing, folder: Path) -> Growing:
    growing = Growing(folder / ".videoteca", DATA)
    peer.library.offer(growing.partial)
    return growing


def told(peer: Sharing) -> list[tuple[str, HoldingState]]:
    return [(holding.name, holding.state) for holding in peer.library.holdings()]


def test_a_piece_is_served_from_the_moment_that_it_is_there(clip: Growing, stub: PeerStub) -> None:
    for piece in (4, 0, 5, 2):
        offset, length = clip.partial.manifest.piece_range(piece)
        with answers(grpc.StatusCode.FAILED_PRECONDITION, PieceMissing):
            fetch(stub, video_id=clip.video_id, offset_bytes=offset)
        clip.add(piece)
        header, data = fetch(stub, video_id=clip.video_id, offset_bytes=offset, length_bytes=length)
        assert data == DATA[offset : offset + length]
        assert (header.size_bytes, header.granted_bytes) == (len(DATA), length)


@pytest.mark.parametrize(
    ("offset", "length", "end"),
    [
        (0, None, 2 * MIB),
        (0, 7, 7),
        (MIB + 9, None, 2 * MIB),
        (MIB + 9, 4 * MIB, 2 * MIB),
        (4 * MIB, None, len(DATA)),
        (len(DATA) - 1, 100, len(DATA)),
        (len(DATA), None, len(DATA)),
        (3 * MIB, 0, 3 * MIB),
    ],
)
def test_a_grant_ends_with_the_pieces_that_are_there(
    clip: Growing, stub: PeerStub, offset: int, length: int | None, end: int
) -> None:
    clip.add(0, 1, 4, 5)
    for asked in ({"video_id": clip.video_id}, {"name": "clip.mp4"}):
        header, data = fetch(stub, offset_bytes=offset, length_bytes=length, **asked)
        assert (header.granted_bytes, data) == (end - offset, DATA[offset:end])


def test_the_manifest_of_a_download_is_served(clip: Growing, stub: PeerStub) -> None:
    answer = stub.GetManifest(pb.GetManifestRequest(video_id=clip.video_id), timeout=10)
    assert answer.piece_digests == clip.partial.manifest.piece_digests


def test_a_fetch_under_way_goes_on_while_the_file_changes_and_when_it_is_gone(
    peer: Sharing, stub: PeerStub, folder: Path
) -> None:
    data = video_bytes(80 * MIB)  # more than any buffer on the way takes
    big = Growing(folder / ".videoteca", data)
    big.add(*range(70))
    peer.library.offer(big.partial)
    call = stub.FetchVideo(pb.FetchVideoRequest(video_id=big.video_id), timeout=30)
    granted = next(call).header.granted_bytes
    big.add(*range(70, 80))
    peer.library.end_offer(big.video_id)
    big.path.unlink()
    assert b"".join(part.chunk for part in call) == data[:granted]


@pytest.mark.parametrize("finished", [False, True])
def test_who_waited_for_a_slot_gets_what_has_come_meanwhile(
    tmp_path: Path, folder: Path, finished: bool
) -> None:
    clip = Growing(folder / ".videoteca", DATA)
    clip.add(0)
    with sharing(tmp_path / "peer.db", folder, slots=1) as peer, peer.stub() as stub:
        peer.library.offer(clip.partial)
        holder = peer.slots.hold(Client("elsewhere", "1"))
        peer.call(holder.__aenter__())
        call = stub.FetchVideo(pb.FetchVideoRequest(video_id=clip.video_id), timeout=30)
        eventually(lambda: peer.slots.waiting == 1)
        if finished:
            peer.library.add_received(clip.finish(folder), clip.partial.manifest)
        else:
            clip.add(1, 2)
        peer.loop.call_soon_threadsafe(holder.release)
        assert next(call).header.granted_bytes == (len(DATA) if finished else 3 * MIB)


def test_a_partial_file_that_is_gone_is_a_file_that_changed(clip: Growing, stub: PeerStub) -> None:
    clip.add(0)
    clip.path.unlink()
    with answers(grpc.StatusCode.ABORTED, FileChanged):
        fetch(stub, video_id=clip.video_id)
    elsewhere = clip.path.with_name("elsewhere")
    elsewhere.write_bytes(DATA)
    clip.path.symlink_to(elsewhere)
    with answers(grpc.StatusCode.ABORTED, FileChanged):
        fetch(stub, video_id=clip.video_id)


def test_a_download_that_is_not_offered_any_more_is_unknown(
    peer: Sharing, clip: Growing, stub: PeerStub
) -> None:
    clip.add(0)
    assert told(peer) == [("clip.mp4", HoldingState.PARTIAL)]
    peer.library.end_offer(clip.video_id)
    peer.library.end_offer(clip.video_id)
    assert told(peer) == []
    for asked in ({"video_id": clip.video_id}, {"name": "clip.mp4"}):
        with answers(grpc.StatusCode.NOT_FOUND, VideoUnknown):
            fetch(stub, **asked)


def test_a_finished_download_is_told_as_complete_under_the_same_name(
    peer: Sharing, clip: Growing, stub: PeerStub, folder: Path
) -> None:
    clip.add(*range(PIECES))
    before = peer.library.version
    peer.library.add_received(clip.finish(folder), clip.partial.manifest)
    assert told(peer) == [("clip.mp4", HoldingState.COMPLETE)]
    peer.library.end_offer(clip.video_id)
    assert peer.library.version == before + 1  # one change to tell, not two
    assert fetch(stub, video_id=clip.video_id)[1] == DATA


def test_what_the_owner_takes_back_is_no_longer_served(
    peer: Sharing, clip: Growing, stub: PeerStub
) -> None:
    clip.add(*range(PIECES))
    peer.call(peer.library.unshare(["clip.mp4"]))
    assert told(peer) == []
    peer.library.offer(clip.partial)  # tried again
    assert told(peer) == []
    with answers(grpc.StatusCode.NOT_FOUND, VideoUnknown):
        fetch(stub, video_id=clip.video_id)


class Watching:
    """A WatchPieces call, and the pieces that it told of."""

    def __init__(self, stub: PeerStub, video_id: str) -> None:
        self.call = stub.WatchPieces(pb.WatchPiecesRequest(video_id=video_id), timeout=30)
        first = next(self.call)
        assert first.WhichOneof("news") == "bitmap"
        self.pieces = list(piece_news_from_wire(first, PIECES))

    def more(self) -> list[int]:
        message = next(self.call)
        assert message.WhichOneof("news") == "added"
        self.pieces += message.added.numbers
        return list(message.added.numbers)

    def rest(self) -> list[int]:
        """All that it told once it has ended well."""
        for message in self.call:
            self.pieces += message.added.numbers
        assert len(self.pieces) == len(set(self.pieces))  # each once
        return sorted(self.pieces)


def test_who_watches_is_told_of_each_piece(clip: Growing, stub: PeerStub) -> None:
    clip.add(4)
    watching = Watching(stub, clip.video_id)
    assert watching.pieces == [4]
    clip.add(0)
    assert watching.more() == [0]
    late = Watching(stub, clip.video_id)
    assert sorted(late.pieces) == [0, 4]
    clip.add(1, 2, 3, 5)
    assert watching.rest() == late.rest() == list(range(PIECES))


def test_what_is_told_is_served(clip: Growing, stub: PeerStub) -> None:
    watching = Watching(stub, clip.video_id)
    adding = threading.Thread(target=clip.add, args=range(PIECES))
    adding.start()
    while len(watching.pieces) < PIECES:
        for piece in watching.more():
            offset, length = clip.partial.manifest.piece_range(piece)
            asked = {"offset_bytes": offset, "length_bytes": length}
            assert fetch(stub, video_id=clip.video_id, **asked)[1] == DATA[offset:][:length]
    adding.join()


def test_the_pieces_of_a_whole_video_are_told_in_one_message(
    peer: Sharing, stub: PeerStub, folder: Path
) -> None:
    (folder / "whole.mp4").write_bytes(DATA)
    (folder / "empty.mp4").touch()
    peer.wait_shared("empty.mp4", "whole.mp4")
    watching = Watching(stub, peer.library.find(name="whole.mp4").holding.video_id)
    assert watching.pieces == list(range(PIECES))
    assert watching.rest() == watching.pieces
    empty = pb.WatchPiecesRequest(video_id=peer.library.find(name="empty.mp4").holding.video_id)
    assert list(stub.WatchPieces(empty, timeout=10)) == [pb.WatchPiecesResponse(bitmap=b"")]


def test_to_watch_a_video_that_is_not_there_says_why(clip: Growing, stub: PeerStub) -> None:
    with answers(grpc.StatusCode.NOT_FOUND, VideoUnknown):
        Watching(stub, "f" * 64)
    with answers(grpc.StatusCode.INVALID_ARGUMENT, InvalidVideoId):
        Watching(stub, clip.video_id[:8])


@pytest.mark.parametrize("quiet", [True, False])
def test_a_watch_ends_when_the_download_is_given_up(
    peer: Sharing, clip: Growing, stub: PeerStub, quiet: bool
) -> None:
    clip.add(1)
    watching = Watching(stub, clip.video_id)
    if quiet:
        wait_quiet(clip)
    peer.library.end_offer(clip.video_id)
    with answers(grpc.StatusCode.NOT_FOUND, VideoUnknown):
        watching.more()


def wait_quiet(clip: Growing) -> None:
    """Wait until somebody waits for news."""
    eventually(lambda: clip.partial.pieces.news._waiters)


def test_a_watch_ends_when_the_owner_takes_the_video_back(
    peer: Sharing, clip: Growing, stub: PeerStub
) -> None:
    watching = Watching(stub, clip.video_id)
    wait_quiet(clip)
    peer.call(peer.library.unshare(["clip.mp4"]))
    with answers(grpc.StatusCode.NOT_FOUND, VideoUnknown):
        watching.more()


def test_a_watch_ends_well_when_the_download_is_complete_and_not_shared_on(
    peer: Sharing, clip: Growing, stub: PeerStub
) -> None:
    clip.add(1)
    watching = Watching(stub, clip.video_id)
    clip.add(0, 2, 3, 4, 5)
    peer.library.end_offer(clip.video_id)
    assert watching.rest() == list(range(PIECES))


def test_a_watch_is_told_the_rest_when_the_video_comes_from_elsewhere(
    peer: Sharing, clip: Growing, stub: PeerStub, folder: Path
) -> None:
    clip.add(1)
    watching = Watching(stub, clip.video_id)
    (folder / "from a stick.mp4").write_bytes(DATA)
    assert watching.rest() == list(range(PIECES))


def test_a_watch_goes_on_over_another_try_of_the_download(
    peer: Sharing, clip: Growing, stub: PeerStub, folder: Path
) -> None:
    clip.add(1)
    watching = Watching(stub, clip.video_id)
    again = Growing(folder / ".videoteca", DATA)
    again.add(1)
    peer.library.offer(again.partial)
    wait_quiet(again)
    again.add(3)
    assert watching.more() == [3]
    again.add(0, 2, 4, 5)
    assert watching.rest() == list(range(PIECES))


def test_a_watch_that_is_given_up_leaves_nothing(
    peer: Sharing, clip: Growing, stub: PeerStub
) -> None:
    watching = Watching(stub, clip.video_id)
    assert (peer.watchers.count, peer.slots.in_use) == (1, 0)
    watching.call.cancel()
    eventually(lambda: peer.watchers.count == 0)
    clip.add(0)


def test_no_more_than_so_many_watch(peer: Sharing, clip: Growing, stub: PeerStub) -> None:
    peer.watchers.most = 2
    first, second = Watching(stub, clip.video_id), Watching(stub, clip.video_id)
    with answers(grpc.StatusCode.RESOURCE_EXHAUSTED, TooManyWatchers):
        Watching(stub, clip.video_id)
    first.call.cancel()
    eventually(lambda: peer.watchers.count == 1)
    clip.add(*range(PIECES))
    assert Watching(stub, clip.video_id).rest() == second.rest()
