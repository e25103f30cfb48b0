"""Names made comparable: the same folding wherever two spellings must meet.

`fold` undoes case, width, ligatures and diacritics; `plain_name` drops punctuation, too, and
`plain_title` guests ("feat."). Versions ("Remix", "Live") stay: they are other sounds. All of it
works on whole columns, in Arrow kernels and DuckDB macros.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Literal

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import PythonUDFType

LETTERS = {
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th",
    "ħ": "h", "ı": "i", "ŋ": "n", "ŧ": "t", "ĸ": "k", "ƒ": "f", "ς": "σ", "ə": "e",
}  # fmt: skip
"""Letters that Unicode does not decompose, as readers type them."""

DIACRITICS = (
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u0652\u0670]"
)
"""Marks that names are compared without: Latin, Greek, Cyrillic, Hebrew points, Arabic vowels
and the stroke that stretches Arabic words.
Not the marks of Indic scripts or kana, which make other words."""

APOSTROPHES = "'’‘`´ʼ"
"""Signs that words are written with or without."""

GUEST = r"(?:feat|ft|featuring|feat\.|ft\.)"
PLACEHOLDER_ARTISTS = (
    "unknown", "unknown artist", "various", "various artists", "va", "n a", "artist", "none",
)  # fmt: skip
PLACEHOLDER_TITLE = (
    r"^(?:unknown|untitled track|(?:audio ?)?(?:track|titel|piste|pista|spur) ?\d*)$"
)
"""Names that rippers and forms put where nobody knew better: they identify nothing."""

PLACEHOLDER_HEADS = np.array(
    [
        int.from_bytes(word[:4].encode(), "big")
        for word in (
            *("unknown", "untitled", "audio", "track", "titel", "piste", "pista", "spur"),
            *(name.replace(" ", "") for name in PLACEHOLDER_ARTISTS),
        )
    ],
    np.uint32,
)
"""How placeholders begin, as numbers: the first four letters and digits of the plain name."""


def fold(names: pa.Array) -> pa.Array:
    """A column of texts without case, width, ligatures and diacritics."""
    folded = pc.utf8_normalize(pc.utf8_lower(pc.utf8_normalize(names, form="NFKC")), form="NFKD")
    folded = pc.replace_substring_regex(folded, pattern=DIACRITICS, replacement="")
    for letter, plain in LETTERS.items():
        folded = pc.replace_substring(folded, pattern=letter, replacement=plain)
    return pc.utf8_normalize(folded, form="NFKC")


HARD, APART, NOTHING, AND, LETTER, ITSELF = range(6)
"""What a sign is to a plain name: it depends on its neighbours; it separates words; it vanishes; it
is a word; it has letters of its own in the table; it stays as it is."""

SIGNS = 0xD7A4
"""Signs that the table covers: the alphabets, punctuation, kana, Han and Hangul."""


@cache
def signs() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """What each sign becomes when it stands anywhere in a name: its kind, and at four times its
    number up to three bytes of UTF-8 with their count. Made by `fold`, so that it says the same."""
    kinds = np.full(SIGNS, HARD, np.uint8)
    letters = np.zeros(4 * SIGNS, np.uint8)
    # The rest is rare, joins with what is beside it, or is younger than some tables of Unicode.
    alphabets = [*range(0x0700), *range(0x1E00, 0x2070)]
    for sign, folded in zip(
        alphabets, fold(pa.array([chr(sign) for sign in alphabets])).to_pylist(), strict=True
    ):
        kinds[sign], found = _becomes(chr(sign), folded)
        letters[4 * sign : 4 * sign + len(found)] = list(found)
        letters[4 * sign + 3] = len(found)
    for first, last in ((0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3)):
        kinds[first : last + 1] = ITSELF
    return kinds, letters


def _becomes(sign: str, folded: str) -> tuple[int, bytes]:
    if unicodedata.category(sign)[0] == "M" or unicodedata.category(sign) == "Cn":
        return HARD, b""
    if folded in APOSTROPHES:
        return NOTHING, b""
    if folded == "&":
        return AND, b"and"
    found = folded.encode()
    words = all(unicodedata.category(each)[0] in "LN" for each in folded)
    if words and 0 < len(found) <= 3 and not set(folded) & set(APOSTROPHES):
        return LETTER, found
    if all(unicodedata.category(each)[0] not in "LNM" for each in folded) and folded:
        return (APART, b"") if not set(folded) & {*APOSTROPHES, "&"} else (HARD, b"")
    return HARD, b""


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a connection the macros `fold`, `plain_name` and `plain_title`."""
    connection.create_function(
        "fold_letters", fold, ["VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW
    )
    connection.execute(
        "CREATE MACRO fold(t) AS"
        # Most names are ASCII, where lower() says the same at a tenth of the cost.
        " CASE WHEN strlen(t) = length(t) THEN lower(t) ELSE fold_letters(t) END"
    )
    # What is plain already, as most names are, skips the regular expressions.
    connection.execute(
        "CREATE MACRO unpunctuated(t) AS CASE WHEN regexp_matches(t, '[^a-z0-9 ]|^ | $|  ')"
        " THEN coalesce(nullif(trim(regexp_replace("
        r" replace(regexp_replace(t, '[''’‘`´ʼ]', '', 'g'), '&', ' and '),"
        r" '[^\p{L}\p{N}\p{M}]+', ' ', 'g')), ''), t) ELSE t END"
    )
    connection.execute("CREATE MACRO plain_name(t) AS unpunctuated(fold(t))")
    connection.execute(
        "CREATE MACRO without_guests(t) AS CASE WHEN contains(t, 'feat') OR contains(t, 'ft') THEN"
        " regexp_replace(regexp_replace(t,"
        rf" '[\(\[\{{]\s*{GUEST}\s[^\)\]\}}]*[\)\]\}}]', ' ', 'g'),"
        rf" '(\S)[\s–-]+{GUEST}\s.*?(\s[–-]\s|[\(\[\{{]|$)', '\1 \2', 'g') ELSE t END"
    )
    connection.execute("CREATE MACRO plain_title(t) AS unpunctuated(without_guests(fold(t)))")
    artists = ", ".join(f"'{name}'" for name in PLACEHOLDER_ARTISTS)
    connection.execute(f"CREATE MACRO placeholder_artist(t) AS t IN ({artists})")
    connection.execute(
        f"CREATE MACRO placeholder_title(t) AS regexp_matches(t, '{PLACEHOLDER_TITLE}')"
    )


Placeholder = Literal["placeholder_title", "placeholder_artist"]
"""The macro that tells what stands for no name."""


def plain(
    connection: duckdb.DuckDBPyConnection,
    texts: pa.Array,
    placeholder: Placeholder,
) -> pa.Array:
    """A column by `plain_title`; null for placeholders."""
    cursor = connection.cursor()
    try:
        cursor.register("texts", pa.table({"text": texts}))
        found = cursor.sql(
            f"SELECT CASE WHEN NOT {placeholder}(plain) THEN plain END AS plain FROM"
            " (SELECT plain_title(text) AS plain FROM texts)"
        ).to_arrow_table()
    finally:
        cursor.close()
    return found["plain"].combine_chunks()
