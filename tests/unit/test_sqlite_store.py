"""What is special about the store in SQLite: grouping, syncing, and files that can't be used."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from tests.holdings import holding
from tracker_service.registration import new_peer
from tracker_service.store.contract import Transaction
from tracker_service.store.schema import HEAD, metadata
from tracker_service.store.sqlite import SqliteStore
from videoteca_core import errors


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tracker.db"


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def store(path: Path, runner: asyncio.Runner) -> Iterator[SqliteStore]:
    store = SqliteStore.open(path)
    yield store
    runner.run(store.close())


def create(path: Path) -> None:
    async def opened() -> None:
        await SqliteStore.open(path).close()

    asyncio.run(opened())


def statements(store: SqliteStore) -> list[str]:
    """A list that grows by what the writer executes."""
    seen: list[str] = []
    driver = store._writer.connection.dbapi_connection
    assert driver
    driver.set_trace_callback(seen.append)
    return seen


@pytest.mark.parametrize("durable", [True, False])
def test_callers_that_wait_share_a_commit_as_durable_as_any_needs(
    store: SqliteStore, runner: asyncio.Runner, durable: bool
) -> None:
    seen = statements(store)
    entered, go_on = threading.Event(), threading.Event()

    def hold_up(_tx: Transaction) -> None:
        entered.set()
        assert go_on.wait(20)

    async def together() -> None:
        first = asyncio.create_task(store.write(hold_up, durable=False))
        await asyncio.to_thread(entered.wait, 20)
        others = [
            asyncio.create_task(
                store.write(
                    lambda tx, n=number: tx.add_peer(new_peer(str(n))),  # type: ignore[misc] # as said
                    durable=durable and number == 7,
                )
            )
            for number in range(20)
        ]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, *others)

    runner.run(together())
    assert seen.count("COMMIT") == 2
    levels = [statement for statement in seen if "synchronous" in statement]
    assert levels == [
        "PRAGMA synchronous = NORMAL",
        f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}",
    ]


def test_a_full_disk_fails_the_whole_commit_and_is_over_when_there_is_room(
    store: SqliteStore, runner: asyncio.Runner
) -> None:
    ana = new_peer("ana")
    many = [holding(f"{number:04}.mp4") for number in range(1_000)]
    runner.run(store.write(lambda tx: tx.add_peer(ana)))
    (pages,) = store._writer.exec_driver_sql("PRAGMA page_count").one()
    store._writer.exec_driver_sql(f"PRAGMA max_page_count = {pages + 3}")

    async def together() -> tuple[BaseException | None, ...]:
        return await asyncio.gather(
            store.write(lambda tx: tx.add_peer(new_peer("eva"))),
            store.write(lambda tx: tx.put_holdings(ana.peer_id, many)),
            store.write(lambda tx: tx.add_peer(new_peer("leo"))),
            return_exceptions=True,
        )

    outcomes = runner.run(together())
    assert isinstance(outcomes[1], errors.DiskFull)
    names = {peer.name for peer in runner.run(store.read(lambda tx: tx.peers()))}
    acknowledged = {
        name
        for name, outcome in zip(("eva", None, "leo"), outcomes, strict=True)
        if outcome is None
    }
    assert names == {"ana", *acknowledged}
    assert runner.run(store.read(lambda tx: tx.holdings(ana.peer_id))) == []
    store._writer.exec_driver_sql("PRAGMA max_page_count = 1000000")
    runner.run(store.write(lambda tx: tx.put_holdings(ana.peer_id, many)))
    assert len(runner.run(store.read(lambda tx: tx.holdings(ana.peer_id)))) == 1_000


def test_a_database_that_is_locked_for_long_is_an_error_and_not_a_crash(
    store: SqliteStore, runner: asyncio.Runner, path: Path
) -> None:
    store._writer.exec_driver_sql("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(errors.FileUnreadable, match="locked"):
            runner.run(store.write(lambda tx: tx.add_peer(new_peer("ana"))))
        other.execute("ROLLBACK")
    runner.run(store.write(lambda tx: tx.add_peer(new_peer("ana"))))


def test_a_later_versions_database_is_left_alone(path: Path) -> None:
    create(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(errors.DatabaseTooNew):
        SqliteStore.open(path)
    assert path.read_bytes() == before


def test_another_programs_database_and_file_are_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(errors.DatabaseForeign):
        SqliteStore.open(path)
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(errors.DatabaseForeign):
        SqliteStore.open(path)
    assert path.read_bytes() == b"not a database at all" * 100


def test_a_damaged_database_is_reported(path: Path) -> None:
    async def fill() -> None:
        store = SqliteStore.open(path)
        await store.write(lambda tx: tx.add_peer(new_peer("ana")))
        await store.close()

    asyncio.run(fill())
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(errors.DatabaseCorrupt):
        SqliteStore.open(path)


def test_no_folder_no_database(tmp_path: Path) -> None:
    with pytest.raises(errors.FileUnreadable):
        SqliteStore.open(tmp_path / "missing" / "tracker.db")


def test_the_migrations_lead_to_the_schema(path: Path) -> None:
    create(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD
    engine.dispose()


def test_the_head_that_the_code_knows_is_the_last_revision() -> None:
    config = Config()
    config.set_main_option("script_location", "tracker_service.store:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_database_of_this_version_opens_without_alembic(path: Path) -> None:
    create(path)
    program = (
        "import asyncio, pathlib, sys; from tracker_service.store.sqlite import SqliteStore\n"
        "async def main(): await SqliteStore.open(pathlib.Path(sys.argv[1])).close()\n"
        "asyncio.run(main()); sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, path], check=True, timeout=60)
