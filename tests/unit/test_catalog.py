import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.clock import Clock
from tests.holdings import holding
from tracker_service.catalog import Catalog, Registered
from tracker_service.registration import Dial
from tracker_service.store.contract import Transaction
from tracker_service.store.sqlite import SqliteStore
from videoteca_core import errors
from videoteca_core.addresses import Endpoint, parse_networks
from videoteca_core.catalogue import (
    NO_HOLDINGS,
    Holding,
    HoldingState,
    InfoPage,
    LocatedVideo,
    Reachability,
    Registration,
    VideoQuery,
    holdings_digest,
)
from videoteca_core.identity import new_token

ANA, EVA = new_token(), new_token()
HERE = ip_address("10.0.0.7")
KEY = b"k" * 32


class Desk:
    """A catalogue, its clock, and short words for what peers do with it."""

    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any], folder: Path) -> None:
        self.run = run
        self.clock = Clock()
        self.store = SqliteStore.open(folder / "tracker.db")
        self.catalog = Catalog(self.store, self.clock, parse_networks(["192.168.0.0/16"]))

    def register(self, name: str, token: str, caller: str = str(HERE), **fields: Any) -> Registered:
        defaults: dict[str, Any] = {"port": 1030, "instance_key": KEY}
        registration = Registration(name, **defaults | fields)
        answer: Registered = self.run(
            self.catalog.register(registration, token, ip_address(caller))
        )
        return answer

    def prove(self, name: str, token: str, **fields: Any) -> None:
        assert self.record(self.register(name, token, **fields).dial, proved=True)

    def record(self, dial: Dial | None, *, proved: bool) -> bool:
        assert dial
        kept: bool = self.run(self.catalog.record_dial_result(dial, proved=proved))
        return kept

    def publish(self, token: str, *holdings: Holding, replaces_all: bool = False) -> bytes:
        work = self.catalog.publish(token, holdings, replaces_all=replaces_all)
        digest: bytes = self.run(work).value
        return digest

    def withdraw(self, token: str, *names: str) -> bytes:
        digest: bytes = self.run(self.catalog.withdraw(token, names)).value
        return digest

    def info(self, query: str = "", size: int = 0, page_token: str = "") -> InfoPage:
        page: InfoPage = self.run(self.catalog.info(ANA, query, size, page_token, HERE)).value
        return page

    def locate(self, caller: str = str(HERE), **fields: Any) -> tuple[LocatedVideo, ...]:
        work = self.catalog.locate(ANA, VideoQuery(**fields), ip_address(caller))
        videos: tuple[LocatedVideo, ...] = self.run(work).value
        return videos

    def sources(self, name: str) -> set[str]:
        return {one.peer_name for video in self.locate(name=name) for one in video.sources}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with asyncio.Runner() as runner:
        desk = Desk(runner.run, tmp_path)
        yield desk
        runner.run(desk.store.close())


# --- Register


def test_a_peer_keeps_its_id_and_a_token_that_it_brought_is_not_told(desk: Desk) -> None:
    first, second = desk.register("ana", ANA), desk.register("ana", ANA)
    assert first.lease.token == second.lease.token == ""
    assert first.lease.peer_id == second.lease.peer_id
    assert first.lease.seconds == 60
    assert first.lease.holdings_digest == NO_HOLDINGS
    assert (first.is_change, second.is_change) == (True, False)


def test_a_peer_without_a_token_is_given_one_that_is_its_own(desk: Desk) -> None:
    given = desk.register("ana", "").lease
    assert desk.register("ana", given.token).lease.peer_id == given.peer_id


@pytest.mark.parametrize("token", ["", EVA])
def test_a_name_belongs_to_one_token(desk: Desk, token: str) -> None:
    desk.register("ana", ANA)
    with pytest.raises(errors.NameTaken):
        desk.register("ana", token)


