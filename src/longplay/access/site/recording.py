"""The page of a recording: what it is, who may hear it, what is kept and what vouches for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from longplay.access import answers
from longplay.access.context import context
from longplay.access.known import Known
from longplay.access.library.things import Track
from longplay.access.listener import listener
from longplay.access.site import (
    copies,
    describing,
    facts,
    favourites,
    identified,
    playlists,
    rendering,
    rows,
    structured,
)
from longplay.access.site.copies import Copy
from longplay.access.site.facts import Facts
from longplay.catalogue import ids
from longplay.catalogue.search import showing
from longplay.catalogue.search.showing import Thing
from longplay.errors import InputError

router = APIRouter()

MOVED = 308
"""Permanent Redirect (RFC 9110, section 15.4.9): the id has become another."""

ELSEWHERE = 307
"""Temporary Redirect: which recording a track is of may change."""


def find(known: Known, identity: str, prefix: str) -> Thing | None:
    """The thing with an id of that kind, with all that sources say of it."""
    try:
        if ids.parse(identity)[0] != prefix:
            return None
        return showing.show(known.snapshot, identity, full=True).found[0]
    except InputError:
        return None


@router.get("/tracks/{identity}")
def track(identity: str, request: Request) -> Response:
    """A track's place on an album: the page of its recording."""
    thing = find(context(request).known(), identity, "tr")
    if thing is None or not thing.recording:
        return rendering.unknown(request)
    return RedirectResponse(f"/recordings/{thing.recording}", ELSEWHERE)


@router.get("/recordings/{identity}")
def page(identity: str, request: Request) -> Response:
    """A recording."""
    here = context(request)
    known, who = here.known(), listener(request)
    thing = find(known, identity, "rec")
    key = ids.parse(thing.id)[1] if thing else _key(identity)
    if key is None:
        return rendering.unknown(request)
    kept, why_none = copies.of_recordings(here, who, known.formerly(_one(key)).tolist())
    if not kept and (why_none or describing.hidden(here, known, [key])):
        return _refused(request, why_none)
    if thing is None and kept:
        thing = Thing("recording", identity)  # as on a mirror, that brought no catalogue
    if thing is None or (thing.gone and not kept):
        return rendering.unknown(request)
    if thing.was:
        return RedirectResponse(f"/recordings/{thing.id}", MOVED)
    reserved = key in here.reserved().recordings
    values = _values(request, known, thing, kept) | {"tdm_reserved": reserved}
    return rendering.page(request, "recording.html", values, headers=answers.mining(reserved))


def _key(identity: str) -> int | None:
    try:
        prefix, key = ids.parse(identity)
    except InputError:
        return None
    return key if prefix == "rec" else None


def _refused(request: Request, why: str) -> Response:
    if why == "gone":
        return rendering.refused(
            request, 404, "No longer here", "It was kept once. It is not held any more."
        )
    return rendering.withdrawn(request)


def _values(request: Request, known: Known, thing: Thing, kept: list[Copy]) -> dict[str, Any]:
    here, who = context(request), listener(request)
    told = facts.of(known, thing)
    heard = rows.playable(here, who, [thing.id]).get(thing.id)
    url = f"{rendering.address(request)}/recordings/{thing.id}"
    manifest = known.snapshot.manifest
    return {
        "thing": thing,
        "told": told,
        "heard": heard,
        "liked": favourites.of(request, heard.id if heard else None),
        "play": rows.played(heard) if heard else None,
        "playlists": playlists.own(request) if heard else None,
        "album_id": heard.album_id if heard else told.album_id,
        "state": _state(kept, heard),
        "copies": kept,
        "identifiers": identified.identifiers(thing.kind, thing.facts, manifest),
        "sources": facts.by_source(thing.facts, manifest),
        "credit": _credit(told, kept, url),
        "linked": rendering.linked(_linked(told, kept, url)),
        "url": url,
    }


@dataclass(frozen=True, slots=True)
class State:
    """In a word and a sentence, what a listener may expect of a recording."""

    name: str
    words: str
    sign_in: bool = False


def _state(kept: list[Copy], heard: Track | None) -> State:
    if not kept:
        return State("Not held", "The catalogue knows it; nobody has brought it here yet.")
    if heard is not None or any(one.streaming for one in kept):
        access = next((one.access for one in kept if one.streaming), "open")
        words = "Anybody may listen." if access == "open" else "You may listen, being signed in."
        return State("Held", words)
    if any(one.signing_in_helps for one in kept):
        return State("Held", "Sign in to listen.", sign_in=True)
    return State("Kept, not played", f"It is kept, and not played: {kept[0].why_not}.")


def _credit(told: Facts, kept: list[Copy], url: str) -> str | None:
    """Title, author, source, licence: what Creative Commons asks those to say who share. See
    https://wiki.creativecommons.org/wiki/Recommended_practices_for_attribution"""
    licence = next((one for copy in kept for one in copy.licences if one.public), None)
    if licence is None:
        return None
    by = f" by {', '.join(name for _, name in told.artists)}" if told.artists else ""
    of = f", from the album “{told.album}”" if told.album else ""
    return f"“{told.title}”{by}{of} ({url}) is licensed under {licence.name} ({licence.uri})."


def _linked(told: Facts, kept: list[Copy], url: str) -> dict[str, Any]:
    licence = next((one.uri for copy in kept for one in copy.licences if one.public), None)
    album = structured.within("MusicAlbum", name=told.album) if told.album else None
    artists = [structured.within("MusicGroup", name=name) for _, name in told.artists]
    return structured.thing(
        "MusicRecording",
        url,
        name=told.title,
        byArtist=artists,
        inAlbum=album,
        duration=structured.duration(told.duration_ms),
        isrcCode=told.isrc,
        datePublished=told.date,
        genre=list(told.genres),
        license=licence,
    )


def _one(key: int) -> Any:
    return np.array([key], np.uint64)
