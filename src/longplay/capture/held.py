"""A held original as a source: copies are made of it, and nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from longplay.capture.orders import READ_BYTES
from longplay.capture.sources import Limit, Stream, Wanted
from longplay.errors import StoreError, UnavailableError
from longplay.model import ObjectKey, Offer
from longplay.vault.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Original:
    """A held object that is a file's own bytes."""

    key: ObjectKey
    suffix: str
    sha256: bytes

    @property
    def checksum(self) -> str:
        """As listings write it: what is read back is proved like anything that is fetched."""
        return f"sha256:{self.sha256.hex()}"


@dataclass(frozen=True, slots=True)
class HeldSource:
    """Gives one held object, whatever path is asked for."""

    store: ObjectStore
    original: Original

    def offers(self) -> Iterator[Offer]:
        """Nothing: what is held is offered by its own source."""
        return iter(())

    def limit(self, path: bytes) -> Limit:
        """The archive's own store needs no sparing."""
        return Limit()

    @contextmanager
    def open(self, wanted: Wanted) -> Iterator[Stream]:
        """Open the object from its start. Raises UnavailableError where the store gives nothing."""
        try:
            with self.store.open(self.original.key, self.original.suffix) as data:
                chunks = iter(lambda: data.read(READ_BYTES), b"")
                yield Stream(0, self.original.key.size, "", None, chunks)
        except StoreError as error:
            raise UnavailableError(error.message, where=error.where, hint=error.hint) from error

    def close(self) -> None:
        """Nothing to give back."""
