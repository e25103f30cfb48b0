"""Recordings as people know them: one track's names and numbers for each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue.snapshot import Snapshot

_DISPLAY = """
WITH chosen AS (SELECT asked.recording, t.*, m.track FROM asked JOIN members m USING (recording)
        JOIN tracks t USING (track)
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
        found = connection.sql(_DISPLAY).to_arrow_table()
        connection.unregister("asked")
        return found
