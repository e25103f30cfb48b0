"""Identifiers by the column: a compiled pass over Arrow's buffers for how nearly all are written.

What that pass does not understand (names in front, web addresses, signs beyond ASCII) is read one
by one, each distinct text once, as `identifiers` reads a single text.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longplay.errors import InputError

MAX_BYTES = 2**31 - 1
"""Bytes of text in one result: what Arrow's string arrays can address. Batches are far smaller."""

_KINDS = {"isrc": 0, "gtin": 1, "iswc": 2, "mbid": 3}
_WIDTHS = {"isrc": 12, "gtin": 14, "iswc": 15, "mbid": 36}

_NORMAL = {
    "isrc": "AAXXX9999999",
    "gtin": "9" * 14,
    "iswc": "T-999.999.999-9",
    "mbid": "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh",
}
"""What stands at each place of the normal form: the keys of `_SIGNS`, else the sign itself."""

_SIGNS = {
    "A": b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "9": b"0123456789",
    "X": b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "h": b"0123456789abcdef",
}

_NONE, _GOOD, _ASK = 0, 1, 2
_LONGEST = 32
"""Signs without separators: those of an MBID."""

Scalar = Callable[[str], str | None]
Bytes = npt.NDArray[np.uint8]


def normalised(kind: str, column: pa.Array | pa.ChunkedArray, scalar: Scalar) -> pa.Array:
    """A column of texts, each normalised, null where it is none."""
    if isinstance(column, pa.ChunkedArray):
        parts = [normalised(kind, chunk, scalar) for chunk in column.chunks]
        return pa.concat_arrays(parts) if parts else pa.array([], pa.string())
    if pa.types.is_dictionary(column.type):
        return normalised(kind, column.dictionary, scalar).take(column.indices)
    texts = _texts(column)
    if not len(texts):
        return pa.array([], pa.string())
    made, status = _compiled(kind, texts)
    asked = status == _ASK
    return _asked(texts, made, pa.array(asked), scalar) if asked.any() else made


def lists(kind: str, column: pa.Array | pa.ChunkedArray, scalar: Scalar) -> pa.Array:
    """A column of lists of texts: each normalised, each once, none left where it is none."""
    if isinstance(column, pa.ChunkedArray):
        parts = [lists(kind, chunk, scalar) for chunk in column.chunks]
        return pa.concat_arrays(parts) if parts else pa.array([], pa.list_(pa.string()))
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.list_(pa.string()))
    if not pa.types.is_list(column.type):
        column = _cast(column, pa.list_(pa.string()))
    flat = normalised(kind, column.flatten(), scalar)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    keep = flat.is_valid().to_numpy(zero_copy_only=False)
    if len(flat) > np.count_nonzero(lengths):
        keep &= _first(flat, lengths)
    ends = np.concatenate(([0], np.cumsum(keep)))[np.concatenate(([0], np.cumsum(lengths)))]
    offsets = pa.array(ends.astype(np.int32))
    mask = column.is_null() if column.null_count else None
    return pa.ListArray.from_arrays(offsets, flat.filter(pa.array(keep)), mask=mask)


