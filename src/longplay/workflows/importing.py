"""`catalogue import`, `catalogue stats`: sources of every format become layers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from longplay.archive import Archive
from longplay.catalogue import coverage
from longplay.catalogue.importers import columns
from longplay.catalogue.importers.discogs.importing import import_discogs
from longplay.catalogue.importers.listens.importing import import_listens
from longplay.catalogue.importers.musicbrainz.importing import import_musicbrainz
from longplay.catalogue.importers.oai.importing import import_oai
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
class Harvest:
    """How an OAI-PMH repository is asked: see `import_oai`."""

    set: str | None = None
    prefix: str = "oai_dc"
    since: str | None = None
    fresh: bool = False
    pause: float = 1.0
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What to import, of one source: a folder of files, tables, dumps, histories, or a repository's
    address. `form` is one of `FORMS` or None (told by the path); `column_map` a map file, or the
    name of one that ships; `declared` is what the source says it has, as `1200` or `albums=80`;
    `half_life_days` weighs listens, and `harvest` is for repositories."""

    paths: tuple[str, ...]
    form: str | None = None
    column_map: str | None = None
    name: str | None = None
    licence: str | None = None
    declared: tuple[str, ...] = ()
    workers: int | None = None
    half_life_days: float | None = None
    harvest: Harvest = Harvest()

    @property
    def files(self) -> tuple[Path, ...]:
        """The paths. Raises InputError where one is not there."""
        found = tuple(map(Path, self.paths))
        missing = next((path for path in found if not path.exists()), None)
        if missing is not None:
            raise InputError("is not there", where=str(missing), hint="check the path")
        return found


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
    form = request.form or recognise(request.paths[0])
    importer = FORMS.get(form)
    if importer is None:
        raise UsageError(f"there is no format {form!r}", hint=", ".join(FORMS))
    _require_used(form, request)
    done = importer(archive, request, progress)
    rights.record_layer(archive, done.source)
    return _report(done)


def _require_used(form: str, request: Request) -> None:
    """Raise UsageError for an option that the format has no use for: whoever gave it expects what
    will not happen."""
    usual = Harvest()
    given = {
        "--map": request.column_map,
        "--declared": request.declared,
        "--workers": request.workers,
        "--half-life": request.half_life_days,
        **{
            f"--{name.replace('_', '-')}": getattr(request.harvest, name) != getattr(usual, name)
            for name in Harvest.__slots__
        },
    }
    for option, value in given.items():
        users = _USERS.get(option, ("oai",))
        if value not in (None, (), False) and form not in users:
            raise UsageError(
                f"{option} means nothing to an import of {form}",
                where=request.paths[0],
                hint=f"it is for {', '.join(users)}: leave it out, or say --format",
            )


_USERS = {
    "--map": ("table",),
    "--declared": ("table", "musicbrainz", "discogs", "listens", "oai"),
    "--workers": ("tags",),
    "--half-life": ("listens",),
}
"""Which formats have a use for an option; those that are not named here are for repositories."""


def recognise(path: str) -> str:
    """The format of what lies at a path, by its name."""
    name = path.rstrip("/").rpartition("/")[2].lower()
    if re.match(r"https?://", path):
        return "oai"
    if Path(path).is_dir():
        return "tags"
    for form, pattern in _NAMES.items():
        if re.search(pattern, name):
            return form
    return "table"


def stats(archive: Archive, *, drawing: Path | None = None) -> coverage.Stats:
    """The catalogue in figures; with `drawing` also in pictures."""
    snapshot = open_current(archive.catalogue)
    if drawing is not None:
        from longplay.catalogue import pictures

        pictures.draw(snapshot, drawing)
    return coverage.stats(snapshot)


def _tags(archive: Archive, request: Request, progress: Progress) -> Imported:
    folders = request.files
    if len(folders) != 1 or not folders[0].is_dir():
        raise UsageError("tags are read from one folder", hint="name the folder of a source")
    source = _source_of(archive, request)
    return import_tags(
        archive.catalogue,
        source.name,
        Path(source.location),
        licence=request.licence,
        limits=archive.settings.limits,
        workers=request.workers,
        progress=_counted(progress),
    )


