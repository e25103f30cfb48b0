"""Strawberry, Debian's music player, unchanged: logs in, copies the library, plays from it.

It runs on a screen of its own, moved by a pointer of its own, and may ask no stranger for words and
pictures of what it plays.
"""

from __future__ import annotations

import base64
import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.access.subsonic.serving import PASSWORD, Serving, serving

pytestmark = [pytest.mark.real, pytest.mark.long]

TAB, REFRESH, FIRST_ARTIST, PLAY = "41 610", "165 66", "155 108", "320 636"
"""Where on its window things are: x and y."""

SCRIPT = f"""
strawberry --verbose >"$HOME/log" 2>&1 &
player=$!
wait_for() {{ for _ in $(seq 300); do grep -q "$1" "$HOME/log" && return; sleep 0.2; done; }}
wait_for "MainWindow:1040"
sleep 2
xdotool mousemove {TAB} click 1; sleep 2
xdotool mousemove {REFRESH} click 1; sleep 10
xdotool mousemove {FIRST_ARTIST} click --repeat 2 --delay 80 1; sleep 3
xdotool mousemove {PLAY} click 1
wait_for "Playing song"; sleep 5
kill $player
wait $player
true
"""


def settings(home: Path, served: Serving, *, token: bool) -> None:
    folder = home / ".config" / "strawberry"
    folder.mkdir(parents=True)
    secret = served.app_password if token else PASSWORD
    written = base64.b64encode(secret.encode()).decode()
    (folder / "strawberry.conf").write_text(
        f"[Subsonic]\nenabled=true\nurl={served.address}\nusername=client\n"
        f"password=@ByteArray({written})\nauthmethod={int(token)}\nserversidescrobbling=true\n"
        "[Scrobbler]\nenabled=true\nsources=@Invalid()\n"
        "[Lyrics]\nproviders=none\n[CoverProviders]\nproviders=none\n[Covers]\nproviders=none\n"
        "[Behaviour]\nshowtrayicon=false\nkeeprunning=false\n"
        "[Backend]\nengine=GStreamer\noutput=fakesink\n"
        "[MainWindow]\ndo_not_show_sponsor_message=true\n"
    )


def test_logs_in_copies_the_library_and_plays(
    shelved: Path, tmp_path: Path, program: Callable[[str], str]
) -> None:
    for name in ("strawberry", "xvfb-run", "xdotool", "dbus-run-session"):
        program(name)
    with serving(shelved, tmp_path) as served:
        for token in (False, True):
            home = tmp_path / f"home-{token}"
            settings(home, served, token=token)
            listen(home)
            titles = synchronised(home)
            assert titles == {"Piece", "Quiet & loud", "Zug", "<script>alert(1)</script>", "Own"}
            log = (home / "log").read_text(errors="replace")
            # The next one begins when the one before has been played to its end.
            assert log.count("Playing song ") == 3
        assert {"getAlbumList2", "getAlbum", "stream"} <= set(served.between.calls)
        assert served.between.calls["stream"] == {"ok"}


def listen(home: Path) -> None:
    screen = ["xvfb-run", "-a", "-s", "-screen 0 1280x900x24"]
    done = subprocess.run(
        ["dbus-run-session", "--", *screen, "sh", "-c", SCRIPT],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "https_proxy": "http://127.0.0.1:9",
        },
        timeout=180,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert done.returncode == 0


def synchronised(home: Path) -> set[str]:
    """The titles in the player's own copy of the library."""
    (path,) = home.rglob("strawberry.db")
    with closing(sqlite3.connect(path)) as database:
        return {title for (title,) in database.execute("SELECT title FROM subsonic_songs")}
