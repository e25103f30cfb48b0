"""The rules of many hosts, each fetched once (RFC 9309, 2.4: kept for a day at most)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from longplay import clock
from longplay.errors import SourceError, UnavailableError
from longplay.web.manners import AGENT
from longplay.web.robots import Rules

KEPT_SECONDS, FAILED_SECONDS = 24 * 3600.0, 60.0
"""How long rules hold, and how long a host whose rules could not be had is not asked again."""

MAX_HOSTS = 1000
"""Hosts whose rules are kept: some may have half a megabyte of them."""


@dataclass(slots=True)
class _Page:
    lock: threading.Lock = field(default_factory=threading.Lock)
    rules: Rules | None = None
    failure: UnavailableError | None = None
    until: float = 0.0


class Rulebook:
    """Rules by origin (`https://host:port`). `fetch` gets those of one, or raises UnavailableError.
    Threads may share one."""

    def __init__(self, fetch: Callable[[str], Rules]) -> None:
        self._fetch = fetch
        self._pages: OrderedDict[str, _Page] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, origin: str) -> Rules | None:
        """The rules of a host, None while nobody has asked for them."""
        with self._lock:
            page = self._pages.get(origin)
        return page.rules if page is not None else None

    def require(self, origin: str, url: str) -> None:
        """Raise SourceError where the host does not want programmes at this address, and
        UnavailableError where its rules cannot be had."""
        page = self._page(origin)
        with page.lock:
            if clock.monotonic() >= page.until:
                self._fill(page, origin)
            rules, failure = page.rules, page.failure
        if failure is not None:
            raise UnavailableError(
                f"its rules cannot be had: {failure.message}",
                where=failure.where,
                seconds=failure.seconds,
            )
        if rules is not None and not rules.allow(url):
            raise SourceError(
                f"{origin}/robots.txt forbids it to programmes",
                hint=f"ask those who run it to allow it to User-agent: {AGENT}",
            )

    def _page(self, origin: str) -> _Page:
        with self._lock:
            page = self._pages.setdefault(origin, _Page())
            self._pages.move_to_end(origin)
            if len(self._pages) > MAX_HOSTS:
                self._pages.popitem(last=False)
            return page

    def _fill(self, page: _Page, origin: str) -> None:
        try:
            page.rules, page.failure = self._fetch(origin), None
            page.until = clock.monotonic() + KEPT_SECONDS
        except UnavailableError as failure:
            page.rules, page.failure = None, failure
            page.until = clock.monotonic() + FAILED_SECONDS
