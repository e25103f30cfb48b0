"""Names made comparable: the same folding wherever two spellings must meet.

`fold` undoes case, width, ligatures and diacritics; `plain_name` drops punctuation, too, and
`plain_title` guests ("feat."). Versions ("Remix", "Live") stay: they are other sounds. All of it
works on whole columns, in Arrow kernels and DuckDB macros.
"""

from __future__ import annotations

from typing import Literal

import duckdb
import numpy as np
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
    "\u0591-\u05c7\u064b-\u0652\u0670]"
)
"""Marks that names are compared without: Latin, Greek, Cyrillic, Hebrew points, Arabic vowels.
Not the marks of Indic scripts or kana, which make other words."""

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


def plain(
    connection: duckdb.DuckDBPyConnection,
    texts: pa.Array,
    placeholder: Literal["placeholder_title", "placeholder_artist"],
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
