"""Web seeds (BEP 19) as sources of blocks: one HTTP range at a time, and never more than asked for.

A web seed is a stranger's server, or the own second one: it may lie, hang, drip or send without
end. An answer counts only as 206 with the range that was asked for; its body is cut off at the
first byte too many, and at its time.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx

from longplay import clock
from longplay.errors import StoreError
from longplay.model import ObjectKey

TIMEOUT = httpx.Timeout(connect=10.0, read=15.0, write=10.0, pool=10.0)
"""Seconds of silence after which a seed is taken to hang."""

MOST_SECONDS = 60.0
"""Longest that one answer may take: a megabyte at 17 kB/s. A drip of bytes must not hold a run."""

MOST_REDIRECTS = 3

ABSENT = (404, 410, 451)
"""Answers that say that this server does not give the file: it is not there, or is withheld."""

Locate = Callable[[ObjectKey], Sequence[str]]
"""The paths under which an object is in released torrents, each `torrent name/path`."""


class WebSeed:
    """The server at `address`. Use it as a context manager."""

    def __init__(self, address: str, locate: Locate) -> None:
        self.name = f"web seed {address}"
        self.received = 0
        self._base = address if address.endswith("/") else f"{address}/"
        self._locate = locate
        self._client = _client()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def read(self, key: ObjectKey, start: int, length: int) -> bytes | None:
        """Bytes of an object, unproved; None when it is not there."""
        for path in self._locate(key):
            data = self._get(f"{self._base}{quote(path)}", start, length)
            if data is not None:
                return data
        return None

    def _get(self, url: str, start: int, length: int) -> bytes | None:
        wanted = {"Range": f"bytes={start}-{start + length - 1}"}
        late = threading.Event()
        watch = threading.Timer(MOST_SECONDS, self._give_up, [late])
        watch.daemon = True
        watch.start()
        try:
            with self._client.stream("GET", url, headers=wanted) as reply:
                if reply.status_code in ABSENT:
                    return None
                self._check(reply, url, start)
                return self._body(reply, url, length)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError) as error:
            if late.is_set():
                raise _late(url) from error
            words = f"{type(error).__name__}: {error}".rstrip(": ").splitlines()[0]
            raise _failed(words, url) from error
        finally:
            watch.cancel()
            if late.is_set():
                self._client = _client()

    def _give_up(self, late: threading.Event) -> None:
        """Break off an answer, wherever it is: its head may drip as well as its body."""
        late.set()
        self._client.close()

    def _check(self, reply: httpx.Response, url: str, start: int) -> None:
        if reply.status_code != 206:
            raise _failed(f"answers {reply.status_code} to a range", url)
        span = re.match(r"bytes (\d{1,18})-", reply.headers.get("content-range", ""))
        if span is None or int(span[1]) != start:
            raise _failed("answers with another range than was asked for", url)

    def _body(self, reply: httpx.Response, url: str, length: int) -> bytes:
        until = clock.monotonic() + MOST_SECONDS
        body = bytearray()
        for piece in reply.iter_raw():  # as it comes, 64 KiB at most: a drip must be seen
            self.received += len(piece)
            body += piece
            if len(body) > length:
                raise _failed(f"sends more than the {length:,} bytes asked for", url)
            if clock.monotonic() > until:
                raise _late(url)
        return bytes(body)


def _client() -> httpx.Client:
    return httpx.Client(
        timeout=TIMEOUT,
        follow_redirects=True,
        max_redirects=MOST_REDIRECTS,
        headers={"User-Agent": "Longplay", "Accept-Encoding": "identity"},
    )


def _late(url: str) -> StoreError:
    return _failed(f"takes more than {MOST_SECONDS:.0f} s for one answer", url)


def _failed(words: str, url: str) -> StoreError:
    return StoreError(f"the web seed {words}", where=url[:300])
