"""`longplay serve` as a process: it starts, answers over HTTP, and stops when told."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.access.conftest import Served
from tests.system.conftest import Longplay


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("workers", [1, 2])
def test_served_until_told_to_stop(served: Served, workers: int) -> None:
    longplay, port = served.longplay, free_port()
    process = subprocess.Popen(
        longplay.arguments("serve", "--port", port, "--workers", workers),
        env=longplay.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        assert wait_for(f"{address}/.well-known/tdmrep.json") == [
            {"location": "/*", "tdm-reservation": 0}
        ]
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in said
    assert process.returncode == 0


def wait_for(address: str) -> object:
    for _ in range(200):
        try:
            return httpx.get(address).json()
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")


def test_no_archive_is_one_line(tmp_path: Path) -> None:
    answer = Longplay(tmp_path).run("serve", expect=1)
    assert "is not an archive" in answer.err
