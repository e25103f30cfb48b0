"""What was handed on and decided: releases, stages, claims; and the archive in figures."""

from __future__ import annotations

import json
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from longplay.access import answers
from longplay.access.api import catalogue, cursors, documents, models
from longplay.access.api.catalogue import Cursor
from longplay.access.context import context
from longplay.access.listener import listener
from longplay.archive import Archive
from longplay.errors import InputError, ReleaseError
from longplay.ledger import tables
from longplay.release.document import Release, newest_by_stage, read_release
from longplay.workflows import status, withdrawing

router = APIRouter(prefix="/api", tags=["published"])

MOST = 100
"""Items of one page."""

Limit = Annotated[int, Query(ge=1, le=MOST)]


@router.get(
    "/releases", response_model=models.ReleasePage, responses=documents.documented(404, 500)
)
def releases(request: Request, limit: Limit = 20, cursor: Cursor = None) -> Response:
    """Releases with their torrents, the newest first."""
    r = tables.releases.c
    query = sa.select(r.time, r.name, r.document).order_by(r.time.desc(), r.name.desc())
    if cursor is not None:
        try:
            time, name = cursors.read(cursor, str, str)
        except InputError as error:
            return answers.refuse(404, "cursor", error.message)
        query = query.where(sa.or_(r.time < time, sa.and_(r.time == time, r.name < name)))
    with context(request).archive.ledger.read() as connection:
        rows = connection.execute(query.limit(limit + 1)).all()
    shown = [one for row in rows[:limit] if (one := _release(row.time, row.document)) is not None]
    last = rows[:limit][-1:] if len(rows) > limit else []
    following = next((cursors.write(row.time, row.name) for row in last), None)
    return documents.tell(request, models.ReleasePage(items=shown, next=following))


@router.get("/stages", response_model=models.Stages, responses=documents.documented(500))
def stages(request: Request) -> Response:
    """The stages of the archive, each with its newest release."""
    document = models.Stages(items=stages_of(context(request).archive))
    return documents.tell(request, document)


def stages_of(archive: Archive) -> list[models.StageOf]:
    """The stages that the settings cut, and what was released of each."""
    r = tables.releases.c
    with archive.ledger.read() as connection:
        rows = connection.execute(sa.select(r.time, r.document)).all()
    known: dict[str, tuple[str, str]] = {}
    parsed: list[Release] = []
    for row in rows:
        release = _read(row.document)
        if release is not None:
            parsed.append(release)
            known[release.name] = (row.time, row.document)
    newest = newest_by_stage(parsed)
    shares = archive.settings.policy.stages
    return [
        models.StageOf(
            stage=number,
            from_share=start,
            to_share=end,
            release=_release(*known[newest[number].name]) if number in newest else None,
        )
        for number, (start, end) in enumerate(zip((0.0, *shares), shares, strict=False), 1)
    ]


def _read(document: str) -> Release | None:
    try:
        return read_release(json.loads(document))
    except ReleaseError:
        return None


def _release(time: str, document: str) -> models.ReleaseOf | None:
    found = _read(document)
    if found is None:
        return None
    return models.ReleaseOf(
        release=found.name,
        stage=found.stage,
        time=time,
        objects=found.objects,
        bytes=found.bytes,
        share_of_listens=found.share_of_listens,
        supersedes=found.supersedes,
        volumes=[
            models.VolumeOf(
                name=one.name,
                kind=one.kind,
                objects=one.objects,
                bytes=one.bytes,
                torrent=f"/releases/{one.torrent}",
                magnet=one.magnet,
            )
            for one in sorted(found.volumes, key=lambda one: one.place)
        ],
    )


@router.get("/claims", response_model=models.ClaimPage, responses=documents.documented(404, 500))
def claims(request: Request, limit: Limit = 20, cursor: Cursor = None) -> Response:
    """Claims of rights holders and what became of them, the newest first. Nothing tells who made
    one: neither names nor words, and an artist is named by id alone."""
    try:
        place = cursors.read(cursor, str, str) if cursor else None
    except InputError as error:
        return answers.refuse(404, "cursor", error.message)
    found, more = claims_of(context(request).archive, limit, tuple(place) if place else None)
    following = cursors.write(found[-1].time, found[-1].id) if more else None
    return documents.tell(request, models.ClaimPage(items=found, next=following))


def claims_of(
    archive: Archive, limit: int, before: tuple[str, str] | None = None
) -> tuple[list[models.ClaimOf], bool]:
    """Claims older than `before` (time, id), the newest first, and whether there are more."""
    c, s, t = tables.claims.c, tables.claim_subjects.c, tables.claim_steps.c
    query = sa.select(c.id, c.time, c.state, c.asks).order_by(c.time.desc(), c.id.desc())
    if before is not None:
        time, name = before
        query = query.where(sa.or_(c.time < time, sa.and_(c.time == time, c.id < name)))
    with archive.ledger.read() as connection:
        rows = connection.execute(query.limit(limit + 1)).all()
        mine = [row.id for row in rows[:limit]]
        subjects = connection.execute(
            sa.select(s.claim, s.kind, s.value).where(s.claim.in_(mine)).order_by(s.kind, s.value)
        ).all()
        steps = connection.execute(
            sa.select(t.claim, t.time, t.step, t.log).where(t.claim.in_(mine)).order_by(t.number)
        ).all()
    found = [
        models.ClaimOf(
            id=row.id,
            time=row.time,
            state=row.state,
            asks=row.asks,
            subjects=[_subject(one.kind, one.value) for one in subjects if one.claim == row.id],
            steps=[
                models.ClaimStep(time=one.time, step=one.step, log=one.log)
                for one in steps
                if one.claim == row.id
            ],
        )
        for row in rows[:limit]
    ]
    return found, len(rows) > limit


def _subject(kind: str, value: str) -> models.ClaimSubject:
    # An artist's name may be the claimant's own.
    named = kind == "artist" and not withdrawing.is_artist_id(value)
    told = "(a name)" if named else f"obj{value}" if kind == "object" else value
    return models.ClaimSubject(kind=kind, value=told)


@router.get("/statistics", response_model=models.Statistics, responses=documents.documented(500))
def statistics(request: Request) -> Response:
    """The archive in figures."""
    here = context(request)
    found = status.status(here.archive)
    counts = here.library(listener(request)).counts
    snapshot = here.known().snapshot
    layers = snapshot.manifest.layers.values()
    document = models.Statistics(
        name=here.archive.settings.name,
        objects=found.objects,
        bytes=found.bytes,
        recordings=found.recordings,
        share_of_listens=found.share_of_listens,
        releases=found.releases,
        by_access_class=found.by_access_class,
        held=models.HeldCounts(
            artists=counts.artists,
            albums=counts.albums,
            tracks=counts.tracks,
            genres=counts.genres,
            bytes=counts.bytes,
            duration_ms=counts.duration_ms,
        ),
        catalogue=models.CatalogueCounts(
            snapshot=snapshot.number,
            tracks=sum(layer.rows("tracks") for layer in layers),
            albums=sum(layer.rows("albums") for layer in layers),
            artists=sum(layer.rows("artists") for layer in layers),
            sources=catalogue.sources(snapshot),
        ),
    )
    return documents.tell(request, document)
