"""A BitTorrent peer of libtorrent on loopback, set up for speed.

A program, in one of three forms:

``make VIDEO TORRENT``
    writes the torrent of a file;
``seed TORRENT FOLDER LIMIT``
    prints its port and serves the file in that folder until the process is ended;
``leech TORRENT FOLDER LIMIT``
    prints its port, reads the ports of the others from its input, and downloads from them. Prints
    the seconds from then until the file is verified and synced, and the CPU seconds meanwhile, and
    serves on until its input ends.

A limit is of what it sends, in bytes a second; 0 is none.

The settings follow libtorrent's own manual, "tuning libtorrent": its preset
``high_performance_seed`` for both sides, and no uTP. What that page offers besides was not faster
here; see ``docs/performance.md``.
"""

import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

lt: Any = importlib.import_module("libtorrent")  # only where benchmarks are run

_PIECE_BYTES: Final = 1 << 20
_LOOPBACK: Final = "127.0.0.1"
_ALERT_WAIT_MS: Final = 200
_QUICK_TICK_MS: Final = 100
_TICK_MS: Final = 500  # the default
_START_SECONDS: Final = 10.0
_MOST_SECONDS: Final = 600.0


def make(video: Path, torrent: Path) -> None:
    """Write a torrent: version 1, whose SHA-1 costs less than the SHA-256 of version 2."""
    new = lt.create_torrent(lt.list_files(str(video)), _PIECE_BYTES, lt.create_torrent.v1_only)
    lt.set_piece_hashes(new, str(video.parent))
    torrent.write_bytes(lt.bencode(new.generate()))


class Peer:
    """A session with one torrent.

    Args:
        limit: bytes a second that it sends at most; 0: no limit.
    """

    def __init__(self, torrent: Path, folder: Path, limit: int) -> None:
        self._session = lt.session(_settings(limit))
        # Every address in the class that is limited: those of this machine would be in none.
        everybody = lt.ip_filter()
        everybody.add_rule("0.0.0.0", "255.255.255.255", 1 << lt.session.global_peer_class_id)
        self._session.set_peer_class_filter(everybody)
        self._params = lt.load_torrent_file(str(torrent))
        self._params.save_path = str(folder)
        self._params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        self._path = folder / str(self._params.ti.name())

    def port(self) -> int:
        """Where it listens."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._session.listen_port():
            if time.monotonic() > deadline:
                sys.exit("libtorrent does not listen")
            time.sleep(0.01)
        return int(self._session.listen_port())

    def seed(self) -> None:
        """Serve the file, which is taken to be right."""
        self._params.flags |= lt.torrent_flags.seed_mode
        self._session.add_torrent(self._params)

    def download(self, ports: list[int]) -> None:
        """Download from the peers at those ports; the file is verified and synced then."""
        torrent = self._session.add_torrent(self._params)
        for port in ports:
            torrent.connect_peer((_LOOPBACK, port))
        self._wait_for(lt.torrent_finished_alert)
        torrent.flush_cache()
        self._wait_for(lt.cache_flushed_alert)
        for path in (self._path, self._path.parent):
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)

    def _wait_for(self, kind: type) -> None:
        deadline = time.monotonic() + _MOST_SECONDS
        while time.monotonic() < deadline:
            self._session.wait_for_alert(_ALERT_WAIT_MS)
            for alert in self._session.pop_alerts():
                if isinstance(alert, lt.torrent_error_alert | lt.file_error_alert):
                    sys.exit(alert.message())
                if isinstance(alert, kind):
                    return
        sys.exit(f"no {kind.__name__} within {_MOST_SECONDS:g} s")


def _settings(limit: int) -> dict[str, Any]:
    kinds = lt.alert.category_t
    return {
        **lt.high_performance_seed(),
        "listen_interfaces": f"{_LOOPBACK}:0",
        "allow_multiple_connections_per_ip": True,  # they all have one
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "in_enc_policy": lt.enc_policy.pe_disabled,
        "out_enc_policy": lt.enc_policy.pe_disabled,
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "upload_rate_limit": limit,
        # It connects with the second tick. A limit is dealt out with each, and better in long ones.
        "tick_interval": _TICK_MS if limit else _QUICK_TICK_MS,
        "rate_limit_ip_overhead": False,  # a limit of the payload, like ours
        "alert_mask": kinds.status_notification
        | kinds.storage_notification
        | kinds.error_notification,
    }


def _leech(peer: Peer) -> None:
    ports = [int(word) for word in sys.stdin.readline().split()]
    started, cpu_started = time.perf_counter(), time.process_time()
    peer.download(ports)
    print(time.perf_counter() - started, time.process_time() - cpu_started, flush=True)


def _main(words: list[str]) -> None:
    match words:
        case ["make", video, torrent]:
            make(Path(video), Path(torrent))
        case ["seed" | "leech" as role, torrent, folder, limit]:
            peer = Peer(Path(torrent), Path(folder), int(limit))
            print(peer.port(), flush=True)
            if role == "seed":
                peer.seed()
            else:
                _leech(peer)
            sys.stdin.read()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    _main(sys.argv[1:])
