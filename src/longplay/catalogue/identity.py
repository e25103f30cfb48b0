"""Where an id leads now: every id that ever existed resolves, to itself, its successor, or as one
that nothing stands behind any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from longplay.catalogue import ids, keys, layout, prune, tracks
from longplay.catalogue.ids import RowPrefix
from longplay.catalogue.snapshot import Snapshot, open_number
from longplay.catalogue.tracks import Tracks
from longplay.errors import ArchiveError, InputError

MAX_STEPS = 100
"""Identifiers that a source merged one into another, one after the other, before we stop."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of an id: `now` is itself or its successor, `live` whether that still has rows,
    `parts` the recordings that were split from it."""

    asked: str
    now: str
    live: bool
    parts: tuple[str, ...] = ()


def resolve(snapshot: Snapshot, identity: str) -> Resolution | None:
    """Follow an id; None when it never existed. Raises InputError when it is no id."""
    prefix, key = ids.parse(identity)
    with tracks.opened(snapshot) as looked:
        return resolve_key(looked, prefix, key)


def resolve_key(looked: Tracks, prefix: str, key: int) -> Resolution | None:
    """`resolve` by key, in a snapshot that is open already."""
    asked = ids.text(prefix, key)
    if prefix == "rec":
        return _recording(looked, asked, key)
    if looked.exists(cast(RowPrefix, prefix), key):
        return Resolution(asked, asked, True)
    if prefix == "tr" and _override(looked, key) is not None:
        return Resolution(asked, asked, False)
    now = key
    for _ in range(MAX_STEPS):
        following = _merged(looked.snapshot, cast(RowPrefix, prefix), now)
        if following is None or following == now:
            break
        now = following
    if now != key:
        live = looked.exists(cast(RowPrefix, prefix), now)
        return Resolution(asked, ids.text(prefix, now), live)
    before = _before(looked.snapshot, asked, cast(RowPrefix, prefix), key)
    if before is None and prune.retired(looked.snapshot.folder, prefix, key):
        return Resolution(asked, asked, False)
    return before


def current(looked: Tracks, prefix: str, key: int) -> int:
    """The key that an id leads to now. Raises InputError when it never existed."""
    found = resolve_key(looked, prefix, key)
    if found is None:
        raise InputError(
            "is not in the catalogue",
            where=ids.text(prefix, key),
            hint="`longplay catalogue search` shows ids",
        )
    return ids.parse(found.now)[1]


def recording_of(looked: Tracks, track: int) -> int:
    """The recording of a track. Raises InputError when no source has the track any more."""
    override = _override(looked, track)
    if override is not None:
        return override
    found = looked.find(track)
    if found is None:
        raise InputError("has no row any more", where=ids.text("tr", track), hint="name another")
    return int(ids.minted(np.array([looked.standing(found)], np.uint64))[0])


def members(looked: Tracks, recording: int) -> list[int]:
    """The tracks of a recording that sources have, in ascending order of their keys."""
    given = looked.connection.execute(
        "SELECT track FROM run_members WHERE recording = ? AND live", [recording]
    ).fetchall()
    found = {int(row[0]) for row in given}
    standing = int(ids.minted(np.array([recording], np.uint64))[0])
    first = looked.find(standing)
    if first is not None and first.same_as is None:
        mine = looked.standing_with(first)
        looked.connection.register("asked_tracks", pa.table({"track": np.array(mine, np.uint64)}))
        elsewhere = looked.connection.execute(
            "SELECT track FROM run_members SEMI JOIN asked_tracks USING (track)"
        ).fetchall()
        looked.connection.unregister("asked_tracks")
        found |= set(mine) - {int(row[0]) for row in elsewhere}
    return sorted(found)


def _override(looked: Tracks, track: int) -> int | None:
    """The recording that the joins' runs give to a track, live or not."""
    rows = looked.connection.execute(
        "SELECT recording FROM run_members WHERE track = ?", [track]
    ).fetchall()
    return int(rows[0][0]) if rows else None


def _recording(looked: Tracks, asked: str, key: int) -> Resolution | None:
    def column(query: str, *parameters: int) -> list[int]:
        return [row[0] for row in looked.connection.execute(query, list(parameters)).fetchall()]

    now = next(iter(column("SELECT successor FROM redirects WHERE recording = ?", key)), key)
    live = bool(members(looked, now))
    known = now != key or live or _minted(looked, key)
    if not known:
        return None
    parts = column(
        "SELECT part FROM splits WHERE recording IN (?, ?) ORDER BY snapshot, part", key, now
    )
    return Resolution(asked, ids.text("rec", now), live, tuple(ids.text("rec", x) for x in parts))


def _minted(looked: Tracks, key: int) -> bool:
    """Whether a recording that has no members now ever had that id: the runs say so of each that
    differs from what its layer alone would say."""
    return any(
        looked.connection.execute(
            f"SELECT 1 FROM {table} WHERE recording = ? LIMIT 1", [key]
        ).fetchall()
        for table in ("run_recordings", "run_members", "splits", "all_redirects")
    )


def _before(snapshot: Snapshot, asked: str, prefix: RowPrefix, key: int) -> Resolution | None:
    """An id that no layer has now: one from a snapshot before this one, as far as they are kept."""
    numbers = sorted(
        (
            number
            for path in (snapshot.folder / layout.SNAPSHOTS).glob("*.json")
            if (number := int(path.stem)) < snapshot.number
        ),
        reverse=True,
    )
    seen: set[str] = set()
    for number in numbers:
        try:
            older = open_number(snapshot.folder, number)
        except ArchiveError:
            continue  # What of it is pruned cannot be asked any more.
        names = {part.file for layer in older.manifest.layers.values() for part in layer.index}
        if names <= seen:
            continue
        seen |= names
        with tracks.opened(older) as looked:
            if looked.exists(prefix, key):
                return Resolution(asked, asked, False)
    return None


def successors(snapshot: Snapshot, recordings: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Where each recording's key leads now, for a whole column of them."""
    asked = pa.table({"place": np.arange(len(recordings)), "recording": recordings})
    with snapshot.connect("redirects") as connection:
        connection.register("asked", asked)
        found = connection.sql(
            "SELECT coalesce(successor, recording) AS now FROM asked LEFT JOIN redirects"
            " USING (recording) ORDER BY place"
        ).to_arrow_table()
        connection.unregister("asked")
    return np.asarray(found["now"].to_numpy(), np.uint64)


def _merged(snapshot: Snapshot, prefix: RowPrefix, key: int) -> int | None:
    """The key of the row that a source merged the row of this key into."""
    kind = {"tr": "track", "al": "album", "ar": "artist"}[prefix]
    for source, layer in snapshot.manifest.layers.items():
        for part in layer.tables.get("aliases", ()):
            rows = pq.read_table(snapshot.folder / part.file, filters=[("kind", "=", kind)])
            old = keys.row_keys(prefix, source, rows["old"].combine_chunks())
            places = np.flatnonzero(old == np.uint64(key))
            if len(places):
                return ids.row_key(prefix, source, rows["new"][int(places[0])].as_py())
    return None
