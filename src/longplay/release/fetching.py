"""Fetching what a feed names: from the web, or from a disk that was sent by post.

Nothing is read past the bytes that were promised, or for longer than a slow line would need; a
redirection leads to no other host than the one that was named.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from longplay.errors import FeedError, ReleaseError
from longplay.files import durable
from longplay.release import keys, minisign
from longplay.release.feed import MAX_FEED_BYTES
from longplay.release.following import Delivery
from longplay.web import addresses, manners

SIGNATURE = ".minisig"

TIMEOUT = httpx.Timeout(connect=20.0, read=30.0, write=30.0, pool=30.0)
"""Seconds of silence that a server may allow itself."""

PATIENCE_SECONDS, LEAST_RATE = 60.0, 16_384
"""Longest that a file may take: so many seconds, and one more for so many bytes of it."""

MAX_REDIRECTS = 5

CHUNK = 256 * 1024

SIGNING_READS, SIGNING_PAUSE = 4, 1.0
"""A feed and its signature change one after the other: who reads between them reads again, so many
times, after so many seconds."""

_PRIVATE_NAMES = ("localhost", "localdomain", "local", "internal", "lan", "home.arpa")


class Origin(Protocol):
    """A place that has a feed and what lies beside it, by names of plain components."""

    @property
    def feed(self) -> str:
        """The name of the feed's file."""

    @property
    def where(self) -> str:
        """What the place is called in what is said of it."""

    def chunks(self, name: str, most: int) -> Iterator[bytes]:
        """The bytes of a file, at most `most` of them and a chunk more. Raises ReleaseError."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A feed in a folder."""

    folder: Path
    feed: str

    @property
    def where(self) -> str:
        """The feed's path."""
        return str(self.folder / self.feed)

    def chunks(self, name: str, most: int) -> Iterator[bytes]:
        """The bytes of a file."""
        path = self.folder / name
        try:
            if not path.is_file():
                raise ReleaseError("is missing, or no plain file", where=str(path))
            with path.open("rb") as source:
                yield from _until(iter(lambda: source.read(CHUNK), b""), most)
        except OSError as error:
            raise ReleaseError(f"cannot be read: {error.strerror}", where=str(path)) from error


