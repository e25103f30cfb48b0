"""Where an id leads now: every id that ever existed resolves, to itself or to its successor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue import ids, layout
from longplay.catalogue.database import Connection
from longplay.catalogue.snapshot import Snapshot, open_number

_TABLES = {"al": ("albums", "album"), "ar": ("artists", "artist")}


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of an id: `now` is itself or its successor, `live` whether that still has rows,
    `parts` the recordings that were split from it."""

    asked: str
    now: str
    live: bool
    parts: tuple[str, ...] = ()


def resolve(snapshot: Snapshot, identity: str) -> Resolution | None:
    """Follow an id; None when it never existed. Raises InputError when it is no id."""
    prefix, key = ids.parse(identity)
    asked = ids.text(prefix, key)
    with snapshot.connect() as connection:
        if prefix == "rec":
            return _recording(connection, asked, key)
        if prefix == "tr":
            row = connection.execute("SELECT live FROM all_members WHERE track = ?", [key])
            found = row.fetchone()
            return Resolution(asked, asked, bool(found[0])) if found else None
    return _row(snapshot, asked, key, *_TABLES[prefix])


def _recording(connection: Connection, asked: str, key: int) -> Resolution | None:
    def column(query: str, *parameters: int) -> list[int]:
        return [row[0] for row in connection.execute(query, list(parameters)).fetchall()]

    if not column("SELECT 1 FROM all_recordings WHERE recording = ?", key):
        return None
    now = next(iter(column("SELECT successor FROM redirects WHERE recording = ?", key)), key)
    live = column("SELECT 1 FROM members WHERE recording = ? LIMIT 1", now)
    parts = column(
        "SELECT part FROM splits WHERE recording IN (?, ?) ORDER BY snapshot, part", key, now
    )
    return Resolution(
        asked, ids.text("rec", now), bool(live), tuple(ids.text("rec", part) for part in parts)
    )


def _row(snapshot: Snapshot, asked: str, key: int, table: str, column: str) -> Resolution | None:
    """Albums and artists: in this snapshot, or in one before it."""
    older = sorted((snapshot.folder / layout.SNAPSHOTS).glob("*.json"), reverse=True)
    numbers = [number for path in older if (number := int(path.stem)) <= snapshot.number]
    for number in numbers:
        with open_number(snapshot.folder, number).connect() as connection:
            found = connection.execute(f"SELECT 1 FROM {table} WHERE {column} = ? LIMIT 1", [key])
            if found.fetchone():
                return Resolution(asked, asked, number == snapshot.number)
    return None


def successors(snapshot: Snapshot, recordings: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Where each recording's key leads now, for a whole column of them."""
    asked = pa.table({"place": np.arange(len(recordings)), "recording": recordings})
    with snapshot.connect() as connection:
        connection.register("asked", asked)
        found = connection.sql(
            "SELECT coalesce(successor, recording) AS now FROM asked LEFT JOIN redirects"
            " USING (recording) ORDER BY place"
        ).to_arrow_table()
        connection.unregister("asked")
    return np.asarray(found["now"].to_numpy(), np.uint64)
