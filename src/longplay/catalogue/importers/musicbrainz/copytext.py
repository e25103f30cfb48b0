"""PostgreSQL's COPY text, by columns: rows of tab-separated cells, `\\N` for null, `\\` escapes.

As PostgreSQL reads it (https://www.postgresql.org/docs/current/sql-copy.html, "Text Format"). A row
that does not fit its table is not used, and its reason is a number that `reason` tells.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled

MAX_ROWS = 131_072
"""Rows that are cut at once: as many as a row group of Parquet has."""

FITS, WIDTH, NULL, NUMBER, TEXT, GID, TRUTH = range(7)
"""What may be wrong with a row: `wrong * COLUMNS + column`, or for WIDTH the number of cells."""

COLUMNS = 64
"""More than any table has columns."""

_GID_LENGTH = 36
_TAB, _LINE, _ESCAPE = 9, 10, 92

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int32]
Codes = npt.NDArray[np.int32]
Truths = npt.NDArray[np.bool_]


@compiled
def split(
    data: Bytes, wanted: npt.NDArray[np.int64], widths: npt.NDArray[np.int64], rows: int
) -> tuple[int, int, Places, Places, Places, Codes]:
    """Cut up to `rows` rows.

    Returns how many there are, the bytes that they take (a last row without its end is left), the
    begin and end of each `wanted` cell (column, row), where each row begins, and what is wrong:
    its number of cells is none of `widths`.
    """
    begins = np.zeros((wanted.size, rows), np.int32)
    ends = np.zeros((wanted.size, rows), np.int32)
    lines = np.zeros(rows + 1, np.int32)
    codes = np.zeros(rows, np.int32)
    row, cell, next_wanted, begin, at = 0, 0, 0, 0, 0
    while at < data.size and row < rows:
        sign = data[at]
        if sign == _ESCAPE:
            at += 2
            continue
        if sign in (_TAB, _LINE):
            if next_wanted < wanted.size and wanted[next_wanted] == cell:
                begins[next_wanted, row] = begin
                ends[next_wanted, row] = at
                next_wanted += 1
            cell += 1
            begin = at + 1
            if sign == _LINE:
                fits = False
                for width in widths:
                    fits |= cell == width
                if not fits:
                    codes[row] = WIDTH * COLUMNS + min(cell, COLUMNS - 1)
                row += 1
                lines[row] = begin
                cell = next_wanted = 0
        at += 1
    return row, lines[row], begins[:, :row], ends[:, :row], lines[: row + 1], codes[:row]


@compiled
def integers(
    data: Bytes, begins: Places, ends: Places, codes: Codes, column: int, nullable: bool
) -> tuple[npt.NDArray[np.int64], Truths]:
    """Cells as numbers of PostgreSQL's INTEGER (32 bits), and which of them are there."""
    values = np.zeros(begins.size, np.int64)
    known = np.ones(begins.size, np.bool_)
    for row in range(begins.size):
        if codes[row]:
            continue
        begin, end = begins[row], ends[row]
        if _is_null(data, begin, end):
            known[row] = False
            if not nullable:
                codes[row] = NULL * COLUMNS + column
            continue
        negative = end > begin and data[begin] == 45
        begin += negative
        value = np.int64(0)
        right = 0 < end - begin <= 10
        if right:
            for at in range(begin, end):
                right &= 48 <= data[at] <= 57
                value = value * 10 + data[at] - 48
        if negative:
            value = -value
        if not right or not -(2**31) <= value < 2**31:
            codes[row] = NUMBER * COLUMNS + column
            continue
        values[row] = value
    return values, known


@compiled
def truths(
    data: Bytes, begins: Places, ends: Places, codes: Codes, column: int, nullable: bool
) -> tuple[Truths, Truths]:
    """Cells as true or false (`t`, `f`), and which of them are there."""
    values = np.zeros(begins.size, np.bool_)
    known = np.ones(begins.size, np.bool_)
    for row in range(begins.size):
        if codes[row]:
            continue
        begin, end = begins[row], ends[row]
        if _is_null(data, begin, end):
            known[row] = False
            if not nullable:
                codes[row] = NULL * COLUMNS + column
        elif end - begin != 1 or (data[begin] != 116 and data[begin] != 102):
            codes[row] = TRUTH * COLUMNS + column
        else:
            values[row] = data[begin] == 116
    return values, known


