"""Listings: what a source offered when it was asked last, `listings/NAME.parquet`, by path.

Written whole before the catalogue takes it up; a capture looks up size, checksum and version there.
What the plan wants and the listing has not is offered no longer. Format: docs/formats/listing.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from longplay.capture.fetching import Listed
from longplay.errors import InputError
from longplay.files import durable, escape
from longplay.model import Kind, Offer

SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("path", pa.binary()),
        ("kind", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("checksum", pa.string()),
        ("version", pa.string()),
        ("own_id", pa.string()),
        ("title", pa.string()),
        ("artists", pa.list_(pa.string())),
        ("album", pa.string()),
        ("album_id", pa.string()),
        ("album_artists", pa.list_(pa.string())),
        ("disc_number", pa.int32()),
        ("track_number", pa.int32()),
        ("duration_ms", pa.int32()),
        ("isrcs", pa.list_(pa.string())),
        ("upc", pa.string()),
        ("label", pa.string()),
        ("release_date", pa.string()),
        ("genres", pa.list_(pa.string())),
        ("popularity", pa.float32()),
        ("listens", pa.float64()),
        ("codec", pa.string()),
        ("bit_rate", pa.int32()),
        ("lossless", pa.bool_()),
        ("rights", pa.list_(pa.struct([("field", pa.string()), ("text", pa.string())]))),
        ("beside", pa.binary()),
        ("place", pa.string()),
    ]
)
"""The fields of `model.Offer`; `number` is the place in which it was offered, `own_id` is never
empty, and `place` is the path for people to read."""

BATCH = 4096
"""Offers that are turned into a table at once."""

ROW_GROUP = 65_536

MEMORY = "2GB"
SPILL = "spill.tmp"
"""What sorting a listing may take, and the folder beside it where the rest of it goes."""


@dataclass(frozen=True, slots=True)
class Written:
    """How many files were listed, how many of them are sound, and how many named a path that was
    there already."""

    files: int
    sound: int
    repeated: int


def path_of(folder: Path, source: str) -> Path:
    """Where a source's listing lies in the folder of listings."""
    return folder / f"{source}.parquet"


def write(
    folder: Path,
    source: str,
    offers: Iterable[Offer],
    progress: Callable[[int], None] = lambda _: None,
    *,
    may_be_empty: bool = False,
) -> Written:
    """Replace the listing of a source by what it offers now, whole or not at all.

    Raises InputError where it offers no sound, whatever is there then stays, unless it
    `may_be_empty`; and whatever the source raises.
    """
    folder.mkdir(exist_ok=True)
    target = path_of(folder, source)
    spool = folder / f"{source}.offers.part"
    try:
        count, sound = _spool(spool, offers, progress)
        if not sound and not may_be_empty:
            raise InputError(
                "offers no sound", where=source, hint="check its location; nothing was changed"
            )
        with durable(target) as out, _asking(folder) as connection:
            rows = connection.sql(
                "SELECT * EXCLUDE (again) FROM (SELECT *, row_number() OVER"
                " (PARTITION BY path ORDER BY number) AS again FROM read_parquet(?))"
                " WHERE again = 1 ORDER BY path",
                params=[str(spool)],
            )
            kept, reader = 0, rows.to_arrow_reader(ROW_GROUP)
            with pq.ParquetWriter(out, SCHEMA, compression="zstd") as writer:
                for batch in reader:
                    kept += batch.num_rows
                    writer.write_table(pa.Table.from_batches([batch]).cast(SCHEMA))
    finally:
        spool.unlink(missing_ok=True)
    return Written(kept, sound, count - kept)


def look_up(folder: Path, source: str, paths: Sequence[bytes]) -> dict[bytes, tuple[Listed, Kind]]:
    """What a source listed of these paths; what it does not offer is left out."""
    path = path_of(folder, source)
    if not paths or not path.is_file():
        return {}
    with _asking(folder) as connection:
        connection.register("wanted", pa.table({"path": pa.array(paths, pa.binary())}))
        rows = connection.execute(
            "SELECT path, kind, size, mtime_ns, checksum, version FROM read_parquet(?)"
            " SEMI JOIN wanted USING (path)",
            [str(path)],
        ).fetchall()
    return {
        path: (Listed(size, time, checksum or "", version or ""), Kind(kind))
        for path, kind, size, time, checksum, version in rows
    }


def _asking(folder: Path) -> duckdb.DuckDBPyConnection:
    """A connection that keeps within bounds, and spills beside the listings."""
    return duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(folder / SPILL)})


def _spool(
    spool: Path, offers: Iterable[Offer], progress: Callable[[int], None]
) -> tuple[int, int]:
    count = sound = 0
    waiting = iter(offers)
    with pq.ParquetWriter(spool, SCHEMA, compression="lz4") as writer:
        while some := list(islice(waiting, BATCH)):
            rows = [_row(number, offer) for number, offer in enumerate(some, count)]
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
            count += len(some)
            sound += sum(offer.kind is Kind.AUDIO for offer in some)
            progress(count)
    return count, sound


def _row(number: int, offer: Offer) -> dict[str, Any]:
    fields = {name: getattr(offer, name, None) for name in SCHEMA.names}
    place = _utf8(escape(offer.path))
    return {name: _clean(value) for name, value in fields.items()} | {
        "number": number,
        "path": offer.path,
        "beside": offer.beside or None,
        "kind": str(offer.kind),
        "own_id": _utf8(offer.own_id) or place,
        "title": _utf8(offer.title).strip() or place.rpartition("/")[2],
        "rights": [{"field": _utf8(field), "text": _utf8(text)} for field, text in offer.rights],
        "place": place,
    }


def _clean(value: Any) -> Any:
    """A value that its column can hold: texts are UTF-8, empty ones null."""
    if isinstance(value, str):
        return _utf8(value).strip() or None
    if isinstance(value, tuple):
        return [text for one in value if isinstance(one, str) and (text := _utf8(one).strip())]
    return value


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
