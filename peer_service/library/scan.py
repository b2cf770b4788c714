"""Finds the files below the shared folders, and decides which of them can be shared."""

import os
import stat
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peer_service.library.model import FileStamp, FoundFile
from peer_service.library.reading import FOLDER_FLAGS
from peer_service.status import SkippedFile
from videoteca_core.errors import (
    FileUnreadable,
    FolderUnusable,
    InvalidName,
    NameInUse,
    VideotecaError,
)
from videoteca_core.names import valid_name
from videoteca_core.text import N_, encodable, printable

_MAX_DEPTH: Final = 64
"""Deepest nesting of subfolders that is entered; each holds a file descriptor."""


def skipped_file(path: str, error: VideotecaError) -> SkippedFile:
    """What is said of a file that is not shared."""
    fields = {key: encodable(value) for key, value in error.fields.items()}
    return SkippedFile(printable(path), error.reason, str(error), fields)


@dataclass(frozen=True)
class Scan:
    """What was found below the shared folders.

    Attributes:
        files: the regular files by path, in the order in which they were found.
        skipped: what is neither a file nor a folder, or could not be looked at.
        closed: the folders that could not be looked into; what is below them is not known.
    """

    files: dict[str, FoundFile]
    skipped: tuple[SkippedFile, ...]
    closed: tuple[str, ...]


def scan(folders: Sequence[Path]) -> Scan:
    """Look at all that is below the folders, in sorted order, the folders in the given one.

    What begins with a dot is passed over. Symbolic links are never followed.
    """
    scanner = _Scanner()
    for folder in folders:
        scanner.look_into(folder)
    return Scan(scanner.files, tuple(scanner.skipped), tuple(scanner.closed))


class _Scanner:
    def __init__(self) -> None:
        self.files: dict[str, FoundFile] = {}
        self.skipped: list[SkippedFile] = []
        self.closed: list[str] = []

    def look_into(self, folder: Path) -> None:
        self._enter(folder, None, str(folder), ())

    def _enter(self, folder: Path, parent: int | None, path: str, parts: tuple[str, ...]) -> None:
        """Look at all that is below a folder, which is opened from the one that it is in."""
        if len(parts) > _MAX_DEPTH:
            self._close(path, N_("it is nested too deeply"))
            return
        try:
            if parent is None:
                opened = os.open(folder, FOLDER_FLAGS)
            else:
                opened = os.open(parts[-1], FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=parent)
        except OSError as error:
            self._close(path, error.strerror)
            return
        try:
            with os.scandir(opened) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
            for entry in found:
                if not entry.name.startswith("."):
                    self._visit(entry, folder, opened, f"{path}/{entry.name}", parts)
        except OSError as error:
            self._close(path, error.strerror)
        finally:
            os.close(opened)

    def _visit(
        self,
        entry: os.DirEntry[str],
        folder: Path,
        parent: int,
        path: str,
        parent_parts: tuple[str, ...],
    ) -> None:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # it was removed a moment ago
            return
        except OSError as error:
            self._skip(path, error.strerror)
            return
        parts = (*parent_parts, entry.name)
        if stat.S_ISREG(status.st_mode):
            # One shared folder may be inside another: what was found first counts.
            self.files.setdefault(path, FoundFile(path, folder, parts, FileStamp.of(status)))
        elif stat.S_ISDIR(status.st_mode):
            self._enter(folder, parent, path, parts)
        elif stat.S_ISLNK(status.st_mode):
            self._skip(path, N_("symbolic links are not followed"))
        else:
            self._skip(path, N_("it is not a regular file"))

    def _skip(self, path: str, detail: str | None) -> None:
        self.skipped.append(skipped_file(path, FileUnreadable(path=path, detail=detail)))

    def _close(self, path: str, detail: str | None) -> None:
        self.skipped.append(skipped_file(path, FolderUnusable(path=path, detail=detail)))
        self.closed.append(path)


@dataclass(frozen=True)
class Selection:
    """Which files can be shared, by name, and why the others can't."""

    chosen: dict[str, FoundFile]
    skipped: tuple[SkippedFile, ...]


def select(files: Iterable[FoundFile], known: Container[str]) -> Selection:
    """Choose one file for each name, and refuse those whose name can't be used.

    Args:
        files: the files in the order in which they were found; the first of a name is chosen.
        known: paths that were shared before, and are chosen before others of the same name, so
            that a new file does not take the place of a shared one.
    """
    skipped: list[SkippedFile] = []
    by_name: dict[str, list[FoundFile]] = {}
    for file in files:
        try:
            by_name.setdefault(valid_name(file.parts[-1]), []).append(file)
        except InvalidName as error:
            skipped.append(skipped_file(file.path, error))
    chosen = {}
    for name, same in by_name.items():
        best = same[0] if len(same) == 1 else min(same, key=lambda file: file.path not in known)
        chosen[name] = best
        skipped += [
            skipped_file(file.path, NameInUse(name=name, path=best.path))
            for file in same
            if file is not best
        ]
    return Selection(chosen, tuple(skipped))
