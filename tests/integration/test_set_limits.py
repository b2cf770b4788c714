"""The limits of a running peer, as its owner changes them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from peer_service.control_client import ControlClient
from peer_service.peer import Peer, PeerConfig
from peer_service.status import Limits
from tests.servers import LOOPBACK, in_thread
from videoteca_core.errors import InvalidRequest


@pytest.fixture
def config(tmp_path: Path) -> PeerConfig:
    """A peer with an upload limit, whose tracker is away."""
    return PeerConfig(
        home=tmp_path / "home",
        tracker=replace(LOOPBACK, port=1),
        listen=LOOPBACK,
        received=tmp_path / "received",
        upload_limit=20_000_000,
    )


@pytest.fixture
def control(config: PeerConfig) -> Iterator[ControlClient]:
    """The control of that peer."""
    peer = Peer(config)
    with in_thread(peer), ControlClient(peer.socket) as control:
        yield control


def _limits(control: ControlClient) -> Limits:
    status = control.status()
    return Limits(status.upload_limit, status.download_limit)


def test_what_is_given_is_changed_and_the_rest_stays(control: ControlClient) -> None:
    assert _limits(control) == control.set_limits() == Limits(20_000_000, 0)
    assert control.set_limits(download_limit=5_000_000) == Limits(20_000_000, 5_000_000)
    assert control.set_limits(upload_limit=0) == Limits(0, 5_000_000)
    assert control.set_limits(upload_limit=50_000, download_limit=0) == Limits(50_000, 0)
    assert _limits(control) == Limits(50_000, 0)


@pytest.mark.parametrize(
    ("upload_limit", "download_limit"), [(49_999, None), (None, -1), (1_000_000, 1), (1, 1_000_000)]
)
def test_when_one_can_not_be_kept_none_is_changed(
    control: ControlClient, upload_limit: int | None, download_limit: int | None
) -> None:
    with pytest.raises(InvalidRequest):
        control.set_limits(upload_limit=upload_limit, download_limit=download_limit)

    assert _limits(control) == Limits(20_000_000, 0)


def test_a_peer_does_not_start_with_a_limit_that_can_not_be_kept(config: PeerConfig) -> None:
    with pytest.raises(InvalidRequest):
        Peer(replace(config, download_limit=1))
