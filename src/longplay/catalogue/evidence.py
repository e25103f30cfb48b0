"""What the tracks of a layer are found and matched by, collected while they pass.

`Evidence` holds it on disk in parts; the look-up files and the clusters are made from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from longplay.catalogue import keys, lookup
from longplay.catalogue.clusters import NO_DURATION, Entries, Parts
from longplay.catalogue.keys import Hashes
from longplay.catalogue.numbering import Documents

KINDS = ("tr", "isrc", "mbid", "name")
"""Ids of tracks; ISRCs; MBIDs of recordings; first artist and title together."""


class Evidence:
    """The evidence of one layer's tracks, in parts below a scratch folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.parts = {kind: Parts(folder, kind) for kind in KINDS}
        self.distinct = dict.fromkeys(KINDS, 0)
        """How many hashes of each kind there are, each counted once, when look-ups are written."""

    def add(
        self,
        documents: Documents,
        own_keys: Hashes,
        rows: pa.RecordBatch,
        title_hashes: Hashes,
        artist_hashes: Hashes,
    ) -> None:
        """Add tracks: their numbers, keys, `isrcs`, `recording_mbid` and `duration_ms` in `rows`,
        the numbers of their titles and of their first artists' names."""
        self.parts["tr"].add(own_keys, documents)
        isrcs = rows["isrcs"]
        lengths = np.diff(isrcs.offsets.to_numpy()) if len(isrcs) else np.zeros(0, np.int64)
        if isrcs.null_count:
            lengths = np.where(isrcs.is_null().to_numpy(zero_copy_only=False), 0, lengths)
        self.parts["isrc"].add(keys.text_hashes(isrcs.flatten()), np.repeat(documents, lengths))
        if rows["recording_mbid"].null_count < len(documents):
            self.parts["mbid"].add(keys.text_hashes(rows["recording_mbid"]), documents)
        durations = rows["duration_ms"].fill_null(NO_DURATION).to_numpy()
        self.parts["name"].add(keys.paired(artist_hashes, title_hashes), documents, durations)

    def write_lookups(self, folder: Path, dropped: Documents) -> list[Path]:
        """Write the look-up files of the tracks that are not dropped (ascending documents)."""
        written = []
        for kind, parts in self.parts.items():
            entries = parts.count(dropped)
            written.append(folder / f"{kind}.lookup")
            blocks = self._counted(kind, _renumbered(parts.read(dropped), dropped))
            lookup.write(written[-1], entries, blocks)
        return written

    def _counted(
        self, kind: str, blocks: Iterator[tuple[Hashes, Documents]]
    ) -> Iterator[tuple[Hashes, Documents]]:
        for hashes, documents in blocks:
            # A block has all that are equal.
            fresh = int(np.count_nonzero(hashes[1:] != hashes[:-1]))
            self.distinct[kind] += fresh + bool(len(hashes))
            yield hashes, documents

    def close(self) -> None:
        """Remove the parts."""
        for parts in self.parts.values():
            parts.close()


def _renumbered(parts: Iterator[Entries], dropped: Documents) -> Iterator[tuple[Hashes, Documents]]:
    for entries in parts:
        yield entries["hash"].copy(), renumber(entries["document"], dropped)


def renumber(documents: Documents, dropped: Documents) -> Documents:
    """Numbers of documents once the dropped ones (ascending) have gone."""
    if not len(dropped):
        return np.ascontiguousarray(documents)
    return (documents - np.searchsorted(dropped, documents)).astype(np.uint32)


def write_lookup(path: Path, hashes: Hashes) -> Path:
    """Write the look-up file of rows whose hashes fit in memory: row i has `hashes[i]`."""
    rows = np.flatnonzero(hashes)
    order = rows[np.argsort(hashes[rows], kind="stable")]
    lookup.write(path, len(order), [(hashes[order], order.astype(np.uint32))])
    return path
