"""Making the indexes of a catalogue again from its tables, after damage or loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from longplay import files
from longplay.catalogue import database, evidence, keys, layout, names
from longplay.catalogue.database import Connection
from longplay.catalogue.evidence import Evidence
from longplay.catalogue.ids import RowPrefix
from longplay.catalogue.keys import Hashes
from longplay.catalogue.layout import Layer, Part
from longplay.catalogue.numbering import Documents

_COLUMNS = ("own_id", "title", "artists", "isrcs", "recording_mbid", "duration_ms")

NOBODY: Documents = np.zeros(0, np.uint32)
"""No document is dropped from a layer that has been written."""


def rebuild(folder: Path, *, progress: Callable[[int, int, str], None]) -> dict[str, int]:
    """Build the indexes of all layers of the current snapshot; returns their bytes by source.

    The snapshot stays as it is: the same tables give the same indexes. Each file takes the place of
    the old one when it is whole. Raises LockedError, ArchiveError.
    """
    from longplay.catalogue.search.build import build

    built = {}
    with layout.writing(folder) as (current, scratch), database.opened(scratch) as connection:
        with_index = {name: each for name, each in current.layers.items() if each.index}
        for done, (source, layer) in enumerate(with_index.items()):
            progress(done, len(with_index), source)
            home = (folder / layer.tables["tracks"][0].file).parent
            made = scratch / source
            made.mkdir()
            _lookups(connection, folder, layer, scratch / f"{source}-evidence", made)
            build(home, made, source=source, scratch=scratch)
            built[source] = sum(path.stat().st_size for path in made.iterdir())
            (home / layout.INDEX).mkdir(exist_ok=True)
            for path in sorted(made.iterdir()):
                files.publish(path, home / layout.INDEX / path.name)
    return built


def _lookups(
    connection: Connection, folder: Path, layer: Layer, scratch: Path, target: Path
) -> None:
    prefixes: tuple[tuple[RowPrefix, str], ...] = (("ar", "artists"), ("al", "albums"))
    for prefix, table in prefixes:
        own = [np.zeros(0, np.uint64)]
        for batch in _batches(folder, layer.tables[table], ("own_id",)):
            own.append(keys.row_keys(prefix, layer.source, batch["own_id"]))
        evidence.write_lookup(target / f"{prefix}.lookup", np.concatenate(own))
    artists = _artist_hashes(connection, folder, layer)
    found = Evidence(scratch)
    first = 0
    for batch in _batches(folder, layer.tables["tracks"], _COLUMNS):
        documents = np.arange(first, first + batch.num_rows, dtype=np.uint32)
        titles = keys.name_hashes(
            batch["title"], lambda texts: names.plain(connection, texts, "placeholder_title")
        )
        own_keys = keys.row_keys("tr", layer.source, batch["own_id"])
        found.add(documents, own_keys, batch, titles, _firsts(batch["artists"], artists))
        first += batch.num_rows
    found.write_lookups(target, NOBODY)
    found.close()


def _artist_hashes(connection: Connection, folder: Path, layer: Layer) -> Hashes:
    found = [np.zeros(0, np.uint64)]
    for batch in _batches(folder, layer.tables["artists"], ("name",)):
        found.append(
            keys.name_hashes(
                batch["name"], lambda texts: names.plain(connection, texts, "placeholder_artist")
            )
        )
    return np.concatenate(found)


def _firsts(credited: pa.ListArray, artists: Hashes) -> Hashes:
    """The hash of each track's first artist."""
    lengths = credited.value_lengths().fill_null(0).to_numpy()
    flat = credited.flatten().to_numpy()
    starts = np.cumsum(lengths) - lengths
    hashes = np.zeros(len(credited), np.uint64)
    has = lengths > 0
    hashes[has] = artists[flat[starts[has]]]
    return hashes


def _batches(
    folder: Path, parts: tuple[Part, ...], columns: tuple[str, ...]
) -> Iterator[pa.RecordBatch]:
    for part in parts:
        with pq.ParquetFile(folder / part.file) as file:
            yield from file.iter_batches(columns=list(columns))
