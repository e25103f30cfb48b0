"""The numbers of objects, sources and folders, and the hashes by which paths are found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.ledger import tables
from longplay.ledger.writing import insert, parts


@dataclass(frozen=True, slots=True)
class Named:
    """What an object is called, and the batch that brought it (None: it is not stored)."""

    number: int
    batch: int | None


def known(connection: Connection, roots: Iterable[bytes]) -> dict[bytes, Named]:
    """Those of these objects that have a number."""
    o = tables.object_rows.c
    found: dict[bytes, Named] = {}
    for some in parts(sorted(set(roots))):
        for row in connection.execute(
            sa.select(o.root, o.number, o.size, o.batch).where(o.root.in_(some))
        ):
            found[row.root] = Named(row.number, None if row.size is None else row.batch)
    return found


def numbers(connection: Connection, roots: Iterable[bytes]) -> dict[bytes, Named]:
    """What all of these are called; one that had no number has one now."""
    roots = set(roots)
    found = known(connection, roots)
    lacking = [{"root": root} for root in sorted(roots - found.keys())]
    if lacking:
        insert(connection, tables.object_rows, lacking)
        found |= known(connection, roots - found.keys())  # some from who wrote beside us, perhaps
    return found


def lose(connection: Connection, roots: Sequence[bytes]) -> None:
    """These are stored no longer. Their numbers stay theirs, and the batch, which their paths have
    from them."""
    o = tables.object_rows
    stay = ("number", "root", "batch")
    nothing = {column.name: None for column in o.c if column.name not in stay}
    for some in parts(sorted(roots)):
        connection.execute(o.update().where(o.c.root.in_(some)).values(nothing))


def sources(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """The numbers of these sources; one that had none has one now."""
    asked = sorted(set(names))
    found = known_sources(connection, asked)
    lacking = [{"name": name} for name in asked if name not in found]
    if lacking:
        insert(connection, tables.sources, lacking)
        found |= known_sources(connection, asked)
    return found


def known_sources(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """The numbers of those of these sources that have one."""
    s = tables.sources.c
    return {
        name: number
        for some in parts(names)
        for name, number in connection.execute(sa.select(s.name, s.number).where(s.name.in_(some)))
    }


def folders(
    connection: Connection, names: Iterable[tuple[str, bytes]]
) -> dict[tuple[str, bytes], int]:
    """The numbers of the folders of these (source, path), by (source, folder); one that had none
    has one now."""
    asked = sorted({(source, split(path)[0]) for source, path in names})
    numbers = sources(connection, (source for source, _ in asked))
    known = {(numbers[source], path): (source, path) for source, path in asked}
    rows = [
        {"place": place(source, path), "source": numbers[source], "path": path}
        for source, path in asked
    ]
    found: dict[tuple[str, bytes], int] = {}

    def look() -> None:
        f = tables.folders.c
        for some in parts([row["place"] for row in rows]):
            query = sa.select(f.number, f.source, f.path).where(f.place.in_(some))
            for row in connection.execute(query.order_by(f.number.desc())):
                if (row.source, row.path) in known:
                    found[known[row.source, row.path]] = row.number

    look()
    lacking = [row for row, name in zip(rows, asked, strict=True) if name not in found]
    if lacking:
        insert(connection, tables.folders, lacking)
        look()
    return found


def split(path: bytes) -> tuple[bytes, bytes]:
    """A path's folder, with the slash, and its name there."""
    cut = path.rfind(b"/") + 1
    return path[:cut], path[cut:]


def place(source: str, path: bytes) -> int:
    """What the index of paths has: 64 bits of the BLAKE2b of the source's name, a zero and the
    path, signed."""
    digest = hashlib.blake2b(source.encode() + b"\0" + path, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def at(holdings: Any, source: str, paths: Sequence[bytes]) -> sa.ColumnElement[bool]:
    """That a row of `tables.holdings` is of one of these paths of a source."""
    places = [place(source, path) for path in paths]
    return sa.and_(holdings.place.in_(places), holdings.path.in_(paths), holdings.source == source)


def go_on(connection: Connection) -> None:
    """After rows were copied with their numbers: what comes next gets the numbers after them."""
    if connection.dialect.name != "postgresql":
        return  # SQLite looks
    for table in (tables.object_rows, tables.sources, tables.folders):
        sequence = sa.func.pg_get_serial_sequence(table.name, "number")
        following = sa.func.coalesce(sa.func.max(table.c.number), 0) + 1
        connection.execute(sa.select(sa.func.setval(sequence, following, False)))
