"""What answers under /rest: finds who calls and what, and writes what the call's section says.

https://opensubsonic.netlify.app/docs/api-reference/ — every call is answered with status 200,
failures too: they stand inside, which is what clients read.
"""

from __future__ import annotations

import re
import sqlite3
from functools import partial

from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from longplay.access import answers
from longplay.access.answers import HEADERS, Bare
from longplay.access.context import Context
from longplay.access.log import Look
from longplay.access.streams.recent import Recent, Seen
from longplay.access.subsonic import (
    absent,
    annotation,
    authentication,
    bookmarks,
    browsing,
    lists,
    lyrics,
    playlists,
    rendering,
    retrieval,
    scanning,
    searching,
    sound,
    system,
    transcoding,
    users,
)
from longplay.access.subsonic.calls import Call, Handler, Sound
from longplay.access.subsonic.failures import NEEDS_HELP, CallError, Code, by_guard
from longplay.access.subsonic.parameters import MOST_BYTES, Asked, read
from longplay.access.subsonic.remembered import Moment, Remembered
from longplay.access.subsonic.rendering import Tree
from longplay.access.subsonic.sound import Remember
from longplay.errors import LongplayError

PREFIX = "/rest"

CALLS: dict[str, Handler] = {
    **absent.HANDLERS,
    **annotation.HANDLERS,
    **bookmarks.HANDLERS,
    **browsing.HANDLERS,
    **lists.HANDLERS,
    **lyrics.HANDLERS,
    **playlists.HANDLERS,
    **retrieval.HANDLERS,
    **scanning.HANDLERS,
    **searching.HANDLERS,
    **system.HANDLERS,
    **transcoding.HANDLERS,
    **users.HANDLERS,
}
"""Every call by its name."""

PUBLIC = "getOpenSubsonicExtensions"
"""The one call that needs no login."""

EVEN_BARRED = ("ping", "getLicense", "getUser")
"""Calls by which a program finds out that it is logged in; whom the guard bars sees why with the
next."""

BY_STATUS = ("getTranscodeStream",)
"""Calls that fail with a status of HTTP, as the specification has it for these alone."""

LOOKS: dict[str, Look] = {
    **dict.fromkeys(lists.HANDLERS, "browse"),
    **dict.fromkeys(searching.HANDLERS, "search"),
}
"""Calls that look at the catalogue, as the access log has them. Players that keep a library in step
ask for each album, folder and lyric of it in turn: that says nothing of who listens."""

_STATUSES: dict[int, int] = {
    Code.NOT_AUTHORIZED: 403,
    Code.NOT_FOUND: 404,
    **dict.fromkeys(range(Code.WRONG_PASSWORD, Code.INVALID_KEY + 1), 401),
}

METHODS = ("GET", "HEAD", "POST", "OPTIONS")

ANYWHERE = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Allow-Methods": ", ".join(METHODS),
}
"""Clients that are web pages of other hosts may call, too: who calls is said by the parameters of
each call, never by a cookie."""

RAW_ANYWHERE = [(name.lower().encode(), value.encode()) for name, value in ANYWHERE.items()]

SOUNDS = ("/rest/stream", "/rest/stream.view", "/rest/download", "/rest/download.view")
"""Calls that are made again and again with the same words, for one range after the other."""

_NAME = re.compile(r"/rest/([A-Za-z0-9]{1,64}(?:\.m3u8)?)(?:\.view)?")


class Rest:
    """The ASGI application for everything under /rest."""

    def __init__(self, here: Context, recent: Recent) -> None:
        self._here = here
        self._recent = recent
        self._remembered = Remembered()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        seen = self._recent.look(scope) if scope["path"] in SOUNDS else None
        known = self._recent.answer(seen, scope) if seen else None
        if known is not None:
            known.raw_headers += RAW_ANYWHERE
            await known(scope, receive, send)
            return
        request = Request(scope, receive)
        response = await self._answer(request, seen)
        if isinstance(response, Bare):
            response.raw_headers += RAW_ANYWHERE
        else:
            for name, value in (ANYWHERE | HEADERS).items():
                response.headers.setdefault(name, value)
        await response(scope, receive, send)

    async def _answer(self, request: Request, seen: Seen | None) -> Response:
        if request.method not in METHODS:
            return Response(status_code=405, headers={"Allow": ", ".join(METHODS)})
        if request.method == "OPTIONS":
            return Response(status_code=204)
        try:
            body = await _body(request)
        except CallError as error:
            return failure(request, read(b""), error)
        remember = partial(self._recent.remember, seen) if seen else None
        moment = Moment(self._remembered, self._here.people_changes())
        return await answers.in_thread(answer, self._here, request, moment, body, remember)


def _is_form(request: Request) -> bool:
    if request.method != "POST":
        return False
    form = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return form == "application/x-www-form-urlencoded"


async def _body(request: Request) -> bytes:
    """What a POST brings, up to MOST_BYTES. Raises CallError."""
    if request.method != "POST":
        return b""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise CallError(Code.GENERIC, f"more than {MOST_BYTES} bytes of parameters")
        parts.append(part)
    return b"".join(parts)


def answer(
    here: Context,
    request: Request,
    moment: Moment,
    body: bytes,
    remember: Remember | None = None,
) -> Response:
    """The answer to a request with all that it brought."""
    asked, name = read(b""), _NAME.fullmatch(request.scope["path"])
    try:
        asked = read(request.scope["query_string"], body if _is_form(request) else b"")
        if asked.format == "jsonp" and asked.callback is None:
            raise CallError(Code.MISSING_PARAMETER, "the parameter callback names no function")
        handler = CALLS.get(name[1]) if name else None
        if handler is None:
            return failure(request, asked, CallError(Code.GENERIC, "there is no such call"), 404)
        if name is not None and name[1] == PUBLIC:
            return success(asked, system.extensions())
        authentication.check_client(asked)
        known = authentication.identify(here, request, asked, moment)
        if name is not None and name[1] not in EVEN_BARRED:
            barred = here.guarded.bars(known.listener.account, "")
            if barred is not None:
                raise by_guard(barred)
        call = Call(here, known.listener, asked, request, moment, body, known.by_password)
        if name is not None and name[1] in LOOKS:
            address = request.client.host if request.client else ""
            here.log.looked(call.account, address, LOOKS[name[1]], f"rest/{name[1]}")
        found = handler(call)
        if isinstance(found, Sound):
            return sound.answer(call, found, remember)
        return found if isinstance(found, Response) else success(asked, found)
    except CallError as error:
        by_status = name is not None and name[1] in BY_STATUS
        return failure(request, asked, error, _STATUSES.get(error.code, 400) if by_status else 200)
    except LongplayError as error:
        return failure(request, asked, CallError(Code.GENERIC, error.message))
    except sqlite3.OperationalError:
        return failure(request, asked, CallError(Code.GENERIC, "busy: try again"))


def success(asked: Asked, tree: Tree) -> Response:
    """An answer with a tree in its envelope."""
    return _written(asked, rendering.succeed(tree))


def failure(request: Request, asked: Asked, error: CallError, status: int = 200) -> Response:
    """An answer that says what went wrong."""
    help_url = ""
    if error.code in NEEDS_HELP:
        help_url = str(request.base_url) + "account"
    response = _written(asked, rendering.fail(error, help_url), status)
    if error.seconds is not None:
        response.headers["Retry-After"] = str(max(1, round(error.seconds)))
    return response


def _written(asked: Asked, whole: Tree, status: int = 200) -> Response:
    form = asked.format
    return rendering.answer(rendering.render(whole, form, asked.callback), form, status)
