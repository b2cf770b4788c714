"""Where the lines come from on a terminal: editing, history, completion."""

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.patch_stdout import patch_stdout

from cli.shell.session import Session
from videoteca_core.errors import VideotecaError


@contextmanager
def typed_lines(session: Session, history: Path) -> Iterator[Iterator[str]]:
    """The lines that a person types, until Ctrl-D.

    What is printed inside the block appears above the prompt. Ctrl-C forgets the line.

    Args:
        session: knows what may come next.
        history: the file that remembers what was typed.
    """
    prompt: PromptSession[str] = PromptSession(
        history=FileHistory(str(history)),
        completer=_Words(session),
        complete_while_typing=False,
    )

    def lines() -> Iterator[str]:
        while True:
            try:
                yield prompt.prompt("videoteca> ")
            except KeyboardInterrupt:
                continue
            except EOFError:
                return

    with patch_stdout():
        yield lines()


class _Words(Completer):
    """Completes commands, names of videos, and files."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 - the library's signature
    ) -> Iterable[Completion]:
        """What the word under the cursor may become."""
        text = document.text_before_cursor
        before, current = _split(text)
        try:
            choices = list(self._session.suggestions(before))
        except VideotecaError:  # no answer, no suggestion
            choices = []
        if self._session.takes_files(before):
            choices += _paths(current)
        for choice in choices:
            if choice.lower().startswith(current.lower()):
                yield Completion(shlex.quote(choice), start_position=-len(_raw_last(text)))


def _raw_last(text: str) -> str:
    """The word that is being typed, from its opening quote on if it has one."""
    for quote in "'\"":
        if text.count(quote) % 2:
            return text[text.rindex(quote) :]
    return "" if not text or text[-1].isspace() else text.rsplit(" ", maxsplit=1)[-1]


def _split(text: str) -> tuple[list[str], str]:
    """The words before the one that is being typed, and that one."""
    current = _raw_last(text)
    return text[: len(text) - len(current)].split(), current.strip("'\"")


def _paths(current: str) -> list[str]:
    folder = Path(current) if current.endswith("/") else Path(current).parent
    try:
        found = sorted(folder.expanduser().iterdir())
    except OSError:  # nothing to be suggested there
        return []
    return [f"{path}/" if path.is_dir() else str(path) for path in found]
