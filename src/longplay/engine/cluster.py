"""Run a function on a Dask cluster: one task at a time in each of its worker processes.

The cluster may lose workers and get new ones at any moment: Dask gives a lost worker's task to
another. A task that takes several workers with it is given back as a failure, and so is one that
its caller believes to hang. Without its scheduler nothing can go on, and that is an error.

The function and its tasks are imported by the workers, which have the same Longplay installed.
Dask is imported where a cluster is used, and nowhere else.
"""

from __future__ import annotations

import logging
import multiprocessing.process
import pickle
import platform
import queue
import threading
import uuid
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import longplay
from longplay.engine import AGAIN, Failure, default_workers
from longplay.errors import EngineError, LongplayError

if TYPE_CHECKING:
    from distributed import Client, Future

Task = TypeVar("Task")
Result = TypeVar("Result")

CONNECT_SECONDS = 10
"""How long a scheduler may take to answer."""

POLL_SECONDS = 5.0
"""How often the cluster is asked for its size, and the caller for tasks that hang."""

SILENT_POLLS = 6
"""Polls during which a live worker is heard of, however large the cluster: the heartbeat of one
among a thousand comes every 6 s."""

RESULT_SECONDS = 10
"""How long a result may take to come over once it is there: its worker may have died since."""

PATIENCE_SECONDS = 300.0
"""How long a cluster may be without any worker: those that grow on demand take minutes."""

MESSAGES = 1000
"""Round trips to the scheduler within which it has taken note of a cancellation."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What must be the same here, at the scheduler and at every worker."""

    longplay: str
    python: str
    distributed: str

    def differences(self, other: Versions) -> str:
        """What differs, in words; empty where nothing does."""
        names = [name for name in self.__slots__ if getattr(self, name) != getattr(other, name)]
        return ", ".join(
            f"{name.capitalize()} {getattr(other, name)} instead of {getattr(self, name)}"
            for name in names
        )


class VersionsError(EngineError):
    """A worker runs other versions than we do."""


def versions() -> Versions:
    """Those of this process."""
    return Versions(
        longplay.__version__,
        ".".join(platform.python_version_tuple()[:2]),
        metadata.version("distributed"),
    )


def cores() -> int:
    """How many processes a task on a worker may start: as many as the worker has threads, which is
    how Dask says what part of its machine it may use."""
    from distributed import get_worker

    try:
        return int(get_worker().state.nthreads)
    except ValueError:
        return default_workers()


@dataclass(slots=True)
class _Flight(Generic[Task]):
    """A task under way. While it is suspected to hang, `heard` has for each worker that is at it,
    or has its result, when the scheduler last heard of it, and at how many polls since."""

    task: Task
    future: Future[Any]
    hangs: bool = False
    heard: dict[str, tuple[float, int]] = field(default_factory=dict)


@dataclass(slots=True)
class _Flights(Generic[Task]):
    """Tasks that the cluster has, by key, and the keys of those that came back; None is a tick.
    One is put there when the last was dealt with, `due`: after something that took long, many at
    once would look like as many polls."""

    by_key: dict[str, _Flight[Task]] = field(default_factory=dict)
    back: queue.SimpleQueue[str | None] = field(default_factory=queue.SimpleQueue)
    due: threading.Event = field(default_factory=threading.Event)


