"""What sources listed of the files of a plan, looked up for many ranges at once.

A listing lies by path and a plan by popularity, so that each look-up reads the whole column of
paths: done for each range, it would cost more than the files themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from longplay.archive import Archive
from longplay.capture import listings
from longplay.capture.fetching import Listed
from longplay.model import Kind
from longplay.planning import table

WINDOW = 65_536
"""Ordinals that are looked up together: some 20 MB of memory."""

Found = dict[tuple[str, bytes], tuple[Listed, Kind]]


class LookedUp:
    """Answers for the plan in the file `plan`; what it read last it knows for the next ranges."""

    def __init__(self, archive: Archive, plan: Path) -> None:
        self._archive, self._plan = archive, plan
        self._sources = {one.name for one in archive.settings.sources if one.kind != "folder"}
        self._span = range(0)
        self._found: Found = {}

    def of(self, ordinals: Sequence[int], rows: Iterable[dict[str, Any]]) -> Found:
        """What was listed of these rows, by source and path; what is offered no longer is left
        out. Files of folders are not listed."""
        rows = list(rows)
        if not self._sources.intersection(row["source"] for row in rows):
            return {}
        inside = [ordinal in self._span for ordinal in ordinals]
        if not all(inside) and len(ordinals) > WINDOW // 1024:
            first = next(one for one, known in zip(ordinals, inside, strict=True) if not known)
            self._span = range(first, first + WINDOW)
            ahead = table.read_range(self._plan, first, first + WINDOW - 1)
            self._found = self._look_up(ahead.select(["source", "path"]).to_pylist())
        names = [(row["source"], row["path"]) for row in rows]
        rest = [row for row in rows if row["ordinal"] not in self._span]
        known = {name: self._found[name] for name in names if name in self._found}
        return known | self._look_up(rest)

    def _look_up(self, rows: Iterable[dict[str, Any]]) -> Found:
        wanted: dict[str, list[bytes]] = defaultdict(list)
        for row in rows:
            if row["source"] in self._sources:
                wanted[row["source"]].append(row["path"])
        return {
            (source, path): found
            for source, paths in wanted.items()
            for path, found in listings.look_up(self._archive.listings, source, paths).items()
        }
