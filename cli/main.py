"""Where the program starts, and the only map from what can go wrong to exit codes."""

import datetime as dt
import errno
import io
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from gettext import gettext as _
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import click

from cli import failures, language
from cli.settings import Settings
from videoteca_core import errors
from videoteca_core.text import printable

EXIT_CODES: Final[tuple[tuple[type[errors.VideotecaError], int], ...]] = (
    (errors.InvalidInput, 3),
    (errors.NotFound, 4),
    (errors.NameAmbiguous, 5),
    (errors.AlreadyExists, 6),
    (errors.OtherTracker, 8),
    (errors.FailedPrecondition, 7),
    (errors.NotRegistered, 9),
    (errors.ClaimRefused, 10),
    (errors.Unavailable, 11),
    (errors.NoPeerRunning, 12),
    (errors.HomeBusy, 13),
    (errors.PortInUse, 14),
    (errors.AddressNotHere, 14),
    (errors.DatabaseCorrupt, 15),
    (errors.DatabaseForeign, 15),
    (errors.DatabaseTooNew, 15),
    (errors.DiskFull, 16),
    (errors.FolderUnusable, 17),
    (errors.FileUnreadable, 17),
    (errors.Busy, 18),
    (errors.OffsetOutOfRange, 18),
    (errors.Aborted, 18),
    (errors.BadSource, 18),
    (errors.RemoteFailure, 19),
    (errors.InternalError, 19),
    (failures.DownloadCancelled, 20),
    (failures.FilesNotIntact, 21),
)
"""The first class that an error belongs to gives its exit code; docs/cli.md shows the same."""

UNEXPECTED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 128 + signal.SIGINT
TERMINATED: Final = 128 + signal.SIGTERM
BROKEN_PIPE: Final = 128 + signal.SIGPIPE

_COMPLETION_VARIABLE: Final = "_VIDEOTECA_COMPLETE"


def main() -> NoReturn:
    """Run the program with the arguments of this process, and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the program.

    Args:
        arguments: the command line without the program's name.

    Returns:
        The exit code.
    """
    settings = Settings(as_json="--json" in arguments)  # until parsed: a usage error may come first
    settings.report = lambda error: _report(error, settings)
    threading.excepthook = lambda failed: _report_thread(failed, settings)
    _end_in_order_on_signals()
    try:
        language.choose(arguments)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        code = _run(arguments, settings)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return BROKEN_PIPE
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a person gets a sentence, whatever happened
        return _report(error, settings)
    return code


def _run(arguments: Sequence[str], settings: Settings) -> int:
    from cli.program import make_program  # noqa: PLC0415 - its texts want the language first

    program = make_program()
    completion = os.environ.get(_COMPLETION_VARIABLE)
    if completion:
        from click.shell_completion import shell_complete  # noqa: PLC0415 - only shells want it

        return shell_complete(program, {}, "videoteca", _COMPLETION_VARIABLE, completion)
    try:
        with program.make_context("videoteca", list(arguments), obj=settings) as context:
            program.invoke(context)
    except click.exceptions.Exit as stop:  # after --help and the like
        return stop.exit_code
    return 0


def exit_code(error: errors.VideotecaError) -> int:
    """The exit code for an error."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), UNEXPECTED)


def _report(error: Exception, settings: Settings) -> int:
    """Tell a person, or with --json a program, what went wrong; return the exit code."""
    match error:
        case failures.Reported():
            return exit_code(error.error)
        case errors.VideotecaError():
            return _tell(
                error.reason, error.message(_), exit_code(error), settings, fields=error.fields
            )
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
            return USAGE
        case click.ClickException():
            usage = error.ctx if isinstance(error, click.UsageError) else None
            return _tell("USAGE", error.format_message(), USAGE, settings, usage=usage)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        _forget_output()
        return _report(errors.DiskFull(path=error.filename or "standard output"), settings)
    message = _("Something unexpected happened ({problem}); the details are in {path}.").format(
        problem=printable(f"{type(error).__name__}: {error}"[:200]), path=_log(error, settings)
    )
    return _tell("UNEXPECTED", message, UNEXPECTED, settings)


def _tell(
    reason: str,
    message: str,
    code: int,
    settings: Settings,
    *,
    fields: dict[str, str] | None = None,
    usage: click.Context | None = None,
) -> int:
    if settings.as_json:
        body = {"reason": reason, "message": message, "exit_code": code, "fields": fields or {}}
        click.echo(json.dumps({"error": body}), err=True)
        return code
    if usage:
        click.echo(usage.get_usage(), err=True)
        hint = _("Try '{command} {option}' for help.")
        click.echo(hint.format(command=usage.command_path, option="--help"), err=True)
    click.echo(_("Error: {message}").format(message=message), err=True)
    return code


def _log(error: Exception, settings: Settings) -> Path | str:
    """Write down what happened, for whoever mends it."""
    path = settings.home_path / "errors.log"
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    details = "".join(traceback.format_exception(error))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{now} videoteca {' '.join(sys.argv[1:])}\n{details}\n")
    except OSError as problem:
        return _("no file: {problem}").format(problem=problem.strerror)
    return path


def _report_thread(failed: threading.ExceptHookArgs, settings: Settings) -> None:
    if isinstance(failed.exc_value, Exception):
        _report(failed.exc_value, settings)


def _end_in_order_on_signals() -> None:
    """End as after Ctrl-C, everything in order; servers have handlers of their own."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores one of them
            signal.signal(number, _terminate)


def _terminate(signum: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signum)


def _forget_output() -> None:
    """Let the interpreter flush what is left into nothing, rather than complain."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


if __name__ == "__main__":
    main()
