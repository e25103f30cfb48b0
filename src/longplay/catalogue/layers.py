"""From staged rows to a layer's files: numbers, duplicates, recordings, Parquet.

The tracks are written in one pass over the spool, in the layer's order; what is needed of all of
them at once (keys, trees of recordings) is a few bytes for each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from longplay.catalogue import clusters, evidence, keys, layout, numbering, schema
from longplay.catalogue.evidence import Evidence
from longplay.catalogue.keys import Hashes
from longplay.catalogue.numbering import NOWHERE, Documents, Numbers, Segment
from longplay.catalogue.staging import Spooled, Staging

ROW_GROUP = 524_288
"""Rows in a Parquet row group, at least, which are also resolved at once: a reader of one column
holds some megabytes, a writer a hundred."""

PART_ROWS = 1 << 24
"""Tracks in one Parquet file: files are written side by side, and each can be fetched alone."""


THREADS = 2
"""Files written at once."""

MOST_ABSENT = 1_000_000
"""References without a row that are remembered: so many are no gap, but another catalogue."""

Refs: TypeAlias = npt.NDArray[np.int64]

UNLIKE = ("own_id", "title", "name", "recording_mbid", "mbid", "upc", "isrcs.list.element")
"""Columns whose values hardly repeat: a dictionary of them is only in the way."""


@dataclass(frozen=True, slots=True)
class Written:
    """A layer's Parquet files by table, with their rows; its look-up files; how many staged tracks
    repeated an id; the references that led to no row, `MOST_ABSENT` of a table at most; and the
    number of distinct ISRCs."""

    files: dict[str, list[tuple[Path, int]]]
    lookups: tuple[Path, ...]
    duplicates: int
    absent: dict[str, Refs]
    isrcs: int


@dataclass(frozen=True, slots=True)
class Numbered:
    """Artists or albums on their way: their rows, which of them are kept, and how many."""

    spooled: Sequence[Spooled]
    numbers: Numbers
    kept: npt.NDArray[np.bool_]
    keys: Hashes

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return int(self.kept.sum())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows that are kept, in order."""
        done = 0
        for each in self.spooled:
            kept = self.kept[done : done + each.rows]
            batch = each.read()
            yield batch if kept.all() else batch.filter(pa.array(kept))
            done += each.rows


class Absent:
    """The artists and albums that rows refer to and that the source does not have."""

    def __init__(self) -> None:
        self.refs: dict[str, Refs] = {}
        self._lock = threading.Lock()

    def add(self, kind: str, refs: pa.Array, rows: Documents) -> None:
        """Remember the references that led nowhere."""
        if not (rows == NOWHERE).any():
            return
        found = np.unique(refs.filter(pa.array(rows == NOWHERE)).drop_null().to_numpy())
        if len(found):
            with self._lock:
                known = self.refs.get(kind, found[:0])
                self.refs[kind] = np.union1d(known, found)[:MOST_ABSENT]


@dataclass(frozen=True, slots=True)
class Tracks:
    """What is known of all tracks before they are written: their order, the documents that repeat
    an earlier one (ascending), and for each of the rest the one that stands for its recording."""

    segments: Sequence[Segment]
    dropped: Documents
    same: Documents
    since: Documents


def write(
    stage: Staging, target: Path, *, since: Callable[[Hashes, Documents], Documents]
) -> Written:
    """Write the staged rows as the files of a layer below `target`.

    `since` says which snapshot had each track first, by the tracks' keys and the documents that
    stand for them.
    """
    index = target / layout.INDEX
    index.mkdir(parents=True)
    artists, albums = _numbered(stage, "artists"), _numbered(stage, "albums")
    names = _write_artists(stage, target, artists)
    absent = Absent()
    segments = numbering.segments(stage.spooled("tracks"))
    found = Evidence(stage.scratch / "evidence")
    with ThreadPoolExecutor(THREADS) as pool:
        written = pool.submit(_write_albums, target, albums, artists.numbers, absent)
        own_keys = _collect(stage, segments, found, artists.numbers, names)
        written.result()
        dropped = clusters.repeated(found.parts["tr"])
        looked_up = pool.submit(found.write_lookups, index, dropped)
        same = _same_as(own_keys, found, dropped)
        lookups = looked_up.result()
    own_keys = np.delete(own_keys, dropped) if len(dropped) else own_keys
    tracks = Tracks(segments, dropped, same, since(own_keys, same))
    del own_keys  # eight bytes a track, that nothing below needs
    found.close()
    lookups += [
        evidence.write_lookup(index / f"{prefix}.lookup", each.keys[each.kept])
        for prefix, each in (("ar", artists), ("al", albums))
    ]
    files = _write_tracks(target, tracks, artists.numbers, albums.numbers, absent)
    stage.clear()
    return Written(
        {
            "tracks": files,
            "albums": [(target / "albums.parquet", albums.rows)],
            "artists": [(target / "artists.parquet", artists.rows)],
        },
        tuple(lookups),
        len(dropped),
        absent.refs,
        found.distinct["isrc"],
    )


