"""The library over real folders: what it shares, withdraws, remembers and refuses."""

import contextlib
import errno
import os
import shutil
import sqlite3
import threading
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from peer_service.database import PeerDatabase
from peer_service.library.library import Library
from peer_service.library.model import ShareProgress
from peer_service.library.reading import OpenVideo, open_shared
from peer_service.library.scan import scan as real_scan
from tests.clock import Clock
from tests.sharing import Sharing, sharing
from tests.waiting import eventually
from videoteca_core.errors import (
    FileChanged,
    FileMissing,
    InvalidName,
    NameInUse,
    VideoUnknown,
)
from videoteca_core.manifest import Manifest, digest, piece_size

MIB = 1 << 20


def write(path: Path, data: bytes = b"video") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


async def shared(library: Library, path: Path) -> list[ShareProgress]:
    return [progress async for progress in library.share(path)]


def reasons(peer: Sharing) -> dict[str, str]:
    return {Path(file.path).name: file.reason for file in peer.library.skipped()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "shared"
    path.mkdir()
    return path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "peer.db"


def test_files_are_shared_with_the_id_of_their_content(folder: Path, database: Path) -> None:
    data = os.urandom(3 * MIB + 5)
    write(folder / "season 1" / "clip.mp4", data)
    write(folder / "empty.mp4", b"")
    pieces = b"".join(digest(data[start : start + MIB]) for start in range(0, len(data), MIB))
    with sharing(database, folder) as peer:
        peer.wait_shared("clip.mp4", "empty.mp4")
        video = peer.library.find(name="clip.mp4")
        assert video.manifest == Manifest(len(data), pieces)
        assert peer.library.find(video_id=video.holding.video_id) is video
        assert peer.library.find(name="empty.mp4").manifest == Manifest(0, b"")
        eventually(lambda: peer.library.hashing().files == 0)
        with open_shared(video) as opened:
            assert opened.read(MIB - 3, 10) == data[MIB - 3 : MIB + 7]


def test_a_restart_hashes_nothing_again(folder: Path, database: Path) -> None:
    for number in range(20):
        write(folder / f"{number:02}.mp4", os.urandom(1000))
    names = [f"{number:02}.mp4" for number in range(20)]
    with sharing(database, folder) as peer:
        peer.wait_shared(*names)
        assert peer.library.hashed_bytes == 20_000
        before = peer.library.holdings()
    write(folder / "07.mp4", os.urandom(500))
    with sharing(database, folder) as peer:
        peer.wait_shared(*names)
        assert peer.library.hashed_bytes == 500
        changed = [
            one for one, other in zip(before, peer.library.holdings(), strict=True) if one != other
        ]
        assert [holding.name for holding in changed] == ["07.mp4"]


def test_digests_of_files_that_are_gone_are_forgotten_but_not_those_of_a_folder_that_is_away(
    tmp_path: Path, database: Path
) -> None:
    drive = tmp_path / "drive"
    write(tmp_path / "shared" / "gone.mp4", b"gone")
    write(drive / "kept.mp4", b"kept")
    with sharing(database, tmp_path / "shared", drive) as peer:
        peer.wait_shared("gone.mp4", "kept.mp4")
    (tmp_path / "shared" / "gone.mp4").unlink()
    drive.rename(tmp_path / "unplugged")

    with sharing(database, tmp_path / "shared", drive):
        eventually(lambda: remembered_paths(database) == [str(drive / "kept.mp4")])


def remembered_paths(database: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [os.fsdecode(path) for (path,) in connection.execute("SELECT path FROM files")]


def test_what_disappears_is_withdrawn_and_what_comes_is_shared(
    folder: Path, database: Path
) -> None:
    write(folder / "a.mp4")
    write(folder / "sub" / "b.mp4")
    with sharing(database, folder) as peer:
        peer.wait_shared("a.mp4", "b.mp4")
        shutil.rmtree(folder / "sub")
        peer.wait_shared("a.mp4")
        with pytest.raises(VideoUnknown):
            peer.library.find(name="b.mp4")
        write(folder / "new" / "c.mp4")
        peer.wait_shared("a.mp4", "c.mp4")
        (folder / "new" / "c.mp4").rename(folder / "d.mp4")
        peer.wait_shared("a.mp4", "d.mp4")


def test_a_shared_folder_that_goes_away_is_reported_and_picked_up_again(
    folder: Path, database: Path, tmp_path: Path
) -> None:
    write(folder / "a.mp4", b"12345")
    with sharing(database, folder) as peer:
        peer.wait_shared("a.mp4")
        folder.rename(tmp_path / "unplugged")
        peer.wait_shared()
        eventually(lambda: reasons(peer) == {"shared": "FOLDER_UNUSABLE"})
        (tmp_path / "unplugged").rename(folder)
        peer.wait_shared("a.mp4")
        assert peer.library.hashed_bytes == 5
        eventually(lambda: peer.library.skipped() == ())


def wait_for_a_look(library: Library) -> None:
    view = library._watch.view
    eventually(lambda: library._watch.view is not view)


def test_a_file_is_shared_only_once_it_has_been_still(folder: Path, database: Path) -> None:
    clock = Clock(100.0)
    path = write(folder / "growing.mp4", b"1")
    with sharing(database, folder, settle_seconds=2.0, clock=clock) as peer:

        def look_again() -> None:
            for _ in range(3):
                wait_for_a_look(peer.library)

        def sizes() -> list[int]:
            return [holding.size_bytes for holding in peer.library.holdings()]

        look_again()
        eventually(lambda: peer.library.hashing().files == 1)
        clock.advance(1.9)
        write(path, b"12")
        look_again()
        clock.advance(1.9)
        look_again()
        assert sizes() == []
        clock.advance(0.2)
        version = peer.call(peer.library.changed(0))
        assert sizes() == [2]
        # A change withdraws at once, and settles anew.
        write(path, b"123")
        assert peer.call(peer.library.changed(version)) == version + 1
        look_again()
        assert sizes() == []
        clock.advance(2.0)
        peer.call(peer.library.changed(version + 1))
        assert sizes() == [3]


def test_a_file_that_changes_while_it_is_hashed_is_not_shared_as_it_was(
    folder: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder / "clip.mp4", bytes(3 * MIB))
    changes = iter([True])
    real = OpenVideo.read_into

    def read(video: OpenVideo, offset: int, into: memoryview) -> None:
        if offset == MIB and next(changes, False):
            with path.open("r+b") as file:
                file.write(b"changed")
        real(video, offset, into)

    monkeypatch.setattr(OpenVideo, "read_into", read)
    with sharing(database, folder) as peer:
        peer.wait_shared("clip.mp4")
        assert peer.library.find(name="clip.mp4").manifest.piece_digest(0) == digest(
            b"changed" + bytes(MIB - 7)
        )
        assert peer.library.version == 1


def test_a_file_that_shrinks_while_it_is_hashed_crashes_nothing(
    folder: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder / "clip.mp4", bytes(3 * MIB))
    changes = iter([True])
    real = OpenVideo.read_into

    def read(video: OpenVideo, offset: int, into: memoryview) -> None:
        if offset == MIB and next(changes, False):
            os.truncate(path, 10)
        real(video, offset, into)

    monkeypatch.setattr(OpenVideo, "read_into", read)
    with sharing(database, folder) as peer:
        peer.wait_shared("clip.mp4")
        assert peer.library.find(name="clip.mp4").holding.size_bytes == 10


def test_two_files_of_one_name(tmp_path: Path, database: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    first = write(one / "b" / "clip.mp4", b"first")
    write(two / "clip.mp4", b"second")
    write(one / "z" / "clip.mp4", b"third")
    with sharing(database, one, two) as peer:
        peer.wait_shared("clip.mp4")
        assert peer.library.find(name="clip.mp4").file.path == str(first)
        assert [file.reason for file in peer.library.skipped()] == ["NAME_IN_USE"] * 2
        # A newcomer that sorts before does not take the place of what is shared.
        write(one / "a" / "clip.mp4", b"newcomer")
        eventually(lambda: len(peer.library.skipped()) == 3)
        assert peer.library.find(name="clip.mp4").file.path == str(first)
        first.unlink()
        eventually(lambda: "newcomer" in peer_content(peer, "clip.mp4"))


def peer_content(peer: Sharing, name: str) -> str:
    try:
        video = peer.library.find(name=name)
        with open_shared(video) as opened:
            return opened.read(0, video.holding.size_bytes).decode()
    except (VideoUnknown, FileChanged):
        return ""


def test_a_decomposed_name_is_shared_in_its_one_form(folder: Path, database: Path) -> None:
    composed = "Canción de otoño.mp4"
    path = write(folder / unicodedata.normalize("NFD", composed), b"la la la")
    with sharing(database, folder) as peer:
        peer.wait_shared(composed)
        for form in ("NFC", "NFD"):
            assert peer.library.find(name=unicodedata.normalize(form, composed)).file.path == str(
                path
            )
        assert peer_content(peer, composed) == "la la la"
        assert peer.call(shared(peer.library, path))[-1].holding


def test_an_unreadable_file_is_reported_and_shared_once_it_can_be_read(
    folder: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "broken.mp4", b"broken")
    write(folder / "fine.mp4", b"fine")
    broken = True
    real = OpenVideo.read_into

    def read(video: OpenVideo, offset: int, into: memoryview) -> None:
        real(video, offset, into)
        if bytes(into) == b"broken" and broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(OpenVideo, "read_into", read)
    monkeypatch.setattr("peer_service.library.indexer._RETRY_SECONDS", 0.05)
    with sharing(database, folder) as peer:
        peer.wait_shared("fine.mp4")
        eventually(lambda: reasons(peer) == {"broken.mp4": "FILE_UNREADABLE"})
        broken = False
        peer.wait_shared("broken.mp4", "fine.mp4")
        assert reasons(peer) == {}


def test_a_symbolic_link_is_never_read_not_even_when_it_is_swapped_in(
    folder: Path, database: Path, tmp_path: Path
) -> None:
    secret = write(tmp_path / "outside" / "clip.mp4", b"secret")
    path = write(folder / "sub" / "clip.mp4", b"public")
    with sharing(database, folder) as peer:
        peer.wait_shared("clip.mp4")
        video = peer.library.find(name="clip.mp4")
        os.utime(secret, ns=(0, path.stat().st_mtime_ns))
        (folder / "sub").rename(tmp_path / "moved")
        (folder / "sub").symlink_to(secret.parent)
        with pytest.raises(FileChanged):
            open_shared(video)
        peer.wait_shared()
        eventually(lambda: reasons(peer) == {"sub": "FILE_UNREADABLE"})
        with pytest.raises(FileMissing):
            peer.call(shared(peer.library, folder / "link.mp4"))


# share and unshare


def test_a_file_of_a_shared_folder_is_shared_now(folder: Path, database: Path) -> None:
    path = write(folder / "sub" / "clip.mp4", os.urandom(5 * MIB))
    with sharing(database, folder, settle_seconds=3600) as peer:
        progress = peer.call(shared(peer.library, path))
        assert progress[-1].holding == peer.library.find(name="clip.mp4").holding
        assert progress[-1].hashed_bytes == progress[-1].size_bytes == 5 * MIB
        assert all(step.holding is None for step in progress[:-1])
        again = peer.call(shared(peer.library, path))
        assert again[-1].holding == progress[-1].holding
        assert peer.library.hashed_bytes == 5 * MIB


def test_a_file_from_elsewhere_is_linked_and_shared(
    folder: Path, database: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / "elsewhere" / "clip.mp4", b"from elsewhere")
    with sharing(database, folder, settle_seconds=3600) as peer:
        for _ in range(2):
            assert peer.call(shared(peer.library, path))[-1].holding
        assert (folder / "clip.mp4").samefile(path)
        peer.wait_shared("clip.mp4")


def test_what_can_not_be_shared_says_why(folder: Path, database: Path, tmp_path: Path) -> None:
    write(folder / "clip.mp4", b"shared")
    other = write(tmp_path / "elsewhere" / "clip.mp4", b"other")
    hidden = write(tmp_path / "elsewhere" / ".clip.mp4")
    with sharing(database, folder) as peer:
        peer.wait_shared("clip.mp4")
        with pytest.raises(NameInUse):
            peer.call(shared(peer.library, other))
        with pytest.raises(NameInUse):
            peer.call(shared(peer.library, write(folder / "sub" / "clip.mp4")))
        with pytest.raises(InvalidName):
            peer.call(shared(peer.library, hidden))
        for path in (folder, tmp_path / "nothing.mp4", folder / "nothing.mp4"):
            with pytest.raises(FileMissing):
                peer.call(shared(peer.library, path))
        assert peer_content(peer, "clip.mp4") == "shared"


def test_a_file_that_was_just_moved_can_be_shared_at_once(folder: Path, database: Path) -> None:
    path = write(folder / "clip.mp4")
    with sharing(database, folder, settle_seconds=3600) as peer:
        peer.call(shared(peer.library, path))
        (folder / "sub").mkdir()
        moved = path.rename(folder / "sub" / "clip.mp4")
        peer.call(shared(peer.library, moved))
        assert peer.library.find(name="clip.mp4").file.path == str(moved)


def test_unshared_stays_unshared_until_it_is_shared_again(folder: Path, database: Path) -> None:
    path = write(folder / "clip.mp4")
    write(folder / "other.mp4")
    with sharing(database, folder) as peer:
        peer.wait_shared("clip.mp4", "other.mp4")
        with pytest.raises(VideoUnknown):
            peer.call(peer.library.unshare(["clip.mp4", "nothing.mp4"]))
        peer.wait_shared("clip.mp4", "other.mp4")
        peer.call(peer.library.unshare(["clip.mp4"]))
        peer.wait_shared("other.mp4")
        with pytest.raises(VideoUnknown):
            peer.call(peer.library.unshare(["clip.mp4"]))
    with sharing(database, folder) as peer:
        peer.wait_shared("other.mp4")
        write(folder / "later.mp4")
        peer.wait_shared("later.mp4", "other.mp4")
        peer.call(shared(peer.library, path))
        peer.wait_shared("clip.mp4", "later.mp4", "other.mp4")
    assert path.exists()


# Finished downloads


def test_a_finished_download_is_shared_at_once_and_not_hashed(
    tmp_path: Path, database: Path
) -> None:
    received = tmp_path / "received"
    (tmp_path / "shared").mkdir()
    data = os.urandom(2 * MIB)
    manifest = Manifest(len(data), digest(data[:MIB]) + digest(data[MIB:]))
    with sharing(database, tmp_path / "shared", received, settle_seconds=3600) as peer:
        peer.library.add_received(write(received / "clip.mp4", data), manifest)
        assert peer.library.find(video_id=manifest.video_id).holding.name == "clip.mp4"
        peer.library.add_received(write(tmp_path / "elsewhere.mp4", data), manifest)
        peer.library.add_received(received / "not there.mp4", manifest)
        peer.library.add_received(write(received / "short.mp4", b"short"), manifest)
        peer.wait_shared("clip.mp4")
    with sharing(database, tmp_path / "shared", received, settle_seconds=3600) as peer:
        peer.wait_shared("clip.mp4")
        assert peer.library.hashed_bytes == 0


def test_what_comes_during_a_look_is_not_withdrawn_by_it(
    folder: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that began before a download was finished did not see its file."""
    data = b"finished"
    libraries: list[Library] = []

    def scan(folders: Any) -> Any:
        result = real_scan(folders)
        if not (folder / "clip.mp4").exists():
            path = write(folder / "clip.mp4", data)
            libraries[0].add_received(path, Manifest(len(data), digest(data)))
        return result

    monkeypatch.setattr("peer_service.library.watch.scan", scan)
    with PeerDatabase(database) as opened:
        libraries.append(Library(opened, [folder]))
        for _ in range(3):
            libraries[0]._watch.look()
            assert [holding.name for holding in libraries[0].holdings()] == ["clip.mp4"]
        assert libraries[0].version == 1


def test_stopping_does_not_wait_for_the_hashing_of_a_big_file(
    folder: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashing_began, go_on = threading.Event(), threading.Event()
    real = OpenVideo.read_into
    blocks: list[int] = []

    def read(video: OpenVideo, offset: int, into: memoryview) -> None:
        hashing_began.set()
        go_on.wait(10)
        blocks.append(offset)
        real(video, offset, into)

    monkeypatch.setattr(OpenVideo, "read_into", read)
    monkeypatch.setattr("peer_service.library.hashing._usable_cores", lambda: 4)
    path = folder / "big.mp4"
    path.touch()
    os.truncate(path, 1 << 40)
    assert piece_size(1 << 40) == 64 * MIB
    with sharing(database, folder) as peer:
        hashing_began.wait(10)
        eventually(lambda: peer.library.hashing().files == 1)
        peer.loop.call_soon_threadsafe(peer.loop.call_later, 0.3, go_on.set)
    assert len(blocks) < 10
