"""A log as blocks of whole lines, in bounded memory, whatever lies in it; gzip and zstd
unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import pyarrow as pa

from longplay.errors import InputError

BLOCK_BYTES = 1 << 20
"""Bytes of a log that are read at once, some 8,000 lines: so many stay in a core's cache until they
are parsed. No more than LONGEST_LINE, so that a line within a block is never too long."""

LONGEST_LINE = 1 << 20
"""Bytes of a line that is looked at; what is longer is no event (servers cap requests at 8 KiB)."""

MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(slots=True)
class Damage:
    """What of a log was no event: counted, never an error."""

    too_long: int = 0
    broken_off: int = 0


def blocks(log: Path | BufferedReader, damage: Damage) -> Iterator[bytes]:
    """Whole lines of a log (or of one that is open, at its beginning; either may be a pipe), about
    BLOCK_BYTES at a time. Lines longer than LONGEST_LINE are dropped and counted, and so is what
    follows a place where a compressed log is damaged. Raises InputError for a log that cannot be
    opened."""
    rest = b""
    dropping = False
    for chunk in _chunks(log, damage):
        first, end = chunk.find(b"\n") + 1, chunk.rfind(b"\n") + 1
        under_way = len(rest) + (first - 1 if first else len(chunk))
        if not dropping and under_way > LONGEST_LINE:
            damage.too_long += 1
            rest, dropping = b"", True
        if not dropping:
            first = 0
        elif not end:
            continue
        dropping = False
        whole = b"".join((rest, memoryview(chunk)[first:end])) if end > first else b""
        rest = chunk[end:] if end else rest + chunk
        if whole:
            yield whole
    if rest:
        yield rest + b"\n"


@dataclass(slots=True)
class _FromItsBeginning:
    """A log whose first bytes were looked at: pipes cannot be wound back."""

    begun: bytes
    file: BufferedReader

    @property
    def closed(self) -> bool:
        return self.file.closed

    def close(self) -> None:
        self.file.close()

    def read(self, size: int) -> bytes:
        begun, self.begun = self.begun[:size], self.begun[size:]
        return begun + self.file.read(size - len(begun))


def _chunks(log: Path | BufferedReader, damage: Damage) -> Iterator[bytes]:
    with ExitStack() as opened:
        try:
            file = opened.enter_context(log.open("rb") if isinstance(log, Path) else log)
            magic = file.read(max(map(len, MAGIC)))  # waits for a pipe that says it piecemeal
            names = (name for sign, name in MAGIC.items() if magic.startswith(sign))
            compression = next(names, None)
            whole = _FromItsBeginning(magic, file)
            stream = pa.input_stream(whole, compression=compression) if compression else whole
        except OSError as error:
            words = (error.strerror or "cannot be read").lower()
            where = str(log) if isinstance(log, Path) else log.name
            raise InputError(words, where=where, hint="give the path of a log file") from error
        while True:
            try:
                chunk = stream.read(BLOCK_BYTES)
            except OSError:
                if compression is None:
                    raise
                damage.broken_off += 1
                return
            if not chunk:
                return
            yield chunk
