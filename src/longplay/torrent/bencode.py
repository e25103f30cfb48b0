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

MAX_ITEMS = 3_000_000
"""Most values decoded: a thousand empty lists take 2 kB to send and 56 kB to hold. libtorrent's
own limit; a .torrent of 10 MB has 400,000."""

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
    reader = _Reader(data)
    value = reader.value(MAX_DEPTH)
    if reader.at != len(data):
        raise TorrentError(f"has {len(data) - reader.at} bytes after its end")
    return value


class _Reader:
    """A document and the place in it up to which it was read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self._items = 0

    def value(self, depth: int) -> Value:
        self._items += 1
        if depth == 0:
            raise TorrentError(f"is nested more than {MAX_DEPTH} deep")
        if self._items > MAX_ITEMS:
            raise TorrentError(f"has more than {MAX_ITEMS} values")
        head = self._head()
        if head.isdigit():
            return self._string()
        start, self.at = self.at, self.at + 1
        if head == b"i":
            return self._number(b"e")
        if head == b"l":
            return self._list(depth)
        if head == b"d":
            return self._dict(depth)
        raise TorrentError(f"has no value at byte {start}")

    def _head(self) -> bytes:
        head = self.data[self.at : self.at + 1]
        if not head:
            raise TorrentError(f"ends at byte {self.at}")
        return head

    def _number(self, end: bytes) -> int:
        stop = self.data.find(end, self.at, self.at + MAX_DIGITS + 2)
        text = self.data[self.at : stop] if stop >= 0 else b""
        digits = text.removeprefix(b"-")
        leading = len(digits) > 1 and digits.startswith(b"0")
        if not digits.isdigit() or leading or text == b"-0" or len(digits) > MAX_DIGITS:
            raise TorrentError(f"has no number at byte {self.at}")
        self.at = stop + 1
        return int(text)

    def _string(self) -> bytes:
        start = self.at
        length = self._number(b":")
        found = self.data[self.at : self.at + length]
        if len(found) != length:
            raise TorrentError(f"ends inside the string at byte {start}")
        self.at += length
        return found

    def _list(self, depth: int) -> list[Value]:
        items: list[Value] = []
        while self._head() != b"e":
            items.append(self.value(depth - 1))
        self.at += 1
        return items

    def _dict(self, depth: int) -> dict[bytes, Value]:
        items: dict[bytes, Value] = {}
        previous: bytes | None = None
        while (head := self._head()) != b"e":
            start = self.at
            if not head.isdigit():
                raise TorrentError(f"has a key that is no string at byte {start}")
            key = self._string()
            if previous is not None and key <= previous:
                raise TorrentError(f"has keys out of order at byte {start}")
            items[key] = self.value(depth - 1)
            previous = key
        self.at += 1
        return items
