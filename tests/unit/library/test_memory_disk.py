"""Telling disks that are memory from others."""

import os
import tempfile
from pathlib import Path

import pytest

from peer_service.library import memory_disk
from peer_service.library.memory_disk import is_memory_disk
from peer_service.library.reading import OpenVideo, find_file


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="Linux only")
def test_shared_memory_is_one() -> None:
    with tempfile.TemporaryFile(dir="/dev/shm") as file:
        assert is_memory_disk(os.fstat(file.fileno()).st_dev)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="Linux only")
def test_what_is_there_is_read_without_a_thread() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        (Path(folder) / "clip.mp4").write_bytes(b"0123456789")
        into = memoryview(bytearray(4))
        with OpenVideo(find_file(Path(folder), ("clip.mp4",)), "clip.mp4") as video:
            assert video.read_cached(3, into)
            assert bytes(into) == b"3456"
            assert not video.read_cached(8, into)  # beyond the end


def test_the_kind_is_read_from_the_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        "30 22 0:27 /some - tmpfs /mnt/odd rw shared:2 - nfs4 server:/some rw\n"
        "31 22 0:28 / /dev/shm rw - tmpfs tmpfs rw\n"
    )
    monkeypatch.setattr(memory_disk, "_MOUNTS", mounts)
    is_memory_disk.cache_clear()
    try:
        assert not is_memory_disk(os.makedev(254, 1))
        assert is_memory_disk(os.makedev(0, 28))
        assert not is_memory_disk(os.makedev(0, 99))
    finally:
        is_memory_disk.cache_clear()


def test_without_that_file_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_disk, "_MOUNTS", tmp_path / "nothing")
    is_memory_disk.cache_clear()
    try:
        assert not is_memory_disk(os.makedev(0, 28))
    finally:
        is_memory_disk.cache_clear()
