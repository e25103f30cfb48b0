"""What a process remembers of the catalogue: the snapshot, open, and what is held of it.

Reading the recordings that are held takes seconds where there are millions, and each capture adds
some: so they are read again beside the answers, which meanwhile go by what was read last. What may
be shown or played of them is asked of the gate each time, and needs none of this.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from longplay import clock
from longplay.access.beside import Beside
from longplay.archive import Archive
from longplay.catalogue import layout
from longplay.catalogue.search import opening
from longplay.catalogue.search.candidates import Keys, among
from longplay.catalogue.search.opening import Opened
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.errors import LongplayError
from longplay.ledger import log, queries

SHARE = 0.05
"""The part of its time that reading again may take, when something is captured all the time."""

LOOK_SECONDS = 1.0
"""How often it is looked whether something was."""


@dataclass(frozen=True, slots=True)
class Known:
    """A snapshot, open for searching, and the held recordings under their ids of today, ascending;
    `head` is the log's entry up to which they were read."""

    snapshot: Snapshot
    opened: Opened
    held: Keys
    head: int
    seconds: float
    at: float

    def today(self, recordings: Keys) -> Keys:
        """The ids that stand now for these."""
        found: Keys = self.opened.told.redirects.over(recordings, recordings)
        return found

    def formerly(self, recordings: Keys) -> Keys:
        """These recordings, and those that they have taken in: the ledger keeps its time's ids."""
        redirects = self.opened.told.redirects
        return np.unique(
            np.concatenate([recordings, redirects.keys[np.isin(redirects.values, recordings)]])
        )

    def holds(self, recording: int) -> bool:
        """Whether some file of it is kept."""
        return bool(among(np.array([recording], np.uint64), self.held)[0])


@dataclass(slots=True)
class Remembered:
    """What is known of an archive's catalogue, for all threads of a process."""

    archive: Archive
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: Known | None = None
    _reading: Beside = field(default_factory=lambda: Beside("known"))
    _looked: float = 0.0

    def now(self) -> Known:
        """What is known. The first to ask waits; a new snapshot is opened at once, and what was
        captured since is read while answers go on. Raises ArchiveError."""
        known = self._known
        if known is None or known.snapshot.number != layout.current_number(self.archive.catalogue):
            with self._lock:
                if self._known is known:
                    self._known = self._read()
                assert self._known is not None
                return self._known
        now = clock.monotonic()
        due = max(known.at + known.seconds / SHARE, self._looked + LOOK_SECONDS)
        if not self._reading.is_busy and now > due:
            self._looked = now
            with self.archive.ledger.read() as connection:
                grown = log.head(connection) != known.head
            if grown:
                self._reading.begin(self._refresh)
        return known

    def close(self) -> None:
        """Wait for what is being read, but not for ever."""
        self._reading.close()

    def _refresh(self) -> None:
        """What fails here is told to who asks next, or has been mended by then."""
        with suppress(LongplayError):
            self._known = self._read()

    def _read(self) -> Known:
        started = clock.monotonic()
        snapshot = open_current(self.archive.catalogue)
        opened = opening.opened(snapshot)
        with self.archive.ledger.read() as connection:
            head = log.head(connection)
            held = queries.held_recordings(connection).to_numpy()
        held = np.unique(opened.told.redirects.over(held, held)) if len(held) else held
        done = clock.monotonic()
        return Known(snapshot, opened, held, head, done - started, done)
