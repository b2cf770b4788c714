"""A partial file through all that may happen to it: what counts is always right."""

import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from peer_service.pieces import PieceSet
from peer_service.transfer.folder import ReceivedFolder
from peer_service.transfer.part_file import PartFile, PieceRejected
from tests.videos import MIB, manifest_of, video_bytes

DATA: Final = video_bytes(4 * MIB + 77_777)
MANIFEST: Final = manifest_of(DATA)
FIRST_FLAG, SEAL_BYTES = 8, 32


class PartFileMachine(RuleBasedStateMachine):
    """Bytes come in, right and wrong; processes end, power fails, files are damaged.

    The pieces that are ``known`` are those that the open file holds to be there, those ``noted``
    are the ones that its notes on the disk say count.
    """

    part: PartFile

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp(prefix="videoteca-test-"))
        self.folder = ReceivedFolder(self.path)
        self.part_path = self.path / ".videoteca" / f"{MANIFEST.video_id}.part"
        self.progress_path = self.part_path.with_suffix(".progress")
        self.progress: list[int] = []

    @initialize()
    def open(self) -> None:
        self.progress = []
        self.part = PartFile(
            self.folder, MANIFEST, stop=threading.Event(), on_progress=self.progress.append
        )

    def teardown(self) -> None:
        if hasattr(self, "part"):
            while run := self.part.next_missing():
                self.part.writer(run.first).feed(self.bytes_from(run.first, run.count))
            with self.part:
                path = self.part.finish("clip.mp4")
            assert path.read_bytes() == DATA
            assert list((self.path / ".videoteca").iterdir()) == []
        self.folder.close()
        shutil.rmtree(self.path)

    @precondition(lambda self: self.part.next_missing())
    @rule(count=st.integers(1, 3), step=st.integers(100_000, 3 * MIB))
    def feed(self, count: int, step: int) -> None:
        run = self.part.next_missing()
        assert run
        data = self.bytes_from(run.first, min(count, run.count))
        writer = self.part.writer(run.first)
        assert sum(writer.feed(data[at : at + step]) for at in range(0, len(data), step)) == len(
            data
        )

    @precondition(lambda self: self.part.next_missing())
    @rule(share=st.floats(0, 0.99))
    def feed_a_part_of_a_piece(self, share: float) -> None:
        run = self.part.next_missing()
        assert run
        data = self.bytes_from(run.first, 1)
        assert self.part.writer(run.first).feed(data[: int(len(data) * share)]) == 0

    @precondition(lambda self: self.part.next_missing())
    @rule(at=st.integers(0, 77_776))
    def feed_a_wrong_piece(self, at: int) -> None:
        run = self.part.next_missing()
        assert run
        data = bytearray(self.bytes_from(run.first, 1))
        data[at] ^= 1
        try:
            self.part.writer(run.first).feed(bytes(data))
        except PieceRejected:
            assert self.part.next_missing() == run
        else:
            raise AssertionError

    @rule()
    def close_and_open(self) -> None:
        there = self.known()
        with self.part:
            pass
        self.open()
        assert self.known() == there

    @rule(damage=st.randoms(use_true_random=False))
    def lose_power(self, damage: Any) -> None:
        """Of what was not synced nothing, or only some, has come to the disk."""
        self.crash()
        noted = self.noted()
        with self.part_path.open("r+b") as file:
            for piece in range(MANIFEST.piece_count):
                if piece not in noted:
                    file.seek(MANIFEST.piece_range(piece)[0] + damage.randrange(77_777))
                    file.write(bytes(damage.randrange(1, 50_000)))
        self.reopen()

    @rule()
    def be_killed(self) -> None:
        self.crash()
        self.reopen()

    @rule(size=st.integers(0, len(DATA) + MIB))
    def be_truncated(self, size: int) -> None:
        self.crash()
        os.truncate(self.part_path, size)
        self.reopen()

    @rule(at=st.integers(0, len(DATA) - 1), cleanly=st.booleans())
    def be_damaged(self, at: int, cleanly: bool) -> None:
        if cleanly:
            with self.part:
                pass
        else:
            self.crash()
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
        self.open()
        assert self.known() == set()
        self.progress_path.unlink(missing_ok=True)  # so that nobody takes them for good ones

    @rule(suffix=st.sampled_from([".part", ".manifest", ".progress"]))
    def lose_a_file(self, suffix: str) -> None:
        self.crash()
        self.part_path.with_suffix(suffix).unlink(missing_ok=True)
        self.reopen()

    @invariant()
    def what_is_there_is_right(self) -> None:
        assert self.known().issubset(self.right())

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
        return set(self.part._pieces)

    def noted(self) -> set[int]:
        """The pieces that its notes on the disk say count; none when the notes are torn."""
        data = self.progress_path.read_bytes() if self.progress_path.exists() else b""
        if len(data) != FIRST_FLAG + MANIFEST.piece_count + SEAL_BYTES:
            return set()
        return set(PieceSet.from_bytes(data[FIRST_FLAG:-SEAL_BYTES]))

    def right(self) -> set[int]:
        """The pieces that are on the disk as they should be."""
        data = self.part_path.read_bytes() if self.part_path.exists() else b""
        ranges = map(MANIFEST.piece_range, range(MANIFEST.piece_count))
        return {
            piece
            for piece, (offset, length) in enumerate(ranges)
            if data[offset : offset + length] == DATA[offset : offset + length]
        }

    @staticmethod
    def bytes_from(piece: int, count: int) -> bytes:
        return DATA[piece * MANIFEST.piece_size : (piece + count) * MANIFEST.piece_size]


PartFileMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
TestPartFile = PartFileMachine.TestCase
