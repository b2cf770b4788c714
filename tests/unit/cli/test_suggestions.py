"""What the prompt suggests while a line is being typed."""

from unittest.mock import Mock

from cli.shell.session import Session


def _suggestions(*before: str) -> set[str]:
    return set(Session(Mock(), Mock(), Mock()).suggestions(before))


def test_commands_are_suggested_in_both_languages() -> None:
    assert {"descargar", "download", "salir", "exit"} <= _suggestions()


def test_of_the_queue_only_what_the_prompt_does_is_suggested() -> None:
    suggested = _suggestions("cola")

    assert {"pausar", "pause"} <= suggested
    assert not {"seguir", "watch"} & suggested
