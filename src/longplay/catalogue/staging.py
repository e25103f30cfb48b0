"""What an importer fills: artists, albums and tracks, spooled until the layer is written.

Every batch of tracks lies in one Arrow file, cut by standing (how popular its tracks are), so that
the layer can be written most popular first without sorting it as a whole.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue import database, identifiers, keys, names, schema
from longplay.catalogue.database import Connection

Batch: TypeAlias = pa.Table | pa.RecordBatch
Kind = Literal["artists", "albums", "tracks"]

SCHEMAS = {
    "artists": schema.arrow(schema.ARTISTS),
    "albums": schema.arrow(schema.ALBUMS),
    "tracks": schema.arrow(schema.TRACKS),
}

STANDINGS = 203
"""0 to 100: popularity 100 to 0; 101 to 201: no popularity, but listens; 202: neither is known."""

LISTENS_UNIT = 5.0
"""Standings that a doubling of listens is worth: 2^20 listens and more are the first of theirs."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """One batch on disk: of tracks, `standings` are those of its record batches, in order, and
    `counts` their rows."""

    path: Path
    rows: int
    standings: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()

    def read(self, index: int = 0) -> pa.RecordBatch:
        """One of the file's record batches, read into memory."""
        with pa.OSFile(str(self.path)) as file:
            return pa.ipc.open_file(file).get_batch(index)

    def read_columns(self, names: Sequence[str]) -> pa.RecordBatch:
        """Some columns of the whole file."""
        with pa.OSFile(str(self.path)) as file:
            every = pa.ipc.open_file(file).schema
            places = [every.get_field_index(name) for name in names]
            options = pa.ipc.IpcReadOptions(included_fields=places)
            reader = pa.ipc.open_file(file, options=options)
            batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        return pa.concat_batches(batches).select(list(names))


