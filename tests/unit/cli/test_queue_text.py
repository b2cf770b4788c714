"""The queue and its downloads as a person reads them."""

from dataclasses import replace

from cli.commands.queue import queue_table
from cli.details import details_text
from peer_service.downloads.model import DownloadState
from peer_service.transfer.model import HeldBack, SourceState
from tests.downloads import ANA, BRUNO, CARLA, LIE, RUNNING, WAITING, because, dropped

_LIMITED = replace(RUNNING, held_back=HeldBack.THEIR_LIMIT)


def _words(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_table_names_the_sources_and_what_holds_a_download_back() -> None:
    (line,) = _words(queue_table([_LIMITED]))[1:]

    assert line == ("1 clip.mp4 300 MB 30 % running ana, bruno, carla 18.5 MB/s 00:11 their limit")


def test_an_ended_download_is_from_those_that_gave_something() -> None:
    gave, nothing = replace(ANA, state=SourceState.LEFT), replace(CARLA, state=SourceState.LEFT)
    done = replace(
        WAITING, state=DownloadState.DONE, sources=(gave, dropped(BRUNO), nothing), path="/r/c.mp4"
    )

    assert _words(queue_table([done]))[1].endswith(" done ana, bruno /r/c.mp4")
    assert _words(queue_table([replace(done, sources=(nothing,))]))[1].endswith(" - /r/c.mp4")


def test_before_there_is_a_source_the_owner_that_was_asked_for_is_shown() -> None:
    assert " waiting ana" in _words(queue_table([replace(WAITING, owner="ana")]))[1]


def test_the_details_have_what_each_source_gave_and_why_one_was_dropped() -> None:
    download = replace(_LIMITED, sources=(ANA, dropped(BRUNO), CARLA))

    assert _words(details_text([download])) == [
        "number: 1",
        "name: clip.mp4",
        f"id: {WAITING.video_id}",
        "size: 300 MB",
        "state: running, 30 %",
        "speed: 18.5 MB/s",
        "time left: 00:11",
        "held back by: their limit",
        "FROM ADDRESS GAVE SPEED STATE NOTE",
        "ana 10.0.0.2:1030 50.0 MB 12.5 MB/s sends -",
        "bruno 10.0.0.3:1030 40.0 MB - dropped sent something wrong (a piece with another digest)",
        "carla 10.0.0.4:1030 0 B - waits for a slot -",
    ]


def test_the_details_say_why_a_download_waits_and_where_one_is() -> None:
    waiting, done = details_text(
        [because(WAITING, LIE), replace(WAITING, state=DownloadState.DONE, path="/r/\x1b.mp4")]
    ).split("\n\n")

    assert _words(waiting)[-1] == f"note: {LIE}"
    assert _words(done)[-1] == "file: /r/\\u{1b}.mp4"
    assert "FROM" not in waiting


def test_priorities_are_shown_once_somebody_gave_one() -> None:
    assert "PRIORITY" not in queue_table([WAITING])
    header, *rows = _words(queue_table([replace(WAITING, priority=7), WAITING]))
    assert header == "NUMBER NAME SIZE DONE STATE PRIORITY FROM NOTE"
    assert rows == ["1 clip.mp4 300 MB 0 % waiting 7 -", "1 clip.mp4 300 MB 0 % waiting 0 -"]
