"""Which tracks an import makes us match again, found through the layers' look-up files.

From the tracks that may differ to all that share a key with them, to those that are members of the
same recording, and so on until nothing new is met: nothing outside shares anything with what is
inside, so nothing outside can change. A small layer beside 256 M tracks asks the big one some
questions, and reads nothing of it as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue import ids, keys, layout, rows
from longplay.catalogue.database import Connection
from longplay.catalogue.keys import Hashes
from longplay.catalogue.layout import Layer
from longplay.catalogue.lookup import Lookup
from longplay.catalogue.numbering import Documents
from longplay.catalogue.rows import Matched

KINDS = ("isrc", "mbid", "name")

AT_ONCE = 200_000
"""Tracks whose rows are read at once."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the joins' runs say of tracks: their recordings, and whether they are live. By track."""

    tracks: Hashes
    recordings: Hashes
    live: npt.NDArray[np.bool_]

    def find(self, tracks: Hashes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Where each track stands in the runs, and whether it does."""
        return keys.find(self.tracks, tracks)

    def of(self, tracks: Hashes, standing: Hashes) -> Hashes:
        """The recordings of tracks for which those with the keys `standing` stand."""
        places, known = self.find(tracks)
        defaults = ids.minted(standing)
        return np.where(known, self.recordings[places], defaults) if known.any() else defaults

    def members(self, recordings: Hashes) -> Hashes:
        """The live tracks that the runs give to recordings."""
        return self.tracks[self.live & np.isin(self.recordings, recordings)]


def overrides(connection: Connection, query: str) -> Overrides:
    """The runs of `members` that stand, by a query for them."""
    found = connection.sql(f"SELECT track, recording, live FROM ({query}) ORDER BY track")
    table = found.to_arrow_table()
    return Overrides(
        table["track"].to_numpy(), table["recording"].to_numpy(), table["live"].to_numpy()
    )


class Scope:
    """The tracks that are matched again, layer by layer, with what they are matched by."""

    def __init__(
        self,
        connection: Connection,
        folder: Path,
        layers: Mapping[str, Layer],
        runs: Overrides,
        forced: npt.NDArray[np.uint64],
    ) -> None:
        self._layers = {name: layer for name, layer in layers.items() if layer.rows("tracks")}
        self._runs = runs
        self._forced = forced
        self._lookups = {
            (name, kind): Lookup.open(_lookup_path(folder, layer, kind))
            for name, layer in self._layers.items()
            for kind in ("tr", *KINDS)
        }
        self._readers = {
            name: rows.Reader.open(connection, folder, layer)
            for name, layer in self._layers.items()
        }
        self._met = {
            name: np.zeros(layer.rows("tracks"), np.bool_) for name, layer in self._layers.items()
        }
        self.found: dict[str, list[Matched]] = {name: [] for name in self._layers}

    def overridden(self, tracks: Hashes) -> npt.NDArray[np.bool_]:
        """Of which tracks the runs say something."""
        return self._runs.find(tracks)[1]

    def members_of(self, tracks: Hashes, standing: Hashes) -> Hashes:
        """Tracks that may share a recording with these, for which those with the keys `standing`
        stand: these may be in no layer any more."""
        recordings = np.unique(self._runs.of(tracks, standing))
        return np.concatenate([ids.minted(recordings), self._runs.members(recordings)])

    def grow(self, seeds: Mapping[str, Documents], tracks: Hashes) -> None:
        """Take in `seeds` (documents of layers) and `tracks` (keys), and all that they touch."""
        waiting = {name: documents for name, documents in seeds.items() if len(documents)}
        self._add(waiting, "tr", tracks)
        while waiting:
            following: dict[str, Documents] = {}
            for name, documents in waiting.items():
                for start in range(0, len(documents), AT_ONCE):
                    self._visit(name, documents[start : start + AT_ONCE], following)
            waiting = following

    def _visit(self, name: str, documents: Documents, following: dict[str, Documents]) -> None:
        fresh = np.unique(documents[~self._met[name][documents]])
        if not len(fresh):
            return
        self._met[name][fresh] = True
        found = self._readers[name].matched(fresh)
        self.found[name].append(found)
        for kind in KINDS:
            self._add(following, kind, found.evidence[kind][1])
        joined = self._forced[np.isin(self._forced, found.tracks).any(axis=1)].ravel()
        together = np.concatenate([self.members_of(found.tracks, found.standing), joined])
        self._add(following, "tr", together[~np.isin(together, found.tracks)])

    def _add(self, following: dict[str, Documents], kind: str, hashes: Hashes) -> None:
        """Put all tracks that have one of these hashes into `following`."""
        fresh = np.unique(hashes)
        if not len(fresh):
            return
        for name in self._layers:
            places, documents = self._lookups[name, kind].find(fresh)
            unmet = ~self._met[name][documents]
            places, documents = places[unmet], documents[unmet]
            if len(documents):
                right = self._readers[name].have(kind, fresh[places], documents)
                together = [documents[right], following.get(name, documents[:0])]
                following[name] = np.unique(np.concatenate(together))

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """All that was found: its tracks (`source`, `track`, `standing`, `since`), and their keys
        (`key`, `exact`, `duration_ms`, `track`)."""
        tracks, evidence = [], []
        for name, batches in self.found.items():
            for each in batches:
                tracks.append(
                    pa.table(
                        {
                            "source": pa.array([name] * len(each.tracks), pa.string()),
                            "track": each.tracks,
                            "standing": each.standing,
                            "since": self._readers[name].since(each.documents),
                        }
                    )
                )
                evidence += [_keys(each, kind) for kind in KINDS]
        return pa.concat_tables([_NO_TRACKS, *tracks]), pa.concat_tables([_NO_KEYS, *evidence])


_NO_TRACKS = pa.schema(
    [
        ("source", pa.string()),
        ("track", pa.uint64()),
        ("standing", pa.uint64()),
        ("since", pa.uint32()),
    ]
).empty_table()
_NO_KEYS = pa.schema(
    [
        ("key", pa.uint64()),
        ("exact", pa.bool_()),
        ("duration_ms", pa.int32()),
        ("track", pa.uint64()),
    ]
).empty_table()


def _keys(found: Matched, kind: str) -> pa.Table:
    places, hashes = found.evidence[kind]
    durations = found.durations[places]
    unknown = (durations < 0) | (kind != "name")
    return pa.table(
        {
            "key": hashes,
            "exact": pa.array(np.full(len(places), kind != "name")),
            "duration_ms": pa.array(durations, mask=unknown),
            "track": found.tracks[places],
        }
    )


def _lookup_path(folder: Path, layer: Layer, kind: str) -> Path:
    first = folder / layer.tables["tracks"][0].file
    return first.parent / layout.INDEX / f"{kind}.lookup"
