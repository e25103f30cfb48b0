"""Many who listen at once, at the pace of music: `python -m benchmarks.listeners`.

An archive of generated music is served by four workers while a capture runs beside them. Each
listener streams track after track by ranges, at a few times the bit rate; what is counted are
errors of any kind, times to the first byte, the servers' memory, and lines of the access log.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.served import BY, Line, free_port, longplay, memory_of, running, serve
from longplay.access.log import FILE
from longplay.audio.encode import encode
from longplay.model import Tags

PIECE = 128 * 1024
"""Bytes of a range, as players ask for them."""

RATE = 64 * 1024
"""Bytes a second that a listener takes: four times 128 kbit/s."""

ACCOUNT = ("account", "add", "--role", "member", "--password-stdin")
"""A password of one's own: who has the one that is shown once cannot listen yet."""

ACCOUNTS = 5


@dataclass
class Seen:
    """What happened. `first_bytes` are pairs: when it was (s after the start), and how long it
    took to the first byte (s)."""

    began: float
    answers: int = 0
    size: int = 0
    errors: list[str] = field(default_factory=list)
    first_bytes: list[tuple[float, float]] = field(default_factory=list)


def songs(folder: Path, count: int, start: int, seconds: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(start)
    for number in range(start, start + count):
        samples = chance.normal(0, 0.1, (2, int(44_100 * seconds))).astype(np.float32)
        tags = Tags(title=f"Piece {number}", artists=("Ann",), album="One")
        encode(samples, 44_100, folder / f"{number}.mp3", "mp3", tags)


async def listen(port: int, key: str, tracks: list[str], until: float, seen: Seen) -> None:
    """Track after track, by ranges, until it is time."""
    chance, line = random.Random(), Line(port)
    await asyncio.sleep(chance.random() * 2)
    while time.monotonic() < until:
        path = f"/rest/stream?id={chance.choice(tracks)}&apiKey={key}&v=1.16.1&c=load"
        at = 0
        while time.monotonic() < until:
            asked = time.monotonic()
            try:
                wanted = f"Range: bytes={at}-{at + PIECE - 1}\r\n"
                status, head, body, first = await line.ask(path, wanted)
            except (OSError, ValueError, IndexError, asyncio.IncompleteReadError) as error:
                seen.errors.append(repr(error)[:200])
                break
            seen.first_bytes.append((asked - seen.began, first))
            if status != 206:
                seen.errors.append(f"{status} {body[:300]!r}")
                break
            seen.answers += 1
            seen.size += len(body)
            at += len(body)
            if f"/{at}\r\n" in head:
                break
            await asyncio.sleep(max(0.0, PIECE / RATE - (time.monotonic() - asked)))
    line.close()


async def all_listen(
    port: int, keys: list[str], tracks: list[str], options: Any, server: int
) -> tuple[Seen, list[dict[int, int]]]:
    """All of them, and the memory of the server's processes meanwhile."""
    now, used = time.monotonic(), []
    seen, until = Seen(now), now + options.seconds
    tasks = [
        asyncio.create_task(listen(port, keys[at % len(keys)], tracks, until, seen))
        for at in range(options.listeners)
    ]
    while time.monotonic() < until:
        used.append(memory_of(server))
        await asyncio.sleep(min(5.0, options.seconds / 10))
    await asyncio.gather(*tasks)
    return seen, used


def prepared(folder: Path, beside: int) -> tuple[Path, list[str], list[str]]:
    """The archive, which has captured one folder and planned another; ids of what it holds, and
    API keys of its listeners."""
    shutil.rmtree(folder, ignore_errors=True)
    archive = folder / "archive"
    songs(folder / "first", 20, 0, 30)
    songs(folder / "second", beside, 1000, 2)
    subprocess.run([sys.executable, "-m", "longplay", "init", str(archive)], check=True)
    for name in ("first", "second"):
        longplay(archive, "source", "add", name, "folder", str(folder / name), "--rights", BY)
    longplay(archive, "catalogue", "import", str(folder / "first"))
    longplay(archive, "plan")
    longplay(archive, "capture")
    hits = longplay(archive, "catalogue", "search", "Piece", "--limit", "50")["hits"]
    keys = [
        longplay(archive, *ACCOUNT, f"ear{at}", said="a-word-41-long\n")["api_key"]
        for at in range(ACCOUNTS)
    ]
    longplay(archive, "catalogue", "import", str(folder / "second"))
    longplay(archive, "plan")
    return archive, [hit["id"] for hit in hits if hit["held"]], keys


def logged(archive: Path) -> list[dict[str, Any]]:
    """The lines of the access log."""
    return [
        json.loads(line)
        for path in archive.glob(f"{FILE}*")
        for line in path.read_text().splitlines()
    ]


def milliseconds(first_bytes: list[tuple[float, float]]) -> dict[str, float]:
    """Percentiles of the times to the first byte."""
    found = np.array([first for _, first in first_bytes] or [0.0]) * 1000
    return {
        f"p{share}": round(float(np.percentile(found, share)), 1) for share in (50, 95, 99, 100)
    }


def told(seen: Seen, used: list[dict[int, int]], lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures."""
    totals = [sum(each.values()) // 10**6 for each in used]
    slowest = sorted(seen.first_bytes, key=lambda pair: -pair[1])[:10]
    return {
        "answers": seen.answers,
        "MB": seen.size // 10**6,
        "errors": len(seen.errors),
        "kinds": Counter(error[:120] for error in seen.errors).most_common(5),
        "first_byte_ms": milliseconds(seen.first_bytes),
        "first_byte_ms_after_10_s": milliseconds([one for one in seen.first_bytes if one[0] > 10]),
        "slowest": [(round(at, 1), round(first * 1000)) for at, first in slowest],
        "server_memory_MB": {"first": totals[0], "most": max(totals), "last": totals[-1]},
        "last_memory_MB_by_process": [size // 10**6 for size in used[-1].values()],
        "log_lines": len(lines),
        "log_accounts": len({line["account"] for line in lines}),
        "log_bytes_share": round(sum(line["bytes"] for line in lines) / max(seen.size, 1), 3),
    }


def run(options: Any) -> dict[str, Any]:
    """Serve, listen, and capture beside it."""
    folder: Path = options.folder.resolve()
    archive, tracks, keys = prepared(folder, options.beside)
    port = free_port()
    command = serve(archive, port, options.workers)
    beside = [sys.executable, "-m", "longplay", "capture", "--workers", "1"]
    with running(command, port, folder / "serve.err") as server:
        time.sleep(2)
        with (folder / "capture.out").open("wb") as out:
            capture = subprocess.Popen([*beside, "--archive", str(archive)], stdout=out, stderr=out)
        began = time.monotonic()
        seen, used = asyncio.run(all_listen(port, keys, tracks, options, server.pid))
        captured = capture.wait(600)
        took = time.monotonic() - began
    return {
        "listeners": options.listeners,
        "seconds": options.seconds,
        **told(seen, used, logged(archive)),
        "capture_status": captured,
        "capture_ended_by_s": round(took, 1),
        "server_said": (folder / "serve.err").read_text()[-2000:],
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/longplay-listeners"))
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--beside", type=int, default=200, help="files captured beside")
    for name, value in run(parser.parse_args()).items():
        print(f"{name:28} {json.dumps(value)}")


if __name__ == "__main__":
    main()
