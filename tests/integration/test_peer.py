"""A whole peer against a real tracker: its name, its holdings and its owner's wishes."""

import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from peer_service import announcer
from peer_service.control_client import ControlClient
from peer_service.database import PeerDatabase
from peer_service.identity import IdentityStore
from peer_service.library.watch import Watch
from peer_service.peer import Peer, PeerConfig
from peer_service.tracker_link import TrackerLink
from tests.servers import LOOPBACK, in_thread, running_tracker
from tests.waiting import eventually
from tracker_service.client import TrackerClient
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import Holding, Lease, Reachability, Registration, VideoQuery
from videoteca_core.errors import (
    AlreadyHere,
    FileUnreadable,
    HomeBusy,
    NameTaken,
    NotRegistered,
    OtherTracker,
    Unreachable,
    VideoUnknown,
)


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[Endpoint]:
    with running_tracker(tmp_path) as endpoint:
        yield endpoint


def config(folder: Path, tracker: Endpoint, name: str = "ana") -> PeerConfig:
    return PeerConfig(
        home=folder / name,
        tracker=tracker,
        name=name,
        listen=LOOPBACK,
        shared=(folder / name / "shared",),
        received=folder / name / "received",
    )


@contextmanager
def running_peer(settings: PeerConfig) -> Iterator[ControlClient]:
    peer = Peer(settings)
    with in_thread(peer), ControlClient(peer.socket) as control:
        yield control


def share(control: ControlClient, path: Path) -> str:
    path.write_bytes(path.name.encode() * 1000)
    *_, last = control.share(path)
    assert last.holding
    return last.holding.video_id


def token_of(home: Path) -> str:
    with PeerDatabase(home / "peer.db") as database:
        identity = IdentityStore(database).load()
    assert identity
    return identity.token


def names_at(tracker: Endpoint, token: str) -> list[str]:
    with TrackerClient(tracker, token) as client:
        return [video.name for video in client.info().videos]


def test_a_peer_is_proved_within_seconds(tmp_path: Path, tracker: Endpoint) -> None:
    with running_peer(config(tmp_path, tracker)) as ana:
        eventually(lambda: ana.status().reachability is Reachability.PROVED, 5)
        assert ana.status().endpoint == Endpoint("127.0.0.1", ana.status().listen_port)


def test_the_owner_sees_how_far_the_hashing_is(tmp_path: Path, tracker: Endpoint) -> None:
    settings = config(tmp_path, tracker)
    endless = settings.shared[0] / "endless.mp4"
    endless.parent.mkdir(parents=True)
    endless.touch()
    os.truncate(endless, 1 << 37)
    with running_peer(settings) as ana:
        next(ana.share(endless))
        eventually(lambda: ana.status().hashed_bytes)
        assert (ana.status().hashing, ana.status().hashing_bytes) == (1, 1 << 37)


