"""The whole catalogue: search, and everything that is known of one thing, held or not."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from longplay.access import answers, ark
from longplay.access.api import cursors, documents, models
from longplay.access.context import Context, context
from longplay.access.known import Known
from longplay.catalogue import ids, layout, licences
from longplay.catalogue.search import facets, finding, opening, query, showing
from longplay.catalogue.search.candidates import among
from longplay.catalogue.search.facets import Facets
from longplay.catalogue.search.finding import MOST_HITS, Hit
from longplay.catalogue.search.showing import Shown, Thing
from longplay.catalogue.snapshot import Snapshot, open_number
from longplay.errors import ArchiveError, InputError, UsageError
from longplay.workflows import kept

router = APIRouter(prefix="/api", tags=["catalogue"])

MOST = 100
"""Hits of one page."""

Cursor = Annotated[
    str | None,
    Query(
        max_length=cursors.MAX_CURSOR,
        pattern=cursors.PATTERN,
        description="`next` of the page before",
    ),
]


@router.get("/search", response_model=models.SearchPage, responses=documents.documented(404, 500))
def search(
    request: Request,
    q: Annotated[str, Query(max_length=1000, description="words and filters")] = "",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
    cursor: Cursor = None,
    whole: Annotated[bool, Query(description="the last word is no beginning")] = False,
    counted: Annotated[
        bool, Query(alias="facets", description="count by year, by genre, and what is held")
    ] = False,
) -> Response:
    """Recordings by the words of title, artist and album, the best first; held ones are marked.

    Filters: `artist:`, `album:`, `title:`, `year:1960-1969`, `genre:`, `popularity:50-`,
    `held:yes`, `isrc:`, `mbid:`. A filter that means nothing finds nothing, and a note says so.
    The pages of one search are of one state of the catalogue; there are 10,000 hits at most.
    """
    here = context(request)
    try:
        snapshot, place = _begin(here, cursor, q)
    except (InputError, ArchiveError) as error:
        return answers.refuse(404, "cursor", error.message)
    known = here.known()
    try:
        asked = query.parse(q, typing=not whole)
        layers = opening.layers(snapshot)
        start, wanted = place
        room = min(start + limit + 1, MOST_HITS)
        first = 0 if asked.held is not None else start
        found = finding.find(layers, asked, limit=room - first, offset=first, held=known.held)
    except UsageError as error:
        empty = models.SearchPage(
            query=q, total=0, meant=None, notes=[str(error)], items=[], facets=None, next=None
        )
        return documents.tell(request, empty, catalogue=True)
    hits = list(found.hits)
    if asked.held is not None:
        # What is held changes while somebody reads: go on after the hit that came last.
        recordings = [hit.recording for hit in hits]
        after = recordings.index(wanted) + 1 if wanted in recordings else start
        hits = hits[after:]
        start = after
    shown, more = hits[:limit], len(hits) > limit
    hidden = _hidden(here, [hit.recording for hit in shown])
    document = models.SearchPage(
        query=q,
        total=found.total,
        meant=found.meant,
        notes=list(found.notes),
        items=[_hit(here, known, hit) for hit in shown if hit.recording not in hidden],
        facets=_facets(facets.count(layers, asked, held=known.held)) if counted else None,
        next=cursors.write(snapshot.number, start + limit, shown[-1].recording, q)
        if more and start + limit < MOST_HITS
        else None,
    )
    return documents.tell(request, document, catalogue=True)


def _begin(here: Context, cursor: str | None, q: str) -> tuple[Snapshot, tuple[int, str]]:
    """The snapshot that a search is of, how many of its hits were told, and the last of them.
    Raises InputError, or ArchiveError when that snapshot has gone."""
    if cursor is None:
        return here.known().snapshot, (0, "")
    number, offset, last, asked = cursors.read(cursor, int, int, str, str)
    if asked != q or offset >= MOST_HITS:
        raise InputError("is no cursor of this search")
    known = here.known().snapshot
    if number == known.number:
        return known, (offset, last)
    if number > layout.current_number(here.archive.catalogue):
        raise InputError("is no cursor of this search")
    return open_number(here.archive.catalogue, number), (offset, last)


def _hit(here: Context, known: Known, hit: Hit) -> models.Hit:
    recording = ids.parse(hit.recording)[1]
    return models.Hit(
        id=hit.id,
        recording=hit.recording,
        ark=ark.of_archive(here, recording),
        title=hit.title,
        artists=list(hit.artists),
        album=hit.album,
        year=hit.year,
        duration_ms=hit.duration_ms,
        isrc=hit.isrc,
        popularity=hit.popularity,
        held=known.holds(recording),
        source=hit.source,
    )


def _facets(found: Facets) -> models.Facets:
    return models.Facets(
        years=list(found.years),
        genres=list(found.genres),
        held=list(found.held or ()),
        of=found.of,
        exact=found.exact,
    )


@router.get(
    "/catalogue/{identity}",
    response_model=models.Shown,
    responses=documents.documented(404, 451, 500),
)
def thing(identity: str, request: Request) -> Response:
    """Everything that is known of a `tr`, `al`, `ar` or `rec` id, an ISRC, a UPC or a MusicBrainz
    id: each fact with the source that says it, and what that source's licence permits."""
    return _show(request, identity, None)


