"""What a web server's answer to a request for a file means: its bytes, from where, of which state.

Headers in, a value out: nothing is asked here (RFC 9110, sections 8.8, 13.1.5, 14 and 15).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from longplay import clock
from longplay.capture.sources import Wanted
from longplay.errors import SourceError
from longplay.web.manners import http_date

_SPAN = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_SIZE = re.compile(r"bytes \*/(\d{1,18})")
_STRONG = re.compile(r'"[\x21\x23-\x7e]*"')
_DATE = re.compile(r"[A-Za-z0-9 ,:+-]{1,60}")

MAX_VERSION = 1000
"""Letters of an ETag that are kept; real ones have under 100."""

REFUSALS = {
    401: "asks who we are",
    402: "asks for money",
    403: "refuses it",
    404: "does not have it",
    410: "does not have it any more",
    451: "may not give it, for legal reasons",
}
"""Answers that a later request does not change, in words."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is said of the bytes that follow: the offset of the first, the size of the whole file
    (None: not said), the state of the file, its modification time. With `ended` none follow."""

    start: int
    size: int | None
    version: str
    mtime_ns: int | None
    ended: bool = False


def continuing(wanted: Wanted) -> dict[str, str]:
    """The headers that ask for the rest of a file, if it has not changed; empty where the host gave
    no proof of its state by which that could be told."""
    proof = wanted.version
    if not wanted.start or not (_STRONG.fullmatch(proof) or _is_date(proof)):
        return {}
    return {"Range": f"bytes={wanted.start}-", "If-Range": proof}


def judge(status: int, headers: Mapping[str, str], wanted: Wanted, *, ranged: bool) -> Head | None:
    """What follows an answer's head; None where it is no answer to a range, which must be asked for
    anew without one. Raises SourceError for a refusal, and for bytes that are not the file's."""
    if status == 416 and ranged:
        found = _SIZE.fullmatch(headers.get("content-range", ""))
        same = version_of(headers) in ("", wanted.version)
        if found and int(found[1]) == wanted.start and same:
            return Head(wanted.start, wanted.start, wanted.version, _modified(headers), ended=True)
        return None
    if status not in (200, 206):
        raise SourceError(REFUSALS.get(status, f"answers {status}") + f" ({status})")
    encoding = encoding_of(headers)
    if encoding not in ("", "identity"):
        raise SourceError(f"sends it as {encoding[:40]}, though it was asked for the file as it is")
    version = version_of(headers)
    if status == 200:
        return Head(0, _length(headers), version, _modified(headers))
    if not ranged:
        raise SourceError("answers with a part of the file, though all was asked for")
    return _part(headers, wanted, version)


def encoding_of(headers: Mapping[str, str]) -> str:
    """In what the bytes are packed (Content-Encoding), in lower case."""
    return headers.get("content-encoding", "").strip().lower()


def version_of(headers: Mapping[str, str]) -> str:
    """What tells this state of a file from another: a strong ETag, else the date of its last
    change, else a weak ETag, by which nothing can be continued."""
    tag = headers.get("etag", "").strip()[:MAX_VERSION]
    changed = headers.get("last-modified", "").strip()
    if not _STRONG.fullmatch(tag) and _is_date(changed) and not _just_now(headers):
        return changed
    return tag


def _is_date(text: str) -> bool:
    return bool(_DATE.fullmatch(text)) and http_date(text) is not None


def _just_now(headers: Mapping[str, str]) -> bool:
    """Whether it was changed in the very second of the answer, and may have been again since (RFC
    9110, 8.8.2.2)."""
    sent, changed = (http_date(headers.get(name, "")) for name in ("date", "last-modified"))
    return bool(sent and changed and (sent - changed).total_seconds() < 1)


def is_page(headers: Mapping[str, str]) -> bool:
    """Whether the answer calls itself a web page."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml")


def begins_page(head: bytes) -> bool:
    """Whether these first bytes of a file are those of a web page: no sound begins with `<`."""
    plain = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not plain.startswith(b"<"):
        return False
    return any(word in plain.lower() for word in (b"<!doctype html", b"<html"))


def _part(headers: Mapping[str, str], wanted: Wanted, version: str) -> Head | None:
    """A part that begins where it should, ends with the file, and is of the same state."""
    span = _SPAN.fullmatch(headers.get("content-range", "").strip())
    if span is None or int(span[1]) != wanted.start:
        return None
    last = int(span[2])
    size = last + 1 if span[3] == "*" else int(span[3])
    length = _length(headers)
    if last + 1 != size or last < wanted.start or length not in (None, size - wanted.start):
        return None
    if version and version != wanted.version:
        return None  # the host did not look at If-Range
    return Head(wanted.start, size, version or wanted.version, _modified(headers))


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length", "")
    if "transfer-encoding" in headers or not re.fullmatch(r"\d{1,18}", text):
        return None
    return int(text)


def _modified(headers: Mapping[str, str]) -> int | None:
    moment = http_date(headers.get("last-modified", ""))
    return None if moment is None else clock.nanoseconds(moment)
