"""Recordings as people know them: one track's names and numbers for each, corrected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longplay.catalogue import corrections, ids, licences
from longplay.catalogue.corrections import Edits, Subjects
from longplay.catalogue.database import Connection
from longplay.catalogue.snapshot import Snapshot

_DISPLAY = """
WITH chosen AS (SELECT asked.recording, t.*, m.track FROM asked JOIN members m USING (recording)
        JOIN tracks t USING (track) {where}
    QUALIFY row_number() OVER (PARTITION BY asked.recording ORDER BY t.title IS NULL,
        len(coalesce(t.artists, [])) = 0, t.album IS NULL, t.popularity DESC NULLS LAST,
        t.listens DESC NULLS LAST, t.release_date NULLS LAST, t.track) = 1)
SELECT t.recording, t.track, t.source, t.title, c.names AS artists, a.title AS album,
    d.names AS album_artists, t.disc_number, t.track_number, t.isrcs[1] AS isrc, t.release_date,
    t.duration_ms, t.genres, a.label, a.upc, t.licence, t.popularity, a.key AS album_key,
    a.release_date AS album_date, t.artists AS numbers, a.artists AS album_numbers
FROM chosen t LEFT JOIN (SELECT * FROM track_credits SEMI JOIN chosen USING (track)) c USING (track)
    LEFT JOIN albums a USING (album)
    LEFT JOIN (SELECT * FROM album_credits SEMI JOIN chosen USING (album)) d USING (album)
