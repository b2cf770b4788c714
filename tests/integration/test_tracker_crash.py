"""A tracker's process that is killed in the middle loses nothing that it acknowledged."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.holdings import holding
from tests.servers import running_tracker
from tests.waiting import eventually
from tracker_service.client import TrackerClient
from videoteca_core import errors
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import Registration, holdings_digest
from videoteca_core.identity import new_token

PROGRAM = """
import asyncio, sys
from pathlib import Path
from tracker_service.server import TrackerConfig, run_tracker
from videoteca_core.addresses import Endpoint
from videoteca_core.logs import configure_logging

configure_logging()
config = TrackerConfig(Endpoint("127.0.0.1", 0), Path(sys.argv[1]))
asyncio.run(run_tracker(config, lambda endpoint: print(endpoint.port, flush=True)))
"""
PEERS = 8
ACKNOWLEDGED_BEFORE_THE_KILL = 60


@contextmanager
def tracker_process(
    database: Path, log: Path | None = None
) -> Iterator[tuple[subprocess.Popen[str], Endpoint]]:
    with (log or Path(os.devnull)).open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, database],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout
    try:
        yield process, Endpoint("127.0.0.1", int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class PublishingPeer:
    """Publishes one video after the other until the tracker is gone."""

    def __init__(self, number: int) -> None:
        self.name = f"peer {number}"
        self.token = new_token()
        self.acknowledged: set[str] = set()

    def publish_until_the_end(self, tracker: Endpoint) -> None:
        with TrackerClient(tracker, self.token) as client:
            try:
                client.register(Registration(self.name))
                for number in range(len(self.acknowledged), 100_000):
                    name = f"{self.name} {number}.mp4"
                    client.publish([holding(name)])
                    self.acknowledged.add(name)
            except errors.Unreachable:
                return


def test_a_killed_tracker_has_everything_that_it_acknowledged(tmp_path: Path) -> None:
    database = tmp_path / "tracker.db"
    peers = [PublishingPeer(number) for number in range(PEERS)]

    def acknowledged() -> int:
        return sum(len(peer.acknowledged) for peer in peers)

    for _ in range(3):
        with (
            tracker_process(database) as (process, tracker),
            ThreadPoolExecutor(PEERS) as threads,
        ):
            before = acknowledged()
            running = [threads.submit(peer.publish_until_the_end, tracker) for peer in peers]
            eventually(lambda: acknowledged() >= before + ACKNOWLEDGED_BEFORE_THE_KILL)  # noqa: B023 - called now
            process.send_signal(signal.SIGKILL)
            for one in running:
                one.result(30)
    with running_tracker(database) as tracker:
        for peer in peers:
            with TrackerClient(tracker, peer.token) as client:
                lease = client.register(Registration(peer.name))
                listed = {video.name for video in client.all_videos(peer.name)}
                assert peer.acknowledged <= listed
                assert lease.holdings_digest == holdings_digest(map(holding, listed))


def test_a_tracker_that_is_told_to_stop_does_so_and_logs_as_json(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with tracker_process(tmp_path / "tracker.db", log) as (process, tracker):
        with TrackerClient(tracker) as client:
            client.register(Registration("ana"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["event"] for event in events] == ["started", "registered", "stopped"]
    assert {"time", "level", "peer"} <= events[1].keys()
