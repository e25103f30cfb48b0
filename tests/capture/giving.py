"""A source that gives what a test tells it to, and counts what it gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from longplay.capture.orders import Order
from longplay.capture.sources import Limit, Stream, Wanted
from longplay.errors import SourceError, UnavailableError
from longplay.model import Action, Offer
from longplay.settings import Settings

CHUNK = 10_000

Behaviour = Callable[[Wanted, Iterator[bytes]], Iterator[bytes]]


@dataclass(slots=True)
class Giving:
    """Gives `files`; `breaks` says how often each breaks off half-way, `behaviour` may change what
    comes, `down` whether the host answers at all."""

    files: dict[bytes, bytes]
    limits: dict[bytes, Limit] = field(default_factory=dict)
    breaks: Counter[bytes] = field(default_factory=Counter)
    behaviour: dict[bytes, Behaviour] = field(default_factory=dict)
    sizes: dict[bytes, int | None] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    version: str = "v1"
    resumes: bool = True
    given: int = 0
    asked: list[tuple[bytes, int]] = field(default_factory=list)

    def offers(self) -> Iterator[Offer]:
        for path in sorted(self.files):
            yield Offer(path)

    def limit(self, path: bytes) -> Limit:
        return self.limits.get(path, Limit("host", 4, 1e6))

    @contextmanager
    def open(self, wanted: Wanted) -> Iterator[Stream]:
        self.asked.append((wanted.path, wanted.start))
        if self.limit(wanted.path).host in self.down:
            raise UnavailableError("is down", where=wanted.path.decode())
        data = self.files.get(wanted.path)
        if data is None:
            raise SourceError("is not there", where=wanted.path.decode())
        start = wanted.start if self.resumes and wanted.version == self.version else 0
        size = self.sizes.get(wanted.path, len(data))
        yield Stream(start, size, self.version, None, self._chunks(wanted, data, start))

    def close(self) -> None:
        """Nothing to give back."""

    def _chunks(self, wanted: Wanted, data: bytes, start: int) -> Iterator[bytes]:
        chunks = (data[at : at + CHUNK] for at in range(start, len(data), CHUNK))
        if wanted.path in self.behaviour:
            chunks = self.behaviour[wanted.path](wanted, chunks)
        half = start + (len(data) - start) // 2
        for chunk in chunks:
            if self.breaks[wanted.path] and start >= half:
                self.breaks[wanted.path] -= 1
                raise UnavailableError("broke off", where=wanted.path.decode())
            start += len(chunk)
            self.given += len(chunk)
            yield chunk


def order(spool: Path, path: bytes = b"a", ordinal: int = 0, **more: object) -> Order:
    name = f"{spool}/1-1-{ordinal}"
    return Order(
        ordinal,
        "s",
        "",
        path,
        Action.ORIGINAL,
        name,
        0,
        Settings(),
        **more,  # type: ignore[arg-type]
    )
