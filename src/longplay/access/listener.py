"""Who asks: by the cookie of a session, or by an API key (`Authorization: Bearer …`).

Nobody known is an answer as well. A key that is wrong, or of a disabled account, is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import Request

from longplay.access.context import Context, context
from longplay.access.people import accounts, sessions
from longplay.access.people.listeners import ANONYMOUS, Listener, Role
from longplay.access.people.sessions import Session

__all__ = [
    "ANONYMOUS", "COOKIE", "Listener", "Role", "cookies", "listener", "listener_of", "session_of",
]  # fmt: skip

COOKIE = "longplay_session"
"""The name of a session's cookie."""

LONGEST_HEADER = 16_384
"""Bytes of cookies that are looked at."""

Headers = Iterable[tuple[bytes, bytes]]
"""As an ASGI scope has them: names in lower case."""


def listener(request: Request) -> Listener:
    """Who makes a request; looked up once for each."""
    found = getattr(request.state, "listener", None)
    if not isinstance(found, Listener):
        found = request.state.listener = listener_of(request.scope["headers"], context(request))
    return found


def listener_of(headers: Headers, here: Context) -> Listener:
    """Who sends these headers. A key counts before a cookie."""
    headers = list(headers)
    for name, value in headers:
        if name == b"authorization":
            scheme, _, key = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                return accounts.by_key(here.people, key.strip()) or ANONYMOUS
    session = _session(here, headers)
    return accounts.listener_of(session.account) if session else ANONYMOUS


def session_of(request: Request) -> Session | None:
    """The session that a request's cookie proves, whatever keys come with it; also that of an
    account that has yet to choose its password."""
    if not hasattr(request.state, "session"):
        request.state.session = _session(context(request), request.scope["headers"])
    found: Session | None = request.state.session
    return found


def cookies(headers: Headers) -> dict[str, str]:
    """The cookies of a request, the first of each name."""
    found: dict[str, str] = {}
    for key, value in headers:
        if key == b"cookie":
            for pair in value[:LONGEST_HEADER].decode("latin-1").split(";"):
                name, _, text = pair.strip().partition("=")
                found.setdefault(name, text.strip('"'))
    return found


def _session(here: Context, headers: Headers) -> Session | None:
    cookie = cookies(headers).get(COOKIE, "")
    return sessions.of_cookie(here.people, cookie) if cookie else None
