"""A source's layer before this import: which tracks it had, and since when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longplay.catalogue import keys
from longplay.catalogue.keys import Hashes
from longplay.catalogue.layout import Layer
from longplay.catalogue.numbering import Documents


@dataclass(frozen=True, slots=True)
class Tracks:
    """The tracks of a layer, by key: `order` are their documents in the order of `keys`; `since`
    and `same` (the document that stands for the recording) are by document."""

    keys: Hashes
    order: Documents
    since: Documents
    same: Documents

    def find(self, wanted: Hashes) -> npt.NDArray[np.int64]:
        """The document of each key, -1 where there is none."""
        if not len(self.keys):
            return np.full(len(wanted), -1)
        places = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[places] == wanted, self.order[places].astype(np.int64), -1)

    def by_document(self) -> Hashes:
        """The keys by document."""
        found = np.empty(len(self.keys), np.uint64)
        found[self.order] = self.keys
        return found


def read(folder: Path, layer: Layer | None) -> Tracks:
    """The tracks of a layer; None has none."""
    own_keys = [np.zeros(0, np.uint64)]
    since, same = [np.zeros(0, np.uint32)], [np.zeros(0, np.uint32)]
    done = 0
    for batch in _batches(folder, layer):
        own_keys.append(keys.row_keys("tr", layer.source if layer else "", batch["own_id"]))
        since.append(batch["since"].to_numpy())
        itself = pa.array(np.arange(done, done + len(batch), dtype=np.uint32))
        same.append(pc.coalesce(batch["same_as"], itself).to_numpy())
        done += len(batch)
    together = np.concatenate(own_keys)
    order = np.argsort(together).astype(np.uint32)
    return Tracks(together[order], order, np.concatenate(since), np.concatenate(same))


def _batches(folder: Path, layer: Layer | None) -> Iterator[pa.RecordBatch]:
    for part in layer.tables["tracks"] if layer else ():
        with pq.ParquetFile(folder / part.file) as file:
            yield from file.iter_batches(columns=["own_id", "same_as", "since"])
