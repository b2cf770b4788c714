"""Our own peer, running, as other languages and probes meet it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peer_service.control_client import ControlClient
from peer_service.peer import Peer, PeerConfig
from tests.servers import LOOPBACK, in_thread
from tests.waiting import eventually
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import Holding, Reachability


@dataclass
class OurPeer:
    """A running peer.

    Attributes:
        endpoint: where it serves the other peers.
        shared: its shared folder.
        control: what its owner asks of it.
    """

    endpoint: Endpoint
    shared: Path
    control: ControlClient

    def holding(self, name: str) -> Holding:
        """What it shares under that name."""
        return {held.name: held for held in self.control.status().shared}[name]


@contextmanager
def our_peer(folder: Path, tracker: Endpoint, name: str, **videos: bytes) -> Iterator[OurPeer]:
    """Run a peer until the end of the block; yields it once it is offered with these videos.

    Args:
        folder: for its home and its folders.
        tracker: where it registers.
        name: its name.
        videos: what it shares from the start, by name without ``.mp4``.
    """
    shared = folder / "shared"
    shared.mkdir(parents=True)
    for stem, content in videos.items():
        (shared / f"{stem}.mp4").write_bytes(content)
    peer = Peer(
        PeerConfig(
            home=folder / "home",
            tracker=tracker,
            name=name,
            listen=LOOPBACK,
            shared=(shared,),
            received=folder / "received",
        )
    )

    def offered() -> bool:
        status = control.status()
        proved = status.reachability is Reachability.PROVED
        return proved and {held.name for held in status.shared} >= {
            f"{stem}.mp4" for stem in videos
        }

    with in_thread(peer), ControlClient(peer.socket) as control:
        eventually(offered)
        yield OurPeer(Endpoint(LOOPBACK.host, peer.port), shared, control)
