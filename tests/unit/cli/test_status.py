"""The status of a peer, as its owner reads it."""

import pytest

from cli.commands.status import status_text
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
