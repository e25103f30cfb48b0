"""Search as you type against a large catalogue, many at once: `python -m benchmarks.search_load`.

A synthetic catalogue (`catalogue_synthesis`) is imported, unless the archive is there already, and
served as `longplay serve` does it. What stands in the field while titles are typed is then asked at
a steady pace, whether answers come or not, and each is timed from when it was due: a server that
falls behind cannot hide it. The page of the site and the JSON API are asked in turn. Beside that
stands what each process holds of memory that is no file's (RssAnon): the index is mapped.

    python -m benchmarks.search_load [--tracks 16M] [--archive DIR] [--rate 50] [--seconds 60]
        [--workers 1]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.catalogue import MAP, SHARD, tracks_of
from benchmarks.catalogue_latency import SOURCE, summary
from benchmarks.catalogue_queries import questions
from benchmarks.catalogue_synthesis import Shape, write
from benchmarks.served import Line, free_port, longplay, memory_of, running, serve
from longplay.archive import create

KIND = "as you type"
DOORS = {"the site's page": "/search?q={}", "the JSON API": "/api/search?q={}&limit=10"}
GOAL_MS, GOAL_MB = 30.0, 400
"""Milliseconds, p95; megabytes of a process."""

LINES = 64
"""Connections, as browsers keep them open."""

WARM_UP = 300
"""Requests before any is counted."""

READY_SECONDS = 600.0
"""Longest wait until a server has opened its catalogue."""


@dataclass
class Seen:
    """Milliseconds from when requests were due to the whole answer, and what went wrong."""

    times: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def imported(archive: Path, tracks: int) -> None:
    """Make the archive with its catalogue."""
    source = archive.with_name(f"{archive.name}-source")
    source.mkdir(parents=True)
    shards = write(source, tracks, -(-tracks // SHARD))
    create(archive).ledger.close()
    longplay(archive, "catalogue", "import", *map(str, shards), "--map", MAP, "--name", SOURCE)
    shutil.rmtree(source)


async def one(lines: asyncio.Queue[Line], path: str, due: float, seen: Seen) -> None:
    """One request over a connection that is free."""
    line = await lines.get()
    try:
        status, _, body, _ = await line.ask(path)
        if status == 200:
            seen.times.append((time.monotonic() - due) * 1000)
        else:
            seen.errors.append(f"{status} {body[:200]!r}")
    except (OSError, ValueError, IndexError, asyncio.IncompleteReadError) as error:
        seen.errors.append(repr(error)[:200])
    finally:
        lines.put_nowait(line)


async def at_a_pace(port: int, paths: Iterator[str], rate: float, seconds: float) -> Seen:
    """So many requests a second, for so long."""
    lines: asyncio.Queue[Line] = asyncio.Queue()
    for _ in range(LINES):
        lines.put_nowait(Line(port))
    seen, began = Seen(), time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number in range(round(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.create_task(one(lines, next(paths), due, seen))
    while not lines.empty():
        lines.get_nowait().close()
    return seen


async def ready(port: int, paths: Iterator[str]) -> float:
    """Seconds until the server answers as it will go on to: several in a row without a wait."""
    began, quick, line = time.monotonic(), 0, Line(port)
    while quick < WARM_UP and time.monotonic() - began < READY_SECONDS:
        asked = time.monotonic()
        try:
            status, *_ = await line.ask(next(paths))
        except (OSError, ValueError, asyncio.IncompleteReadError):
            status = 0
        quick = quick + 1 if status == 200 and time.monotonic() - asked < 1 else 0
    line.close()
    return time.monotonic() - began


def measured(archive: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Everything, with one server."""
    made = next(each for each in questions(Shape(options.tracks)) if each.kind == KIND)
    port, report = free_port(), {"tracks": options.tracks, "rate": options.rate}
    with running(serve(archive, port, options.workers), port) as server:
        for name, door in DOORS.items():
            paths = itertools.cycle([door.format(quote(one.text)) for one in made.asked])
            report[f"{name}: ready after, s"] = round(asyncio.run(ready(port, paths)), 1)
            seen = asyncio.run(at_a_pace(port, paths, options.rate, options.seconds))
            report[name] = {
                **{share: round(ms, 2) for share, ms in summary(seen.times or [0.0]).items()},
                "goal_p95_ms": GOAL_MS,
                "errors": len(seen.errors),
                "examples": seen.errors[:3],
            }
        report["RssAnon_MB"] = [size // 10**6 for size in memory_of(server.pid).values()]
        report["goal_MB"] = GOAL_MB
    return report


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=tracks_of, default=16_000_000)
    parser.add_argument("--archive", type=Path, default=Path("/tmp/longplay-search/archive"))
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of the two doors")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    archive: Path = options.archive.resolve()
    if not (archive / "longplay.toml").exists():
        imported(archive, options.tracks)
    print(json.dumps(measured(archive, options), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