class Staging:
    """One import's rows on their way into a layer.

    `connection` is a DuckDB database in `scratch`, for an importer's own questions. Batches may
    come in any order and from several threads: `place` says where among the source's rows a batch
    belongs (else: after those before it). Columns that are missing count as null. A `ref` that
    comes again is the row that it was the first time; one that no row has becomes null.
    """

    def __init__(self, connection: Connection, source: str, scratch: Path) -> None:
        self.connection = connection
        self.source = source
        self.scratch = scratch
        self._folder = scratch / "staged"
        self._folder.mkdir()
        self._lock = threading.Lock()
        self._spooled: dict[Kind, dict[int, Spooled]] = {"artists": {}, "albums": {}, "tracks": {}}

    def artists(self, batch: Batch, *, place: int | None = None) -> None:
        """Take artists: `schema.ARTISTS`."""
        rows = _conform(batch, SCHEMAS["artists"])
        rows = _replace(rows, "mbid", identifiers.mbids(rows["mbid"]))
        self._spool("artists", rows, place, [0, rows.num_rows], [0])

    def albums(self, batch: Batch, *, place: int | None = None) -> None:
        """Take albums: `schema.ALBUMS`."""
        rows = _conform(batch, SCHEMAS["albums"])
        rows = _replace(rows, "mbid", identifiers.mbids(rows["mbid"]))
        rows = _replace(rows, "upc", identifiers.gtins(rows["upc"]))
        self._spool("albums", rows, place, [0, rows.num_rows], [0])

    def tracks(self, batch: Batch, *, place: int | None = None) -> None:
        """Take tracks: `schema.TRACKS`."""
        rows = _conform(batch, SCHEMAS["tracks"])
        rows = _replace(rows, "recording_mbid", identifiers.mbids(rows["recording_mbid"]))
        rows = _replace(rows, "isrcs", identifiers.isrc_lists(rows["isrcs"]))
        rows = _replace(rows, "iswcs", identifiers.iswc_lists(rows["iswcs"]))
        own_keys = keys.row_keys("tr", self.source, rows["own_id"])
        hashes = keys.name_hashes(rows["title"], self.plain_titles)
        rows = rows.append_column("key", pa.array(own_keys))
        rows = rows.append_column("title_hash", pa.array(hashes))
        standing = standings(rows["popularity"], rows["listens"])
        order = np.argsort(standing, kind="stable")
        present, starts = np.unique(standing[order], return_index=True)
        cuts = [*starts.tolist(), len(order)]
        self._spool("tracks", rows.take(pa.array(order)), place, cuts, present.tolist())

    def listens(self, batch: Batch) -> None:
        """Take counts of listens: `schema.LAYER["listens"]`."""
        self._insert("listens", batch)

    def aliases(self, batch: Batch) -> None:
        """Take ids that the source itself merged: `schema.LAYER["aliases"]`."""
        self._insert("aliases", batch)

    def rejects(self, batch: Batch) -> None:
        """Take rows that cannot be used: `schema.LAYER["rejects"]`."""
        self._insert("rejects", batch)

    def absent(self, kind: str, refs: npt.NDArray[np.int64]) -> None:
        """Take `artists` or `albums` that rows refer to and that the source does not have."""
        self._insert("absent", pa.table({"kind": [kind] * len(refs), "ref": refs}))

    def rights(self, batch: Batch) -> None:
        """Take what the source says of tracks' rights: `own_id`, `text`, `field`, `place`."""
        self._insert("staged_rights", batch)

    def offers(self, batch: Batch) -> None:
        """Take files: `inline.STAGED_OFFERS`."""
        self._insert("staged_offers", batch)

    def spooled(self, kind: Kind) -> list[Spooled]:
        """What has been staged of a kind, in the source's order."""
        return [self._spooled[kind][place] for place in sorted(self._spooled[kind])]

    def rows(self, kind: Literal["tracks", "listens"]) -> int:
        """How many have been staged."""
        if kind == "listens":
            return int(database.one(self.connection, "SELECT count(*) FROM listens"))
        return sum(each.rows for each in self.spooled(kind))

    def clear(self) -> None:
        """Remove what has been spooled: it is as large as the layer."""
        shutil.rmtree(self._folder)
        self._spooled = {"artists": {}, "albums": {}, "tracks": {}}

    def _insert(self, table: str, batch: Batch) -> None:
        rows = pa.table(batch.columns, schema=batch.schema)
        with self._lock:
            self.connection.register("batch", rows)
            self.connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM batch")
            self.connection.unregister("batch")

    def plain_titles(self, titles: pa.Array) -> pa.Array:
        """Titles made comparable; null for placeholders."""
        return names.plain(self.connection, titles, "placeholder_title")

    def plain_artists(self, artists: pa.Array) -> pa.Array:
        """Artists' names made comparable; null for placeholders."""
        return names.plain(self.connection, artists, "placeholder_artist")

    def _spool(
        self,
        kind: Kind,
        rows: pa.RecordBatch,
        place: int | None,
        cuts: Sequence[int],
        present: Sequence[int],
    ) -> None:
        if not rows.num_rows:
            return
        taken = self._spooled[kind]
        with self._lock:
            place = max(taken, default=-1) + 1 if place is None else place
            if place in taken:
                raise ValueError(f"two batches of {kind} have place {place}")
            path = self._folder / f"{kind}-{place:08d}.arrow"
            counts = tuple(end - start for start, end in pairwise(cuts))
            taken[place] = Spooled(path, rows.num_rows, tuple(present), counts)
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with (
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_file(file, rows.schema, options=options) as writer,
        ):
            for start, count in zip(cuts, counts, strict=False):
                writer.write_batch(rows.slice(start, count))


def standings(popularity: pa.Array, listens: pa.Array) -> npt.NDArray[np.uint8]:
    """Where each track stands, from 0 (most popular) to `STANDINGS` - 1."""
    known = popularity.to_numpy(zero_copy_only=False).astype(np.float32)
    heard = listens.to_numpy(zero_copy_only=False).astype(np.float64)
    with np.errstate(invalid="ignore"):
        doublings = np.minimum(np.floor(LISTENS_UNIT * np.log2(1 + heard)), 100)
        by_listens = np.where(np.isnan(heard), STANDINGS - 1, 201 - doublings)
        by_popularity = 100 - np.floor(np.clip(known, 0, 100))
        found = np.where(np.isnan(known), by_listens, by_popularity)
    return found.astype(np.uint8)


def _conform(batch: Batch, wanted: pa.Schema) -> pa.RecordBatch:
    """The batch with all columns that it should have, in order and of their types."""
    columns = []
    for field in wanted:
        if field.name not in batch.schema.names:
            columns.append(pa.nulls(batch.num_rows, field.type))
            continue
        column = batch.column(field.name)
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # of no chunks, or too many for one
            column = pa.concat_arrays(column.chunks) if column.chunks else pa.array([], field.type)
        columns.append(column if column.type == field.type else column.cast(field.type))
    return pa.record_batch(columns, schema=wanted)


def _replace(rows: pa.RecordBatch, name: str, column: pa.Array) -> pa.RecordBatch:
    return rows.set_column(rows.schema.get_field_index(name), name, column)
