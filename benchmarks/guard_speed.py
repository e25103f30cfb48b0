"""The guard's cost: events a second of a scan, CPU an event, bytes an account, and live.

    python -m benchmarks.guard_speed [--count 10000000]
    python -m benchmarks.guard_speed --accounts 100000000   what so many accounts take

The log of the latter is written into a pipe while it is read, and lies nowhere whole.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.guard import LOG
from benchmarks.guard_traffic import START, people
from longplay.guard import crowd
from longplay.guard.baseline import Baseline
from longplay.guard.judging import NOTED_BYTES, STATE_BYTES, Accounts, take
from longplay.guard.scan import Options, scan


def speed(lines: int) -> None:
    """A scan through the command's own path, and events taken one by one."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        write_log(log, lines)
        scan([log], Options(cells=1 << 16))  # compiles
        started, cpu = time.perf_counter(), time.process_time()
        found = scan([log], Options())
        wall, used = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        json.dumps(
            {
                "events": found.counts.events,
                "accounts": found.accounts,
                "wall_s": round(wall, 2),
                "million_per_s": round(found.counts.events / wall / 1e6, 3),
                "cpu_us_per_event": round(used / found.counts.events * 1e6, 3),
                "peak_gb": round(peak, 2),
                "state_bytes": STATE_BYTES,
                "of_suspected": STATE_BYTES + NOTED_BYTES,
            }
        )
    )
    one = people(LOG)[0].events[:5000]
    accounts, vector = Accounts.none(), Baseline().vector()
    sketch = crowd.empty(1 << 20)
    take(accounts, one[:10], sketch, vector)
    for batch in (1, 100):
        began, cpu = time.perf_counter(), time.process_time()
        for at in range(10, len(one), batch):
            take(accounts, one[at : at + batch], sketch, vector)
        wall, used = time.perf_counter() - began, time.process_time() - cpu
        each = [round(seconds / (len(one) - 10) * 1e6, 1) for seconds in (wall, used)]
        print(f"live, {batch} at a time: {each[0]} us an event, {each[1]} us of CPU")


def write_log(path: Path, lines: int) -> None:
    dice = np.random.default_rng(3)
    accounts = max(lines // 50, 1)
    with path.open("w") as file:
        for first in range(0, lines, 100_000):
            count = min(100_000, lines - first)
            times = START + first + np.arange(count)
            who = dice.integers(0, accounts, count)
            what = np.exp(dice.random(count) * np.log(256e6)).astype(np.int64)
            heard = dice.integers(20, 400, count)
            file.writelines(
                f'{{"time":{t},"account":"listener-{a}","address":"10.1.2.3","track":"tr{k}",'
                f'"bytes":{h * 16000},"listened_s":{h},"action":"play"}}\n'
                for t, a, k, h in zip(
                    times.tolist(), who.tolist(), what.tolist(), heard.tolist(), strict=True
                )
            )


def strangers(accounts: int) -> None:
    """A scan of a log in which each of so many accounts takes one track: memory, and disk."""
    most: list[int] = []

    def look(at: int, of: int, what: str) -> None:
        if at == 1 and what.startswith("lots"):
            most.append(spilled(folder))

    with tempfile.TemporaryDirectory() as name:
        folder, pipe = Path(name), Path(name, "pipe")
        os.mkfifo(pipe)
        writer = multiprocessing.get_context("spawn").Process(
            target=write_strangers, args=(pipe, accounts), daemon=True
        )
        writer.start()
        began = time.perf_counter()
        found = scan([pipe], Options(folder=folder), look)
        wall = time.perf_counter() - began
        writer.join()
    told = {
        "events": found.counts.events,
        "accounts": found.accounts,
        "wall_s": round(wall, 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "spilled_gb": round(max(most) / 1e9, 2),
        "listed": len(found.verdicts),
    }
    print(json.dumps(told))


def spilled(folder: Path) -> int:
    """Bytes of the temporary files of a scan, those without a name among them."""
    named = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
    unnamed = 0
    for one in Path("/proc/self/fd").iterdir():
        target = str(one.readlink()) if one.is_symlink() else ""
        if target.startswith(str(folder)) and target.endswith("(deleted)"):
            unnamed += one.stat().st_size
    return named + unnamed


LINE = b'{"time":1728000000,"account":"user-000000000","track":"tr000000000","listened_s":180}\n'
WRITTEN = 100_000
"""Lines that are written at once."""

A_SECOND = 100


def write_strangers(path: Path, accounts: int) -> None:
    """Lines of one width, made column by column: an account each, whose track is drawn by
    popularity."""
    dice = np.random.default_rng(5)
    with path.open("wb") as out:
        for first in range(0, accounts, WRITTEN):
            numbers = np.arange(first, min(first + WRITTEN, accounts))
            ranks = np.exp(dice.random(len(numbers)) * np.log(256e6)).astype(np.int64)
            rows = np.tile(np.frombuffer(LINE, np.uint8), (len(numbers), 1))
            _write_digits(rows, LINE.index(b"1728"), 10, START + numbers // A_SECOND)
            _write_digits(rows, LINE.index(b"user-") + 5, 9, numbers)
            _write_digits(rows, LINE.index(b"tr0") + 2, 9, ranks)
            out.write(rows.tobytes())


def _write_digits(rows: Any, first: int, width: int, numbers: Any) -> None:
    for place in range(first + width - 1, first - 1, -1):
        rows[:, place] = 48 + numbers % 10
        numbers = numbers // 10


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000_000)
    parser.add_argument("--accounts", type=int)
    asked = parser.parse_args()
    if asked.accounts:
        strangers(asked.accounts)
    else:
        speed(asked.count)


if __name__ == "__main__":
    main()