@dataclass(slots=True)
class Web:
    """A feed on a web server. Close it, or use it in a `with`."""

    address: httpx.URL
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._client = httpx.Client(
            timeout=TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(
                max_keepalive_connections=0
            ),  # a watch knows the sockets it saw open
            headers={"User-Agent": manners.user_agent(), "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def feed(self) -> str:
        """The last part of the address."""
        return self.address.path.rpartition("/")[2]

    @property
    def where(self) -> str:
        """The address."""
        return str(self.address)

    def chunks(self, name: str, most: int) -> Iterator[bytes]:
        """The bytes of a file."""
        url = self.address.join(name)
        watch = _Watch(PATIENCE_SECONDS + most / LEAST_RATE)
        try:
            with watch.running(), self._answer(url, watch) as answer:
                yield from _until(answer.iter_raw(CHUNK), most)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            late = f"takes longer than {watch.seconds:,.0f} s" if watch.over else ""
            words = late or f"{type(error).__name__}: {error}".rstrip(": ")
            raise ReleaseError(words, where=addresses.shown(url)) from error

    @contextmanager
    def _answer(self, url: httpx.URL, watch: _Watch) -> Iterator[httpx.Response]:
        """The answer that is no redirection."""
        for _ in range(MAX_REDIRECTS + 1):
            request = self._client.build_request("GET", url, extensions={"trace": watch.note})
            answer = self._client.send(request, stream=True)
            try:
                if not answer.is_redirect:
                    if answer.status_code != 200:
                        raise ReleaseError(
                            f"answers {answer.status_code}", where=addresses.shown(url)
                        )
                    yield answer
                    return
                url = self._redirected(url, answer.headers.get("location", ""))
            finally:
                answer.close()
        raise ReleaseError(f"redirects more than {MAX_REDIRECTS} times", where=addresses.shown(url))

    def _redirected(self, url: httpx.URL, location: str) -> httpx.URL:
        target = url.join(location)
        if target.scheme not in ("http", "https") or (url.scheme, target.scheme) == (
            "https",
            "http",
        ):
            raise ReleaseError("redirects to what is no safe address", where=addresses.shown(url))
        if target.host != self.address.host:
            raise ReleaseError(
                f"redirects to another host, {target.host[:200]}",
                where=addresses.shown(url),
                hint="name the feed by that address if you trust it",
            )
        return target


@dataclass(slots=True)
class _Watch:
    """Ends a connection that takes too long, even one that sends a byte now and then."""

    seconds: float
    over: bool = False
    _sockets: list[Any] = field(default_factory=list)

    def note(self, event: str, info: dict[str, Any]) -> None:
        """Told by httpx of what it does."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._sockets.append(info["return_value"].get_extra_info("socket"))
        elif event.endswith("receive_response_headers.started") and self.over:
            raise httpx.ReadTimeout("too late")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch what happens inside."""
        timer = threading.Timer(self.seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end(self) -> None:
        self.over = True
        for one in self._sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it is closed already


def opened(location: str) -> Folder | Web:
    """The place that a feed's address or path names. Raises FeedError for what can be neither."""
    if "://" not in location:
        path = Path(location)
        if path.is_dir():
            raise FeedError("is a folder", where=location, hint="name the feed.json in it")
        return Folder(path.parent, path.name)
    try:
        address = httpx.URL(location)
    except httpx.InvalidURL as error:
        raise FeedError("is no web address", where=addresses.shown(location)) from error
    if address.scheme not in ("http", "https") or not address.host or address.userinfo:
        raise FeedError(
            "is no address of a feed",
            where=addresses.shown(location),
            hint="it begins with http:// or https://, or is the path of a feed.json",
        )
    return Web(address)


def deliver(origin: Origin) -> Delivery:
    """A feed with its signature and keys, as they are there now. Raises ReleaseError."""
    name = origin.feed
    return Delivery(
        feed=read(origin, name, MAX_FEED_BYTES),
        signature=_text(origin, name + SIGNATURE),
        keys=read(origin, keys.DOCUMENT, keys.MAX_KEYS_BYTES),
        keys_signature=_text(origin, keys.SIGNATURE),
        where=origin.where,
    )


def signature(origin: Origin) -> str:
    """A feed's signature: it is another one when the feed is."""
    return _text(origin, origin.feed + SIGNATURE)


def read(origin: Origin, name: str, limit: int) -> bytes:
    """A whole file of at most `limit` bytes. Raises ReleaseError."""
    data = b"".join(origin.chunks(name, limit))
    if len(data) > limit:
        raise ReleaseError(f"{name} is longer than {limit:,} bytes", where=origin.where)
    return data


def save(origin: Origin, name: str, target: Path, *, size: int, sha256: bytes) -> None:
    """Bring a file that must have this size and digest. It appears whole, or ReleaseError."""
    digest, count = hashlib.sha256(), 0
    with durable(target) as out:
        for chunk in origin.chunks(name, size):
            digest.update(chunk)
            count += len(chunk)
            out.write(chunk)
        if count != size or digest.digest() != sha256:
            raise ReleaseError(f"{name} is not the file that the feed names", where=origin.where)


def may_be_asked(address: str, named: str) -> bool:
    """Whether a tracker or web seed that a feed names may be asked: its host is public, or is the
    host that the user named as the feed's. A feed must not reach into somebody's own network."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return False
    if url.scheme not in ("http", "https", "udp") or not url.host or url.userinfo:
        return False
    if "://" in named and url.host == httpx.URL(named).host:
        return True
    try:
        ipaddress.ip_address(url.host)
    except ValueError:
        host = url.host.lower().rstrip(".")
        # Resolvers take `127.1` and `127.0x1` for addresses; so does whoever reads a URL.
        odd = re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2])
        private = any(host == name or host.endswith(f".{name}") for name in _PRIVATE_NAMES)
        return "." in host and not odd and not private
    return addresses.is_public(url.host)


def _text(origin: Origin, name: str) -> str:
    return read(origin, name, minisign.MAX_BYTES).decode(errors="replace")


def _until(chunks: Iterator[bytes], most: int) -> Iterator[bytes]:
    """Chunks until there are more bytes than there may be: the last one tells that."""
    count = 0
    for chunk in chunks:
        count += len(chunk)
        yield chunk
        if count > most:
            return
