"""The options with which a peer is started."""

from pathlib import Path
from typing import Any

import pytest

from cli import framework
from cli.peer_options import config_of, peer_options
from cli.settings import Settings
from peer_service.peer import PeerConfig


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home of its own and a tracker, which nobody asks."""
    return Settings(home_option=tmp_path / "home", tracker_option="127.0.0.1")


def _config(settings: Settings, *words: str) -> PeerConfig:
    """What a peer that was started with these words is told."""

    @framework.command()
    @peer_options
    @framework.pass_settings
    def command(settings: Settings, /, **options: Any) -> PeerConfig:
        return config_of(settings, **options)

    config = command.main(list(words), obj=settings, standalone_mode=False)
    assert isinstance(config, PeerConfig)
    return config


def test_without_options_nothing_is_limited(settings: Settings) -> None:
    config = _config(settings)

    assert (config.upload_limit, config.download_limit, config.source_timeout) == (0, 0, 5)


def test_limits_and_patience_are_passed_on(settings: Settings) -> None:
    words = ("--upload-limit", "20M", "--download-limit", "1.5M", "--source-timeout", "30")

    config = _config(settings, *words)

    assert config.upload_limit == 20_000_000
    assert config.download_limit == 1_500_000
    assert config.source_timeout == 30
