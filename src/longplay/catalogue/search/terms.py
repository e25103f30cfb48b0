"""The dictionary of an index: its terms in order of their bytes, and in how many documents each is.

A term's number is its place in that order, so those with one beginning are a range of numbers.
Pseudo-words (`year:1994`) are written with a colon before them: no word begins with one, so that
no beginning of a word finds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue.compiled import compiled, inlined, whole
from longplay.catalogue.search import files

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint32]

NAME = "terms"
PSEUDO = b":"
MAX_DISTANCE = 2
"""Letters that may differ: more would make most short words alike."""

_MOST_SIGNS = 64
"""Signs of a term that are compared; the longest words have as many bytes."""


@dataclass(frozen=True, slots=True)
class Terms:
    """An open dictionary. Term i is `data[ends[i - 1]:ends[i]]`."""

    ends: npt.NDArray[np.uint32]
    data: Bytes
    counts: Numbers
    marks: Numbers
    path: Path

    @classmethod
    def open(cls, path: Path) -> Terms:
        """Map a dictionary. Raises ArchiveError when it is missing or damaged."""
        file = files.open_arrays(path, scanned=["marks"])
        ends, counts = file.part("ends", "<u4"), file.part("counts", "<u4")
        data, marks = file.part("data", "u1"), file.part("marks", "<u4")
        whole_file = not len(ends) or int(ends[-1]) == len(data)
        if not len(ends) == len(counts) == len(marks) or not whole_file:
            raise files.damaged(path)
        return cls(ends, data, counts, marks, path)

    def __len__(self) -> int:
        return len(self.ends)

    def text(self, number: int) -> str:
        """A term by its number."""
        return self.raw(number).removeprefix(PSEUDO).decode(errors="replace")

    def find(self, word: str) -> int | None:
        """The number of a word or pseudo-word, or None."""
        raw = stored(word)
        number = int(_first_from(self.ends, self.data, np.frombuffer(raw, np.uint8)))
        return number if number < len(self) and self.raw(number) == raw else None

    def beginning(self, word: str) -> tuple[int, int]:
        """The first number with a beginning, and the first after it without."""
        raw = stored(word)
        first = int(_first_from(self.ends, self.data, np.frombuffer(raw, np.uint8)))
        # UTF-8 has no byte 0xff, so every term with the beginning is before this.
        after = int(_first_from(self.ends, self.data, np.frombuffer(raw + b"\xff", np.uint8)))
        return first, after

    def similar(self, word: str, distance: int) -> tuple[Numbers, npt.NDArray[np.uint8]]:
        """Other terms at most `distance` letters away: nearest first, then the most frequent.

        The distance is optimal string alignment: inserting, leaving out, replacing a sign, or
        exchanging two neighbours, each counts one. Never finds pseudo-words.
        """
        signs = np.array([ord(sign) for sign in word[:_MOST_SIGNS]], np.int64)
        if not len(signs) or not 0 < distance <= MAX_DISTANCE:
            return np.empty(0, np.uint32), np.empty(0, np.uint8)
        numbers, distances = _similar(self.ends, self.data, self.marks, signs, distance)
        order = np.lexsort((numbers, -self.counts[numbers].astype(np.int64), distances))
        return numbers[order], distances[order]

    def pseudo(self) -> tuple[int, int]:
        """The first pseudo-word's number, and the first after them."""
        bounds = (PSEUDO, bytes([PSEUDO[0] + 1]))
        first, after = (
            int(_first_from(self.ends, self.data, np.frombuffer(each, np.uint8))) for each in bounds
        )
        return first, after

    def raw(self, number: int) -> bytes:
        """A term's bytes as the dictionary has them; none after the last."""
        if number == len(self):
            return b""
        begin = int(self.ends[number - 1]) if number else 0
        return self.data[begin : int(self.ends[number])].tobytes()


def stored(word: str) -> bytes:
    """A word or pseudo-word as the dictionary has it."""
    return (PSEUDO if ":" in word else b"") + word.encode(errors="replace")


def write(path: Path, terms: pa.Array, counts: Numbers) -> int:
    """Write the dictionary of these terms (binary, in order of their bytes); its size in bytes."""
    large = terms.cast(pa.large_binary())
    _, offsets, data = large.buffers()
    found = np.frombuffer(offsets, np.int64)[large.offset : large.offset + len(large) + 1]
    text = np.frombuffer(data, np.uint8)[found[0] : found[-1]] if len(large) else np.zeros(0, "u1")
    ends = (found[1:] - found[0]).astype(np.uint32)
    writer = files.Writer(path)
    writer.array("ends", "<u4", [ends])
    writer.array("counts", "<u4", [counts])
    writer.array("marks", "<u4", [_marks(ends, text)])
    writer.array("data", "u1", [text])
    return writer.finish({})


@inlined
def _place(ends: Numbers, size: int, number: int) -> tuple[int, int]:
    """Where a term begins and how long it is; never outside of `size` bytes, whatever was read."""
    begin = min(whole(ends[number - 1]), size) if number else 0
    return begin, max(min(whole(ends[number]), size) - begin, 0)


