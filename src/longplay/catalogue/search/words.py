"""Texts folded and cut into words, the same way when indexing and when asking.

Letters are folded as `names.fold` has it; apostrophes and invisible signs vanish, `&` is the word
`and`, and what else is no letter, digit or mark separates. Han, kana and hangul have no spaces to
cut at: their runs become overlapping pairs of signs. A text without any word, such as the band
`!!!`, is one word of its signs.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longplay.catalogue import names
from longplay.catalogue.compiled import compiled, string_buffers

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]

MAX_WORD_BYTES = 64
"""Bytes of a word that count, in UTF-8: no language has a longer one, and joke titles do."""

MAX_WORDS = 255
"""Words of one text that count: enough for the longest real title, and a count fits a byte."""

SEPARATOR, LETTER, SIGN, DROPPED, AND = 0, 1, 2, 3, 4
_PLANES = 0x30000
"""Code points that have a class of their own; those after them are Han."""

_APOSTROPHES = "'’‘`´ʼ"
_DROPPED = _APOSTROPHES + "\u00ad\u0640\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_SIGNS = (
    (0x1100, 0x11FF), (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3038, 0x303B),
    (0x3041, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x318F), (0x31A0, 0x31BF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F), (0x20000, 0x2FFFF),
)  # fmt: skip
"""Han, kana, bopomofo and hangul, with the marks that repeat or lengthen."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The words of a column: word i is `data[ends[i - 1]:ends[i]]`; text r has `counts[r]`."""

    counts: npt.NDArray[np.uint8]
    ends: Offsets
    data: Bytes


def words(text: str) -> list[str]:
    """The words of a text that is asked for, in their order."""
    found = cut(pa.array([text]), indexing=False)
    starts = [0, *found.ends[:-1].tolist()] if len(found.ends) else []
    raw = found.data.tobytes()
    return [raw[start:end].decode() for start, end in zip(starts, found.ends.tolist(), strict=True)]


def is_sign(word: str) -> bool:
    """Whether a word is one Han, kana or hangul sign: to be asked for as the beginning of pairs."""
    return len(word) == 1 and class_of(ord(word)) == SIGN


def year_word(year: int) -> str:
    """What stands in the index for a year. No other word has a colon."""
    return f"year:{year:04d}"


def genre_words(genre: str) -> list[str]:
    """What stands in the index for a genre: the whole, and each of its words."""
    parts = words(genre)
    return list(dict.fromkeys(f"genre:{each}" for each in (" ".join(parts), *parts) if each))


def explicit_word(explicit: bool) -> str:
    """What stands in the index for a track that is explicit, or is not."""
    return "explicit:yes" if explicit else "explicit:no"


def cut(texts: pa.Array, *, indexing: bool = True) -> Cut:
    """The words of each text of a column, in their order; a null has none.

    When indexing, the last sign of a run of Han, kana or hangul is a word, too, so that every sign
    begins one.
    """
    plain = pc.string_is_ascii(texts)
    if pc.all(plain, min_count=0).as_py():
        classes = _ascii_classes()
    else:
        classes = _classes()
        mask = pc.invert(pc.fill_null(plain, True))
        texts = pc.replace_with_mask(texts, mask, _fold(texts.filter(mask)))
    offsets, data = string_buffers(texts)
    return Cut(*_cut(offsets, data, classes, indexing, MAX_WORD_BYTES, MAX_WORDS))


def _fold(texts: pa.Array) -> pa.Array:
    """`names.fold`, with apostrophes kept whole that it would take for an accent and a space."""
    return names.fold(pc.replace_substring(texts, pattern="´", replacement="'"))


def class_of(point: int) -> int:
    """What a code point is to the cutting of words."""
    if chr(point) in _DROPPED:
        return DROPPED
    if any(low <= point <= high for low, high in _SIGNS):
        return SIGN
    if point == ord("&"):
        return AND
    return LETTER if unicodedata.category(chr(point))[0] in "LNM" else SEPARATOR


