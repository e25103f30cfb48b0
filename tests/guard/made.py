"""Made accounts: listeners who come back to their favourites, and programs that do not."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MONDAY = 1_750_032_000
Row = dict[str, Any]


def listener(name: str, *, days: int = 20, seed: int = 1, favourites: int = 400) -> Iterator[Row]:
    """Evenings of music: half of it from favourites that everybody draws from the same charts."""
    dice = random.Random(f"{name}{seed}")
    own = [f"t{int(dice.paretovariate(0.7))}" for _ in range(favourites)]
    for day in range(days):
        time = MONDAY + day * 86400 + 17 * 3600 + dice.randrange(7200)
        for _ in range(dice.randrange(15, 60)):
            skip = dice.random() < 0.25
            listened = dice.randrange(2, 20) if skip else dice.randrange(120, 320)
            track = own[min(int(dice.expovariate(0.02)), favourites - 1)]
            yield row(time, name, track, listened, "skip" if skip else "play")
            time += listened + dice.randrange(0, 40)


def copier(
    name: str, tracks: list[str], *, gap: float = 200.0, start: int = MONDAY, listened: int = 200
) -> Iterator[Row]:
    """One track after the other."""
    for at, track in enumerate(tracks):
        yield row(int(start + at * gap), name, track, listened, "play")


def row(time: int, account: str, track: str, listened: int, action: str) -> Row:
    return {
        "time": time,
        "account": account,
        "track": track,
        "listened_s": listened,
        "action": action,
    }


def write(path: Path, rows: list[Row]) -> Path:
    """A log in JSON lines, in order of time."""
    rows.sort(key=lambda one: one["time"])
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path
