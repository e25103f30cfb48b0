"""Clients that are slow on purpose: they begin and do not go on, or ask and do not read."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from longplay.access import serving
from tests.system.conftest import Longplay, song

BY = "https://creativecommons.org/licenses/by/4.0/"
EACH = 60
"""Connections of each kind: with all kinds, many more than a worker has threads."""

BEGUN = b"GET /search?q=slow HTTP/1.1\r\nHost: x\r\nX-Slow: "
PROMISED = (
    b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 1000\r\n\r\nname="
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Where a server listens that has one worker, and one file of ten megabytes."""
    place = tmp_path_factory.mktemp("slow")
    longplay = Longplay(place / "archive")
    song(place / "label" / "long.wav", "wav", seconds=60, title="Long", artists=("Ann",))
    longplay.run("init", longplay.archive)
    longplay.run("source", "add", "label", "folder", place / "label", "--rights", BY)
    longplay.run("catalogue", "import", place / "label")
    longplay.run("plan")
    longplay.run("capture")
    port = serving.free_port()
    with serving.in_background(longplay.archive, port):
        yield "127.0.0.1", port


def stream(address: tuple[str, int]) -> str:
    host, port = address
    items = httpx.get(f"http://{host}:{port}/api/recordings", timeout=60).json()["items"]
    return str(items[0]["stream"])


def crowd(address: tuple[str, int], path: str) -> Iterator[socket.socket]:
    asked = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    for words in (BEGUN, PROMISED, asked):
        for _ in range(EACH):
            one = socket.create_connection(address, 60)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.sendall(words)
            yield one


def test_slow_clients_hold_up_nobody_else(address: tuple[str, int]) -> None:
    path = stream(address)
    with ExitStack() as open_ones:
        slow = [open_ones.enter_context(one) for one in crowd(address, path)]
        with httpx.Client(base_url="http://{}:{}".format(*address), timeout=60) as web:
            for _ in range(5):
                assert web.get("/").status_code == 200
                assert web.get("/api/recordings").json()["items"]
                whole = web.get(path)
                assert whole.status_code == 200
                assert len(whole.content) == int(whole.headers["content-length"]) > 5_000_000
        # They were still there, and get what they asked for as soon as they go on.
        slow[0].sendall(b"x\r\n\r\n")
        assert slow[0].recv(100).startswith(b"HTTP/1.1 200 ")
        slow[EACH].sendall(b"x" * 995)
        assert slow[EACH].recv(100).startswith(b"HTTP/1.1 403 ")


@pytest.mark.long
def test_who_does_not_end_his_headers_is_let_go(address: tuple[str, int]) -> None:
    with socket.create_connection(address, 120) as one:
        one.sendall(BEGUN)
        said = b"".join(iter(lambda: one.recv(1000), b""))  # until it is closed, or a timeout
    assert b" 200 " not in said
