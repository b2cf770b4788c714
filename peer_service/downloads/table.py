"""The rows of the downloads table. Every function works in the caller's transaction."""

import functools
import json
import sqlite3
from typing import Final

from peer_service.downloads.model import Download, DownloadState
from peer_service.downloads.sources import sources_from_json
from videoteca_core.errors import DownloadUnknown, VideotecaError

UNFINISHED: Final = "state IN ('waiting', 'running', 'paused')"

_COLUMNS: Final = (
    "download_id, name, video_id, size_bytes, owner, state, verified_bytes, priority,"
    " failed_tries, reason, message, fields, sources, path"
)
_IN_ORDER: Final = f"""
    CASE state WHEN 'running' THEN 1 WHEN 'waiting' THEN 2 WHEN 'paused' THEN 3 ELSE 4 END,
    CASE WHEN {UNFINISHED} THEN -priority END,
    CASE WHEN {UNFINISHED} THEN place END,
    download_id
"""


def select(
    connection: sqlite3.Connection, condition: str = "true", *values: object
) -> tuple[Download, ...]:
    """The downloads that meet an SQL condition: running, waiting, paused, then the final ones.

    Those that are not final are in the order of priority and place, the final ones of number.
    """
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM downloads WHERE {condition} ORDER BY {_IN_ORDER}",  # noqa: S608 - our own text
        values,
    )
    return tuple(_download(row) for row in rows)


@functools.lru_cache(maxsize=2_000)  # most rows stay as they are, and all are shown often
def _download(row: sqlite3.Row) -> Download:
    values = dict(row)
    values |= {
        "state": DownloadState(row["state"]),
        "fields": json.loads(row["fields"]),
        "sources": sources_from_json(row["sources"]),
    }
    return Download(**values)


def problem_columns(error: VideotecaError | None) -> dict[str, str]:
    """The columns that say why a download waits or failed; none clears them."""
    if error is None:
        return {"reason": "", "message": "", "fields": "{}"}
    return {"reason": error.reason, "message": str(error), "fields": json.dumps(error.fields)}


def get(connection: sqlite3.Connection, download_id: int) -> Download:
    """One download.

    Raises:
        DownloadUnknown: there is none of that number.
    """
    for download in select(connection, "download_id = ?", download_id):
        return download
    raise DownloadUnknown(download_id=download_id)


def add(connection: sqlite3.Connection, **fields: object) -> Download:
    """A new download, behind the others of its priority."""
    fields["place"] = last_place(connection, fields["priority"])
    names, marks = ", ".join(fields), ", ".join("?" * len(fields))
    cursor = connection.execute(
        f"INSERT INTO downloads ({names}) VALUES ({marks})",  # noqa: S608 - our own names
        tuple(fields.values()),
    )
    assert cursor.lastrowid is not None
    return get(connection, cursor.lastrowid)


def update(connection: sqlite3.Connection, download_id: int, **fields: object) -> Download:
    """Change columns of a download, and return it as it is then."""
    columns = ", ".join(f"{name} = ?" for name in fields)
    connection.execute(
        f"UPDATE downloads SET {columns} WHERE download_id = ?",  # noqa: S608 - our own names
        (*fields.values(), download_id),
    )
    return get(connection, download_id)


def forget_final(connection: sqlite3.Connection, most: int) -> None:
    """Remove the final downloads but for so many, the newest ones."""
    connection.execute(
        f"DELETE FROM downloads WHERE download_id IN (SELECT download_id FROM downloads"  # noqa: S608 - our own text
        f" WHERE NOT ({UNFINISHED}) ORDER BY download_id DESC LIMIT -1 OFFSET ?)",
        (most,),
    )


def last_place(connection: sqlite3.Connection, priority: object) -> float:
    """A place behind all others of a priority."""
    (place,) = connection.execute(
        "SELECT coalesce(max(place), 0) + 1 FROM downloads WHERE priority = ?", (priority,)
    ).fetchone()
    return float(place)


def move(connection: sqlite3.Connection, download_id: int, position: int) -> None:
    """Put a download before the one at that position of those that wait, or behind all of them."""
    waiting = select(connection, "state = 'waiting' AND download_id <> ?", download_id)
    if not waiting:
        return
    behind = position > len(waiting)
    neighbour = waiting[-1] if behind else waiting[position - 1]
    rows = connection.execute(
        f"SELECT download_id FROM downloads WHERE {UNFINISHED} AND priority = ?"  # noqa: S608 - our own text
        " AND download_id <> ? ORDER BY place, download_id",
        (neighbour.priority, download_id),
    )
    order = [each for (each,) in rows]
    order.insert(order.index(neighbour.download_id) + behind, download_id)
    for place, each in enumerate(order, start=1):
        update(connection, each, priority=neighbour.priority, place=place)
