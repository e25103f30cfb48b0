"""Answers at a pace that is shared by all of them that go to one listener, from all workers of a
server.

When his next byte is due stands in a small file, which workers change by turns, a few times a
second. How many answers run at once is counted by locks: the kernel lets go of those of a worker
that dies.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fastapi.responses import Response
from starlette.types import Message, Receive, Scope, Send

from longplay import clock
from longplay.files import turns

MOST_SLOWED = 8
"""Answers that somebody who is slowed down may be given at a time."""

SLICES = 4
"""Pieces a second in which slow answers are sent."""

FIRST_SECONDS = 5.0
"""Seconds' worth of bytes that a slow answer may begin with, so that music starts at once."""

LATEST_SECONDS = 60.0
"""No byte is due later than that: a file that says so was written before the machine began anew,
whose clock counts from then."""

DUE = struct.Struct("<d")
"""When the next byte is due, by `clock.monotonic`, which all processes of a machine share."""


class Seat:
    """A place among the answers that may run at once, until it is closed, or forgotten: an answer
    whose listener has gone is never sent."""

    def __init__(self, file: int) -> None:
        self._file = file

    def close(self) -> None:
        """Let go of it; once more does nothing."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    __del__ = close


@dataclass(frozen=True, slots=True)
class Pace:
    """What somebody is held to: `rate` bytes a second. Files at `path` are shared by all who serve
    him."""

    path: Path
    rate: float

    def seat(self) -> Seat | None:
        """A place among the answers that may run at once; None: all are taken."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for at in range(MOST_SLOWED):
            path = self.path.with_name(f"{self.path.name}.{at}")
            seat = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
            try:
                fcntl.flock(seat, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(seat)
                continue
            return Seat(seat)
        return None

    def reserve(self, size: int) -> float:
        """Take the next turn for so many bytes. Answers how many seconds they must wait for it."""
        with turns(self.path) as file:
            now = clock.monotonic()
            data = os.pread(file, DUE.size, 0)
            due = DUE.unpack(data)[0] if len(data) == DUE.size else 0.0
            if not due <= now + LATEST_SECONDS:
                due = 0.0
            due = max(due, now - FIRST_SECONDS) + size / self.rate
            os.pwrite(file, DUE.pack(due), 0)
        return max(due - now, 0.0)


class Slowed(Response):
    """An answer at somebody's pace. `seat` is let go of when it ends."""

    def __init__(self, answer: Response, pace: Pace, seat: Seat) -> None:
        self._answer, self._pace, self._seat = answer, pace, seat
        self.status_code = answer.status_code
        self.raw_headers = answer.raw_headers
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, slowly."""

        async def slowly(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            body, more = message.get("body", b""), message.get("more_body", False)
            size = max(int(self._pace.rate / SLICES), 1)
            for at in range(0, len(body), size):
                part = body[at : at + size]
                # In a thread: another worker may have its turn just now.
                await asyncio.sleep(await asyncio.to_thread(self._pace.reserve, len(part)))
                following = more or at + size < len(body)
                await send({"type": message["type"], "body": part, "more_body": following})
            if not body:
                await send(message)

        with closing(self._seat):
            await self._answer(scope, receive, slowly)
