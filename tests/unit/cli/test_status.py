"""The status of a peer, as its owner reads it."""

from dataclasses import replace

import pytest

from cli.commands.status import status_text
from peer_service.control_wire import status_from_wire, status_to_wire
from peer_service.status import PeerStatus
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import Reachability


def _status(host: str) -> PeerStatus:
    return PeerStatus(
        name="ana",
        peer_id="p",
        tracker="127.0.0.1:1025",
        registered=True,
        problem="",
        problem_reason="",
        problem_fields={},
        reachability=Reachability.PROVED,
        endpoint=Endpoint(host, 1030),
        listen_port=1030,
        shared_folders=("/shared",),
        received_folder="/received",
        shared=(),
        skipped=(),
        hashing=0,
        hashing_bytes=0,
        hashed_bytes=0,
        uploads=0,
        max_uploads=8,
        uploaded_bytes=0,
        downloaded_bytes=0,
        downloads={},
        pid=1,
        upload_limit=0,
        download_limit=0,
    )


@pytest.mark.parametrize(
    ("host", "reachable"),
    [("10.0.0.2", "yes"), ("127.0.0.1", "from this machine only: "), ("::1", "from this machine")],
)
def test_a_peer_on_loopback_is_not_called_reachable_by_others(host: str, reachable: str) -> None:
    (line,) = (each for each in status_text(_status(host)).splitlines() if "reachable:" in each)

    assert line.split(maxsplit=1)[1].startswith(reachable)


def test_it_says_how_far_the_hashing_is() -> None:
    status = replace(
        _status("10.0.0.2"), hashing=3, hashing_bytes=12_300_000_000, hashed_bytes=5_535_000_000
    )

    assert "3 files, 45 % of 12.3 GB" in status_text(status_from_wire(status_to_wire(status)))
    assert "hashing" not in status_text(_status("10.0.0.2"))
    assert "1 file, 0 % of 0 B" in status_text(replace(_status("10.0.0.2"), hashing=1))