@router.get(
    "/tracks/{identity}",
    response_model=models.Shown,
    responses=documents.documented(404, 451, 500),
)
def track(identity: str, request: Request) -> Response:
    """Everything that is known of a track."""
    return _show(request, identity, "tr")


@router.get(
    "/albums/{identity}",
    response_model=models.Shown,
    responses=documents.documented(404, 451, 500),
)
def album(identity: str, request: Request) -> Response:
    """Everything that is known of an album, and its tracks."""
    return _show(request, identity, "al")


@router.get(
    "/artists/{identity}",
    response_model=models.Shown,
    responses=documents.documented(404, 451, 500),
)
def artist(identity: str, request: Request) -> Response:
    """Everything that is known of an artist, and their most popular tracks."""
    return _show(request, identity, "ar")


def _show(request: Request, identity: str, prefix: str | None) -> Response:
    here = context(request)
    known = here.known()
    try:
        if prefix is not None and ids.parse(identity)[0] != prefix:
            return answers.refuse(404, "unknown", f"its id begins with {prefix}")
        shown = showing.show(known.snapshot, identity, full=True)
    except InputError as error:
        return answers.refuse(404, "unknown", error.message)
    found = [one for one in (_told(here, known, each) for each in shown.found) if one is not None]
    if not found:
        words = "it is withdrawn, or its rights do not let it be described"
        return answers.refuse(answers.LEGAL_REASONS, "withheld", words)
    document = models.Shown(
        asked=shown.asked, found=found, sources=sources(known.snapshot, _named(shown))
    )
    reserved = any(_recordings(one) & here.reserved().recordings for one in shown.found)
    return documents.tell(request, document, reserved=reserved, catalogue=True)


def _recordings(found: Thing) -> set[int]:
    """The recordings that a thing is of, or has."""
    own = found.id if found.kind == "recording" else found.recording
    return {ids.parse(one)[1] for one in (own, *(line.recording for line in found.tracks)) if one}


def _told(here: Context, known: Known, found: Thing) -> models.Thing | None:
    """What is told of a thing: nothing of recordings that may not be spoken of, also in lists."""
    own = found.id if found.kind == "recording" else found.recording
    of = [line.recording for line in found.tracks]
    hidden = _hidden(here, [*of, *([own] if own else [])])
    if own in hidden:
        return None
    keys = np.array([ids.parse(one)[1] for one in of], np.uint64)
    held = dict(zip(of, among(keys, known.held).tolist(), strict=True))
    lines = [
        models.Line(
            id=line.id,
            recording=line.recording,
            source=line.source,
            title=line.title,
            artists=list(line.artists),
            album=line.album,
            duration_ms=line.duration_ms,
            isrcs=list(line.isrcs),
            popularity=line.popularity,
            held=held[line.recording],
        )
        for line in found.tracks
        if line.recording not in hidden
    ]
    key = ids.parse(own)[1] if own else None
    return models.Thing(
        kind=found.kind,
        id=found.id,
        was=found.was,
        gone=found.gone,
        parts=list(found.parts),
        recording=found.recording,
        ark=None if key is None else ark.of_archive(here, key),
        held=known.holds(key) if key is not None else any(held.values()),
        facts=[
            models.Fact(
                field=one.field, value=models.value(one.value), source=one.source, of=one.of
            )
            for one in found.facts
        ],
        tracks=lines,
        track_count=found.track_count - (len(found.tracks) - len(lines)),
    )


def _hidden(here: Context, recordings: list[str]) -> frozenset[str]:
    """Those of some recordings of which nothing may be said."""
    asked = {ids.parse(one)[1] for one in recordings}
    found = kept.hidden(kept.kept(here.archive, here.standing(), asked)) if asked else ()
    return frozenset(ids.text("rec", one) for one in found)


def _named(shown: Shown) -> set[str]:
    facts = {fact.source for one in shown.found for fact in one.facts}
    return facts | {line.source for one in shown.found for line in one.tracks}


def sources(snapshot: Snapshot, names: set[str] | None = None) -> list[models.SourceOf]:
    """The sources of these names, or all, with what their licences permit."""
    layers: dict[str, Any] = dict(snapshot.manifest.layers)
    return [
        models.SourceOf(
            name=name,
            licence=layer.licence or None,
            permits=licences.permits(layer.licence).value,
        )
        for name, layer in sorted(layers.items())
        if names is None or name in names
    ]
