"""The library of a served archive: opened when it is asked for, built anew when the archive moved.

Whoever asks gets the library as it was built last, less what is withdrawn now. When the archive has
moved on since, one process builds it anew in the background: not more often than it takes, so that
a capture that runs beside is not slowed down by it. Only the first time is waited for.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from longplay import clock
from longplay.access.beside import Beside
from longplay.access.library import apart, building
from longplay.access.library.building import Built
from longplay.access.library.hearing import Hearing, withdrawn_tracks
from longplay.access.library.opened import Numbers, Opened
from longplay.access.library.view import View
from longplay.archive import Archive
from longplay.errors import LockedError, LongplayError
from longplay.workflows.withdrawing import Standing

LOOK_SECONDS = 1.0
"""How often it is looked whether the archive has moved."""

REST = 20
"""Times as long as a build took that nobody builds after it."""

WAIT_SECONDS = 0.1
"""Between looks whether another process has built."""


def _nothing() -> Numbers:
    return np.zeros(0, np.int32)


@dataclass(slots=True)
class _Current:
    """What is read now, and what of it may be heard by guests (False) and by members (True), with
    these objects withdrawn."""

    built: Built
    opened: Opened
    roots: frozenset[bytes] = frozenset()
    withdrawn: Numbers = field(default_factory=_nothing)
    hearings: dict[bool, Hearing] = field(default_factory=dict)

    def hearing(self, signed_in: bool, roots: frozenset[bytes]) -> Hearing:
        """What may be heard when these objects are withdrawn. The caller holds a lock."""
        if roots != self.roots:
            withdrawn = withdrawn_tracks(self.opened, roots)
            self.roots = roots
            if not np.array_equal(withdrawn, self.withdrawn):
                self.withdrawn = withdrawn
                self.hearings = {}
        found = self.hearings.get(signed_in)
        if found is None:
            since = clock.now() if len(self.withdrawn) else datetime.fromisoformat(self.built.time)
            found = Hearing(self.opened, signed_in, self.withdrawn, since)
            self.hearings[signed_in] = found
        return found


class Library:
    """What is held, for all threads of a process."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._folder = building.folder_of(archive)
        self._lock = threading.Lock()
        self._current: _Current | None = None
        self._looked = -LOOK_SECONDS
        self._rests_until = 0.0
        self._building = Beside("library")
        self._error: LongplayError | None = None

    def view(self, signed_in: bool, standing: Standing) -> View:
        """What a listener may hear now. Raises LongplayError when there is no library yet and none
        can be built."""
        current = self._current
        if current is None:
            current = self._first()
        elif clock.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = clock.monotonic()
            self._look(current)
        with self._lock:
            return View(current.hearing(signed_in, standing.roots))

    def now(self) -> Opened | None:
        """The library that is read, unless it is time to look whether it still is to be."""
        current, due = self._current, clock.monotonic() - self._looked >= LOOK_SECONDS
        return None if due or current is None else current.opened

    def close(self) -> None:
        """Wait for what is being built, but not for ever."""
        self._building.close()

    def _look(self, current: _Current) -> None:
        """Have another library shown, or built, in the background where there is cause."""
        built = building.current(self._folder)
        if built != current.built or (
            self._looked >= self._rests_until and built.state != building.state_of(self._archive)
        ):
            self._building.begin(self._renew)

    def _first(self) -> _Current:
        """The first library that this process reads; waited for, if it must be built."""
        while True:
            self._show()
            if self._current is not None:
                return self._current
            self._building.begin(self._renew).join()
            if self._error is not None:
                raise self._error
            if self._current is None:
                threading.Event().wait(WAIT_SECONDS)  # another process builds

    def _renew(self) -> None:
        """Show what another process has built, or build."""
        self._error = None
        try:
            if self._show():
                return
            began = clock.monotonic()
            with suppress(LockedError):
                apart.build(self._archive)
            self._rests_until = clock.monotonic() + REST * (clock.monotonic() - began)
            self._show()
        except LongplayError as error:
            self._error = error
            self._rests_until = clock.monotonic() + REST

    def _show(self) -> bool:
        """Read the file that is current from now on, if it is another one. The answers that were
        kept ready of the one before are made of it first, so that no request waits for them."""
        before, built = self._current, building.current(self._folder)
        if built is None or (before is not None and before.built == built):
            return False
        try:
            found = _Current(built, Opened(self._folder / built.file))
        except OSError:  # two others came after it meanwhile
            return False
        if before is not None:
            for signed_in, heard in list(before.hearings.items()):
                new = found.hearing(signed_in, before.roots)
                for key, make in list(heard.makers.items()):
                    new.cached(key, make)
        self._current = found
        return True
