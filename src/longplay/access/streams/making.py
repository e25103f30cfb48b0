"""Smaller copies in the making: each made once, in a confined process, kept in a bounded cache.

A copy lies in `cache/transcodes/` under a name that says all that it was made of. While it is made
it lies beside that as `….part`, locked by the process whose worker makes it; whoever else wants it,
in this process or another, reads along. It is named when it is whole and on disk. What a dead
process left is taken over by the next that wants it, or swept.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from longplay import files
from longplay.audio import CODECS, streaming
from longplay.audio.streaming import Recipe
from longplay.engine import Failure, Pool, default_workers
from longplay.errors import UnavailableError
from longplay.settings import Settings

PART = ".part"

SUFFIXES = {"opus": ".opus", "mp3": ".mp3"}

WAITING = 8
"""Copies that wait for a worker, for each one that is made; who asks for more is asked to come
back."""

GRACE_SECONDS = 2.0
"""How long a copy goes on without anybody listening: players hang up and ask again at once."""

EXTRA_BYTES = 1024 * 1024
"""Written beyond what a copy should have: heads of packets, rounding."""

FAR_BYTES = 4 * 1024 * 1024
"""Bytes asked at a time of a store elsewhere."""

LOOK_SECONDS = 0.05
"""How often is looked what another process makes."""

MOST_LOOKS = 10
"""Times that a copy is looked for while other processes begin and give up the same."""

Source = Path | Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Job:
    """A copy to be made of an object: its hexadecimal root and size, where its bytes are, about how
    long it plays (ms; 0: not known), and the recipe."""

    object: str
    size: int
    source: Source
    duration_ms: int
    recipe: Recipe

    @property
    def name(self) -> str:
        """The copy's file name."""
        suffix = SUFFIXES[self.recipe.format]
        return f"{self.object}-{self.size}-{self.recipe.name}{suffix}"


@dataclass(frozen=True, slots=True)
class _Task:
    number: int
    source: str
    out: str
    size: int
    most: int
    recipe: Recipe


def _make(task: _Task) -> int:
    """In a worker: write the copy. Raises MediaError."""
    with Path(task.source).open("rb") as source, Path(task.out).open("r+b", buffering=0) as out:
        return streaming.stream(source, out, task.recipe)


