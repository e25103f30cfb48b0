"""A snapshot's tables as they leave the archive: Parquet or SQLite, whole or as a sample.

Only what its source's licence permits goes out; the rest is held back and counted. One schema over
all layers (`copies.TABLES`), with ids and names in place of row numbers: whoever reads it needs no
Longplay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longplay import clock
from longplay.catalogue import copies, counting, database, ids, keys, licences
from longplay.catalogue.copies import Copy, Keys, Origin, State, Terms
from longplay.catalogue.database import Connection, quoted
from longplay.catalogue.layout import Layer
from longplay.catalogue.search.rowstore import RowStore
from longplay.catalogue.snapshot import Snapshot
from longplay.catalogue.sqlite_copy import SqliteFile
from longplay.errors import UsageError

BATCH = 131_072
"""Rows that are held and written at once."""

SAMPLE = 10_000
"""Tracks of a sample, unless another number is asked for."""

ROW = np.uint64(2**32 - 1)
"""The part of a number that says the row within its layer."""

Progress = Callable[[int, int], None]
Permitted = Mapping[str, frozenset[str]]


class Marker(Protocol):
    """What makes a copy one recipient's: says the same of every thing, in a spelling and an order
    of its own, and always in the same ones."""

    def rows(self, table: str, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Rows of a table as this recipient gets them: as many, in the same order."""

    def ordered(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Tracks of equal popularity in this recipient's order."""


_DIRECT = {
    "artists": ("own_id", "name", "mbid"),
    "albums": ("own_id", "title", "release_date", "upc", "mbid", "label"),
    "tracks": (
        "own_id", "title", "disc_number", "track_number", "duration_ms", "isrcs", "recording_mbid",
        "iswcs", "release_date", "genres", "explicit", "popularity", "listens", "licence",
    ),
}  # fmt: skip
"""Columns that leave as they are."""

_NUMBERS = {"artists": (), "albums": ("artists",), "tracks": ("artists", "album")}
"""Columns of numbers, in whose place names and ids leave."""

VIEWS = ("tracks", "albums", "artists", "redirects")
"""The snapshot's views that `write` reads."""


def export(
    snapshot: Snapshot,
    target: Path,
    *,
    sqlite: bool = False,
    sample: int | None = None,
    terms: Terms = "any",
    marker: Marker | None = None,
    progress: Progress = lambda done, total: None,
) -> Copy:
    """Write a copy of a snapshot to the new folder `target`, and return its manifest.

    `sqlite` writes one SQLite file instead of Parquet; `sample` takes that many tracks, always the
    same ones, and the albums and artists that they name; `terms` says for which use licences are
    asked, and stands in the manifest; `marker` makes it one recipient's.
    Raises UsageError when `target` has something in it, or nothing may leave.
    """
    with copies.new_folder(target) as half, snapshot.connect(*VIEWS) as connection:
        return write(
            snapshot,
            connection,
            half,
            sqlite=sqlite,
            sample=sample,
            terms=terms,
            marker=marker,
            progress=progress,
        )


def write(
    snapshot: Snapshot,
    connection: Connection,
    folder: Path,
    *,
    sqlite: bool,
    sample: int | None,
    terms: Terms,
    progress: Progress,
    marker: Marker | None = None,
    only: frozenset[str] | None = None,
) -> Copy:
    """As `export`, into a folder that the caller makes visible; `only` some sources. `connection`
    has the snapshot's `VIEWS`."""
    layers = {
        name: layer
        for name, layer in snapshot.manifest.layers.items()
        if only is None or name in only
    }
    permitted = {name: _permitted(layer, terms) for name, layer in layers.items()}
    sources = [name for name, columns in permitted.items() if columns]
    counts = _counts(connection)
    withheld = {name: counts.get(name, 0) for name in layers if name not in sources}
    if withheld and not sources and only is None:
        raise UsageError(
            f"no source's licence lets its facts leave: {', '.join(sorted(withheld))}",
            hint="import with --licence, or export with --all for your own use",
        )
    if sample is not None:
        _choose(connection, sources, sample)
    sink = SqliteFile(folder) if sqlite else _ParquetFiles(folder)
    recordings = _Recordings.open(snapshot)
    total, done = sum(counts.get(name, 0) for name in sources), 0
    for name in sources:
        # A layer's order tells how often its tracks were played.
        by_key = layers[name].format == licences.COUNTED
        for table, batch, raw in rows(
            connection,
            name,
            permitted[name],
            recordings,
            sampled=sample is not None,
            by_key=by_key,
        ):
            # In SQLite rows lie by their numbers, which nobody may change.
            ordered = table == "tracks" and not (by_key or sqlite)
            sink.write(table, _marked(marker, table, batch, ordered=ordered), raw)
            done += batch.num_rows if table == "tracks" else 0
            progress(done, total)
    for batch in _redirects(connection, sample is not None):
        sink.write("redirects", batch, batch)
    listed = sink.close()
    states = {} if sqlite else digests(folder)
    none = dict.fromkeys(copies.ROWS, copies.NONE)
    origins = [_origin(layers[name], permitted[name], states.get(name, none)) for name in sources]
    kind = "full" if sample is None else "sample"
    now = clock.timestamp()
    copy = Copy(kind, snapshot.number, now, terms, tuple(origins), withheld, listed)
    return copies.seal(folder, copy)


def _marked(
    marker: Marker | None, table: str, batch: pa.RecordBatch, *, ordered: bool
) -> pa.RecordBatch:
    if marker is None:
        return batch
    made = marker.rows(table, batch)
    return marker.ordered(made) if ordered else made


def _permitted(layer: Layer, terms: Terms) -> Permitted:
    """The columns of each table that may leave; empty when nothing may."""
    if terms == "own":
        # Not even so does listening leave: who applies the copy would hand it on.
        return {
            table: frozenset(
                name
                for name in (*columns, *_NUMBERS[table])
                if licences.EXCEPTIONS.get((layer.format, table, name)) != licences.LISTENING
            )
            for table, columns in _DIRECT.items()
        }
    found = licences.exportable_columns(layer.licence, layer.format, commercial=terms == "any")
    return {table: found[table] for table in copies.ROWS if table in found}


def _origin(layer: Layer, permitted: Permitted, states: dict[str, State]) -> Origin:
    kept = tuple(
        f"{table}.{column}"
        for table, columns in _DIRECT.items()
        for column in (*columns, *_NUMBERS[table])
        if column not in permitted.get(table, ())
    )
    owed = tuple(
        f"{each.name} ({each.licence}){f', for {each.covers}' if each.covers else ''}"
        f"{', to be shared alike' if each.share_alike else ''}"
        for each in licences.attributions(layer.source, layer.licence, layer.format)
    )
    return Origin(layer.source, layer.licence, owed, kept, layer.declared, states)


def _counts(connection: Connection) -> dict[str, int]:
    return dict(connection.sql("SELECT source, count(*) FROM tracks GROUP BY ALL").fetchall())


def _choose(connection: Connection, sources: Iterable[str], tracks: int) -> None:
    """`chosen_tracks`, `chosen_albums`, `chosen_artists`: the numbers of a sample.

    Keys are as good as random, so the smallest are a fair sample, and mostly the same ones in
    the next snapshot.
    """
    among = ", ".join(quoted(name) for name in sources)
    connection.execute(f"""
        CREATE TABLE picked AS SELECT number, album, artists FROM tracks
            WHERE source IN ({among}) ORDER BY track LIMIT {tracks};
        CREATE TABLE chosen_tracks AS SELECT number FROM picked;
        CREATE TABLE chosen_albums AS SELECT DISTINCT album AS number FROM picked
            WHERE album IS NOT NULL;
        CREATE TABLE chosen_artists AS SELECT DISTINCT number FROM
            (SELECT unnest(artists) AS number FROM picked UNION ALL
             SELECT unnest(artists) FROM albums JOIN chosen_albums ON album = number);
    """)


def rows(
    connection: Connection,
    source: str,
    permitted: Permitted,
    recordings: _Recordings,
    *,
    sampled: bool,
    by_key: bool,
) -> Iterator[tuple[str, pa.RecordBatch, pa.RecordBatch]]:
    """One source's artists, albums and tracks in their order, or `by_key`: the table, and its rows
    as they leave and as they are (`place`, `artists_numbers`, `album_numbers`: their numbers)."""
    names = _Artists.load(connection, source)
    albums = _column(connection, "SELECT key FROM albums WHERE source = $1 ORDER BY album", source)
    for table, number in (("artists", "artist"), ("albums", "album"), ("tracks", "number")):
        key = "track" if table == "tracks" else "key"
        asked = f" FROM {table} t WHERE source = {quoted(source)}"
        if sampled:
            chosen = f" FROM {table} t SEMI JOIN chosen_{table} c ON t.{number} = c.number"
            asked = f"{chosen} WHERE source = {quoted(source)}"
        if sampled or by_key:
            asked += f" ORDER BY {key if by_key else number}"
        selected = _selected(table, permitted.get(table, frozenset()))
        query = f"SELECT {number}::UBIGINT AS place, {key} AS row_key, {selected}{asked}"
        for batch in connection.cursor().sql(query).to_arrow_reader(BATCH):
            made = _exported(table, source, batch, names, albums)
            if table == "tracks":
                made["recording"] = copies.texts("rec", recordings.of(source, batch))
            yield table, copies.conform(table, made, batch.num_rows), batch


def _selected(table: str, permitted: frozenset[str]) -> str:
    """The columns that may leave, and the numbers of the artists and albums that rows name."""
    names = ["own_id", *(name for name in _DIRECT[table] if name in permitted and name != "own_id")]
    numbers = [name for name in _NUMBERS[table] if name in permitted]
    return ", ".join([*names, *(f"{name} AS {name}_numbers" for name in numbers)])


@dataclass(frozen=True, slots=True)
class _Recordings:
    """Which recording each track is: by its number, but where the joins say another. A query that
    joins all tracks with their recordings would hold more than a small machine has."""

    stores: Mapping[str, RowStore]
    moved: Keys
    to: Keys

    @classmethod
    def open(cls, snapshot: Snapshot) -> _Recordings:
        moved, to = counting.moves(snapshot)
        order = np.argsort(moved)
        stores = {
            name: RowStore.open(counting.index_of(snapshot.folder, layer))
            for name, layer in snapshot.manifest.layers.items()
            if layer.rows("tracks")
        }
        return cls(stores, moved[order], to[order])

    def of(self, source: str, batch: pa.RecordBatch) -> Keys:
        """The recordings of tracks with these numbers (`place`) and keys (`row_key`)."""
        documents = (batch["place"].to_numpy() & ROW).astype(np.uint32)
        found = ids.minted(self.stores[source].standing(documents))
        places, known = keys.find(self.moved, batch["row_key"].to_numpy())
        found[known] = self.to[places[known]]
        return found


def _column(connection: Connection, query: str, source: str) -> Keys:
    found = connection.sql(query, params=[source]).to_arrow_table()
    return np.asarray(found.column(0).to_numpy(), np.uint64)


@dataclass(frozen=True, slots=True)
class _Artists:
    """The names and keys of a source's artists by row."""

    names: pa.Array
    keys: Keys

    @classmethod
    def load(cls, connection: Connection, source: str) -> _Artists:
        query = f"SELECT name, key FROM artists WHERE source = {quoted(source)} ORDER BY artist"
        found = connection.sql(query).to_arrow_table()
        names = found["name"].cast(pa.large_string()).combine_chunks()
        return cls(names, np.asarray(found["key"].to_numpy(), np.uint64))


def _exported(
    table: str, source: str, batch: pa.RecordBatch, artists: _Artists, albums: Keys
) -> dict[str, pa.Array]:
    prefix = {"artists": "ar", "albums": "al", "tracks": "tr"}[table]
    made = {
        "id": copies.texts(prefix, batch["row_key"].to_numpy()),
        "source": pa.repeat(pa.scalar(source), batch.num_rows),
    }
    for name in batch.schema.names:
        if name == "artists_numbers":
            made |= _credits(batch[name], artists)
        elif name == "album_numbers":
            made["album_id"] = _albums(batch[name], albums)
        elif name not in ("place", "row_key"):
            made[name] = batch[name]
    return made


def _credits(numbers: pa.ListArray, artists: _Artists) -> dict[str, pa.Array]:
    """Lists of artists' numbers as lists of their names, and of their ids."""
    flat = (numbers.flatten().to_numpy() & ROW).astype(np.int64)
    lengths = numbers.value_lengths().fill_null(0).to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    names = artists.names.take(pa.array(flat)).cast(pa.string())
    found = {"artists": names, "artist_ids": copies.texts("ar", artists.keys[flat])}
    missing = numbers.is_null() if numbers.null_count else None
    return {
        name: pa.ListArray.from_arrays(offsets, values, mask=missing)
        for name, values in found.items()
    }


def _albums(numbers: pa.Array, albums: Keys) -> pa.Array:
    """Albums' numbers as their ids."""
    known = pc.is_valid(numbers)
    asked = (numbers.fill_null(0).to_numpy() & ROW).astype(np.int64)
    if not len(albums):
        return pa.nulls(len(numbers), pa.string())
    return pc.if_else(known, copies.texts("al", albums[asked]), pa.scalar(None, pa.string()))


def _redirects(connection: Connection, sampled: bool) -> Iterator[pa.RecordBatch]:
    """Ids of recordings that others replaced; of a sample none."""
    query = "SELECT recording, successor FROM redirects ORDER BY ALL"
    for batch in connection.cursor().sql(query).to_arrow_reader(BATCH):
        if not sampled:
            columns = {
                "id": copies.texts("rec", batch["recording"].to_numpy()),
                "successor": copies.texts("rec", batch["successor"].to_numpy()),
            }
            yield copies.conform("redirects", columns, batch.num_rows)


def digests(folder: Path) -> dict[str, dict[str, State]]:
    """The state of each source's tables in a folder of Parquet, by source and table."""
    found: dict[str, dict[str, State]] = {}
    with database.opened() as connection:
        for table in _DIRECT:
            path = folder / f"{table}.parquet"
            query = f"SELECT * FROM {database.parquet([path])}"
            for source, state in states(connection, table, query).items():
                found.setdefault(source, {})[table] = state
    return {source: dict.fromkeys(copies.ROWS, copies.NONE) | has for source, has in found.items()}


def states(connection: Connection, table: str, query: str) -> dict[str, State]:
    """The state of each source's rows in a relation of a table of a copy.

    The digest is the sum of the MD5 of the rows, so it does not depend on their order. Recordings
    are left out: they follow from the rest, and from what else an archive holds.
    """
    columns = [name for name in copies.TABLES[table].names if name not in ("recording", "source")]
    said = ", ".join(f"coalesce({name}::VARCHAR, chr(1))" for name in columns)
    found = connection.execute(
        f"SELECT source, count(*), sum(md5_number_upper(concat_ws(chr(31), {said}))::HUGEINT)"
        f" FROM ({query}) GROUP BY source"
    ).fetchall()
    return {source: State(count, f"{int(total):032x}") for source, count, total in found}


class _ParquetFiles:
    """A Parquet file for each table, zstd, rows in the order in which they come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows = dict.fromkeys(copies.TABLES, 0)
        self._writers = {
            table: pq.ParquetWriter(folder / f"{table}.parquet", schema, compression="zstd")
            for table, schema in copies.TABLES.items()
        }

    def write(self, table: str, batch: pa.RecordBatch, _raw: pa.RecordBatch) -> None:
        self._writers[table].write_batch(batch)
        self._rows[table] += batch.num_rows

    def close(self) -> tuple[copies.File, ...]:
        for writer in self._writers.values():
            writer.close()
        return tuple(
            copies.described(self._folder / f"{table}.parquet", rows)
            for table, rows in self._rows.items()
        )
