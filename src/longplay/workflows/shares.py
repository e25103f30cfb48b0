"""Shares of listens: how much of all listening a set of recordings stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from longplay.archive import Archive
from longplay.catalogue.snapshot import Snapshot

Keys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Listening:
    """Listens of every recording of the catalogue: sorted keys beside their listens. `known` says
    whether any source knows popularity or listens of anything."""

    recordings: Keys
    listens: NDArray[np.float32]
    known: bool

    @property
    def total(self) -> float:
        """All listens."""
        return float(self.listens.sum(dtype=np.float64))

    def of(self, recordings: Keys) -> NDArray[np.float32]:
        """The listens of each of these; 0 for one that the catalogue does not have."""
        if not len(self.recordings):
            return np.zeros(len(recordings), np.float32)
        at = np.searchsorted(self.recordings, recordings).clip(0, len(self.recordings) - 1)
        known = self.recordings[at] == recordings
        return np.where(known, self.listens[at], 0).astype(np.float32)

    def share(self, recordings: Keys) -> float:
        """The share of all listens that these recordings, each counted once, stand for."""
        found = float(self.of(np.unique(recordings)).sum(dtype=np.float64))
        return found / self.total if self.total else 0.0


def listening(archive: Archive, snapshot: Snapshot) -> Listening:
    """Listens by recording, completed by the policy's curve where no source counts plays."""
    from longplay.catalogue import popularity
    from longplay.planning import listens

    table = popularity.popularity_table(snapshot)
    liked = _column(table, "popularity")
    heard = _column(table, "listens")
    known = not (np.isnan(liked).all() and np.isnan(heard).all())
    listens.complete(liked, heard, archive.settings.policy, any_known=known)
    return Listening(table["recording"].to_numpy(), heard, known)


def unoffered_listens(everything: Listening, snapshot: Snapshot, offered: pa.Table) -> float:
    """Listens of the recordings that no source offers a file of."""
    from longplay.catalogue import popularity

    inside = popularity.parts(snapshot)["recording"].to_numpy()
    keys = np.unique(np.concatenate([offered["recording"].drop_null().to_numpy(), inside]))
    return max(0.0, everything.total - float(everything.of(keys).sum(dtype=np.float64)))


def current(snapshot: Snapshot, recordings: Keys) -> Keys:
    """The ids that stand now for these, some of which other recordings have taken in since."""
    old, new = snapshot.redirects()
    if not len(old):
        return recordings
    at = np.searchsorted(old, recordings).clip(0, len(old) - 1)
    return np.where(old[at] == recordings, new[at], recordings)


def formerly(snapshot: Snapshot, recordings: Keys) -> Keys:
    """These recordings, and those that they have taken in: the ledger keeps the ids of its time."""
    old, new = snapshot.redirects()
    return np.unique(np.concatenate([recordings, old[np.isin(new, recordings)]]))


def _column(table: pa.Table, name: str) -> NDArray[np.float32]:
    values = table[name].cast(pa.float32()).fill_null(float("nan"))
    return np.array(values.to_numpy(), np.float32)
