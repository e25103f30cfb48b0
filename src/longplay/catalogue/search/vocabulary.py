"""Words numbered in the order they come, while an index is built; then in the order of their bytes.

Each thread has its own `Vocabulary`; `merged` brings them together, so that the numbers that stay
depend on the words alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longplay.catalogue.compiled import compiled
from longplay.catalogue.search.words import Bytes, Cut, Offsets

Numbers = npt.NDArray[np.uint32]
Slots = npt.NDArray[np.uint64]

_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


class Vocabulary:
    """The words met so far, found by an open hash table."""

    def __init__(self) -> None:
        self._slots: Slots = np.zeros(1 << 12, np.uint64)
        self._ends: Offsets = np.zeros(1 << 11, np.int64)
        self._data: Bytes = np.zeros(1 << 15, np.uint8)
        self._state = np.zeros(2, np.int64)  # words, bytes

    def __len__(self) -> int:
        return int(self._state[0])

    def numbers(self, cut: Cut) -> Numbers:
        """The number of each word of a cut column; new words get the next numbers."""
        found = np.empty(len(cut.ends), np.uint32)
        done = 0
        while True:
            done = _number(
                cut.ends, cut.data, done, found, self._slots, self._ends, self._data, self._state
            )
            if done == len(found):
                return found
            self._grow()

    def number(self, word: bytes) -> int:
        """The number of one word."""
        data = np.frombuffer(word, np.uint8)
        one = Cut(np.ones(1, np.uint8), np.array([len(word)], np.int64), data)
        return int(self.numbers(one)[0])

    def words(self) -> pa.Array:
        """All words, in the order of their numbers, as large binaries."""
        count, size = self._state.tolist()
        offsets = np.concatenate([np.zeros(1, np.int64), self._ends[:count]])
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self._data[:size].copy())]
        return pa.Array.from_buffers(pa.large_binary(), count, buffers)

    def _grow(self) -> None:
        self._ends = np.concatenate([self._ends, np.zeros_like(self._ends)])
        self._data = np.concatenate([self._data, np.zeros_like(self._data)])
        grown = np.zeros(2 * len(self._slots), np.uint64)
        _rehash(self._slots, grown, self._ends, self._data)
        self._slots = grown


def merged(vocabularies: Sequence[Vocabulary]) -> tuple[pa.Array, list[Numbers]]:
    """All words in the order of their bytes; and for each vocabulary, what its numbers become."""
    each = [vocabulary.words() for vocabulary in vocabularies]
    together = pc.unique(pa.chunked_array(each, pa.large_binary()))
    order = pc.sort_indices(together)
    ordered = together.take(order)
    places = np.empty(len(order), np.uint32)
    places[order.to_numpy()] = np.arange(len(order), dtype=np.uint32)
    found = []
    for words in each:
        indices = pc.index_in(words, value_set=together)
        found.append(places[indices.to_numpy(zero_copy_only=False)])
    return ordered, found


@compiled
def _hash(data: Bytes, begin: int, end: int) -> np.uint64:
    """FNV-1a, then mixed."""
    value = _FNV_START
    for at in range(begin, end):
        value = (value ^ np.uint64(data[at])) * _FNV_PRIME
    value = (value ^ (value >> np.uint64(32))) * np.uint64(0xBF58476D1CE4E5B9)
    return value ^ (value >> np.uint64(29))


@compiled
def _rehash(old: Slots, grown: Slots, ends: Offsets, data: Bytes) -> None:
    mask = np.uint64(len(grown) - 1)
    for slot in old:
        if slot:
            number = np.int64(slot & np.uint64(0xFFFFFFFF)) - 1
            begin = ends[number - 1] if number else 0
            place = _hash(data, begin, ends[number]) & mask
            while grown[place]:
                place = (place + np.uint64(1)) & mask
            grown[place] = slot


@compiled
def _number(
    word_ends: Offsets,
    text: Bytes,
    done: int,
    found: Numbers,
    slots: Slots,
    ends: Offsets,
    data: Bytes,
    state: npt.NDArray[np.int64],
) -> int:
    """Number words from `done` on until a table is full; how many have their number then.

    A slot holds the upper half of a word's hash and its number + 1.
    """
    count, size = state[0], state[1]
    mask = np.uint64(len(slots) - 1)
    while done < len(word_ends):
        begin, end = word_ends[done - 1] if done else 0, word_ends[done]
        if count == len(ends) or size + end - begin > len(data) or 2 * count >= len(slots):
            break
        key = _hash(text, begin, end)
        mark, place = key >> np.uint64(32), key & mask
        while True:
            slot = slots[place]
            if not slot:
                for at in range(begin, end):
                    data[size + at - begin] = text[at]
                size += end - begin
                ends[count] = size
                count += 1
                slots[place] = mark << np.uint64(32) | np.uint64(count)
                found[done] = count - 1
                break
            if slot >> np.uint64(32) == mark:
                number = np.int64(slot & np.uint64(0xFFFFFFFF)) - 1
                other = ends[number - 1] if number else 0
                if ends[number] - other == end - begin:
                    k = 0
                    while k < end - begin and data[other + k] == text[begin + k]:
                        k += 1
                    if k == end - begin:
                        found[done] = number
                        break
            place = (place + np.uint64(1)) & mask
        done += 1
    state[0], state[1] = count, size
    return done