class Making:
    """A copy that is being made by a worker of this process, or (`foreign`) of another."""

    def __init__(self, path: Path, file: int, *, foreign: bool) -> None:
        self.path = path
        self.file = file
        self.foreign = foreign
        self.done = threading.Event()
        self.failure = ""
        self.listeners = 0
        self.cancel: Callable[[], bool] = lambda: True

    def __del__(self) -> None:
        os.close(self.file)  # and with it the lock

    def size(self) -> int:
        """Bytes that are there by now."""
        return os.fstat(self.file).st_size

    def read(self, start: int, length: int) -> bytes:
        """Some of them."""
        return os.pread(self.file, length, start)

    def is_done(self) -> bool:
        """Whether nothing more comes: it is whole, or `failure` says why not."""
        if self.foreign and not self.done.is_set():
            self._look()
        return self.done.is_set()

    def _look(self) -> None:
        """How another process comes along: it names the file, or it has let go of it."""
        try:
            same = os.stat(self.path).st_ino == os.fstat(self.file).st_ino  # noqa: PTH116
        except OSError:
            same = False
        if same:
            self.done.set()
            return
        try:
            fcntl.flock(self.file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return
        fcntl.flock(self.file, fcntl.LOCK_UN)
        if not self.path.exists():
            self.failure = "the process that made it is gone"
        self.done.set()


class Maker:
    """Makes copies, and keeps them. One for each process; any thread may use it."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self._settings = settings
        self._workers = settings.serving.transcodes or default_workers()
        self._lock = threading.Lock()
        self._makings: dict[str, Making] = {}
        self._pool: Pool[_Task, int] | None = None
        self._closed = False
        self._numbers = itertools.count()
        self._tell: dict[int, Callable[[int | Failure], None]] = {}

    def kept(self, job: Job) -> Path | None:
        """The copy, if it is there. It counts as used by that."""
        path = self._path(job)
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def join(self, job: Job) -> Making:
        """Listen to a copy that is being made, or have it made; `leave` it afterwards. Raises
        UnavailableError when too many are wanted at once."""
        path = self._path(job)
        with self._lock:
            known = self._makings.get(job.name)
            if known is None or known.is_done():
                if len(self._makings) >= self._workers * (1 + WAITING):
                    raise UnavailableError("too many smaller copies are being made at this moment")
                known = self._begin(job, path)
            known.listeners += 1
            return known

    def whole(self, job: Job) -> Path | None:
        """The copy, waited for until it is made; None when that fails. Raises UnavailableError."""
        making = self.join(job)
        try:
            while not making.is_done():
                making.done.wait(LOOK_SECONDS)
            return None if making.failure else making.path
        finally:
            self.leave(making)

    def leave(self, making: Making) -> None:
        """Listen no more. What nobody listens to is not made."""
        with self._lock:
            making.listeners -= 1
            if making.listeners or making.done.is_set():
                return
        timer = threading.Timer(GRACE_SECONDS, self._give_up, (making,))
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        """Stop what is being made."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
            makings = list(self._makings.values())
        for making in makings:
            making.cancel()
        if pool is not None:
            pool.__exit__(KeyboardInterrupt, None, None)

    def _path(self, job: Job) -> Path:
        return self.folder / job.name[:2] / job.name

    def _give_up(self, making: Making) -> None:
        with self._lock:
            if making.listeners or making.done.is_set():
                return
        making.cancel()

    def _begin(self, job: Job, path: Path) -> Making:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + PART)
        for _ in range(MOST_LOOKS):
            lock = _locked(part)
            try:
                if lock is None:
                    return Making(path, os.open(part, os.O_RDONLY | os.O_CLOEXEC), foreign=True)
                if path.exists():  # made by another process between two looks
                    part.unlink(missing_ok=True)
                    os.close(lock)
                    made = Making(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC), foreign=True)
                    made.done.set()
                    return made
            except FileNotFoundError:
                continue  # named, given up or let go between two looks
            making = self._makings[job.name] = Making(path, lock, foreign=False)
            threading.Thread(target=self._start, args=(job, making, part), daemon=True).start()
            return making
        raise UnavailableError("the smaller copy cannot be begun at this moment")

    def _start(self, job: Job, making: Making, part: Path) -> None:
        """Bring the source here if it lies elsewhere, and hand the work to a worker."""
        fetched = None
        try:
            source, fetched = self._local(job, part)
            seconds = job.duration_ms / 1000 or self._settings.limits.audio_hours * 3600
            most = int(seconds * job.recipe.kbit * 125 * 1.1) + EXTRA_BYTES
            number = next(self._numbers)
            task = _Task(number, str(source), str(part), job.size, most, job.recipe)
            self._tell[number] = partial(self._finish, job, making, part, fetched)
            making.cancel = self._workers_pool().submit(task)
        except Exception as error:  # whatever it is, who listens must hear of it
            self._finish(job, making, part, fetched, Failure("error", str(error)))

    def _local(self, job: Job, part: Path) -> tuple[Path, Path | None]:
        if isinstance(job.source, Path):
            return job.source, None
        copy = part.with_suffix(".source")
        files.require_free(self.folder, job.size)
        with copy.open("wb") as out:
            at = 0
            while at < job.size and (data := job.source(at, min(FAR_BYTES, job.size - at))):
                out.write(data)
                at += len(data)
        return copy, copy

    def _workers_pool(self) -> Pool[_Task, int]:
        with self._lock:
            if self._closed:
                raise UnavailableError("the server is being stopped")
            if self._pool is None:
                limits = self._settings.limits
                self._pool = Pool(
                    _make,
                    workers=self._workers,
                    seconds=lambda task: (
                        limits.file_seconds + limits.file_seconds_per_mb * task.size / 2**20
                    ),
                    memory_mb=limits.worker_memory_mb,
                    written=lambda task: task.most,
                    imports=CODECS,
                    finished=lambda task, outcome: self._tell.pop(task.number)(outcome),
                )
            return self._pool

    def _finish(
        self, job: Job, making: Making, part: Path, fetched: Path | None, outcome: int | Failure
    ) -> None:
        if fetched is not None:
            fetched.unlink(missing_ok=True)
        try:
            if isinstance(outcome, Failure):
                making.failure = outcome.reason
                part.unlink(missing_ok=True)
            else:
                os.fsync(making.file)
                files.publish(part, making.path)
        except OSError as error:
            making.failure = str(error)
        making.done.set()
        with self._lock:
            if self._makings.get(job.name) is making:
                del self._makings[job.name]
        if not making.failure:
            trim(self.folder, int(self._settings.serving.transcodes_gb * 10**9), keep=making.path)


def _locked(part: Path) -> int | None:
    """The empty file, ours alone; None where another process is at it."""
    while True:
        number = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(number)
            return None
        with suppress(OSError):
            if os.stat(part).st_ino == os.fstat(number).st_ino:  # noqa: PTH116
                os.truncate(number, 0)
                return number
        os.close(number)  # it was named, or given up, between two looks


def trim(folder: Path, most: int, *, keep: Path | None = None) -> None:
    """Let copies go until they are at most so many bytes, what was asked for longest ago first; and
    what processes left that are no more."""
    found = []
    for path in folder.glob("??/*"):
        if path.suffix in (PART, ".source"):
            _sweep(path)
            continue
        with suppress(OSError):
            facts = path.stat()
            found.append((facts.st_mtime_ns, facts.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= most:
            return
        if path != keep:
            path.unlink(missing_ok=True)
            total -= size


def _sweep(path: Path) -> None:
    """Remove a part that no process holds, and the source that was fetched for one."""
    part = path if path.suffix == PART else path.with_suffix(PART)
    with suppress(OSError):
        if not part.exists():
            path.unlink(missing_ok=True)
            return
        number = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        finally:
            os.close(number)
