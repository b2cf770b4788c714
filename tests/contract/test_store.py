"""What every store must do, whatever it keeps its records in."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.holdings import holding
from tracker_service.registration import new_peer
from tracker_service.store.contract import Content, Peer, Store, Transaction
from tracker_service.store.sqlite import SqliteStore
from videoteca_core.catalogue import Holding, HoldingState, Reachability

T = TypeVar("T")
NOW = 1_800_000_000.0


def proved(name: str, host: str = "10.0.0.1", until: float = NOW + 60) -> Peer:
    return replace(
        new_peer(name, token_hash=name.encode().ljust(32, b"-")),
        host=host,
        port=1030,
        instance_key=b"k" * 32,
        lease_expires_at=until,
        reachability=Reachability.PROVED,
    )


class Desk:
    """A store and the event loop in which it is used."""

    def __init__(self, runner: asyncio.Runner, store: Store) -> None:
        self.store = store
        self.run: Callable[[Coroutine[Any, Any, Any]], Any] = runner.run

    def read(self, work: Callable[[Transaction], T]) -> T:
        answer: T = self.run(self.store.read(work))
        return answer

    def write(self, work: Callable[[Transaction], T], *, durable: bool = True) -> T:
        answer: T = self.run(self.store.write(work, durable=durable))
        return answer

    def share(self, peer: Peer, *holdings: Holding) -> Peer:
        def work(tx: Transaction) -> None:
            tx.add_peer(peer)
            tx.put_holdings(peer.peer_id, holdings)

        self.write(work)
        return peer

    def names(self, folded: str = "", *, after: tuple[str, str] = ("", "")) -> list[str]:
        found = self.read(lambda tx: tx.summaries(folded, after, 100, NOW, to_loopback=True))
        return [video.name for video in found]

    def by_id(self, prefix: str, owner: str = "") -> list[Content]:
        return self.read(lambda tx: tx.contents_by_id(prefix, owner, 9))


Open = Callable[[Path], Store]


def open_sqlite(folder: Path) -> Store:
    return SqliteStore.open(folder / "tracker.db")


@pytest.fixture(params=[open_sqlite])
def open_store(request: pytest.FixtureRequest) -> Open:
    chosen: Open = request.param
    return chosen


@pytest.fixture
def desk(open_store: Open, tmp_path: Path) -> Iterator[Desk]:
    with asyncio.Runner() as runner:
        desk = Desk(runner, open_store(tmp_path))
        yield desk
        runner.run(desk.store.close())


def test_a_tracker_keeps_its_id(open_store: Open, tmp_path: Path) -> None:
    async def tracker_id() -> str:
        store = open_store(tmp_path)
        try:
            return await store.read(lambda tx: tx.tracker_id())
        finally:
            await store.close()

    first = asyncio.run(tracker_id())
    assert len(bytes.fromhex(first)) == 16
    assert asyncio.run(tracker_id()) == first


def test_a_peer_is_found_by_each_of_its_keys_as_it_was_stored(desk: Desk) -> None:
    ana = desk.share(proved("ana"))
    assert ana.token_hash
    token_hash = ana.token_hash
    assert desk.read(lambda tx: tx.peer_by_name("ana")) == ana
    assert desk.read(lambda tx: tx.peer_by_token(token_hash)) == ana
    assert desk.read(lambda tx: tx.peer_by_id(ana.peer_id)) == ana
    assert desk.read(lambda tx: tx.peer_by_name("Ana")) is None
    assert desk.read(lambda tx: tx.peer_by_token(b"")) is None


def test_several_peers_have_no_token_yet(desk: Desk) -> None:
    desk.share(new_peer("ana", claim_hash=b"a" * 32))
    desk.share(new_peer("eva", claim_hash=b"b" * 32))
    assert [peer.name for peer in desk.read(lambda tx: tx.peers())] == ["ana", "eva"]


def test_an_update_changes_every_field_of_one_peer(desk: Desk) -> None:
    ana, eva = desk.share(proved("ana")), desk.share(proved("eva"))
    changed = replace(proved("anita", "10.9.9.9"), peer_id=ana.peer_id, dialled_at=NOW)
    desk.write(lambda tx: tx.update_peer(changed))
    assert desk.read(lambda tx: tx.peers()) == [changed, eva]


def test_a_lease_is_renewed_alone(desk: Desk) -> None:
    ana = desk.share(proved("ana"))
    desk.write(lambda tx: tx.renew_lease(ana.peer_id, NOW + 99.5), durable=False)
    renewed = replace(ana, lease_expires_at=NOW + 99.5)
    assert desk.read(lambda tx: tx.peers()) == [renewed]


def test_leases_that_ended_in_a_time_are_told(desk: Desk) -> None:
    for name, until in (("early", NOW), ("first", NOW + 1), ("last", NOW + 9), ("late", NOW + 9.1)):
        desk.share(proved(name, until=until))
    assert desk.read(lambda tx: tx.expired(NOW, NOW + 9)) == ["first", "last"]


def test_a_holding_replaces_the_one_under_its_name_only(desk: Desk) -> None:
    ana = desk.share(proved("ana"), holding("a.mp4"), holding("b.mp4"))
    newer = holding("a.mp4", "another cut", HoldingState.PARTIAL, size=2**62)
    desk.write(lambda tx: tx.put_holdings(ana.peer_id, [newer]))
    assert desk.read(lambda tx: tx.holdings(ana.peer_id)) == [newer, holding("b.mp4")]
    assert desk.read(lambda tx: tx.holdings(ana.peer_id, ["b.mp4", "c"])) == [holding("b.mp4")]
    assert desk.read(lambda tx: tx.holdings(ana.peer_id, [])) == []


def test_holdings_go_by_name_or_with_their_peer(desk: Desk) -> None:
    ana = desk.share(proved("ana"), holding("a.mp4"), holding("b.mp4"))
    desk.share(proved("eva"), holding("a.mp4"))
    desk.write(lambda tx: tx.remove_holdings(ana.peer_id, ["a.mp4", "unknown"]))
    assert desk.names() == ["a.mp4", "b.mp4"]
    desk.write(lambda tx: tx.remove_peer(ana.peer_id))
    assert desk.names() == ["a.mp4"]
    assert desk.read(lambda tx: tx.peer_by_name("ana")) is None


def test_a_thousand_holdings_at_once(desk: Desk) -> None:
    many = [holding(f"{number:04}.mp4") for number in range(1_000)]
    ana = desk.share(proved("ana"), *many)
    assert desk.read(lambda tx: tx.holdings(ana.peer_id, [one.name for one in many])) == many


def test_summaries_are_in_code_point_order_after_the_given_one(desk: Desk) -> None:
    names = ["B.mp4", "a.mp4", "b.mp4", "ábaco.mp4"]
    desk.share(proved("ana"), *map(holding, names))
    assert desk.names() == names
    assert desk.names(after=("a.mp4", "f" * 64)) == ["b.mp4", "ábaco.mp4"]
    assert desk.names(after=("a.mp4", "")) == ["a.mp4", "b.mp4", "ábaco.mp4"]


def test_a_search_takes_its_text_literally(desk: Desk) -> None:
    desk.share(proved("ana"), *map(holding, ["100%.mp4", "100_.mp4", "Árbol.mp4", "x/y"]))
    assert desk.names("100%") == ["100%.mp4"]
    assert desk.names("0_") == ["100_.mp4"]
    assert desk.names("arbol") == ["Árbol.mp4"]
    assert desk.names("nothing") == []


def test_a_summary_counts_holders_and_who_is_online(desk: Desk) -> None:
    video = holding("a.mp4")
    desk.share(proved("online"), video)
    desk.share(proved("expired", until=NOW), video)
    desk.share(replace(proved("pending"), reachability=Reachability.PENDING), video)
    desk.share(proved("on loopback", "127.0.0.1"), video)
    desk.share(proved("on loopback 6", "::1"), video)
    desk.share(proved("other content"), holding("a.mp4", "another cut"))

    def online(*, to_loopback: bool) -> dict[str, tuple[int, int]]:
        found = desk.read(lambda tx: tx.summaries("", ("", ""), 9, NOW, to_loopback=to_loopback))
        return {one.video_id: (one.holders, one.online) for one in found}

    other = holding("a.mp4", "another cut").video_id
    assert online(to_loopback=False) == {video.video_id: (5, 1), other: (1, 1)}
    assert online(to_loopback=True) == {video.video_id: (5, 3), other: (1, 1)}


def test_contents_by_name_are_those_of_most_holders_first(desk: Desk) -> None:
    one, two = holding("a.mp4", "one"), holding("a.mp4", "two")
    ana = desk.share(proved("ana"), one)
    desk.share(proved("eva"), two)
    desk.share(proved("leo"), replace(two, name="renamed.mp4"))
    found = desk.read(lambda tx: tx.contents_by_name("a.mp4", "", 9))
    assert found == [
        Content("a.mp4", two.video_id, 10, holders=2),
        Content("a.mp4", one.video_id, 10, holders=1),
    ]
    assert desk.read(lambda tx: tx.contents_by_name("a.mp4", "", 1)) == found[:1]
    assert desk.read(lambda tx: tx.contents_by_name("a.mp4", ana.name, 9)) == found[1:]
    assert desk.read(lambda tx: tx.contents_by_name("a.mp4", "leo", 9)) == []
    assert desk.read(lambda tx: tx.contents_by_name("A.mp4", "", 9)) == []


def test_contents_by_the_beginning_of_their_id_bear_their_usual_name(desk: Desk) -> None:
    video = holding("a.mp4")
    desk.share(proved("ana"), video, replace(video, name="b.mp4"))
    desk.share(proved("eva"), replace(video, name="b.mp4"))
    expected = [Content("b.mp4", video.video_id, 10, holders=2)]
    for prefix in (video.video_id, video.video_id[:8]):
        assert desk.by_id(prefix) == expected
        assert desk.by_id(prefix, "eva") == expected
        assert desk.by_id(prefix, "leo") == []
    assert desk.by_id("0" * 8) == []


def test_imported_videos_of_one_name_are_one_content_without_sources(desk: Desk) -> None:
    imported = Holding("old.mp4", "", 0, b"")
    desk.share(proved("ana"), imported, replace(imported, name="other.mp4"))
    desk.share(proved("eva"), imported)
    (content,) = desk.read(lambda tx: tx.contents_by_name("old.mp4", "", 9))
    assert content == Content("old.mp4", "", 0, holders=2)
    assert desk.read(lambda tx: tx.owners(content, 9)) == ["ana", "eva"]
    assert desk.read(lambda tx: tx.sources("", NOW, 9, to_loopback=True)) == []
    (summary, _) = desk.read(lambda tx: tx.summaries("", ("", ""), 9, NOW, to_loopback=True))
    assert (summary.name, summary.holders, summary.online) == ("old.mp4", 2, 0)


def test_sources_are_online_peers_each_once_those_with_everything_first(desk: Desk) -> None:
    video = holding("a.mp4")
    part = replace(video, state=HoldingState.PARTIAL)
    desk.share(proved("part", "10.0.0.2"), part)
    desk.share(proved("both", "2001:db8::1"), replace(part, name="b.mp4"), video)
    desk.share(proved("gone", until=NOW), video)
    desk.share(proved("here", "127.0.0.1"), video)
    found = desk.read(lambda tx: tx.sources(video.video_id, NOW, 9, to_loopback=False))
    assert [(one.peer_name, one.state) for one in found] == [
        ("both", HoldingState.COMPLETE),
        ("part", HoldingState.PARTIAL),
    ]
    assert str(found[0].endpoints[0]) == "[2001:db8::1]:1030"
    near = desk.read(lambda tx: tx.sources(video.video_id, NOW, 9, to_loopback=True))
    assert {one.peer_name for one in near} == {"both", "part", "here"}
    assert len(desk.read(lambda tx: tx.sources(video.video_id, NOW, 1, to_loopback=True))) == 1


def test_a_write_that_raises_keeps_nothing_and_fails_alone(desk: Desk) -> None:
    class Refused(Exception):
        pass

    def refuse(tx: Transaction) -> None:
        tx.add_peer(proved("half"))
        raise Refused

    async def together() -> tuple[object, object, object]:
        return await asyncio.gather(
            desk.store.write(lambda tx: tx.add_peer(proved("ana"))),
            desk.store.write(refuse),
            desk.store.write(lambda tx: tx.add_peer(proved("eva"))),
            return_exceptions=True,
        )

    first, refused, second = desk.run(together())
    assert (first, second) == (None, None)
    assert isinstance(refused, Refused)
    assert [peer.name for peer in desk.read(lambda tx: tx.peers())] == ["ana", "eva"]


def test_writes_see_those_before_them(desk: Desk) -> None:
    ana = desk.share(proved("ana", until=0))

    def count(tx: Transaction) -> None:
        peer = tx.peer_by_id(ana.peer_id)
        assert peer
        tx.renew_lease(ana.peer_id, peer.lease_expires_at + 1)

    async def many() -> None:
        await asyncio.gather(*(desk.store.write(count, durable=False) for _ in range(300)))

    desk.run(many())
    (peer,) = desk.read(lambda tx: tx.peers())
    assert peer.lease_expires_at == 300


def test_a_caller_that_goes_away_leaves_the_others_alone(desk: Desk) -> None:
    async def one_leaves() -> None:
        leaving = asyncio.create_task(desk.store.write(lambda tx: tx.add_peer(proved("ana"))))
        await asyncio.sleep(0)
        leaving.cancel()
        await desk.store.write(lambda tx: tx.add_peer(proved("eva")))

    desk.run(one_leaves())
    assert "eva" in [peer.name for peer in desk.read(lambda tx: tx.peers())]


def test_what_waits_is_written_before_it_closes(open_store: Open, tmp_path: Path) -> None:
    async def close_at_once() -> None:
        store = open_store(tmp_path)
        write = asyncio.create_task(store.write(lambda tx: tx.add_peer(proved("ana"))))
        await asyncio.sleep(0)
        await store.close()
        await write

    async def names() -> list[str]:
        store = open_store(tmp_path)
        try:
            return [peer.name for peer in await store.read(lambda tx: tx.peers())]
        finally:
            await store.close()

    asyncio.run(close_at_once())
    assert asyncio.run(names()) == ["ana"]
