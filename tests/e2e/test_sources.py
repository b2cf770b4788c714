"""Downloads from several sources, with real processes: they come, hang, lie, slow down and go."""

import json
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from peer_service.control_client import ControlClient
from peer_service.downloads.model import Download
from peer_service.transfer.model import HeldBack, SourceReport, SourceState
from tests.processes import (
    Crew,
    crew,
    download_of,
    enqueue,
    run,
    run_json,
    wait_for_state,
    wait_until,
)
from tests.videos import MIB
from tests.waiting import eventually

KILLS = 8
ON_THE_WAY = 2 * MIB
"""What a stream of a limited source may have sent beyond what was verified: parts of a piece."""


@pytest.fixture
def them(tmp_path: Path) -> Iterator[Crew]:
    with crew(tmp_path) as them:
        yield them


def source(download: Download, peer: str) -> SourceReport | None:
    """How a source of a download does; none when it was never tried."""
    return next((each for each in download.sources if each.peer == peer), None)


def gave(download: Download, *peers: str) -> bool:
    """Whether each of them sent something that counts."""
    return all((report := source(download, peer)) and report.bytes for peer in peers)


def is_dropped(download: Download, peer: str) -> bool:
    """Whether a source was dropped."""
    report = source(download, peer)
    return report is not None and report.state is SourceState.DROPPED


def begin(control: ControlClient, name: str, *peers: str) -> int:
    """Queue a video and wait until it is on its way from all of these."""
    number = enqueue(control, name).download_id
    wait_until(control, number, lambda now: gave(now, *peers))
    return number


def end(control: ControlClient, number: int, data: bytes) -> Download:
    """Wait for the end; the file must be right, and its bytes be told of those who sent them."""
    done = wait_for_state(control, number, "done", "failed")
    assert done.state.value == "done", done
    assert Path(done.path).read_bytes() == data
    assert sum(each.bytes for each in done.sources) == len(data)
    return done


def kept_sources(them: Crew, receiver: str) -> dict[str, Any]:
    """What `queue list` tells of the sources of the only download, by peer."""
    (download,) = run_json(them.home(receiver), "queue", "list")["downloads"]
    return {each["peer"]: each for each in download["sources"]}


def test_sources_that_are_killed_or_hang_are_replaced_and_named(them: Crew) -> None:
    owners = ("ana", "bruno", "carla")
    data = them.add_video("film.mkv", 32 * MIB, *owners)
    _, bruno, carla = them.start_peers(*owners, options=("--upload-limit", "2M"))
    diego = them.start_peer("diego", "--source-timeout", "1")
    number = begin(diego, "film.mkv", *owners)
    them.servers["ana"].kill()
    wait_until(diego, number, lambda now: is_dropped(now, "ana"), 3)
    them.servers["bruno"].freeze()
    frozen_at = time.monotonic()
    wait_until(diego, number, lambda now: is_dropped(now, "bruno"))
    assert 0.8 < time.monotonic() - frozen_at < 3
    carla.set_limits(upload_limit=0)
    end(diego, number, data)
    kept = kept_sources(them, "diego")
    assert [(kept[name]["state"], kept[name]["reason"]) for name in owners] == [
        ("dropped", "UNREACHABLE"),
        ("dropped", "UNREACHABLE"),
        ("left", ""),
    ]
    assert "stopped sending" in kept["bruno"]["message"]
    them.servers["bruno"].thaw()
    eventually(lambda: bruno.status().uploads == 0)
    assert them.located("bruno", "film.mkv")["bruno"] == "complete"


def test_when_the_only_source_hangs_it_goes_on_as_soon_as_that_wakes_up(them: Crew) -> None:
    data = them.add_video("film.mkv", 16 * MIB, "ana")
    ana = them.start_peer("ana", "--upload-limit", "4M")
    bruno = them.start_peer("bruno", "--source-timeout", "1")
    number = begin(bruno, "film.mkv", "ana")
    them.servers["ana"].freeze()
    waiting = wait_for_state(bruno, number, "waiting")
    assert (waiting.reason, waiting.failed_tries) == ("UNREACHABLE", 0)
    them.servers["ana"].thaw()
    end(bruno, number, data)
    assert ana.status().uploaded_bytes <= len(data) + ON_THE_WAY


