"""A layer's index, open for asking. Documents are its tracks, numbered by descending popularity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue.search import checking, files, matching, postings
from longplay.catalogue.search.build import POPULARITIES, POSTINGS
from longplay.catalogue.search.matching import Lists
from longplay.catalogue.search.rowstore import RowStore
from longplay.catalogue.search.terms import NAME, Terms

Documents = npt.NDArray[np.uint32]
Numbers = npt.NDArray[np.int64]
Group = npt.NDArray[np.int64]
"""Terms of which a document must have one: rows of first number and end."""

NOTHING: Group = np.empty((0, 2), np.int64)
"""The group that no document matches."""

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Postings:
    """An open file of lists, and how many documents have a popularity of p or more, for each p."""

    lists: Lists
    floors: postings.Numbers
    path: Path

    @classmethod
    def open(cls, path: Path) -> Postings:
        """Map the lists. Raises ArchiveError when they are missing or damaged."""
        file = files.open_arrays(path)
        words, terms, starts = (file.part(name, "<u4") for name in ("words", "terms", "starts"))
        edges, term_edges, word_edges, floors = (
            file.part(name, "<i8") for name in ("edges", "term_edges", "word_edges", "floors")
        )
        sound = (
            len(edges) == len(term_edges) == len(word_edges)
            and len(floors) == POPULARITIES
            and files.rises(edges, file.number("documents"))
            and files.rises(term_edges, len(terms))
            and files.rises(word_edges, len(words))
            and len(terms) == len(starts)
            and int(np.diff(edges).max(initial=0)) <= postings.LARGEST_BAND
            and files.rises(floors[::-1], int(floors[0]))
            and int(floors[0]) <= int(edges[-1])
        )
        if not sound:
            raise files.damaged(path)
        return cls(Lists(words, terms, starts, edges, term_edges, word_edges), floors, path)


@dataclass(frozen=True, slots=True)
class Index:
    """An open index; it may be asked from several threads."""

    terms: Terms
    postings: Postings
    store: RowStore

    @classmethod
    def open(cls, folder: Path) -> Index:
        """Open the index that `build` wrote. Raises ArchiveError when a file is missing or
        damaged."""
        terms = Terms.open(folder / NAME)
        index = cls(terms, Postings.open(folder / POSTINGS), RowStore.open(folder))
        if len(index.store.tracks) != index.documents:
            raise files.damaged(index.store.tracks.path)
        return index

    @property
    def documents(self) -> int:
        """How many there are."""
        return int(self.postings.lists.edges[-1])

    def word(self, word: str) -> Group:
        """The group of one word or pseudo-word."""
        number = self.terms.find(word)
        return NOTHING if number is None else np.array([[number, number + 1]], np.int64)

    def prefix(self, beginning: str) -> Group:
        """The group of all words with a beginning."""
        first, after = self.terms.beginning(beginning)
        return np.array([[first, after]], np.int64) if first < after else NOTHING

    def of(self, numbers: Iterable[int]) -> Group:
        """The group of terms given by number."""
        each = np.unique(np.fromiter(numbers, np.int64))
        return np.stack([each, each + 1], axis=1)

    def similar(self, word: str, distance: int) -> tuple[Documents, npt.NDArray[np.uint8]]:
        """Numbers of the terms that are near a word, and how far they are: see `Terms.similar`."""
        return self.terms.similar(word, distance)

    def frequency(self, group: Group) -> int:
        """How many documents match a group at most."""
        return checking.frequency(self.terms, group)

    def popular(self, low: float, high: float) -> tuple[int, int]:
        """The range of documents whose popularity, rounded down, lies between `low` and `high`
        rounded down."""
        floors = [*self.postings.floors.tolist(), 0]
        bottom = min(max(int(low), 0), POPULARITIES)
        top = min(max(int(high), -1) + 1, POPULARITIES)
        return floors[top], max(floors[bottom], floors[top])

    def matches(
        self,
        groups: Sequence[Group],
        limit: int,
        *,
        ranges: Sequence[tuple[int, int]] | None = None,
    ) -> Documents:
        """The first `limit` documents that match every group, ascending; with `ranges`
        (first and end, ascending), only documents in one of them.

        Raises ArchiveError when lists are damaged.
        """
        found: list[Documents] = []
        for first, end in [(0, self.documents)] if ranges is None else ranges:
            room = limit - sum(map(len, found))
            if room <= 0:
                break
            low, high = max(first, 0), min(end, self.documents)
            if not groups:
                found.append(np.arange(low, min(high, low + room), dtype=np.uint32))
            else:
                found.append(self._search(groups, low, high, room, None))
        return np.concatenate([np.empty(0, np.uint32), *found])

    def within(self, groups: Sequence[Group], documents: Documents) -> Documents:
        """Those of the documents (ascending) that match every group."""
        if not groups or not len(documents):
            return documents
        return self._search(groups, 0, self.documents, len(documents), documents.astype(np.int64))

    def count(self, groups: Sequence[Group], at_most: int) -> int:
        """How many documents match every group, counted up to `at_most`."""
        return len(self.matches(groups, at_most))

    def rows(self, documents: Documents) -> pa.Table:
        """What is shown of documents: see `RowStore.track_rows`."""
        return self.store.track_rows(documents)

    def keys(self, documents: Documents) -> npt.NDArray[np.uint64]:
        """The keys of documents (`ids.row_key`)."""
        return self.store.tracks.keys[documents]

    def albums(self, numbers: Documents) -> pa.Table:
        """What is shown of albums: see `RowStore.album_rows`."""
        return self.store.album_rows(numbers)

    def artists(self, numbers: Documents) -> pa.Table:
        """What is shown of artists: see `RowStore.artist_rows`."""
        return self.store.artist_rows(numbers)

    def _search(
        self, groups: Sequence[Group], first: int, end: int, limit: int, given: Numbers | None
    ) -> Documents:
        """`matches` between two documents, or within `given` ones: by lists, or for one of the
        groups by names if that is sooner done."""
        if any(not len(group) for group in groups):
            return np.empty(0, np.uint32)
        count = None if given is None else len(given)
        widest = checking.by_names(self.terms, groups, end - first, limit, count)
        if widest is None:
            return self._by_lists(groups, first, end, limit, given)
        rest = [group for number, group in enumerate(groups) if number != widest]
        found: list[Numbers] = []
        while first < end and sum(map(len, found)) < limit:
            candidates = self._candidates(rest, first, end, given)
            last = len(candidates) < checking.CANDIDATES
            for start in range(0, len(candidates), checking.CHUNK):
                chunk = candidates[start : start + checking.CHUNK]
                found.append(chunk[checking.kept(self.terms, self.store, groups[widest], chunk)])
                if sum(map(len, found)) >= limit:
                    break
            first = end if last else int(candidates[-1]) + 1
        return np.concatenate([_NONE, *found])[:limit].astype(np.uint32)

    def _candidates(
        self, groups: Sequence[Group], first: int, end: int, given: Numbers | None
    ) -> Numbers:
        """The first documents that have all other groups, some thousands."""
        if given is not None:
            begin, stop = np.searchsorted(given, (first, end))
            given = given[begin:stop]
            if not groups:
                return given[: checking.CANDIDATES]
        found = self._by_lists(groups, first, end, checking.CANDIDATES, given)
        return found.astype(np.int64)

    def _by_lists(
        self, groups: Sequence[Group], first: int, end: int, limit: int, given: Numbers | None
    ) -> Documents:
        found, sound = matching.search(
            self.postings.lists,
            np.concatenate(groups),
            np.cumsum([len(group) for group in groups]),
            first,
            end,
            limit,
            _NONE if given is None else given,
            given is not None,
        )
        if not sound:
            raise files.damaged(self.postings.path)
        return found
