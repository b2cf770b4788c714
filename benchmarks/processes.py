"""Runs the programs that are measured, and reads what the system says of them. Linux only."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

ROOT: Final = Path(__file__).parents[1]
VIDEOTECA: Final = str(Path(sys.executable).with_name("videoteca"))
"""The installed command beside the interpreter that runs this."""

ENVIRONMENT: Final = {
    name: value
    for name, value in os.environ.items()
    # Nobody's settings; and bytecode is cached, as it is wherever a program is installed.
    if not name.startswith("VIDEOTECA") and name != "PYTHONDONTWRITEBYTECODE"
}
"""Of every program that is run."""

_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
_KIB: Final = 1024
_STOP_SECONDS: Final = 20.0


class ProgramFailed(Exception):
    """A program that is measured did not do its work."""


@dataclass(frozen=True)
class Finished:
    """A program that ran and ended well.

    Attributes:
        seconds: from its start to its end.
        cpu_seconds: in user space and in the kernel, with its children.
        peak_bytes: of resident memory; the system counts this process's own peak as the least.
        output: what it printed.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: float
    output: str


def run(command: Sequence[str], *, cwd: Path, told: str = "") -> Finished:
    """Run a program to its end.

    Args:
        command: the program and its arguments.
        cwd: where it runs.
        told: what it reads from its input; a few words.

    Raises:
        ProgramFailed: it ended with another exit code than 0.
    """
    with tempfile.TemporaryFile("w+") as words, tempfile.TemporaryFile("w+") as errors:
        words.write(told)
        words.seek(0)
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=ENVIRONMENT,
            stdin=words,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout
        with process.stdout as stdout:
            output = stdout.read()
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise ProgramFailed(_what(command, process.returncode, errors))
    return Finished(seconds, usage.ru_utime + usage.ru_stime, float(usage.ru_maxrss * _KIB), output)


class Server:
    """A program that runs until it is stopped.

    Attributes:
        first_line: the first line that it printed.
    """

    def __init__(self, process: subprocess.Popen[str], first_line: str = "") -> None:
        self._process = process
        self.first_line = first_line

    def tell(self, line: str) -> None:
        """Write a line to its input."""
        assert self._process.stdin
        print(line, file=self._process.stdin, flush=True)

    def answer(self) -> str:
        """The next line that it prints.

        Raises:
            ProgramFailed: it ended before that.
        """
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise ProgramFailed(f"{self._process.args!r} ended with {self._process.wait()}")
        return line

    def cpu_seconds(self) -> float:
        """Used so far, with its workers."""
        return sum(map(_cpu_seconds, self._processes()))

    def peak_bytes(self) -> float:
        """The peaks of its resident memory and of its workers', added up."""
        return float(sum(map(_peak_bytes, self._processes())))

    def _processes(self) -> list[int]:
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]


@contextlib.contextmanager
def serving(command: Sequence[str], *, log: Path) -> Iterator[Server]:
    """Run a server while the block lasts; it is ready when it has printed a line.

    Raises:
        ProgramFailed: it ended before that.
    """
    with (
        log.open("w+") as errors,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout
            line = process.stdout.readline()
            if not line:
                raise ProgramFailed(_what(command, process.wait(), errors))
            yield Server(process, line)
        finally:
            stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    """End a process that this one started: politely, and after a while not so."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _what(command: Sequence[str], code: int, errors: IO[str]) -> str:
    errors.seek(0)
    return f"{' '.join(command)} ended with {code}:\n{errors.read()[-2000:]}"


def _cpu_seconds(pid: int) -> float:
    # The name, second field, may hold spaces; after it come the state and, 11 further, the times.
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS_A_SECOND


def _peak_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * _KIB
    raise ProcessLookupError(pid)
