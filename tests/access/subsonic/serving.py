"""`longplay serve` as a process, and somebody between it and its clients who writes down the calls.

Clients are given the address in between: they are not changed, nor is the server.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from longplay.access.people import accounts, opening
from longplay.archive import open_archive
from tests.system.conftest import Longplay

PASSWORD = "a password for clients"

_CALL = re.compile(rb"(?:GET|POST|HEAD) /rest/([A-Za-z0-9]+(?:\.m3u8)?)(?:\.view)?[? ]")
_FAILED = re.compile(rb'"status":"failed".*?"code":(\d+)|status="failed".*?code="(\d+)"', re.DOTALL)


@dataclass
class Between:
    """Passes connections on, and notes what was called and what came of it: `ok` or a code."""

    target: int
    port: int = 0
    _calls: dict[str, set[str]] = field(default_factory=dict)
    _open: list[Exchange] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def listening(self) -> Iterator[Between]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
            threading.Thread(target=self._accept, args=(server,), daemon=True).start()
            yield self
            server.shutdown(socket.SHUT_RDWR)

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        exchange = Exchange()
        with self._lock:
            self._open.append(exchange)
        with client, socket.create_connection(("127.0.0.1", self.target)) as target:
            back = threading.Thread(target=_bring_back, args=(target, client, exchange))
            back.start()
            with suppress(OSError):
                while data := client.recv(65_536):
                    for found in _CALL.findall(data):
                        self._note(exchange)
                        exchange.call, exchange.code = found.decode(), ""
                    target.sendall(data)
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)
            back.join()
        self._note(exchange)
        with self._lock:
            self._open.remove(exchange)

    @property
    def calls(self) -> dict[str, set[str]]:
        """What was called, by what came of it: of connections that are still open, too."""
        with self._lock:
            still = list(self._open)
        for exchange in still:
            self._note(exchange)
        return self._calls

    def _note(self, exchange: Exchange) -> None:
        if exchange.call:
            with self._lock:
                self._calls.setdefault(exchange.call, set()).add(exchange.code or "ok")


@dataclass(eq=False)
class Exchange:
    """The call that a connection is about, and the code with which it failed."""

    call: str = ""
    code: str = ""


def _bring_back(target: socket.socket, client: socket.socket, exchange: Exchange) -> None:
    with suppress(OSError):
        while data := target.recv(65_536):
            found = _FAILED.search(data)
            if found:
                exchange.code = (found[1] or found[2]).decode()
            client.sendall(data)
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Serving:
    """A served library, where clients reach it, and how they log in as an administrator."""

    between: Between
    app_password: str
    api_key: str
    archive: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.between.port}"


@contextmanager
def serving(source: Path, place: Path) -> Iterator[Serving]:
    """Serve a copy of an archive from `longplay serve`."""
    longplay = Longplay(place / "archive")
    shutil.copytree(source, longplay.archive)
    archive = open_archive(longplay.archive)
    with opening.open_people(archive) as people:
        added = accounts.add(people, "client", "admin", PASSWORD)
        secret = accounts.add_app_password(people, added.account.id, "clients")
    archive.ledger.close()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (place / "said").open("wb") as said:
        process = subprocess.Popen(
            longplay.arguments("serve", "--port", port),
            env=longplay.environment(),
            stdout=said,
            stderr=said,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/rest/getOpenSubsonicExtensions")
        with Between(port).listening() as between:
            yield Serving(between, secret, added.api_key, longplay.archive)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    assert "Traceback" not in (place / "said").read_text(errors="replace")


def _wait_for(address: str) -> None:
    for _ in range(600):
        with suppress(httpx.TransportError):
            assert httpx.get(address).status_code == 200
            return
        time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")
