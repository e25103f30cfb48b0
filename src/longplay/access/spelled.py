"""What the JSON API tells one key, in the spelling that traces a leak back to it; off by default.

Only who asks with an API key gets it, and only in answers about the catalogue. Pages of the site,
players, OAI-PMH, releases and files are never spelled.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from longplay.access.people.listeners import Listener
from longplay.archive import Archive
from longplay.guard.canaries.marking import Marker
from longplay.workflows import marked_copies

FIELDS = ("title", "album", "label")
"""Fields that are spelled; also the values of facts of these names."""

REMEMBERED = 10_000
"""Accounts whose markers are kept."""


@dataclass(slots=True)
class Spelled:
    """The spellings of an archive's accounts, for all threads of a process."""

    archive: Archive
    _markers: dict[int, Marker] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Raises ArchiveError where the archive is to spell, and its secret is lost, and FeedError
        where there is no feed key to sign the first list of recipients with."""
        if self.archive.settings.access.canaries:
            marked_copies.secret(self.archive, make=True)

    def marker(self, listener: Listener) -> Marker | None:
        """What spells for an account that asks with a key; None where nothing is spelled."""
        if not self.archive.settings.access.canaries or listener.account is None:
            return None
        with self._lock:
            found = self._markers.get(listener.account)
            if found is None:
                if len(self._markers) >= REMEMBERED:
                    self._markers.clear()
                found = marked_copies.for_account(self.archive, listener.account)
                self._markers[listener.account] = found
            return found


def spelled(document: Any, marker: Marker) -> Any:
    """A JSON document with its titles as this marker spells them."""
    places = list(_places(document))
    made = marker.texts([holder[name] for holder, name in places])
    for (holder, name), text in zip(places, made, strict=True):
        holder[name] = text
    return document


def _places(document: Any) -> Iterator[tuple[dict[str, Any], str]]:
    if isinstance(document, list):
        for each in document:
            yield from _places(each)
    elif isinstance(document, dict):
        for name, value in document.items():
            if isinstance(value, dict | list):
                yield from _places(value)
            elif isinstance(value, str) and (
                name in FIELDS or (name == "value" and document.get("field") in FIELDS)
            ):
                yield document, name
