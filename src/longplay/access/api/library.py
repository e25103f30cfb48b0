"""What is held, as the asker may hear it: lists by pages."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from longplay.access import answers, ark
from longplay.access.api import cursors, documents, models
from longplay.access.api.catalogue import Cursor
from longplay.access.context import Context, context
from longplay.access.library.things import Album, Artist, Order, Track
from longplay.access.listener import listener
from longplay.catalogue import ids
from longplay.errors import InputError

router = APIRouter(prefix="/api", tags=["held"])

MOST = 200
"""Items of one page."""

Limit = Annotated[int, Query(ge=1, le=MOST)]


@router.get("/tracks", response_model=models.TrackPage, responses=documents.documented(404, 500))
def tracks(
    request: Request,
    limit: Limit = 50,
    cursor: Cursor = None,
    genre: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Held tracks that the asker may hear, all or of a genre."""
    here = context(request)
    view = here.library(listener(request))

    def rows(count: int, offset: int) -> list[Track]:
        if genre is not None:
            return view.tracks_by_genre(genre, count, offset)
        return view.search("", (0, 0), (0, 0), (count, offset)).tracks

    try:
        found, following = cursors.page(rows, lambda one: one.id, view.version, cursor, limit)
    except InputError as error:
        return answers.refuse(404, "cursor", error.message)
    items = [_track(here, one) for one in found]
    return documents.tell(request, models.TrackPage(items=items, next=following), catalogue=True)


@router.get("/albums", response_model=models.AlbumPage, responses=documents.documented(404, 500))
def albums(
    request: Request,
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Annotated[Order, Query()] = "alphabeticalByArtist",
    genre: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Albums of which the asker may hear something. Those in random order have one page."""
    view = context(request).library(listener(request))

    def rows(count: int, offset: int) -> list[Album]:
        return view.albums(order, count, offset, genre)

    try:
        found, following = cursors.page(rows, lambda one: one.id, view.version, cursor, limit)
    except InputError as error:
        return answers.refuse(404, "cursor", error.message)
    document = models.AlbumPage(
        items=[_album(one) for one in found], next=None if order == "random" else following
    )
    return documents.tell(request, document, catalogue=True)


@router.get("/artists", response_model=models.ArtistPage, responses=documents.documented(404, 500))
def artists(request: Request, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Artists of whom the asker may hear something."""
    view = context(request).library(listener(request))

    def rows(count: int, offset: int) -> list[Artist]:
        return view.search("", (count, offset), (0, 0), (0, 0)).artists

    try:
        found, following = cursors.page(rows, lambda one: one.id, view.version, cursor, limit)
    except InputError as error:
        return answers.refuse(404, "cursor", error.message)
    document = models.ArtistPage(items=[_artist(one) for one in found], next=following)
    return documents.tell(request, document, catalogue=True)


@router.get(
    "/recordings", response_model=models.RecordingPage, responses=documents.documented(404, 500)
)
def recordings(request: Request, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Held recordings by id, each as the first of its tracks that the asker may hear."""
    here = context(request)
    view = here.library(listener(request))
    held = here.known().held
    try:
        (after,) = cursors.read(cursor, int) if cursor else (-1,)
    except InputError as error:
        return answers.refuse(404, "cursor", error.message)
    first = 0 if after < 0 else int(np.searchsorted(held, np.uint64(after), "right"))
    found: list[Track] = []
    # Of what is dark for the asker nothing is told, so a page may be short; the next goes on.
    some = held[first : first + limit]
    for key in some.tolist():
        found += view.recording(ids.text("rec", key))[:1]
    more = first + limit < len(held)
    document = models.RecordingPage(
        items=[_track(here, one) for one in found],
        next=cursors.write(int(some[-1])) if more else None,
    )
    return documents.tell(request, document, catalogue=True)


def _track(here: Context, one: Track) -> models.HeldTrack:
    key = ids.parse(one.recording)[1] if one.recording else None
    return models.HeldTrack(
        id=one.id,
        recording=one.recording,
        ark=None if key is None else ark.of_archive(here, key),
        title=one.title,
        artist=one.artist,
        artists=models.named(one.artists),
        album=one.album,
        album_id=one.album_id,
        album_artist=one.album_artist,
        track_number=one.track_number,
        disc_number=one.disc_number,
        year=one.year,
        release_date=one.release_date,
        genres=list(one.genres),
        duration_ms=one.duration_ms,
        bytes=one.bytes,
        media_type=one.media_type,
        bit_rate=one.bit_rate,
        isrc=one.isrc,
        mbid=one.mbid,
        popularity=one.popularity,
        access=one.access,
        licence=one.licence,
        object=f"obj{one.root.hex()}",
        created=one.created,
        stream=f"/api/recordings/{one.recording}/stream" if one.recording else None,
    )


def _album(one: Album) -> models.HeldAlbum:
    return models.HeldAlbum(
        id=one.id,
        title=one.title,
        artist=one.artist,
        artists=models.named(one.artists),
        year=one.year,
        release_date=one.release_date,
        genres=list(one.genres),
        tracks=one.tracks,
        duration_ms=one.duration_ms,
        created=one.created,
        mbid=one.mbid,
        label=one.label,
        popularity=one.popularity,
    )


def _artist(one: Artist) -> models.HeldArtist:
    return models.HeldArtist(
        id=one.id,
        name=one.name,
        sort_name=one.sort_name,
        albums=one.albums,
        tracks=one.tracks,
        mbid=one.mbid,
    )
