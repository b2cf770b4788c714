"""Register, publish, info, locate, download, verify: with the commands, one after the other."""

import json
import re
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.programs import ANY_PORT, CLIP, Machine
from tests.waiting import eventually

MachineOf = Callable[[str], Machine]


def _clip(machine: Machine) -> dict[str, Any]:
    """Ana's clip.mp4 in the catalogue; others may have theirs."""
    videos = machine.run("info", "clip.mp4", "--json").json["videos"]
    (clip,) = (video for video in videos if video["size_bytes"] == len(CLIP))
    return dict(clip)


def _owners(machine: Machine) -> list[str]:
    """Who has it."""
    (video,) = machine.run("locate", _clip(machine)["video_id"], "--json").json["videos"]
    return list(video["owners"])


def test_without_a_peer_the_download_runs_in_the_foreground(
    ana: Machine, machine_of: MachineOf
) -> None:
    bruno = machine_of("bruno")
    bruno.register("bruno-foreground")
    received = bruno.folder / "videos_recibidos" / "clip.mp4"

    info = bruno.run("info", "CLIP")
    video = _clip(bruno)
    located = bruno.run("locate", "clip.mp4", "--json").json
    downloaded = bruno.run("download", "ana/clip.mp4")

    assert re.search(r"^clip\.mp4 +5\.1 MB +[0-9a-f]{64} +\d+ +\d+$", info.out, re.MULTILINE)
    assert (video["name"], video["size_bytes"]) == ("clip.mp4", len(CLIP))
    assert "ana" in located["videos"][0]["owners"]
    (source,) = (s for s in located["videos"][0]["sources"] if s["peer_name"] == "ana")
    assert source["endpoints"][0]["host"] == "127.0.0.1"
    assert downloaded.code == 0, downloaded
    assert received.read_bytes() == CLIP
    percents = [
        int(each) for each in re.findall(r"^clip\.mp4: (\d+) %", downloaded.out, re.MULTILINE)
    ]
    assert percents == list(range(10, 101, 10))
    assert f"done: {received}" in downloaded.out
    (told,) = bruno.run("download", "ana/clip.mp4").out.splitlines()
    assert told == f"'clip.mp4' (5.1 MB) is here already: {received}."
    assert bruno.run("verify").out.startswith("intact: ")


def test_a_running_peer_downloads_and_shares_on(ana: Machine, machine_of: MachineOf) -> None:
    carla = machine_of("carla")

    with carla.running("peer", "--name", "carla", "--listen", ANY_PORT) as started:
        downloaded = carla.run("descargar", _clip(carla)["video_id"][:10], "--json")
        again = carla.run("download", "ana/clip.mp4", "--json")
        (listed,) = carla.run("queue", "list", "--json").json["downloads"]
        watched, chosen = carla.run("queue", "watch"), carla.run("queue", "watch", "1")
        every = carla.run("queue", "watch", "--json")
        status = carla.run("status", "--json").json
        eventually(lambda: {"ana", "carla"} <= set(_owners(carla)))

    assert started["name"] == "carla"
    assert downloaded.code == 0, downloaded
    assert again.code == 0 or again.error["reason"] == "ALREADY_HERE", again
    assert (watched.code, watched.out) == (0, ""), "what had ended is no news"
    assert chosen.out.endswith(f"done: {listed['path']}\n")
    assert every.json["downloads"] == [listed]
    assert listed["state"] == "done"
    assert listed["verified_bytes"] == listed["size_bytes"] == len(CLIP)
    assert status["downloads"]["done"] == 1
    assert status["downloaded_bytes"] == len(CLIP)
    assert ana.run("status", "--json").json["uploaded_bytes"] >= len(CLIP)


def test_the_limits_of_a_running_peer_are_changed(ana: Machine, machine_of: MachineOf) -> None:
    julia = machine_of("julia")

    with julia.running(
        "peer", "--name", "julia", "--listen", ANY_PORT, "--upload-limit", "20M"
    ) as started:
        first = julia.run("limits", "--json").json
        changed = julia.run("limites", "--download-limit", "1.5M", "--json").json
        told = julia.run("limits", "--upload-limit", "none").out
        status = julia.run("status", "--json").json
        refused = julia.run("download", "ana/clip.mp4", "--download-limit", "5M", "--json")

    assert (started["upload_limit"], started["download_limit"]) == (20_000_000, 0)
    assert first == {"upload_limit": 20_000_000, "download_limit": 0}
    assert changed == {"upload_limit": 20_000_000, "download_limit": 1_500_000}
    assert told.split() == ["upload", "limit:", "none", "download", "limit:", "1.5", "MB/s"]
    assert (status["upload_limit"], status["download_limit"]) == (0, 1_500_000)
    assert refused.code == 2
    assert "videoteca limits" in refused.error["message"]


