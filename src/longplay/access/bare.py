"""Doors to bytes, before FastAPI: files of releases, web seeds, streams. They are asked for tens of
thousands of times a second, and a route with its middleware takes longer than reading a range."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI
from fastapi.responses import Response
from starlette.types import Message, Receive, Scope, Send

from longplay.access import answers, looking, releases, visitor, webseeds
from longplay.access.conditions import conditions
from longplay.access.context import Context
from longplay.access.listener import listener_of
from longplay.access.streams import answering, asking
from longplay.access.streams.recent import Recent, Seen
from longplay.access.subsonic.rest import PREFIX, Rest
from longplay.errors import InputError, LongplayError

METHODS = ("GET", "HEAD")

API = "/api/"

RECORDINGS, STREAM = "/api/recordings/", "/stream"

PATHS = (
    "/releases/{name}",
    "/releases/{release}/{name}",
    "/seed/{torrent}/{path:path}",
    "/api/recordings/{identity}/stream",
    "/rest",
)
"""What is answered here, as FastAPI would write it."""


@dataclass(frozen=True, slots=True)
class Door:
    """A path that is answered here."""

    path: str


REST = f"{PREFIX}/"

Answering = Callable[[Scope], Awaitable[Response]]


class Doors:
    """The whole application: what stands before FastAPI, and FastAPI for everything else."""

    def __init__(self, here: Context, web: FastAPI) -> None:
        self.web = web
        self.state = web.state
        self.routes = [*map(Door, PATHS), *web.routes]
        """All paths that lead somewhere, for those who look whether each is guarded."""
        self._here = here
        recent = self._recent = Recent(here)
        self._rest = Rest(here, recent)
        self._proxies = here.archive.settings.access.proxies
        self._seeds = webseeds.Seeds(here)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        if scope["type"] != "http":
            await self.web(scope, receive, send)
            return
        path = scope["path"]
        door = self._door(path)
        if door != self._seed:  # whose answer is the same for all
            scope["client"] = (visitor.address(scope, self._proxies), 0)
        if door is None:
            await self._written(scope, receive, send)
            return
        if scope["method"] not in METHODS:
            answer: Response = answers.refuse(405, "method", "this can be read, and no more")
            answer.headers["Allow"] = ", ".join(METHODS)
        else:
            try:
                answer = await door(scope)
            except LongplayError as error:
                answer = answers.refuse(500, error.code, error.message)
        await answer(scope, receive, send)

    async def _barred(self, scope: Scope) -> Response | None:
        """The answer to somebody whom the guard bars from the API."""
        if not self._here.guarded.now().decisions:
            return None
        listener = await answers.in_thread(listener_of, scope["headers"], self._here)
        refused = self._here.guarded.bars(listener.account, visitor.address(scope))
        return None if refused is None else answers.refused(refused)

    async def _written(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is no file: pages and calls. HEAD is answered as GET would be, without the
        body (RFC 9110, section 9.3.2)."""
        is_head = scope["method"] == "HEAD"
        if is_head:
            send = _headers_alone(send)
        if scope["path"].startswith(REST):
            await self._rest(scope, receive, send)
            return
        barred = await self._barred(scope) if scope["path"].startswith(API) else None
        if barred is not None:
            await barred(scope, receive, send)
            return
        scope.setdefault("state", {})
        asked = {**scope, "method": "GET"} if is_head else scope
        await self.web(asked, receive, send)
        await looking.note(self._here, scope)

    def _door(self, path: str) -> Answering | None:
        if path.startswith(webseeds.PATH):
            return self._seed
        if path.startswith(releases.PATH):
            return self._release
        if path.startswith(RECORDINGS) and path.endswith(STREAM):
            return self._recording
        return None

    async def _seed(self, scope: Scope) -> Response:
        place = scope["path"][len(webseeds.PATH) :]
        return await self._seeds.answer(conditions(scope), place)

    async def _release(self, scope: Scope) -> Response:
        place = scope["path"][len(releases.PATH) :]
        return await answers.in_thread(
            releases.answer, conditions(scope), self._here.archive, place
        )

    async def _recording(self, scope: Scope) -> Response:
        seen = self._recent.look(scope)
        known = self._recent.answer(seen, scope) if seen else None
        if known is not None:
            return known
        return await answers.in_thread(self._sound, scope, seen)

    def _sound(self, scope: Scope, seen: Seen | None) -> Response:
        identity = scope["path"][len(RECORDINGS) : -len(STREAM)]
        try:
            wanted = asking.wanted(scope["query_string"])
        except InputError as error:
            return answers.refuse(400, error.code, str(error))
        listener = listener_of(scope["headers"], self._here)
        return answering.answer(
            self._here,
            listener,
            identity,
            wanted,
            conditions(scope),
            visitor.address(scope),
            partial(self._recent.remember, seen, listener) if seen else None,
        )


def _headers_alone(send: Send) -> Send:
    """Sends an answer without its body."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sent