def test_a_source_that_slows_down_is_not_waited_for(them: Crew) -> None:
    data = them.add_video("film.mkv", 24 * MIB, "ana", "bruno")
    them.start_peers("ana", "bruno", options=("--upload-limit", "4M"))
    carla = them.start_peer("carla", "--source-timeout", "1")
    number = begin(carla, "film.mkv", "ana", "bruno")
    run(them.home("ana"), "limits", "--upload-limit", "50k")
    slowed_at = time.monotonic()
    assert run_json(them.home("ana"), "status")["upload_limit"] == 50_000
    done = end(carla, number, data)
    assert time.monotonic() - slowed_at < 12  # six with bruno alone, minutes with ana
    assert not is_dropped(done, "ana")
    assert run_json(them.home("ana"), "status")["uploads"] == 0


def test_limits_change_while_it_runs_and_say_what_holds_it_back(them: Crew) -> None:
    data = them.add_video("film.mkv", 48 * MIB, "ana")
    them.start_peer("ana", "--upload-limit", "4M")
    bruno = them.start_peer("bruno")
    number = begin(bruno, "film.mkv", "ana")
    wait_until(bruno, number, lambda now: now.held_back is HeldBack.THEIR_LIMIT)
    wait_until(bruno, number, lambda now: 3_000_000 < now.rate < 5_000_000)
    run(them.home("bruno"), "limits", "--download-limit", "1M")
    slow = wait_until(
        bruno, number, lambda now: now.held_back is HeldBack.OUR_LIMIT and now.rate < 1_500_000
    )
    assert slow.rate > 500_000
    status = run_json(them.home("bruno"), "status")
    assert (status["upload_limit"], status["download_limit"]) == (0, 1_000_000)
    run(them.home("bruno"), "limits", "--download-limit", "none")
    wait_until(bruno, number, lambda now: now.rate > 3_000_000)
    run(them.home("ana"), "limits", "--upload-limit", "none")
    end(bruno, number, data)


def test_a_source_that_comes_is_used_and_one_that_goes_meanwhile_costs_nothing(them: Crew) -> None:
    data = them.add_video("film.mkv", 32 * MIB, "ana", "bruno")
    ana = them.start_peer("ana", "--upload-limit", "3M")
    carla = them.start_peer("carla")
    number = begin(carla, "film.mkv", "ana")
    them.start_peer("bruno", "--upload-limit", "3M")
    wait_until(carla, number, lambda now: gave(now, "bruno"))
    them.servers["carla"].freeze()  # as a laptop that is closed for a moment
    them.servers["bruno"].stop()
    them.servers["carla"].thaw()
    done = end(carla, number, data)
    left = source(done, "bruno")
    assert left
    assert ana.status().uploaded_bytes <= len(data) - left.bytes + ON_THE_WAY


def test_a_receiver_killed_at_any_time_ends_well_and_asks_for_little_twice(them: Crew) -> None:
    chance = random.Random(3)
    data = them.add_video("film.mkv", 64 * MIB, "ana", "bruno")
    owners = them.start_peers("ana", "bruno", options=("--upload-limit", "4M"))
    carla = them.start_peer("carla")
    number = enqueue(carla, "film.mkv").download_id
    counted, not_counted = 0, 0
    for _ in range(KILLS):
        wait_until(carla, number, lambda now: now.rate)
        time.sleep(chance.uniform(0, 1))
        before, received = download_of(carla, number), carla.status().downloaded_bytes
        them.servers["carla"].kill()
        carla = them.start_peer("carla")
        after = download_of(carla, number)
        assert before.verified_bytes <= after.verified_bytes <= counted + received + ON_THE_WAY
        not_counted += received - (before.verified_bytes - counted)
        counted = after.verified_bytes
    for owner in owners:
        owner.set_limits(upload_limit=0)
    done = wait_for_state(carla, number, "done")
    assert Path(done.path).read_bytes() == data
    sent = sum(owner.status().uploaded_bytes for owner in owners)
    assert sent <= len(data) + not_counted + KILLS * len(owners) * ON_THE_WAY


