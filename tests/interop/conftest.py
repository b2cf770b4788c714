"""What the tests with other languages and probes share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.node_peer import install_packages
from tests.servers import running_tracker
from videoteca_core.addresses import Endpoint


@pytest.fixture(scope="session", autouse=True)
def _node_packages() -> None:
    install_packages()


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[Endpoint]:
    """A tracker, running."""
    with running_tracker(tmp_path) as endpoint:
        yield endpoint