def test_a_peer_may_take_another_free_name_and_gives_its_old_one_up(desk: Desk) -> None:
    before = desk.register("ana", ANA).lease
    after = desk.register("anita", ANA)
    assert after.lease.peer_id == before.peer_id
    assert after.is_change
    desk.register("ana", EVA)
    with pytest.raises(errors.NameTaken):
        desk.register("anita", EVA)


def test_unicode_forms_of_a_name_are_one_name(desk: Desk) -> None:
    desk.register("In\N{LATIN SMALL LETTER E WITH ACUTE}s", ANA)
    with pytest.raises(errors.NameTaken):
        desk.register("Ine\N{COMBINING ACUTE ACCENT}s", EVA)


def test_another_tracker_than_the_expected_one_says_so(desk: Desk) -> None:
    tracker_id = desk.register("ana", ANA).lease.tracker_id
    assert desk.register("ana", ANA, tracker_id=tracker_id).lease.tracker_id == tracker_id
    with pytest.raises(errors.OtherTracker) as caught:
        desk.register("eva", EVA, tracker_id="0" * 32)
    assert caught.value.fields == {"expected": "0" * 32, "actual": tracker_id}
    desk.register("eva", "")  # nothing was kept of the refused call


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": "../x"}, errors.InvalidName),
        ({"name": ""}, errors.InvalidName),
        ({"port": -1}, errors.InvalidAddress),
        ({"port": 65_536}, errors.InvalidAddress),
        ({"host": "example.org"}, errors.InvalidAddress),
        ({"host": "unix:/tmp/x"}, errors.InvalidAddress),
        ({"host": "0.0.0.0"}, errors.InvalidAddress),
        ({"host": "::"}, errors.InvalidAddress),
        ({"host": "169.254.1.1"}, errors.InvalidAddress),
        ({"host": "fe80::1"}, errors.InvalidAddress),
        ({"host": "224.0.0.1"}, errors.InvalidAddress),
        ({"host": "::ffff:224.0.0.1"}, errors.InvalidAddress),
        ({"instance_key": b"short"}, errors.InvalidRequest),
        ({"token": "secret"}, errors.InvalidRequest),
        ({"token": ANA.upper()}, errors.InvalidRequest),
    ],
)
def test_a_malformed_registration_is_refused(
    desk: Desk, fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        desk.register(**{"name": "ana", "token": ANA} | fields)


def test_an_empty_host_means_the_address_that_is_seen(desk: Desk) -> None:
    assert desk.register("ana", ANA).lease.endpoint == Endpoint(str(HERE), 1030)
    assert desk.register("eva", EVA, caller="2001:db8::1").lease.endpoint == Endpoint(
        "2001:db8::1", 1030
    )


def test_a_peer_with_port_0_only_downloads(desk: Desk) -> None:
    registered = desk.register("ana", ANA, port=0)
    assert registered.dial is None
    assert registered.lease.endpoint is None
    assert registered.lease.reachability is Reachability.NOT_SERVING


# --- Dial-back


def test_a_new_address_is_pending_until_a_dial_proves_it(desk: Desk) -> None:
    registered = desk.register("ana", ANA)
    assert registered.lease.reachability is Reachability.PENDING
    assert registered.dial
    assert registered.dial.endpoint == Endpoint(str(HERE), 1030)
    assert desk.record(registered.dial, proved=True)
    renewed = desk.register("ana", ANA)
    assert renewed.lease.reachability is Reachability.PROVED
    assert renewed.dial is None


@pytest.mark.parametrize(
    "change", [{"port": 1031}, {"host": "192.168.1.1"}, {"instance_key": b"j" * 32}]
)
def test_a_proof_is_of_one_address_and_key(desk: Desk, change: dict[str, Any]) -> None:
    old = desk.register("ana", ANA).dial
    changed = desk.register("ana", ANA, **change)
    assert not desk.record(old, proved=True)
    assert desk.register("ana", ANA, **change).lease.reachability is Reachability.PENDING
    assert desk.record(changed.dial, proved=True)
    assert desk.register("ana", ANA, **change).lease.reachability is Reachability.PROVED
    assert desk.register("ana", ANA).lease.reachability is Reachability.PENDING


def test_an_address_that_did_not_answer_is_dialled_again_after_a_minute(desk: Desk) -> None:
    dial = desk.register("ana", ANA).dial
    assert desk.record(dial, proved=False)
    renewed = desk.register("ana", ANA)
    assert (renewed.lease.reachability, renewed.dial) == (Reachability.UNREACHABLE, None)
    desk.clock.advance(59.9)
    assert desk.register("ana", ANA).dial is None
    desk.clock.advance(0.1)
    assert desk.register("ana", ANA).dial == dial


def test_a_clock_that_was_set_back_puts_no_dial_off(desk: Desk) -> None:
    dial = desk.register("ana", ANA).dial
    assert desk.record(dial, proved=False)
    desk.clock.advance(-86_400)
    assert desk.register("ana", ANA).dial == dial


@pytest.mark.parametrize(
    ("caller", "host", "dialled"),
    [
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "192.168.7.7", True),  # the operator allows this range
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("10.0.0.7", "10.0.0.8", False),
        ("10.0.0.7", "127.0.0.1", False),
        ("10.0.0.7", "::ffff:127.0.0.1", False),
        ("10.0.0.7", "::1", False),
        ("::1", "127.0.0.1", False),
        ("169.254.1.1", "", False),
    ],
)
def test_only_the_callers_own_address_or_an_allowed_one_is_dialled(
    desk: Desk, caller: str, host: str, dialled: bool
) -> None:
    registered = desk.register("ana", ANA, caller=caller, host=host)
    assert (registered.dial is not None) is dialled
    found = Reachability.PENDING if dialled else Reachability.UNREACHABLE
    assert registered.lease.reachability is found
    desk.clock.advance(3600)
    again = desk.register("ana", ANA, caller=caller, host=host)
    assert (again.dial is not None) is dialled


