"""Recordings as people know them: one track's names and numbers for each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longplay.catalogue import licences
from longplay.catalogue.snapshot import Snapshot

_DISPLAY = """
WITH chosen AS (SELECT asked.recording, t.*, m.track FROM asked JOIN members m USING (recording)
        JOIN tracks t USING (track) {where}
    QUALIFY row_number() OVER (PARTITION BY asked.recording ORDER BY t.title IS NULL,
        len(coalesce(t.artists, [])) = 0, t.album IS NULL, t.popularity DESC NULLS LAST,
        t.listens DESC NULLS LAST, t.release_date NULLS LAST, t.track) = 1)
SELECT t.recording, t.track, t.source, t.title, c.names AS artists, a.title AS album,
    coalesce(d.names, c.names) AS album_artists, t.disc_number, t.track_number,
    t.isrcs[1] AS isrc, coalesce(t.release_date, a.release_date) AS release_date,
    t.duration_ms, t.genres, a.label, a.upc, t.licence, t.popularity
FROM chosen t LEFT JOIN (SELECT * FROM track_credits SEMI JOIN chosen USING (track)) c USING (track)
    LEFT JOIN albums a USING (album)
    LEFT JOIN (SELECT * FROM album_credits SEMI JOIN chosen USING (album)) d USING (album)
ORDER BY t.recording
"""


def display(snapshot: Snapshot, recordings: npt.NDArray[np.uint64]) -> pa.Table:
    """One row for each recording that is in the catalogue, by key: `recording`, `track`, `source`,
    `title`, `artists` (list), `album`, `album_artists` (list), `disc_number`, `track_number`,
    `isrc`, `release_date`, `duration_ms`, `genres` (list), `label`, `upc`, `licence`, `popularity`.

    Of several tracks, the one that has names and an album, is most popular, most heard, oldest.
    """
    with snapshot.connect() as connection:
        connection.register("asked", pa.table({"recording": np.unique(recordings)}))
        found = connection.sql(_DISPLAY.format(where="")).to_arrow_table()
        connection.unregister("asked")
        return found


_MADE_OF: dict[str, tuple[str, ...]] = {
    "title": ("tracks.title",),
    "artists": ("tracks.artists", "artists.name"),
    "album": ("tracks.album", "albums.title"),
    "album_artists": ("tracks.artists", "tracks.album", "albums.artists", "artists.name"),
    "disc_number": ("tracks.disc_number",),
    "track_number": ("tracks.track_number",),
    "isrc": ("tracks.isrcs",),
    "release_date": ("tracks.release_date", "tracks.album", "albums.release_date"),
    "duration_ms": ("tracks.duration_ms",),
    "genres": ("tracks.genres",),
    "label": ("tracks.album", "albums.label"),
    "upc": ("tracks.album", "albums.upc"),
    "licence": ("tracks.licence",),
    "popularity": ("tracks.popularity",),
}
"""The columns of a layer that each column of `display` is made of."""


@dataclass(frozen=True, slots=True)
class Permitted:
    """What may be told to anybody: of each source the columns of `display` that its licence lets
    leave; and all of the tracks `own`, whose tags are in files that leave anyway."""

    columns: dict[str, frozenset[str]]
    own: npt.NDArray[np.uint64]

    def sources(self, column: str) -> list[str]:
        """The sources of which this column may leave."""
        return [source for source, columns in self.columns.items() if column in columns]


def permitted(snapshot: Snapshot) -> dict[str, frozenset[str]]:
    """For each source of a snapshot the columns of `display` that may leave, for any use."""
    found = {}
    for source, layer in snapshot.manifest.layers.items():
        tables = licences.exportable_columns(layer.licence, layer.format)
        leaves = {f"{name}.{column}" for name, one in tables.items() for column in one.columns}
        found[source] = frozenset(name for name, of in _MADE_OF.items() if leaves.issuperset(of))
    return found


def display_permitted(
    snapshot: Snapshot, recordings: npt.NDArray[np.uint64], leave: Permitted
) -> pa.Table:
    """As `display`, by sources that may be told to anybody alone; what may not is null."""
    sources = leave.sources("title")
    everywhere = len(sources) == len(snapshot.manifest.layers)
    where = "" if everywhere else "WHERE t.source IN (FROM permitted) OR m.track IN (FROM own)"
    with snapshot.connect() as connection:
        connection.register("asked", pa.table({"recording": np.unique(recordings)}))
        connection.register("permitted", pa.table({"source": pa.array(sources, pa.string())}))
        connection.register("own", pa.table({"track": leave.own}))
        found = connection.sql(_DISPLAY.format(where=where)).to_arrow_table()
        for name in ("asked", "permitted", "own"):
            connection.unregister(name)
    return _blanked(found, leave)


def _blanked(found: pa.Table, leave: Permitted) -> pa.Table:
    """A table of `display` without what may not leave."""
    own = pa.array(np.isin(found["track"].to_numpy(), leave.own))
    for at, name in enumerate(found.column_names):
        sources = leave.sources(name)
        if name not in _MADE_OF or len(sources) == len(leave.columns):
            continue
        told = pc.or_(own, pc.is_in(found["source"], pa.array(sources, pa.string())))
        column = found[name]
        kept = pc.if_else(told, column, pa.scalar(None, column.type))
        found = found.set_column(at, name, kept)
    return found


def credits(snapshot: Snapshot, sources: Iterable[str]) -> list[tuple[str, str, str]]:
    """(source, address of its licence, what it asks for in words) of sources that are told."""
    found = []
    for source in sorted(sources):
        layer = snapshot.manifest.layers[source]
        licence = licences.known(layer.licence)
        if licence is None:
            found.append((source, "", "the released files' own tags"))
            continue
        words = f"{licence.name} ({licence.uri})"
        if not licence.attribution:
            words += ", which asks for nothing"
        found.append((source, licence.uri, words + ", to be shared alike" * licence.share_alike))
    return found
