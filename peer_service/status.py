"""What a peer tells its owner about itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from peer_service.downloads.model import DownloadState
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import Holding, Reachability


@dataclass(frozen=True)
class SkippedFile:
    """A file of a shared folder that is not shared, and why: an error's reason, message, fields."""

    path: str
    reason: str
    message: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Limits:
    """How fast a peer may send and receive in all, in bytes a second; 0: no limit."""

    upload_limit: int
    download_limit: int


@dataclass(frozen=True)
class PeerStatus:
    """A peer, as of now.

    Attributes:
        registered: whether the last renewal of the lease succeeded.
        problem: the message of the last failure to register; empty when registered. Its reason
            and its fields are beside it.
        endpoint: the address that the tracker recorded.
        hashing: how many files wait to be hashed or are being hashed.
        hashing_bytes: the size of those files.
        hashed_bytes: how much of that is hashed.
        uploaded_bytes: bytes of video sent since this peer started.
        downloaded_bytes: bytes of video received and verified since this peer started.
        downloads: how many downloads are in each state.
        upload_limit: bytes a second that it may send; 0: no limit.
        download_limit: bytes a second that it may receive; 0: no limit.
    """

    name: str
    peer_id: str
    tracker: str
    registered: bool
    problem: str
    problem_reason: str
    problem_fields: Mapping[str, str]
    reachability: Reachability
    endpoint: Endpoint | None
    listen_port: int
    shared_folders: tuple[str, ...]
    received_folder: str
    shared: tuple[Holding, ...]
    skipped: tuple[SkippedFile, ...]
    hashing: int
    hashing_bytes: int
    hashed_bytes: int
    uploads: int
    max_uploads: int
    uploaded_bytes: int
    downloaded_bytes: int
    downloads: Mapping[DownloadState, int]
    pid: int
    upload_limit: int
    download_limit: int
