"""The importer of OAI-PMH repositories: harvest what is new, then make the layer of all that is
held of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from longplay.catalogue import imports, inline, schema
from longplay.catalogue.importers.oai import harvesting, received
from longplay.catalogue.importers.oai.fetching import Manners
from longplay.catalogue.importers.oai.harvesting import State
from longplay.catalogue.staging import Staging
from longplay.errors import UsageError

Progress = Callable[[int, int], None]


def _quiet(_done: int, _total: int) -> None:
    """Show no progress."""


def import_oai(
    folder: Path,
    source: str,
    url: str,
    *,
    set: str | None = None,
    prefix: str = "oai_dc",
    since: str | None = None,
    licence: str | None = None,
    declared: Mapping[str, int] | None = None,
    fresh: bool = False,
    pause: float = 1.0,
    allow_private: bool = False,
    manners: Manners | None = None,
    progress: Progress = _quiet,
) -> imports.Imported:
    """Harvest the sound of an OAI-PMH repository as the layer `source` of the catalogue at
    `folder`.

    `url` is the repository's base URL, `prefix` the metadata format (`oai_dc` or a form of MODS or
    of qualified Dublin Core), `set` one of its sets, `since` a date (`2024-05-31`) before which
    nothing is asked for. A harvest that was cut short goes on; one that is complete asks for what
    has changed since; `fresh` begins anew. `pause` are the seconds between requests. Addresses in
    private networks are refused without `allow_private`. `declared` overrides the server's
    count.

    Every record is a row: sound with a title is held, a later version of a record makes the earlier
    one a duplicate, and what was deleted, is not sound or says too little is rejected with its
    reason. Raises InputError when the server cannot be read, UsageError, LockedError; what was
    harvested by then is kept, and the catalogue stays as it was.
    """
    if not imports.SOURCE_NAME.fullmatch(source):
        raise UsageError("is no name for a source", where=source[:80])
    kept = harvesting.folder_of(folder, source)
    wanted = State(url=url, prefix=prefix, set=set, since=since)
    manners = manners or Manners(pause=pause, allow_private=allow_private)
    state = harvesting.harvest(kept, wanted, manners, progress, fresh=fresh)

    def fill(stage: Staging) -> imports.Staged:
        count = received.read_pages(stage.connection, kept, state, progress)
        _stage(stage)
        said = {} if state.declared is None else {"tracks": state.declared}
        return imports.Staged(count, said)

    return imports.run(
        folder,
        source,
        fill,
        kind="oai",
        licence=licence,
        declared=declared,
        origin=[url],
        may_be_empty=True,
    )


def _stage(stage: Staging) -> None:
    """Hand on what stands of each record, and why others do not."""
    connection = stage.connection
    connection.execute(received.PREPARE)
    # The last version first: the first row of an id is the one that is held.
    inline.stage(connection, f"{schema.empty(schema.STAGED)} UNION ALL BY NAME {_TRACKS}")
    for query, take in ((_RIGHTS, stage.rights), (_REJECTS, stage.rejects)):
        cursor = connection.cursor()
        for batch in cursor.sql(query).to_arrow_reader(received.BATCH):
            take(batch)
        cursor.close()


_TRACKS = """
SELECT -i.seq AS record, identifier AS own_id, title, artists, album, duration_ms, isrcs, upc,
    label, release_date, nullif(genres, []) AS genres, rights[1] AS licence
FROM items i JOIN last ON identifier = name WHERE held
"""
_RIGHTS = """
SELECT identifier AS own_id, unnest(rights) AS text, 'licence' AS field, place FROM items
SEMI JOIN (SELECT seq FROM last WHERE held) USING (seq)
"""
_REJECTS = """
SELECT place, nullif(identifier, '') AS own_id, title AS content,
    CASE WHEN i.seq = l.seq THEN problem ELSE 'has a later version, which is no track' END AS reason
FROM items i JOIN last l ON coalesce(nullif(identifier, ''), chr(0) || i.seq) = name
WHERE NOT held ORDER BY i.seq
"""
