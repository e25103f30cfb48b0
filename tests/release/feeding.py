"""Feeds for the tests: an archive's keys, what it says, and the delivery that a mirror gets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from longplay.release import minisign
from longplay.release.following import Delivery
from longplay.release.keys import Keys
from longplay.release.minisign import SecretKey

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def secret(number: int) -> SecretKey:
    """A key that is always the same."""
    return SecretKey(bytes([number]) * 8, bytes([number]) * 32)


def head(entries: int) -> str:
    """The hash that the log had when it was so long."""
    return f"{entries:064x}"


@dataclass(frozen=True)
class Origin:
    """An archive that publishes. Its log grows by ten entries with each feed."""

    root: SecretKey = field(default_factory=lambda: secret(1))
    feed: SecretKey = field(default_factory=lambda: secret(2))
    keys_version: int = 1
    serial: int = 1

    def said(self, **more: Any) -> dict[str, Any]:
        heads = [[serial, 10 * serial, head(10 * serial)] for serial in range(1, self.serial)]
        entries = 10 * self.serial
        return {
            "format": "longplay-feed",
            "version": 1,
            "archive": self.root.public.name,
            "name": "test",
            "serial": self.serial,
            "issued": NOW.isoformat(),
            "expires": (NOW + timedelta(days=30)).isoformat(),
            "log": {"entries": entries, "hash": head(entries), "heads": heads},
            "sharing": {"trackers": [], "web_seeds": [], "dht": False},
            "releases": [],
            "scarcity": [],
            "tombstones": [],
            **more,
        }

    def delivery(self, **more: Any) -> Delivery:
        """What comes over the wire; `more` replaces parts of what the feed says."""
        data = json.dumps(self.said(**more)).encode()
        document = Keys(self.keys_version, self.root.public, (self.feed.public,)).document()
        return Delivery(
            feed=data,
            signature=minisign.sign(self.feed, data, "a feed"),
            keys=document,
            keys_signature=minisign.sign(self.root, document, "keys"),
            where="feed",
        )

    def next(self, **changes: Any) -> Origin:
        """The archive at its next feed."""
        return replace(self, serial=self.serial + 1, **changes)


def tombstone(number: int, size: int = 10) -> dict[str, Any]:
    """A tombstone as a feed has it."""
    return {
        "root": f"{number:064x}",
        "size": size,
        "isrcs": [],
        "recordings": [],
        "time": NOW.isoformat(),
        "log": 3,
    }
