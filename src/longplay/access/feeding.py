"""What listeners played here becomes listens of the catalogue, which popularity is made of.

All plays are counted anew each time, in a layer of their own that takes the place of the one
before: killed at any moment and run again, the counts are the same, and who was erased counts no
more. Accounts become numbers by chance before anything leaves their file.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from longplay.access.people import opening, plays
from longplay.access.people.store import People
from longplay.archive import Archive, open_archive
from longplay.engine.confinement import die_with_parent
from longplay.errors import LongplayError
from longplay.workflows import importing
from longplay.workflows.importing import ImportReport

SOURCE = "scrobbles"
"""The source that the listens are of."""

LISTENED_S = 30
"""Seconds that each was played at least: clients scrobble what counts as a listen."""


@dataclass(frozen=True, slots=True)
class Fed:
    """How many plays were new, and what the import said; None where nothing was."""

    plays: int
    report: ImportReport | None


def feed(archive: Archive, people: People, progress: Callable[[int, int, str], None]) -> Fed:
    """Take the plays that the catalogue does not have into it. Raises LockedError."""
    new = plays.unfed(people)
    if not new.plays:
        return Fed(0, None)
    with tempfile.TemporaryDirectory(prefix="longplay-") as folder:
        history = Path(folder) / f"{SOURCE}.jsonl"
        with history.open("w") as out:
            for time, somebody, track in plays.anonymous(people, new.last):
                row = {
                    "time": time,
                    "account": somebody,
                    "track": track,
                    "listened_s": LISTENED_S,
                    "action": "play",
                }
                out.write(json.dumps(row) + "\n")
        request = importing.Request((str(history),), "listens", name=SOURCE)
        report = importing.import_paths(archive, request, progress=progress)
    plays.set_fed(people, new.last)
    return Fed(new.plays, report)


NICE = 10


def feed_apart(archive: Archive, people: People) -> None:
    """`feed`, in a process of low priority, whose memory is given back. While somebody else
    writes to the catalogue nothing is done: the plays wait for the next time."""
    if not plays.unfed(people).plays:
        return
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_feed, args=(archive.folder,), daemon=True)
    process.start()
    process.join()


def _feed(folder: Path) -> None:
    die_with_parent(signal.SIGTERM)
    os.nice(NICE)
    with (
        suppress(LongplayError),
        open_archive(folder) as archive,
        opening.open_people(archive) as people,
    ):
        feed(archive, people, lambda *_: None)
