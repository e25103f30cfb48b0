"""Answers with bytes of files, and refusals. RFC 9110, sections 14 and 15."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from longplay import clock
from longplay.access import descriptors
from longplay.access.conditions import UNSATISFIABLE, Conditions, Span, conditions
from longplay.access.descriptors import Descriptor
from longplay.access.guarding import Refused
from longplay.access.line import Line
from longplay.errors import StoreError
from longplay.rights.gate import Refusal

CHUNK = 256 * 1024
"""Bytes read and sent at a time, and with it what one connection takes of memory."""

FAR_CHUNK = 1024 * 1024
"""Bytes asked of another machine at a time, each with a request."""

SMALL = 1024 * 1024
"""Up to so many bytes an answer is made in one piece, which is faster."""

LEGAL_REASONS = 451
"""Unavailable for legal reasons (RFC 7725)."""

ASK_SECONDS = 1.0
"""How often a long answer asks whether it may still go on."""

READERS = 32
"""Threads that wait for disks and for other machines."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""What every answer carries: no page needs anything of another host, and no file is to be taken
for a page."""

RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


def _always() -> bool:
    return True


def _nobody(first: int, count: int, of: int) -> None:
    pass


Reads = Callable[[int, int], bytes]

Header = tuple[bytes, bytes]
"""A name, in lower case, and its value, as ASGI has them."""

T = TypeVar("T")

readers = ThreadPoolExecutor(READERS, "reader")


@dataclass(frozen=True, slots=True)
class Content:
    """A file to be sent, or what gives parts of one (start, length) from elsewhere, raising
    StoreError. `tag` names its bytes for ever; `size` is what it should have; `still` says, while
    it is being sent, whether it may be. `reserved` is told to those who mine texts and data
    (TDMRep, section 6.2); None where nothing is stated. `accel` is the path by which nginx knows
    the file (docs/streaming.md), where it is to send it; `sent` is told in the end from which
    byte on how many went out, of how many (0: not known)."""

    source: Path | Reads
    size: int
    tag: str
    media_type: str
    still: Callable[[], bool] = _always
    reserved: bool | None = None
    accel: str = ""
    sent: Callable[[int, int, int], None] = field(default=_nobody, compare=False)
    quoted: bytes = field(init=False, repr=False, compare=False)
    """The tag as headers have it."""
    always: list[Header] = field(init=False, repr=False, compare=False)
    """Headers of every answer about it."""
    with_bytes: list[Header] = field(init=False, repr=False, compare=False)
    """Those, the kind of bytes that come with it, and what every answer carries."""
    place: str | None = field(init=False, repr=False, compare=False)
    """Where the file lies, if it is one."""

    def __post_init__(self) -> None:
        quoted = b'"%s"' % self.tag.encode()
        always = [(b"accept-ranges", b"bytes"), (b"etag", quoted), *raw_mining(self.reserved)]
        kind = (b"content-type", self.media_type.encode())
        place = str(self.source) if isinstance(self.source, Path) else None
        object.__setattr__(self, "quoted", quoted)
        object.__setattr__(self, "always", always)
        object.__setattr__(self, "with_bytes", [*always, kind, *RAW_HEADERS])
        object.__setattr__(self, "place", place)


class Bare(Response):
    """An answer with headers as they stand, for `bare` and for FastAPI alike; `carried` says that
    those which every answer carries are among them."""

    def __init__(
        self, status: int, headers: list[Header], body: bytes = b"", *, carried: bool = False
    ) -> None:
        self.status_code = status
        self.raw_headers = headers if carried else [*headers, *RAW_HEADERS]
        self.body = body
        self.background = None


class Part(Bare):
    """A part of some content, read while it is sent."""

    def __init__(
        self, status: int, headers: list[Header], content: Content, first: int, last: int
    ) -> None:
        super().__init__(status, headers, carried=True)
        self._content, self._first = content, first
        self._at, self._left = first, last - first + 1
        self._file: Descriptor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. What is wrong with the first bytes is an answer of its own."""
        first = min(self._left, FAR_CHUNK if self._content.place is None else SMALL)
        try:
            data = await self._next(first)
        except OSError:
            return await refuse(404, "missing", "the object is not where it should be")(
                scope, receive, send
            )
        except StoreError:
            return await refuse(503, "unreachable", "the object cannot be had at this moment")(
                scope, receive, send
            )
        if len(data) < first:
            return await refuse(500, "damaged", "the object is shorter than it should be")(
                scope, receive, send
            )
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        if self._left:
            await self._stream(data, receive, send)
        else:
            await send({"type": "http.response.body", "body": data})
            self._content.sent(self._first, len(data), self._content.size)
        return None

    async def _stream(self, data: bytes, receive: Receive, send: Send) -> None:
        """Send `data` and what follows it. Where it ends too soon the connection breaks off, for
        the length that was promised cannot be kept; so it does when the content was withdrawn
        meanwhile, and when the client does not take it."""
        asked, count = clock.monotonic(), 0
        try:
            async with Line(receive, send) as line:
                while data and await line.piece(data, more=self._left > 0):
                    count += len(data)
                    if not self._left:
                        break
                    if clock.monotonic() - asked >= ASK_SECONDS:
                        if not await in_thread(self._content.still):
                            break
                        asked = clock.monotonic()
                    data = await self._next(min(CHUNK, self._left))
        except (OSError, StoreError):
            pass
        finally:
            self._content.sent(self._first, count, self._content.size)

    async def _next(self, length: int) -> bytes:
        source, place = self._content.source, self._content.place
        if place is not None:
            file = self._file
            if file is None:
                file = self._file = descriptors.kept.open(place)
            data = file.read_at_once(self._at, length)
            if data is None:
                data = await in_thread(file.read, self._at, length)
        else:
            assert callable(source)
            data = await in_thread(source, self._at, min(FAR_CHUNK, length))
        self._at += len(data)
        self._left -= len(data)
        return data