def test_a_file_that_changes_on_the_disk_is_found_out_and_done_without(them: Crew) -> None:
    data = them.add_video("film.mkv", 24 * MIB, "ana", "bruno")
    _, bruno = them.start_peers("ana", "bruno", options=("--upload-limit", "3M"))
    carla = them.start_peer("carla")
    number = begin(carla, "film.mkv", "ana", "bruno")
    with (them.shared("ana") / "film.mkv").open("r+b") as file:
        file.write(bytes(24 * MIB))
    wait_until(carla, number, lambda now: is_dropped(now, "ana"))
    bruno.set_limits(upload_limit=0)
    end(carla, number, data)
    kept = kept_sources(them, "carla")
    assert (kept["ana"]["state"], kept["ana"]["reason"]) == ("dropped", "FILE_CHANGED")
    assert kept["bruno"]["state"] == "left"


def printed(them: Crew, peer: str, *words: str) -> list[dict[str, Any]]:
    """The only download in each line that a command of that peer prints for a program."""
    lines = run(them.home(peer), "--json", *words).stdout.splitlines()
    return [download for line in lines for download in json.loads(line)["downloads"]]


def test_programs_are_told_who_sends_what_and_what_holds_it_back(them: Crew) -> None:
    data = them.add_video("film.mkv", 40 * MIB, "ana")
    clip = them.add_video("clip.mkv", 6 * MIB, "ana")
    them.start_peer("ana", "--upload-limit", "2M", "--max-uploads", "1")
    bruno, _ = them.start_peers("bruno", "carla")
    number = begin(bruno, "film.mkv", "ana")

    *followed, last = printed(them, "carla", "download", "clip.mkv")
    assert {"their_limit", "their_slots"} <= {each["held_back"] for each in followed}
    assert (last["state"], last["held_back"], last["rate"]) == ("done", None, 0)
    (ana,) = last["sources"]
    assert (ana["peer"], ana["bytes"], ana["state"], ana["rate"]) == ("ana", len(clip), "left", 0)

    them.servers["ana"].stop()
    wait_until(bruno, number, lambda now: now.held_back is HeldBack.NO_SOURCE)
    them.start_peer("ana", "--upload-limit", "8M")
    *watched, last = printed(them, "bruno", "queue", "watch", str(number))
    sending = [each for each in watched if each["state"] == "running" and each["sources"]]
    assert any(each["sources"][0]["state"] == "fetching" and each["rate"] for each in sending)
    assert (last["state"], last["sources"][0]["bytes"]) == ("done", len(data))
    assert Path(last["path"]).read_bytes() == data


class SmallDisk:
    """A folder with 16 MiB: a file system of its own, or where that is not allowed the like.

    Attributes:
        python_path: what makes the like of it for a process that writes there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python_path: tuple[Path, ...] = ()
        self._is_big = folder / "is big"
        folder.mkdir()
        mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]
        self._is_mounted = not subprocess.run(mount, check=False, capture_output=True).returncode
        if not self._is_mounted:
            self.python_path = (folder,)
            (folder / "sitecustomize.py").write_text(LIKE_A_SMALL_DISK.format(str(self._is_big)))

    def grow(self) -> None:
        """Make room."""
        self._is_big.touch()
        if self._is_mounted:
            subprocess.run(["mount", "-o", "remount,size=64m", self.folder], check=True)

    def remove(self) -> None:
        """Let go of it."""
        if self._is_mounted:
            subprocess.run(["umount", self.folder], check=True)


LIKE_A_SMALL_DISK = """
import errno, os
real = os.pwrite
def pwrite(fd, data, offset):
    if offset + len(data) > 16 << 20 and not os.path.exists({0!r}):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return real(fd, data, offset)
os.pwrite = pwrite
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "small")
    yield disk
    disk.remove()


def test_a_full_disk_is_waited_for(small_disk: SmallDisk, them: Crew) -> None:
    data = them.add_video("film.mkv", 20 * MIB, "ana")
    them.start_peer("ana")
    options = ("--received", str(small_disk.folder))
    bruno = them.start_peer("bruno", *options, python_path=small_disk.python_path)
    number = enqueue(bruno, "film.mkv").download_id
    full = wait_until(bruno, number, lambda now: now.reason == "DISK_FULL")
    assert (full.state.value, full.held_back) == ("waiting", HeldBack.DISK)
    small_disk.grow()
    end(bruno, number, data)
