"""Repair from what others serve: a web seed by HTTP range, and the swarm, as real processes."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.access.test_serve import free_port, wait_for
from tests.system.conftest import Longplay

BLOCK = 16 * 1024


@contextmanager
def running(longplay: Longplay, *words: object) -> Iterator[None]:
    process = subprocess.Popen(
        longplay.arguments(*words),
        env=longplay.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def say(longplay: Longplay, **sharing: str) -> None:
    """Write settings of `sharing`, with nothing told to the world."""
    path = longplay.archive / "longplay.toml"
    lines = "".join(f"{name} = {value}\n" for name, value in sharing.items())
    path.write_text(f"{path.read_text()}\n[sharing]\ndht = false\n{lines}")


@pytest.fixture
def pair(released: tuple[Path, Any], tmp_path: Path) -> tuple[Longplay, Longplay]:
    """An archive, and another that mirrors it."""
    made = []
    for name in ("whole", "torn"):
        shutil.copytree(released[0], tmp_path / name)
        made.append(Longplay(tmp_path / name))
    return made[0], made[1]


def tear(archive: Path) -> tuple[Path, bytes, list[int]]:
    """Damage two blocks of the largest released object."""
    path = max((archive / "objects").rglob("*.flac"), key=lambda one: one.stat().st_size)
    data = path.read_bytes()
    torn = bytearray(data)
    for block in (1, 4):
        torn[block * BLOCK] ^= 1
    path.write_bytes(torn)
    return path, data, [1, 4]


def lost_bytes(data: bytes, blocks: list[int]) -> int:
    return sum(len(data[block * BLOCK : (block + 1) * BLOCK]) for block in blocks)


def test_two_blocks_come_from_a_web_seed(pair: tuple[Longplay, Longplay]) -> None:
    whole, torn = pair
    path, data, blocks = tear(torn.archive)
    port = free_port()
    say(whole)
    say(torn, web_seeds=f'["http://127.0.0.1:{port}/seed/"]')
    with running(whole, "serve", "--port", port):
        wait_for(f"http://127.0.0.1:{port}/.well-known/tdmrep.json")
        found = torn.json("verify", "--repair", expect=3)
    root = path.name[:64]
    assert found["damaged"] == [{"object": root, "blocks": blocks, "repaired": True}]
    (source,) = found["repair"]["sources"]
    assert source["name"] == f"web seed http://127.0.0.1:{port}/seed/"
    assert (source["blocks"], source["requests"], source["refused"]) == (2, 2, 0)
    assert source["bytes"] == lost_bytes(data, blocks)
    assert path.read_bytes() == data
    assert torn.json("verify")["damaged"] == []


def test_a_web_seed_that_lies_is_named_and_what_it_cannot_mend_is_lost(
    pair: tuple[Longplay, Longplay],
) -> None:
    whole, torn = pair
    path, _, blocks = tear(torn.archive)
    tear(whole.archive)
    before = path.stat()
    port = free_port()
    say(whole)
    say(torn, web_seeds=f'["http://127.0.0.1:{port}/seed/"]')
    with running(whole, "serve", "--port", port):
        wait_for(f"http://127.0.0.1:{port}/.well-known/tdmrep.json")
        found = torn.json("verify", "--repair", expect=3)
    name, root = f"web seed http://127.0.0.1:{port}/seed/", path.name[:64]
    assert found["repair"]["refused"] == [
        {"source": name, "object": root, "why": f"block {block} is not the object's"}
        for block in blocks
    ]
    (lost,) = found["repair"]["lost"]
    assert (lost["object"], lost["blocks"]) == (root, blocks)
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.long
def test_the_swarm_is_asked_last_and_its_pieces_are_counted(
    pair: tuple[Longplay, Longplay],
) -> None:
    whole, torn = pair
    path, data, blocks = tear(torn.archive)
    port = free_port()
    tracker = f'["http://127.0.0.1:{port}/announce"]'
    say(whole, trackers=tracker, listen=f'"127.0.0.1:{free_port()}"')
    say(torn, trackers=tracker, listen='"127.0.0.1:0"', web_seeds='["http://127.0.0.1:9/"]')
    with running(whole, "serve", "--port", port):
        wait_for(f"http://127.0.0.1:{port}/.well-known/tdmrep.json")
        with running(whole, "seed"):
            found = torn.json("verify", "--repair", expect=3)
    assert path.read_bytes() == data
    down, swarm = found["repair"]["sources"]
    assert "ConnectError" in found["repair"]["refused"][0]["why"]
    assert (down["blocks"], swarm["blocks"]) == (0, 2)
    print(f"2 blocks from the swarm: {swarm['bytes']:,} bytes")
    assert lost_bytes(data, blocks) <= swarm["bytes"] <= 256 * 1024
