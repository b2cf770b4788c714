"""A store in one SQLite file: reads on the event loop, writes grouped in one thread."""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tracker_service.store.contract import Transaction
from tracker_service.store.migrations import migrate
from tracker_service.store.sql import SqlTransaction
from videoteca_core.sqlite import explained, open_database

APPLICATION_ID: Final = 0x56_54_43_41
MAX_BATCH: Final = 256
"""Most callers whose writes share one commit: bounds how long the first of them waits."""

T = TypeVar("T")


@dataclass(frozen=True)
class _Write:
    """A caller that waits for its write."""

    work: Callable[[Transaction], Any]
    durable: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


@dataclass(frozen=True)
class _Failed:
    """The outcome of a write that raised."""

    error: BaseException


class SqliteStore:
    """A store in one SQLite file.

    A read takes microseconds, less than a hop to another thread: it runs where it is called, on
    the event loop. Writes queue for one thread, which commits all that wait together.
    """

    def __init__(self, path: Path, reader: Connection, writer: Connection) -> None:
        self._path = path
        self._reader = reader
        self._writer = writer
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="catalogue-writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the database, or create it, and bring it to this version's schema.

        Raises:
            DatabaseForeign: the file is something else, or another program's database.
            DatabaseCorrupt: the file is a damaged database.
            DatabaseTooNew: a later version wrote it.
            DiskFull: there is no space for it.
            FileUnreadable: the file can't be opened.
        """
        engine = create_engine(
            "sqlite://",
            creator=lambda: open_database(path, APPLICATION_ID),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
        )
        with _translated(path), ExitStack() as on_failure:
            writer = on_failure.enter_context(engine.connect())
            with _transaction(writer):
                migrate(writer, path)
            store = cls(path, engine.connect(), writer)
            on_failure.pop_all()
        return store

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run a use case that changes nothing."""
        with _translated(self._path), _transaction(self._reader, "BEGIN"):
            return work(SqlTransaction(self._reader))

    async def write(self, work: Callable[[Transaction], T], *, durable: bool = True) -> T:
        """Run a use case; once this returns, its changes are kept."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Write(work, durable, loop, future))
        return await future

    async def close(self) -> None:
        """Finish the writes that wait and close the file."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._reader.close()
        self._writer.close()

    def _run(self) -> None:
        while batch := self._next_batch():
            for write, outcome in zip(batch, self._commit(batch), strict=True):
                write.loop.call_soon_threadsafe(_resolve, write.future, outcome)

    def _next_batch(self) -> list[_Write]:
        """Wait for a write and take all others that wait; none at the end."""
        batch = []
        write = self._queue.get()
        while write is not None:
            batch.append(write)
            if len(batch) == MAX_BATCH or self._queue.empty():
                return batch
            write = self._queue.get()
        if batch:
            self._queue.put(None)  # the end, for the next time
        return batch

    def _commit(self, batch: list[_Write]) -> list[Any]:
        """What each of these writes returned, or the failure of each, once they are kept."""
        # Without a sync a commit survives the process, not the machine; the next one with a
        # sync makes it as durable as itself.
        level = "FULL" if any(write.durable for write in batch) else "NORMAL"
        try:
            with _translated(self._path):
                self._writer.exec_driver_sql(f"PRAGMA synchronous = {level}")
                with _transaction(self._writer):
                    return [self._attempt(write) for write in batch]
        except Exception as error:  # noqa: BLE001 - each of the callers gets it
            return [_Failed(error)] * len(batch)

    def _attempt(self, write: _Write) -> Any:  # noqa: ANN401 - whatever the work returns
        """What one write returned, or its own failure.

        Raises:
            Exception: it took the whole transaction with it.
        """
        self._writer.exec_driver_sql("SAVEPOINT caller")
        try:
            with _translated(self._path):
                outcome = write.work(SqlTransaction(self._writer))
        except Exception as error:
            if not _in_transaction(self._writer):  # SQLite gave it up: a full disk, for one
                raise
            self._writer.exec_driver_sql("ROLLBACK TO caller")
            outcome = _Failed(error)
        self._writer.exec_driver_sql("RELEASE caller")
        return outcome


def _resolve(future: asyncio.Future[Any], outcome: object) -> None:
    if future.done():  # the caller went away
        return
    if isinstance(outcome, _Failed):
        future.set_exception(outcome.error)
    else:
        future.set_result(outcome)


@contextmanager
def _transaction(connection: Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    connection.exec_driver_sql(begin)
    try:
        yield
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        if _in_transaction(connection):
            connection.exec_driver_sql("ROLLBACK")
        raise


def _in_transaction(connection: Connection) -> bool:
    driver: Any = connection.connection.dbapi_connection
    return bool(driver.in_transaction)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        trouble = explained(path, error.orig)
        if trouble is None:  # a mistake of this program
            raise
        raise trouble from error