def test_an_address_without_a_key_is_never_dialled(desk: Desk) -> None:
    registered = desk.register("ana", ANA, instance_key=b"")
    assert registered.dial is None
    assert registered.lease.reachability is Reachability.UNREACHABLE


# --- Publish and Withdraw


def test_the_digest_follows_every_change(desk: Desk) -> None:
    desk.register("ana", ANA)
    a, b, c = map(holding, ["a", "b", "c"])
    assert desk.publish(ANA, a, b) == holdings_digest([a, b])
    assert desk.publish(ANA, b, c) == holdings_digest([a, b, c])
    other = holding("a", "another cut", HoldingState.PARTIAL)
    assert desk.publish(ANA, other) == holdings_digest([other, b, c])
    done = replace(other, state=HoldingState.COMPLETE)
    assert desk.publish(ANA, done) == holdings_digest([done, b, c])
    assert desk.withdraw(ANA, "b", "b", "unknown") == holdings_digest([done, c])
    assert desk.register("ana", ANA).lease.holdings_digest == holdings_digest([done, c])
    assert desk.publish(ANA, a, replaces_all=True) == holdings_digest([a])
    assert [video.name for video in desk.info().videos] == ["a"]
    assert desk.publish(ANA, replaces_all=True) == NO_HOLDINGS
    assert desk.info().videos == ()


def test_a_wrong_digest_is_mended_by_publishing_all_anew(desk: Desk) -> None:
    peer_id = desk.register("ana", ANA).lease.peer_id
    desk.publish(ANA, holding("a"))

    def spoil(tx: Transaction) -> None:
        peer = tx.peer_by_id(peer_id)
        assert peer
        tx.update_peer(replace(peer, holdings_digest=b"x" * 32))

    desk.run(desk.store.write(spoil))
    assert desk.publish(ANA, holding("a"), replaces_all=True) == holdings_digest([holding("a")])


