"""What a snapshot says beside its layers: recordings, what became of them, popularity, corrections.

Read once and held in memory: some 16 bytes for each track that is joined over layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from longplay.catalogue import corrections
from longplay.catalogue.corrections import Edits
from longplay.catalogue.database import Connection
from longplay.catalogue.search.candidates import Keys
from longplay.catalogue.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Said:
    """A column of values by key, the keys ascending."""

    keys: Keys
    values: Any

    def over(self, asked: Keys, otherwise: Any) -> Any:
        """The value of each key asked for, or what it is otherwise."""
        if not len(self.keys):
            return otherwise
        places = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        return np.where(self.keys[places] == asked, self.values[places], otherwise)


@dataclass(frozen=True, slots=True)
class Told:
    """What a snapshot says: `recordings` of tracks, where these are others than their layers say;
    `popularity` of recordings by listening histories; the `redirects` of recordings; the `splits`
    (key: what was split; value: a part of it, in their order); the values that curators gave."""

    recordings: Said
    popularity: Said
    redirects: Said
    splits: Said
    edits: Edits


def read(snapshot: Snapshot) -> Told:
    """Read it all. Raises ArchiveError when the corrections are damaged."""
    with snapshot.connect("run_members", "popularity", "redirects", "splits") as connection:
        redirects = _said(connection, "SELECT recording, successor FROM redirects ORDER BY ALL")
        return Told(
            _said(connection, "SELECT track, recording FROM run_members ORDER BY track"),
            _said(
                connection,
                "SELECT recording, max(popularity) FROM popularity WHERE popularity IS NOT NULL"
                " GROUP BY recording ORDER BY recording",
            ),
            redirects,
            _said(connection, "SELECT recording, part FROM splits ORDER BY recording, snapshot"),
            _edits(snapshot, redirects),
        )


def _said(connection: Connection, query: str) -> Said:
    table = connection.sql(query).to_arrow_table()
    return Said(table[0].to_numpy(), table[1].to_numpy())


def _edits(snapshot: Snapshot, redirects: Said) -> Edits:
    """The values that curators gave, with years for dates; of recordings as they are called now."""
    table = corrections.load(snapshot.folder, snapshot.manifest)
    successors = dict(zip(redirects.keys.tolist(), redirects.values.tolist(), strict=True))
    values = dict(corrections.edits(table, successors).values)
    for prefix in ("tr", "rec"):
        dated = values.get((prefix, "release_date"))
        if dated:
            values[prefix, "year"] = dated[0], [int(date[:4]) for date in dated[1]]
    return Edits(values)
