"""What a capture works with, from its first range to its last: workers, fetchers, a committer.

Workers are confined processes that decode and have no network; fetchers are threads of this process
that have. Commits run in a thread of their own, one at a time, while the next files are worked on.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from longplay import engine, telemetry
from longplay.audio import CODECS
from longplay.capture import journal
from longplay.capture.batch import Batch, Committed, Grant, commit
from longplay.capture.fetchers import Brought, Fetchers
from longplay.capture.journal import Leftovers
from longplay.capture.orders import Order, Taken, timed
from longplay.capture.places import Places
from longplay.capture.sources import Source
from longplay.capture.sources.opening import open_source
from longplay.engine import Failure
from longplay.errors import LongplayError
from longplay.ledger import hosts, postponing
from longplay.ledger.database import Ledger, holder
from longplay.settings import Settings

MB = 2**20

SPARE_BYTES = 256 * 2**20
"""Bytes a worker may write to one file beyond the size of its source."""

BEAT_SECONDS = 15.0
"""How often slots and claims are kept alive: several times while they last."""

Event = Brought | tuple[Order, Taken | Failure]


class Crew:
    """Workers, fetchers and a committer. Use it as a context manager: leaving it by an exception
    stops all of them at once; what they had finished is found by the next capture."""

    def __init__(
        self,
        places: Places,
        settings: Settings,
        folder: Path,
        function: Callable[[Order], Taken],
        workers: int,
    ) -> None:
        limits = settings.limits
        self.me = holder()
        self.workers = workers
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._adopted = journal.adopted(places.store.spool)
        self.leftovers: Leftovers = self._adopted.__enter__()
        self.pool = engine.Pool(
            partial(timed, function),
            workers=workers,
            seconds=lambda order: (
                limits.file_seconds + limits.file_seconds_per_mb * order.size / MB
            ),
            memory_mb=limits.worker_memory_mb,
            written=lambda order: order.size + SPARE_BYTES,
            finished=self._finished,
            imports=CODECS,
        )
        self._places, self._settings, self._folder = places, settings, folder
        self._sources: dict[str, Source] = {}
        self._opening = threading.Lock()
        self.fetchers = Fetchers(
            places.ledger, self.me, self.source, self.leftovers, self.events.put
        )
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="committer")
        self._heart = _Heart(places.ledger, self.me)
        self._heart.start()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        self._heart.stop()
        self.fetchers.__exit__()
        self.pool.__exit__(kind, *rest)
        self._committer.shutdown(wait=True)
        for source in self._sources.values():
            source.close()
        self._adopted.__exit__(None, None, None)

    def source(self, name: str) -> Source:
        """The source of that name, opened once."""
        with self._opening:
            if name not in self._sources:
                settings = self._settings.source(name)
                assert settings is not None
                self._sources[name] = open_source(settings, self._folder)
            return self._sources[name]

    def commit(self, batch: Batch, grant: Grant, *, done: bool) -> Future[Committed]:
        """Commit a batch beside the work on the next files."""
        return self._committer.submit(commit, self._places, batch, grant, done=done)

    def _finished(self, order: Order, outcome: tuple[Taken, float] | Failure) -> None:
        if isinstance(outcome, Failure):
            self.events.put((order, outcome))
            return
        taken, seconds = outcome
        telemetry.took("decode", seconds)
        self.events.put((order, taken))


class _Heart:
    """Keeps alive what this process holds of hosts and of files that had been put off."""

    def __init__(self, ledger: Ledger, me: str) -> None:
        self._ledger, self._me = ledger, me
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="crew's heart", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more, and be done with it."""
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            for renew in (hosts.renew, postponing.renew):
                # A ledger that is away for a moment: what is held lasts several beats.
                with suppress(LongplayError):
                    renew(self._ledger, self._me)
