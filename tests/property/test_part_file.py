"""A partial file through all that may happen to it: what counts is always right."""

import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from peer_service.transfer.folder import ReceivedFolder
from peer_service.transfer.note import ProgressNote
from peer_service.transfer.part_file import PartFile, PieceRejected, PieceWriter
from tests.videos import MIB, manifest_of, video_bytes

DATA: Final = video_bytes(4 * MIB + 77_777)
MANIFEST: Final = manifest_of(DATA)
PIECES: Final = 5


class Feeding:
    """A source in the middle of a piece, of which the rest may never come.

    Attributes:
        writer: takes the bytes of the current piece.
    """

    def __init__(self, part: PartFile, piece: int) -> None:
        self._data = memoryview(DATA)[MANIFEST.piece_range(piece)[0] :]
        self.writer: PieceWriter = part.writer(piece)

    def feed(self, count: int) -> None:
        """Take so many bytes of the current piece, or all that are left of it."""
        count = min(count, self.writer.left)
        assert len(self.writer.feed(self._data[:count])) == 0
        self._data = self._data[count:]


class PartFileMachine(RuleBasedStateMachine):
    """Bytes come in from several sources, right and wrong; processes end, power fails, files are
    damaged.

    The pieces that are ``known`` are those that the open file holds to be there and offers to
    others, those ``noted`` are the ones that its notes on the disk say count.
    """

    part: PartFile

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp(prefix="videoteca-test-"))
        self.folder = ReceivedFolder(self.path)
        self.part_path = self.path / ".videoteca" / f"{MANIFEST.video_id}.part"
        self.progress_path = self.part_path.with_suffix(".progress")
        self.progress: list[int] = []
        self.feedings: dict[int, Feeding] = {}  # by the piece that each is at
        self.ever_known: set[int] = set()  # since it was opened

    @initialize()
    def open(self) -> None:
        self.progress = []
        self.feedings = {}
        self.part = PartFile(
            self.folder, MANIFEST, stop=threading.Event(), on_progress=self.progress.append
        )
        self.offered = self.part.offer("clip.mp4")
        self.ever_known = set()

    def teardown(self) -> None:
        if hasattr(self, "part"):
            for piece in self.missing():
                feed_all(self.part, piece, MIB)
            with self.part:
                path = self.part.finish("clip.mp4")
            assert path.read_bytes() == DATA
            assert list((self.path / ".videoteca").iterdir()) == []
        self.folder.close()
        shutil.rmtree(self.path)

    @precondition(lambda self: self.free())
    @rule(choice=st.integers(0))
    def begin(self, choice: int) -> None:
        """A source begins with a piece that no other is at."""
        piece = self.free()[choice % len(self.free())]
        self.feedings[piece] = Feeding(self.part, piece)

    @precondition(lambda self: self.free())
    @rule(choice=st.integers(0), step=st.integers(50_000, MIB), counts=st.booleans())
    def bring(self, choice: int, step: int, counts: bool) -> None:
        """A source brings a whole piece; in some time all that is there comes to count."""
        piece = self.free()[choice % len(self.free())]
        feed_all(self.part, piece, step)
        assert piece in self.known()
        if counts:
            self.part._settle()
            assert self.noted() == self.known()

    @precondition(lambda self: self.feedings)
    @rule(choice=st.integers(0), count=st.integers(1, MIB) | st.just(MIB))
    def feed(self, choice: int, count: int) -> None:
        """One of the sources goes on."""
        piece = sorted(self.feedings)[choice % len(self.feedings)]
        feeding = self.feedings[piece]
        before = self.known()
        feeding.feed(count)
        if not feeding.writer.left:
            assert self.known() == before | {piece}
            del self.feedings[piece]

    @precondition(lambda self: self.free())
    @rule(choice=st.integers(0), at=st.integers(0, 77_776))
    def bring_a_wrong_piece(self, choice: int, at: int) -> None:
        """A source lies."""
        piece = self.free()[choice % len(self.free())]
        offset, length = MANIFEST.piece_range(piece)
        data, before = bytearray(DATA[offset : offset + length]), self.known()
        data[at] ^= 1
        with pytest.raises(PieceRejected):
            self.part.writer(piece).feed(memoryview(data))
        assert self.known() == before

    @precondition(lambda self: self.feedings)
    @rule(choice=st.integers(0))
    def cut_off(self, choice: int) -> None:
        """A source is cut off in the middle of its piece."""
        del self.feedings[sorted(self.feedings)[choice % len(self.feedings)]]

    @rule()
    def close_and_open(self) -> None:
        there = self.known()
        self.end(cleanly=True)
        self.open()
        assert self.known() == there

    @rule(damage=st.randoms(use_true_random=False))
    def lose_power(self, damage: Any) -> None:
        """Of what was not synced nothing, or only some, has come to the disk."""
        self.crash()
        noted = self.noted()
        with self.part_path.open("r+b") as file:
            for piece in range(PIECES):
                if piece not in noted:
                    file.seek(MANIFEST.piece_range(piece)[0] + damage.randrange(77_777))
                    file.write(bytes(damage.randrange(1, 50_000)))
        self.reopen()

    @rule()
    def be_killed(self) -> None:
        self.crash()
        self.reopen()

    @rule(size=st.integers(0, len(DATA) + MIB), cleanly=st.booleans())
    def be_truncated(self, size: int, cleanly: bool) -> None:
        self.end(cleanly=cleanly)
        before = self.part_path.stat()
        os.truncate(self.part_path, size)
        os.utime(self.part_path, ns=(before.st_atime_ns, before.st_mtime_ns))  # in the same tick
        self.reopen()

    @rule(at=st.integers(0, len(DATA) - 1), cleanly=st.booleans())
    def be_damaged(self, at: int, cleanly: bool) -> None:
        self.end(cleanly=cleanly)
        with self.part_path.open("r+b") as file:
            file.seek(at)
            (byte,) = file.read(1)
            file.seek(at)
            file.write(bytes([byte ^ 1]))
        os.utime(self.part_path)  # as later writes do, though not in the same tick of the clock
        self.reopen()

    @rule(keep=st.floats(0, 0.99))
    def have_torn_notes(self, keep: float) -> None:
        self.crash()
        if self.progress_path.exists():
            data = self.progress_path.read_bytes()
            self.progress_path.write_bytes(data[: int(len(data) * keep)])
        self.reopen()

    @rule(at=st.integers(0, 10_000), bit=st.integers(0, 7))
    def have_damaged_notes(self, at: int, bit: int) -> None:
        self.crash()
        data = bytearray(self.progress_path.read_bytes() if self.progress_path.exists() else b"")
        if data:
            data[at % len(data)] ^= 1 << bit
            self.progress_path.write_bytes(data)
        self.reopen()

    @rule(suffix=st.sampled_from([".part", ".manifest", ".progress"]))
    def lose_a_file(self, suffix: str) -> None:
        self.crash()
        self.part_path.with_suffix(suffix).unlink(missing_ok=True)
        self.reopen()

    @invariant()
    def what_is_there_is_right(self) -> None:
        assert self.known() <= self.right()

    @invariant()
    def what_was_offered_stays_so(self) -> None:
        if hasattr(self, "part"):
            assert self.ever_known <= self.known()
            self.ever_known = self.known()

    def end(self, *, cleanly: bool) -> None:
        if cleanly:
            with self.part:
                pass
        else:
            self.crash()

    def crash(self) -> None:
        """End as a killed process does: nothing is settled, the files are closed."""
        self.part._syncer.end()
        self.part._open.close()

    def reopen(self) -> None:
        """What counts is what the notes say and what is still right, no more and no less."""
        counted = self.noted() & self.right()
        self.open()
        assert self.known() == counted
        assert self.progress == [sum(MANIFEST.piece_range(piece)[1] for piece in counted)]

    def known(self) -> set[int]:
        """The pieces that the open file holds to be there."""
        return set(self.offered.pieces.snapshot())

    def missing(self) -> list[int]:
        return [piece for piece in range(PIECES) if piece not in self.known()]

    def free(self) -> list[int]:
        """The missing pieces that no source is at."""
        return [piece for piece in self.missing() if piece not in self.feedings]

    def noted(self) -> set[int]:
        """The pieces that its notes on the disk say count; of a copy, as reading mends them."""
        with tempfile.TemporaryDirectory(prefix="videoteca-test-") as copies:
            copy = Path(copies) / "note"
            if self.progress_path.exists():
                shutil.copy(self.progress_path, copy)
            with (
                ReceivedFolder(Path(copies)) as folder,
                ProgressNote(copy, folder.parts_fd, MANIFEST) as note,
            ):
                return set(note.pieces)

    def right(self) -> set[int]:
        """The pieces that are on the disk as they should be."""
        data = self.part_path.read_bytes() if self.part_path.exists() else b""
        ranges = map(MANIFEST.piece_range, range(MANIFEST.piece_count))
        return {
            piece
            for piece, (offset, length) in enumerate(ranges)
            if data[offset : offset + length] == DATA[offset : offset + length]
        }


