"""Claims of rights holders: a form that anybody can send, and the log that anybody can read.

The form does what `longplay claim add` does: nothing changes until somebody decides. What is shown
afterwards names nobody and quotes nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from longplay.access.api import cursors
from longplay.access.api.published import claims_of
from longplay.access.context import Context, context
from longplay.access.forms import Checked, Fields
from longplay.access.people import throttle
from longplay.access.site import rendering
from longplay.access.site.account import SEE_OTHER, address, status_of
from longplay.catalogue import identifiers
from longplay.errors import AccessError, InputError, LongplayError, UsageError
from longplay.ledger import tables
from longplay.rights.claims import Asks
from longplay.workflows import claims
from longplay.workflows.claims import Request as Claim

router = APIRouter(prefix="/claims")

PAGE = 20
"""Claims of one page of the log."""

MOST_OPEN = 1_000
"""Claims that may wait for a decision at once before the form takes no more: a flood of them must
not bury those that are meant. The command still takes them."""

MOST_LINES = 500
"""Things named in one form."""

_FIELDS = ("who", "contact", "ground", "evidence", "asks", "about", "artists")


@router.get("")
def page(request: Request) -> Response:
    """The form, and the log below it."""
    about = request.query_params.get("about", "")[:200]
    return _page(request, {"about": about})


@router.post("")
def make(request: Request, said: Checked) -> Response:
    """Take in a claim."""
    here = context(request)
    try:
        _require_room(here)
        claim = _claim(said)
        where = address(request)
        throttle.attempt(here.people, f"claims from {where}", where)
        made = claims.add(here.archive, claim)
    except (UsageError, InputError, AccessError) as error:
        return _page(request, {name: said.text(name) for name in _FIELDS}, error)
    return RedirectResponse(f"/claims?made={made.id}#log", SEE_OTHER)


def _require_room(here: Context) -> None:
    c = tables.claims.c
    query = sa.select(sa.func.count()).select_from(tables.claims).where(c.state == "open")
    with here.archive.ledger.read() as connection:
        waiting = connection.scalar(query) or 0
    if waiting >= MOST_OPEN:
        raise AccessError(
            "too many claims wait for a decision", hint="write to those who run the archive"
        )


def _claim(said: Fields) -> Claim:
    """The claim that a form makes. Raises UsageError, InputError."""
    recordings, isrcs, objects = [], [], []
    lines = [line.strip() for line in said.text("about").splitlines() if line.strip()]
    artists = [line.strip() for line in said.text("artists").splitlines() if line.strip()]
    if len(lines) + len(artists) > MOST_LINES:
        raise UsageError(f"a form names at most {MOST_LINES} things", hint="make several")
    for line in lines:
        # People paste the address of a page as well as an id.
        name = line.rstrip("/").rpartition("/")[2]
        if name.lower().startswith("obj"):
            objects.append(name)
        elif name.lower().startswith("rec"):
            recordings.append(name)
        elif identifiers.isrc(line) is not None:
            isrcs.append(line)
        else:
            raise InputError(
                "is no recording, ISRC or object",
                where=line[:60],
                hint="copy the id or the address from its page",
            )
    try:
        asks = Asks(said.text("asks") or Asks.WITHDRAW)
    except ValueError as error:
        raise UsageError("choose what is asked for") from error
    return Claim(
        who=said.text("who"),
        contact=said.text("contact"),
        ground=said.text("ground"),
        evidence=said.text("evidence"),
        asks=asks,
        recordings=tuple(recordings),
        isrcs=tuple(isrcs),
        artists=tuple(artists),
        objects=tuple(objects),
    )


def _page(
    request: Request, said: Mapping[str, str], error: LongplayError | None = None
) -> Response:
    before = None
    with suppress(InputError):
        cursor = request.query_params.get("cursor")
        if cursor and len(cursor) <= cursors.MAX_CURSOR:
            time, name = cursors.read(cursor, str, str)
            before = time, name
    found, more = claims_of(context(request).archive, PAGE, before)
    made = request.query_params.get("made", "")
    values = {
        "said": dict.fromkeys(_FIELDS, "") | dict(said),
        "error": error,
        "made": next((one.id for one in found if one.id == made), None),
        "claims": found,
        "following": cursors.write(found[-1].time, found[-1].id) if more else None,
    }
    status = status_of(error) if error else 200
    return rendering.page(request, "claims.html", values, status=status)
