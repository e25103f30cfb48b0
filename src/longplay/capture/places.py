"""Where a capture writes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from longplay.ledger.database import Ledger
from longplay.model import ObjectKey
from longplay.vault.objects import ObjectStore
from longplay.vault.shelves import Shelf


@dataclass(frozen=True, slots=True)
class Places:
    """The parts of an archive that a capture fills."""

    ledger: Ledger
    store: ObjectStore
    evidence: Path
    quarantine: Path

    @property
    def evidence_files(self) -> Shelf:
        """The evidence, wherever the archive keeps it; `evidence` is its local folder."""
        return Shelf(self.evidence, self.store)

    @property
    def quarantined(self) -> Shelf:
        """What is in quarantine, wherever the archive keeps it."""
        return Shelf(self.quarantine, self.store)

    def prepare(self) -> None:
        """Make the folders that a backup may have dropped because they were empty."""
        self.store.prepare()
        self.evidence.mkdir(exist_ok=True)
        self.quarantine.mkdir(exist_ok=True)

    @contextmanager
    def sharing(self) -> Iterator[Sharing]:
        """`sharing` of this archive."""
        with sharing(self.evidence) as place:
            yield place


def set_aside_name(key: ObjectKey) -> str:
    """What a file is called in the quarantine folder; the root alone need not tell it."""
    return f"{key.hex}-{key.size}"


@contextmanager
def sharing(evidence: Path) -> Iterator[Sharing]:
    """Be one of those who use objects and evidence: captures, and long readers.

    Whoever is alone may remove what no transaction names; nobody does beside another.
    """
    descriptor = os.open(evidence.parent / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        place = Sharing(descriptor)
        place.share()
        yield place
    finally:
        os.close(descriptor)


LOCK = "capture.lock"


@dataclass(frozen=True, slots=True)
class Sharing:
    """A place among the users of an archive's objects and evidence."""

    descriptor: int

    def share(self) -> None:
        """Wait until nobody is alone, and stay with the others."""
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)

    def alone(self) -> bool:
        """Become the only one, if that is so now; `share` lets the others in again."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.share()  # a failed change of a lock may have dropped the old one
            return False
        return True
