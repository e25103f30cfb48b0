"""An index in memory: slow and plain, as a model of what the real one must answer."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from longplay.catalogue import ids
from longplay.catalogue.search import candidates as finding
from longplay.catalogue.search.candidates import Documents, Group
from longplay.catalogue.search.query import Range
from longplay.catalogue.search.words import cut as cut_column
from longplay.catalogue.search.words import genre_words

COLUMNS = pa.schema(
    {
        "key": pa.uint64(),
        "title": pa.string(),
        "artists": pa.list_(pa.string()),
        "album": pa.string(),
        "year": pa.int32(),
        "duration_ms": pa.int32(),
        "isrcs": pa.list_(pa.string()),
        "popularity": pa.float32(),
        "explicit": pa.bool_(),
        "genres": pa.list_(pa.string()),
        "recording": pa.uint64(),
    }
)


class MemoryIndex:
    def __init__(self, rows: Sequence[Mapping[str, Any]], source: str = "songs") -> None:
        ordered = sorted(rows, key=lambda row: -(row.get("popularity") or -1))
        filled = [
            {"key": ids.row_key("tr", source, row.get("id", str(at))), **row}
            for at, row in enumerate(ordered)
        ]
        self.table = pa.Table.from_pylist(
            [{"recording": row["key"], **row} for row in filled], schema=COLUMNS
        )
        found: dict[str, list[int]] = {}
        for document, row in enumerate(filled):
            for term in _terms(row):
                found.setdefault(term, []).append(document)
        self.postings = {term: np.array(documents, np.uint32) for term, documents in found.items()}
        self.sorted = sorted(self.postings)
        self.popularities = self.table["popularity"].to_pylist()

    def has(self, term: str) -> bool:
        return term in self.postings

    def begins(self, beginning: str) -> bool:
        return bool(self._beginning(beginning))

    def _beginning(self, beginning: str) -> list[str]:
        return self.sorted[
            bisect_left(self.sorted, beginning) : bisect_left(self.sorted, beginning + "\U0010ffff")
        ]

    def similar(self, word: str, distance: int) -> list[tuple[str, int]]:
        found = []
        for term in self.sorted:
            if abs(len(term) - len(word)) <= distance and ":" not in term:
                changes = edits(word, term)
                if changes <= distance:
                    found.append((term, changes))
        return sorted(found, key=lambda pair: (pair[1], pair[0]))

    def _all(self, groups: Sequence[Group]) -> Documents:
        found = np.arange(self.table.num_rows, dtype=np.uint32)
        for group in groups:
            terms = [*group.terms, *(t for b in group.beginnings for t in self._beginning(b))]
            if group.between:
                first, last = group.between
                terms += self.sorted[
                    bisect_left(self.sorted, first) : bisect_right(self.sorted, last)
                ]
            lists = [self.postings[term] for term in terms if term in self.postings]
            union = np.unique(np.concatenate(lists)) if lists else np.empty(0, np.uint32)
            found = np.intersect1d(found, union)
        return found

    def matches(
        self, groups: Sequence[Group], limit: int, *, popularity: Range | None = None
    ) -> Documents:
        found = self._all(groups)
        if popularity:
            known = [self.popularities[document] for document in found]
            found = found[[each is not None and popularity.holds(each) for each in known]]
        return found[:limit]

    def risen(self, groups: Sequence[Group]) -> Documents:
        return np.empty(0, np.uint32)

    def within(self, groups: Sequence[Group], documents: Documents) -> Documents:
        return np.intersect1d(documents, self._all(groups))

    def rows(self, documents: Documents) -> pa.Table:
        return self.table.take(pa.array(documents))

    def identified(self, kind: str, value: str) -> Documents:
        isrcs = self.table["isrcs"].to_pylist()
        found = [at for at, each in enumerate(isrcs) if kind == "isrc" and value in (each or ())]
        return np.array(found, np.uint32)


def layer(rows: Sequence[Mapping[str, Any]], source: str = "songs") -> finding.Layer:
    return finding.Layer(source, MemoryIndex(rows, source))


def _terms(row: Mapping[str, Any]) -> set[str]:
    names = [row.get("title"), row.get("album"), *(row.get("artists") or ())]
    terms = {word for name in names if name for word in cut(name)}
    if row.get("year"):
        terms.add(f"year:{row['year']:04}")
    if row.get("explicit") is not None:
        terms.add("explicit:yes" if row["explicit"] else "explicit:no")
    terms |= {word for genre in row.get("genres") or () for word in genre_words(genre)}
    return terms


def cut(text: str) -> list[str]:
    found = cut_column(pa.array([text]))
    ends = [0, *found.ends.tolist()]
    return [found.data.tobytes()[a:b].decode() for a, b in pairwise(ends)]


@lru_cache(500_000)
def edits(one: str, two: str) -> int:
    """Letters to insert, drop, replace or swap with the next, from one word to the other."""
    before: list[int] = []
    last = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(two, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]
