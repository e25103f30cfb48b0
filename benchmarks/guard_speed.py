"""The guard's cost: events a second of a scan, CPU an event, bytes an account, and live.

python -m benchmarks.guard_speed [--count 10000000]
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000_000)
    speed(parser.parse_args().count)


if __name__ == "__main__":
    main()
