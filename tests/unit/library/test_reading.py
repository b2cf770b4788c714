"""A file is read whole, or found to have changed."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from peer_service.library.reading import OpenVideo, find_file
from videoteca_core.errors import FileChanged


def test_a_buffer_is_filled_though_the_system_gives_little_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.preadv

    def preadv(file: int, into: Sequence[memoryview], offset: int) -> int:
        return real(file, [into[0][:3]], offset)

    (tmp_path / "clip.mp4").write_bytes(b"0123456789")
    monkeypatch.setattr(os, "preadv", preadv)
    with OpenVideo(find_file(tmp_path, ("clip.mp4",)), "clip.mp4") as video:
        buffer = bytearray(8)
        video.read_into(1, memoryview(buffer))
        assert buffer == b"12345678"


def test_a_file_that_has_shrunk_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"0123456789")
    with OpenVideo(find_file(tmp_path, ("clip.mp4",)), "clip.mp4") as video:
        os.truncate(path, 5)
        with pytest.raises(FileChanged):
            video.read_into(0, memoryview(bytearray(10)))
