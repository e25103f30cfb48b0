"""A swarm on loopback, each party with an address of its own: a seeder that dies half way, three
mirrors with different budgets, a web seed, and the clients that others use."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from longplay.torrent import metainfo
from tests.system.conftest import Longplay
from tests.system.mirroring import (
    Origin,
    check,
    free_port,
    make,
    mirror_in,
    process,
    seeded,
    served,
    share,
    stored,
)

SECONDS = 240
SONGS = 12
QBITTORRENT = """
[LegalNotice]
Accepted=true
[Preferences]
WebUI\\Address=127.0.0.1
WebUI\\LocalHostAuth=false
[BitTorrent]
Session\\Interface=lo
Session\\InterfaceAddress={host}
Session\\Port={port}
Session\\DHTEnabled=false
Session\\LSDEnabled=false
Session\\PeXEnabled=true
[Network]
PortForwardingEnabled=false
"""


def wait_for(what: Callable[[], bool], why: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end, why()
        time.sleep(0.1)


@contextmanager
def qbittorrent(program: str, folder: Path, host: str, magnet: str) -> Iterator[Callable[[], Any]]:
    """qBittorrent on one magnet; gives what it says of it."""
    web, port = free_port(), free_port(host)
    settings = folder / "profile" / "qBittorrent" / "config" / "qBittorrent.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(QBITTORRENT.format(host=host, port=port))
    command = [program, f"--profile={folder / 'profile'}", f"--webui-port={web}"]
    command += [f"--save-path={folder / 'here'}", "--skip-dialog=true", magnet]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask() -> list[dict[str, Any]]:
        try:
            with urlopen(Request(f"http://127.0.0.1:{web}/api/v2/torrents/info")) as answer:
                found: list[dict[str, Any]] = json.load(answer)
                return found
        except OSError:
            assert running.poll() is None, "qBittorrent ended"
            return []

    try:
        yield ask
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()


def payload(origin: Origin, torrent: Path) -> dict[str, bytes]:
    """What a client must end up with, by path below its folder."""
    parsed = metainfo.parse(torrent.read_bytes())
    objects = origin.objects()
    return {"/".join((parsed.name, *file.path)): objects[file.root.hex()] for file in parsed.files}


def brought(folder: Path, expected: dict[str, bytes]) -> bool:
    return all(
        (folder / path).is_file() and (folder / path).read_bytes() == data
        for path, data in expected.items()
    )


@pytest.mark.real
@pytest.mark.long
def test_a_swarm_outlives_its_seeder(tmp_path: Path, program: Callable[[str], str]) -> None:
    aria2c, qbittorrent_nox = program("aria2c"), program("qbittorrent-nox")
    origin = make(tmp_path, songs=SONGS, seconds=30, host="127.0.1.1")
    made = origin.longplay.json("release", "cut", "--share", "100%")
    volumes = made["releases"][0]["volumes"]
    volume = max(volumes, key=lambda one: one["bytes"])
    torrent = Path(volume["torrent"])
    expected = payload(origin, torrent)
    size = sum(map(len, expected.values()))
    # The archive that is served is another copy than the one that seeds: each can be stopped alone.
    copy = Longplay(tmp_path / "served")
    shutil.copytree(origin.longplay.archive, copy.archive)
    share(origin.longplay, listen="127.0.1.2:0", more=f'address = "{origin.address}"')
    budgets = [None, int(0.7 * size), int(0.4 * size)]
    mirrors = [
        mirror_in(tmp_path / f"mirror{number}", listen=f"127.0.1.{10 + number}:0", patience=90)
        for number in range(3)
    ]
    started = time.monotonic()
    with ExitStack() as stack:
        stack.enter_context(served(copy, origin.host, origin.port))
        seeder, _ = stack.enter_context(process(origin.longplay, ["seed"], r"on (\S+:\d+)"))
        running = []
        for mirror, budget in zip(mirrors, budgets, strict=True):
            words: list[object] = ["mirror", origin.feed, mirror.archive, "--json"]
            words += ["--budget", budget] if budget else []
            running.append(
                stack.enter_context(
                    subprocess.Popen(
                        mirror.arguments(*words),
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        text=True,
                        env=mirror.environment(),
                    )
                )
            )
        tracker = f"&tr={origin.address}/announce"
        qb = tmp_path / "qb"
        ask = stack.enter_context(
            qbittorrent(qbittorrent_nox, qb, "127.0.1.20", volume["magnet_v2"] + tracker)
        )
        wait_for(lambda: half(mirrors, size), lambda: [count(one) for one in mirrors])
        seeder.kill()
        killed = time.monotonic() - started
        aria = tmp_path / "aria"
        aria.mkdir()
        v1 = subprocess.run(
            [
                aria2c, f"--torrent-file={torrent}", f"{origin.address}/seed/", f"--dir={aria}",
                "--enable-dht=false", "--bt-enable-lpd=false", "--seed-time=0",
                "--interface=127.0.1.30", "--bt-stop-timeout=60", "--allow-overwrite=true",
            ],
            capture_output=True, text=True, check=False, timeout=SECONDS, cwd=aria,
        )  # fmt: skip
        told = [json.loads(one.communicate(timeout=SECONDS)[0]) for one in running]
        offering = [stack.enter_context(seeded(one)) for one in mirrors]
        wait_for(lambda: any(one["progress"] == 1 for one in ask()), ask)
        facts = ask()[0]
    print(json.dumps({
        "objects": len(expected), "bytes": size, "seeder_killed_after_s": round(killed, 1),
        "all_done_after_s": round(time.monotonic() - started, 1), "mirrors": told,
        "aria2": v1.returncode, "qbittorrent": facts["downloaded"], "offering": offering,
    }, indent=1))  # fmt: skip
    assert [one.returncode for one in running] == [0, 0, 0]
    for mirror, found, budget in zip(mirrors, told, budgets, strict=True):
        assert found["missing"] == 0
        assert check(mirror) == found["objects"] > 0
        assert budget is None or found["bytes"] <= budget
        for root, data in origin.objects().items():
            for place in stored(mirror.archive, root):
                assert place.read_bytes() == data
    assert told[0]["objects"] == len(expected) > told[1]["objects"] > told[2]["objects"]
    assert v1.returncode == 0, v1.stdout[-2000:]
    assert brought(aria, expected)
    assert brought(qb / "here", expected)
    assert (facts["infohash_v1"], facts["infohash_v2"]) == (
        volume["info_hash_v1"],
        volume["info_hash_v2"],
    )


def count(mirror: Longplay) -> int:
    return sum(path.stat().st_size for path in (mirror.archive / "objects").glob("??/??/*"))


def half(mirrors: list[Longplay], size: int) -> bool:
    return count(mirrors[0]) * 2 >= size
