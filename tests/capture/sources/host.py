"""A web host on 127.0.0.1 that serves files honestly, and misbehaves as it is told to."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

CHANGED = "Sat, 01 Jun 2024 10:00:00 GMT"

Fault = Callable[["Handler"], bool]
"""Answers a request in the host's stead (True), or lets it."""


@dataclass
class Host:
    """Files by path. `faults` are used up by requests for files, one each; `asked` has each
    request: its path, and its Range and If-Range."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    etags: bool = True
    robots: tuple[int, bytes] = (404, b"")
    robots_headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    upon: dict[str, list[Fault]] = field(default_factory=dict)
    """Faults that are used up by requests for one file."""
    pages: dict[str, Callable[[dict[str, str]], bytes]] = field(default_factory=dict)
    """Documents that are made of a query, for GET and POST."""
    address: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def etag(self, path: str) -> str:
        return f'"{hashlib.md5(self.files[path]).hexdigest()}"'

    def paths(self) -> list[str]:
        """What was asked for, but the rules."""
        return [path for path, _, _ in self.asked if path != "/robots.txt"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: Host

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        host, path = self.host, self.path.partition("?")[0]
        host.asked.append((self.path, self.headers["Range"], self.headers["If-Range"]))
        host.agents.add(self.headers["User-Agent"])
        assert self.headers["Accept-Encoding"] == "identity"
        if path == "/robots.txt":
            status, body = host.robots
            self.answer(status, body, *host.robots_headers.items())
        elif any(faults and faults.pop(0)(self) for faults in (host.faults, host.upon.get(path))):
            return
        elif path in host.pages:
            query = parse_qs(self.path.partition("?")[2], keep_blank_values=True)
            self.answer(200, host.pages[path]({name: each[0] for name, each in query.items()}))
        elif path not in host.files:
            self.answer(404, b"<html>not here</html>", ("Content-Type", "text/html"))
        else:
            self.file(path)

    def do_POST(self) -> None:
        self.do_GET()

    def file(self, path: str) -> None:
        data, facts = self.host.files[path], [("Last-Modified", CHANGED)]
        if self.host.etags:
            facts.append(("ETag", self.host.etag(path)))
        facts += self.host.headers.items()
        proof = self.headers["If-Range"]
        span = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if span and proof in (None, CHANGED, self.host.etag(path) if self.host.etags else CHANGED):
            first = int(span[1])
            if first >= len(data):
                said = ("Content-Range", f"bytes */{len(data)}")
                self.answer(416, b"<html>", ("Content-Type", "text/html"), said, *facts)
                return
            said = ("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
            self.answer(206, data[first:], said, *facts)
        else:
            self.answer(200, data, *facts)

    def answer(self, status: int, body: bytes, *fields: tuple[str, str], **more: str) -> None:
        """A whole answer; `length` is what it says of its length."""
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        if not any(name == "Content-Length" for name, _ in fields):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def answering(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Another answer."""

    def fault(handler: Handler) -> bool:
        fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
        handler.answer(status, body, *fields)
        handler.close_connection = True
        return True

    return fault


def cut_after(count: int) -> Fault:
    """Say how long the file is, send so many bytes of it (from where was asked), and go."""

    def fault(handler: Handler) -> bool:
        handler.wfile = _Cut(handler.wfile, count)  # type: ignore[assignment]
        handler.file(handler.path)
        handler.close_connection = True
        return True

    return fault


class _Cut:
    """Lets through the head of an answer, and some bytes of its body."""

    def __init__(self, out: object, count: int) -> None:
        self._out, self._left = out, count

    def write(self, data: bytes) -> int:
        if not data.startswith(b"HTTP/"):
            data, self._left = data[: self._left], max(0, self._left - len(data))
        return self._out.write(data)  # type: ignore[attr-defined,no-any-return]

    def flush(self) -> None:
        self._out.flush()  # type: ignore[attr-defined]

    def close(self) -> None:
        self._out.close()  # type: ignore[attr-defined]

    @property
    def closed(self) -> bool:
        return bool(self._out.closed)  # type: ignore[attr-defined]


def reset(handler: Handler) -> bool:
    """Hang up without a word."""
    handler.close_connection = True
    handler.connection.close()
    return True


def raw(data: bytes) -> Fault:
    """These very bytes, then hang up."""

    def fault(handler: Handler) -> bool:
        handler.wfile.write(data)
        handler.close_connection = True
        return True

    return fault


def honest(_handler: Handler) -> bool:
    """No fault."""
    return False


@contextmanager
def serving(host: Host, address: str = "127.0.0.1") -> Iterator[str]:
    """The host's address, for as long as the context lasts."""
    bound = type("Bound", (Handler,), {"host": host})
    with ThreadingHTTPServer((address, 0), bound) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            host.address = f"http://{address}:{server.server_address[1]}"
            yield host.address
        finally:
            host.released.set()
            server.shutdown()
            thread.join()
