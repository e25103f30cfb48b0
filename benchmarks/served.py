"""A served archive, as the benchmarks of access need one: commands, servers that end with a block,
and requests over connections that stay open."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.watching import descendants, own_memory

BY = "https://creativecommons.org/licenses/by/4.0/"
HOST = "127.0.0.1"
ANSWER_SECONDS = 30.0
"""How long is waited for one answer."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def longplay(archive: Path, *arguments: str, said: str = "") -> Any:
    """What a command answers as JSON."""
    command = [sys.executable, "-m", "longplay", *arguments, "--archive", str(archive), "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, input=said)
    return json.loads(done.stdout) if done.stdout.strip() else None


def serve(archive: Path, port: int, workers: int = 1) -> list[str]:
    """The command that serves an archive."""
    command = [sys.executable, "-m", "longplay", "serve", "--port", str(port)]
    return [*command, "--workers", str(workers), "--archive", str(archive)]


@contextmanager
def running(
    command: Sequence[str], port: int, said: Path | None = None, **more: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A server, from when it listens until the block ends; what it says goes to a file."""
    with (said or Path(os.devnull)).open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True, **more)
    try:
        for _ in range(600):
            try:
                socket.create_connection((HOST, port), 1).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit(f"{command[0]} ended with {process.returncode}") from None
                time.sleep(0.1)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def get(port: int, path: str) -> bytes:
    """The answer to one request. Raises ValueError when it is no success."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    if answer.status != 200:
        raise ValueError(f"{path}: {answer.status} {data[:200]!r}")
    return data


def memory_of(server: int) -> dict[int, int]:
    """Bytes of each of a server's processes that are no file's (RssAnon and RssShmem)."""
    return {process: own_memory(process) for process in descendants(server)}


class Line:
    """A connection that stays open, and is opened again when it broke."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str, headers: str = "") -> tuple[int, str, bytes, float]:
        """Status, headers in lower case, body, and the seconds to the first byte. Raises OSError,
        ValueError and asyncio.IncompleteReadError, after which the next request connects anew."""
        try:
            if self._ends is None:
                self._ends = await asyncio.open_connection(HOST, self._port)
            reader, writer = self._ends
            asked = time.monotonic()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
            async with asyncio.timeout(ANSWER_SECONDS):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                first = time.monotonic() - asked
                length = int(head.split("content-length: ")[1].split("\r\n")[0])
                body = await reader.readexactly(length)
            return int(head.split(" ", 2)[1]), head, body, first
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        if self._ends is not None:
            self._ends[1].close()
            self._ends = None
