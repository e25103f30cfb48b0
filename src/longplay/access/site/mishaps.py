"""Errors as pages, for who looks at pages; programs get JSON as everywhere."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from longplay.access.site import rendering

MACHINES = ("/api", "/rest", "/releases", "/seed", "/oai", "/static", "/covers", "/announce",
            "/scrape", "/.well-known", "/openapi.json")  # fmt: skip
"""Where no pages are."""


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page."""
    accepts = "text/html" in request.headers.get("accept", "")
    return accepts and not request.url.path.startswith(MACHINES)


def no_page(request: Request) -> Response:
    """There is no such page."""
    words = "There is no page at this address."
    return rendering.refused(request, 404, "Nothing here", words, ("To the beginning", "/"))
