"""Runs a peer inside a command; imported only by those that do."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from cli.settings import Settings
from peer_service.control_client import ControlClient
from peer_service.database import PeerDatabase
from peer_service.folders import FolderStore
from peer_service.home import Home
from peer_service.peer import PeerConfig, background_peer
from videoteca_core.addresses import Endpoint
from videoteca_core.logs import configure_logging

RECEIVED = Path("videos_recibidos")
SHARED = Path("videos_compartidos")


def config_of(
    settings: Settings, tracker: Endpoint, *, run_downloads: bool, download_limit: int
) -> PeerConfig:
    """A peer that serves nobody, with the folders of the last start."""
    with PeerDatabase(settings.home.database_path) as database:
        folders = FolderStore(database).load()
    return PeerConfig(
        home=settings.home.path,
        tracker=tracker,
        received=folders.received if folders else RECEIVED,
        shared=folders.shared if folders else (),
        run_downloads=run_downloads,
        download_limit=download_limit,
    )


@contextmanager
def quiet_peer(config: PeerConfig) -> Iterator[ControlClient]:
    """Run a peer in the background, its log in ``peer.log`` of the home, not on the screen."""
    configure_logging(json=True)
    with (Home(config.home).path / "peer.log").open("a", buffering=1, encoding="utf-8") as log:
        logging.basicConfig(stream=log)  # what libraries have to say
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=log))
        with background_peer(config) as control:
            yield control
