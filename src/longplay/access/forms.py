"""Forms that only our own pages can send (no cross-site request forgery), and their fields.

Every form carries a token. For who is logged in it follows from the session; for others from a
random cookie that comes with the form. Another site can make a browser send the cookie along, but
neither read it nor write the token. A handler that takes `Checked` fields cannot forget to look.

Requests with an API key (`Authorization: Bearer …`) need no token: no other site can send one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request
from fastapi.responses import Response
from markupsafe import Markup
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message

from longplay.access import visitor
from longplay.access.context import context
from longplay.access.listener import cookies, session_of
from longplay.errors import AccessError, UsageError

FIELD, HEADER = "form_token", "x-form-token"
"""Where the token stands: a field of a form, or a header where a script sends the request."""

COOKIE = "longplay_form"
"""The cookie of those who are not logged in."""

MOST_BYTES = 8 * 1024 * 1024
"""Of one form, with the file in it: a playlist of a hundred thousand lines."""

MOST_FIELDS = 1000
"""Of one form."""


Number = Annotated[int, Path(ge=0, lt=2**63)]
"""The number of a row in an address."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What a form of our own says."""

    texts: Mapping[str, tuple[str, ...]]
    files: Mapping[str, tuple[str, bytes]]

    def text(self, name: str) -> str:
        """The first value of a field; empty where it is missing."""
        return next(iter(self.texts.get(name, ())), "")

    def every(self, name: str) -> tuple[str, ...]:
        """All values of a field."""
        return self.texts.get(name, ())

    def file(self, name: str) -> tuple[str, bytes] | None:
        """Name and content of a file; None where none was chosen."""
        return self.files.get(name)


def token(request: Request) -> str:
    """The token for forms of the page that answers this request; `keep` must follow."""
    session = session_of(request)
    if session is not None:
        return _token(request, f"session {session.token}")
    return _token(request, f"visitor {_visitor(request)}")


def guard(request: Request) -> Markup:
    """The token as a hidden field."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, token(request))


def keep(request: Request, response: Response) -> None:
    """Send the cookie along that a token of this page follows from, if there is a new one. A page
    with a token is for this visitor alone."""
    if getattr(request.state, "form_made", False):
        response.headers["Cache-Control"] = "private, no-store"
    fresh = getattr(request.state, "form_cookie", None)
    if fresh is not None:
        response.set_cookie(
            COOKIE, fresh, httponly=True, samesite="lax", secure=visitor.is_encrypted(request.scope)
        )


async def fields(request: Request) -> Fields:
    """The fields of a form, after its token. Raises AccessError for a form that is not ours, and
    UsageError for one that is too large or damaged."""
    texts: dict[str, tuple[str, ...]] = {}
    files: dict[str, tuple[str, bytes]] = {}
    received = Request(request.scope, _Bounded(request))
    try:
        async with received.form(
            max_files=1, max_fields=MOST_FIELDS, max_part_size=MOST_BYTES
        ) as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    files[name] = (value.filename or "", await value.read())
                else:
                    texts[name] = (*texts.get(name, ()), value)
    except HTTPException as error:
        raise UsageError(f"a damaged form: {error.detail}") from error
    check(request, next(iter(texts.get(FIELD, ())), ""))
    return Fields(texts, files)


Checked = Annotated[Fields, Depends(fields)]
"""The fields of a form, for a handler's parameter."""


def check(request: Request, told: str = "") -> None:
    """Raise AccessError unless the request came from a page of ours: `told` is the token that stood
    in its form, if none stands in the header."""
    if request.headers.get("authorization", "").lower().startswith("bearer "):
        return
    told = request.headers.get(HEADER, "") or told
    known = "visitor " + cookies(request.scope["headers"]).get(COOKIE, "")
    session = session_of(request)
    if session is not None:
        known = f"session {session.token}"
    right = hmac.compare_digest(_token(request, known).encode(), told.encode(errors="replace"))
    elsewhere = request.headers.get("sec-fetch-site") == "cross-site"
    if elsewhere or not right or known == "visitor ":
        raise AccessError(
            "the form is too old, or came from elsewhere", hint="open the page again and repeat it"
        )


def _token(request: Request, known: str) -> str:
    request.state.form_made = True
    key = context(request).people.secrets.derived("forms")
    return hmac.new(key, known.encode(errors="replace"), hashlib.sha256).hexdigest()


def _visitor(request: Request) -> str:
    """The cookie of a visitor, as it came or as it will be sent."""
    known = cookies(request.scope["headers"]).get(COOKIE, "")
    if 20 <= len(known) <= 100:
        return known
    fresh = getattr(request.state, "form_cookie", None)
    if not isinstance(fresh, str):
        fresh = request.state.form_cookie = secrets.token_urlsafe(18)
    return fresh


class _Bounded:
    """A request's body, up to `MOST_BYTES`."""

    def __init__(self, request: Request) -> None:
        self._receive = request.receive
        self._left = MOST_BYTES

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise UsageError(f"a form has at most {MOST_BYTES:,} bytes")
        return message
