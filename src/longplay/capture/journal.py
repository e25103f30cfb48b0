"""What captures did and had not committed when they died: it is found again, and not done twice.

Beside the spool files that a file's steps leave lies a small one that tells what is finished:
`NAME.fetched` (its bytes are here and hashed), `NAME.taken` (and decoded and described). A transfer
under way has `NAME.fetching`, by which it goes on where it broke off. NAME begins with the process
that made it; once that is dead, the next capture on this machine goes on with them.
"""

from __future__ import annotations

import fcntl
import io
import itertools
import os
import pickle
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from longplay import clock
from longplay.capture.orders import Fetched, Taken
from longplay.errors import LongplayError
from longplay.files import read_bounded
from longplay.ledger.database import holder, is_gone
from longplay.model import Action, ObjectHashes

KEPT_SECONDS = 7 * 86_400
"""How long the steps of a dead capture are kept for a next one that may want them."""

_NAME = re.compile(r"([0-9]+-[0-9]+)-[0-9]+")
_STEPS = (".fetching", ".fetched", ".taken")

VERSION = 2
"""Of what the small files say: others are not gone on with."""

MAX_BYTES = 256 * 2**20
"""Of one of them: the leaves of 100 GB are as long."""

Name = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Partial:
    """A transfer that broke off: what lies in `spool` is the beginning of the file's state
    `version`. Trusted only while the machine has not been started anew (`boot`), since the bytes
    may not have reached the disk."""

    source: str
    path: bytes
    spool: Path
    version: str
    boot: str


@dataclass(frozen=True, slots=True)
class Step:
    """A finished step of one file: what was asked of which state of it, and what came of it."""

    source: str
    path: bytes
    action: Action
    version: str | None
    done: Fetched | Taken


@dataclass(slots=True)
class Leftovers:
    """What dead captures left that can be gone on with, by source and path. `missing` are spool
    files that they tell of and that are not there, by the root of their bytes: their way into the
    store may have begun already, and was then taken back."""

    taken: dict[Name, Step] = field(default_factory=dict)
    fetched: dict[Name, Step] = field(default_factory=dict)
    partial: dict[Name, Partial] = field(default_factory=dict)
    missing: dict[bytes, Path] = field(default_factory=dict)


def fresh() -> str:
    """What the names of one file's spool files begin with: nobody else has it."""
    return f"{_prefix()}-{next(_serial)}"


_serial = itertools.count()


def _prefix() -> str:
    _, pid, ticks = holder().rsplit(":", 2)
    return f"{pid}-{ticks}"


def note(
    spool: str, suffix: Literal[".fetching", ".fetched", ".taken"], step: Step | Partial
) -> None:
    """Write down a step of the file whose spool files begin with `spool`."""
    temporary = Path(f"{spool}{suffix}.part")
    _write(temporary, step)
    temporary.replace(spool + suffix)


def forget(spool: str) -> None:
    """Remove what was noted of a file whose outcome is committed, or which is done anew."""
    for suffix in _STEPS:
        Path(spool + suffix).unlink(missing_ok=True)


def stem_of(spool: Path) -> str:
    """What the names of all spool files begin with that belong to the same file as this one."""
    return str(spool).rpartition("-")[0]


def begun(spool: str) -> Partial | None:
    """The transfer that broke off of the file whose spool files begin with `spool`."""
    path = Path(f"{spool}.fetching")
    step = _read(path) if path.exists() else None
    return step if isinstance(step, Partial) and step.spool.exists() else None


