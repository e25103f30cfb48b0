"""What a server asks of programmes: its robots.txt (RFC 9309)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from protego import Protego

from longplay.errors import UnavailableError
from longplay.web.manners import AGENT

MAX_BYTES = 500 * 1024
"""What is read of the rules: as much as the standard asks for."""

MAX_DELAY_SECONDS = 3600.0
"""A longer pause between two requests is taken for this one: a year would be a refusal."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one host; without any, all is allowed."""

    _rules: Protego | None = None

    def allow(self, url: str) -> bool:
        """Whether we may ask for this address."""
        return self._rules is None or bool(self._rules.can_fetch(url, AGENT))

    @property
    def delay(self) -> float:
        """Seconds that shall lie between two requests (`Crawl-delay`, `Request-rate`)."""
        if self._rules is None:
            return 0.0
        rate = self._rules.request_rate(AGENT)
        asked = rate.seconds / rate.requests if rate and rate.requests else 0.0
        longest = max(self._rules.crawl_delay(AGENT) or 0.0, asked)
        return min(longest, MAX_DELAY_SECONDS) if longest > 0 else 0.0


def read(body: bytes, encoding: str = "") -> Rules:
    """The rules that a robots.txt says, as far as it is read; `encoding` is its Content-Encoding.
    Raises UnavailableError for one that cannot be read: it may forbid everything."""
    if encoding in ("gzip", "x-gzip", "deflate"):
        try:
            # Bounded: some kilobytes may stand for a gigabyte.
            body = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS).decompress(body, MAX_BYTES)
        except zlib.error as error:
            raise UnavailableError(f"robots.txt is no {encoding}") from error
    elif encoding not in ("", "identity"):
        raise UnavailableError(f"robots.txt comes as {encoding[:40]}, which is not read")
    return Rules(Protego.parse(body[:MAX_BYTES].decode("utf-8-sig", "replace")))