class Zeros(Bare):
    """So many zeros."""

    def __init__(self, status: int, headers: list[Header], count: int) -> None:
        super().__init__(status, headers)
        self._left = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        async with Line(receive, send) as line:
            more = True
            while more:
                data = bytes(min(CHUNK, self._left))
                self._left -= len(data)
                more = self._left > 0
                if not await line.piece(data, more=more):
                    return


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """What a function gives that may have to wait for disks, databases or other machines."""
    return await asyncio.get_running_loop().run_in_executor(readers, function, *arguments)


def send(request: Request, content: Content) -> Response:
    """All of a file, or the one range that is asked for."""
    return answer(conditions(request.scope), content)


def answer(asked: Conditions, content: Content) -> Response:
    """The same, with what the request says in it already."""
    if asked.if_none_match and asked.knows(content.quoted):
        return Bare(304, content.always)
    size = content.size
    span = asked.span(content.quoted, size)
    if content.accel and asked.if_range is None and (span or not asked.range):
        return _handed_over(content, span or (0, size - 1))
    if span == UNSATISFIABLE:
        return _outside(size)
    headers = content.with_bytes.copy()
    if span is None:
        status, first, last = 200, 0, size - 1
    else:
        status, (first, last) = 206, span
        headers.append((b"content-range", b"bytes %d-%d/%d" % (first, last, size)))
    headers.append((b"content-length", b"%d" % (last - first + 1)))
    if asked.method == "HEAD" or not size:
        return Bare(status, headers, carried=True)
    return Part(status, headers, content, first, last)


def _handed_over(content: Content, span: Span) -> Response:
    """Leave it to nginx to send the file, or the range of it that was asked for. Not where nginx
    might read what is asked for in another way: what it sends could not be told."""
    if span != UNSATISFIABLE:
        content.sent(span[0], span[1] - span[0] + 1, content.size)
    return Bare(
        200,
        [
            *content.always,
            (b"x-accel-redirect", content.accel.encode()),
            (b"x-longplay-etag", content.quoted),
            (b"content-type", content.media_type.encode()),
            (b"content-length", b"0"),
        ],
    )


def whole(
    asked: Conditions,
    data: bytes,
    tag: str,
    media_type: str,
    headers: list[Header],
) -> Response:
    """A small document that is already read, which has no ranges."""
    quoted = b'"%s"' % tag.encode()
    headers = [*headers, (b"etag", quoted)]
    if asked.knows(quoted):
        return Bare(304, headers)
    headers += [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(data))]
    return Bare(200, headers, b"" if asked.method == "HEAD" else data)


def zeros(asked: Conditions, size: int) -> Response:
    """`size` bytes of padding (BEP 47), for clients that ask for it as if it were a file."""
    tag = b'"pad-%d"' % size
    headers = [(b"accept-ranges", b"bytes"), (b"etag", tag)]
    if asked.knows(tag):
        return Bare(304, headers)
    span = asked.span(tag, size)
    if span == UNSATISFIABLE:
        return _outside(size)
    status, (first, last) = (200, (0, size - 1)) if span is None else (206, span)
    if span is not None:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (first, last, size)))
    headers.append((b"content-type", b"application/octet-stream"))
    headers.append((b"content-length", b"%d" % (last - first + 1)))
    return (
        Bare(status, headers)
        if asked.method == "HEAD"
        else Zeros(status, headers, last - first + 1)
    )


def _outside(size: int) -> Response:
    return Bare(416, [(b"content-range", b"bytes */%d" % size), (b"content-length", b"0")])


def tell(document: object, reserved: bool | None = None) -> JSONResponse:
    """A JSON document."""
    return JSONResponse(document, headers=mining(reserved))


def mining(reserved: bool | None) -> dict[str, str]:
    """The header that says whether text and data mining is reserved."""
    return {} if reserved is None else {"tdm-reservation": str(int(reserved))}


def raw_mining(reserved: bool | None) -> list[Header]:
    """The same as ASGI has headers."""
    return [] if reserved is None else [(b"tdm-reservation", b"%d" % reserved)]


def refuse(status: int, code: str, message: str) -> JSONResponse:
    """An error as one JSON document."""
    return JSONResponse({"error": {"code": code, "message": message}}, status, HEADERS)


def refused(why: Refused) -> JSONResponse:
    """The guard's refusal."""
    answer = refuse(why.status, "guard", why.words)
    if why.seconds is not None:
        answer.headers["Retry-After"] = str(why.seconds)
    return answer


class Told(BaseModel):
    """What went wrong: a word for programs, a sentence for people."""

    code: str
    message: str


class Error(BaseModel):
    """The shape of every error."""

    error: Told


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Errors with these statuses, as OpenAPI has them."""
    return {status: {"model": Error} for status in statuses}


def withheld(refusal: Refusal) -> JSONResponse:
    """The gate's refusal."""
    return refuse(LEGAL_REASONS, refusal.reason, refusal.words)
