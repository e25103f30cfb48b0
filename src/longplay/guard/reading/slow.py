"""Lines that the compiled readers leave: escapes in strings, doubled quotes, nested objects."""

from __future__ import annotations

import csv

import orjson

from longplay.guard.reading.mapping import FIELDS, Format, Mapping


def plain_line(line: bytes, mapping: Mapping) -> bytes | None:
    """The line as a flat JSON object of FIELDS, without escapes in any value; None if it is no
    event. Raises nothing."""
    try:
        values = _from_json(line, mapping) if mapping.format is Format.JSON else _row(line, mapping)
    except (orjson.JSONDecodeError, csv.Error, RecursionError):
        return None
    if values is None:
        return None
    cells = [
        f'"{field}":"{_flat(value)}"'
        for field, value in zip(FIELDS, values, strict=True)
        if value is not None
    ]
    return ("{" + ",".join(cells) + "}").encode()


def _from_json(line: bytes, mapping: Mapping) -> list[object] | None:
    row = orjson.loads(line)
    if not isinstance(row, dict):
        return None
    return [_inside(row, name) for name in mapping.names]


def _inside(row: object, name: str) -> object:
    if not isinstance(row, dict) or not name:
        return None
    if name in row:
        return row[name]
    first, _, rest = name.partition(".")
    return _inside(row.get(first), rest) if rest else None


def _row(line: bytes, mapping: Mapping) -> list[object]:
    text = line.decode("utf-8", "surrogateescape")
    cells = next(csv.reader([text], delimiter=mapping.separator), [])
    return [cells[at] if 0 <= at < len(cells) else None for at in mapping.columns]


def _flat(value: object) -> str:
    """A value as text that needs no escapes: those who would need them are told apart by their
    code points, so that two names never become one."""
    text = str(value).encode("utf-8", "backslashreplace").decode()
    return "".join(
        sign if sign not in '"\\' and sign >= " " else f"%{ord(sign):02X}" for sign in text
    )