def boot() -> str:
    """What tells this start of the machine from the next."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


@contextmanager
def adopted(folder: Path) -> Iterator[Leftovers]:
    """What dead processes of this machine, and ended captures of this process, left in a spool
    folder and can be gone on with; the rest of it is removed. One capture at a time is given it,
    for as long as the context lasts: others find nothing."""
    found = Leftovers()
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # the folder itself is the lock
    others = _at_work.begin()
    try:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for stem, paths in _groups(folder, own=not others).items():
                if not _revive(stem, found):
                    for path in paths:
                        path.unlink(missing_ok=True)
        yield found
    finally:
        os.close(descriptor)
        _at_work.end()


class _AtWork:
    """How many captures this process has under way: their files are in use."""

    def __init__(self) -> None:
        self._count, self._lock = 0, threading.Lock()

    def begin(self) -> bool:
        """Count one more; whether there were others."""
        with self._lock:
            self._count += 1
            return self._count > 1

    def end(self) -> None:
        """Count one less."""
        with self._lock:
            self._count -= 1


_at_work = _AtWork()


def _groups(folder: Path, *, own: bool) -> dict[Path, list[Path]]:
    """The files of dead processes, and of this one where `own`, by what the names of those of one
    file begin with."""
    groups: dict[Path, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        match = _NAME.match(path.name)
        if match and (
            (own and match[1] == _prefix())
            or is_gone(f"{os.uname().nodename}:{match[1].replace('-', ':')}")
        ):
            groups.setdefault(folder / match[0], []).append(path)
    return groups


def clear(left: Leftovers) -> None:
    """Remove what dead captures had finished and nobody wanted. Beginnings stay for a while: their
    files may be still due."""
    for step in (*left.taken.values(), *left.fetched.values()):
        _remove(step.done)


def _revive(stem: Path, found: Leftovers) -> bool:
    """Put the furthest step of one file among the leftovers; False where there is none."""
    for suffix in reversed(_STEPS):
        sidecar = Path(f"{stem}{suffix}")
        if not sidecar.exists():
            continue
        recent = clock.now().timestamp() - sidecar.stat().st_mtime < KEPT_SECONDS
        step = _read(sidecar) if recent else None
        if isinstance(step, Partial) and step.boot == boot() and step.spool.exists():
            found.partial[step.source, step.path] = step
            return True
        if isinstance(step, Step):
            for spool, hashes in _spools(step.done):
                if not spool.exists():
                    found.missing[hashes.root] = spool
            steps = found.taken if isinstance(step.done, Taken) else found.fetched
            steps[step.source, step.path] = step
            return True
    return False


def settle(left: Leftovers) -> None:
    """Let go of steps whose files are not there, or not as long as they were."""
    for steps in (left.taken, left.fetched):
        for name in [name for name, step in steps.items() if not _is_there(step.done)]:
            _remove(steps.pop(name).done)


def _is_there(done: Fetched | Taken) -> bool:
    return all(
        spool.exists() and spool.stat().st_size == hashes.size for spool, hashes in _spools(done)
    )


def _spools(done: Fetched | Taken) -> list[tuple[Path, ObjectHashes]]:
    """The spool files of a step, with what is in them."""
    if isinstance(done, Fetched):
        return [(done.spool, done.hashes)]
    parts = [done.main, *(part for part, _ in done.pictures)]
    return [(part.spool, part.hashes) for part in parts]


def _remove(done: Fetched | Taken) -> None:
    """Remove a step's files, and what was noted of it."""
    [(first, _), *_] = _spools(done)
    _remove_all(first)


def _remove_all(spool: Path) -> None:
    """Remove every spool file that belongs to the same file as this one."""
    for path in spool.parent.glob(f"{Path(stem_of(spool)).name}[-.]*"):
        path.unlink(missing_ok=True)


class _Reader(pickle.Unpickler):
    """Reads back our own values and nothing else: a spool folder may be a stranger's."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of a value, if it is one of ours: no dotted name, nothing that is imported."""
        if module in _OURS or (module.startswith("pathlib") and name == "PosixPath"):
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module and "." not in name:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is none of ours")


_OURS = ("longplay.model", "longplay.capture.orders", "longplay.capture.journal")


def _read(sidecar: Path) -> object:
    """What a sidecar tells; None where it cannot be read."""
    try:
        data = read_bounded(sidecar, MAX_BYTES)
        version, step = _Reader(io.BytesIO(data)).load()
    except (LongplayError, pickle.PickleError, ValueError, TypeError, EOFError, AttributeError,
            IndexError, KeyError, ImportError):  # fmt: skip
        return None
    return step if version == VERSION else None


def _write(sidecar: Path, step: Step | Partial) -> None:
    sidecar.write_bytes(pickle.dumps((VERSION, step)))
