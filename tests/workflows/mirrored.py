"""An origin that need not be honest: a small release, signed by keys of the tests, and a web server
on loopback that answers as it is told to."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from longplay import archive as archives
from longplay.files import write_json
from longplay.release.cut import Release, cut
from longplay.torrent import bencode, metainfo
from longplay.workflows import mirroring
from longplay.workflows.mirroring import Options
from tests.release.feeding import Origin
from tests.release.making import PIECE, World

SIZES = [1, PIECE - 1, PIECE, 5 * PIECE + 7, 40, 0, 9 * PIECE]

SHARING = """
[sharing]
listen = "127.0.0.1:0"
dht = false
patience_seconds = {patience}
web_seeds = [{seeds}]
"""

LATER = "2999-01-01T00:00:00+00:00"


@dataclass
class Published:
    """A release in a folder, with the feed that an origin signs of it."""

    folder: Path
    origin: Origin = field(default_factory=Origin)
    seeds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.world = World(self.folder)
        for number, size in enumerate(SIZES):
            self.world.add(size, title=f"T{number}")
        (made,) = cut(self.world.request(sorted(self.world.contents)), self.world.releases)
        audio = tuple(one for one in made.volumes if one.kind == "audio")
        # Its volume of metadata would have to be changed with every file that a test changes.
        self.release: Release = replace(made, volumes=audio)
        folder = self.world.releases / made.name
        write_json(folder / "release.json", self.release.document())

    @property
    def torrent(self) -> Path:
        return self.world.releases / self.release.volumes[0].torrent

    def spoil(self, change: Callable[[dict[bytes, Any], dict[bytes, Any]], None]) -> None:
        """Change the torrent, (whole, info), and let the feed name it as it is then."""
        whole: Any = bencode.decode(self.torrent.read_bytes())
        change(whole, whole[b"info"])
        info = bencode.encode(whole[b"info"])
        volume = self.release.volumes[0]
        hashes = {
            "info_hash_v1": hashlib.sha1(info, usedforsecurity=False).hexdigest(),
            "info_hash_v2": hashlib.sha256(info).hexdigest(),
        }
        self.torrent.write_bytes(bencode.encode(whole))
        before = {name: getattr(volume, name) for name in hashes}
        for name, digest in hashes.items():
            self.rewrite(
                "release.json",
                lambda text, was=before[name], now=digest: text.replace(was, now),  # type: ignore[misc]
            )
        self.hashes = hashes

    def rewrite(self, name: str, change: Callable[[str], str]) -> None:
        """Change a file of the release."""
        path = self.world.releases / self.release.name / name
        path.write_text(change(path.read_text()))

    def volume(self) -> dict[str, Any]:
        one = self.release.volumes[0]
        names = ("name", "kind", "torrent", "info_hash_v1", "info_hash_v2", "magnet", "objects",
                 "bytes", "supersedes")  # fmt: skip
        return {
            **{name: getattr(one, name) for name in names},
            "torrent_bytes": self.torrent.stat().st_size,
            "share_of_listens": 0.5,
            "copies": None,
            **getattr(self, "hashes", {}),
        }

    def publish(self, **more: Any) -> None:
        """Sign a feed, and put it beside the release."""
        folder = self.world.releases / self.release.name
        files = [path for path in sorted(folder.iterdir()) if path.suffix != ".torrent"]
        said = {
            "release": self.release.name,
            "stage": 1,
            "current": True,
            "supersedes": None,
            "objects": self.release.objects,
            "bytes": self.release.bytes,
            "share_of_listens": 0.5,
            "tdm_reserved": 0,
            "files": [
                {"path": path.name, "bytes": path.stat().st_size,
                 "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
                for path in files
            ],
            "volumes": [self.volume()],
        }  # fmt: skip
        sharing = {"trackers": [], "web_seeds": list(self.seeds), "dht": False}
        delivery = self.origin.delivery(
            **{"releases": [said], "sharing": sharing, "expires": LATER, **more}
        )
        releases = self.world.releases
        (releases / "feed.json").write_bytes(delivery.feed)
        (releases / "feed.json.minisig").write_text(delivery.signature)
        (releases / "keys.json").write_bytes(delivery.keys)
        (releases / "keys.json.minisig").write_text(delivery.keys_signature)

    def content(self, path: str) -> bytes:
        """What a web seed gives for `torrent name/path`."""
        parsed = metainfo.parse(self.torrent.read_bytes())
        roots = {found.root: number for number, found in self.world.hashes.items()}
        for file in parsed.files:
            if "/".join((parsed.name, *file.path)) == path and file.size:
                return self.world.contents[roots[file.root]]
        return b""


Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


def honest(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """The bytes, or the range of them that is asked for."""
    asked = handler.headers.get("Range", "")
    if asked.startswith("bytes="):
        first, _, last = asked.removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last) + 1 if last else None]
        handler.send_response(206)
        span = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
        handler.send_header("Content-Range", span)
    else:
        part = data
        handler.send_response(200)
    handler.send_header("Content-Length", str(len(part)))
    handler.end_headers()
    handler.wfile.write(part)


def lying(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    honest(handler, bytes(byte ^ 0x55 for byte in data))


def endless(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """Says nothing of a length, and goes on for ever (at most 2 GB, and until nobody listens)."""
    handler.send_response(206 if handler.headers.get("Range") else 200)
    if handler.headers.get("Range"):
        first = handler.headers["Range"].removeprefix("bytes=").partition("-")[0]
        handler.send_header("Content-Range", f"bytes {first}-{2**40}/{2**41}")
    handler.end_headers()
    chunk = bytes(2**16)
    for _ in range(2**15):
        handler.wfile.write(chunk)


def circling(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def dripping(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """A header that never ends, a byte at a time, for at most two minutes."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(600):
        handler.wfile.write(b"a")
        handler.wfile.flush()
        time.sleep(0.2)


def absent(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.send_error(404)


@contextmanager
def serving(
    published: Published, answer: Answer = honest, *, host: str = "127.0.0.1", only: str = "/seed/"
) -> Iterator[str]:
    """A server of the releases and of their bytes; `answer` says how what begins with `only` is
    given, all else is honest. Yields its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(self.path)
            if path.startswith("/releases/"):
                place = published.world.releases / path.removeprefix("/releases/")
                if not place.is_file():
                    return absent(self, b"")
                data = place.read_bytes()
            else:
                data = published.content(path.removeprefix("/seed/"))
            try:
                (answer if path.startswith(only) else honest)(self, data)
            except OSError:
                self.close_connection = True
            return None

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def mirror_in(folder: Path, *seeds: str, patience: float = 30) -> Path:
    """A mirror's folder that keeps to loopback; `seeds` are web seeds that it names itself."""
    archives.create(folder).ledger.close()
    path = folder / "longplay.toml"
    listed = ", ".join(f'"{one}"' for one in seeds)
    path.write_text(path.read_text() + SHARING.format(patience=patience, seeds=listed))
    return folder


def follow(folder: Path, feed: object, **options: Any) -> dict[str, Any]:
    done = mirroring.mirror(folder, Options(str(feed), **options), lambda *_: None)
    found = done.document()
    return {**found, "refused": [(one.what, one.why) for one in found["refused"]]}


def held(folder: Path) -> dict[str, bytes]:
    """The objects of a mirror by root."""
    places = (folder / "objects").glob("??/??/*")
    return {path.name[:64]: path.read_bytes() for path in places}
