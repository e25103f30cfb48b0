"""A list as rows: CSV or JSON lines, read as it comes, with the line on which each row begins."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import NoReturn, TypeAlias

from longplay.errors import InputError

Value: TypeAlias = str | int | float | bool | list[object] | dict[str, object] | None
Row: TypeAlias = tuple[int, Mapping[str, Value]]
"""The line on which a row begins, and its cells by column."""

MAX_LINE_BYTES = 1024 * 1024
"""A longer line is no row: an address and a title are under 10 kB."""

DELIMITERS = (",", "\t", ";")
"""Between the cells of CSV: the first that gives the header a column `url`."""

_BLANK = re.compile(r"\s*")


def rows(chunks: Iterable[bytes], where: str) -> Iterator[Row]:
    """The rows of a list, whose first sign tells its form. Column names are in lower case. Raises
    InputError, naming the line, for what is neither CSV with a header nor JSON lines."""
    numbered = _lines(chunks, where)
    first = next((each for each in numbered if not _BLANK.fullmatch(each[1])), None)
    if first is None:
        return
    lines = chain((first,), numbered)
    yield from (_objects if first[1].lstrip().startswith("{") else _cells)(lines, where)


def _lines(chunks: Iterable[bytes], where: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, each with its end."""
    held, number = b"", 1
    for chunk in chain(chunks, (None,)):
        last = chunk is None
        *whole, held = [held] if chunk is None else (held + chunk).split(b"\n")
        if last and held:
            whole, held = [held], b""
        for line in whole:
            yield number, _text(line, number, where)
            number += 1
        if len(held) > MAX_LINE_BYTES:
            _refuse(where, number, f"is longer than {MAX_LINE_BYTES:,} bytes", "is it a list?")


def _text(line: bytes, number: int, where: str) -> str:
    if len(line) > MAX_LINE_BYTES:
        _refuse(where, number, f"is longer than {MAX_LINE_BYTES:,} bytes", "is it a list?")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        _refuse(where, number, "is no UTF-8", "save the list as UTF-8")
    return (text.removeprefix("\ufeff") if number == 1 else text) + "\n"


def _objects(lines: Iterable[tuple[int, str]], where: str) -> Iterator[Row]:
    """JSON lines: one object each."""
    for number, line in lines:
        if _BLANK.fullmatch(line):
            continue
        try:
            found = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            words = str(error).partition(":")[0][:100]
            _refuse(where, number, f"is no JSON: {words}", "write one object a line")
        if not isinstance(found, dict):
            _refuse(where, number, "is no JSON object", "write one object a line")
        yield number, {name.strip().lower(): value for name, value in found.items()}


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _cells(lines: Iterator[tuple[int, str]], where: str) -> Iterator[Row]:
    """CSV: a header, then rows with as many cells."""
    number, line = next(lines)
    names, delimiter = _header(line, number, where)
    counted = _Counted(lines, where, number + 1)
    reader = csv.reader(counted, delimiter=delimiter, strict=True)
    while True:
        begun = counted.next_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            _refuse(where, begun, f"is no CSV: {error}", "are its quotation marks in pairs?")
        if not cells or cells == [""]:
            continue
        if len(cells) != len(names):
            _refuse(
                where,
                begun,
                f"has {len(cells)} cells, and the header {len(names)}",
                "put a cell with a comma in quotation marks",
            )
        yield begun, dict(zip(names, cells, strict=True))


class _Counted:
    """Lines for a reader of CSV, which may take several for one row."""

    def __init__(self, lines: Iterator[tuple[int, str]], where: str, number: int) -> None:
        self._lines, self._where = lines, where
        self._next, self._begun, self._letters = number, number, 0

    def next_row(self) -> int:
        """The line on which the next row begins."""
        self._begun, self._letters = self._next, 0
        return self._begun

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        self._next = number + 1
        self._letters += len(line)
        if self._letters > MAX_LINE_BYTES:
            _refuse(
                self._where,
                self._begun,
                f"begins a row of more than {MAX_LINE_BYTES:,} letters",
                "are its quotation marks in pairs?",
            )
        return line


def _header(line: str, number: int, where: str) -> tuple[list[str], str]:
    for delimiter in DELIMITERS:
        try:
            cells = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        names = [cell.strip().lower() for cell in cells]
        if "url" in names:
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                _refuse(where, number, f"names the column {twice!r} twice", "rename one")
            return names, delimiter
    _refuse(
        where,
        number,
        f"names no column url, but {line.strip()[:80]!r}",
        "begin with a line of column names, one of them url",
    )


def _refuse(where: str, number: int, words: str, hint: str) -> NoReturn:
    raise InputError(words, where=f"{where}:{number}", hint=hint)
