"""The page of an album: what is held of it plays, the rest is listed as the catalogue knows it."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access.context import context
from longplay.access.library.things import Album, Track
from longplay.access.listener import listener
from longplay.access.site import facts, favourites, identified, rendering, rows, structured
from longplay.access.site.recording import find
from longplay.access.site.rows import Row
from longplay.catalogue.search.showing import Thing

router = APIRouter()

MOST_LINES = 500
"""Tracks of an album that are listed: box sets have some hundreds."""


@router.get("/albums/{identity}")
def page(identity: str, request: Request) -> Response:
    """An album of the library or the catalogue."""
    here = context(request)
    known, who = here.known(), listener(request)
    view = here.library(who)
    album = view.album(identity)
    thing = find(known, identity, "al")
    if thing is not None and thing.gone:
        thing = None
    if album is None and thing is None:
        return rendering.unknown(request)
    held = view.tracks_of_album(identity) if album else []
    lines = thing.tracks[:MOST_LINES] if thing else ()
    listed = rows.of_lines(here, known, who, lines)
    if not held and lines and not listed:
        return rendering.withdrawn(request)
    told = facts.of(known, thing) if thing else None
    url = f"{rendering.address(request)}/albums/{identity}"
    values = {
        "album_id": identity,
        "album": album,
        "liked": favourites.of(request, album.id if album else None),
        "title": album.title if album else told.title if told else rows.UNTITLED,
        "artists": album.artists if album and album.artists else told.artists if told else (),
        "told": told,
        "year": (album.year if album else None) or (told.year if told else None),
        "discs": _discs(held, album.discs if album else 0),
        "missing": _missing(held, listed),
        "restricted": any(row.sign_in for row in listed),
        "track_count": thing.track_count if thing else 0,
        "identifiers": identified.identifiers("album", thing.facts, known.snapshot.manifest)
        if thing
        else [],
        "sources": facts.by_source(thing.facts, known.snapshot.manifest) if thing else [],
        "licences": _licences(held),
        "url": url,
        "linked": rendering.linked(_linked(album, thing, held, url)),
    }
    return rendering.page(request, "album.html", values)


def _discs(held: list[Track], discs: int) -> list[tuple[int | None, list[Row]]]:
    """The held tracks by disc, in their order; of one disc some files may not say which it is."""
    if held and discs <= 1:
        return [(None, [rows.of_track(one) for one in held])]
    found = [
        (number, [rows.of_track(one) for one in tracks])
        for number, tracks in groupby(held, key=lambda one: one.disc_number)
    ]
    return found if len(found) > 1 else [(None, of) for _, of in found]


def _missing(held: list[Track], listed: list[Row]) -> list[Row]:
    """Those that the catalogue lists, and of which no track of this album may be heard here."""
    heard = {f"/recordings/{one.recording}" for one in held}
    return [row for row in listed if row.href not in heard]


def _licences(held: list[Track]) -> list[str]:
    return sorted({one.licence for one in held if one.licence})


def _linked(
    album: Album | None, thing: Thing | None, held: list[Track], url: str
) -> dict[str, Any]:
    first = {fact.field: fact.value for fact in reversed(thing.facts)} if thing else {}
    names = [name for _, name in album.artists] if album else first.get("artists") or []
    return structured.thing(
        "MusicAlbum",
        url,
        name=album.title if album else first.get("title"),
        byArtist=[structured.within("MusicGroup", name=name) for name in names],
        datePublished=(album.release_date if album else None) or first.get("release_date"),
        genre=list(album.genres) if album else None,
        numTracks=thing.track_count if thing else len(held),
        track=[
            structured.within(
                "MusicRecording", name=one.title, duration=structured.duration(one.duration_ms)
            )
            for one in held
        ],
    )
