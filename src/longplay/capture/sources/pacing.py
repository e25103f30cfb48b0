"""The pace of one client's requests: every one counts, be it for rules, a redirect or a retry.

How often a host is asked by all captures together is kept by slots in the ledger; what one file
takes beyond its first request is kept apart here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from longplay import clock
from longplay.capture.sources import Limit

MAX_HOSTS = 1000
"""Hosts whose last request is remembered."""


class Pace:
    """Turns at hosts, as far apart as their limits say. Threads may share one."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def turn(self, limit: Limit) -> float:
        """Take the next turn at a host; returns the seconds until it comes."""
        with self._lock:
            now = at = clock.monotonic()
            if limit.host in self._last:
                at = max(now, self._last[limit.host] + limit.interval)
            self._last[limit.host] = at
            self._last.move_to_end(limit.host)
            if len(self._last) > MAX_HOSTS:
                self._last.popitem(last=False)
            return at - now
