"""The page of an artist: albums and tracks that are held, and what the catalogue knows beside."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access.context import context
from longplay.access.listener import listener
from longplay.access.site import facts, favourites, identified, rendering, rows, structured
from longplay.access.site.recording import find

router = APIRouter()

TOP = 10
"""Held tracks that are shown first."""

MOST_LINES = 100
"""Tracks that the catalogue knows of an artist and that are listed, the most popular first."""


@router.get("/artists/{identity}")
def page(identity: str, request: Request) -> Response:
    """An artist of the library or the catalogue."""
    here = context(request)
    known, who = here.known(), listener(request)
    view = here.library(who)
    artist = view.artist(identity)
    thing = find(known, identity, "ar")
    if thing is not None and thing.gone:
        thing = None
    if artist is None and thing is None:
        return rendering.unknown(request)
    top = [rows.of_track(one) for one in view.top_tracks(identity, TOP)] if artist else []
    lines = thing.tracks[:MOST_LINES] if thing else ()
    listed = rows.of_lines(here, known, who, lines)
    if artist is None and lines and not listed:
        return rendering.withdrawn(request)
    name = artist.name if artist else facts.of(known, thing).title if thing else rows.UNTITLED
    url = f"{rendering.address(request)}/artists/{identity}"
    shown = {row.href for row in top}
    values = {
        "artist_id": identity,
        "artist": artist,
        "liked": favourites.of(request, artist.id if artist else None),
        "name": name,
        "albums": view.albums_of_artist(identity) if artist else [],
        "top": top,
        "listed": [row for row in listed if row.href not in shown],
        "track_count": thing.track_count if thing else 0,
        "identifiers": identified.identifiers("artist", thing.facts, known.snapshot.manifest)
        if thing
        else [],
        "url": url,
        "linked": rendering.linked(structured.thing("MusicGroup", url, name=name)),
    }
    return rendering.page(request, "artist.html", values)
