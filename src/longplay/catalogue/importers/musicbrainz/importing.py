"""`catalogue import --format musicbrainz`: dumps become a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from longplay.catalogue import imports, licences
from longplay.catalogue.importers.musicbrainz import rows
from longplay.catalogue.importers.musicbrainz.spool import Spooled, spool
from longplay.catalogue.imports import Imported, Staged
from longplay.catalogue.staging import Staging
from longplay.errors import InputError, UsageError

FORM = "musicbrainz"


def import_musicbrainz(
    folder: Path,
    source: str,
    paths: Sequence[Path],
    *,
    licence: str | None = None,
    declared: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None],
) -> Imported:
    """Replace the layer of `source` in the catalogue `folder` by the dumps in `paths`.

    Each path is an `mbdump….tar.bz2`, the same unpacked to a `.tar`, or a folder of the tables'
    files; together they are one import. `progress` gets bytes read and their total. Raises
    InputError for what is no dump, is damaged or cut short, has an unknown schema, or has no track
    or no recording of use; nothing changes then.
    """
    if not paths:
        raise UsageError("no dump to import", hint="name mbdump.tar.bz2")

    def fill(stage: Staging) -> Staged:
        place = stage.scratch / "musicbrainz"
        place.mkdir()
        found = spool(paths, place, stage.rejects, progress)
        _require(found, paths[0])
        rows.prepare(stage.connection, found)
        return _stage(stage, found)

    licence = licence or licences.DEFAULTS[FORM]
    return imports.run(
        folder,
        source,
        fill,
        kind=FORM,
        licence=licence,
        licences=licences.exceptions(licence, FORM),
        declared=declared,
        origin=paths,
    )


def _require(found: dict[str, Spooled], path: Path) -> None:
    """A dump without tracks and recordings, or with none that can be read, is the wrong one."""
    main = [found[name] for name in ("track", "recording") if name in found]
    if not main:
        raise InputError(
            "holds neither tracks nor recordings",
            where=str(path),
            hint="give mbdump.tar.bz2 as well",
        )
    for table in main:
        if not table.held:
            rejected = table.rejected
            raise InputError(
                f"none of its {rejected} rows can be used" if rejected else "has no row in it",
                where=table.place,
                hint="is the dump whole, and of a known schema? nothing was imported",
            )


def _stage(stage: Staging, found: dict[str, Spooled]) -> Staged:
    for batch in rows.artists(stage.connection):
        stage.artists(batch)
    for batch in rows.albums(stage.connection):
        stage.albums(batch)
    for batch in rows.redirects(stage.connection):
        stage.aliases(batch)
    given = 0
    for batch in rows.tracks(stage.connection):
        given += batch.num_rows
        licence = pc.list_element(pc.fill_null(batch["urls"], [""]), 0)
        licence = pc.if_else(pc.equal(licence, ""), None, licence)
        stage.tracks(
            batch.drop_columns(["urls", "stated", "releases"]).append_column("licence", licence)
        )
        _rights(stage, batch)
    rejected = sum(table.rejected for table in found.values())
    said = {
        kind: found[name].held + found[name].rejected
        for kind, name in (("artists", "artist"), ("albums", "release"))
        if name in found
    }
    return Staged(given + rejected, {**said, "tracks": rows.declared(stage.connection)})


def _rights(stage: Staging, batch: pa.RecordBatch) -> None:
    """Stage the licences that recordings and releases link to, each with where that stands."""
    parents = pc.list_parent_indices(batch["urls"])
    if not len(parents):
        return
    stated = batch["stated"].take(parents)
    stage.rights(
        pa.table(
            {
                "own_id": batch["own_id"].take(parents),
                "text": pc.list_flatten(batch["urls"]),
                "field": pa.repeat("license", len(parents)),
                "place": pc.binary_join_element_wise("mbdump", stated, "/"),
            }
        )
    )
