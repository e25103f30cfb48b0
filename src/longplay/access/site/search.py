"""Search as you type: the same page for who types and for who sends a form."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access.context import Context, context
from longplay.access.library.covers import Hears
from longplay.access.library.things import Album, Artist
from longplay.access.listener import listener
from longplay.access.site import rendering, rows
from longplay.access.site.rows import Row
from longplay.catalogue.search import finding, query
from longplay.errors import UsageError

router = APIRouter()

PAGE = 25
"""Hits of a page."""

LAST = finding.MOST_HITS // PAGE - 1
"""The last page there is."""

LONGEST = 300
"""Characters that are searched for."""

BESIDE = 6
"""Albums and artists of the library that are shown beside the hits."""


@dataclass(frozen=True, slots=True)
class Results:
    """What a page of results shows."""

    rows: list[Row]
    total: int | None
    more: bool
    meant: str | None
    notes: tuple[str, ...]
    albums: list[Album]
    artists: list[Artist]


@router.get("/search")
def page(request: Request, q: str = "", held: str = "", page: str = "1") -> Response:
    """The catalogue's recordings that answer `q`, with what is held marked."""
    text = q.strip()[:LONGEST]
    number = int(page) if page.isdecimal() and 1 <= len(page) <= 4 else 1
    number = max(1, min(number, LAST + 1))
    results, problem = None, None
    if text:
        try:
            results = _results(context(request), listener(request), text, bool(held), number)
        except UsageError as error:
            problem = error.message
    values = {
        "q": q[:LONGEST],
        "only_held": bool(held),
        "results": results,
        "problem": problem,
        "number": number,
        "first": (number - 1) * PAGE + 1,
        "before": _address(text, held, number - 1) if number > 1 else None,
        "after": _address(text, held, number + 1) if results and results.more else None,
    }
    return rendering.page(request, "search.html", values)


def _address(text: str, held: str, number: int) -> str:
    asked = {"q": text, **({"held": "yes"} if held else {}), "page": str(number)}
    return f"/search?{urlencode(asked)}"


def _results(here: Context, who: Hears, text: str, only_held: bool, number: int) -> Results:
    """Raises UsageError for a filter that means nothing."""
    known = here.known()
    asked = query.parse(f"held:yes {text}" if only_held else text)
    start = (number - 1) * PAGE
    found = finding.find(known.opened.layers, asked, limit=PAGE + 1, offset=start, held=known.held)
    hits = rows.of_hits(here, known, who, found.hits[:PAGE])
    beside = here.library(who).search(text, (BESIDE, 0), (BESIDE, 0), (0, 0))
    first = number == 1
    return Results(
        hits,
        found.total,
        len(found.hits) > PAGE and number <= LAST,
        found.meant,
        found.notes,
        beside.albums if first else [],
        beside.artists if first else [],
    )
