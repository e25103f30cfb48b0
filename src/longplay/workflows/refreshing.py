"""`source refresh`: ask sources what they offer, and put it into listings and the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from longplay.archive import Archive
from longplay.capture import listings
from longplay.capture.sources.ddex import DdexSource
from longplay.capture.sources.opening import open_source
from longplay.catalogue.importers.offers import import_offers
from longplay.errors import UsageError
from longplay.files import writer_lock
from longplay.settings import Source
from longplay.workflows import deals, importing, rights, takedowns

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a source offers now: files, how many of them are sound, tracks of the catalogue; of a
    label's deliveries also how many objects are withdrawn by takedowns, or given back, and what
    is amiss in them."""

    source: str
    files: int
    sound: int
    tracks: int
    rejected: int
    withdrawn: int = 0
    returned: int = 0
    problems: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As `source refresh --json` prints it."""
        return {name: getattr(self, name) for name in self.__slots__}


def refresh(
    archive: Archive, names: Sequence[str], *, workers: int | None, progress: Progress
) -> list[Refreshed]:
    """Ask the named sources, or all, what they offer now.

    A source that cannot be asked, or offers nothing, leaves what it offered before as it is; the
    sources before it are done. Raises UsageError for a name that is none.
    """
    known = {source.name: source for source in archive.settings.sources}
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no source {name!r}", hint=f"one of {', '.join(known) or 'none yet'}"
            )
    rights.record_sources(archive)
    chosen = [known[name] for name in names or known]
    return [_refresh(archive, source, workers, progress) for source in chosen]


def _refresh(
    archive: Archive, source: Source, workers: int | None, progress: Progress
) -> Refreshed:
    if source.kind == "folder":
        request = importing.Request(
            (source.location,),
            "tags",
            name=source.name,
            licence=source.licence or None,
            workers=workers,
        )
        report = importing.import_paths(archive, request, progress=progress)
        tracks = report.rows["tracks"]
        return Refreshed(source.name, tracks, tracks, tracks, report.rejected)
    opened = open_source(source, archive.folder)
    try:
        with writer_lock(archive.listings / f"{source.name}.lock", "listing"):
            written = listings.write(
                archive.listings,
                source.name,
                opened.offers(),
                lambda count: progress(count, 0, source.name),
                may_be_empty=isinstance(opened, DdexSource),
            )
    finally:
        opened.close()
    followed = takedowns.NOTHING
    problems: tuple[str, ...] = ()
    if isinstance(opened, DdexSource):
        # Before the layer is there: no track may stand in it by the source's right alone.
        followed = takedowns.apply_takedowns(archive, source, opened.survey)
        deals.state_deals(archive, source, opened.survey)
        problems = tuple(map(str, opened.problems))
        if followed.elsewhere:
            words = "objects that a takedown names stay, since other sources led to them as well"
            problems = (*problems, f"{followed.elsewhere:,} {words}")
    path = listings.path_of(archive.listings, source.name)
    imported = import_offers(
        archive.catalogue,
        source.name,
        path,
        licence=source.licence or None,
        may_be_empty=isinstance(opened, DdexSource),
    )
    rights.record_layer(archive, source.name)
    return Refreshed(
        source.name,
        written.files,
        written.sound,
        imported.tracks,
        imported.rejected,
        followed.withdrawn,
        followed.returned,
        problems,
    )
