"""A file is settled once it has looked the same for long enough."""

from pathlib import Path

from peer_service.library.model import FileStamp, FoundFile
from peer_service.library.settling import Settling


def looking(size: int) -> list[FoundFile]:
    return [FoundFile("/f/a", Path("/f"), ("a",), FileStamp(size, 0, 0))]


def test_a_still_file_settles_and_a_growing_one_starts_again() -> None:
    settling = Settling(2.0)
    assert not settling.observe(looking(1), 100.0)
    assert not settling.observe(looking(1), 101.9)
    assert not settling.observe(looking(2), 102.0)
    assert not settling.observe(looking(2), 103.9)
    assert settling.observe(looking(2), 104.0) == {"/f/a"}
    assert settling.observe(looking(2), 105.0) == {"/f/a"}


def test_a_file_that_was_away_starts_again() -> None:
    settling = Settling(2.0)
    settling.observe(looking(1), 100.0)
    settling.observe([], 101.0)
    assert not settling.observe(looking(1), 102.5)
    assert settling.observe(looking(1), 104.5)


def test_a_clock_that_is_set_back_delays_but_never_blocks() -> None:
    settling = Settling(2.0)
    settling.observe(looking(1), 1000.0)
    assert not settling.observe(looking(1), 10.0)
    assert settling.observe(looking(1), 12.0)
