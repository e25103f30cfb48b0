"""What listeners played here becomes listens of the catalogue, which popularity is made of.

All plays are counted anew each time, in a layer of their own that takes the place of the one
before: killed at any moment and run again, the counts are the same, and who was erased counts no
more. Accounts become numbers by chance before anything leaves their file.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from longplay.access.people import plays
from longplay.access.people.store import People
from longplay.archive import Archive
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