def _counted(progress: Progress) -> Callable[[int, int | None], None]:
    return lambda done, total: progress(done, total or 0, "")


def _source_of(archive: Archive, request: Request) -> Source:
    """The source whose folder is imported."""
    location = str(request.files[0].resolve())
    for source in archive.settings.sources:
        if source.location == location and request.name in (None, source.name):
            return source
    raise UsageError(
        "is no source of this archive",
        where=location,
        hint="say what may be done with it: longplay source add NAME folder PATH --rights URI",
    )


def _name(archive: Archive, request: Request) -> str:
    """The name of a source that is no folder of files.

    A name that nobody gave is that of the first file, and two files of one name may be two sources:
    then UsageError is raised, before one takes the place of the other.
    """
    name = request.name or slug(Path(request.paths[0]))
    if archive.settings.source(name):
        raise UsageError(f"{name} is a source of files", hint="give this one another --name")
    if request.name is None:
        layer = open_current(archive.catalogue).manifest.layers.get(name)
        first = request.paths[0]
        here = first if re.match(r"https?://", first) else str(Path(first).resolve())
        if layer and layer.origin and layer.origin[0] != here:
            raise UsageError(
                f"there is a source {name} already, which came from {layer.origin[0]}",
                where=first,
                hint=f"give this one another --name, or replace that one with --name {name}",
            )
    return name


def _declared(request: Request, subject: str = "tracks") -> dict[str, int]:
    """By table how many rows the source says there are; a mere number is of `subject`."""
    found = {}
    for text in request.declared:
        table, _, number = text.rpartition("=")
        if not re.fullmatch(r"[0-9]{1,15}", number) or table not in ("", *coverage.COUNTED):
            raise UsageError(
                "is no number of rows", where=text, hint="say --declared 1200, or albums=80"
            )
        found[table or subject] = int(number)
    return found


def _table(archive: Archive, request: Request, progress: Progress) -> Imported:
    return import_table(
        archive.catalogue,
        _name(archive, request),
        request.files,
        table_map=_load_map(request.column_map) if request.column_map else None,
        licence=request.licence,
        declared=_declared(request),
        check_rights=rows.check_text,
        progress=progress,
    )


def _musicbrainz(archive: Archive, request: Request, progress: Progress) -> Imported:
    return import_musicbrainz(
        archive.catalogue,
        _name(archive, request),
        request.files,
        licence=request.licence,
        declared=_declared(request),
        progress=_counted(progress),
    )


def _discogs(archive: Archive, request: Request, progress: Progress) -> Imported:
    return import_discogs(
        archive.catalogue,
        _name(archive, request),
        request.files,
        licence=request.licence,
        declared=_declared(request),
        progress=_counted(progress),
    )


def _listens(archive: Archive, request: Request, progress: Progress) -> Imported:
    return import_listens(
        archive.catalogue,
        _name(archive, request),
        request.files,
        half_life_days=request.half_life_days,
        licence=request.licence,
        declared=_declared(request, "listens"),
        progress=_counted(progress),
    )


def _oai(archive: Archive, request: Request, progress: Progress) -> Imported:
    if len(request.paths) != 1:
        raise UsageError("one repository is harvested at a time", where=request.paths[1])
    return import_oai(
        archive.catalogue,
        _name(archive, request),
        request.paths[0],
        licence=request.licence,
        declared=_declared(request),
        progress=_counted(progress),
        **asdict(request.harvest),
    )


FORMS: dict[str, Callable[[Archive, Request, Progress], Imported]] = {
    "tags": _tags,
    "table": _table,
    "musicbrainz": _musicbrainz,
    "discogs": _discogs,
    "listens": _listens,
    "oai": _oai,
}
_NAMES = {
    "musicbrainz": r"^mbdump.*\.tar",
    "discogs": r"^discogs.*_(artists|labels|masters|releases)\.xml",
    "listens": r"listens?.*\.(tar|zip|listens)|^(streaming_history|endsong)|\.listens$",
}


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
    names = ("listens", "matched") if done.listens else ("tracks", "albums", "artists")
    brought = {name: getattr(done, name) for name in names}
    return ImportReport(
        done.source,
        done.snapshot,
        brought,
        done.duplicates,
        done.rejected,
        done.coverage,
        done.seconds,
    )
