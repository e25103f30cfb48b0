"""A watched folder: what comes to rest in it is taken in, and the command stops when asked."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.system.conftest import Longplay, song


def until(what: Callable[[], bool]) -> None:
    for _ in range(1200):
        if what():
            return
        time.sleep(0.1)
    raise AssertionError("it does not come")


def held(longplay: Longplay) -> int:
    return int(longplay.json("status")["objects"])


def test_what_comes_to_rest_in_a_watched_folder_is_taken_in(
    longplay: Longplay, tmp_path: Path
) -> None:
    folder = tmp_path / "music"
    song(folder / "a.flac", "flac", pitch=300, title="A", artists=("Ann",))
    longplay.run("init", longplay.archive)
    longplay.run("source", "add", "mine", "folder", folder, "--rights", "personal")
    said = tmp_path / "said"
    with (
        said.open("w") as err,
        subprocess.Popen(
            longplay.arguments("capture", "--watch", "1"),
            stdout=subprocess.DEVNULL,
            stderr=err,
            env=longplay.environment(),
        ) as watching,
    ):
        try:
            until(lambda: held(longplay) == 1)
            song(folder / "b.flac", "flac", pitch=400, title="B", artists=("Ann",))
            until(lambda: held(longplay) == 2)
            folder.rename(tmp_path / "away")  # a disk that disappears, and comes back
            time.sleep(2.5)
            folder.mkdir()  # what it was mounted on
            time.sleep(2.5)
            assert "no sound" not in said.read_text()
            (folder / "nothing is mounted here").touch()
            until(lambda: "no sound is left in it (what it offered" in said.read_text())
            assert longplay.json("catalogue", "stats")["tracks"] == 2
            shutil.rmtree(folder)
            (tmp_path / "away").rename(folder)
            song(folder / "c.flac", "flac", pitch=500, title="C", artists=("Ann",))
            until(lambda: held(longplay) == 3)
            watching.send_signal(signal.SIGTERM)
            watching.wait(timeout=60)
        finally:
            watching.kill()
    assert watching.returncode == 130
    assert "Traceback" not in said.read_text()
    assert said.read_text().count("no sound is left in it") == 1
    assert longplay.json("status")["quarantined"] == 0
    assert longplay.json("verify")["damaged"] == []