def test_a_peers_holdings_are_its_own(desk: Desk) -> None:
    desk.register("ana", ANA)
    desk.register("eva", EVA)
    desk.publish(ANA, holding("a"))
    desk.publish(EVA, holding("a", "another cut"))
    desk.withdraw(ANA, "a")
    (video,) = desk.info().videos
    assert video.video_id == holding("a", "another cut").video_id


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ([replace(holding("a"), size_bytes=11)], errors.IdMismatch),
        ([replace(holding("a"), pieces_root=b"x" * 32)], errors.IdMismatch),
        ([replace(holding("a"), pieces_root=b"x")], errors.InvalidRequest),
        ([replace(holding("a"), size_bytes=-1)], errors.InvalidRequest),
        ([replace(holding("a"), video_id="")], errors.InvalidVideoId),
        ([replace(holding("a"), video_id=holding("a").video_id.upper())], errors.InvalidVideoId),
        ([holding("../a", "a")], errors.InvalidName),
        ([holding("a"), holding("a", "another cut")], errors.InvalidRequest),
        ([holding("é"), holding("e\N{COMBINING ACUTE ACCENT}")], errors.InvalidRequest),
        ([holding(f"{number}") for number in range(1_001)], errors.TooMany),
    ],
)
def test_a_bad_holding_fails_the_whole_call(
    desk: Desk, bad: list[Holding], error: type[Exception]
) -> None:
    desk.register("ana", ANA)
    before = desk.publish(ANA, holding("kept"))
    with pytest.raises(error):
        desk.publish(ANA, holding("good"), *bad, replaces_all=True)
    assert desk.register("ana", ANA).lease.holdings_digest == before
    assert [video.name for video in desk.info().videos] == ["kept"]


def test_too_many_or_bad_names_are_not_withdrawn(desk: Desk) -> None:
    desk.register("ana", ANA)
    with pytest.raises(errors.TooMany):
        desk.withdraw(ANA, *map(str, range(1_001)))
    with pytest.raises(errors.InvalidName):
        desk.withdraw(ANA, "a/b")


@pytest.mark.parametrize("token", ["", "nonsense", EVA])
def test_who_is_not_registered_is_told_so(desk: Desk, token: str) -> None:
    desk.register("ana", ANA)
    catalog = desk.catalog
    for work in (
        catalog.publish(token, []),
        catalog.withdraw(token, []),
        catalog.leave(token),
        catalog.info(token, "", 0, "", HERE),
        catalog.locate(token, VideoQuery(name="a"), HERE),
    ):
        with pytest.raises(errors.NotRegistered):
            desk.run(work)


# --- Leases


def test_a_lease_ends_and_is_renewed(desk: Desk) -> None:
    desk.prove("ana", ANA)
    desk.publish(ANA, holding("a"))
    assert desk.sources("a") == {"ana"}
    desk.clock.advance(59)
    assert desk.sources("a") == {"ana"}
    desk.clock.advance(1)
    assert desk.sources("a") == set()
    assert desk.info().videos[0].online == 0
    desk.register("ana", ANA)
    assert desk.sources("a") == {"ana"}
    assert desk.info().videos[0].online == 1


def test_who_leaves_is_offered_no_more_and_stays_known(desk: Desk) -> None:
    desk.prove("ana", ANA)
    desk.publish(ANA, holding("a"))
    desk.run(desk.catalog.leave(ANA))
    (video,) = desk.locate(name="a")
    assert (video.sources, video.owners, video.holders) == ((), ("ana",), 1)
    with pytest.raises(errors.NameTaken):
        desk.register("ana", EVA)
    desk.register("ana", ANA)
    assert desk.sources("a") == {"ana"}


# --- Info and Locate


def test_pages_go_on_where_the_last_one_ended_whatever_changes(desk: Desk) -> None:
    desk.register("ana", ANA)
    desk.publish(ANA, *(holding(f"{number:02}.mp4") for number in range(10)))
    page = desk.info(size=4)
    seen = list(page.videos)
    desk.publish(ANA, holding("01a.mp4"), holding("05a.mp4"))
    desk.withdraw(ANA, "03.mp4")  # the very one after which the next page starts
    while page.next_page_token:
        page = desk.info(size=4, page_token=page.next_page_token)
        seen += page.videos
    names = [video.name for video in seen]
    assert names == sorted(set(names))
    assert set(names) - {"05a.mp4"} == {f"{number:02}.mp4" for number in range(10)}


