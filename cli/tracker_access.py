"""The way from the command line to the tracker."""

from cli.settings import Settings
from tracker_service.client import TrackerClient


def tracker(settings: Settings) -> TrackerClient:
    """A client of the tracker that carries this home's token, if it has one."""
    identity = settings.identity
    return TrackerClient(settings.tracker, identity.token if identity else "")
