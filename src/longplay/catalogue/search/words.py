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
from longplay.catalogue.compiled import compiled, string_buffers, whole

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]

MAX_WORD_BYTES = 64
"""Bytes of a word that count, in UTF-8: no language has a longer one, and joke titles do."""

MAX_WORDS = 255
"""Words of one text that count: enough for the longest real title, and a count fits a byte."""

SEPARATOR, LETTER, SIGN, DROPPED, AND = 0, 1, 2, 3, 4
HARD = 8
"""A bit beside the class of signs that change in folding in a way that no table says."""

_PLANES = 0x30000
"""Code points that have a class of their own; those after them are Han."""

_APOSTROPHES = "'’‘`´ʼ"
_DROPPED = _APOSTROPHES + "\u00ad\u0640\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_MAQAF = "־"
"""The hyphen of Hebrew, which `names.fold` drops with the points beside it in Unicode."""

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
    offsets, data = string_buffers(texts)
    if pc.all(pc.string_is_ascii(texts), min_count=0).as_py():
        classes, letters = _ascii_classes(), np.empty(0, np.uint8)
    else:
        classes, letters = _classes()
        hard = _hard(offsets, data, classes)
        if hard.any():
            texts = pc.replace_with_mask(texts, hard, _fold(texts.filter(pa.array(hard))))
            offsets, data = string_buffers(texts)
    return Cut(*_cut(offsets, data, classes, letters, indexing, MAX_WORD_BYTES, MAX_WORDS))


def _fold(texts: pa.Array) -> pa.Array:
    """`names.fold`, without taking an apostrophe for an accent, and a hyphen for a vowel."""
    texts = pc.replace_substring(texts, pattern="´", replacement="'")
    return names.fold(pc.replace_substring(texts, pattern=_MAQAF, replacement="-"))


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
def _classes() -> tuple[Bytes, Bytes]:
    """The classes of all code points below `_PLANES`, and what the letters of alphabets become
    (`names.signs`): 0.1 seconds, for those that need them."""
    categories = bytes(unicodedata.category(chr(point))[0] in "LNM" for point in range(_PLANES))
    classes = np.frombuffer(categories, np.uint8).copy()
    for low, high in _SIGNS:
        classes[low : high + 1] = SIGN
    kinds, letters = names.signs()
    alphabets = classes[: len(kinds)]
    for kind, meant in (
        (names.APART, SEPARATOR),
        (names.LETTER, LETTER),
        (names.AND, AND),
        (names.NOTHING, DROPPED),
    ):
        alphabets[kinds == kind] = meant
    stable = np.concatenate([kinds, np.full(_PLANES - len(kinds), names.HARD, np.uint8)])
    stable[[ord(sign) for sign in "々ー" + _DROPPED]] = names.ITSELF
    classes[ord(_MAQAF)] = SEPARATOR
    classes[stable == names.HARD] |= HARD
    classes[[ord(sign) for sign in _DROPPED]] = DROPPED
    return classes, letters


@compiled
def _hard(offsets: Offsets, data: Bytes, classes: Bytes) -> npt.NDArray[np.bool_]:
    """Which texts have signs that only `names.fold` knows: most have none."""
    found = np.zeros(len(offsets) - 1, np.bool_)
    for row in range(len(found)):
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            byte = whole(data[at])
            width = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            if width > 1:
                point = byte & (0x7F >> width)
                for k in range(1, min(width, end - at)):
                    point = point << 6 | whole(data[at + k] & 0x3F)
                if point >= len(classes) or classes[point] & HARD:
                    found[row] = True
                    break
            at += width
    return found


@compiled
def _cut(  # noqa: PLR0912, PLR0915 - one loop over bytes; calls within it would hide its rules
    offsets: Offsets,
    data: Bytes,
    classes: Bytes,
    letters: Bytes,
    indexing: bool,
    longest: int,
    most: int,
) -> tuple[Bytes, Offsets, Bytes]:
    """`Cut`'s parts. Texts are folded, but for capitals and for what `letters` folds."""
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
            width, kind, point = 1, SEPARATOR, whole(0)
            if here < stop:
                byte = data[here]
                if byte < 0x80:
                    kind = whole(classes[byte])
                else:
                    first = whole(byte)
                    width = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
                    point = first & (0x7F >> width)
                    width = min(width, stop - here)
                    for k in range(1, width):
                        point = point << 6 | whole(data[here + k] & 0x3F)
                    kind = whole(classes[point] & 7) if point < len(classes) else SIGN
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
                if 4 * point + 3 < len(letters) and letters[4 * point + 3]:
                    size = whole(letters[4 * point + 3])
                    if at + size - began <= longest:
                        for k in range(size):
                            out[at + k] = letters[4 * point + k]
                        at += size
                elif at + width - began <= longest:
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
        if not found:  # no word at all: its signs, as they are, without spaces and controls
            control = False
            for place in range(offsets[row], offsets[row + 1]):
                byte = data[place]
                if control or (
                    byte == 0xC2 and place + 1 < offsets[row + 1] and data[place + 1] <= 0xA0
                ):
                    control = not control
                    continue
                if byte > 32 and byte != 58 and (at - began < longest - 4 or byte & 0xC0 == 0x80):
                    out[at] = byte
                    at += 1
            if at > began:
                ends[total] = at
                total, found = total + 1, 1
        counts[row] = found
    return counts, ends[:total].copy(), out[:at].copy()
