"""Cells of a database's tables as our texts, numbers, dates and flags, a column at a time.

SQLite's cells are of any type in any row, and its texts of any bytes.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_DURATION_MS = 2**31 - 1
"""24 days: what fits the column."""

_DATE = r"[0-9]{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01]))?)?"

_TYPES = {
    "disc_number": pa.int32(),
    "track_number": pa.int32(),
    "duration_ms": pa.int32(),
    "popularity": pa.float32(),
    "listens": pa.float64(),
}

_LIMITS = (
    ("duration_ms", MAX_DURATION_MS, "is not a duration"),
    ("popularity", 100, "is not between 0 and 100"),
    ("listens", 1e18, "is not a count"),
)
"""What a number may be at most, and why else a row is rejected."""


def texts(column: pa.Array) -> pa.Array:
    """A column as text; empty is null, and what is not UTF-8 has U+FFFD where it is not."""
    return _decoded(column, "replace")


def trimmed(column: pa.Array) -> pa.Array:
    """A column as text without space at its ends; empty is null."""
    return _not_empty(pc.utf8_trim_whitespace(texts(column)))


def ids(column: pa.Array) -> pa.Array:
    """A column as ids; null where a cell is empty or not UTF-8: two ids must not become one."""
    return _decoded(column, "")


def _decoded(column: pa.Array, errors: str) -> pa.Array:
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    if not pa.types.is_string(column.type) and not pa.types.is_binary(column.type):
        return column.cast(pa.string())
    raw = column.cast(pa.binary())
    try:
        # Through bytes, since the driver hands over whatever the file has as text.
        return _not_empty(raw.cast(pa.string()))
    except pa.ArrowInvalid:
        cells = [None if cell is None else _text(cell, errors) for cell in raw.to_pylist()]
        return _not_empty(pa.array(cells, pa.string()))


def _text(cell: bytes, errors: str) -> str | None:
    try:
        return cell.decode("utf-8", errors or "strict")
    except UnicodeDecodeError:
        return None


def _not_empty(column: pa.Array) -> pa.Array:
    empty = pc.equal(pc.binary_length(column), 0)
    return pc.if_else(empty, None, column) if pc.any(empty).as_py() else column


def floats(column: pa.Array) -> pa.Array:
    """A column as numbers; null where it is none."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return column.cast(pa.float64(), safe=False)
    text = pc.utf8_trim_whitespace(texts(column))
    good = pc.match_substring_regex(text, r"^-?[0-9]{1,15}(\.[0-9]+)?$")
    return pc.if_else(good, text, None).cast(pa.float64())


def keys(column: pa.Array) -> pa.Array:
    """A column of keys, which are whole numbers."""
    if pa.types.is_integer(column.type):
        return column.cast(pa.int64())
    return pc.floor(floats(column)).cast(pa.int64(), safe=False)


def number(name: str, column: pa.Array) -> pa.Array:
    """One of our numbers, before it is known whether it is too large: of `3/12` the 3."""
    if name in ("disc_number", "track_number") and not pa.types.is_integer(column.type):
        column = pc.replace_substring_regex(texts(column), r"\s*/.*$", "")
    return floats(column)


def fitted(name: str, values: pa.Array) -> pa.Array:
    """Numbers as their column holds them: rounded where it is of whole ones, null where they do not
    fit it; a duration of 0 is unknown."""
    kind = _TYPES[name]
    if kind != pa.int32():
        return values.cast(kind, safe=False)
    whole = pc.round(values, round_mode="half_towards_infinity")
    fits = pc.and_(
        pc.greater_equal(whole, 1 if name == "duration_ms" else 0), pc.less(whole, 2.0**31)
    )
    return pc.if_else(fits, whole, None).cast(kind, safe=False)


def dates(column: pa.Array) -> pa.Array:
    """Years, with months and days where they are known, whatever follows them; null where a text
    begins with none."""
    found = trimmed(column)
    odd = pc.invert(pc.fill_null(pc.match_substring_regex(found, f"^{_DATE}$"), True))
    if pc.any(odd).as_py():
        read = pc.struct_field(pc.extract_regex(found.filter(odd), f"^(?P<date>{_DATE})"), "date")
        found = pc.replace_with_mask(found, odd, read)
    none = pc.starts_with(found, "0000")
    return pc.if_else(none, None, found) if pc.any(none).as_py() else found


def flags(column: pa.Array) -> pa.Array:
    """Yes or no."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        found = pc.equal(column, 1)
        return pc.if_else(pc.or_(found, pc.equal(column, 0)), found, None)
    text = pc.utf8_lower(texts(column))
    yes = pc.is_in(text, value_set=pa.array(["1", "true", "yes", "t", "y"]))
    no = pc.is_in(text, value_set=pa.array(["0", "false", "no", "f", "n"]))
    return pc.if_else(pc.or_(yes, no), yes, None)


def several(column: pa.Array) -> pa.ListArray:
    """Lists of the texts that `;` separates, empty for nulls."""
    found = texts(column)
    if not pc.any(pc.match_substring(found, ";")).as_py():
        return _singles(found)
    return pc.coalesce(pc.split_pattern(found, ";"), pa.scalar([], pa.list_(pa.string())))


def _singles(found: pa.Array) -> pa.ListArray:
    """Lists of one text each, empty for nulls."""
    lengths = found.is_valid().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), found.drop_null())


def reasons(
    own_ids: pa.Array, numbers: dict[str, pa.Array], columns: dict[str, pa.Array]
) -> pa.Array:
    """Why a row is rejected; null for a good one. `columns` are the cells as they came."""
    found = pc.if_else(own_ids.is_null(), "no id", pa.scalar(None, pa.string()))
    if own_ids.null_count:
        unread = pc.and_(own_ids.is_null(), texts(columns["id"]).is_valid())
        found = pc.if_else(unread, "its id is not UTF-8", found)
    for name, highest, says in _LIMITS:
        if name not in numbers:
            continue
        value = numbers[name]
        outside = pc.or_kleene(pc.less(value, 0), pc.greater(value, highest))
        unread = pc.and_(columns[name].is_valid(), value.is_null())
        bad = pc.or_(pc.fill_null(outside, False), unread)
        if pc.any(bad).as_py():
            shown = pc.utf8_slice_codeunits(texts(columns[name]), 0, 40)
            told = pc.binary_join_element_wise(f"{name}:", shown, says, " ")
            found = pc.coalesce(found, pc.if_else(bad, told, None))
    return found
