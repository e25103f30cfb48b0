"""A listing of what a source offers (docs/formats/listing.md): tracks, files and rights of a layer.

Several files of one track (its `own_id`) are several offers of it; the first one's words count.
"""

from __future__ import annotations

from pathlib import Path

from longplay.catalogue import database, imports, inline
from longplay.catalogue.staging import Staging


def import_offers(
    folder: Path,
    source: str,
    listing: Path,
    *,
    licence: str | None = None,
    may_be_empty: bool = False,
) -> imports.Imported:
    """Import a listing as the layer of `source`. Raises InputError where no track is in it, unless
    it `may_be_empty`: a source that says so means it."""

    def fill(stage: Staging) -> imports.Staged:
        connection = stage.connection
        connection.execute(f"CREATE VIEW listing AS SELECT * FROM {database.parquet([listing])}")
        inline.stage(connection, _TRACKS)
        connection.execute(f"INSERT INTO staged_offers BY NAME {_OFFERS}")
        connection.execute(f"INSERT INTO staged_rights BY NAME {_RIGHTS}")
        count = database.one(connection, "SELECT count(*) FROM staged")
        return imports.Staged(count, {"tracks": count})

    return imports.run(
        folder,
        source,
        fill,
        kind="offers",
        licence=licence,
        origin=[listing],
        may_be_empty=may_be_empty,
    )


_TRACKS = """
SELECT number AS record, own_id, title, artists, NULL::VARCHAR[] AS artist_ids, album, album_id,
    NULL::VARCHAR AS album_mbid, nullif(array_to_string(album_artists, '; '), '') AS album_context,
    CASE WHEN len(album_artists) > 0 THEN album_artists END AS album_artists,
    disc_number, track_number, duration_ms, isrcs, upc, label, release_date, genres,
    popularity, listens, list_filter(rights,
        lambda one: one.field NOT IN ('copyright', 'phonographic'))[1].text AS licence
FROM listing WHERE kind = 'audio'
    QUALIFY row_number() OVER (PARTITION BY own_id ORDER BY number) = 1
"""

_OFFERS = """
SELECT o.path, o.kind, o.size AS bytes, o.mtime_ns, o.codec AS container, o.codec, o.duration_ms,
    o.bit_rate, o.lossless, CASE WHEN o.kind = 'audio' THEN o.own_id END AS track_own_id,
    CASE WHEN o.kind = 'audio' THEN o.own_id ELSE b.own_id END AS album_like
FROM listing o LEFT JOIN listing b ON o.beside = b.path
"""

_RIGHTS = """
SELECT DISTINCT own_id, unnest(rights).text AS text, unnest(rights).field AS field, place
FROM listing WHERE kind = 'audio'
"""
