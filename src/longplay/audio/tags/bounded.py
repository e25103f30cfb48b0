"""A view of a hostile file that can be read only so much and so often."""

from __future__ import annotations

import errno
import os
import struct
from typing import BinaryIO

from mutagen import MutagenError

MUTAGEN_FAILS = (
    MutagenError,
    OSError,
    ValueError,
    LookupError,
    ArithmeticError,
    TypeError,
    AttributeError,
    AssertionError,
    EOFError,
    RecursionError,
    struct.error,
)
"""What mutagen raises for damaged files: its own error, and what its parsers stumble into."""

MAX_READS = 50_000
"""Reads of one file by a tag reader. Real files need some hundred; each costs about 2 µs."""

FRAMING_BYTES = 16 * 2**20
"""Bytes that may be read beside the tags: headers, and the search for the first audio frame."""


class Bounded:
    """A seekable reader over `source` that raises OSError once its budget is spent.

    It never hands out more than the file has, and it refuses to seek before the start, as a file
    does; libraries rely on that.
    """

    def __init__(self, source: BinaryIO, size: int, budget: int) -> None:
        self._source = source
        self._size = size
        self._budget = budget
        self._reads = 0
        self._position = 0

    def read(self, count: int = -1) -> bytes:
        """Up to `count` bytes from here; all that is left for -1."""
        left = max(self._size - self._position, 0)
        wanted = left if count is None or count < 0 else min(count, left)
        self._reads += 1
        self._budget -= wanted
        if self._budget < 0 or self._reads > MAX_READS:
            raise OSError(errno.EFBIG, "more is to be read than tags may take")
        self._source.seek(self._position)
        data = self._source.read(wanted)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, as in io.IOBase.seek."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, "seek before the start")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Where the next read starts."""
        return self._position

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._size

    def at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`."""
        self.seek(offset)
        return self.read(count)
