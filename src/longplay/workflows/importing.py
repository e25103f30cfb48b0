"""`catalogue import`, `catalogue stats`: sources' tags and tables become layers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from longplay.archive import Archive
from longplay.catalogue import coverage
from longplay.catalogue.importers import columns
from longplay.catalogue.importers.relation_map import RelationMap
from longplay.catalogue.importers.table import import_table
from longplay.catalogue.importers.tags import import_tags
from longplay.catalogue.imports import Imported
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError, UsageError
from longplay.rights import rows
from longplay.settings import Source
from longplay.workflows import rights

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to import: a folder of files or tables of one source. `form` is `tags`, `table` or
    None (told by the path); `column_map` a map file, or the name of one that ships."""

    paths: tuple[Path, ...]
    form: str | None = None
    column_map: str | None = None
    name: str | None = None
    licence: str | None = None
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import brought; rows that it gave = tracks held + duplicates + rejected."""

    source: str
    snapshot: int
    rows: dict[str, int]
    duplicates: int
    rejected: int
    coverage: float | None
    seconds: float

    def document(self) -> dict[str, Any]:
        """As `catalogue import --json` prints it."""
        return {name: getattr(self, name) for name in self.__slots__}


def import_paths(archive: Archive, request: Request, *, progress: Progress) -> ImportReport:
    """Import into the catalogue, and what it says of rights into the ledger."""
    missing = next((path for path in request.paths if not path.exists()), None)
    if missing is not None:
        raise InputError("is not there", where=str(missing), hint="check the path")
    form = request.form or ("tags" if request.paths[0].is_dir() else "table")
    if form == "tags":
        done = _tags(archive, request, progress)
    elif form == "table":
        done = _table(archive, request, progress)
    else:
        raise UsageError(f"there is no format {form!r}", hint="tags or table")
    rights.record_layer(archive, done.source)
    return _report(done)


def stats(archive: Archive) -> coverage.Stats:
    """The catalogue in figures."""
    return coverage.stats(open_current(archive.catalogue))


def _tags(archive: Archive, request: Request, progress: Progress) -> Imported:
    if len(request.paths) != 1 or not request.paths[0].is_dir():
        raise UsageError("tags are read from one folder", hint="name the folder of a source")
    source = _source_of(archive, request)
    return import_tags(
        archive.catalogue,
        source.name,
        Path(source.location),
        licence=request.licence,
        limits=archive.settings.limits,
        workers=request.workers,
        progress=lambda done, total: progress(done, total or 0, ""),
    )


def _source_of(archive: Archive, request: Request) -> Source:
    """The source whose folder is imported."""
    location = str(request.paths[0].resolve())
    for source in archive.settings.sources:
        if source.location == location and request.name in (None, source.name):
            return source
    raise UsageError(
        "is no source of this archive",
        where=location,
        hint="say what may be done with it: longplay source add NAME folder PATH --rights URI",
    )


def _table(archive: Archive, request: Request, progress: Progress) -> Imported:
    name = request.name or slug(request.paths[0])
    if archive.settings.source(name):
        raise UsageError(f"{name} is a source of files", hint="give the table another --name")
    return import_table(
        archive.catalogue,
        name,
        request.paths,
        table_map=_load_map(request.column_map) if request.column_map else None,
        licence=request.licence,
        check_rights=rows.check_text,
        progress=progress,
    )


def _load_map(name: str) -> columns.TableMap | RelationMap:
    if Path(name).exists():
        return columns.load(Path(name))
    shipped = files("longplay.catalogue") / "maps" / f"{name.removesuffix('.toml')}.toml"
    if "/" in name or not shipped.is_file():
        raise InputError("is not there", where=name, hint="name a map file, or one that ships")
    with as_file(shipped) as path:
        return columns.load(path)


def slug(path: Path) -> str:
    """A source's name made from a file's or folder's."""
    stem = path.resolve().name.split(".")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:63] or "source"


def _report(done: Imported) -> ImportReport:
    brought = {name: getattr(done, name) for name in ("tracks", "albums", "artists")}
    return ImportReport(
        done.source,
        done.snapshot,
        brought,
        done.duplicates,
        done.rejected,
        done.coverage,
        done.seconds,
    )