def test_a_lost_reply_to_the_first_registration_loses_no_name(
    tmp_path: Path, tracker: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = TrackerClient.register

    def lose_the_reply(client: TrackerClient, registration: Registration) -> Lease:
        register(client, registration)
        raise Unreachable(what="tracker", address=tracker, detail="the reply was lost")

    with PeerDatabase(tmp_path / "peer.db") as database, TrackerLink(database, tracker) as link:
        with monkeypatch.context() as patch:
            patch.setattr(TrackerClient, "register", lose_the_reply)
            with pytest.raises(Unreachable):
                link.enroll(Registration("ana"))
        assert link.enroll(Registration("ana")).peer_id


def test_a_name_is_its_owners_and_a_refused_one_changes_nothing(
    tmp_path: Path, tracker: Endpoint
) -> None:
    with (
        running_peer(config(tmp_path, tracker)) as ana,
        running_peer(config(tmp_path, tracker, "bruno")) as bruno,
    ):
        with pytest.raises(NameTaken):
            bruno.enroll("ana")
        eventually(lambda: bruno.status().registered)
        assert bruno.status().name == "bruno"
        bruno.enroll("benito")
        assert bruno.status().name == "benito"
        eventually(lambda: bruno.status().reachability is Reachability.PROVED)
        assert ana.status().name == "ana"


def test_a_first_name_that_is_refused_leaves_no_trace(tmp_path: Path, tracker: Endpoint) -> None:
    nameless = replace(config(tmp_path, tracker, "bruno"), name="")
    with running_peer(config(tmp_path, tracker)), running_peer(nameless) as bruno:
        with pytest.raises(NameTaken):
            bruno.enroll("ana")
        assert bruno.status().name == ""
        assert bruno.enroll("bruno")


def test_a_refused_name_does_not_change_the_address(tmp_path: Path, tracker: Endpoint) -> None:
    bruno_config = config(tmp_path, tracker, "bruno")
    with running_peer(config(tmp_path, tracker)), running_peer(bruno_config) as bruno:
        with pytest.raises(NameTaken):
            bruno.enroll("ana", "127.0.0.2", 9)
        bruno.enroll("benito")
        assert bruno.status().endpoint == Endpoint("127.0.0.1", bruno.status().listen_port)


def test_what_was_shared_is_known_at_once(tmp_path: Path, tracker: Endpoint) -> None:
    with running_peer(config(tmp_path, tracker)) as ana:
        eventually(lambda: ana.status().registered)
        for number in range(5):
            share(ana, tmp_path / "ana" / "shared" / f"{number}.mp4")
            token = token_of(tmp_path / "ana")
            assert f"{number}.mp4" in names_at(tracker, token)


def test_what_was_withdrawn_is_gone_at_once(tmp_path: Path, tracker: Endpoint) -> None:
    with running_peer(config(tmp_path, tracker)) as ana:
        share(ana, tmp_path / "ana" / "shared" / "clip.mp4")
        ana.unshare(["clip.mp4"])
        assert names_at(tracker, token_of(tmp_path / "ana")) == []


def test_what_disappeared_in_the_last_moment_is_taken_back_on_leaving(
    tmp_path: Path, tracker: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_peer(config(tmp_path, tracker)) as ana:
        path = tmp_path / "ana" / "shared" / "clip.mp4"
        share(ana, path)
        token = token_of(tmp_path / "ana")
        assert names_at(tracker, token) == ["clip.mp4"]
        monkeypatch.setattr(announcer, "_GATHER_SECONDS", 60)
        path.unlink()
        eventually(lambda: not ana.status().shared)
        assert names_at(tracker, token) == ["clip.mp4"]
    assert names_at(tracker, token) == []


def test_a_peer_started_with_a_taken_name_says_so_and_does_not_run(
    tmp_path: Path, tracker: Endpoint
) -> None:
    with running_peer(config(tmp_path, tracker)):
        thief = replace(config(tmp_path, tracker), home=tmp_path / "thief")
        with pytest.raises(NameTaken), running_peer(thief):
            pass
        with PeerDatabase(tmp_path / "thief" / "peer.db"):
            pass  # what it held is free again


def test_a_tracker_from_an_older_backup_is_told_anew_what_is_shared_and_what_is_not(
    tmp_path: Path,
) -> None:
    with running_tracker(tmp_path) as tracker, running_peer(config(tmp_path, tracker)) as ana:
        shared = tmp_path / "ana" / "shared"
        share(ana, shared / "old.mp4")
        token = token_of(tmp_path / "ana")
        eventually(lambda: names_at(tracker, token) == ["old.mp4"])
    backup = tmp_path / "backup"
    shutil.copytree(tmp_path, backup, ignore=shutil.ignore_patterns("ana"))
    with running_tracker(tmp_path, listen=tracker), running_peer(config(tmp_path, tracker)) as ana:
        share(ana, shared / "new.mp4")
        ana.unshare(["old.mp4"])
        eventually(lambda: names_at(tracker, token) == ["new.mp4"])
    with running_tracker(backup, listen=tracker):
        assert names_at(tracker, token) == ["old.mp4"]
        with running_peer(config(tmp_path, tracker)):
            eventually(lambda: names_at(tracker, token) == ["new.mp4"])


def test_another_tracker_at_the_known_address_gets_nothing_until_its_owner_says_so(
    tmp_path: Path,
) -> None:
    with running_tracker(tmp_path) as tracker, running_peer(config(tmp_path, tracker)):
        token = token_of(tmp_path / "ana")
    (tmp_path / "other").mkdir()
    nameless = replace(config(tmp_path, tracker), name="")
    with running_tracker(tmp_path / "other", listen=tracker), running_peer(nameless) as ana:
        eventually(lambda: ana.status().problem_reason == OtherTracker.reason)
        assert "videoteca register" in ana.status().problem
        assert token_of(tmp_path / "ana") == token
        ana.enroll("ana")
        assert ana.status().registered
        assert token_of(tmp_path / "ana") != token


def test_registering_at_another_tracker_loses_no_name_at_the_first(tmp_path: Path) -> None:
    for other in ("a", "b"):
        (tmp_path / other).mkdir()
    peer_ids = []
    with running_tracker(tmp_path / "a") as tracker, running_peer(config(tmp_path, tracker)) as ana:
        peer_ids.append(ana.status().peer_id)
    for other in ("b", "a", "b", "a"):
        with (
            running_tracker(tmp_path / other, listen=tracker),
            running_peer(config(tmp_path, tracker)) as ana,
        ):
            peer_ids.append(ana.status().peer_id)
    assert peer_ids[0] == peer_ids[2] == peer_ids[4]
    assert peer_ids[1] == peer_ids[3] != peer_ids[0]


def test_what_its_owner_withdrew_stays_withdrawn_over_a_restart(
    tmp_path: Path, tracker: Endpoint
) -> None:
    shared = tmp_path / "ana" / "shared"
    with running_peer(config(tmp_path, tracker)) as ana:
        share(ana, shared / "a.mp4")
        share(ana, shared / "b.mp4")
        ana.unshare(["a.mp4"])
        with pytest.raises(VideoUnknown):
            ana.unshare(["never.mp4"])
    with running_peer(config(tmp_path, tracker)) as ana:
        token = token_of(tmp_path / "ana")
        eventually(lambda: names_at(tracker, token) == ["b.mp4"])
        assert (shared / "a.mp4").exists()
        share(ana, shared / "a.mp4")
        eventually(lambda: names_at(tracker, token) == ["a.mp4", "b.mp4"])


def test_who_has_a_video_is_told_so_instead_of_fetching_it(
    tmp_path: Path, tracker: Endpoint
) -> None:
    with running_peer(config(tmp_path, tracker)) as ana:
        video_id = share(ana, tmp_path / "ana" / "shared" / "clip.mp4")
        token = token_of(tmp_path / "ana")
        eventually(lambda: names_at(tracker, token) == ["clip.mp4"])
        with pytest.raises(AlreadyHere, match=r"shared/clip\.mp4"):
            ana.enqueue(VideoQuery(video_id=video_id))
        assert ana.downloads() == ()


def test_one_home_has_one_peer(tmp_path: Path, tracker: Endpoint) -> None:
    settings = config(tmp_path, tracker)
    with running_peer(settings) as ana:
        with pytest.raises(HomeBusy), running_peer(settings):
            pass
        assert ana.status().name == "ana"


def test_a_peer_without_a_name_waits_for_one(tmp_path: Path, tracker: Endpoint) -> None:
    with running_peer(replace(config(tmp_path, tracker), name="")) as ana:
        assert ana.status().problem_reason == NotRegistered.reason
        with pytest.raises(NotRegistered):
            ana.enqueue(VideoQuery(name="clip.mp4"))
        ana.enroll("ana")
        eventually(lambda: ana.status().reachability is Reachability.PROVED)


def test_a_stopped_peer_is_offered_no_more_at_once(tmp_path: Path, tracker: Endpoint) -> None:
    with running_peer(config(tmp_path, tracker)) as ana:
        share(ana, tmp_path / "ana" / "shared" / "clip.mp4")
        token = token_of(tmp_path / "ana")
        with TrackerClient(tracker, token) as client:
            eventually(lambda: client.info().videos and client.info().videos[0].online == 1)
    with TrackerClient(tracker, token) as client:
        assert client.info().videos[0].online == 0


def test_what_is_shared_in_the_last_moment_is_told(tmp_path: Path, tracker: Endpoint) -> None:
    with running_peer(config(tmp_path, tracker)) as ana:
        eventually(lambda: ana.status().registered)
        share(ana, tmp_path / "ana" / "shared" / "clip.mp4")
    assert names_at(tracker, token_of(tmp_path / "ana")) == ["clip.mp4"]


def test_paths_that_are_not_utf8_are_told_escaped(tmp_path: Path, tracker: Endpoint) -> None:
    odd = tmp_path / os.fsdecode(b"odd\xff")
    odd.mkdir()
    (odd / os.fsdecode(b"clip\xff.mp4")).touch()
    settings = replace(config(tmp_path, tracker), shared=(odd,), received=odd / "received")
    with running_peer(settings) as ana:
        eventually(lambda: ana.status().skipped)
        assert ana.status().shared_folders == (f"{tmp_path}/odd\\udcff",)
        with pytest.raises(FileUnreadable, match="not UTF-8"):
            list(ana.share(odd / "clip.mp4"))


def test_a_restarted_peer_takes_nothing_back_before_it_has_looked(
    tmp_path: Path, tracker: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(tmp_path, tracker)
    with running_peer(settings) as ana:
        share(ana, tmp_path / "ana" / "shared" / "clip.mp4")
        token = token_of(tmp_path / "ana")
        eventually(lambda: names_at(tracker, token) == ["clip.mp4"])
    look, may_look, told = Watch.look, threading.Event(), []
    publish = TrackerClient.publish

    def look_late(watch: Watch) -> None:
        assert may_look.wait(10)
        look(watch)

    def note(client: TrackerClient, holdings: Sequence[Holding], **options: bool) -> bytes:
        told.append([holding.name for holding in holdings])
        return publish(client, holdings, **options)

    monkeypatch.setattr(Watch, "look", look_late)
    monkeypatch.setattr(TrackerClient, "publish", note)
    with running_peer(settings) as ana:
        eventually(lambda: ana.status().reachability is Reachability.PENDING)
        may_look.set()
        eventually(lambda: told)
        assert told == [["clip.mp4"]]


def test_many_changes_are_told_together(
    tmp_path: Path, tracker: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(tmp_path, tracker)
    shared = tmp_path / "ana" / "shared"
    shared.mkdir(parents=True)
    for number in range(200):
        (shared / f"{number}.mp4").write_bytes(bytes(number))
    calls = []
    publish = TrackerClient.publish

    def note(client: TrackerClient, holdings: Sequence[Holding], **options: bool) -> bytes:
        calls.append(len(holdings))
        return publish(client, holdings, **options)

    monkeypatch.setattr(TrackerClient, "publish", note)
    with running_peer(settings):
        eventually(lambda: sum(calls) >= 200, 30)
    assert len(calls) < 10


def test_no_renewal_follows_the_leaving(
    tmp_path: Path, tracker: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, renewing, hold = [], threading.Event(), threading.Event()
    register, leave = TrackerClient.register, TrackerClient.leave

    def renew_slowly(client: TrackerClient, registration: Registration) -> Lease:
        renewing.set()
        hold.wait(1)
        lease = register(client, registration)
        done.append("renewed")
        return lease

    def note_leave(client: TrackerClient) -> None:
        leave(client)
        done.append("left")

    with running_peer(config(tmp_path, tracker)) as ana:
        eventually(lambda: ana.status().reachability is Reachability.PROVED)
        monkeypatch.setattr(TrackerClient, "register", renew_slowly)
        monkeypatch.setattr(TrackerClient, "leave", note_leave)
        share(ana, tmp_path / "ana" / "shared" / "clip.mp4")
        assert renewing.wait(10)
    hold.set()
    assert done == ["renewed", "left"]


def test_a_client_that_was_closed_says_that_the_peer_is_away(
    tmp_path: Path, tracker: Endpoint
) -> None:
    with running_peer(config(tmp_path, tracker)) as ana:
        ana.close()
        with pytest.raises(Unreachable):
            ana.status()
