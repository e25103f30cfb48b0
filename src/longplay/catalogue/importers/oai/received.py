"""What a harvest received: every record of its pages as a table, and which of them stand."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from longplay.catalogue import database
from longplay.catalogue.database import Connection
from longplay.catalogue.importers.oai import harvesting, records, replies
from longplay.catalogue.importers.oai.harvesting import State
from longplay.catalogue.importers.oai.records import Item

Progress = Callable[[int, int], None]

BATCH = 200_000
"""Rows that are handed on at once."""

ITEMS = pa.schema(
    [
        ("place", pa.string()),
        ("identifier", pa.string()),
        ("problem", pa.string()),
        ("title", pa.string()),
        ("artists", pa.list_(pa.string())),
        ("album", pa.string()),
        ("duration_ms", pa.int32()),
        ("isrcs", pa.list_(pa.string())),
        ("upc", pa.string()),
        ("label", pa.string()),
        ("release_date", pa.string()),
        ("genres", pa.list_(pa.string())),
        ("rights", pa.list_(pa.string())),
        ("links", pa.list_(pa.string())),
        ("audio", pa.bool_()),
    ]
)
"""One row for each record as it was received, in the order of receiving."""


def read_pages(connection: Connection, kept: Path, state: State, progress: Progress) -> int:
    """Fill `items` with every record of every page; returns how many there are."""
    connection.execute("CREATE SEQUENCE received")
    connection.register("page_rows", ITEMS.empty_table())
    connection.execute(
        "CREATE TABLE items AS SELECT nextval('received') AS seq, * FROM page_rows LIMIT 0"
    )
    rows: list[Item] = []
    places: list[str] = []
    total = 0
    for number in range(1, state.pages + 1):
        name = harvesting.page_path(kept, number).name.removesuffix(".zst")
        before = len(rows)
        rows += replies.read(harvesting.page(kept, number), name, records.item)[1]
        places += [f"{name}:{place}" for place in range(1, len(rows) - before + 1)]
        if len(rows) >= BATCH // 20 or number == state.pages:
            _append(connection, rows, places)
            total += len(rows)
            rows, places = [], []
            progress(number, state.pages)
    return total


def _append(connection: Connection, rows: list[Item], places: list[str]) -> None:
    columns = {
        name: [getattr(row, name) for row in rows] for name in ITEMS.names if name != "place"
    }
    table = pa.table({"place": places, **columns}, schema=ITEMS)
    connection.register("page_rows", table)
    connection.execute("INSERT INTO items SELECT nextval('received'), * FROM page_rows")
    connection.unregister("page_rows")


# Of the versions of a record the last one counts; what has no identifier stands for itself.
PREPARE = """
CREATE TABLE last AS SELECT name, max(seq) AS seq, arg_max(problem IS NULL, seq) AS held
    FROM (SELECT seq, problem, coalesce(nullif(identifier, ''), chr(0) || seq) AS name FROM items)
    GROUP BY name
"""
"""Makes `last`: of each record its last version, and whether that is held."""


def standing(kept: Path, state: State) -> Iterator[Item]:
    """Each record of the harvest in `kept` that is a track, in its last version, in the order of
    receiving. The table of them lies in a temporary file: there may be millions."""
    with (
        tempfile.TemporaryDirectory(prefix="longplay-") as folder,
        database.opened(Path(folder)) as connection,
    ):
        read_pages(connection, kept, state, lambda _done, _total: None)
        connection.execute(PREPARE)
        rows = connection.sql(
            "SELECT * EXCLUDE (seq, place) FROM items SEMI JOIN"
            " (SELECT seq FROM last WHERE held) USING (seq) ORDER BY seq"
        )
        for batch in rows.to_arrow_reader(BATCH // 20):
            for row in batch.to_pylist():
                yield Item(**row)