class Cluster:
    """A connection to the scheduler at `address`, e.g. `tcp://host:8786`; a context manager.

    Raises EngineError where it cannot be reached, or is of other versions than we are.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = _connect(address)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):  # whatever ails the connection ends with it
            self._client.close(timeout=CONNECT_SECONDS)

    def workers(self) -> int:
        """How many worker processes the cluster has now. Raises EngineError without a scheduler."""
        return int(self._ask(self._client.scheduler_info, n_workers=0)["n_workers"])

    def run(
        self,
        function: Callable[[Task], Result],
        next_task: Callable[[], Task | None],
        *,
        suspects: Callable[[], Collection[Task]] = tuple,
    ) -> Iterator[tuple[Task, Result | Failure]]:
        """Apply `function` to each task on the cluster; yield pairs as they finish.

        `next_task` is asked when a worker is free, and every few seconds; with None it has none
        just now. `suspects` is asked every few seconds which of the tasks under way seem to hang:
        where their worker is silent too, they come back as failures, and the worker is dropped.
        `function` may run more than once for a task, also at the same time, after a worker was
        believed to be dead. Ends when nothing is under way and no task is left. Closing the
        iterator cancels what has not begun; what runs is not waited for.
        """
        flights: _Flights[Task] = _Flights()
        room = self._room(0)
        idle_ticks = 0
        with _ticking(flights):
            try:
                while True:
                    while len(flights.by_key) < room and (task := next_task()) is not None:
                        self._submit(flights, function, task)
                    if not flights.by_key:
                        return
                    key = flights.back.get()
                    if key is None:
                        idle_ticks = 0 if self.workers() else idle_ticks + 1
                        room = self._room(idle_ticks)
                        self._drop_silent(flights, suspects())
                        flights.due.set()
                    elif (flight := self._landed(flights, key)) is not None:
                        yield flight
            finally:
                self._cancel([flight.future for flight in flights.by_key.values()])

    def _room(self, idle_ticks: int) -> int:
        """How many tasks may be under way. Raises EngineError where no worker has come for long;
        a cluster that grows on demand gets a task to grow for."""
        count = self.workers()
        if idle_ticks * POLL_SECONDS > PATIENCE_SECONDS:
            raise EngineError(
                "the cluster has no workers",
                where=self.address,
                hint=f"start some: dask worker {self.address}; {AGAIN}",
            )
        return max(1, count)

    def _submit(
        self, flights: _Flights[Task], function: Callable[[Task], Result], task: Task
    ) -> None:
        key = f"longplay-{uuid.uuid4().hex}"
        work = pickle.dumps(_Call(versions(), pickle.dumps((function, task))))
        future = self._ask(self._client.submit, pickle.loads, work, key=key, pure=False)
        flights.by_key[key] = _Flight(task, future)
        future.add_done_callback(lambda _: flights.back.put(key))

    def _landed(self, flights: _Flights[Task], key: str) -> tuple[Task, Any] | None:
        """A task that came back, with its outcome; None where it has not, after all."""
        flight = flights.by_key.get(key)
        if flight is None:
            return None
        try:
            outcome = self._outcome(flight)
        except TimeoutError:  # its worker died with the result: Dask makes it again
            flight.future.add_done_callback(lambda _: flights.back.put(key))
            return None
        del flights.by_key[key]
        return flight.task, outcome

    def _outcome(self, flight: _Flight[Task]) -> Any:
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        if flight.hangs:
            return Failure("timeout", "its worker gave no sign of life and was dropped")
        try:
            return flight.future.result(timeout=RESULT_SECONDS)
        except TimeoutError:
            raise
        except KilledWorker as error:
            return Failure("crash", f"{error.allowed_failures + 1} workers died of it")
        except FutureCancelledError as error:
            raise self._lost() from error
        except VersionsError as error:
            raise EngineError(error.message, where=self.address, hint=error.hint) from error
        except LongplayError as error:
            return Failure("error", str(error))
        except ModuleNotFoundError as error:
            raise EngineError(
                f"a worker cannot import what it is to run: {error}",
                where=self.address,
                hint=f"install Longplay {longplay.__version__} where the workers run",
            ) from error
        except Exception as error:
            return Failure("error", f"{type(error).__name__}: {error}"[:500])

    def _drop_silent(self, flights: _Flights[Task], suspects: Collection[Task]) -> None:
        """Cancel suspected tasks whose worker has not been heard of for some polls, and let the
        worker go: it would be given the next task. That it has finished helps nobody, if it does
        not hand the result over."""
        suspected = {id(task) for task in suspects}
        watched: dict[str, _Flight[Task]] = {}
        for key, flight in flights.by_key.items():
            if id(flight.task) in suspected and not flight.hangs:
                watched[key] = flight
            else:
                flight.heard.clear()
        if not watched:
            return
        workers = self._ask(self._client.scheduler_info, n_workers=-1)["workers"]
        places = (self._ask(self._client.processing), self._ask(self._client.has_what))
        for key, flight in watched.items():
            at = {one for keys_of in places for one, keys in keys_of.items() if key in keys}
            for worker in flight.heard.keys() - at:
                del flight.heard[worker]
            for worker in workers.keys() & at:
                seen = workers[worker]["last_seen"]
                before, polls = flight.heard.get(worker, (None, 0))
                flight.heard[worker] = seen, polls + 1 if seen == before else 0
            silent = [one for one, (_, polls) in flight.heard.items() if polls >= SILENT_POLLS]
            if silent:
                self._drop(flights, key, silent)

    def _drop(self, flights: _Flights[Task], key: str, silent: Collection[str]) -> None:
        flight = flights.by_key[key]
        flight.hangs = True
        self._cancel([flight.future])
        for _ in range(MESSAGES):  # the next message may overtake the cancellation
            if not any(key in keys for keys in self._ask(self._client.processing).values()):
                break
        for worker in silent:
            self._unregister(worker)
        flights.back.put(key)

    def _unregister(self, worker: str) -> None:
        scheduler: Any = self._client.scheduler
        self._ask(
            self._client.sync,
            scheduler.unregister,
            address=worker,
            stimulus_id=f"longplay-hangs-{uuid.uuid4().hex}",
        )

    def _cancel(self, futures: list[Future[Any]]) -> None:
        if futures:
            with suppress(Exception):  # a scheduler that is gone has nothing to cancel
                self._client.cancel(futures, force=True)

    def _ask(self, question: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Ask the scheduler something. Raises EngineError where it is gone."""
        if self._client.status != "running":
            raise self._lost()
        try:
            return question(*given, **named)
        except (OSError, TimeoutError, RuntimeError, AttributeError) as error:
            # What Dask raises for a connection that was cut depends on where it finds out.
            if isinstance(error, OSError | TimeoutError) or self._client.status != "running":
                raise self._lost() from error
            raise

    def _lost(self) -> EngineError:
        return EngineError("the Dask scheduler is gone", where=self.address, hint=AGAIN)


