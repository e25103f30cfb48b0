"""Bencoding, both ways and strict: what decodes encodes to the same bytes.

https://www.bittorrent.org/beps/bep_0003.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from longplay.errors import TorrentError

MAX_BYTES = 64 * 2**20
"""Longest document decoded: six times the largest .torrent that we write."""

MAX_DEPTH = 64
"""Deepest nesting decoded: a v2 file tree has a level for each folder, and Python a stack."""

MAX_DIGITS = 19
"""Longest number decoded: what 64 bits hold."""

Value = int | bytes | list["Value"] | dict[bytes, "Value"]
Encodable = int | str | bytes | Sequence["Encodable"] | Mapping[bytes, "Encodable"]


def encode(value: Encodable) -> bytes:
    """The one bencoding of a value; text is encoded as UTF-8."""
    parts: list[bytes] = []
    _encode(value, parts)
    return b"".join(parts)


def _encode(value: Encodable, parts: list[bytes]) -> None:
    match value:
        case int():
            parts.append(b"i%de" % value)
        case str():
            data = value.encode()
            parts.append(b"%d:%b" % (len(data), data))
        case bytes():
            parts.append(b"%d:%b" % (len(value), value))
        case Mapping():
            parts.append(b"d")
            for key in sorted(value):
                parts.append(b"%d:%b" % (len(key), key))
                _encode(value[key], parts)
            parts.append(b"e")
        case Sequence():
            parts.append(b"l")
            for item in value:
                _encode(item, parts)
            parts.append(b"e")


def decode(data: bytes) -> Value:
    """The value that `data` encodes. Raises TorrentError for anything but canonical bencoding."""
    if len(data) > MAX_BYTES:
        raise TorrentError(f"is longer than {MAX_BYTES} bytes")
    value, end = _decode(data, 0, MAX_DEPTH)
    if end != len(data):
        raise TorrentError(f"has {len(data) - end} bytes after its end")
    return value


def _decode(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    if depth == 0:
        raise TorrentError(f"is nested more than {MAX_DEPTH} deep")
    head = data[at : at + 1]
    if head == b"i":
        return _number(data, at + 1, b"e")
    if head == b"l":
        return _list(data, at + 1, depth)
    if head == b"d":
        return _dict(data, at + 1, depth)
    if head.isdigit():
        return _string(data, at)
    raise TorrentError(f"ends at byte {at}" if not head else f"has no value at byte {at}")


def _number(data: bytes, at: int, end: bytes) -> tuple[int, int]:
    stop = data.find(end, at, at + MAX_DIGITS + 2)
    digits = data[at:stop].removeprefix(b"-") if stop >= 0 else b""
    leading = len(digits) > 1 and digits.startswith(b"0")
    if not digits.isdigit() or leading or data[at:stop] == b"-0":
        raise TorrentError(f"has no number at byte {at}")
    return int(data[at:stop]), stop + 1


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    length, start = _number(data, at, b":")
    if start + length > len(data):
        raise TorrentError(f"ends inside the string at byte {at}")
    return data[start : start + length], start + length


def _list(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    items: list[Value] = []
    while data[at : at + 1] != b"e":
        item, at = _decode(data, at, depth - 1)
        items.append(item)
    return items, at + 1


def _dict(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    items: dict[bytes, Value] = {}
    previous: bytes | None = None
    while data[at : at + 1] != b"e":
        if not data[at : at + 1].isdigit():
            raise TorrentError(f"has a key that is no string at byte {at}")
        key, at = _string(data, at)
        if previous is not None and key <= previous:
            raise TorrentError(f"has keys out of order at byte {at}")
        items[key], at = _decode(data, at, depth - 1)
        previous = key
    return items, at + 1
