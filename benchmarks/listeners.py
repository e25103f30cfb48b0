"""Many who listen at once, at the pace of music: `python -m benchmarks.listeners`.

An archive of generated music is served by four workers while a capture runs beside them. Each
listener streams track after track by ranges, at a few times the bit rate; what is counted are
errors of any kind, times to the first byte, the servers' memory, and lines of the access log.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.watching import descendants, own_memory
from longplay.access.log import FILE
from longplay.audio.encode import encode
from longplay.model import Tags

BY = "https://creativecommons.org/licenses/by/4.0/"

PIECE = 128 * 1024
"""Bytes of a range, as players ask for them."""

RATE = 64 * 1024
"""Bytes a second that a listener takes: four times 128 kbit/s."""


ACCOUNT = ("account", "add", "--role", "member", "--password-stdin")
"""A password of one's own: who has the one that is shown once cannot listen yet."""


@dataclass
class Seen:
    """What happened."""

    answers: int = 0
    size: int = 0
    errors: list[str] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)


def songs(folder: Path, count: int, start: int, seconds: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(start)
    for number in range(start, start + count):
        samples = chance.normal(0, 0.1, (2, int(44_100 * seconds))).astype(np.float32)
        tags = Tags(title=f"Piece {number}", artists=("Ann",), album="One")
        encode(samples, 44_100, folder / f"{number}.mp3", "mp3", tags)


def longplay(archive: Path, *arguments: str, said: str = "") -> Any:
    command = [sys.executable, "-m", "longplay", *arguments, "--archive", str(archive), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, input=said)
    return json.loads(done.stdout) if done.stdout.strip() else None


async def listen(port: int, key: str, tracks: list[str], until: float, seen: Seen) -> None:
    chance = random.Random()
    await asyncio.sleep(chance.random() * 2)
    reader = writer = None
    while time.monotonic() < until:
        track, at = chance.choice(tracks), 0
        while time.monotonic() < until:
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert reader is not None
                path = f"/rest/stream?id={track}&apiKey={key}&v=1.16.1&c=load"
                asked = time.monotonic()
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes={at}-{at + PIECE - 1}\r\n\r\n"
                    .encode()
                )  # fmt: skip
                head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).decode().lower()
                seen.first_bytes.append(time.monotonic() - asked)
                status = int(head.split(" ", 2)[1])
                length = int(head.split("content-length: ")[1].split("\r\n")[0])
                body = await asyncio.wait_for(reader.readexactly(length), 30)
                seen.answers += 1
                seen.size += length
                if status != 206:
                    words = body[:300].decode(errors="replace")
                    seen.errors.append(f"{status} {words}" if status != 416 else "416")
                    break
            except (OSError, ValueError, IndexError, asyncio.IncompleteReadError) as error:
                seen.errors.append(repr(error)[:200])
                writer = None
                break
            at += length
            if f"/{at}\r\n" in head:
                break
            await asyncio.sleep(max(0.0, PIECE / RATE - (time.monotonic() - asked)))
    if writer is not None:
        writer.close()


def memory(process: int) -> int:
    return sum(own_memory(one) for one in descendants(process))


async def all_listen(
    port: int, keys: list[str], tracks: list[str], options: Any, server: int
) -> tuple[Seen, list[int]]:
    seen, until, used = Seen(), time.monotonic() + options.seconds, []
    tasks = [
        asyncio.create_task(listen(port, keys[at % len(keys)], tracks, until, seen))
        for at in range(options.listeners)
    ]
    while time.monotonic() < until:
        used.append(memory(server))
        await asyncio.sleep(min(5.0, options.seconds / 10))
    await asyncio.gather(*tasks)
    return seen, used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/longplay-listeners"))
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--beside", type=int, default=200, help="files captured beside")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    archive = folder / "archive"
    songs(folder / "first", 20, 0, 30)
    songs(folder / "second", options.beside, 1000, 2)
    subprocess.run([sys.executable, "-m", "longplay", "init", str(archive)], check=True)
    for name in ("first", "second"):
        longplay(archive, "source", "add", name, "folder", str(folder / name), "--rights", BY)
    longplay(archive, "catalogue", "import", str(folder / "first"))
    longplay(archive, "plan")
    longplay(archive, "capture")
    hits = longplay(archive, "catalogue", "search", "Piece", "--limit", "50")["hits"]
    tracks = [hit["id"] for hit in hits if hit["held"]]
    keys = [
        longplay(archive, *ACCOUNT, f"ear{at}", said="a-word-41-long\n")["api_key"]
        for at in range(5)
    ]
    longplay(archive, "catalogue", "import", str(folder / "second"))
    longplay(archive, "plan")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "longplay", "serve", "--port", str(port)]
    command += ["--workers", str(options.workers), "--archive", str(archive)]
    with (folder / "serve.err").open("wb") as said:
        server = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    time.sleep(2)
    beside = [sys.executable, "-m", "longplay", "capture", "--workers", "1"]
    with (folder / "capture.out").open("wb") as out:
        capture = subprocess.Popen([*beside, "--archive", str(archive)], stdout=out, stderr=out)
    seen, used = asyncio.run(all_listen(port, keys, tracks, options, server.pid))
    captured = capture.wait(600)
    os.killpg(server.pid, signal.SIGTERM)
    server.wait(60)
    lines = [
        json.loads(line)
        for path in archive.glob(f"{FILE}*")
        for line in path.read_text().splitlines()
    ]
    found = np.array(seen.first_bytes or [0.0]) * 1000
    print(
        json.dumps(
            {
                "listeners": options.listeners,
                "seconds": options.seconds,
                "answers": seen.answers,
                "MB": seen.size // 10**6,
                "errors": len(seen.errors),
                "examples": seen.errors[:3],
                "first_byte_ms": {
                    f"p{share}": round(float(np.percentile(found, share)), 1)
                    for share in (50, 95, 99, 100)
                },
                "capture_status": captured,
                "server_memory_MB": [used[0] // 10**6, max(used) // 10**6, used[-1] // 10**6],
                "log_lines": len(lines),
                "log_accounts": len({line["account"] for line in lines}),
                "log_bytes_share": round(sum(line["bytes"] for line in lines) / seen.size, 3)
                if seen.size
                else None,
                "server_said": (folder / "serve.err").read_text()[-2000:],
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
