"""What the library speaks of: files as they were found, and videos as they are shared."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self, TypeAlias

from peer_service.partial import PartialVideo
from videoteca_core.catalogue import Holding
from videoteca_core.manifest import Manifest

_BITS: Final = (1 << 63) - 1  # what a database can store; some file systems' inodes have 64


class FileStamp(NamedTuple):
    """What a file looks like from outside; another stamp may mean another content."""

    size_bytes: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """The stamp of a file's status."""
        return cls(status.st_size, status.st_mtime_ns & _BITS, status.st_ino & _BITS)


class FoundFile(NamedTuple):
    """A regular file below a shared folder.

    Attributes:
        path: the absolute path; its undecodable bytes are surrogates.
        folder: the shared folder, absolute.
        parts: the subfolders and the file's own name, as they are on the disk.
        stamp: what it looked like.
    """

    path: str
    folder: Path
    parts: tuple[str, ...]
    stamp: FileStamp


@dataclass(frozen=True)
class SharedVideo:
    """A video that this peer serves, and the file that it is in."""

    holding: Holding
    manifest: Manifest
    file: FoundFile

    @classmethod
    def of(cls, name: str, manifest: Manifest, file: FoundFile) -> Self:
        """The video of that name and content in that file."""
        holding = Holding(name, manifest.video_id, manifest.size_bytes, manifest.pieces_root)
        return cls(holding, manifest, file)

    @property
    def name(self) -> str:
        """The name under which it is shared."""
        return self.holding.name


OfferedVideo: TypeAlias = SharedVideo | PartialVideo
"""What others may fetch from: a file, or a download as far as it is here."""


@dataclass(frozen=True)
class ShareProgress:
    """How far the sharing of a file is; the last one has the holding."""

    hashed_bytes: int
    size_bytes: int
    holding: Holding | None = None


@dataclass(frozen=True)
class HashingProgress:
    """How far the hashing of all files is that wait for it or are being hashed."""

    files: int
    size_bytes: int
    hashed_bytes: int
