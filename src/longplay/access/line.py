"""The line to a client, while a long answer goes over it: pieces, each with a limit of time, until
the client hangs up."""

from __future__ import annotations

import asyncio
from typing import Self

from starlette.types import Receive, Send

IDLE_SECONDS = 60.0
"""How long a client may take over one piece: a slower one (4 KB/s) holds a connection for
nothing, for no music is played so slowly."""


class Line:
    """Use it as a context. The server takes what is sent to nobody without a word, so somebody has
    to listen whether the client is still there."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._gone = False
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listening is not None:
            self._listening.cancel()

    @property
    def is_open(self) -> bool:
        """Whether the client is still there, as far as is known."""
        return not self._gone

    async def piece(self, data: bytes, *, more: bool) -> bool:
        """Send a piece; whether it was taken."""
        message = {"type": "http.response.body", "body": data, "more_body": more}
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._send(message)
        except OSError:  # a TimeoutError is one
            self._gone = True
        return not self._gone

    async def _listen(self) -> None:
        while not self._gone:
            message = await self._receive()
            self._gone = message["type"] == "http.disconnect"