@compiled
def gids(
    data: Bytes, begins: Places, ends: Places, codes: Codes, column: int, nullable: bool
) -> tuple[Bytes, Truths]:
    """Cells as UUIDs, each 36 signs in lower case (zeros where there is none)."""
    out = np.zeros(begins.size * _GID_LENGTH, np.uint8)
    known = np.ones(begins.size, np.bool_)
    for row in range(begins.size):
        if codes[row]:
            continue
        begin, end = begins[row], ends[row]
        if _is_null(data, begin, end):
            known[row] = False
            if not nullable:
                codes[row] = NULL * COLUMNS + column
            continue
        right = end - begin == _GID_LENGTH
        if right:
            for index in range(_GID_LENGTH):
                sign = data[begin + index]
                if 65 <= sign <= 70:
                    sign += 32
                if index in (8, 13, 18, 23):
                    right &= sign == 45
                else:
                    right &= 48 <= sign <= 57 or 97 <= sign <= 102
                out[row * _GID_LENGTH + index] = sign
        if not right:
            codes[row] = GID * COLUMNS + column
            for index in range(_GID_LENGTH):
                out[row * _GID_LENGTH + index] = 48
    return out, known


@compiled
def texts(
    data: Bytes, begins: Places, ends: Places, codes: Codes, column: int, nullable: bool
) -> tuple[Bytes, Places, Truths]:
    """Cells as texts in UTF-8 with their escapes undone: the bytes, the n + 1 offsets, and which
    cells are there."""
    size = 0
    for row in range(begins.size):
        size += ends[row] - begins[row]
    out = np.empty(size, np.uint8)
    offsets = np.zeros(begins.size + 1, np.int32)
    known = np.ones(begins.size, np.bool_)
    length = 0
    for row in range(begins.size):
        if not codes[row]:
            begin, end = begins[row], ends[row]
            if _is_null(data, begin, end):
                known[row] = False
                if not nullable:
                    codes[row] = NULL * COLUMNS + column
            else:
                written = _unescape(data, begin, end, out, length)
                if _is_utf8(out, length, written):
                    length = written
                else:
                    codes[row] = TEXT * COLUMNS + column
        offsets[row + 1] = length
    return out[:length], offsets, known


@compiled
def _is_null(data: Bytes, begin: int, end: int) -> bool:
    return end - begin == 2 and data[begin] == _ESCAPE and data[begin + 1] == 78


@compiled
def _unescape(data: Bytes, begin: int, end: int, out: Bytes, length: int) -> int:
    """Write a cell to `out` from `length` on; returns the length after it."""
    at = begin
    while at < end:
        sign = data[at]
        at += 1
        if sign == _ESCAPE and at < end:
            sign = data[at]
            at += 1
            if 48 <= sign <= 55:  # up to three octal digits
                value = sign - 48
                stop = min(at + 2, end)
                while at < stop and 48 <= data[at] <= 55:
                    value = value * 8 + data[at] - 48
                    at += 1
                sign = value & 255
            elif sign == 120 and at < end and _hexadecimal(data[at]) >= 0:  # up to two digits
                value = _hexadecimal(data[at])
                at += 1
                if at < end and _hexadecimal(data[at]) >= 0:
                    value = value * 16 + _hexadecimal(data[at])
                    at += 1
                sign = value
            elif sign == 98:
                sign = 8
            elif sign == 102:
                sign = 12
            elif sign == 110:
                sign = 10
            elif sign == 114:
                sign = 13
            elif sign == 116:
                sign = 9
            elif sign == 118:
                sign = 11
        out[length] = sign
        length += 1
    return length


@compiled
def _hexadecimal(sign: int) -> int:
    if 48 <= sign <= 57:
        return sign - 48
    if 65 <= sign <= 70:
        return sign - 55
    if 97 <= sign <= 102:
        return sign - 87
    return -1


@compiled
def _is_utf8(data: Bytes, begin: int, end: int) -> bool:
    """Whether bytes are UTF-8 as RFC 3629 has it, and hold no NUL, which PostgreSQL does not."""
    at = begin
    while at < end:
        first = data[at]
        if 0 < first < 0x80:
            at += 1
            continue
        low, high, more = 0x80, 0xBF, 1
        if 0xC2 <= first <= 0xDF:
            more = 1
        elif 0xE0 <= first <= 0xEF:
            more = 2
            low = 0xA0 if first == 0xE0 else 0x80
            high = 0x9F if first == 0xED else 0xBF
        elif 0xF0 <= first <= 0xF4:
            more = 3
            low = 0x90 if first == 0xF0 else 0x80
            high = 0x8F if first == 0xF4 else 0xBF
        else:
            return False
        if at + more >= end:
            return False
        for index in range(1, more + 1):
            if not low <= data[at + index] <= high:
                return False
            low, high = 0x80, 0xBF
        at += more + 1
    return True
