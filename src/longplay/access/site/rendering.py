"""Pages out of templates: what every page knows, and errors as pages.

All values are escaped by the templates; scripts and styles are files of our own, since the content
policy (`app.HEADERS`) lets nothing else run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from longplay.access import answers, forms
from longplay.access.context import context
from longplay.access.listener import listener
from longplay.access.people import stars
from longplay.access.site import assets, structured, wording
from longplay.access.site.rows import Row

NAVIGATION = (("Browse", "/browse"), ("Archive", "/archive"))
"""What stands in the head of every page: what it is called, where it is."""

FOOT = (
    ("Browse", "/browse"), ("Search", "/search"), ("Archive", "/archive"), ("Stages", "/stages"),
    ("Claims", "/claims"), ("API", "/api"),
)  # fmt: skip
"""What stands in the foot."""

HTML = "text/html; charset=utf-8"

KEPT = {"Cache-Control": "private, no-cache", "Vary": "Cookie"}
"""What a page shows depends on who asks, and on claims of this moment."""

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "clock": wording.clock,
    "lasting": wording.lasting,
    "size": wording.size,
    "day": wording.day,
    "count": wording.count,
    "plural": wording.plural,
    "licence": wording.licence,
}
_environment.globals |= {"static": assets.address}


def page(
    request: Request,
    template: str,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A page. `values` are what its template shows."""
    known = {
        "archive_name": context(request).archive.settings.name.capitalize(),
        "navigation": NAVIGATION,
        "foot": FOOT,
        "path": request.url.path,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "starred": partial(starred, request),
        "q": None,
        "linked": None,
        "listener": listener(request),
        "guard": partial(forms.guard, request),
        "form_token": partial(forms.token, request),
    }
    text = _environment.get_template(template).render(known | dict(values))
    response = Response(text, status, KEPT | dict(headers or {}), HTML)
    forms.keep(request, response)
    return response


def starred(request: Request, listed: Iterable[Row | None]) -> frozenset[str] | None:
    """The tracks of a list that the listener gave a star; None for who is not signed in."""
    account = listener(request).account
    if account is None:
        return None
    tracks = [row.play["id"] for row in listed if row and row.play]
    return stars.among(context(request).people, account, tracks)


def address(request: Request) -> str:
    """Where the archive is served: as its settings say, else as it was asked for."""
    known = context(request).archive.settings.sharing.address
    return (known or str(request.base_url)).rstrip("/")


def linked(document: Mapping[str, Any]) -> Markup:
    """A document of schema.org as it may stand between script tags."""
    return Markup(structured.within_script(document))


def refused(
    request: Request,
    status: int,
    headline: str,
    words: str,
    remedy: tuple[str, str] | None = None,
) -> Response:
    """A page that says why there is nothing; `remedy` is a link, its words first."""
    values = {"status": status, "headline": headline, "words": words, "remedy": remedy}
    return page(request, "refused.html", values, status=status)


def withdrawn(request: Request) -> Response:
    """There is such a thing, and it may not be shown."""
    return refused(
        request,
        answers.LEGAL_REASONS,
        "Not shown",
        "What was kept of it has been withdrawn, or nobody has said that it may be described. It is"
        " not handed on and not played.",
    )


def unknown(request: Request) -> Response:
    """There is no such thing."""
    words = "No source of this catalogue knows it, and it was never kept here."
    return refused(request, 404, "Nothing here", words, ("Search the catalogue", "/search"))