ORDER BY t.recording
"""
_VIEWS = ("members", "track_credits", "album_credits", "redirects")


def display(snapshot: Snapshot, recordings: npt.NDArray[np.uint64]) -> pa.Table:
    """One row for each recording that is in the catalogue, by key: `recording`, `track`, `source`,
    `title`, `artists` (list), `album`, `album_artists` (list), `disc_number`, `track_number`,
    `isrc`, `release_date`, `duration_ms`, `genres` (list), `label`, `upc`, `licence`, `popularity`.

    Of several tracks, the one that has names and an album, is most popular, most heard, oldest.
    What a curator said of the recording, the track, its album or its artists is in the place of
    what its source says. Raises ArchiveError when the corrections are damaged.
    """
    with snapshot.connect(*_VIEWS) as connection:
        connection.register("asked", pa.table({"recording": np.unique(recordings)}))
        found = connection.sql(_DISPLAY.format(where="")).to_arrow_table()
        connection.unregister("asked")
        return _shown(_corrected(connection, snapshot, found))


_OF_TRACKS = {
    "title": "title",
    "artists": "artists",
    "disc_number": "disc_number",
    "track_number": "track_number",
    "isrcs": "isrc",
    "release_date": "release_date",
    "duration_ms": "duration_ms",
    "genres": "genres",
    "popularity": "popularity",
}
_OF_ALBUMS = {
    "title": "album",
    "artists": "album_artists",
    "release_date": "album_date",
    "label": "label",
    "upc": "upc",
}
_SUBJECTS = (
    Subjects("al", "album_key", _OF_ALBUMS),
    Subjects("rec", "recording", _OF_TRACKS),
    Subjects("tr", "track", _OF_TRACKS),
)


def _corrected(connection: Connection, snapshot: Snapshot, found: pa.Table) -> pa.Table:
    """The table as curators have it."""
    said = corrections.load(snapshot.folder, snapshot.manifest)
    if not said.num_rows or not found.num_rows:
        return found
    named = [text for text in said["subject"].to_pylist() if ids.parse(text)[0] == "rec"]
    connection.register("edited", pa.table({"recording": corrections.keys_of(named)}))
    successors = connection.sql(
        "SELECT recording, successor FROM redirects WHERE recording IN (FROM edited)"
    ).fetchall()
    connection.unregister("edited")
    edits = corrections.edits(said, dict(successors))
    return corrections.apply(_renamed(connection, found, edits), edits, _SUBJECTS)


def _renamed(connection: Connection, found: pa.Table, edits: Edits) -> pa.Table:
    """The table with the names that curators gave to artists."""
    keys, names = edits.values.get(("ar", "name"), (np.empty(0, np.uint64), []))
    if not len(keys):
        return found
    connection.register("edited", pa.table({"key": keys, "name": pa.array(names, pa.string())}))
    query = "SELECT artist, e.name FROM artists JOIN edited e USING (key)"
    called: dict[int, str] = dict(connection.sql(query).fetchall())
    connection.unregister("edited")
    rows = pa.array(np.arange(found.num_rows, dtype=np.uint64))
    found = found.append_column("row", rows)
    for column, numbers in (("artists", "numbers"), ("album_artists", "album_numbers")):
        of = found[numbers].combine_chunks()
        hits = pc.is_in(pc.list_flatten(of), pa.array(list(called), of.type.value_type))
        at = np.unique(pc.list_parent_indices(of).filter(hits).to_numpy()).astype(np.uint64)
        some = found.select([column, numbers]).take(pa.array(at)).to_pylist()
        lists = [_called(called, row[numbers], row[column]) for row in some]
        fresh = Edits({("row", "names"): (at, lists)})
        found = corrections.apply(found, fresh, [Subjects("row", "row", {"names": column})])
    return found.drop_columns(["row"])


def _called(
    called: dict[int, str], numbers: list[int], names: list[str] | None
) -> list[str] | None:
    if names is None or len(names) != len(numbers):
        return names
    return [called.get(number, name) for number, name in zip(numbers, names, strict=True)]


def _shown(found: pa.Table) -> pa.Table:
    """The table as it is shown: what an album says of its tracks, and the reverse."""
    for name, other in (("album_artists", "artists"), ("release_date", "album_date")):
        at = found.schema.get_field_index(name)
        found = found.set_column(at, name, pc.coalesce(found[name], found[other]))
    return found.drop_columns(["album_key", "album_date", "numbers", "album_numbers"])


_MADE_OF: dict[str, tuple[str, ...]] = {
    "title": ("tracks.title",),
    "artists": ("tracks.artists", "artists.name"),
    "album": ("tracks.album", "albums.title"),
    "album_artists": ("tracks.album", "albums.artists", "artists.name"),
    "disc_number": ("tracks.disc_number",),
    "track_number": ("tracks.track_number",),
    "isrc": ("tracks.isrcs",),
    "release_date": ("tracks.release_date",),
    "album_date": ("tracks.album", "albums.release_date"),
    "duration_ms": ("tracks.duration_ms",),
    "genres": ("tracks.genres",),
    "label": ("tracks.album", "albums.label"),
    "upc": ("tracks.album", "albums.upc"),
    "licence": ("tracks.licence",),
    "popularity": ("tracks.popularity",),
}
"""The columns of a layer that each column of `_DISPLAY` is made of."""


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
        leaves = {f"{name}.{column}" for name, one in tables.items() for column in one}
        found[source] = frozenset(name for name, of in _MADE_OF.items() if leaves.issuperset(of))
    return found


def display_permitted(
    snapshot: Snapshot, recordings: npt.NDArray[np.uint64], leave: Permitted
) -> pa.Table:
    """As `display`, by sources that may be told to anybody alone; what may not is null, unless a
    curator said it, whose word is the archive's own."""
    sources = leave.sources("title")
    everywhere = len(sources) == len(snapshot.manifest.layers)
    where = "" if everywhere else "WHERE t.source IN (FROM permitted) OR m.track IN (FROM own)"
    with snapshot.connect(*_VIEWS) as connection:
        connection.register("asked", pa.table({"recording": np.unique(recordings)}))
        connection.register("permitted", pa.table({"source": pa.array(sources, pa.string())}))
        connection.register("own", pa.table({"track": leave.own}))
        found = connection.sql(_DISPLAY.format(where=where)).to_arrow_table()
        for name in ("asked", "permitted", "own"):
            connection.unregister(name)
        return _shown(_corrected(connection, snapshot, _blanked(found, leave)))


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
