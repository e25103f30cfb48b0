"""Whether documents have a word of a group, by their names instead of by lists.

The lists of all words with a short beginning are long. When few documents come into question,
reading these documents' names is sooner done.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue.compiled import compiled
from longplay.catalogue.search.rowstore import RowStore
from longplay.catalogue.search.terms import Terms
from longplay.catalogue.search.words import Bytes, Offsets, cut

Documents = npt.NDArray[np.uint32]
Group = npt.NDArray[np.int64]

ROW = 5000.0
"""Nanoseconds to read the names of a document and cut them into words."""

POSTING = 5.0
"""Nanoseconds to read one document of a list, among those of many lists."""

CANDIDATES = 4096
"""Documents that are asked for at once, to be read."""

CHUNK = 512
"""Documents that are read at once: a search that has enough stops after them."""


def by_names(
    dictionary: Terms, groups: Sequence[Group], documents: int, limit: int, given: int | None
) -> int | None:
    """Which group is better decided by names, given that the others find candidates; None if none
    is.

    `limit` hits are wanted out of `documents` documents, or all of `given` ones. Words are taken
    to be independent of each other, and everywhere alike.
    """
    if not documents or (len(groups) < 2 and given is None):
        return None
    sizes = [frequency(dictionary, group) for group in groups]
    widest = int(np.argmax(sizes))
    rest = [size for number, size in enumerate(sizes) if number != widest]
    few = max(1, min([*rest, documents if given is None else given]))
    wanted = limit if given is None else given
    rows = min(few, wanted * documents / max(sizes[widest], 1) + CHUNK)
    read = min(sizes[widest], wanted * documents / few)
    if rows * ROW >= read * POSTING or _has_pseudo(dictionary, groups[widest]):
        return None
    return widest


def frequency(dictionary: Terms, group: Group) -> int:
    """How many documents match a group at most."""
    return sum(int(dictionary.counts[first:end].sum(dtype=np.int64)) for first, end in group)


def _has_pseudo(dictionary: Terms, group: Group) -> bool:
    """Whether a group has pseudo-words, which no name has."""
    first, after = dictionary.pseudo()
    return bool(((group[:, 0] < after) & (group[:, 1] > first)).any())


def kept(
    dictionary: Terms, store: RowStore, group: Group, documents: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Which documents have a term of a group, by their names. Raises ArchiveError when rows are
    damaged."""
    bounds = [dictionary.raw(int(number)) for number in group.ravel()]
    ends = np.cumsum([len(bound) for bound in bounds])
    texts = np.frombuffer(b"".join(bounds), np.uint8)
    to_end = group.ravel() == len(dictionary)
    titles, albums, artist_ends, artists = store.names(documents)
    found = np.zeros(len(documents), np.bool_)
    one_each = np.arange(len(documents) + 1)
    for column, owners in ((titles, one_each), (albums, one_each), (artists, artist_ends)):
        words = cut(_texts(column))
        _between(words.counts, words.ends, words.data, owners, ends, texts, to_end, found)
    return found


def _texts(column: pa.Array) -> pa.Array:
    return column if column.type == pa.string() else column.cast(pa.string())


@compiled
def _before(one: Bytes, begin: int, end: int, other: Bytes, first: int, last: int) -> bool:
    """Whether a text is before another, by their bytes."""
    k = 0
    while begin + k < end and first + k < last:
        if one[begin + k] != other[first + k]:
            return bool(one[begin + k] < other[first + k])
        k += 1
    return end - begin < last - first


@compiled
def _between(
    counts: Bytes,
    word_ends: Offsets,
    data: Bytes,
    owners: Offsets,
    bound_ends: Offsets,
    bounds: Bytes,
    to_end: npt.NDArray[np.bool_],
    found: npt.NDArray[np.bool_],
) -> None:
    """Set which owners have a text of which a word lies between a pair of bounds: the first is in,
    the second is out. Texts `owners[i]` to `owners[i + 1]` are owner i's."""
    word = 0
    for owner in range(len(owners) - 1):
        for text in range(owners[owner], owners[owner + 1]):
            for _ in range(counts[text]):
                begin, end = (word_ends[word - 1] if word else 0), word_ends[word]
                word += 1
                for bound in range(0, len(bound_ends), 2):
                    if found[owner]:
                        break
                    first = bound_ends[bound - 1] if bound else 0
                    middle, last = bound_ends[bound], bound_ends[bound + 1]
                    found[owner] = not _before(data, begin, end, bounds, first, middle) and (
                        to_end[bound + 1] or _before(data, begin, end, bounds, middle, last)
                    )
