"""Some rows of a layer: read by number, and as what recordings are matched by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from longplay.catalogue import keys, layout, names
from longplay.catalogue.clusters import NO_DURATION
from longplay.catalogue.database import Connection
from longplay.catalogue.keys import Hashes
from longplay.catalogue.layout import Layer, Part
from longplay.catalogue.numbering import Documents
from longplay.catalogue.search.rowstore import RowStore

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Matched:
    """Tracks of a layer by their numbers: keys, the keys of those that stand for them, durations
    (milliseconds or `NO_DURATION`), and for each kind of evidence whose it is (by place here) and
    its hash."""

    documents: Documents
    tracks: Hashes
    standing: Hashes
    durations: npt.NDArray[np.int32]
    evidence: dict[str, tuple[Places, Hashes]]


def bear(
    found: Matched, kind: str, places: npt.NDArray[np.integer], hashes: Hashes
) -> npt.NDArray[np.bool_]:
    """Whether the tracks at these places of `found` have the hashes beside them."""
    if kind == "tr":
        return np.asarray(found.tracks[places] == hashes)
    whose, theirs = found.evidence[kind]
    pairs = np.empty(len(whose), [("place", "<i8"), ("hash", "<u8")])
    pairs["place"], pairs["hash"] = whose, theirs
    asked = np.empty(len(hashes), pairs.dtype)
    asked["place"], asked["hash"] = places, hashes
    return np.isin(asked, pairs)


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


@dataclass(frozen=True, slots=True)
class Reader:
    """The tracks of a layer, of which some are read by number: from its row store."""

    connection: Connection
    folder: Path
    layer: Layer
    store: RowStore

    @classmethod
    def open(cls, connection: Connection, folder: Path, layer: Layer) -> Reader:
        """Open a layer that has tracks. Raises ArchiveError when its index is damaged."""
        index = (folder / layer.tables["tracks"][0].file).parent / layout.INDEX
        return cls(connection, folder, layer, RowStore.open(index))

    def matched(self, documents: Documents) -> Matched:
        """The tracks with these numbers, as what they are matched by."""
        found = self.store.evidence(documents)
        artists = keys.name_hashes(
            found["first_artist"],
            lambda texts: names.plain(self.connection, texts, "placeholder_artist"),
        )
        titles = keys.name_hashes(
            found["title"], lambda texts: names.plain(self.connection, texts, "placeholder_title")
        )
        return Matched(
            documents,
            found["key"].to_numpy(),
            found["standing"].to_numpy(),
            found["duration_ms"].fill_null(NO_DURATION).to_numpy(),
            {
                "isrc": _isrcs(found["isrcs"]),
                "mbid": _present(keys.text_hashes(found["recording_mbid"])),
                "name": _present(keys.paired(artists, titles)),
            },
        )

    def have(self, kind: str, hashes: Hashes, documents: Documents) -> npt.NDArray[np.bool_]:
        """Whether each document has the hash beside it: a look-up file remembers eight bits of it.
        `kind` is `tr`, or one of `Matched.evidence`."""
        once, places = np.unique(documents, return_inverse=True)
        return bear(self.matched(once), kind, places, hashes)

    def since(self, documents: Documents) -> Documents:
        """The snapshot that had each track first."""
        found = np.zeros(len(documents), np.uint32)
        first = 0
        for part in self.layer.tables["tracks"]:
            if ((documents >= first) & (documents < first + part.rows)).any():
                with pq.ParquetFile(self.folder / part.file) as file:
                    _read_since(file, documents, first, found)
            first += part.rows
        return found


def _read_since(file: pq.ParquetFile, documents: Documents, first: int, found: Documents) -> None:
    """Put `since` of those documents that lie in a file, which begins with `first`, into `found`.
    Of rows that came together the file's metadata say it."""
    column = file.schema_arrow.names.index("since") - len(file.schema_arrow)
    for group in range(file.num_row_groups):
        metadata = file.metadata.row_group(group)
        mine = np.flatnonzero((documents >= first) & (documents < first + metadata.num_rows))
        if len(mine):
            known = metadata.column(metadata.num_columns + column).statistics
            if known is not None and known.min == known.max:
                found[mine] = known.min
            else:
                values = file.read_row_group(group, columns=["since"], use_threads=False)["since"]
                found[mine] = values.to_numpy()[documents[mine] - first]
        first += metadata.num_rows


def _isrcs(isrcs: pa.ListArray) -> tuple[Places, Hashes]:
    lengths = isrcs.value_lengths().fill_null(0).to_numpy()
    return np.repeat(np.arange(len(isrcs)), lengths), keys.text_hashes(isrcs.flatten())


def _present(hashes: Hashes) -> tuple[Places, Hashes]:
    places = np.flatnonzero(hashes)
    return places, hashes[places]
