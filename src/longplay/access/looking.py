"""Searches and pages, for the access log: the guard weighs them against plays.

Written down is that somebody looked, and through which door; never the words of a search, nor what
was looked at. What is meant to be taken whole (releases, OAI-PMH, look-up in bulk) is no looking,
and neither are pictures, which a home screen asks for by the dozen.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from longplay.access import visitor
from longplay.access.context import Context
from longplay.access.listener import ANONYMOUS, Listener, listener_of
from longplay.access.log import Look

PAGES = frozenset(
    ("", "albums", "artists", "browse", "genres", "recordings", "search", "shuffle", "tracks")
)
"""Pages of the catalogue, by how their addresses begin."""

CALLS = frozenset(("albums", "artists", "catalogue", "recordings", "search", "tracks"))
"""What the JSON API tells of it, likewise."""

SEARCH = "search"

METHODS = ("GET", "HEAD")


def look(scope: Scope) -> tuple[Look, str] | None:
    """Whether a request looks at the catalogue, and what it is called in the log."""
    if scope["method"] not in METHODS:
        return None
    first, _, rest = scope["path"][1:].partition("/")
    known, name = PAGES, first
    if first == "api":
        known, name = CALLS, rest.partition("/")[0]
    if name not in known:
        return None
    what = f"api/{name}" if first == "api" else name or "home"
    return ("search" if name == SEARCH else "browse"), what


async def note(here: Context, scope: Scope) -> None:
    """Write an answered request down, if it looked at the catalogue."""
    found = look(scope)
    if found is None:
        return
    who = scope.get("state", {}).get("listener")
    if not isinstance(who, Listener):
        who = ANONYMOUS
        if any(name in (b"authorization", b"cookie") for name, _ in scope["headers"]):
            who = await run_in_threadpool(listener_of, scope["headers"], here)
    address = visitor.address(scope)
    here.log.looked(who.account, address, *found)
