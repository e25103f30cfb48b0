"""Connections to the very addresses that were checked.

The name is resolved here, every address of it is looked at, and the connection goes to one of
them: a name cannot point elsewhere between the check and the request. TLS still proves the name.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import httpx

from longplay import clock
from longplay.web import addresses

MAX_ADDRESSES = 4
"""Addresses of one name that are tried; names rarely have more than one of each kind."""

KEPT, KEPT_SECONDS = 32, 15.0
"""Connections that are kept for the next request, and for how many seconds."""

Options = Iterable[Any] | None


class Transport(httpx.BaseTransport):
    """Carries a client's requests, over checked connections only."""

    def __init__(self, *, allow_private: bool) -> None:
        self._connector = _Connector(allow_private)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=None,
            max_keepalive_connections=KEPT,
            keepalive_expiry=KEPT_SECONDS,
            network_backend=self._connector,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the answer's head has come when this returns. Raises httpx's errors, and
        SourceError for a host that must not be asked."""
        with _told():
            answer = self._pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What this thread reads inside must have come after so many seconds, else ReadTimeout:
        the time-outs of a request end a silence, but no drip."""
        self._connector.deadline.at = clock.monotonic() + seconds
        try:
            yield
        finally:
            self._connector.deadline.at = None

    def cut(self) -> None:
        """Break off every connection, also what other threads are waiting for."""
        self._connector.cut()

    def close(self) -> None:
        """Give back the connections that nobody uses."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _told():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Errors under the names that httpx gives them: its own are called the same."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        kind = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise kind(str(error)) from error


class _Connector(httpcore.NetworkBackend):
    """Opens connections; each thread may have a time by which it must have read."""

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._plain = httpcore.SyncBackend()
        self._streams: weakref.WeakSet[_Stream] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._cut = False
        self.deadline = _Deadline()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Options = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address that can be reached."""
        try:
            found = addresses.resolve(host, port, allow_private=self._allow_private)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} has no address ({error})") from error
        *others, last = found[:MAX_ADDRESSES]
        for address in others:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return self._connected(address, port, timeout, socket_options)
        return self._connected(last, port, timeout, socket_options)

    def _connected(
        self, address: str, port: int, timeout: float | None, options: Options
    ) -> httpcore.NetworkStream:
        timeout = self.left(timeout)
        plain = self._plain.connect_tcp(address, port, timeout, socket_options=options)
        return self.noted(_Stream(plain, self))

    def noted(self, stream: _Stream) -> _Stream:
        """Remember a connection, so that it can be broken off."""
        with self._lock:
            self._streams.add(stream)
            if self._cut:
                stream.cut()
        return stream

    def left(self, timeout: float | None) -> float | None:
        """Seconds that this thread may wait now."""
        if self.deadline.at is None:
            return timeout
        left = self.deadline.at - clock.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("too late")
        return left if timeout is None else min(timeout, left)

    def cut(self) -> None:
        """Break off every connection, and all later ones."""
        with self._lock:
            self._cut = True
            for stream in list(self._streams):
                stream.cut()


class _Deadline(threading.local):
    at: float | None = None


class _Stream(httpcore.NetworkStream):
    """A connection whose reads keep to the thread's time."""

    def __init__(self, plain: httpcore.NetworkStream, connector: _Connector) -> None:
        self._plain = plain
        self._connector = connector

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._plain.read(max_bytes, self._connector.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._plain.write(buffer, timeout)

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        secure = self._plain.start_tls(ssl_context, server_hostname, self._connector.left(timeout))
        return self._connector.noted(_Stream(secure, self._connector))

    def get_extra_info(self, info: str) -> Any:
        return self._plain.get_extra_info(info)

    def cut(self) -> None:
        """Wake whoever waits for bytes of it."""
        connected = self._plain.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)