def _numbered(stage: Staging, kind: Literal["artists", "albums"]) -> Numbered:
    spooled = stage.spooled(kind)
    refs, own_keys = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
    for each in spooled:
        batch = each.read()
        refs.append(batch["ref"].to_numpy())
        own_keys.append(
            keys.row_keys("ar" if kind == "artists" else "al", stage.source, batch["own_id"])
        )
    together = np.concatenate(own_keys)
    numbers, kept = numbering.number(np.concatenate(refs), together)
    return Numbered(spooled, numbers, kept, together)


def _write_artists(stage: Staging, target: Path, artists: Numbered) -> Hashes:
    """Write artists.parquet; returns the number of each artist's plain name."""
    hashes = [np.zeros(0, np.uint64)]
    with _writer(target, "artists") as writer:
        for batch in artists.batches():
            hashes.append(keys.name_hashes(batch["name"], stage.plain_artists))
            _write(writer, batch.drop_columns(["ref"]))
    return np.concatenate(hashes)


def _write_albums(target: Path, albums: Numbered, artists: Numbers, absent: Absent) -> None:
    """Write albums.parquet."""
    with _writer(target, "albums") as writer:
        for batch in albums.batches():
            numbers = _resolved(batch["artist_refs"], artists, absent)
            credited = batch.append_column("artists", numbers)
            _write(writer, credited.select(list(schema.LAYER["albums"])))


def _collect(
    stage: Staging,
    segments: Sequence[Segment],
    found: Evidence,
    artists: Numbers,
    names: Hashes,
) -> Hashes:
    """Collect the evidence of all tracks; returns their keys by document."""
    firsts: dict[Path, list[Segment]] = {}
    for segment in segments:
        firsts.setdefault(segment.spooled.path, []).append(segment)
    own_keys = np.zeros(sum(segment.count for segment in segments), np.uint64)

    def collect(mine: list[Segment]) -> None:
        documents = np.concatenate(
            [np.arange(each.first, each.first + each.count, dtype=np.uint32) for each in mine]
        )
        rows = mine[0].spooled.read_columns(
            ["key", "title_hash", "isrcs", "recording_mbid", "duration_ms", "artist_refs"]
        )
        batch_keys = rows["key"].to_numpy()
        own_keys[documents] = batch_keys
        artist_hashes = names_of_first(rows["artist_refs"], artists, names)
        found.add(documents, batch_keys, rows, rows["title_hash"].to_numpy(), artist_hashes)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(collect, firsts.values()))
    return own_keys


def names_of_first(refs: pa.ListArray, artists: Numbers, names: Hashes) -> Hashes:
    """The number of the plain name of each track's first artist that the source has, 0 for none."""
    lengths = refs.value_lengths().fill_null(0).to_numpy()
    flat = refs.flatten()
    starts = np.cumsum(lengths, dtype=np.int64) - lengths
    rows = np.full(len(refs), NOWHERE)
    left, place = np.flatnonzero(lengths), 0
    while len(left):
        rows[left] = artists.of(flat.take(pa.array(starts[left] + place)))
        place += 1
        left = left[(rows[left] == NOWHERE) & (lengths[left] > place)]
    hashes = np.zeros(len(refs), np.uint64)
    known = rows != NOWHERE
    hashes[known] = names[rows[known]]
    return hashes


def _same_as(own_keys: Hashes, found: Evidence, dropped: Documents) -> Documents:
    """For each document the one that stands for its recording, in the layer's final numbers."""
    parents = np.arange(len(own_keys), dtype=np.uint32)
    clusters.join_equal(parents, found.parts["isrc"], dropped)
    clusters.join_equal(parents, found.parts["mbid"], dropped)
    clusters.join_chains(parents, found.parts["name"], dropped)
    same = clusters.standing_for(parents, own_keys)
    if len(dropped):
        same = evidence.renumber(np.delete(same, dropped), dropped)
    return same


