"""Open files that are asked for again and again: a bounded number of descriptors, the last used
kept. A file that was replaced since is opened anew, and one that is being read stays open until
that is done, whoever takes its place meanwhile."""

from __future__ import annotations

import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Callable

MOST = 512
"""Files kept open: half of what a process may have by default."""

STRIDE = 128 * 1024
"""Bytes between the places at which the page cache is asked: the kernel reads as far ahead."""

_probe = bytearray(1)

NO_WAIT = getattr(os, "RWF_NOWAIT", None)


class Descriptor:
    """An open file, read at any place by any thread; closed when nobody has it any more."""

    __slots__ = ("identity", "number", "size", "waits")

    def __init__(self, path: str) -> None:
        self.number = -1
        self.number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        facts = os.fstat(self.number)
        self.identity = _identity(facts)
        self.size = facts.st_size
        self.waits = NO_WAIT is None

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if self.number >= 0:
            close(self.number)  # `os` may be gone by now: the process ends

    def read(self, start: int, length: int) -> bytes:
        """At most `length` bytes from `start`; it may wait for a disk. Raises OSError."""
        return os.pread(self.number, length, start)

    def read_at_once(self, start: int, length: int) -> bytes | None:
        """The same where the bytes lie in memory; None where a disk would have to be waited for,
        or where the file system does not tell."""
        if self.waits:
            return None
        last = min(start + length, self.size) - 1
        if last < start:
            return b""
        try:
            for place in range(start, last, STRIDE):
                os.preadv(self.number, (_probe,), place, NO_WAIT)  # type: ignore[arg-type]
            os.preadv(self.number, (_probe,), last, NO_WAIT)  # type: ignore[arg-type]
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            self.waits = True
            return None
        return os.pread(self.number, length, start)


class Descriptors:
    """The files that are kept open."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Descriptor] = OrderedDict()

    def open(self, path: str) -> Descriptor:
        """The file that lies at `path` now. Raises OSError."""
        identity = _identity(os.stat(path))  # noqa: PTH116 - twice as fast, and asked every time
        with self._lock:
            known = self._kept.get(path)
            if known is not None and known.identity == identity:
                self._kept.move_to_end(path)
                return known
        opened = Descriptor(path)
        with self._lock:
            self._kept[path] = opened
            self._kept.move_to_end(path)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return opened

    def __len__(self) -> int:
        return len(self._kept)


def _identity(facts: os.stat_result) -> tuple[int, int, int, int]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


kept = Descriptors()
"""Those of this process."""
