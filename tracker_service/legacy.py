"""The bd_clientes.txt of the system before this one: taken over, and written.

Its first line is the number of clients. For each there follow a line ``name ip port count`` and
``count`` lines with the name of a video. White space in a name is percent-encoded, as is the
percent sign.
"""

import asyncio
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from errno import ENOSPC
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote

from tracker_service.registration import added, endpoint_of, new_peer
from tracker_service.store.contract import Transaction
from tracker_service.store.sqlite import SqliteStore
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import NO_HOLDINGS, Holding, Reachability
from videoteca_core.errors import (
    DiskFull,
    FileMissing,
    FileUnreadable,
    InvalidAddress,
    InvalidLegacyFile,
    InvalidName,
)
from videoteca_core.identity import token_hash
from videoteca_core.names import valid_name
from videoteca_core.text import N_

T = TypeVar("T")

_NOWHERE = Endpoint("0.0.0.0", 0)  # noqa: S104 - how the file says that a client has no address


@dataclass(frozen=True)
class LegacyClient:
    """A client of the file.

    Attributes:
        endpoint: where it was; none when it only downloads.
        videos: names, no one twice.
        line: where it stands in the file, from 1; 0 when it does not.
    """

    name: str
    endpoint: Endpoint | None
    videos: tuple[str, ...]
    line: int = field(default=0, compare=False)


def parse(text: str, path: object) -> tuple[LegacyClient, ...]:
    """The clients of a file.

    Args:
        text: its content.
        path: how errors name it.

    Raises:
        InvalidLegacyFile: it is not as described above.
    """
    lines = _Lines(text, path)
    clients: dict[str, LegacyClient] = {}
    for _ in range(lines.number(lines.next())):
        client = _parse_client(lines)
        if client.name in clients:
            raise lines.error(N_("this client is there twice"), client.line)
        clients[client.name] = client
    lines.expect_end()
    return tuple(clients.values())


def _parse_client(lines: "_Lines") -> LegacyClient:
    fields = lines.next().split()
    line = lines.at
    if len(fields) != 4:
        raise lines.error(N_("not 'name ip port count'"))
    name = lines.name(fields[0])
    try:
        endpoint = Endpoint.of(fields[1], lines.number(fields[2]))
    except InvalidAddress as error:
        raise lines.error(N_("not an IP address and a port")) from error
    count = lines.number(fields[3])
    # The old program let a client publish one name twice.
    videos = dict.fromkeys(lines.name(lines.next()) for _ in range(count))
    return LegacyClient(name, endpoint if endpoint.port else None, tuple(videos), line)


class _Lines:
    """The lines of a file, one after the other, and errors that name them."""

    def __init__(self, text: str, path: object) -> None:
        self.at = 0
        self._path = path
        self._lines = text.removesuffix("\n").split("\n")

    def next(self) -> str:
        self.at += 1
        if self.at > len(self._lines):
            raise self.error(N_("the file ends too early"))
        return self._lines[self.at - 1].strip(" \t\r")

    def expect_end(self) -> None:
        while self.at < len(self._lines):
            if self.next():
                raise self.error(N_("there is more than the counts say"))

    def number(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise self.error(N_("not a number where one is expected"))
        return int(text)

    def name(self, encoded: str) -> str:
        try:
            return valid_name(unquote(encoded, errors="strict"))
        except InvalidName as error:
            raise self.error(error.fields["problem"]) from error
        except UnicodeDecodeError as error:
            raise self.error(N_("it is not UTF-8")) from error

    def error(self, problem: str, line: int = 0) -> InvalidLegacyFile:
        return InvalidLegacyFile(path=self._path, line=line or self.at, problem=problem)


def format_clients(clients: Sequence[LegacyClient]) -> str:
    """The content of a file with these clients."""
    return "".join(f"{line}\n" for line in _format_lines(clients))


def _format_lines(clients: Sequence[LegacyClient]) -> Iterator[str]:
    yield str(len(clients))
    for client in clients:
        where = client.endpoint or _NOWHERE
        yield f"{_encoded(client.name)} {where.host} {where.port} {len(client.videos)}"
        yield from map(_encoded, client.videos)


def _encoded(name: str) -> str:
    return "".join(quote(c) if c.isspace() or c == "%" else c for c in name)


def import_clients(database: Path, file: Path) -> list[tuple[str, str]]:
    """Take over the clients of a file, all or none; a tracker may run on the database.

    Args:
        database: a tracker's, which is made when it does not exist.
        file: the bd_clientes.txt.

    Returns:
        For each client its name and the code with which its owner claims it, once.

    Raises:
        InvalidLegacyFile: it is malformed, or a name is known already.
        FileMissing: there is no such file.
        LocalTrouble: the file or the database can't be used.
    """
    clients = parse(_read(file), file)

    def work(tx: Transaction) -> list[tuple[str, str]]:
        return [(client.name, _import(tx, client, file)) for client in clients]

    return asyncio.run(_run(database, work))


def _read(file: Path) -> str:
    with _explained(file):
        content = file.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidLegacyFile(path=file, line=line, problem=N_("it is not UTF-8")) from error


def _import(tx: Transaction, client: LegacyClient, file: Path) -> str:
    """Store a client that nobody has claimed yet, and return the code that claims it."""
    if tx.peer_by_name(client.name):
        problem = N_("this client's name is known to the tracker already")
        raise InvalidLegacyFile(path=file, line=client.line, problem=problem)
    code = secrets.token_hex(8)
    holdings = [Holding(name, "", 0, b"") for name in client.videos]
    peer = new_peer(client.name, claim_hash=token_hash(code))
    if client.endpoint:
        peer = replace(
            peer,
            host=client.endpoint.host,
            port=client.endpoint.port,
            reachability=Reachability.UNREACHABLE,
        )
    tx.add_peer(replace(peer, holdings_digest=added(NO_HOLDINGS, holdings)))
    tx.put_holdings(peer.peer_id, holdings)
    return code


def export_clients(database: Path, file: Path) -> int:
    """Write a database's peers and the names of their videos; a tracker may run on it.

    Returns:
        How many peers there are.

    Raises:
        FileMissing: there is no such database.
        LocalTrouble: the file or the database can't be used.
    """
    if not database.exists():
        raise FileMissing(path=database)
    clients = asyncio.run(_run(database, _all_clients))
    with _explained(file):
        partial = file.with_name(f".{file.name}.partial")
        with partial.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(format_clients(clients))
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
    return len(clients)


def _all_clients(tx: Transaction) -> list[LegacyClient]:
    return [
        LegacyClient(
            name=peer.name,
            endpoint=endpoint_of(peer),
            videos=tuple(holding.name for holding in tx.holdings(peer.peer_id)),
        )
        for peer in tx.peers()
    ]


async def _run(database: Path, work: Callable[[Transaction], T]) -> T:
    store = SqliteStore.open(database)
    try:
        return await store.write(work)
    finally:
        await store.close()


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise FileMissing(path=file) from error
    except OSError as error:
        if error.errno == ENOSPC:
            raise DiskFull(path=file) from error
        raise FileUnreadable(path=file, detail=os.strerror(error.errno or 0)) from error
