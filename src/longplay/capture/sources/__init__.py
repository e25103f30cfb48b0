"""Where music lawfully comes from: one small module a kind, all behind one interface.

A source lists what it offers, with what it says of rights, and opens one file as a stream. It
writes nothing, keeps no state beyond its own connections, and knows neither plan nor ledger. It is
used by several threads at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from longplay.model import Offer

MARGIN = 1.02
"""How much longer requests are apart than they might be: what is asked evenly arrives unevenly,
and a host counts what arrives."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What may be asked of one host, by all workers together: files at a time, and requests in a
    second. `host` is empty where nothing needs to be spared."""

    host: str = ""
    connections: int = 64
    per_second: float = float("inf")

    @property
    def interval(self) -> float:
        """Seconds between two requests."""
        return MARGIN / self.per_second


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to be opened, as the source listed it. With `start` the bytes before it are here
    already, of the state that `version` tells."""

    path: bytes
    size: int | None = None
    checksum: str = ""
    version: str = ""
    start: int = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """An opened file. `start` is the offset of the first byte that `chunks` gives: the one asked
    for, or 0 where the source begins anew. `size` is that of the whole file, None where the source
    does not say; `version` tells this state of the file from another, and may be empty; `mtime_ns`
    is None where it is not known.

    `chunks` raises UnavailableError when the transfer breaks off, SourceError when the file cannot
    be had; bytes that came before that are good.
    """

    start: int
    size: int | None
    version: str
    mtime_ns: int | None
    chunks: Iterator[bytes]


class Source(Protocol):
    """One source of the settings."""

    def offers(self) -> Iterator[Offer]:
        """Everything it offers now, sound first within an album, in an order that is the same each
        time. Raises SourceError, or InputError for a list that is not what it should be."""

    def limit(self, path: bytes) -> Limit:
        """Which host gives this file, and what may be asked of it. Asks nobody."""

    def open(self, wanted: Wanted) -> AbstractContextManager[Stream]:
        """Open one file. Raises SourceError when it can never be had, UnavailableError when it may
        be had later; short pauses that the source asks for are waited out here."""

    def close(self) -> None:
        """Give back connections."""
