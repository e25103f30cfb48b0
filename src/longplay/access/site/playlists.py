"""Playlists of who is signed in, and those that all may see: listed, made, changed, heard."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from longplay.access.context import context
from longplay.access.forms import Checked
from longplay.access.listener import listener
from longplay.access.people import playlists
from longplay.access.people.accounts import Account
from longplay.access.people.playlists import Playlist
from longplay.access.site import rendering, rows
from longplay.access.site.account import SEE_OTHER, Owner, status_of
from longplay.access.site.listening import number
from longplay.errors import AccessError, LongplayError, UsageError

router = APIRouter(prefix="/playlists")

PAGE = 200
"""Playlists, and tracks of one, that are shown at once."""

UNNAMED = "New playlist"


@router.get("")
def listing(request: Request, account: Owner) -> Response:
    """One's own playlists, and those that all may see."""
    return _listing(request, account)


@router.post("")
def make(request: Request, said: Checked, account: Owner) -> Response:
    """Make a playlist."""
    try:
        made = playlists.create(
            context(request).people,
            account.id,
            _name(said.text("name")),
            public=bool(said.text("public")),
        )
    except UsageError as error:
        return _listing(request, account, error, said.text("name"))
    return _to(made.id)


@router.post("/add")
def add(request: Request, said: Checked, account: Owner) -> Response:
    """Put a track at the end of a playlist, or into a new one."""
    here, chosen = context(request), said.text("playlist")
    track = here.library(listener(request)).track(said.text("track")[: playlists.LONGEST_ID])
    if track is None:
        return rendering.unknown(request)
    if not chosen:
        chosen = playlists.create(here.people, account.id, UNNAMED, [track.id]).id
    elif _read(request, account, chosen) is None:
        return _none(request)
    else:
        playlists.append(here.people, account.id, chosen, [track.id])
    return _to(chosen)


@router.get("/{identity}")
def page(identity: str, request: Request, account: Owner) -> Response:
    """A playlist."""
    return _page(request, account, identity)


@router.post("/{identity}")
def change(identity: str, request: Request, said: Checked, account: Owner) -> Response:
    """Give a playlist another name, and show it to all or hide it."""
    if _read(request, account, identity) is None:
        return _none(request)
    try:
        playlists.change(
            context(request).people,
            account.id,
            identity,
            name=_name(said.text("name")),
            public=bool(said.text("public")),
        )
    except (UsageError, AccessError) as error:
        return _page(request, account, identity, error)
    return _to(identity)


@router.post("/{identity}/tracks")
def arrange(identity: str, request: Request, said: Checked, account: Owner) -> Response:
    """Move the track at a place up or down, or take it out."""
    if _read(request, account, identity) is None:
        return _none(request)
    place = number(said.text("place"))
    to = {"up": place - 1, "down": place + 1, "remove": None}
    try:
        if said.text("what") not in to:
            raise UsageError("a track moves up or down, or is removed")
        goal = to[said.text("what")]
        people = context(request).people
        playlists.move(people, account.id, identity, place, said.text("track"), goal)
    except (UsageError, AccessError) as error:
        return _page(request, account, identity, error, place)
    return _to(identity, place // PAGE * PAGE)


@router.post("/{identity}/delete")
def delete(identity: str, request: Request, _: Checked, account: Owner) -> Response:
    """Delete a playlist."""
    if _read(request, account, identity) is None:
        return _none(request)
    try:
        playlists.delete(context(request).people, account.id, identity)
    except AccessError as error:
        return _page(request, account, identity, error)
    return RedirectResponse("/playlists", SEE_OTHER)


def own(request: Request) -> list[Playlist] | None:
    """The playlists that a track may be added to; None for who is not signed in."""
    account = listener(request).account
    if account is None:
        return None
    return playlists.listing(context(request).people, account, own=True)


def _name(text: str) -> str:
    """A name in one line. Raises UsageError for none."""
    name = " ".join(text.split())
    if not name:
        raise UsageError("a playlist needs a name")
    return name


def _read(request: Request, account: Account, identity: str) -> Playlist | None:
    try:
        return playlists.read(context(request).people, account.id, identity)
    except AccessError:
        return None


def _none(request: Request) -> Response:
    """What is not there, and what is somebody else's own, look the same."""
    return rendering.refused(
        request, 404, "No such playlist", "There is none, or it is not for all to see.",
        ("Playlists", "/playlists"),
    )  # fmt: skip


def _to(identity: str, first: int = 0) -> Response:
    asked = f"?from={first}" if first else ""
    return RedirectResponse(f"/playlists/{identity}{asked}", SEE_OTHER)


def _listing(
    request: Request, account: Account, error: LongplayError | None = None, name: str = ""
) -> Response:
    first = number(request.query_params.get("from", ""))
    found = playlists.listing(context(request).people, account.id, count=PAGE + 1, offset=first)
    values = {
        "account": account,
        "found": found[:PAGE],
        "error": error,
        "name": name[: playlists.LONGEST_NAME],
        "before": f"/playlists?from={max(0, first - PAGE)}" if first else None,
        "after": f"/playlists?from={first + PAGE}" if len(found) > PAGE else None,
    }
    status = status_of(error) if error else 200
    return rendering.page(request, "playlists.html", values, status=status)


def _page(
    request: Request,
    account: Account,
    identity: str,
    error: LongplayError | None = None,
    place: int | None = None,
) -> Response:
    found = _read(request, account, identity)
    if found is None:
        return _none(request)
    first = place if place is not None else number(request.query_params.get("from", ""))
    first = min(first, max(0, found.count - 1)) // PAGE * PAGE
    entries = found.entries[first : first + PAGE]
    tracks = context(request).library(listener(request)).tracks(dict.fromkeys(entries))
    heard = {one.id: rows.of_track(one) for one in tracks}
    here = f"/playlists/{found.id}?from="
    values = {
        "playlist": found,
        "mine": found.owner_id == account.id,
        "entries": [(at, one, heard.get(one)) for at, one in enumerate(entries, first)],
        "playable": bool(heard),
        "error": error,
        "before": f"{here}{first - PAGE}" if first else None,
        "after": f"{here}{first + PAGE}" if first + PAGE < found.count else None,
    }
    status = status_of(error) if error else 200
    return rendering.page(request, "playlist.html", values, status=status)
