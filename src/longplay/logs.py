"""What a process does, as JSON lines: for those who watch many machines.

Nothing is written unless LONGPLAY_LOG (which `--log` sets) names a file, or is `-` for standard
error. Each line has `time` (UTC), `level`, `event` and what belongs to the event. A line is one
write at the end of the file, so that several processes can share it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from longplay import clock

VARIABLE = "LONGPLAY_LOG"

INFO, WARNING, ERROR = "info", "warning", "error"

MAX_TEXT = 2000
"""Characters of one value: texts come from strangers, and a line is one write."""


def event(name: str, level: str = INFO, /, **fields: Any) -> None:
    """Write an event down. Never raises: work does not stop because nobody can be told."""
    place = os.environ.get(VARIABLE)
    if not place:
        return
    line = {"time": clock.timestamp(), "level": level, "event": name, "process": os.getpid()}
    text = json.dumps(line | {key: _short(value) for key, value in fields.items()}, default=str)
    data = f"{text}\n".encode(errors="backslashreplace")
    try:
        if place == "-":
            sys.stderr.buffer.write(data)
            sys.stderr.flush()
            return
        descriptor = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
    except (OSError, ValueError, AttributeError):
        return


def _short(value: Any) -> Any:
    return value[:MAX_TEXT] if isinstance(value, str) else value
