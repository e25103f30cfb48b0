"""What captures did and had not committed when they died: it is found again, and not done twice.

Beside the spool files that a file's steps leave lies a small one that tells what is finished:
`NAME.fetched` (its bytes are here and hashed), `NAME.taken` (and decoded and described). A transfer
under way has `NAME.fetching`, by which it goes on where it broke off. NAME begins with the process
that made it; once that is dead, the next capture on this machine takes them over.
"""

from __future__ import annotations

import fcntl
import io
import os
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from longplay import clock
from longplay.capture.orders import Fetched, Part, Taken
from longplay.errors import LongplayError
from longplay.files import read_bounded
from longplay.ledger.database import holder, is_gone
from longplay.model import Action

LOCK = "adopt.lock"
KEPT_SECONDS = 7 * 86_400
"""How long the steps of a dead capture are kept for a next one that may want them."""

_NAME = re.compile(r"([0-9]+-[0-9]+)-(.+)")
_STEPS = (".fetching", ".fetched", ".taken")

VERSION = 1
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
    """What dead captures left that can be gone on with, by source and path."""

    taken: dict[Name, Step] = field(default_factory=dict)
    fetched: dict[Name, Step] = field(default_factory=dict)
    partial: dict[Name, Partial] = field(default_factory=dict)


def prefix() -> str:
    """What the names of this process's spool files begin with."""
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


def begun(spool: str) -> Partial | None:
    """The transfer that broke off of the file whose spool files begin with `spool`."""
    path = Path(f"{spool}.fetching")
    step = _read(path) if path.exists() else None
    return step if isinstance(step, Partial) and step.spool.exists() else None


def boot() -> str:
    """What tells this start of the machine from the next."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


def adopt(folder: Path) -> Leftovers:
    """Take over what dead processes of this machine left in a spool folder, under names of this
    process; what cannot be gone on with is removed."""
    found = Leftovers()
    with _locked(folder):
        groups: dict[str, list[Path]] = {}
        for path in sorted(folder.iterdir()):
            match = _NAME.fullmatch(path.name)
            if match and is_gone(f"{os.uname().nodename}:{match[1].replace('-', ':')}"):
                rest = match[2].split("-")[0].split(".")[0]
                groups.setdefault(f"{match[1]}-{rest}", []).append(path)
        for name, paths in groups.items():
            _take_over(folder, name, paths, found)
    return found


def clear(folder: Path, left: Leftovers) -> None:
    """Remove what dead captures left that nobody wanted."""
    steps = [step.done for step in (*left.taken.values(), *left.fetched.values())]
    spools = [done.spool if isinstance(done, Fetched) else done.main.spool for done in steps]
    for spool in [*spools, *(one.spool for one in left.partial.values())]:
        for path in folder.glob(f"{spool.name.rpartition('-')[0]}[-.]*"):
            path.unlink(missing_ok=True)


def _take_over(folder: Path, name: str, paths: list[Path], found: Leftovers) -> None:
    fresh = f"{prefix()}-{name.replace('-', '_')}"
    renamed: dict[Path, Path] = {}
    for path in paths:
        target = folder / f"{fresh}{path.name.removeprefix(name)}"
        path.rename(target)
        renamed[path] = target
    for suffix in reversed(_STEPS):
        sidecar = folder / f"{fresh}{suffix}"
        if not sidecar.exists():
            continue
        recent = clock.now().timestamp() - sidecar.stat().st_mtime < KEPT_SECONDS
        if recent and _revive(sidecar, suffix, renamed, found):
            return
    for path in renamed.values():
        path.unlink(missing_ok=True)


def _revive(sidecar: Path, suffix: str, renamed: dict[Path, Path], found: Leftovers) -> bool:
    """Put what a sidecar tells among the leftovers; False where its files are not what it says."""
    step = _read(sidecar)
    if suffix == ".fetching":
        there = renamed.get(step.spool) if isinstance(step, Partial) else None
        if not isinstance(step, Partial) or there is None or step.boot != boot():
            return False
        moved = replace(step, spool=there)
        found.partial[step.source, step.path] = moved
        _write(sidecar, moved)
        return True
    if not isinstance(step, Step):
        return False
    done = _moved(step.done, renamed)
    if done is None:
        return False
    kept = replace(step, done=done)
    _write(sidecar, kept)
    steps = found.taken if isinstance(done, Taken) else found.fetched
    steps[step.source, step.path] = kept
    return True


def _moved(done: Fetched | Taken, renamed: dict[Path, Path]) -> Fetched | Taken | None:
    """The same under the new names; None where a file is missing or not as long as it was."""
    if isinstance(done, Fetched):
        there = _place(done.spool, done.hashes.size, renamed)
        return replace(done, spool=there) if there else None
    main = _part(done.main, renamed)
    pictures = tuple((_part(part, renamed), role) for part, role in done.pictures)
    if main is None or any(part is None for part, _ in pictures):
        return None
    return replace(done, main=main, pictures=tuple((p, role) for p, role in pictures if p))


def _part(part: Part, renamed: dict[Path, Path]) -> Part | None:
    there = _place(part.spool, part.hashes.size, renamed)
    return replace(part, spool=there) if there else None


def _place(spool: Path, size: int, renamed: dict[Path, Path]) -> Path | None:
    there = renamed.get(spool)
    return there if there and there.exists() and there.stat().st_size == size else None


class _Reader(pickle.Unpickler):
    """Reads back our own values and nothing else: a spool folder may be a stranger's."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of a value, if it is one of ours."""
        if module in _OURS or (module.startswith("pathlib") and name == "PosixPath"):
            return super().find_class(module, name)
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


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
