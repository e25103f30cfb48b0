"""Searching the catalogue of an archive, which knows what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from longplay.archive import Archive
from longplay.catalogue.search import facets, finding, opening, query, showing
from longplay.catalogue.search.candidates import Keys
from longplay.catalogue.search.facets import Facets
from longplay.catalogue.search.finding import Found
from longplay.catalogue.search.showing import Shown
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.ledger import queries
from longplay.workflows import shares


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: `whole` says that the last word is no beginning."""

    text: str
    limit: int = 10
    offset: int = 0
    whole: bool = False
    facets: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits, and their facets where they were asked for."""

    found: Found
    facets: Facets | None = None

    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        more = {} if self.facets is None else {"facets": self.facets}
        return {**self.found.document(), **more}


def search(archive: Archive, request: Request) -> Answer:
    """Search the current snapshot. Raises UsageError."""
    asked = query.parse(request.text, typing=not request.whole)
    snapshot = open_current(archive.catalogue)
    held = _held(archive, snapshot)
    layers = opening.layers(snapshot)
    found = finding.find(layers, asked, limit=request.limit, offset=request.offset, held=held)
    return Answer(found, facets.count(layers, asked, held=held) if request.facets else None)


def show(archive: Archive, asked: str) -> Shown:
    """What an id or identifier stands for. Raises InputError."""
    return showing.show(open_current(archive.catalogue), asked, full=True)


def _held(archive: Archive, snapshot: Snapshot) -> Keys:
    """The recordings that the archive has, under their ids of today, ascending."""
    with archive.ledger.read() as connection:
        held = queries.held_recordings(connection).to_numpy()
    return np.unique(shares.current(snapshot, held)) if len(held) else held
