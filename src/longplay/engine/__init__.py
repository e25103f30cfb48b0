"""Run a function over many files, each isolated: one that hangs, crashes or grows costs itself.

Each task runs in a worker process that is confined (`confinement`) and that is killed and replaced
when the task outlives its time. Locally this is a Pebble process pool, whose workers are forked
from a process that has imported what they need (`forking`).
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import queue
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, TimeoutError
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from pebble import ProcessExpired, ProcessPool

from longplay.engine import confinement, forking
from longplay.errors import EngineError, LongplayError

Task = TypeVar("Task")
Result = TypeVar("Result")

TASKS_PER_WORKER = 512
"""Tasks after which a worker is replaced, so that what a codec leaks does not add up."""

DEFAULT_WRITTEN = 1024 * 1024
"""Bytes a task may write to one file where the caller does not say: it has no business writing."""

PARENT_GONE = 255
"""Exit status of a worker of which nobody is left to tell another (multiprocessing)."""

AGAIN = "what was done is safe; run the command again"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task has no result. `kind` is `error`, `timeout`, `memory` or `crash`; `reason` is in
    words for people."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Job(Generic[Task, Result]):
    function: Callable[[Task], Result]
    task: Task
    seconds: float
    written: int


def default_workers() -> int:
    """One worker for each core this process may use."""
    return len(os.sched_getaffinity(0))


class Pool(Generic[Task, Result]):
    """Confined worker processes that are given tasks one by one, and stay between them.

    `function` and the tasks are pickled, so it must be a module's own function. `seconds` is the
    wall time a task may take, `memory_mb` what its process may allocate, `written(task)` the
    bytes it may write to any one file. `finished(task, outcome)` is called as each ends, by a
    thread of the pool. Leaving the context by an exception stops the workers. `imports` names
    modules that the workers are to have from their beginning (`forking.prepare`).
    """

    def __init__(
        self,
        function: Callable[[Task], Result],
        *,
        workers: int,
        seconds: Callable[[Task], float],
        memory_mb: int,
        finished: Callable[[Task, Result | Failure], None],
        written: Callable[[Task], int] = lambda _: DEFAULT_WRITTEN,
        imports: Sequence[str] = (),
    ) -> None:
        forking.prepare(imports)
        self.workers = workers
        self._function = function
        self._seconds = seconds
        self._written = written
        self._finished = finished
        self._pool = ProcessPool(
            max_workers=workers,
            max_tasks=TASKS_PER_WORKER,
            initializer=confinement.confine,
            initargs=(memory_mb,),
            context=multiprocessing.get_context("forkserver"),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        _shut(self._pool, clean=kind is None)

    def submit(self, task: Task) -> Callable[[], bool]:
        """Hand a task to the workers, which the first one starts. Gives what cancels it: a worker
        that is at it already is killed. Raises EngineError where no worker can be started."""
        allowed = self._seconds(task)
        job = _Job(self._function, task, allowed, self._written(task))
        try:
            future: Future[Result] = self._pool.schedule(_call, args=(job,), timeout=allowed)
        except RuntimeError as error:  # what Pebble raises once it could not start a worker
            why = error.__cause__ or "was a process killed for want of memory?"
            raise EngineError(f"no worker can be started: {why}", hint=AGAIN) from error

        def tell(done: Future[Result]) -> None:
            outcome = _outcome(done, allowed)
            self._finished(task, outcome)

        future.add_done_callback(tell)
        return future.cancel


def run(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    workers: int,
    seconds: Callable[[Task], float],
    memory_mb: int,
    written: Callable[[Task], int] = lambda _: DEFAULT_WRITTEN,
    imports: Sequence[str] = (),
) -> Iterator[tuple[Task, Result | Failure]]:
    """Apply `function` to each task in a `Pool`; yield pairs as they finish.

    Few tasks are taken ahead, so an endless iterable is fine. Closing the iterator stops the
    workers.
    """
    finished: queue.SimpleQueue[tuple[Task, Result | Failure]] = queue.SimpleQueue()
    waiting = iter(tasks)
    under_way = 0
    with Pool(
        function,
        workers=workers,
        seconds=seconds,
        memory_mb=memory_mb,
        written=written,
        imports=imports,
        finished=lambda task, outcome: finished.put((task, outcome)),
    ) as pool:
        for task in itertools.islice(waiting, 2 * workers):
            pool.submit(task)
            under_way += 1
        while under_way:
            task, outcome = finished.get()
            for following in itertools.islice(waiting, 1):
                pool.submit(following)
                under_way += 1
            under_way -= 1
            yield task, outcome


def _shut(pool: ProcessPool, clean: bool) -> None:
    if clean:
        pool.close()
    else:
        pool.stop()
    with suppress(TimeoutError):
        pool.join(timeout=10)


def _call(job: _Job[Task, Result]) -> Result:
    confinement.allow(job.seconds, job.written)
    return job.function(job.task)


def _outcome(future: Future[Result], seconds: float) -> Result | Failure:
    try:
        return future.result()
    except TimeoutError:
        return Failure("timeout", f"took longer than {seconds:.0f} seconds and was stopped")
    except MemoryError:
        return Failure("memory", "needed more memory than a worker may have")
    except ProcessExpired as error:
        return _expired(error, seconds)
    except CancelledError:
        return Failure("error", "was cancelled")
    except LongplayError as error:
        return Failure("error", str(error))
    except Exception as error:
        return Failure("error", f"{type(error).__name__}: {error}"[:500])


def _expired(error: ProcessExpired, seconds: float) -> Failure:
    code = error.exitcode or 0
    if code == -signal.SIGXCPU:
        return Failure("timeout", f"used more than {seconds:.0f} CPU seconds and was stopped")
    if code == PARENT_GONE:
        return Failure("error", "the process that its worker came from was killed")
    if code == -signal.SIGKILL:
        return Failure("crash", "its worker was killed")
    name = signal.Signals(-code).name if code < 0 else f"status {code}"
    return Failure("crash", f"its worker crashed ({name})")
