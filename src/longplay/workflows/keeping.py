"""`keep` and `restore`: a folder of one's own music in, and back out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from longplay.archive import Archive, add_source, create, is_fresh, open_archive
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.errors import InputError, UsageError
from longplay.files import escape
from longplay.planning import Plan
from longplay.rights.statements import PERSONAL
from longplay.settings import SETTINGS_FILE, Source
from longplay.workflows import capturing, importing, planning, rights
from longplay.workflows.restoring import Restored
from longplay.workflows.restoring import restore as restore_source

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Kept:
    """What `keep` did, step by step."""

    imported: importing.ImportReport
    plan: Plan
    captured: capturing.Captured


def choose_archive(folder: Path, option: Path | None) -> Path:
    """The archive for `keep`: the one named, else the current folder if it is one or is empty,
    else `<name>-archive` in the current folder."""
    named = option or os.environ.get("LONGPLAY_ARCHIVE")
    if named:
        return Path(named)
    here = Path()
    if (here / SETTINGS_FILE).exists() or is_fresh(here):
        return here
    return Path(f"{importing.slug(folder)}-archive")


def keep(folder: Path, place: Path, *, workers: int | None, progress: Progress) -> Kept:
    """Preserve every file of `folder` in the archive at `place`, which is made if need be."""
    if not folder.is_dir():
        raise InputError("is not a folder", where=str(folder), hint="name a folder of music")
    refuse_nesting(folder, place)
    create(place).ledger.close()
    source = _own_source(place, folder)
    add_source(place, source)
    with open_archive(place) as archive:
        rights.record_sources(archive)
        request = importing.Request((str(folder),), "tags", name=source.name, workers=workers)
        imported = importing.import_paths(archive, request, progress=progress)
        plan = planning.plan_archive(archive, None, only=source.name)
        captured = capturing.capture(archive, limit=None, workers=workers, progress=progress)
    return Kept(imported, plan, captured)


def refuse_nesting(folder: Path, place: Path) -> None:
    """Raise InputError when the archive lies inside the folder, or the folder in the archive."""
    inner, outer = folder.resolve(), place.resolve()
    if inner == outer or outer.is_relative_to(inner):
        raise InputError("the archive lies inside the folder", where=str(place), hint=ELSEWHERE)
    if inner.is_relative_to(outer):
        raise InputError("the folder lies inside the archive", where=str(folder), hint=ELSEWHERE)


ELSEWHERE = "name an archive elsewhere with --archive"


def _own_source(place: Path, folder: Path) -> Source:
    """The source for this folder: the one that has it, or a new one under a free name."""
    location = utf8_location(folder)
    with open_archive(place) as archive:
        known = {source.name: source for source in archive.settings.sources}
    for source in known.values():
        if source.location == location:
            return source
    base = importing.slug(folder)
    names = [base, *(f"{base}-{number}" for number in range(2, len(known) + 3))]
    name = next(name for name in names if name not in known)
    return Source(name=name, kind="folder", location=location, rights=PERSONAL, keep="all")


def utf8_location(folder: Path) -> str:
    """A source's folder as the settings, which are UTF-8, can name it. Raises InputError."""
    location = str(folder.resolve())
    try:
        location.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            "the folder's name is not UTF-8",
            where=escape(os.fsencode(location)),
            hint="rename that folder; names of files in it may be anything",
        ) from error
    return location


def restore(
    archive: Archive, target: Path, source: str | None, words: list[str], *, progress: Progress
) -> list[Restored]:
    """Write the files of a source below `target`; of several sources, each below its name."""
    names = [one.name for one in archive.settings.sources]
    if source is not None and source not in names:
        raise UsageError(f"there is no source {source!r}", hint=f"one of {', '.join(names)}")
    chosen = [source] if source else names
    refuse_nesting(target, archive.folder)
    snapshot = open_current(archive.catalogue)
    done = []
    for name in chosen:
        texts = _texts(snapshot, name)

        def wanted(path: bytes, texts: dict[bytes, str] = texts) -> bool:
            text = f"{escape(path)} {texts.get(path, '')}".casefold()
            return path in texts and all(word.casefold() in text for word in words)

        folders, links = _surroundings(snapshot, name) if not words else ([], [])
        done.append(
            restore_source(
                archive,
                target if len(chosen) == 1 else target / name,
                name,
                wanted=wanted,
                folders=iter(folders),
                links=iter(links),
                progress=progress,
            )
        )
    return done


def _texts(snapshot: Snapshot, source: str) -> dict[bytes, str]:
    """Title, artists and album of each file that the source has now."""
    with snapshot.connect("offers", "named_tracks", "albums") as connection:
        rows = connection.execute(
            "SELECT o.path, concat_ws(' ', t.title, array_to_string(t.artists, ' '), a.title)"
            " FROM offers o LEFT JOIN named_tracks t USING (track) LEFT JOIN albums a"
            " ON t.album = a.album WHERE o.source = ?",
            [source],
        ).fetchall()
    texts: dict[bytes, str] = {}
    for path, text in rows:
        texts[path] = f"{texts.get(path, '')} {text}"
    return texts


Surroundings = tuple[list[tuple[bytes, int, int]], list[tuple[bytes, bytes]]]


def _surroundings(snapshot: Snapshot, source: str) -> Surroundings:
    """The folders of a source with their modes and times, and its symbolic links."""
    with snapshot.connect("offers") as connection:
        rows = connection.execute(
            "SELECT kind, path, mode, mtime_ns, target FROM offers"
            " WHERE source = ? AND kind IN ('folder', 'symlink') ORDER BY path",
            [source],
        ).fetchall()
    folders = [
        (path, mode & 0o7777, time) for kind, path, mode, time, _ in rows if kind == "folder"
    ]
    links = [(path, goal) for kind, path, _, _, goal in rows if kind == "symlink"]
    return folders, links
