"""`kill -9` of a mirror at any moment, and the same command again: as if nothing had happened."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from longplay.archive import open_archive
from longplay.workflows import verifying
from tests.system.state import differences, state
from tests.workflows.mirrored import Published, follow, honest, mirror_in, serving


def slowly(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """A web seed that leaves time to be killed between files."""
    from time import sleep

    sleep(0.3)
    honest(handler, data)


def killed(words: list[str], seconds: float) -> bool:
    """Run the command, or kill it after some seconds; whether it was killed."""
    with subprocess.Popen(
        [sys.executable, "-m", "longplay", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.wait(timeout=seconds) == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return True
    return False


def compare(tmp_path: Path, kills: int, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    published = Published(tmp_path / "origin")
    with serving(published, slowly) as address:
        published.seeds = (f"{address}/seed/",)
        published.publish()
        feed = f"{address}/releases/feed.json"
        calm, disturbed = mirror_in(tmp_path / "calm"), mirror_in(tmp_path / "disturbed")
        wanted = follow(calm, feed)
        done = sum(
            killed(["mirror", feed, str(disturbed)], chance.uniform(0.8, 6)) for _ in range(kills)
        )
        print(f"killed {done} of {kills} times")
        found = follow(disturbed, feed)
    assert (found["objects"], found["missing"]) == (wanted["objects"], 0)
    one, other = state(calm), state(disturbed)
    for both in (one, other):  # how many batches there were depends on when it was killed
        both.pop("evidence_file")
    assert differences(one, other) == {}
    assert list((disturbed / "arriving").iterdir()) == []
    with open_archive(disturbed) as archive:
        assert verifying.verify(archive, progress=lambda *_: None).sound


def test_a_kill_changes_nothing(tmp_path: Path) -> None:
    compare(tmp_path, 2, 1)


@pytest.mark.long
def test_ten_kills_change_nothing(tmp_path: Path) -> None:
    compare(tmp_path, 10, random.randrange(10**6))