def feed_all(part: PartFile, piece: int, step: int) -> None:
    """Feed the bytes of a piece, so many at a time."""
    writer, (at, _) = part.writer(piece), MANIFEST.piece_range(piece)
    while writer.left:
        count = min(step, writer.left)
        assert len(writer.feed(memoryview(DATA)[at : at + count])) == 0
        at += count


PartFileMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestPartFile = PartFileMachine.TestCase


@given(
    first=st.integers(0, PIECES - 1),
    steps=st.lists(st.integers(50_000, 3 * MIB), min_size=1, max_size=20),
)
@settings(max_examples=25, deadline=None)
def test_pieces_come_out_of_chunks_of_any_size(first: int, steps: list[int]) -> None:
    with tempfile.TemporaryDirectory(prefix="videoteca-test-") as path:
        given_bytes, at, writers = memoryview(DATA), first * MIB, first
        with (
            ReceivedFolder(Path(path)) as folder,
            PartFile(folder, MANIFEST, stop=threading.Event(), on_progress=lambda _: None) as part,
        ):
            writer = part.writer(first)
            number = 0
            while at < len(DATA):
                step = steps[number % len(steps)]
                rest = given_bytes[at : at + step]
                while rest:
                    rest = writer.feed(rest)
                    if not writer.left and writers + 1 < PIECES:
                        writers += 1
                        writer = part.writer(writers)
                at, number = at + step, number + 1
            assert set(part.pieces.snapshot()) == set(range(first, PIECES))
            there = (Path(path) / ".videoteca" / f"{MANIFEST.video_id}.part").read_bytes()
            assert there[first * MIB :] == DATA[first * MIB :]


def test_what_is_behind_the_piece_is_given_back(tmp_path: Path) -> None:
    with (
        ReceivedFolder(tmp_path) as folder,
        PartFile(folder, MANIFEST, stop=threading.Event(), on_progress=lambda _: None) as part,
    ):
        writer = part.writer(1)
        assert len(writer.feed(memoryview(DATA)[MIB : 2 * MIB - 7])) == 0
        assert writer.left == 7
        assert part.writer(1).feed(memoryview(DATA)[MIB : 2 * MIB + 9]) == DATA[2 * MIB :][:9]
        with pytest.raises(PieceRejected):
            writer.feed(memoryview(bytes(7)))
