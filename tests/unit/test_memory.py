"""Freed memory is kept where there is a glibc to keep it."""

import ctypes
import sys
from typing import Any

import pytest

from peer_service import memory


class FakeLibrary:
    """What the process is linked with."""

    def __init__(self, **functions: Any) -> None:
        self.__dict__.update(functions)


def test_the_thresholds_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    fake = FakeLibrary(mallopt=lambda name, value: calls.append((name, value)))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: fake)
    memory.keep_freed_memory()
    assert calls == [(-1, 32 << 20), (-3, 8 << 20), (-8, 2)]


def test_nothing_is_done_where_there_is_no_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: FakeLibrary())
    memory.keep_freed_memory()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(ctypes, "CDLL")
    memory.keep_freed_memory()
