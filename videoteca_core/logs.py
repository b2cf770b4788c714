"""How the servers log: time, level, event and fields, as text or as JSON lines."""

import contextlib
import logging
import sys
from typing import Final

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from videoteca_core.text import printable

_FIRST: Final = ("time", "level", "event")
_PLAIN: Final = (bool, int, float, type(None))


def configure_logging(json: bool | None = None) -> None:  # noqa: FBT001 - the only argument
    """Log to standard error from now on.

    Args:
        json: whether as JSON lines; by default unless standard error is a terminal.
    """
    if json is None:
        json = not sys.stderr.isatty()
    renderer: Processor
    if json:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
        )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            escape_values,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(_StandardError()),  # type: ignore[arg-type] # what print needs of a file
    )


def escape_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape what could move the cursor, forge a line or turn the text around."""
    first = {key: event[key] for key in _FIRST if key in event}
    return {key: _escaped(key, value) for key, value in (first | dict(event)).items()}


def _escaped(key: str, value: object) -> object:
    if isinstance(value, _PLAIN):
        return value
    text = str(value)
    if key == "exception":  # a traceback has lines
        return "\n".join(map(printable, text.split("\n")))
    return printable(text)


class _StandardError:
    """Standard error; a log that can't be written must not fail the call that it tells of."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
