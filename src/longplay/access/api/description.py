"""The API's own description: OpenAPI, and a page for people that is made of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from markupsafe import Markup
from starlette.routing import BaseRoute

from longplay import __version__
from longplay.access import lookup, recordings
from longplay.access.api import catalogue, library, published
from longplay.access.site import rendering

router = APIRouter(include_in_schema=False)

ROOMS = (catalogue, library, recordings, lookup, published)
"""What has routes of the API."""

WORDS = """What an archive knows, holds and publishes, as JSON. Lists come in pages: `next` is the
cursor of the page after. Answers carry an ETag; `If-None-Match` asks whether it still holds.
`Authorization: Bearer KEY` with a key of one's account shows what signed-in listeners may hear."""


@lru_cache(1)
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    routes: Sequence[BaseRoute] = [route for room in ROOMS for route in room.router.routes]
    found = get_openapi(
        title="Longplay", version=__version__, description=WORDS, routes=routes, summary=None
    )
    schemes = {"key": {"type": "http", "scheme": "bearer", "description": "an account's API key"}}
    found.setdefault("components", {})["securitySchemes"] = schemes
    found["paths"]["/api/recordings/{identity}/stream"] = {"get": _STREAM}
    found["security"] = [{}, {"key": []}]
    return found


def _refusal(words: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": words, "content": {"application/json": {"schema": schema}}}


_BYTES = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_STREAM: dict[str, Any] = {
    "tags": ["held"],
    "operationId": "stream",
    "summary": "Stream",
    "description": "A recording's sound, all of it or a range, in the encoding that is held.",
    "parameters": [
        {"name": "identity", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "Range", "in": "header", "required": False, "schema": {"type": "string"}},
    ],
    "responses": {
        "200": {"description": "All of it", "content": _BYTES},
        "206": {"description": "A range of it", "content": _BYTES},
        "304": {"description": "What `If-None-Match` names is still so"},
        "404": _refusal("Nothing of it is held"),
        "416": {"description": "There is no such range"},
        "451": _refusal("It may not be heard, or not by who asks"),
        "500": _refusal("It is damaged"),
        "503": _refusal("It cannot be had at this moment"),
    },
}
"""By hand: its bytes are sent by what comes before the web framework."""


@router.get("/api/openapi.json")
def openapi() -> Response:
    """The OpenAPI document of this API."""
    return JSONResponse(document())


@router.get("/api")
@router.get("/api/")
def page(request: Request) -> Response:
    """The same for people, without any script."""
    calls = [
        {
            "method": method.upper(),
            "path": path,
            "parameters": ", ".join(each["name"] for each in one.get("parameters", ())),
            "words": _coded(one.get("description", "")),
        }
        for path, methods in document()["paths"].items()
        for method, one in methods.items()
    ]
    return rendering.page(request, "api.html", {"words": _coded(WORDS), "calls": calls})


def _coded(text: str) -> Markup:
    """Words as HTML, with what stands between backticks as code."""
    coded = re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
    return Markup(coded)  # nosec B704
