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

from longplay.catalogue.compiled import compiled, whole
from longplay.catalogue.search.words import Bytes, Cut, Offsets

Numbers = npt.NDArray[np.uint32]
Slots = npt.NDArray[np.uint64]

LONGEST = 255
"""Bytes of a word that count."""

_PLACE = np.uint64((1 << 40) - 1)
"""The bits of a slot that say where its record ends."""

_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


class Vocabulary:
    """The words met so far, found by an open hash table.

    A slot holds the upper 24 bits of a word's hash and where in `data` its record ends: the word,
    its length in a byte, its number in four. Whoever looks has all that in one place.
    """

    def __init__(self) -> None:
        self._slots: Slots = np.zeros(1 << 12, np.uint64)
        self._data: Bytes = np.zeros(1 << 15, np.uint8)
        self._state = np.zeros(2, np.int64)  # words, bytes

    def __len__(self) -> int:
        return int(self._state[0])

    def numbers(self, cut: Cut) -> Numbers:
        """The number of each word of a cut column; new words get the next numbers.

        Words longer than `LONGEST` count as far as that.
        """
        found = np.empty(len(cut.ends), np.uint32)
        done = 0
        while True:
            done = _number(cut.ends, cut.data, done, found, self._slots, self._data, self._state)
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
        offsets, data = _listed(self._data[:size], count)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        return pa.Array.from_buffers(pa.large_binary(), count, buffers)

    def _grow(self) -> None:
        grown = np.zeros_like(self._data, shape=2 * len(self._data))
        grown[: len(self._data)] = self._data
        self._data = grown
        slots = np.zeros(2 * len(self._slots), np.uint64)
        _rehash(self._slots, slots, self._data)
        self._slots = slots


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
def _rehash(old: Slots, grown: Slots, data: Bytes) -> None:
    mask = np.uint64(len(grown) - 1)
    for slot in old:
        if slot:
            end = whole(slot & _PLACE) - 5
            place = _hash(data, end - whole(data[end]), end) & mask
            while grown[place]:
                place = (place + np.uint64(1)) & mask
            grown[place] = slot


@compiled
def _listed(data: Bytes, count: int) -> tuple[Offsets, Bytes]:
    """The words of all records, in order: where each ends (after a 0), and their bytes."""
    offsets = np.zeros(count + 1, np.int64)
    here = len(data)
    for number in range(count - 1, -1, -1):
        size = whole(data[here - 5])
        offsets[number + 1] = size
        here -= 5 + size
    for number in range(count):
        offsets[number + 1] += offsets[number]
    out = np.empty(offsets[count], np.uint8)
    here = 0
    for number in range(count):
        size = offsets[number + 1] - offsets[number]
        out[offsets[number] : offsets[number + 1]] = data[here : here + size]
        here += size + 5
    return offsets, out


@compiled
def _number(
    word_ends: Offsets,
    text: Bytes,
    done: int,
    found: Numbers,
    slots: Slots,
    data: Bytes,
    state: npt.NDArray[np.int64],
) -> int:
    """Number words from `done` on until a table is full; how many have their number then."""
    count, used = state[0], state[1]
    mask = np.uint64(len(slots) - 1)
    while done < len(word_ends):
        begin, end = word_ends[done - 1] if done else 0, word_ends[done]
        end = min(end, begin + LONGEST)
        size = end - begin
        if used + size + 5 > len(data) or 2 * count >= len(slots):
            break
        value = _FNV_START
        for at in range(begin, end):
            value = (value ^ np.uint64(text[at])) * _FNV_PRIME
        value = (value ^ (value >> np.uint64(32))) * np.uint64(0xBF58476D1CE4E5B9)
        value ^= value >> np.uint64(29)
        mark, place = value & ~_PLACE, value & mask
        while slots[place]:
            slot = slots[place]
            if slot & ~_PLACE == mark:
                last = whole(slot & _PLACE) - 5
                if data[last] == size:
                    k = 0
                    while k < size and data[last - size + k] == text[begin + k]:
                        k += 1
                    if k == size:
                        break
            place = (place + np.uint64(1)) & mask
        if slots[place]:
            last = whole(slots[place] & _PLACE) - 4
            number = np.uint32(data[last]) | np.uint32(data[last + 1]) << np.uint32(8)
            number |= np.uint32(data[last + 2]) << np.uint32(16)
            found[done] = number | np.uint32(data[last + 3]) << np.uint32(24)
        else:
            for k in range(size):
                data[used + k] = text[begin + k]
            used += size
            data[used] = size
            for k in range(4):
                data[used + 1 + k] = count >> 8 * k & 255
            used += 5
            slots[place] = mark | np.uint64(used)
            found[done] = count
            count += 1
        done += 1
    state[0], state[1] = count, used
    return done
