"""What the signed-in listener likes: stars and ratings, given on the pages of what they are of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from longplay.access.context import context
from longplay.access.forms import Checked, Fields
from longplay.access.library.things import MOST
from longplay.access.library.view import View
from longplay.access.listener import listener
from longplay.access.people import stars
from longplay.access.site import rendering, rows
from longplay.access.site.account import SEE_OTHER, Owner, local
from longplay.errors import UsageError

router = APIRouter(prefix="/favourites")

ID = re.compile(r"(tr|al|ar)[0-9a-z]{13}")
"""What can be liked."""

FIRST = "/favourites"


@dataclass(frozen=True, slots=True)
class Liked:
    """What somebody made of one thing: whether it has a star, and its rating, 0 for none."""

    id: str
    starred: bool
    rating: int


def of(request: Request, identity: str | None) -> Liked | None:
    """What the listener made of a thing that is held; None for who is not signed in."""
    account = listener(request).account
    if account is None or identity is None:
        return None
    people = context(request).people
    return Liked(
        identity,
        identity in stars.starred(people, account),
        stars.ratings(people, account).get(identity, 0),
    )


@router.get("")
def page(request: Request, account: Owner) -> Response:
    """Artists, albums and tracks with a star, the latest first, and what was rated highest."""
    here = context(request)
    view = here.library(listener(request))
    starred = stars.starred(here.people, account.id)
    rated = stars.ratings(here.people, account.id)
    best = sorted(rated, key=lambda one: (-rated[one], one))
    values = {
        "artists": view.artists_by(_of(starred, "ar")),
        "albums": view.albums_by(_of(starred, "al")),
        "listed": [rows.of_track(one) for one in view.tracks(_of(starred, "tr"))],
        "rated_albums": view.albums_by(_of(best, "al")),
        "rated": [(rated[one.id], rows.of_track(one)) for one in view.tracks(_of(best, "tr"))],
    }
    return rendering.page(request, "favourites.html", values)


@router.post("/star")
def star(request: Request, said: Checked, account: Owner) -> Response:
    """Give a star to what `star` names, or take that of `unstar` back."""
    here = context(request)
    identity, without = said.text("star"), said.text("unstar")
    if without:
        stars.unstar(here.people, account.id, [without])
    elif not _held(here.library(listener(request)), identity):
        return rendering.unknown(request)
    else:
        stars.star(here.people, account.id, [identity])
    return _back(said)


@router.post("/rate")
def rate(request: Request, said: Checked, account: Owner) -> Response:
    """Rate 1 to 5, or take the rating back with 0. Raises UsageError."""
    here = context(request)
    identity, text = said.text("thing"), said.text("stars")
    if text not in ("0", "1", "2", "3", "4", "5"):
        raise UsageError("a rating is 1 to 5, or 0 for none")
    if not _held(here.library(listener(request)), identity):
        return rendering.unknown(request)
    stars.rate(here.people, account.id, identity, int(text))
    return _back(said)


def _held(view: View, identity: str) -> bool:
    if not ID.fullmatch(identity):
        return False
    find = {"tr": view.track, "al": view.album, "ar": view.artist}
    return find[identity[:2]](identity) is not None


def _of(liked: Iterable[str], prefix: str) -> list[str]:
    return [one for one in liked if one.startswith(prefix)][:MOST]


def _back(said: Fields) -> Response:
    """The page on which the button was."""
    target = local(said.text("back"))
    return RedirectResponse(target if target != "/" else FIRST, SEE_OTHER)
