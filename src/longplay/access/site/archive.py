"""The archive in pictures: how much of listening is preserved, what is known, and how it grew."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access.api.published import stages_of
from longplay.access.context import context
from longplay.access.site import drawing, rendering

router = APIRouter()

MOST_SOURCES = 100
"""Sources that are listed, the largest first; of these the first are drawn."""

DRAWN = 16
"""Sources that are drawn."""


@router.get("/archive")
def page(request: Request) -> Response:
    """The figures as they were counted last."""
    here = context(request)
    found = here.preserved()
    if found is None:
        return rendering.page(request, "archive.html", {"found": None})
    sources = sorted(found.sources, key=lambda one: (-one.rows, one.source))[:MOST_SOURCES]
    values = {
        "found": found,
        "stages": stages_of(here.archive),
        "sources": sources,
        "drawn": [one for one in sources if one.share is not None][:DRAWN],
        "heard": drawing.histogram(found.heard) if found.heard else None,
        "growth": drawing.growth(found.growth) if found.growth else None,
        "width": drawing.WIDTH,
        "height": drawing.HEIGHT,
        "left": drawing.LEFT,
        "short": drawing.short,
    }
    return rendering.page(request, "archive.html", values)
