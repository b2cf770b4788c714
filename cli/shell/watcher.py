"""Tells at the prompt what happens meanwhile to the downloads and to the tracker."""

import contextlib
import threading
import time
from collections.abc import Callable, Collection
from gettext import gettext as _

from cli import failures, output
from cli.narration import Narrator
from peer_service.control_client import ControlClient
from peer_service.downloads.model import Download, DownloadState
from peer_service.status import PeerStatus
from videoteca_core.errors import VideotecaError

_STATUS_SECONDS = 2.0


class Watcher:
    """Two threads that print news until the peer ends.

    Attributes:
        speaking: hold it while something is printed that must come before the news of it.
    """

    def __init__(self, control: ControlClient) -> None:
        self.speaking = threading.RLock()
        self._control = control
        self._narrator = Narrator()
        self._changed = threading.Condition()
        self._latest: dict[int, Download] = {}
        self._ended = False

    def start(self) -> None:
        """Begin to watch; ended downloads of earlier days are no news."""
        ended = (each for each in self._control.downloads() if each.state.is_final)
        self._narrator.skip(tuple(ended))
        for watch in (self._watch_downloads, self._watch_tracker):
            threading.Thread(target=self._until_the_end, args=(watch,), daemon=True).start()

    def wait_for(self, download_ids: Collection[int]) -> None:
        """Wait until nothing more happens by itself to these downloads."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or all(map(self._rests, download_ids)))

    def _rests(self, download_id: int) -> bool:
        known = self._latest.get(download_id)
        return known is not None and (known.state.is_final or known.state is DownloadState.PAUSED)

    def _until_the_end(self, watch: Callable[[], None]) -> None:
        # The peer ends with the prompt, and the watching with the peer: that is no failure.
        with contextlib.suppress(VideotecaError):
            watch()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _watch_downloads(self) -> None:
        for downloads in self._control.watch():
            with self.speaking:
                for line in self._narrator.lines(downloads):
                    output.say(line)
            with self._changed:
                self._latest = {download.download_id: download for download in downloads}
                self._changed.notify_all()

    def _watch_tracker(self) -> None:
        before = self._control.status()
        while not self._ended:
            time.sleep(_STATUS_SECONDS)
            now = self._control.status()
            if now.name and now.registered != before.registered:
                with self.speaking:
                    output.say(_tracker_news(now))
            before = now


def _tracker_news(status: PeerStatus) -> str:
    if status.registered:
        return _("Connected to the tracker {tracker}.").format(tracker=status.tracker)
    return _("Connection with the tracker lost: {why}").format(
        why=failures.in_our_language(status.problem_reason, status.problem_fields, status.problem)
    )
