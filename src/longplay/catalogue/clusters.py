"""Which tracks of one layer are one recording: equal identifiers, or equal names and lengths.

Numbers that may be equal are put into parts on disk (`parted`), each of which is sorted in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled
from longplay.catalogue.keys import Hashes
from longplay.catalogue.numbering import Documents, root, union
from longplay.catalogue.parted import Parted

STEP_MS = 3000
"""How far apart the durations of one recording may lie, from one to the next (milliseconds)."""

NO_DURATION = -1

ENTRY = np.dtype([("hash", "<u8"), ("document", "<u4"), ("duration", "<i4")])

Entries = npt.NDArray[np.void]


class Parts:
    """Entries `(hash, document, duration)` on disk, in parts by their hashes."""

    def __init__(self, folder: Path, name: str) -> None:
        self._parted = Parted(folder, name, ENTRY)

    def add(
        self, hashes: Hashes, documents: Documents, durations: npt.NDArray[np.int32] | None = None
    ) -> None:
        """Add entries; those whose hash is 0 stand for nothing and are left out."""
        kept = np.flatnonzero(hashes)
        entries = np.empty(len(kept), ENTRY)
        entries["hash"], entries["document"] = hashes[kept], documents[kept]
        entries["duration"] = NO_DURATION if durations is None else durations[kept]
        self._parted.add(entries, entries["hash"])

    def read(self, dropped: Documents | None = None) -> Iterator[Entries]:
        """Every part, sorted by hash, then document: together all entries in order. Those of
        `dropped` documents (ascending) are left out."""
        for part in range(len(self._parted)):
            entries = self._parted.part(part)
            if dropped is not None and len(dropped):
                entries = entries[~np.isin(entries["document"], dropped)]
            order = np.argsort(entries["hash"])
            yield _in_order(entries[order])

    def count(self, dropped: Documents) -> int:
        """How many entries there are, without those of `dropped` documents (ascending)."""
        if len(dropped):
            return sum(len(entries) for entries in self.read(dropped))
        return self._parted.count()

    def close(self) -> None:
        """Remove the files."""
        self._parted.close()


def _in_order(entries: Entries) -> Entries:
    """Entries that are sorted by hash, those of one hash also by document."""
    hashes, documents = entries["hash"], entries["document"]
    equal = hashes[1:] == hashes[:-1]
    if not (equal & (documents[1:] < documents[:-1])).any():
        return entries
    tied = np.zeros(len(entries), np.bool_)
    tied[1:] |= equal
    tied[:-1] |= equal
    places = np.flatnonzero(tied)
    some = entries[places]
    entries[places] = some[np.lexsort((some["document"], some["hash"]))]
    return entries


def repeated(parts: Parts) -> Documents:
    """Documents whose hash an earlier document has, in ascending order."""
    found = [np.zeros(0, np.uint32)]
    for entries in parts.read():
        again = np.flatnonzero(entries["hash"][1:] == entries["hash"][:-1]) + 1
        found.append(entries["document"][again])
    return np.sort(np.concatenate(found))


def join_equal(parents: Documents, parts: Parts, dropped: Documents) -> None:
    """Join the documents that share a hash."""
    for entries in parts.read(dropped):
        same = np.flatnonzero(entries["hash"][1:] == entries["hash"][:-1])
        documents = entries["document"]
        _join(parents, documents[same], documents[same + 1])


def join_chains(parents: Documents, parts: Parts, dropped: Documents) -> None:
    """Join the documents that share a hash and whose durations are a chain of steps of at most
    `STEP_MS`; those without a duration are a chain of their own."""
    for entries in parts.read(dropped):
        hashes = entries["hash"]
        shared = np.zeros(len(entries), np.bool_)
        equal = hashes[1:] == hashes[:-1]
        shared[1:] |= equal
        shared[:-1] |= equal
        some = entries[shared]
        some = some[np.lexsort((some["duration"], some["hash"]))]
        durations = some["duration"]
        step = durations[1:] - durations[:-1]
        near = (some["hash"][1:] == some["hash"][:-1]) & (step <= STEP_MS)
        near &= (durations[1:] == NO_DURATION) == (durations[:-1] == NO_DURATION)
        places = np.flatnonzero(near)
        _join(parents, some["document"][places], some["document"][places + 1])


@compiled
def _join(parents: Documents, ones: Documents, others: Documents) -> None:
    for i in range(len(ones)):
        union(parents, ones[i], others[i])


@compiled
def standing_for(parents: Documents, keys: Hashes) -> Documents:
    """For each document the one that stands for its recording: of its tree, the one with the
    smallest key. `parents` is used up."""
    best = np.empty(len(parents), np.uint32)
    for document in range(len(parents)):
        best[document] = document
    for document in range(len(parents)):
        top = root(parents, np.uint32(document))
        if keys[document] < keys[best[top]]:
            best[top] = document
        parents[document] = top
    for document in range(len(parents)):
        parents[document] = best[parents[document]]
    return parents
