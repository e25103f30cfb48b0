"""A smaller copy as an answer, sent while it is made."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

from longplay import clock
from longplay.access import answers
from longplay.access.answers import ASK_SECONDS, CHUNK, Bare, Content, in_thread
from longplay.access.line import Line
from longplay.access.streams.making import Job, Maker, Making
from longplay.errors import LongplayError

LOOK_SECONDS = 0.02
"""How often is looked whether more of a copy is there."""

TRIES = 3
"""How often a copy is begun: another process may give up the one that was read along with."""


class Growing(Bare):
    """A copy on its way. With `length` so many bytes were promised, more than it can have: what it
    lacks is filled up with zeros, which no decoder takes for sound."""

    def __init__(
        self,
        headers: list[tuple[bytes, bytes]],
        maker: Maker,
        job: Job,
        content: Content,
        length: int | None = None,
    ) -> None:
        super().__init__(200, headers)
        self._maker, self._job, self._content, self._length = maker, job, content, length
        self._making: Making | None = None
        self._sent, self._is_whole = 0, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. What goes wrong before its first byte is an answer of its own; afterwards the
        connection breaks off."""
        try:
            async with Line(receive, send) as line:
                data = await self._next(line)
                if not data:
                    words = self._making.failure if self._making is not None else ""
                    answer = answers.refuse(500, "transcoding", words or "nothing came of it")
                    await answer(scope, receive, send)
                    return
                start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                await send(start)
                await self._stream(line, data)
        except LongplayError as error:
            busy = answers.refuse(503, error.code, error.message)
            busy.headers["Retry-After"] = "5"
            await busy(scope, receive, send)
        finally:
            of = self._sent if self._is_whole else 0
            if self._making is not None:
                if self._making.is_done() and not self._making.failure:
                    of = self._making.size()
                self._maker.leave(self._making)
            self._content.sent(0, self._sent, of)

    async def _stream(self, line: Line, data: bytes) -> None:
        asked = clock.monotonic()
        while data:
            if not await line.piece(data, more=True):
                return
            self._sent += len(data)
            if clock.monotonic() - asked >= ASK_SECONDS:
                if not await in_thread(self._content.still):
                    return
                asked = clock.monotonic()
            try:
                data = await self._next(line)
            except LongplayError:
                return
        if self._making is not None and not self._making.failure and line.is_open:
            self._is_whole = True
            await line.piece(bytes(max(0, (self._length or 0) - self._sent)), more=False)

    async def _next(self, line: Line) -> bytes:
        """More of the copy, as soon as there is any; nothing at its end, and when it fails or the
        client is gone. Raises UnavailableError."""
        for _ in range(TRIES):
            if self._making is None:
                self._making = await in_thread(self._maker.join, self._job)
            while line.is_open:
                done = self._making.is_done()  # before the look: what comes after it is seen later
                data = self._making.read(self._sent, CHUNK)
                if data or (done and not self._making.failure):
                    return data
                if done:
                    break
                await asyncio.sleep(LOOK_SECONDS)
            if not line.is_open or not self._making.foreign:
                break
            # The same copy comes out the same: begun again it goes on where this one broke off.
            self._maker.leave(self._making)
            self._making = None
        return b""
