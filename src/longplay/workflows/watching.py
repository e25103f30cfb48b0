"""`capture --watch`: look at folders again and again, and take in what has come to rest in them."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from longplay.archive import Archive
from longplay.capture.totals import Totals
from longplay.errors import InputError, LongplayError, PlanError
from longplay.workflows import capturing, planning, refreshing
from longplay.workflows.capturing import Captured

Progress = Callable[[int, int, str], None]


def watch(
    archive: Archive,
    seconds: float,
    *,
    workers: int | None,
    progress: Progress,
    done: Callable[[Captured], None],
    told: Callable[[LongplayError], None],
) -> None:
    """Capture now, then look at every folder source each so many seconds, for good.

    A folder that looks otherwise than when it was taken in, and looks the same twice, is at rest:
    it is refreshed, planned under the budget of the plan before, and captured. A folder that is not
    there for a while, or is empty, is waited for. `done` is called after each capture, and `told`
    why a folder cannot be taken in as it looks now; what failed is tried again at the next look.
    """
    seen: dict[str, str] = {}
    before: dict[str, str] = {}
    failed = True
    while True:
        now = looks(archive)
        changed = [name for name, look in now.items() if look and look != seen.get(name)]
        resting = [name for name in changed if before.get(name, now[name]) == now[name]]
        before = now
        if resting or failed:
            ready = [
                name for name in resting if _is_refreshed(archive, name, workers, progress, told)
            ]
            failed = _take_in(archive, ready, workers, progress, done).failed > 0
            seen |= {name: now[name] for name in ready}
            if len(ready) < len(resting):  # one of them may have gone in that moment
                after = looks(archive)
                seen |= {name: after[name] for name in set(resting) - set(ready)}
        time.sleep(seconds)


def looks(archive: Archive) -> dict[str, str]:
    """What each folder source looks like: a digest of names, sizes and times; empty for a folder
    that is not there, or has nothing in it: so a disk looks that is not mounted."""
    return {
        source.name: _look(Path(source.location))
        for source in archive.settings.sources
        if source.kind == "folder"
    }


def _look(folder: Path) -> str:
    digest, empty = hashlib.sha256(), True
    for place, folders, names in os.walk(os.fsencode(folder)):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)  # noqa: PTH118 - bytes
            try:
                facts = os.lstat(path)
            except OSError:
                continue  # gone since: the next look shows it
            digest.update(b"%s\0%d\0%d\0" % (path, facts.st_size, facts.st_mtime_ns))
            empty = False
    return "" if empty else digest.hexdigest()


def _is_refreshed(
    archive: Archive,
    name: str,
    workers: int | None,
    progress: Progress,
    told: Callable[[LongplayError], None],
) -> bool:
    """Ask a folder what it offers now; False where it cannot be asked, or has no sound any more."""
    try:
        refreshing.refresh(archive, [name], workers=workers, progress=progress)
    except InputError as error:
        told(error)
        return False
    return True


def _take_in(
    archive: Archive,
    names: list[str],
    workers: int | None,
    progress: Progress,
    done: Callable[[Captured], None],
) -> Totals:
    if names:
        planning.plan_archive(archive, _budget(archive))
    try:
        planning.current_plan(archive)
    except PlanError:
        return Totals()  # there is nothing yet
    captured = capturing.capture(archive, limit=None, workers=workers, progress=progress)
    done(captured)
    return captured.totals


def _budget(archive: Archive) -> int | None:
    """The budget of the plan before, if there was one."""
    try:
        return planning.current_plan(archive).budget
    except PlanError:
        return None