def test_a_page_that_is_just_full_is_the_last(desk: Desk) -> None:
    desk.register("ana", ANA)
    desk.publish(ANA, *(holding(f"{number:03}") for number in range(200)))
    page = desk.info()
    assert len(page.videos) == 100
    page = desk.info(page_token=page.next_page_token)
    assert len(page.videos) == 100
    assert page.next_page_token == ""


def test_a_search_ignores_case_and_accents(desk: Desk) -> None:
    desk.register("ana", ANA)
    desk.publish(ANA, holding("Año Nuevo.MP4"), holding("verano.mkv"))
    assert [video.name for video in desk.info("ANO NUEVO").videos] == ["Año Nuevo.MP4"]
    assert len(desk.info("áñO").videos) == 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"size": -1}, errors.InvalidRequest),
        ({"size": 1_001}, errors.InvalidRequest),
        ({"query": "é" * 121}, errors.InvalidRequest),
        ({"query": "a\0"}, errors.InvalidRequest),
        ({"page_token": "nonsense"}, errors.InvalidPageToken),
    ],
)
def test_malformed_questions_are_refused(
    desk: Desk, arguments: dict[str, Any], error: type[Exception]
) -> None:
    desk.register("ana", ANA)
    with pytest.raises(error):
        desk.info(**arguments)


def test_a_page_token_is_of_one_query(desk: Desk) -> None:
    desk.register("ana", ANA)
    desk.publish(ANA, holding("a1"), holding("a2"))
    token = desk.info("a", size=1).next_page_token
    assert [video.name for video in desk.info("a", page_token=token).videos] == ["a2"]
    with pytest.raises(errors.InvalidPageToken):
        desk.info("", page_token=token)


def test_a_content_is_fetched_from_whoever_has_it_under_any_name(desk: Desk) -> None:
    desk.prove("ana", ANA)
    desk.prove("eva", EVA)
    desk.publish(ANA, holding("a.mp4"))
    desk.publish(EVA, replace(holding("a.mp4"), name="b.mp4"))
    (video,) = desk.locate(name="a.mp4")
    assert {source.peer_name for source in video.sources} == {"ana", "eva"}
    assert (video.name, video.owners, video.holders) == ("a.mp4", ("ana", "eva"), 2)
    assert desk.locate(video_id=video.video_id[:8], owner="eva")[0].holders == 2
    with pytest.raises(errors.VideoUnknown) as caught:
        desk.locate(name="a.mp4", owner="eva")
    assert caught.value.fields["video"] == "eva/a.mp4"


def test_a_source_on_loopback_is_for_callers_on_loopback(desk: Desk) -> None:
    desk.prove("ana", ANA, caller="127.0.0.1")
    desk.publish(ANA, holding("a"))
    assert desk.locate(name="a")[0].sources == ()
    assert desk.info().videos[0].online == 0
    assert len(desk.locate(name="a", caller="127.0.0.1")[0].sources) == 1
    assert len(desk.locate(name="a", caller="::1")[0].sources) == 1


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({}, errors.InvalidRequest),
        ({"name": "a/b"}, errors.InvalidName),
        ({"name": "a", "owner": "a/b"}, errors.InvalidName),
        ({"name": "nobody has it"}, errors.VideoUnknown),
        ({"video_id": "0123456"}, errors.InvalidVideoId),
        ({"video_id": "0123456G"}, errors.InvalidVideoId),
        ({"video_id": "%%%%%%%%"}, errors.InvalidVideoId),
        ({"video_id": "0" * 65}, errors.InvalidVideoId),
        ({"video_id": "01234567"}, errors.VideoUnknown),
    ],
)
def test_what_cannot_be_located(desk: Desk, query: dict[str, str], error: type[Exception]) -> None:
    desk.register("ana", ANA)
    desk.publish(ANA, holding("a"))
    with pytest.raises(error):
        desk.locate(**query)
