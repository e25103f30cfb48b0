"""An archive that is mirrored: made, released, served and seeded on loopback."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from longplay import archive as archives
from longplay.archive import open_archive
from longplay.release import keys
from longplay.workflows import mirroring, releasing, verifying
from longplay.workflows.mirroring import Options
from tests.system.conftest import Longplay, song

BY = "https://creativecommons.org/licenses/by/4.0/"
SECONDS = 60

SHARING = """
[sharing]
listen = "{listen}"
dht = false
patience_seconds = {patience}
follow_seconds = {follow}
rest_days = {rest}
{more}
"""


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def share(
    longplay: Longplay,
    *,
    listen: str = "127.0.0.1:0",
    patience: float = 60,
    follow: float = 300,
    rest: float = 30,
    more: str = "",
) -> None:
    """Let an archive take part in swarms on loopback alone."""
    path = longplay.archive / "longplay.toml"
    text = path.read_text().partition("\n[sharing]")[0]
    said = SHARING.format(listen=listen, patience=patience, follow=follow, rest=rest, more=more)
    path.write_text(text + said)


@dataclass
class Origin:
    """An archive with releases; `serve` and `seed` give it out until `stop`."""

    longplay: Longplay
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    running: ExitStack = field(default_factory=ExitStack)

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def feed(self) -> str:
        return f"{self.address}/releases/feed.json"

    @property
    def key(self) -> str:
        return keys.read(self.longplay.archive / "keys").root.line

    def serve(self) -> None:
        self.running.enter_context(served(self.longplay, self.host, self.port))

    def seed(self) -> None:
        self.running.enter_context(seeded(self.longplay))

    def stop(self) -> None:
        self.running.close()

    def objects(self) -> dict[str, bytes]:
        """The released objects, by root."""
        found: dict[str, bytes] = {}
        for line in self.manifest():
            root = line["root"]
            place = next(iter(stored(self.longplay.archive, root)), None)
            found[root] = place.read_bytes() if place else b""
        return found

    def manifest(self) -> list[dict[str, Any]]:
        with open_archive(self.longplay.archive) as archive:
            listed = releasing.list_releases(archive)
        newest = {one["stage"]: one["release"] for one in listed}
        return [
            json.loads(line)
            for release in newest.values()
            for line in (self.longplay.archive / "releases" / release / "manifest.jsonl")
            .read_text()
            .splitlines()
        ]


def stored(archive: Path, root: str) -> list[Path]:
    return list((archive / "objects" / root[:2] / root[2:4]).glob(f"{root}*"))


def make(folder: Path, *, songs: int = 6, seconds: float = 4, host: str = "127.0.0.1") -> Origin:
    """An archive of songs under CC BY, whose address is on loopback; nothing is released yet."""
    longplay = Longplay(folder / "origin")
    add_songs(folder / "label", range(songs), seconds)
    longplay.run("init", longplay.archive)
    origin = Origin(longplay, host)
    share(longplay, listen=f"{host}:0", more=f'address = "{origin.address}"')
    longplay.run("source", "add", "label", "folder", folder / "label", "--rights", BY)
    longplay.run("catalogue", "import", folder / "label")
    longplay.run("plan")
    longplay.run("capture")
    return origin


def add_songs(folder: Path, numbers: Any, seconds: float = 4) -> None:
    for number in numbers:
        song(
            folder / f"{number}.flac",
            "flac",
            pitch=200 + 37 * number,
            seconds=seconds,
            title=f"Piece {number}",
            artists=("Ann",),
            album="One",
            isrcs=(f"QZLP02600{number:03}",),
        )


@contextmanager
def process(longplay: Longplay, words: list[object], said: str) -> Iterator[tuple[Any, str]]:
    """A command that runs until we are done with it, once it has printed what `said` matches."""
    with subprocess.Popen(
        longplay.arguments(*words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**longplay.environment(), "PYTHONUNBUFFERED": "1"},
    ) as running:
        try:
            assert running.stdout
            line = running.stdout.readline()
            found = re.search(said, line)
            assert found, (line, running.poll())
            yield running, found[1]
        finally:
            running.send_signal(signal.SIGTERM)
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()


@contextmanager
def served(longplay: Longplay, host: str, port: int) -> Iterator[None]:
    words = ["serve", "--host", host, "--port", port]
    with process(longplay, words, r"at (http\S+)"):
        end = time.monotonic() + SECONDS
        while True:
            try:
                with urlopen(f"http://{host}:{port}/releases/keys.json"):
                    break
            except OSError as error:
                if getattr(error, "code", None) == 404:
                    break
                assert time.monotonic() < end, error
                time.sleep(0.05)
        yield


@contextmanager
def seeded(longplay: Longplay) -> Iterator[str]:
    with process(longplay, ["seed"], r"on (\S+:\d+)") as (_, address):
        yield address


def mirror_in(folder: Path, **sharing: Any) -> Longplay:
    """A mirror's folder that keeps to loopback, with nothing in it yet."""
    longplay = Longplay(folder)
    archives.create(folder).ledger.close()
    share(longplay, **sharing)
    return longplay


def follow(mirror: Longplay, feed: object, **options: Any) -> dict[str, Any]:
    """What `longplay mirror` does, without a process of its own; what it says as JSON."""
    done = mirroring.mirror(mirror.archive, Options(str(feed), **options), lambda *_: None)
    found = done.document()
    return {**found, "refused": [asdict(one) for one in found["refused"]]}


def check(mirror: Longplay) -> int:
    """Everything that the mirror holds is whole, and its log follows; how many objects it has."""
    with open_archive(mirror.archive) as archive:
        found = verifying.verify(archive, progress=lambda *_: None)
    assert found.sound, found
    return found.checked
