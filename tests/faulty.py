"""A proxy on loopback that passes requests to a server and does to some of them what goes wrong.

A fault is a function of the request; the first in the list that gives something for it is used up.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Deed = Literal[
    "307", "500", "503", "hang up", "cut", "wrong answer", "wrong request", "lost answer"
]
"""What is done: an error is answered; the connection is closed instead of an answer, or in the
middle of its body; a byte of the answer's or the request's body is changed; the request is done,
and no answer given."""

SLOW_DOWN = (
    b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>SlowDown</Code>"
    b"<Message>Please reduce your request rate.</Message></Error>"
)


@dataclass(slots=True)
class Faults:
    """What is still to go wrong: (method, part of the path, what is done), each used once."""

    port: int = 0
    planned: list[tuple[str, str, Deed]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    always: Callable[[str, str], Deed | None] = lambda _method, _path: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint(self) -> str:
        """Where the proxy listens."""
        return f"http://127.0.0.1:{self.port}"

    def plan(self, method: str, part: str, *deeds: Deed) -> None:
        """Do these, one to each of the next requests that fit."""
        self.planned += [(method, part, deed) for deed in deeds]

    def take(self, method: str, path: str) -> Deed | None:
        """What is done to this request."""
        with self._lock:
            for number, (wanted, part, deed) in enumerate(self.planned):
                if wanted == method and part in path:
                    del self.planned[number]
                    self.done.append(deed)
                    return deed
        deed_always = self.always(method, path)
        if deed_always:
            self.done.append(deed_always)
        return deed_always


class _Server(ThreadingHTTPServer):
    """A server whose clients may hang up."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        return


@contextmanager
def proxy(port: int) -> Iterator[Faults]:
    """A proxy to what listens on this port of loopback."""
    faults = Faults()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def _pass_on(self) -> None:
            deed = faults.take(self.command, self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if deed in {"307", "500", "503"}:
                self._answer(int(deed), {"Content-Type": "application/xml"}, SLOW_DOWN)
                return
            if deed == "hang up":
                self.close_connection = True
                return
            if deed == "wrong request":
                body = _changed(body)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request(self.command, self.path, body, dict(self.headers.items()))
                answer = connection.getresponse()
                data = answer.read()
            finally:
                connection.close()
            if deed == "lost answer":
                self.close_connection = True
                return
            if deed == "wrong answer":
                data = _changed(data)
            headers = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() not in {"connection", "transfer-encoding"}
            }
            if self.command != "HEAD":
                headers["Content-Length"] = str(len(data))
            self._answer(answer.status, headers, data[: len(data) // 2] if deed == "cut" else data)
            if deed == "cut":
                self.close_connection = True

        def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
            self.send_response_only(status)
            headers.setdefault("Content-Length", str(len(data)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815

    with _Server(("127.0.0.1", 0), Handler) as server:
        faults.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield faults
        finally:
            server.shutdown()
            thread.join()


def _changed(data: bytes) -> bytes:
    """A body with one bit flipped in its middle."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if data else data
