"""Claims as processes meet them: a seeder, a server, a kill, two who decide at once."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import libtorrent as lt
import numpy as np
import pytest

from longplay.archive import open_archive
from longplay.audio.encode import encode
from longplay.ledger import log
from longplay.model import Tags
from longplay.rights.claims import Step
from longplay.torrent import metainfo
from longplay.workflows import claims
from longplay.workflows.claims import Request
from tests.system.conftest import Longplay, song
from tests.workflows.archives import tombstones

BY = "https://creativecommons.org/licenses/by/4.0/"
LOOPBACK = """
[sharing]
listen = "127.0.0.1:0"
dht = false
"""
AT_ONCE = 10.0
"""Seconds within which a withdrawal should have taken effect: printed beside what was seen, for
what is seen has the client's own time and the machine's load in it."""


@pytest.fixture
def released(longplay: Longplay, tmp_path: Path) -> Longplay:
    """An archive of four released songs, seeded on loopback only."""
    folder = tmp_path / "label"
    for number in range(4):
        song(folder / f"{number}.flac", "flac", pitch=200 + 40 * number, title=f"Piece {number}",
             artists=("Ann",), album="One", isrcs=(f"QZLP02600{number:03}",))  # fmt: skip
    longplay.run("init", longplay.archive)
    settings = longplay.archive / "longplay.toml"
    settings.write_text(settings.read_text() + LOOPBACK)
    longplay.run("source", "add", "label", "folder", folder, "--rights", BY)
    longplay.run("catalogue", "import", folder)
    longplay.run("plan")
    longplay.run("capture")
    return longplay


@contextmanager
def running(longplay: Longplay, *words: object) -> Iterator[IO[str]]:
    """A command that runs until it is told to stop; what it prints."""
    process = subprocess.Popen(
        longplay.arguments(*words),
        env=longplay.environment() | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        assert "Traceback" not in said
    finally:
        process.kill()
        process.communicate()


def decided(longplay: Longplay, recording: str, step: Step, claim: str = "") -> tuple[str, float]:
    """Take a step about a recording; the claim, and when it was taken."""
    with open_archive(longplay.archive) as archive:
        claim = (
            claim
            or claims.add(
                archive, Request("A", "a@example.org", "mine", recordings=(recording,))
            ).id
        )
        claims.decide(archive, claim, step, "shown")
    return claim, time.monotonic()


class Leecher:
    """A client that looks what a seeder has, and takes it."""

    def __init__(self, torrent: Path, folder: Path, address: str) -> None:
        self.session = lt.session(
            {
                "listen_interfaces": "127.0.0.1:0",
                "enable_dht": False,
                "enable_lsd": False,
                "enable_upnp": False,
                "enable_natpmp": False,
                "close_redundant_connections": False,
                "allow_multiple_connections_per_ip": True,
                "min_reconnect_time": 0,
            }
        )
        host, _, port = address.rpartition(":")
        self.peer = (host, int(port))
        self.info = lt.torrent_info(str(torrent))
        added = lt.add_torrent_params()
        added.ti, added.save_path, added.trackers, added.url_seeds = self.info, str(folder), [], []
        self.torrent = self.session.add_torrent(added)

    def connect(self) -> None:
        """Connect to the seeder, once the torrent's (absent) files have been looked at."""
        until = time.monotonic() + 10
        while self.torrent.status().state != lt.torrent_status.downloading:
            assert time.monotonic() < until
            time.sleep(0.02)
        self.torrent.connect_peer(self.peer)

    def offered(self) -> list[bool]:
        """Which pieces the seeder says it has; nothing while it does not answer."""
        for one in self.torrent.get_peer_info():
            if any(one.pieces):
                return list(one.pieces)
        return []

    def pieces(self, path: str) -> range:
        """The pieces of a file."""
        files = self.info.layout()
        for index in range(files.num_files()):
            if files.file_path(index).partition("/")[2] == path:
                first = files.file_offset(index) // self.info.piece_length()
                size = max(files.file_size(index), 1)
                return range(first, first - (-size // self.info.piece_length()))
        raise AssertionError(path)


@dataclass
class Looker:
    """Looks with a new client each time: an old one has an old answer."""

    torrent: Path
    folder: Path
    address: str

    def look(self) -> list[bool]:
        """Which pieces a seeder offers now."""
        self.folder.mkdir(exist_ok=True)
        client = Leecher(self.torrent, Path(tempfile.mkdtemp(dir=self.folder)), self.address)
        client.torrent.set_download_limit(500)  # it looks, and does not become a seed
        client.connect()
        asked = time.monotonic()
        until = asked + 10
        while not (found := client.offered()) and time.monotonic() < until:
            time.sleep(0.05)
            if time.monotonic() - asked > 2 and not client.torrent.get_peer_info():
                asked = time.monotonic()  # it was just being added again
                client.torrent.connect_peer(client.peer)
        return found

    def wait(self, wanted: set[int], absent: set[int], *, since: float) -> float:
        """Seconds since a moment until just these pieces are there, of those that are named."""
        has: list[bool] = []
        while time.monotonic() - since < 60:
            has = self.look()
            if has and all(has[i] for i in wanted) and not any(has[i] for i in absent):
                return time.monotonic() - since
        raise AssertionError(f"the seeder offers {has}")


@pytest.mark.real
def test_a_seeder_gives_the_rest_and_not_what_was_withdrawn(
    released: Longplay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = released.json("release", "cut", "--share", "100%")
    torrent = next(Path(path) for path in cut["torrents"] if re.search(r"-v\d+", path))
    files = metainfo.parse(torrent.read_bytes()).files
    gone, *rest = files
    lines = (released.archive / "releases" / "s1-0001" / "manifest.jsonl").read_text()
    row = next(line for line in lines.splitlines() if gone.root.hex() in line)
    recording = re.search(r"rec[0-9a-z]{13}", row)
    assert recording is not None
    with running(released, "seed") as said:
        address = said.readline().split()[-1]
        client = Leecher(torrent, tmp_path / "in", address)
        looker = Looker(torrent, tmp_path / "look", address)
        withdrawn = set(client.pieces("/".join(gone.path)))
        others = {piece for file in rest for piece in client.pieces("/".join(file.path))}
        looker.wait(withdrawn | others, set(), since=time.monotonic())
        claim, moment = decided(released, recording[0], Step.UPHOLD)
        seconds = looker.wait(others, withdrawn, since=moment)
        # And it is so: a client that wants everything gets the rest alone.
        client.connect()
        until = time.monotonic() + 60
        while time.monotonic() < until and not others <= have(client.torrent):
            time.sleep(0.1)
        assert others <= have(client.torrent)
        assert not withdrawn & have(client.torrent)
        _, moment = decided(released, recording[0], Step.RESTORE, claim)
        back = looker.wait(withdrawn | others, set(), since=moment)
    with capsys.disabled():
        print(f"\nout of reach after {seconds:.1f} s, back after {back:.1f} s, of {AT_ONCE:.0f}")


def have(torrent: Any) -> set[int]:
    """The pieces that a client has."""
    return {index for index, there in enumerate(torrent.status().pieces) if there}


@pytest.mark.real
def test_a_stream_in_flight_ends_soon_after_the_claim(
    longplay: Longplay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 44_100 * 240)).astype(np.float32)
    path = tmp_path / "label" / "long.flac"
    path.parent.mkdir()
    encode(noise, 44_100, path, "flac", Tags(title="Long", artists=("Ann",)))
    longplay.run("init", longplay.archive)
    longplay.run("source", "add", "label", "folder", path.parent, "--rights", BY)
    longplay.run("catalogue", "import", path.parent)
    longplay.run("plan")
    longplay.run("capture")
    recording = longplay.json("catalogue", "search", "Long")["hits"][0]["recording"]
    with running(longplay, "serve", "--port", port := free_port()):
        url = f"http://127.0.0.1:{port}/api/recordings/{recording}/stream"
        wait_for(url)
        read, moment = 0, 0.0
        with httpx.stream("GET", url, timeout=60) as got:
            size = int(got.headers["content-length"])
            assert size > 20_000_000
            try:
                for part in got.iter_raw(65_536):
                    read += len(part)
                    if not moment and read > 500_000:
                        _, moment = decided(longplay, recording, Step.UPHOLD)
                    time.sleep(0.02)
            except httpx.RemoteProtocolError:
                pass
        seconds = time.monotonic() - moment
        assert httpx.get(url).status_code == 451
    with capsys.disabled():
        print(f"\nthe stream ended {seconds:.1f} s after, {read:,} of {size:,} bytes read")
    assert read < size


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(url: str) -> None:
    for _ in range(300):
        try:
            if httpx.head(url, timeout=30).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def test_an_uphold_that_is_killed_has_happened_or_has_not(released: Longplay) -> None:
    recording = released.json("catalogue", "search", "Piece 1")["hits"][0]["recording"]
    with open_archive(released.archive) as archive:
        made = claims.add(archive, Request("A", "a", "mine", recordings=(recording,)))
    chance = random.Random(11)
    for _ in range(4):
        with subprocess.Popen(
            released.arguments("claim", "uphold", made.id, "--reason", "shown"),
            env=released.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                process.wait(chance.uniform(0.3, 4))
            except subprocess.TimeoutExpired:
                process.kill()
        with open_archive(released.archive) as archive:
            claim = claims.list_all(archive)[0]
            steps = [step.step for step in claim.steps]
            told = tombstones(archive)
            with archive.ledger.read() as connection:
                assert log.walk(connection).ok
                logged = connection.exec_driver_sql(
                    "SELECT count(*) FROM log WHERE event = 'claim uphold'"
                ).scalar()
        if claim.state == "open":
            assert (steps, told, logged) == (["add"], {}, 0)
        else:
            assert (steps, len(told), logged) == (["add", "uphold"], 1, 1)
            break
    released.run("claim", "uphold", made.id, expect=None)
    (found,) = released.json("claim", "list")
    assert (found["state"], [one["step"] for one in found["steps"]]) == (
        "upheld",
        ["add", "uphold"],
    )


def test_two_who_decide_at_once(released: Longplay) -> None:
    recording = released.json("catalogue", "search", "Piece 1")["hits"][0]["recording"]
    with open_archive(released.archive) as archive:
        made = claims.add(archive, Request("A", "a", "mine", recordings=(recording,)))
    commands = [
        subprocess.Popen(
            released.arguments("claim", step, made.id, "--reason", "shown"),
            env=released.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for step in ("reject", "reject")
    ]
    said = [command.communicate(timeout=120) for command in commands]
    won, lost = sorted(command.returncode for command in commands)
    assert (won, lost in (1, 2)) == (0, True)
    error = next(err for command, (_, err) in zip(commands, said, strict=True)
                 if command.returncode)  # fmt: skip
    assert re.search(r"a claim that is rejected cannot|somebody else decided", error)
    assert "Traceback" not in error


def test_words_of_strangers_move_no_terminal(released: Longplay) -> None:
    evil = "red \x1b[31m \x9b2J \x07 bell\rover"
    made = released.json(
        "claim", "add", "--who", evil, "--contact", "c", "--ground", evil,
        "--isrc", "QZLP02600001",
    )  # fmt: skip
    released.run("claim", "answer", made["claim"], "--who", evil, "--words", evil)
    texts = [
        released.run("claim", "list").out,
        released.run("claim", "list", "--json").out,
        released.run("claim", "uphold", made["claim"], "--reason", evil).out,
        released.run("claim", "reject", "cl\x1b[31m", "--reason", "x", expect=1).err,
    ]
    for text in texts:
        assert "red" in text or "no claim" in text
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)
    assert released.json("claim", "list")[0]["ground"] == evil
