"""What obstore reaches, by paths below one prefix: an S3 bucket, or memory in tests.

Nothing here rests on conditional writes or on renaming, which S3 servers do not all have. Every
request is signed with the SHA-256 of its body, so a server refuses what was changed on the way.
Credentials and endpoint are never in the settings: AWS_ACCESS_KEY_ID and its like.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore, from_url

from longplay.errors import StoreError

SCHEME = "s3://"

PART_BYTES = 8 * 2**20
"""Up to so many bytes a file is sent in one request, a larger one in such parts: S3 takes 10,000
of them, 80 GB, and wants 5 MB at least. At 60 kB a second it arrives in time."""

PARTS_AT_ONCE = 4
"""Parts of one file that are under way together, and held in memory."""

AGAIN = 5
"""How often a transfer is begun that broke off in the middle, or came out wrong."""

BROKEN = (
    *("BadDigest", "ContentSHA256Mismatch", "IncompleteBody", "RequestTimeout"),
    *("uploadId", "response body"),
)
"""Words of errors after which a transfer is begun again. What else may pass, obstore has tried
again itself; of an upload in parts whose last answer was lost the server knows nothing more."""

NOTHING = "nothing"
"""A folder that no bucket has: asking for it tells whether there is a bucket at all."""

CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
    "AWS_SKIP_SIGNATURE",
)
"""Where credentials come from; one of these is set."""

LIST_ROWS = 1000
"""Names that are listed with one request."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for: seconds for one request, tries of a request that failed,
    and seconds after which none is tried again."""

    request_seconds: float = 120
    retries: int = 12
    retry_seconds: float = 120


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that lies in a bucket: its path below the prefix, bytes, and when it came."""

    path: str
    size: int
    changed: datetime


class Bucket:
    """Files by paths of plain components joined by `/`; `called` names it in errors.

    Every method raises StoreError when the server cannot be reached or refuses, in bounded time;
    all may be repeated. Threads may share one.
    """

    def __init__(self, called: str, store: ObjectStore) -> None:
        self.called = called
        self._store = store
        self._there = False

    def reach(self) -> None:
        """Raise StoreError when there is no such bucket, which looks as if all in it were gone."""
        if not self._there:
            try:
                self._ask("", lambda: obstore.list_with_delimiter(self._store, NOTHING))
            except FileNotFoundError as error:
                raise self._refused("", error) from error
            self._there = True

    def size(self, path: str) -> int | None:
        """Bytes of what lies there; None for nothing."""
        try:
            return int(self._ask(path, lambda: obstore.head(self._store, path))["size"])
        except FileNotFoundError:
            self.reach()
            return None

    def read(self, path: str, start: int, length: int) -> bytes | None:
        """At most `length` bytes from `start`, fewer where it ends before; None for nothing."""
        if length <= 0:
            return b""
        try:
            return bytes(
                self._ask(
                    path,
                    lambda: obstore.get_range(self._store, path, start=start, length=length),
                )
            )
        except FileNotFoundError:
            self.reach()
            return None
        except StoreError:
            size = self.size(path)
            if size is not None and size <= start:
                return b""
            raise

    def put(self, path: str, source: Path | bytes) -> None:
        """Store a file's bytes, whole or not at all, in place of what is there."""
        if isinstance(source, Path):
            try:
                size = source.stat().st_size
                content: Path | bytes = source if size > PART_BYTES else source.read_bytes()
            except OSError as error:
                raise StoreError(
                    f"cannot be read: {error.strerror}",
                    where=str(source),
                    hint="check the disk and its permissions",
                ) from error
        else:
            size, content = len(source), source
        in_parts = size > PART_BYTES
        try:
            self._ask(
                path,
                lambda: obstore.put(
                    self._store,
                    path,
                    content,
                    use_multipart=in_parts,
                    chunk_size=PART_BYTES,
                    max_concurrency=PARTS_AT_ONCE,
                ),
            )
        except FileNotFoundError as error:
            raise self._refused(path, error) from error
        if in_parts and self.size(path) != size:
            raise StoreError(
                f"{self.called} has not the {size:,} bytes that were sent",
                where=path,
                hint="run the command again",
            )

    def names(self, folder: str) -> list[str]:
        """The names of what lies directly in a folder."""
        return sorted(entry.path.rpartition("/")[2] for entry in self.entries(folder))

    def entries(self, folder: str) -> list[Entry]:
        """What lies directly in a folder."""
        try:
            found = self._ask(folder, lambda: obstore.list_with_delimiter(self._store, folder))
        except FileNotFoundError:
            return []
        return [_entry(one) for one in found["objects"]]

    def walk(self, folder: str) -> Iterator[Entry]:
        """Everything below a folder, in order of the paths, page by page."""
        after: str | None = None
        while page := self._ask(folder, partial(self._page, folder, after)):
            yield from map(_entry, page)
            after = page[-1]["path"]

    def _page(self, folder: str, after: str | None) -> Sequence[obstore.ObjectMeta]:
        """What follows upon a path. A list that broke off would end as if it were complete, so
        each page is a list of its own."""
        pages = obstore.list(self._store, folder, offset=after, chunk_size=LIST_ROWS)
        return next(iter(pages), [])

    def remove(self, path: str) -> None:
        """Destroy what lies there; nothing there is no error."""
        self.remove_all([path])

    def remove_all(self, paths: Sequence[str]) -> None:
        """Destroy what lies at each of these paths; nothing there is no error."""
        for start in range(0, len(paths), LIST_ROWS):
            part = list(paths[start : start + LIST_ROWS])
            try:
                self._ask(part[0], partial(obstore.delete, self._store, part))
            except FileNotFoundError:
                self._one_by_one(part)

    def _one_by_one(self, paths: Iterable[str]) -> None:
        """Where a store stops at the first that is not there."""
        for path in paths:
            try:
                self._ask(path, partial(obstore.delete, self._store, path))
            except FileNotFoundError:
                continue

    def _ask(self, path: str, request: Callable[[], T]) -> T:
        """Make a request, again where it broke off; FileNotFoundError is given on."""
        for left in reversed(range(AGAIN)):
            try:
                return request()
            except FileNotFoundError:
                raise
            except (BaseError, OSError, ValueError) as error:
                if not left or not _broke_off(error):
                    raise self._refused(path, error) from error
        raise AssertionError("unreachable")

    def _refused(self, path: str, error: Exception) -> StoreError:
        return StoreError(
            f"{self.called} cannot be used: {told(error)}",
            where=path,
            hint="check its address, and its credentials in the environment",
        )


