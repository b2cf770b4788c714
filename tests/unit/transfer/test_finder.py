"""Who asks the tracker while a video is fetched."""

import threading
from collections.abc import Sequence
from typing import Final

import pytest

from peer_service.transfer import finder as module
from peer_service.transfer.finder import Finder
from peer_service.transfer.model import Candidate
from tests.waiting import eventually
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import Unreachable

ANA: Final = Candidate("ana", Endpoint("127.0.0.1", 1))
AWAY: Final = Unreachable(what="tracker", address="there", detail="away")


class Asking:
    """A finder and what it is answered, each answer once and the last one from then on."""

    def __init__(self, *answers: Sequence[Candidate] | Exception) -> None:
        self.found: list[Sequence[Candidate]] = []
        self.failures: list[Exception] = []
        self.questions = 0
        self.over = threading.Event()
        self.finder = Finder(self._find, self.found.append, self.failures.append, self.over)
        self._answers = answers

    def _find(self) -> Sequence[Candidate]:
        answer = self._answers[min(self.questions, len(self._answers) - 1)]
        self.questions += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DELAYS", (0.0, 0.01))


def ended(asking: Asking) -> bool:
    asking.finder.join(20)
    return not asking.finder.is_alive()


def test_it_asks_again_and_again_until_it_is_over() -> None:
    asking = Asking((), (ANA,))
    asking.finder.start()
    eventually(lambda: len(asking.found) >= 3)
    asking.over.set()
    assert ended(asking)
    assert asking.found[:3] == [(), (ANA,), (ANA,)]
    assert asking.failures == []


def test_without_a_first_answer_it_ends() -> None:
    asking = Asking(AWAY)
    asking.finder.start()
    assert ended(asking)
    assert asking.failures == [AWAY]
    assert asking.questions == 1


def test_later_a_tracker_that_is_away_is_no_matter() -> None:
    asking = Asking((ANA,), AWAY, AWAY, (ANA, ANA))
    asking.finder.start()
    eventually(lambda: (ANA, ANA) in asking.found)
    asking.over.set()
    assert ended(asking)
    assert asking.failures == []


def test_a_mistake_of_ours_is_told_whenever_it_comes() -> None:
    mistake = ValueError("ours")
    asking = Asking((ANA,), mistake)
    asking.finder.start()
    assert ended(asking)
    assert asking.failures == [mistake]


def test_when_it_is_over_nobody_is_asked() -> None:
    asking = Asking((ANA,))
    asking.over.set()
    asking.finder.start()
    assert ended(asking)
    assert asking.questions == 0


def test_it_asks_often_at_first_and_less_often_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    waits: list[float] = []

    class Over(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waits.append(timeout)
            return len(waits) > 8

    finder = Finder(tuple, lambda _found: None, lambda _error: None, Over())
    finder.run()
    assert waits == [0, 1, 1, 2, 4, 8, 15, 15, 15]
