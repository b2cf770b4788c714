import threading
from collections.abc import Iterator

import pytest

from cli.interruptible import interruptible
from videoteca_core.errors import NotRegistered


def test_the_items_come_in_order_and_end() -> None:
    assert list(interruptible(range(1_000))) == list(range(1_000))


def test_an_error_comes_after_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise NotRegistered

    items = interruptible(failing())

    assert next(items) == 1
    with pytest.raises(NotRegistered):
        next(items)


def test_another_thread_reads() -> None:
    def name() -> Iterator[str]:
        yield threading.current_thread().name

    assert list(interruptible(name())) == ["stream"]