def _first(flat: pa.Array, lengths: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Which texts stand in their list for the first time."""
    rows = np.repeat(np.arange(len(lengths)), lengths)
    first = np.repeat(lengths <= 1, lengths)
    places = np.flatnonzero(~first)
    codes = flat.take(pa.array(places)).dictionary_encode().indices.fill_null(-1).to_numpy()
    _, once = np.unique(rows[places] << 32 | (codes.astype(np.int64) + 1), return_index=True)
    first[places[once]] = True
    return first


def _foreign(kind: str) -> Bytes:
    """A table of (place, sign): 1 where the sign cannot stand at that place of the normal form."""
    table = np.ones((_WIDTHS[kind], 256), np.uint8)
    for place, what in enumerate(_NORMAL[kind]):
        table[place, list(_SIGNS.get(what, what.encode()))] = 0
    return table


def _texts(column: pa.Array) -> pa.Array:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column
    return _cast(column, pa.string())


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    try:
        return column.cast(kind)
    except pa.ArrowException as error:
        raise InputError(
            f"a column of {column.type} holds no identifiers", hint="map a column of texts"
        ) from error


def _compiled(kind: str, texts: pa.Array) -> tuple[pa.Array, Bytes]:
    """What the compiled pass makes of the texts, and of which ones it must be asked elsewhere."""
    count, width = len(texts), _WIDTHS[kind]
    if count * width > MAX_BYTES:
        raise InputError("too many identifiers in one column", hint="hand them over in batches")
    wide = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    _, starts, content = texts.buffers()
    offsets = np.frombuffer(starts, wide)[texts.offset : texts.offset + count + 1]
    data = np.frombuffer(content, np.uint8) if content else np.empty(0, np.uint8)
    valid = texts.is_valid().to_numpy(zero_copy_only=False).view(np.uint8)
    out = np.empty(count * width, np.uint8)
    ends = np.empty(count + 1, np.int32)
    status = np.empty(count, np.uint8)
    table = _foreign(kind)
    used = _pass(_KINDS[kind], table, offsets, data, valid, out, ends, status)
    bits = np.packbits(status == _GOOD, bitorder="little")
    made = pa.StringArray.from_buffers(
        count, pa.py_buffer(ends), pa.py_buffer(out[:used]), pa.py_buffer(bits)
    )
    return made, status


def _asked(texts: pa.Array, made: pa.Array, mask: pa.Array, scalar: Scalar) -> pa.Array:
    """`made`, with what `scalar` says of the texts where the mask is set."""
    coded = texts.filter(mask).dictionary_encode()
    answers = pa.array([scalar(text) for text in coded.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(made, mask, answers.take(coded.indices))


_compile = numba.njit(cache=True, nogil=True)
# Indices are unsigned below: for signed ones, each access would ask whether it counts from the end,
# which makes these loops three times slower.


@_compile  # type: ignore[untyped-decorator, unused-ignore]
def _pass(kind, table, offsets, data, valid, out, ends, status):  # type: ignore[no-untyped-def]
    """Normalise each text into `out`; returns the bytes used. `ends` are Arrow's offsets."""
    clean = np.empty(_LONGEST, np.uint8)
    width = np.uint64(len(table))
    used = np.uint64(0)
    ends[0] = 0
    for row in range(len(status)):
        said = _NONE
        if valid[row]:
            start, stop = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
            if stop - start == width and _copied(table, data, start, out, used):
                said = _checked(kind, out, used)
            else:
                said = _one(kind, data, start, stop, clean, out, used)
        status[row] = said
        if said == _GOOD:
            used += width
        ends[row + 1] = used
    return used


@_compile  # type: ignore[untyped-decorator, unused-ignore]
def _copied(table, data, start, out, at):  # type: ignore[no-untyped-def]
    """Copy a text as long as the normal form; whether every sign of it can stand there."""
    foreign = np.uint8(0)
    for place in range(np.uint64(len(table))):
        sign = data[start + place]
        out[at + place] = sign
        foreign |= table[place, sign]
    return foreign == 0


@_compile  # type: ignore[untyped-decorator, unused-ignore]
def _one(kind, data, start, stop, clean, out, at):  # type: ignore[no-untyped-def]
    """One text: its signs without separators in upper case to `clean`, and those to `out`."""
    length = np.uint64(0)
    for place in range(start, stop):
        sign = data[place]
        if sign in (45, 32) or (sign == 46 and kind == 2):  # - space .
            continue
        if 97 <= sign <= 122:
            sign = np.uint8(sign - 32)
        # Anything but a letter or a digit, or too many of them: some other way to write it.
        if length == _LONGEST or not (48 <= sign <= 57 or 65 <= sign <= 90):
            return _ASK
        clean[length] = sign
        length += np.uint64(1)
    if kind == 0:
        return _isrc(clean, length, out, at)
    if kind == 1:
        return _gtin(clean, length, out, at)
    if kind == 2:
        return _iswc(clean, length, out, at)
    return _mbid(clean, length, out, at)


@_compile  # type: ignore[untyped-decorator, unused-ignore]
def _checked(kind, out, at):  # type: ignore[no-untyped-def]
    """Whether what looks normal in `out` is good: check digits, and not nothing but zeros."""
    if kind == 0:
        return _GOOD
    total, content = 0, False
    if kind == 1:
        for place in range(np.uint64(14)):
            digit = int(out[at + place]) - 48
            total += digit if place & np.uint64(1) else 3 * digit
            if digit > 0:
                content = True
        return _GOOD if content and total % 10 == 0 else _NONE
    if kind == 2:
        total, weight = 1, 1
        for place in range(np.uint64(2), np.uint64(15)):
            sign = out[at + place]
            if sign >= 48:
                total += (int(sign) - 48) * (weight if weight < 10 else 1)
                weight += 1
        return _GOOD if total % 10 == 0 else _NONE
    for place in range(np.uint64(36)):
        if out[at + place] > 48:
            return _GOOD
    return _NONE


@_compile  # type: ignore[untyped-decorator, unused-ignore]
def _isrc(clean, length, out, at):  # type: ignore[no-untyped-def]
    if length != 12:
        return _ASK if length > 12 else _NONE
    for place in range(np.uint64(12)):
        letter = clean[place] >= 65
        if (place < 2 and not letter) or (place >= 5 and letter):
            return _NONE
        out[at + place] = clean[place]
    return _GOOD


@_compile  # type: ignore[untyped-decorator, unused-ignore]
def _gtin(clean, length, out, at):  # type: ignore[no-untyped-def]
    for place in range(length):
        if clean[place] >= 65:
            return _ASK
    if length == 8 and clean[0] <= 49:  # 0 or 1: may be a UPC-E
        return _ASK
    if length != 8 and (length < 12 or length > 14):
        return _NONE
    zeros = np.uint64(14) - length
    for place in range(np.uint64(14)):
        out[at + place] = 48 if place < zeros else clean[place - zeros]
    return _checked(1, out, at)


@_compile  # type: ignore[untyped-decorator, unused-ignore]
def _iswc(clean, length, out, at):  # type: ignore[no-untyped-def]
    if length != 11 or clean[0] != 84:  # T
        return _ASK if length > 11 else _NONE
    to = at
    for place in range(np.uint64(11)):
        if place > 0 and clean[place] >= 65:
            return _NONE
        if place in (1, 10):
            out[to] = 45
            to += np.uint64(1)
        elif place in (4, 7):
            out[to] = 46
            to += np.uint64(1)
        out[to] = clean[place]
        to += np.uint64(1)
    return _checked(2, out, at)


@_compile  # type: ignore[untyped-decorator, unused-ignore]
def _mbid(clean, length, out, at):  # type: ignore[no-untyped-def]
    if length != 32:
        return _NONE
    to = at
    for place in range(np.uint64(32)):
        sign = clean[place]
        if sign > 70:  # F
            return _NONE
        if place in (8, 12, 16, 20):
            out[to] = 45
            to += np.uint64(1)
        out[to] = np.uint8(sign + 32) if sign >= 65 else sign
        to += np.uint64(1)
    return _checked(3, out, at)