def open_bucket(location: str, called: str, patience: Patience) -> Bucket:
    """The bucket at `s3://bucket/prefix`. Nothing is asked of it yet. Raises StoreError for an
    address that no store can have."""
    return Bucket(called, connect(location, called, patience))


def carries_password(location: str) -> bool:
    """Whether the address of a bucket has a name or a password in it, which belong into the
    environment."""
    return bool(re.match(r"s3://[^/]*(?:@|:.*@)", location))


def connect(location: str, called: str, patience: Patience) -> ObjectStore:
    """See `open_bucket`. Raises StoreError also where the environment has no credentials: asking
    the machine for those of its role may hang, so AWS_METADATA_ENDPOINT has to say where that is.
    """
    if carries_password(location):
        raise StoreError(
            f"the location of {called} carries a password",
            hint="take it out, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead",
        )
    if not any(os.environ.get(name) for name in CREDENTIALS):
        raise StoreError(
            f"{called} cannot be opened: no credentials are in the environment",
            where=location,
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; see docs/storage.md",
        )
    wait = timedelta(seconds=patience.request_seconds)
    try:
        return from_url(
            location,
            config={"unsigned_payload": False},
            client_options={"timeout": wait, "connect_timeout": wait / 4, "allow_http": True},
            retry_config={
                "max_retries": patience.retries,
                "retry_timeout": timedelta(seconds=patience.retry_seconds),
            },
        )
    except (BaseError, ValueError) as error:
        raise StoreError(
            f"{called} cannot be opened: {told(error)}",
            where=location,
            hint="correct its location in longplay.toml",
        ) from error


def _entry(found: obstore.ObjectMeta) -> Entry:
    return Entry(found["path"], found["size"], found["last_modified"])


def _broke_off(error: Exception) -> bool:
    refused = isinstance(error, PermissionDeniedError | UnauthenticatedError)
    return not refused and any(word in str(error) for word in BROKEN)


def told(error: Exception) -> str:
    """One line of an error: what the server said, or what became of the request."""
    text = str(error)
    status = re.search(r"status code: (\d{3}[A-Za-z ]*)", text)
    if status is None:
        line = text.splitlines()[0] if text else type(error).__name__
        return line.removeprefix("Generic S3 error: ")[:300]
    code = re.search(r"<Code>([A-Za-z0-9]{1,60})</Code>", text)
    request = re.search(r"Error performing (\w+ \S{1,200})", text)
    words = [f"the server answers {status[1].strip()}", code and code[1], request and request[1]]
    return ", ".join(word for word in words if word)