def test_a_download_tells_a_program_of_its_sources_and_its_limit(
    ana: Machine, machine_of: MachineOf
) -> None:
    karl = machine_of("karl")
    karl.register("karl")

    begun = time.monotonic()
    followed = karl.run("download", "ana/clip.mp4", "--download-limit", "2M", "--json")
    seconds = time.monotonic() - begun
    moments = [json.loads(line)["downloads"][0] for line in followed.out.splitlines()]
    (listed,) = karl.run("queue", "list", "--json").json["downloads"]
    (shown,) = karl.run("cola", "ver", "1", "--json").json["downloads"]
    details = karl.run("queue", "show", "1").out

    assert followed.code == 0, followed
    assert len(moments) <= 5 * seconds
    assert all(before != after for before, after in pairwise(moments))
    running = [each for each in moments if each["state"] == "running" and each["rate"]]
    assert running[-1]["rate"] < 4_000_000
    assert running[-1]["held_back"] == "our_limit"
    assert running[-1]["sources"][0]["state"] == "fetching"
    (source,) = moments[-1]["sources"]
    assert moments[-1]["state"] == "done"
    assert (source["peer"], source["bytes"], source["state"]) == ("ana", len(CLIP), "left")
    assert (source["reason"], source["message"], source["fields"]) == ("", "", {})
    assert re.fullmatch(r"127\.0\.0\.1:\d+", source["address"])
    assert listed == shown == moments[-1]
    assert re.search(r"^ana +127\.0\.0\.1:\d+ +5\.1 MB +- +not in use", details, re.MULTILINE)


def test_a_name_with_two_contents_wants_an_owner(ana: Machine, machine_of: MachineOf) -> None:
    dora = machine_of("dora")
    (dora.folder / "clip.mp4").write_bytes(b"another clip")

    with dora.running("peer", "--name", "dora", "--listen", ANY_PORT):
        assert dora.run("videos", "clip.mp4").code == 0
        elena = machine_of("elena")
        elena.register("elena")
        ambiguous = elena.run("download", "clip.mp4", "--json")
        located = elena.run("locate", "clip.mp4")
        chosen = elena.run("download", "dora/clip.mp4", "--json")
        dora.run("withdraw", "clip.mp4")

    assert ambiguous.code == ambiguous.error["exit_code"] == 5
    assert ambiguous.error["reason"] == "NAME_AMBIGUOUS"
    assert "dora" in ambiguous.error["message"]
    assert "ana" in located.out
    assert "dora" in located.out
    assert chosen.code == 0, chosen
    assert (elena.folder / "videos_recibidos" / "clip.mp4").read_bytes() == b"another clip"


def test_some_of_many_can_fail(ana: Machine, machine_of: MachineOf) -> None:
    fede = machine_of("fede")
    fede.register("fede")

    ended = fede.run("download", "nowhere.mp4", "clip.mp4")

    assert ended.code == 4
    assert "nowhere.mp4" in ended.err
    assert (fede.folder / "videos_recibidos" / "clip.mp4").read_bytes() == CLIP


def test_the_queue_is_kept_without_a_peer(ana: Machine, machine_of: MachineOf) -> None:
    gabi = machine_of("gabi")
    gabi.register("gabi")
    assert gabi.run("queue").out == "The queue is empty.\n"
    assert gabi.run("download", "clip.mp4").code == 0

    retried = gabi.run("queue", "retry", "1", "--json")
    unknown = gabi.run("cola", "pausar", "7", "--json")

    assert (retried.code, retried.error["reason"]) == (7, "WRONG_STATE")
    assert (unknown.code, unknown.error["reason"]) == (4, "DOWNLOAD_UNKNOWN")


@pytest.mark.usefixtures("ana")
def test_the_queue_is_changed(machine_of: MachineOf) -> None:
    hugo, irma = machine_of("hugo"), machine_of("irma")
    for name in ("one.mp4", "two.mp4"):
        (hugo.folder / name).write_bytes(name.encode() * 1_000)
    with hugo.running("peer", "--name", "hugo", "--listen", ANY_PORT):
        assert hugo.run("publish", "one.mp4", "two.mp4").code == 0

    with irma.running("peer", "--name", "irma", "--listen", ANY_PORT):  # hugo is offline now
        for name in ("one.mp4", "two.mp4"):
            following = irma.start("download", name)
            assert following.stdout
            assert name in following.stdout.readline()
            following.kill()
            following.communicate()
    before = irma.run("queue", "list", "--json").json["downloads"]  # without a peer from here on
    moved = irma.run("queue", "move", "2", "--position", "1")
    after = irma.run("queue", "list", "--json").json["downloads"]
    paused = irma.run("cola", "pausar", "1", "2", "--json").json["downloads"]
    cancelled = irma.run("queue", "cancel", "1", "--json").json["downloads"]
    resumed = irma.run("queue", "resume", "2", "--json").json["downloads"]

    assert [each["download_id"] for each in before] == [1, 2]
    assert moved.code == 0
    assert [each["download_id"] for each in after] == [2, 1]
    assert {each["state"] for each in paused} == {"paused"}
    assert cancelled[0]["state"] == "cancelled"
    assert resumed[0]["state"] == "waiting"
