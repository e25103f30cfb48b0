"""`status --watch` as a person sees it: on a terminal a screen, elsewhere lines, until Ctrl-C."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

from tests.system.conftest import Longplay

PATIENCE = 120.0
"""Seconds until the first picture; a loaded machine takes its time."""


HEARING = ["env", "--default-signal=INT"]
"""As at a terminal: what runs in a shell's background inherits that it does not hear Ctrl-C."""


def test_a_screen_that_ctrl_c_ends(longplay: Longplay) -> None:
    longplay.run("init", longplay.archive)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*HEARING, *longplay.arguments("status", "--watch", "--every", "0.3")],
        env={**longplay.environment(), "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    seen, end = b"", time.monotonic() + PATIENCE
    while seen.count(b"share of listens") < 2 and time.monotonic() < end:
        if select.select([ours], [], [], 1.0)[0]:
            seen += os.read(ours, 65_536)
    assert seen.count(b"share of listens") >= 2
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    os.close(ours)
    assert b"\x1b[?1049h" in seen  # the screen of its own, so that the terminal is as it was


def test_lines_where_there_is_no_terminal(longplay: Longplay, tmp_path: Path) -> None:
    longplay.run("init", longplay.archive)
    place = tmp_path / "out"
    with place.open("wb") as out:
        process = subprocess.Popen(
            [*HEARING, *longplay.arguments("status", "--watch", "--every", "0.3")],
            env=longplay.environment(), stdout=out, stderr=subprocess.PIPE,
        )  # fmt: skip
        end = time.monotonic() + PATIENCE
        while place.read_text().count("objects open") < 2 and time.monotonic() < end:
            time.sleep(0.1)
        assert place.read_text().count("objects open") >= 2
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert "\x1b" not in place.read_text()


def test_a_screen_is_no_json(longplay: Longplay) -> None:
    longplay.run("init", longplay.archive)
    refused = longplay.json("status", "--watch", expect=2)
    assert "exclude each other" in refused["error"]["message"]
