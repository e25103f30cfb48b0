"""Strawberry, Debian's music player, unchanged: logs in, copies the library, plays from it.

It runs on a screen of its own, moved by a pointer of its own, and may ask no stranger for words and
pictures of what it plays. A click that comes before its window is there does nothing, so each is
repeated until what it is for has happened.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.access.subsonic import clients
from tests.access.subsonic.serving import PASSWORD, Serving, serving

pytestmark = [pytest.mark.real, pytest.mark.long]

TAB, REFRESH, FIRST_ARTIST = ("41", "610"), ("165", "66"), ("155", "108")
"""Where on its window things are: x and y."""

TITLES = {"Piece", "Quiet & loud", "Zug", "<script>alert(1)</script>", "Own"}
IN_ORDER = ["Quiet & loud", "Piece", "Zug"]
"""The first artist's, by disc and track."""


@dataclass(frozen=True)
class Player:
    """The program, at home in a folder, on a screen."""

    home: Path
    screen: str

    @property
    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    @property
    def copied(self) -> set[str]:
        """The titles in its own copy of the library."""
        for path in self.home.rglob("strawberry.db"):
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                try:
                    found = database.execute("SELECT title FROM subsonic_songs").fetchall()
                except sqlite3.OperationalError:  # it has made no table yet, or is writing
                    continue
                return {title for (title,) in found}
        return set()

    @property
    def played(self) -> list[str]:
        """The titles that it began to play."""
        return re.findall(r'Playing song "(.*?)" QUrl', self.log)

    def click(self, *places: tuple[str, str], times: int = 1) -> None:
        for x, y in places:
            words = ["mousemove", x, y, "sleep", "0.2", "click", "--repeat", str(times)]
            subprocess.run(
                ["xdotool", *words, "--delay", "60", "1", "sleep", "0.5"],
                env={"PATH": os.environ["PATH"], "DISPLAY": self.screen},
                check=True,
            )


def until(happened: Callable[[], bool], deed: Callable[[], None] | None = None) -> None:
    """Wait for something, and do what brings it about every 20 seconds again."""
    for tick in range(600):
        if happened():
            return
        if deed and tick % 100 == 0:
            deed()
        time.sleep(0.2)
    raise AssertionError("it did not happen")


def settings(home: Path, served: Serving, *, token: bool) -> None:
    """What one would have chosen in its dialogues. A double click plays at once and puts the list
    in place of the one before; the sound goes nowhere, and takes its time for that."""
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
        "doubleclick_addmode=3\ndoubleclick_playmode=3\n"
        "[Backend]\nengine=GStreamer\noutput=udpsink\nbufferduration=500\n"
        "[MainWindow]\ndo_not_show_sponsor_message=true\n"
    )


@contextmanager
def screen() -> Iterator[str]:
    """A screen that nobody sees; its name."""
    told, tells = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(tells), "-screen", "0", "1280x900x24"],
        pass_fds=[tells],
        stderr=subprocess.DEVNULL,
    )
    os.close(tells)
    try:
        with os.fdopen(told) as said:
            yield f":{said.readline().strip()}"
    finally:
        server.terminate()
        server.wait(timeout=60)


@contextmanager
def running(home: Path) -> Iterator[Player]:
    """The player, from its start to its end."""
    with screen() as shown, (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["dbus-run-session", "--", "strawberry", "--verbose"],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "DISPLAY": shown,
                "https_proxy": "http://127.0.0.1:9",
            },
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield Player(home, shown)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)


@pytest.mark.parametrize("token", [False, True], ids=["password", "token"])
def test_logs_in_copies_the_library_and_plays(
    shelved: Path, tmp_path: Path, program: Callable[[str], str], token: bool
) -> None:
    for name in ("strawberry", "Xvfb", "xdotool", "dbus-run-session"):
        program(name)
    with serving(shelved, tmp_path) as served:
        settings(tmp_path, served, token=token)
        with running(tmp_path) as player:
            until(lambda: "MainWindow:1040" in player.log)
            until(lambda: player.copied == TITLES, lambda: player.click(TAB, REFRESH))
            # The next one begins when the one before has been played to its end. On a busy machine
            # the player itself may stand still between tracks of two seconds: it begins again.
            until(
                lambda: list(dict.fromkeys(player.played)) == IN_ORDER,
                lambda: player.click(FIRST_ARTIST, times=2),
            )
        until(lambda: len(whole_streams(served.archive)) == len(IN_ORDER))
        clients.check("Strawberry 1.0.14", served.between.calls)


def whole_streams(archive: Path) -> set[str]:
    """The tracks of which all two seconds were handed out at once."""
    lines = (archive / "access.log.jsonl").read_text().splitlines()
    heard = [one for one in map(json.loads, lines) if one["action"] == "play"]
    return {one["track"] for one in heard if one["listened_s"] == 2}