@compiled
def _first_from(ends: Numbers, data: Bytes, wanted: Bytes) -> int:
    """The first term that is not before `wanted`."""
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high) >> 1
        begin, size = _place(ends, len(data), middle)
        shared = min(size, len(wanted))
        k = 0
        while k < shared and data[begin + k] == wanted[k]:
            k += 1
        if (data[begin + k] < wanted[k]) if k < shared else (size < len(wanted)):
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _signs(data: Bytes, begin: int, end: int, out: npt.NDArray[np.int64]) -> int:
    """The code points of a text in UTF-8, at most as many as `out` holds; how many."""
    count = 0
    while begin < end and count < len(out):
        byte = whole(data[begin])
        width = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        point = byte if width == 1 else byte & (0x7F >> width)
        for k in range(1, min(width, end - begin)):
            point = point << 6 | whole(data[begin + k] & 0x3F)
        out[count] = point
        count += 1
        begin += width
    return count


@compiled
def _mark(signs: npt.NDArray[np.int64], count: int) -> np.uint32:
    """A bit for each sign that occurs: an edit changes at most two."""
    mark = np.uint32(0)
    for k in range(count):
        sign = signs[k]
        spread = sign - 97 if 97 <= sign <= 122 else 26 + sign % 6
        mark |= np.uint32(1) << np.uint32(spread)
    return mark


@compiled
def _marks(ends: Numbers, data: Bytes) -> Numbers:
    marks = np.empty(len(ends), np.uint32)
    signs = np.empty(_MOST_SIGNS, np.int64)
    begin = 0
    for number in range(len(ends)):
        end = whole(ends[number])
        marks[number] = _mark(signs, _signs(data, begin, end, signs))
        begin = end
    return marks


@compiled
def _bits(value: np.uint32) -> np.uint32:
    value = value - ((value >> np.uint32(1)) & np.uint32(0x55555555))
    value = (value & np.uint32(0x33333333)) + ((value >> np.uint32(2)) & np.uint32(0x33333333))
    value = (value + (value >> np.uint32(4))) & np.uint32(0x0F0F0F0F)
    return np.uint32(value * np.uint32(0x01010101)) >> np.uint32(24)


@compiled
def _similar(
    ends: Numbers, data: Bytes, marks: Numbers, word: npt.NDArray[np.int64], most: int
) -> tuple[Numbers, npt.NDArray[np.uint8]]:
    """All terms within `most` of `word`: by their marks first, then by their signs."""
    wanted = _mark(word, len(word))
    limit = np.uint32(2 * most)
    size = 0
    for number in range(len(marks)):
        size += 1 if _bits(marks[number] ^ wanted) <= limit else 0
    near = np.empty(size, np.uint32)
    size = 0
    for number in range(len(marks)):
        if _bits(marks[number] ^ wanted) <= limit:
            begin, length = _place(ends, len(data), number)
            fits = max(len(word) - most, 1) <= length <= 4 * (len(word) + most)
            if fits and data[begin] != 58:
                near[size] = number
                size += 1
    distances = np.empty(size, np.uint8)
    signs = np.empty(_MOST_SIGNS, np.int64)
    masks = np.zeros(128, np.uint64)
    for k in range(len(word)):
        if word[k] < 128:
            masks[word[k]] |= np.uint64(1) << np.uint64(k)
    kept = 0
    for place in range(size):
        number = whole(near[place])
        begin, length = _place(ends, len(data), number)
        count = _signs(data, begin, begin + length, signs)
        far = _distance(word, masks, signs, count)
        if 0 < far <= most:
            near[kept], distances[kept] = number, far
            kept += 1
    return near[:kept].copy(), distances[:kept].copy()


@compiled
def _distance(
    word: npt.NDArray[np.int64],
    masks: npt.NDArray[np.uint64],
    signs: npt.NDArray[np.int64],
    count: int,
) -> int:
    """The optimal string alignment distance, a column of its table at once as bits of a word
    (Hyyro 2003). `masks` says where the word has each sign of ASCII."""
    one = np.uint64(1)
    top = one << np.uint64(len(word) - 1)
    rises, falls = ~np.uint64(0), np.uint64(0)
    diagonal, before = np.uint64(0), np.uint64(0)
    distance = len(word)
    for j in range(count):
        sign = signs[j]
        same = np.uint64(0)
        if sign < 128:
            same = masks[sign]
        else:
            for k in range(len(word)):
                if word[k] == sign:
                    same |= one << np.uint64(k)
        exchanged = ((~diagonal & same) << one) & before
        diagonal = (((same & rises) + rises) ^ rises) | same | falls | exchanged
        across, back = falls | ~(diagonal | rises), diagonal & rises
        distance += whole(across & top != 0) - whole(back & top != 0)
        across, back = across << one | one, back << one
        rises, falls = back | ~(diagonal | across), across & diagonal
        before = same
    return distance
