"""Reserving the space of a file, on file systems of each kind."""

import errno
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from peer_service import durable

MIB = 1 << 20


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "part", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


@pytest.fixture
def reserved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What was asked of a file system that only notes what it is asked."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(
        os, "posix_fallocate", lambda _fd, offset, length: asked.append((offset, length))
    )
    return asked


def test_all_of_it_is_reserved_once(fd: int, reserved: list[tuple[int, int]]) -> None:
    durable.reserve(fd, 1_000 * MIB + 7)
    assert os.fstat(fd).st_size == 1_000 * MIB + 7
    ends = [offset + length for offset, length in reserved]
    assert [offset for offset, _ in reserved] == [0, *ends[:-1]]
    assert ends[-1] == 1_000 * MIB + 7


def test_where_it_takes_as_long_as_writing_the_rest_is_not_reserved(
    fd: int, reserved: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count(step=0.04)
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    durable.reserve(fd, 1_000 * MIB)
    assert os.fstat(fd).st_size == 1_000 * MIB
    assert [length for _, length in reserved] == [MIB, 2 * MIB]


def test_more_than_there_is_is_refused_before_anything_is_reserved(
    fd: int, reserved: list[tuple[int, int]]
) -> None:
    disk = os.fstatvfs(fd)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        durable.reserve(fd, disk.f_bavail * disk.f_frsize + (1 << 40))
    assert reserved == []
    assert os.fstat(fd).st_size == 0


def test_space_that_runs_out_meanwhile_is_given_back(
    fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.pwrite(fd, b"kept", 0)

    def refuse(fd: int, offset: int, length: int) -> None:
        if offset >= 4 * MIB:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.ftruncate(fd, offset + length)

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        durable.reserve(fd, 100 * MIB)
    assert os.fstat(fd).st_size == len(b"kept")
    assert os.pread(fd, 10, 0) == b"kept"


def test_what_is_there_in_full_is_left_alone(fd: int, reserved: list[tuple[int, int]]) -> None:
    os.pwrite(fd, bytes(MIB), 0)
    durable.reserve(fd, MIB)
    assert reserved == []
