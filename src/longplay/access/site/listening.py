"""What the player tells of a signed-in listener: the queue, to go on elsewhere, and what was heard.

Of others nothing is kept: their queue lies in their browser alone.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access.context import context
from longplay.access.forms import Checked
from longplay.access.listener import listener
from longplay.access.people import plays, queues
from longplay.access.site import rendering, rows
from longplay.errors import AccessError

router = APIRouter()

CLIENT = "Web"
"""What the player is called beside other clients."""

MOST = 1000
"""Tracks of a queue that are kept and shown: what a browser keeps too."""


@router.get("/queue")
def queue(request: Request) -> Response:
    """The queue that the listener left off with, on this device or another."""
    here, who = context(request), listener(request)
    kept = queues.read(here.people, who.account) if who.account else None
    tracks = here.library(who).tracks(kept.entries[:MOST]) if kept else []
    places = [at for at, track in enumerate(tracks) if kept and track.id == kept.current]
    values = {
        "listed": [rows.of_track(one) for one in tracks],
        "client": kept.client if kept else "",
        "changed": kept.changed if kept else "",
        "start": places[0] if places else 0,
        "position_ms": kept.position_ms if kept and places else 0,
    }
    return rendering.page(request, "queue.html", values)


@router.post("/queue")
def keep_queue(request: Request, said: Checked) -> Response:
    """Keep a queue: `tracks` are ids with spaces between, `place` says which plays, `position_ms`
    how far it has come."""
    entries = said.text("tracks").split()[:MOST]
    place = number(said.text("place"))
    queues.save(
        context(request).people,
        _account(request),
        entries,
        place=place if entries else None,
        position_ms=number(said.text("position_ms")),
        client=CLIENT,
    )
    return Response(status_code=204)


@router.post("/plays")
def heard(request: Request, said: Checked) -> Response:
    """A track was heard, the half of it or four minutes; with `now` it has only begun."""
    plays.scrobble(
        context(request).people,
        _account(request),
        said.text("track"),
        submission=not said.text("now"),
        client=CLIENT,
    )
    return Response(status_code=204)


def _account(request: Request) -> int:
    account = listener(request).account
    if account is None:
        raise AccessError("only who is logged in has a queue and plays here")
    return account


def number(text: str) -> int:
    """A number of a form or an address; 0 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else 0
