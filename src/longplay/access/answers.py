"""Answers with bytes of files: ranges, validators, refusals. RFC 9110, sections 13, 14 and 15."""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel

from longplay import clock
from longplay.errors import StoreError
from longplay.rights.gate import Refusal

CHUNK = 256 * 1024
"""Bytes read and sent at a time."""

FAR_CHUNK = 1024 * 1024
"""Bytes asked of another machine at a time, each with a request."""

SMALL = 1024 * 1024
"""Up to so many bytes an answer is made in one piece, which is faster."""

LEGAL_REASONS = 451
"""Unavailable for legal reasons (RFC 7725)."""


ASK_SECONDS = 1.0
"""How often a long answer asks whether it may still go on."""


def _always() -> bool:
    return True


Reads = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Content:
    """A file to be sent, or what gives parts of one (start, length) from elsewhere, raising
    StoreError. `tag` names its bytes for ever; `size` is what it should have; `still` says, while
    it is being sent, whether it may be. `reserved` is told to those who mine texts and data
    (TDMRep, section 6.2); None where nothing is stated."""

    source: Path | Reads
    size: int
    tag: str
    media_type: str
    still: Callable[[], bool] = _always
    reserved: bool | None = None


def send(request: Request, content: Content) -> Response:
    """All of a file, or the one range that is asked for."""
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{content.tag}"'} | mining(content.reserved)
    if headers["ETag"] in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    span = _range(request, headers["ETag"], content.size)
    if span is None:
        first, last, status = 0, content.size - 1, 200
    elif span == UNSATISFIABLE:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{content.size}"})
    else:
        (first, last), status = span, 206
        headers["Content-Range"] = f"bytes {first}-{last}/{content.size}"
    length = last - first + 1
    headers["Content-Length"] = str(length)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=content.media_type)
    try:
        part = Part(content, first, length)
        if length > SMALL:
            return StreamingResponse(part.stream(), status, headers, content.media_type)
        data = b"".join(part.stream())
    except OSError:
        return refuse(404, "missing", "the object is not where it should be")
    except StoreError:
        return refuse(503, "unreachable", "the object cannot be had at this moment")
    if len(data) != length:
        return refuse(500, "damaged", "the object is shorter than it should be")
    return Response(data, status, headers, content.media_type)


def zeros(request: Request, size: int) -> Response:
    """`size` bytes of padding (BEP 47), for clients that ask for it as if it were a file."""
    headers = {"Accept-Ranges": "bytes", "ETag": f'"pad-{size}"'}
    span = _range(request, headers["ETag"], size)
    if span == UNSATISFIABLE:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    first, last = span or (0, size - 1)
    headers["Content-Length"] = str(last - first + 1)
    if span is not None:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    status = 200 if span is None else 206
    length = 0 if request.method == "HEAD" else last - first + 1
    body = (bytes(min(CHUNK, length - at)) for at in range(0, length, CHUNK))
    return StreamingResponse(body, status, headers, "application/octet-stream")


def tell(document: object, reserved: bool | None = None) -> JSONResponse:
    """A JSON document."""
    return JSONResponse(document, headers=mining(reserved))


def mining(reserved: bool | None) -> dict[str, str]:
    """The header that says whether text and data mining is reserved."""
    return {} if reserved is None else {"tdm-reservation": str(int(reserved))}


def refuse(status: int, code: str, message: str) -> JSONResponse:
    """An error as one JSON document."""
    return JSONResponse({"error": {"code": code, "message": message}}, status)


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


UNSATISFIABLE = (-1, -1)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def _range(request: Request, tag: str, size: int) -> tuple[int, int] | None:
    """First and last byte of the one range that is asked for; None for the whole.

    Several ranges, other units and what cannot be read are answered with the whole, as a server
    may (section 14.2).
    """
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    condition = request.headers.get("if-range")
    if found is None or (condition is not None and condition != tag) or found[0] == "bytes=-":
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        return (size - length, size - 1) if length else UNSATISFIABLE
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < first:
        return None
    return (first, last) if first < size else UNSATISFIABLE


def _tags(header: str) -> set[str]:
    return {part.strip().removeprefix("W/") for part in header.split(",")}


class Part:
    """A part of some content on its way. Raises OSError for a file that cannot be opened, and
    StoreError when the first bytes of what lies elsewhere do not come."""

    def __init__(self, content: Content, first: int, length: int) -> None:
        self._content, self._at, self._left = content, first, length
        self._file = self._ahead = None
        if isinstance(content.source, Path):
            self._file = os.open(content.source, os.O_RDONLY)
            # Who hangs up before the first byte never begins the stream.
            self._close = weakref.finalize(self, os.close, self._file)
        else:
            self._ahead = content.source(first, min(FAR_CHUNK, length))

    def stream(self) -> Iterator[bytes]:
        """The bytes. Where they end too soon the connection breaks off, because the length that
        was promised cannot be kept; so it does when the content was withdrawn meanwhile."""
        asked = clock.monotonic()
        try:
            while self._left > 0:
                if clock.monotonic() - asked >= ASK_SECONDS:
                    if not self._content.still():
                        return
                    asked = clock.monotonic()
                data = self._next()
                if not data:
                    return
                self._at += len(data)
                self._left -= len(data)
                yield data
        finally:
            if self._file is not None:
                self._close()

    def _next(self) -> bytes:
        if self._file is not None:
            return os.pread(self._file, min(CHUNK, self._left), self._at)
        assert not isinstance(self._content.source, Path)
        if self._ahead is not None:
            data, self._ahead = self._ahead, None
            return data
        try:
            return self._content.source(self._at, min(FAR_CHUNK, self._left))
        except StoreError:
            return b""