@contextmanager
def _ticking(flights: _Flights[Any]) -> Iterator[None]:
    """Put a tick into the queue every few seconds while the block runs."""
    ended = threading.Event()
    flights.due.set()

    def tick() -> None:
        while not ended.wait(POLL_SECONDS):
            if flights.due.is_set():
                flights.due.clear()
                flights.back.put(None)

    threading.Thread(target=tick, name="ticks", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of `call`, which is made when this is unpickled: as a task of Dask's that needs
    nothing of ours, so that a worker without Longplay, on which our own function would end as it
    arrived, can tell."""

    expected: Versions
    work: bytes

    def __reduce__(self) -> tuple[object, ...]:
        return call, (astuple(self.expected), self.work)


_one_at_a_time = threading.Lock()


def call(expected: tuple[str, str, str], work: bytes) -> Any:
    """What a worker runs: the function on the task, one at a time, however many threads it has."""
    if differs := Versions(*expected).differences(versions()):
        raise VersionsError(
            f"a worker on {platform.node()} has {differs}",
            hint="install the same versions everywhere",
        )
    # Dask's workers are daemons, which may start no processes, as theirs would outlive them; ours
    # end with their parent (`confinement.die_with_parent`).
    multiprocessing.process.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    with _one_at_a_time:
        # Who can send this can run what he likes anyway: a Dask worker does what it is told.
        function, task = pickle.loads(work)  # nosec B301
        return function(task)


def _connect(address: str) -> Client:
    import distributed
    from distributed.versions import VersionMismatchWarning

    # What goes wrong is told once, in our words; Dask's own lines stand beside them otherwise.
    for name in ("distributed", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("distributed.", "tornado.")):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    hint = f"start one: dask scheduler, or correct `engine` in the settings; {AGAIN}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)  # we look ourselves
            client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise EngineError("no Dask scheduler answers", where=address, hint=hint) from error
    except (ValueError, TypeError, ImportError) as error:
        raise EngineError(
            f"is no address of a Dask scheduler: {error}", where=address, hint="tcp://host:8786"
        ) from error
    mine = versions()
    scheduler: Any = client.scheduler
    packages = client.sync(scheduler.versions)["packages"]
    python = ".".join(str(packages.get("python", "")).split(".")[:2])
    theirs = Versions(mine.longplay, python, str(packages.get("distributed")))
    if differs := mine.differences(theirs):
        client.close(timeout=CONNECT_SECONDS)
        raise EngineError(
            f"the scheduler has {differs}",
            where=address,
            hint="install the same versions everywhere",
        )
    return client
