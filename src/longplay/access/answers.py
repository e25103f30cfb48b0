"""Answers with bytes of files: ranges, validators, refusals. RFC 9110, sections 13, 14 and 15."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from longplay import clock
from longplay.rights.gate import Refusal

CHUNK = 256 * 1024
"""Bytes read and sent at a time."""

SMALL = 1024 * 1024
"""Up to so many bytes an answer is made in one piece, which is faster."""

LEGAL_REASONS = 451
"""Unavailable for legal reasons (RFC 7725)."""


ASK_SECONDS = 1.0
"""How often a long answer asks whether it may still go on."""


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Content:
    """A file to be sent. `tag` names its bytes for ever; `size` is what it should have; `still`
    says, while it is being sent, whether it may be. `reserved` is told to those who mine texts and
    data (TDMRep, section 6.2); None where nothing is stated."""

    path: Path
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
        source = os.open(content.path, os.O_RDONLY)
    except OSError:
        return refuse(404, "missing", "the object is not where it should be")
    if length > SMALL:
        body = _stream(source, first, length, content.still)
        return StreamingResponse(body, status, headers, content.media_type)
    try:
        data = os.pread(source, length, first)
    finally:
        os.close(source)
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


def _stream(source: int, first: int, length: int, still: Callable[[], bool]) -> Iterator[bytes]:
    asked = clock.monotonic()
    try:
        while length > 0:
            if clock.monotonic() - asked >= ASK_SECONDS:
                if not still():
                    return  # withdrawn meanwhile: the connection breaks off
                asked = clock.monotonic()
            data = os.pread(source, min(CHUNK, length), first)
            if not data:
                return  # the connection breaks off: the length that was promised cannot be kept
            first += len(data)
            length -= len(data)
            yield data
    finally:
        os.close(source)
