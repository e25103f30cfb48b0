"""Identities that last: keys of 64 bits inside, `tr` and 13 letters of Crockford base32 outside.

Keys of tracks, albums and artists derive from (source, the source's own id), so the same row keeps
its id in every snapshot. Recordings (`rec`) are minted by `joins`.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
import numpy.typing as npt

from longplay.errors import InputError

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford base32 in lower case: https://www.crockford.com/base32.html"""

LETTERS = 13
"""Base32 letters that hold 64 bits."""

RowPrefix = Literal["tr", "al", "ar"]
PREFIXES = ("rec", "tr", "al", "ar")

_CODES = np.frombuffer(ALPHABET.encode(), np.uint8)
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)} | {"i": 1, "l": 1, "o": 0}


def row_key(prefix: RowPrefix, source: str, own_id: str) -> int:
    """The key of a source's row: the first 8 bytes, little-endian, of the MD5 of the three parts
    with a zero byte between them.

    MD5 because DuckDB computes it by columns (`md5_number_upper`); it need not resist an attacker,
    since a second row with the same key and another own id is rejected, never merged.
    """
    digest = hashlib.md5(f"{prefix}\0{source}\0{own_id}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "little")


def row_key_sql(prefix: RowPrefix, own_id: str, source: str = "getvariable('source')") -> str:
    """`row_key` as a DuckDB expression of two expressions; without `source` it is the connection's
    variable of that name."""
    return f"md5_number_upper('{prefix}' || chr(0) || {source} || chr(0) || {own_id})"


RECORDING = 0x5EC0_4D16_0F50_0D5A
"""What turns the key of a track into that of the recording it stands for, by exclusive or."""


def minted(tracks: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The recordings that these tracks stand for; and the other way round, since it undoes itself.

    A track's key is as good as random, so its recording's is; and the track is found from it.
    """
    return tracks ^ np.uint64(RECORDING)


def minted_sql(track: str, salt: int = 0) -> str:
    """`minted` as a DuckDB expression. `salt` counts up while the key is already taken."""
    if not salt:
        return f"xor({track}, {RECORDING}::UBIGINT)"
    return f"md5_number_upper('rec' || chr(0) || {track} || chr(0) || '{salt}')"


def text(prefix: str, key: int) -> str:
    """An id as people and other programs see it, e.g. `tr0e1v…`."""
    return prefix + "".join(ALPHABET[key >> shift & 31] for shift in range(60, -1, -5))


def text_sql(prefix: str, key: str) -> str:
    """`text` as a DuckDB expression over a column of keys."""
    letters = (f"'{ALPHABET}'[1 + ({key} >> {shift} & 31)::INT]" for shift in range(60, -1, -5))
    return f"'{prefix}' || {' || '.join(letters)}"


def texts(prefix: str, keys: npt.NDArray[np.uint64]) -> list[str]:
    """`text` for a whole column of keys."""
    shifts = np.arange(60, -1, -5, dtype=np.uint64)
    letters = _CODES[(keys[:, None] >> shifts & np.uint64(31)).astype(np.intp)]
    return [prefix + row.tobytes().decode() for row in letters]


def parse(identity: str) -> tuple[str, int]:
    """The prefix and key of an id's text. Raises InputError."""
    lowered = identity.strip().lower()
    prefix = next((each for each in PREFIXES if lowered.startswith(each)), "")
    letters = lowered[len(prefix) :]
    values = [_VALUES.get(letter, 32) for letter in letters]
    if not prefix or len(values) != LETTERS or 32 in values or values[0] > 15:
        raise InputError(
            "is not an id",
            where=identity[:60],
            hint="ids look like tr0123456789abc, with tr, al, ar or rec in front",
        )
    key = 0
    for value in values:
        key = key << 5 | value
    return prefix, key
