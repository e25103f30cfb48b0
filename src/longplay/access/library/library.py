"""The library of a served archive: built when it is first asked for, and anew when that changes."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from longplay import clock
from longplay.access.library.things import Track
from longplay.access.library.view import View
from longplay.archive import Archive
from longplay.catalogue import ids
from longplay.catalogue.describe import display
from longplay.catalogue.layout import current_number
from longplay.catalogue.snapshot import open_current
from longplay.files import escape
from longplay.ledger import log, tables, tally
from longplay.workflows import tallying
from longplay.workflows.withdrawing import Standing


class Library:
    """What is held, for all threads of a process."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._seen: tuple[int, int] = (-1, -1)
        self._tracks: list[Track] = []
        self._modified = datetime.fromtimestamp(0, UTC)

    def view(self, signed_in: bool, standing: Standing) -> View:
        """What a listener may hear now."""
        with self._archive.ledger.read() as connection:
            seen = log.head(connection), current_number(self._archive.catalogue)
        with self._lock:
            if seen != self._seen:
                self._tracks = _gather(self._archive)
                self._seen, self._modified = seen, clock.now()
        tracks = [
            track
            for track in self._tracks
            if track.root not in standing.roots and (signed_in or track.access == "open")
        ]
        version = f"{seen[0]}-{seen[1]}-{int(signed_in)}"
        return View(tracks, version, self._modified)


def _gather(archive: Archive) -> list[Track]:
    tallying.judge(archive)
    h, o, m = tables.holdings.c, tables.objects.c, tables.manifestations.c
    query = (
        sa.select(
            h.source, h.path, h.root, o.size, o.suffix, o.access, h.track, h.album, m.recording
        )
        .join(tables.objects, o.root == h.root)
        .join(tables.manifestations, m.root == h.root)
        .where(h.superseded == 0, o.kind == "audio", o.access < tally.ACCESS.index("dark"))
        .order_by(h.source, h.path)
    )
    with archive.ledger.read() as connection:
        rows = connection.execute(query).all()
    keys = np.array([row.recording for row in rows], np.uint64)
    shown = display(open_current(archive.catalogue), keys).to_pylist() if len(keys) else []
    known: dict[int, dict[str, Any]] = {row["recording"]: row for row in shown}
    return [_track(row, known.get(row.recording, {})) for row in rows]


def _track(row: Any, said: dict[str, Any]) -> Track:
    folder, _, name = escape(row.path).rpartition("/")
    key = row.track or row.recording
    album = row.album or ids.row_key("al", row.source, f"%/{folder}")
    artists = [
        (ids.text("ar", ids.row_key("ar", "", one)), one) for one in said.get("artists") or ()
    ]
    credited = [
        (ids.text("ar", ids.row_key("ar", "", one)), one) for one in said.get("album_artists") or ()
    ]
    date = said.get("release_date")
    title = said.get("title") or name
    return Track(
        id=ids.text("tr", key),
        recording=ids.text("rec", row.recording),
        title=title,
        artist="; ".join(one for _, one in artists),
        artists=tuple(artists),
        album=said.get("album") or folder.rpartition("/")[2] or row.source,
        album_id=ids.text("al", album),
        album_artist="; ".join(one for _, one in credited),
        album_artists=tuple(credited),
        track_number=said.get("track_number"),
        disc_number=said.get("disc_number"),
        year=int(date[:4]) if date else None,
        release_date=date,
        genres=tuple(said.get("genres") or ()),
        duration_ms=said.get("duration_ms") or 0,
        bytes=row.size,
        suffix=row.suffix,
        media_type="audio/*",
        bit_rate=None,
        sample_rate=None,
        bit_depth=None,
        channels=None,
        isrc=said.get("isrc"),
        mbid=None,
        popularity=said.get("popularity"),
        listens=None,
        path=f"{row.source}/{title}{row.suffix}",
        folder=f"fo-{row.source}",
        created="2026-01-01T00:00:00Z",
        access=("open", "restricted")[row.access],
        root=bytes(row.root),
        cover=None,
        replay_gain=None,
        composers=(),
        conductors=(),
        licence=said.get("licence"),
        explicit=None,
        start_ms=0,
        end_ms=None,
    )
