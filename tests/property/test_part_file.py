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

from peer_service.transfer.folder import ReceivedFolder
from peer_service.transfer.part_file import PartFile, PieceRejected
from peer_service.transfer.plan import PieceSet, bytes_there
from tests.videos import MIB, manifest_of, video_bytes

DATA: Final = video_bytes(4 * MIB + 77_777)
MANIFEST: Final = manifest_of(DATA)
FIRST_FLAG, SEAL_BYTES = 8, 32


class PartFileMachine(RuleBasedStateMachine):
    """Bytes come in, right and wrong; processes end, power fails, files are damaged.

    ``known`` are the pieces that the open file was given and accepted; ``counted`` those that it
    said count when it was opened.
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
        """All that was not synced is lost, or half of it."""
        self.crash()
        counted = self.noted()
        with self.part_path.open("r+b") as file:
            for piece in range(MANIFEST.piece_count):
                if piece not in counted:
                    file.seek(MANIFEST.piece_range(piece)[0] + damage.randrange(77_777))
                    file.write(bytes(damage.randrange(1, 50_000)))
        self.reopen_and_find(counted)

    @rule()
    def be_killed(self) -> None:
        self.crash()
        self.reopen_and_find(self.noted())

    @rule(size=st.integers(0, len(DATA) + MIB))
    def be_truncated(self, size: int) -> None:
        self.crash()
        counted = self.noted()
        os.truncate(self.part_path, size)
        for piece in list(counted):
            if sum(MANIFEST.piece_range(piece)) > size:
                counted.discard(piece)
        self.reopen_and_find(counted)

    @rule(at=st.integers(0, len(DATA) - 1), cleanly=st.booleans())
    def be_damaged(self, at: int, cleanly: bool) -> None:
        if cleanly:
            with self.part:
                pass
        else:
            self.crash()
        counted = self.noted()
        with self.part_path.open("r+b") as file:
            file.seek(at)
            (byte,) = file.read(1)
            file.seek(at)
            file.write(bytes([byte ^ 1]))
        os.utime(self.part_path)  # as later writes do, though not in the same tick of the clock
        counted.discard(at // MANIFEST.piece_size)
        self.reopen_and_find(counted)

    @rule(keep=st.floats(0, 0.99))
    def have_torn_notes(self, keep: float) -> None:
        self.crash()
        if self.progress_path.exists():
            data = self.progress_path.read_bytes()
            self.progress_path.write_bytes(data[: int(len(data) * keep)])
        self.reopen_and_find(PieceSet(MANIFEST.piece_count))

    @rule(others=st.sampled_from(["part", "manifest"]))
    def lose_a_file(self, others: str) -> None:
        self.crash()
        counted = self.noted() if others == "manifest" else PieceSet(MANIFEST.piece_count)
        self.part_path.with_suffix(f".{others}").unlink(missing_ok=True)
        self.reopen_and_find(counted)

    @invariant()
    def what_counts_is_right(self) -> None:
        data = self.part_path.read_bytes() if self.part_path.exists() else b""
        for piece in self.noted():
            offset, length = MANIFEST.piece_range(piece)
            assert data[offset : offset + length] == DATA[offset : offset + length]

    def crash(self) -> None:
        """End as a killed process does: nothing is settled, the files are closed."""
        self.part._syncer.end()
        self.part._open.close()

    def reopen_and_find(self, counted: PieceSet) -> None:
        self.open()
        assert self.progress == [bytes_there(counted, MANIFEST)]
        assert self.known() == counted

    def known(self) -> PieceSet:
        return self.part._pieces.copy()

    def noted(self) -> PieceSet:
        data = self.progress_path.read_bytes() if self.progress_path.exists() else b""
        return PieceSet.from_bytes(data[FIRST_FLAG:-SEAL_BYTES] or bytes(MANIFEST.piece_count))

    @staticmethod
    def bytes_from(piece: int, count: int) -> bytes:
        return DATA[piece * MANIFEST.piece_size : (piece + count) * MANIFEST.piece_size]


PartFileMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
TestPartFile = PartFileMachine.TestCase
