"""Waiting for a condition, with a bound."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    condition: Callable[[], T], timeout_seconds: float = 20.0, pause_seconds: float = 0.02
) -> T:
    """Poll until the condition is truthy and return its value; fail the test after the bound."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            message = f"not within {timeout_seconds} s: {condition}"
            raise AssertionError(message)
        time.sleep(pause_seconds)
