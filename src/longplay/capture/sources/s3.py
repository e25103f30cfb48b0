"""`s3`: the sound files in a bucket, below a prefix, through obstore.

Credentials and endpoint come from the environment (AWS_ACCESS_KEY_ID and its like), as those of the
archive's own stores do.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore

from longplay import clock, settings
from longplay.capture.sources import Limit, Stream, Wanted, kinds
from longplay.errors import SourceError, UnavailableError
from longplay.files import escape
from longplay.model import Kind, Offer
from longplay.vault.bucket import Patience, connect, told

PART_BYTES = 8 * 2**20
"""Bytes that are asked for at once: a request has one time limit, a file has none."""

LIST_ROWS = 1000
"""Names that are listed with one request."""

RETRIES = 4
"""Times that a request is made again before the file is put off."""

GB, HOUR = 10**9, 3600.0

_NUMBERED = re.compile(r"(?:(\d{1,3})\s*[-._]\s*|(0\d)\s+)([^\d\s._-].*)")
"""`01 - Title`, `01. Title`, `01_Title` and `01 Title`, but not `99 Luftballons`."""

Answer = TypeVar("Answer")


class S3Source:
    """The bucket and prefix of a location `s3://bucket/prefix`. `store` replaces them in tests."""

    def __init__(self, source: settings.Source, *, store: ObjectStore | None = None) -> None:
        polite = source.politeness
        patience = Patience(polite.patience_seconds, RETRIES, polite.patience_seconds)
        self._location = source.location
        self._store = store or connect(source.location, f"the source {source.name}", patience)
        self._most = polite.file_gb
        self._hours = polite.file_hours
        self._closed = threading.Event()

    def offers(self) -> Iterator[Offer]:
        """Everything that is called like sound, in the order of the keys."""
        pages = iter(obstore.list(self._store, chunk_size=LIST_ROWS))
        while True:
            page = self._asked(self._location, lambda: next(pages, None))
            if page is None:
                return
            for found in page:
                key = found["path"]
                if kinds.kind_of_name(key.encode()) is Kind.AUDIO:
                    yield _offer(
                        key, found["size"], found["last_modified"], found.get("e_tag") or ""
                    )

    def limit(self, path: bytes) -> Limit:
        """A bucket is one's own, or paid for: nobody needs to be spared."""
        return Limit()

    @contextmanager
    def open(self, wanted: Wanted) -> Iterator[Stream]:
        """Open one object. One that has been replaced begins anew."""
        key, where = wanted.path.decode(), self._where(wanted.path)
        head = self._asked(where, lambda: obstore.head(self._store, key))
        size, version = int(head["size"]), head.get("e_tag") or ""
        if size > self._most * GB:
            raise SourceError(
                f"has {size:,} bytes, more than {self._most:g} GB",
                where=where,
                hint="raise politeness.file_gb of the source if that is right",
            )
        same = bool(version) and version == wanted.version and wanted.start <= size
        start = wanted.start if same else 0
        chunks = self._chunks(key, start, size, version)
        yield Stream(start, size, version, clock.nanoseconds(head["last_modified"]), chunks)

    def close(self) -> None:
        """Let no further part be asked for."""
        self._closed.set()

    def _chunks(self, key: str, start: int, size: int, version: str) -> Iterator[bytes]:
        until = clock.monotonic() + self._hours * HOUR
        where = self._where(key.encode())
        while start < size:
            if self._closed.is_set():
                raise UnavailableError("was stopped", where=where)
            if clock.monotonic() > until:
                raise SourceError(f"takes more than {self._hours:g} hours", where=where)
            part = (start, min(start + PART_BYTES, size))
            data, now = self._asked(where, lambda part=part: self._part(key, part))  # type: ignore[misc]
            if now != (size, version) or len(data) != part[1] - part[0]:
                raise UnavailableError("was replaced while it was read", where=where)
            yield data
            start = part[1]

    def _part(self, key: str, part: tuple[int, int]) -> tuple[bytes, tuple[int, str]]:
        """The bytes of a range, with the size and state of the whole."""
        found = obstore.get(self._store, key, options={"range": part})
        return bytes(found.bytes()), (found.meta["size"], found.meta.get("e_tag") or "")

    def _asked(self, where: str, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except FileNotFoundError as error:
            raise SourceError(
                "is not there",
                where=where,
                hint="check the location, and list the source again: longplay source refresh",
            ) from error
        except (BaseError, OSError, ValueError) as error:
            if _is_refusal(error):
                raise UnavailableError(
                    "may not be read with the credentials of the environment",
                    where=where,
                    hint="check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do",
                ) from error
            raise UnavailableError(
                f"cannot be read: {told(error)}",
                where=where,
                hint="check the location, and AWS_ENDPOINT_URL in the environment",
            ) from error

    def _where(self, key: bytes) -> str:
        return f"{self._location.rstrip('/')}/{escape(key)}"


def _is_refusal(error: Exception) -> bool:
    """Whether the server does not know us, or not for this. Of lists obstore says it in words."""
    refusals = (PermissionDeniedError, UnauthenticatedError)
    return isinstance(error, refusals) or bool(re.search(r"status code: 40[13]\b", str(error)))


def _offer(key: str, size: int, changed: datetime, version: str) -> Offer:
    folder, _, name = key.rpartition("/")
    title, number = _title(name)
    return Offer(
        path=key.encode(),
        size=size,
        mtime_ns=clock.nanoseconds(changed),
        version=version,
        own_id=key,
        title=title,
        album=folder.rpartition("/")[2],
        album_id=folder,
        track_number=number,
        lossless=kinds.lossless_by_name(name.encode()),
    )


def _title(name: str) -> tuple[str, int | None]:
    """The title that a file's name tells, and the number before it."""
    stem = " ".join(name.rpartition(".")[0].split()) or name
    found = _NUMBERED.fullmatch(stem)
    if found is None:
        return stem, None
    return found[3], int(found[1] or found[2]) or None
