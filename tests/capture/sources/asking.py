"""A polite client that notes how long it would wait, and a song to ask for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from longplay.capture.sources import Stream, Wanted
from longplay.capture.sources.polite import PoliteClient
from longplay.errors import UnavailableError
from longplay.settings import Politeness
from tests.capture.sources.host import Host

SONG = b"fLaC" + b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(20_000))


class Asking:
    """A client that notes how long it would wait."""

    made: ClassVar[list[Asking]] = []

    def __init__(self, **more: Any) -> None:
        self.waits: list[float] = []
        quick = {"per_second": 1e9}  # who looks at waits means those for a host that fails
        manners = Politeness(**{"private": True, "patience_seconds": 5, **quick, **more})
        self.client = PoliteClient(manners, pause=self.waits.append)
        self.made.append(self)

    def wanted(self, host: Host, path: str = "/a.flac", **more: Any) -> Wanted:
        return Wanted((host.address + path).encode(), **more)

    @contextmanager
    def open(self, host: Host, path: str = "/a.flac", **more: Any) -> Iterator[Stream]:
        with self.client.open(self.wanted(host, path, **more), sound=True) as stream:
            yield stream

    def all(self, host: Host, path: str = "/a.flac", **more: Any) -> bytes:
        with self.open(host, path, **more) as stream:
            return b"".join(stream.chunks)

    def got_until_the_break(self, host: Host) -> tuple[bytes, str]:
        """What came before a transfer broke off, and of which state of the file it is."""
        got = b""
        with self.open(host) as stream, pytest.raises(UnavailableError):
            for chunk in stream.chunks:
                got += chunk
        return got, stream.version