@cache
def _ascii_classes() -> Bytes:
    return np.array([class_of(point) for point in range(128)], np.uint8)


@cache
def _classes() -> Bytes:
    """The classes of all code points below `_PLANES`: 0.1 seconds, for those that need them."""
    letters = bytes(unicodedata.category(chr(point))[0] in "LNM" for point in range(_PLANES))
    classes = np.frombuffer(letters, np.uint8).copy()
    for low, high in _SIGNS:
        classes[low : high + 1] = SIGN
    classes[[ord(sign) for sign in _DROPPED]] = DROPPED
    classes[ord("&")] = AND
    return classes


@compiled
def _cut(  # noqa: PLR0912, PLR0915 - one loop over bytes; calls within it would hide its rules
    offsets: Offsets,
    data: Bytes,
    classes: Bytes,
    indexing: bool,
    longest: int,
    most: int,
) -> tuple[Bytes, Offsets, Bytes]:
    """`Cut`'s parts, of folded texts (ASCII may still have capitals)."""
    size = offsets[-1] - offsets[0]
    counts = np.zeros(len(offsets) - 1, np.uint8)
    # At most: `&` is three letters, a sign is two of three bytes, and a text has a last sign.
    ends = np.empty(size + 2 * len(counts) + 1, np.int64)
    out = np.empty(3 * size + 16 * len(counts) + 16, np.uint8)
    total, at = 0, 0
    for row in range(len(counts)):
        found, began = 0, at
        run, before_at, before_size = 0, 0, 0  # signs of this run, and where its last one is
        here, stop = offsets[row], offsets[row + 1]
        while here <= stop and found < most:
            width, kind = 1, SEPARATOR
            if here < stop:
                byte = data[here]
                if byte < 0x80:
                    kind = classes[byte]
                else:
                    point, width = np.int64(byte), 1
                    if byte >= 0xF0:
                        point, width = np.int64(byte & 0x07), 4
                    elif byte >= 0xE0:
                        point, width = np.int64(byte & 0x0F), 3
                    elif byte >= 0xC0:
                        point, width = np.int64(byte & 0x1F), 2
                    width = min(width, stop - here)
                    for k in range(1, width):
                        point = point << 6 | np.int64(data[here + k] & 0x3F)
                    kind = classes[point] if point < len(classes) else SIGN
            if kind == DROPPED:
                here += width
                continue
            if kind != LETTER and at > began:  # a word ends
                ends[total] = at
                total, found, began = total + 1, found + 1, at
            if kind != SIGN and run:  # a run of signs ends
                if (run == 1 or indexing) and found < most:
                    for k in range(before_size):
                        out[at + k] = data[before_at + k]
                    at += before_size
                    ends[total] = at
                    total, found, began = total + 1, found + 1, at
                run = 0
            if found == most:
                break
            if kind == LETTER:
                if at + width - began <= longest:
                    for k in range(width):
                        letter = data[here + k]
                        out[at + k] = letter + 32 if 65 <= letter <= 90 else letter
                    at += width
            elif kind == SIGN:
                if run:
                    for k in range(before_size):
                        out[at + k] = data[before_at + k]
                    at += before_size
                    for k in range(width):
                        out[at + k] = data[here + k]
                    at += width
                    ends[total] = at
                    total, found, began = total + 1, found + 1, at
                run, before_at, before_size = run + 1, here, width
            elif kind == AND:
                out[at], out[at + 1], out[at + 2] = 97, 110, 100
                at += 3
                ends[total] = at
                total, found, began = total + 1, found + 1, at
            here += width
        if not found:  # no word at all: its signs, as they are
            for place in range(offsets[row], offsets[row + 1]):
                byte = data[place]
                if byte > 32 and byte != 58 and (at - began < longest - 4 or byte & 0xC0 == 0x80):
                    out[at] = byte
                    at += 1
            if at > began:
                ends[total] = at
                total, found = total + 1, 1
        counts[row] = found
    return counts, ends[:total].copy(), out[:at].copy()
