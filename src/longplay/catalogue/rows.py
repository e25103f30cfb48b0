"""Some rows of a layer: read by number, and as what recordings are matched by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from longplay.catalogue import keys, names
from longplay.catalogue.clusters import NO_DURATION
from longplay.catalogue.database import Connection
from longplay.catalogue.keys import Hashes
from longplay.catalogue.layout import Layer, Part
from longplay.catalogue.numbering import NOWHERE, Documents

_COLUMNS = (
    "own_id", "title", "artists", "isrcs", "recording_mbid", "duration_ms", "same_as", "since",
)  # fmt: skip

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Matched:
    """Tracks of a layer by their numbers: keys, the keys of those that stand for them, the snapshot
    that had each first, durations (milliseconds or `NO_DURATION`), and for each kind of evidence
    whose it is (by place here) and its hash."""

    documents: Documents
    tracks: Hashes
    standing: Hashes
    since: Documents
    durations: npt.NDArray[np.int32]
    evidence: dict[str, tuple[Places, Hashes]]


def take(
    folder: Path, parts: Sequence[Part], rows: npt.NDArray[np.integer], columns: Sequence[str]
) -> pa.Table:
    """Some rows of a table, in the order asked for; only the row groups they lie in are read."""
    order = np.argsort(rows, kind="stable")
    wanted = np.asarray(rows, np.int64)[order]
    found, first = [], 0
    for part in parts:
        mine = wanted[(wanted >= first) & (wanted < first + part.rows)]
        if len(mine):
            with pq.ParquetFile(folder / part.file) as file:
                found += _take_from(file, mine - first, columns)
        first += part.rows
    if not found:
        with pq.ParquetFile(folder / parts[0].file) as file:
            return file.schema_arrow.empty_table().select(list(columns))
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_tables(found).take(pa.array(back))


def _take_from(
    file: pq.ParquetFile, rows: npt.NDArray[np.int64], columns: Sequence[str]
) -> list[pa.Table]:
    found, first = [], 0
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        mine = rows[(rows >= first) & (rows < first + count)]
        if len(mine):
            table = file.read_row_group(group, columns=list(columns), use_threads=False)
            found.append(table.take(pa.array(mine - first)))
        first += count
    return found


def matched(connection: Connection, folder: Path, layer: Layer, documents: Documents) -> Matched:
    """The tracks of a layer with these numbers, as what they are matched by."""
    table = take(folder, layer.tables["tracks"], documents, _COLUMNS).combine_chunks()
    rows = table.to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], table.schema)
    tracks = keys.row_keys("tr", layer.source, rows["own_id"])
    return Matched(
        documents,
        tracks,
        _standing(folder, layer, tracks, rows["same_as"]),
        rows["since"].to_numpy(),
        rows["duration_ms"].fill_null(NO_DURATION).to_numpy(),
        {
            "isrc": _isrcs(rows["isrcs"]),
            "mbid": _present(keys.text_hashes(rows["recording_mbid"])),
            "name": _present(_names(connection, folder, layer, rows)),
        },
    )


def _standing(folder: Path, layer: Layer, tracks: Hashes, same_as: pa.Array) -> Hashes:
    """The keys of the tracks that stand for these."""
    others = np.flatnonzero(same_as.is_valid().to_numpy(zero_copy_only=False))
    standing = tracks.copy()
    if len(others):
        rows = same_as.drop_null().to_numpy()
        found = take(folder, layer.tables["tracks"], rows, ["own_id"])["own_id"]
        standing[others] = keys.row_keys("tr", layer.source, found.combine_chunks())
    return standing


def _isrcs(isrcs: pa.ListArray) -> tuple[Places, Hashes]:
    lengths = isrcs.value_lengths().fill_null(0).to_numpy()
    return np.repeat(np.arange(len(isrcs)), lengths), keys.text_hashes(isrcs.flatten())


def _present(hashes: Hashes) -> tuple[Places, Hashes]:
    places = np.flatnonzero(hashes)
    return places, hashes[places]


def _names(connection: Connection, folder: Path, layer: Layer, rows: pa.RecordBatch) -> Hashes:
    """The hashes of first artist and title."""
    firsts = np.array(
        [numbers[0] if numbers else NOWHERE for numbers in rows["artists"].to_pylist()], np.uint32
    )
    known = np.flatnonzero(firsts != NOWHERE)
    artists = np.zeros(len(firsts), np.uint64)
    if len(known):
        found = take(folder, layer.tables["artists"], firsts[known], ["name"])["name"]
        artists[known] = keys.name_hashes(
            found.combine_chunks(),
            lambda texts: names.plain(connection, texts, "placeholder_artist"),
        )
    titles = keys.name_hashes(
        rows["title"], lambda texts: names.plain(connection, texts, "placeholder_title")
    )
    return keys.paired(artists, titles)
