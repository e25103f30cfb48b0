"""`kill -9` at any moment, and the same command again: as if nothing had happened."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.system.conftest import Longplay, song
from tests.system.state import differences, state


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    for number in range(12):
        song(
            folder / f"{number:02}.{('flac', 'mp3', 'ogg')[number % 3]}",
            ("flac", "mp3", "vorbis")[number % 3],  # type: ignore[arg-type]
            pitch=150 + 45 * number,
            title=f"Piece {number}",
            artists=("Ann",),
            album="One",
            track_number=number,
            licences=("https://creativecommons.org/licenses/by/4.0/",),
        )
    (folder / "broken.mp3").write_bytes(b"no sound" * 1000)
    return folder


def run_until(longplay: Longplay, words: list[object], seconds: float | None) -> bool:
    """Run a command, or kill it with all its workers after some seconds; whether it was killed."""
    with subprocess.Popen(
        longplay.arguments(*words),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=longplay.environment(),
    ) as process:
        try:
            assert process.wait(timeout=seconds or 300) == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            wait_for_workers(process.pid)
            return True
    return False


def members(session: int) -> list[int]:
    """The living processes of a session (proc(5): the sixth field of stat, the state the third)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def wait_for_workers(session: int) -> None:
    """Workers die with the command that started them; give the kernel a moment to do it."""
    for _ in range(200):
        if not members(session):
            return
        time.sleep(0.05)
    raise AssertionError("workers outlive the command that started them")


def disturbed(
    longplay: Longplay, words: list[object], kills: int, *, longest: float, seed: int
) -> None:
    """Run a command, killing it at `kills` random moments before letting it end."""
    chance = random.Random(seed)
    done = 0
    for _ in range(4 * kills):
        done += run_until(longplay, words, chance.uniform(0.05, longest))
        if done == kills:
            break
    assert done == kills
    assert not run_until(longplay, words, None)


def check(longplay: Longplay, tmp_path: Path, songs: Path, kills: int, seed: int) -> None:
    print(f"seed {seed}")
    calm = Longplay(tmp_path / "calm")
    keep = ["keep", songs]
    cut = ["release", "cut"]
    for words in (keep, cut):
        assert not run_until(calm, words, None)
    disturbed(longplay, keep, kills, longest=4, seed=seed)
    disturbed(longplay, cut, kills, longest=1.2, seed=seed + 1)
    assert differences(state(calm.archive), state(longplay.archive)) == {}
    found = longplay.json("verify")
    assert found["log"]["ok"]
    wrong = ("damaged", "missing", "unvouched", "unknown_files", "damaged_evidence")
    assert [found[name] for name in wrong] == [[]] * len(wrong)


@pytest.mark.parametrize("seed", [1])
def test_a_few_kills_change_nothing(
    longplay: Longplay, tmp_path: Path, songs: Path, seed: int
) -> None:
    check(longplay, tmp_path, songs, 2, seed)


@pytest.mark.long
def test_thirty_kills_change_nothing(longplay: Longplay, tmp_path: Path, songs: Path) -> None:
    check(longplay, tmp_path, songs, 15, random.randrange(10**6))