def _write_tracks(
    target: Path, tracks: Tracks, artists: Numbers, albums: Numbers, absent: Absent
) -> list[tuple[Path, int]]:
    """Write the tracks, in files of `PART_ROWS`; returns them."""
    total = len(tracks.same)
    starts = range(0, max(total, 1), PART_ROWS)
    paths = [
        target / ("tracks.parquet" if len(starts) == 1 else f"tracks-{part:03d}.parquet")
        for part in range(len(starts))
    ]

    def write_part(path: Path, start: int) -> None:
        with pq.ParquetWriter(path, **_options("tracks")) as writer:
            for first, batch in _rows(tracks, start, min(start + PART_ROWS, total)):
                _write(writer, _track_rows(tracks, first, batch, artists, albums, absent))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(write_part, paths, starts))
    rows = [min(PART_ROWS, total - start) for start in starts]
    return list(zip(paths, rows, strict=True))


def _rows(tracks: Tracks, start: int, end: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The staged rows that become documents `start` to `end`, in batches with their first number.

    Segments of popular tracks are short, and are put together.
    """
    held: list[pa.RecordBatch] = []
    rows, first = 0, start
    for segment in tracks.segments:
        low, high = (
            int(position - np.searchsorted(tracks.dropped, position))
            for position in (segment.first, segment.first + segment.count)
        )
        if high <= start or low >= end or low == high:
            continue
        batch = segment.spooled.read(segment.index)
        if high - low < segment.count:
            numbers = np.arange(segment.first, segment.first + segment.count)
            batch = batch.filter(pa.array(~np.isin(numbers, tracks.dropped)))
        batch = batch.slice(max(start - low, 0), min(high, end) - max(low, start))
        held.append(batch)
        rows += batch.num_rows
        if rows >= ROW_GROUP:
            yield first, _together(held)
            first, rows, held = first + rows, 0, []
    if held:
        yield first, _together(held)


def _together(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _track_rows(
    tracks: Tracks,
    first: int,
    batch: pa.RecordBatch,
    artists: Numbers,
    albums: Numbers,
    absent: Absent,
) -> pa.RecordBatch:
    """The rows of tracks.parquet for staged rows that begin at document `first`."""
    same = tracks.same[first : first + batch.num_rows]
    itself = same == np.arange(first, first + batch.num_rows)
    credited = _resolved(batch["artist_refs"], artists, absent)
    album_rows = albums.of(batch["album_ref"])
    nowhere = album_rows == NOWHERE
    absent.add("albums", batch["album_ref"], album_rows)
    made = {
        "artists": credited,
        "album": pa.array(album_rows, mask=nowhere),
        "same_as": pa.array(same, mask=itself),
        "since": pa.array(tracks.since[first : first + batch.num_rows]),
    }
    columns = [made.get(name) or batch[name] for name in schema.LAYER["tracks"]]
    return pa.record_batch(columns, schema=schema.arrow(schema.LAYER["tracks"]))


def _resolved(refs: pa.ListArray, artists: Numbers, absent: Absent) -> pa.Array:
    """Lists of references as lists of row numbers, without those that lead nowhere."""
    flat = refs.flatten()
    rows = artists.of(flat)
    lengths = refs.value_lengths().fill_null(0).to_numpy()
    known = rows != NOWHERE
    if not known.all():
        absent.add("artists", flat, rows)
        owner = np.repeat(np.arange(len(refs)), lengths)
        lengths = np.bincount(owner[known], minlength=len(refs))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(rows[known]))


def _options(table: str) -> dict[str, object]:
    """How a table is written: our own names for the schema, zstd, and no useless dictionaries."""
    fields = schema.arrow(schema.LAYER[table])
    dictionary = [
        path
        for field in fields
        if (path := f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name)
        not in (*UNLIKE, "duration_ms", "album", "artists.list.element", "same_as")
    ]
    packed = [name for name in ("duration_ms", "album", "same_as") if name in fields.names]
    return {
        "schema": fields,
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": dictionary,
        "column_encoding": dict.fromkeys(packed, "DELTA_BINARY_PACKED"),
    }


def _writer(target: Path, table: str) -> pq.ParquetWriter:
    return pq.ParquetWriter(target / f"{table}.parquet", **_options(table))


def _write(writer: pq.ParquetWriter, batch: pa.RecordBatch) -> None:
    writer.write_batch(batch, row_group_size=4 * ROW_GROUP)
