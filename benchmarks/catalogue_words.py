"""Names that no one wrote: a vocabulary with a Zipf distribution, and phrases drawn from it.

Every value is a hash of (seed, what it is for, row), so any row can be made alone, in any order.
"""

import math
import zlib
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Numbers = np.ndarray[Any, Any]

ZIPF, SHIFT = 1.08, 3.0
"""Word of rank r is drawn about as often as 1 / (r + SHIFT)^ZIPF: Mandelbrot's form."""
SCRIPTS = ("latin", "cyrillic", "japanese", "korean", "arabic")
SCRIPT_SHARES = (0.932, 0.025, 0.02, 0.013, 0.01)
"""Of the artists; a quarter of their titles are in Latin letters all the same."""
FOREIGN = 16
"""A script other than Latin has the vocabulary divided by this."""
COMMON = (
    "The You Love Me I Of A In My To And Remix On De La It Is For Your Live Night No Time One "
    "Song Blues We Be With Mix Dance Day World Life Heart Dream Baby Blue Rain Down Up Go "
    "Home All Don't Soul Out Sky Sun From Fire Like Man Girl Moon Light Back Little Way Never "
    "Good Black Che El Summer Le Intro Road Star I'm Wind Lost Dark Gone Stay River Street "
    "Old New Red Mi Amor Un Beautiful Angel Rock Ocean Again Forever Last At So What Who Can "
    "Will Not This That Without Feel Come Let Run Away City Train Water Deep High Free Gold "
    "White Green Sweet Winter Christmas Piano Sonata No. Op. Major Minor Allegro Act Pt. 1 2 "
    "3 4 5 Session Acoustic Version Radio Edit"
).split()
ONSETS = "b br c ch d dr f fl g gr h j k kl l m n p pr r s sh st t tr v w z".split()
RIMES = "a e i o u an en in on ar er or al el ia io ou".split()
ACCENTS = str.maketrans("aeioucnyAEIOU", "áéíöüçñýÁÉÍÖÜ")
CYRILLIC = [
    a + b for a in "бвгджзклмнпрстфхчш" for b in ("а", "е", "и", "о", "у", "ой", "ан", "ер")
]
KANA = [chr(c) for c in (*range(0x3042, 0x3090), *range(0x30A2, 0x30F0))]
KANJI = [chr(0x4E00 + 37 * k) for k in range(300)]
HANGUL = [chr(0xAC00 + 17 * k) for k in range(600)]
ARABIC = [a + b for a in "ابتثجحخدذرزسشصضطعغفقكلمنهوي" for b in "ابتدرسعلمنوي"]


def hashed(seed: int, stream: str, rows: Numbers) -> Numbers:
    """64 bits for each row: SplitMix64 of the row's number, keyed by seed and stream."""
    key = (zlib.crc32(stream.encode()) << 32 | seed & 0xFFFFFFFF) * 0x9E3779B97F4A7C15
    mixed = rows.astype(np.uint64)
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    mixed += np.uint64(key & 0xFFFFFFFFFFFFFFFF)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def uniform(seed: int, stream: str, rows: Numbers) -> Numbers:
    """A number from (0, 1) for each row."""
    return ((hashed(seed, stream, rows) >> np.uint64(11)) + np.float64(0.5)) * 2.0**-53


def zipf(uniforms: Numbers, count: int) -> Numbers:
    """Ranks below `count`, most often the low ones."""
    power = 1 - ZIPF
    low, high = (1 + SHIFT) ** power, (count + 1 + SHIFT) ** power
    ranks = (low + uniforms * (high - low)) ** (1 / power) - (1 + SHIFT)
    kept: Numbers = np.minimum(ranks.astype(np.int64), count - 1)
    return kept


def vocabulary_size(tracks: int) -> int:
    """300,000 words at a million tracks, 3.6 million at 256 million: Heaps' law."""
    return max(2_000, int(300_000 * (tracks / 1e6) ** 0.45))


def joined(*columns: Any, by: str = "") -> pa.Array:
    """Columns of text side by side in one; one given as plain text stands in each row."""
    return pc.binary_join_element_wise(*columns, by)


def invented(syllables: list[str], count: int) -> pa.Array:
    """`count` different words: the first of two syllables, the others of three."""
    base = len(syllables)
    assert count < base**3
    parts = pa.array(syllables)
    short = min(count, base * base // 2)
    chunks = []
    for first, last, length in ((0, short, 2), (short, count, 3)):
        span = base**length
        step = next(k for k in range(int(span * 0.618), span) if math.gcd(k, span) == 1)
        number = np.arange(first, last) * step % span
        digits = [number // base**k % base for k in range(length)]
        chunks.append(joined(*(parts.take(pa.array(digit)) for digit in digits)))
    return pa.concat_arrays(chunks)


def latin(count: int) -> pa.Array:
    syllables = [onset + rime for onset in ONSETS for rime in RIMES]
    words = pc.utf8_capitalize(invented(syllables, count))
    accented = np.arange(0, count, 23)
    changed = [word.translate(ACCENTS) for word in words.take(pa.array(accented)).to_pylist()]
    mask = np.zeros(count, bool)
    mask[accented] = True
    words = pc.replace_with_mask(words, pa.array(mask), pa.array(changed))
    return pa.concat_arrays([pa.array(COMMON), words.slice(len(COMMON))])


@cache
def vocabulary(size: int) -> tuple[pa.Array, tuple[int, ...]]:
    """All words, script after script as in SCRIPTS, and where each script begins (and the end)."""
    foreign = max(500, size // FOREIGN)
    scripts = [latin(size)]
    scripts += [invented(signs, foreign) for signs in (CYRILLIC, KANA + KANJI, HANGUL, ARABIC)]
    starts = np.cumsum([0, *(len(words) for words in scripts)])
    return pa.concat_arrays(scripts), tuple(int(start) for start in starts)


def phrases(
    seed: int, stream: str, rows: Numbers, lengths: Numbers, scripts: Numbers, size: int
) -> pa.Array:
    """For each row a name of `lengths` words of its script, from a vocabulary of `size`."""
    words, starts = vocabulary(size)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    row = np.repeat(np.arange(len(rows)), lengths)
    place = np.arange(ends[-1]) - ends[row]
    drawn = uniform(seed, stream, rows[row] * 8 + place)
    script = scripts[row]
    sizes = np.diff(starts)
    index = np.empty(len(row), np.int64)
    for number, count in enumerate(sizes):
        chosen = np.flatnonzero(script == number)
        index[chosen] = starts[number] + zipf(drawn[chosen], int(count))
    lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), words.take(pa.array(index)))
    spaces = pa.array([" ", " ", "", " ", " "]).take(pa.array(scripts))
    return pc.binary_join(lists, spaces)


def scripts_of(seed: int, stream: str, rows: Numbers) -> Numbers:
    """The script in which each row's name is written: an index into SCRIPTS."""
    bounds = np.cumsum(SCRIPT_SHARES)[:-1]
    return np.searchsorted(bounds, uniform(seed, stream, rows), side="right")


def chosen(seed: int, stream: str, rows: Numbers, shares: list[float]) -> Numbers:
    """For each row an index into `shares`, as often as the share says."""
    return np.searchsorted(np.cumsum(shares)[:-1], uniform(seed, stream, rows), side="right")


def fixed_text(letters: Numbers) -> pa.Array:
    """Rows of ASCII letters, one text each, from a matrix of bytes."""
    count, width = letters.shape
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width)
    data = np.ascontiguousarray(letters, np.uint8)
    return pa.Array.from_buffers(
        pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
