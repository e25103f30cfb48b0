"""Ctrl-C or SIGTERM while a library has the word: the command stops, and says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.system.conftest import Longplay

STOPPED = """
import os, signal, sys
MOMENT = sys.argv.pop()
from longplay.cli.main import run
from longplay.errors import StoreError
from longplay.workflows import verifying

def verify(*given, **named):
    try:
        os.kill(os.getpid(), signal.SIGINT if MOMENT == "Ctrl-C" else signal.SIGTERM)
    except KeyboardInterrupt:
        if MOMENT == "in a query":  # as DuckDB says it now and then
            raise RuntimeError("Query interrupted") from None
        if MOMENT == "and then an error":
            raise StoreError("the disk is full", where="here") from None
        raise

verifying.verify = verify
if MOMENT == "before it begins":
    from longplay import telemetry
    telemetry.start = lambda _: os.kill(os.getpid(), signal.SIGTERM)
run()
"""


def stopped(longplay: Longplay, moment: str) -> tuple[int, str]:
    longplay.run("init", longplay.archive)
    done = subprocess.run(
        ["env", "--default-signal=INT", sys.executable, "-c", STOPPED, "verify", moment],
        env=longplay.environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("moment", ["Ctrl-C", "SIGTERM", "in a query", "before it begins"])
def test_it_stops_and_says_so(longplay: Longplay, moment: str) -> None:
    assert stopped(longplay, moment) == (130, "stopped; the same command goes on from here\n")


def test_what_goes_wrong_in_the_last_steps_is_told(longplay: Longplay) -> None:
    status, said = stopped(longplay, "and then an error")
    assert (status, said.splitlines()) == (1, ["longplay: here: the disk is full"])


def test_at_the_keyboard_all_its_processes_hear_of_it_and_one_speaks(
    longplay: Longplay, tmp_path: Path
) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "one.txt").write_text("words")
    words = ["env", "--default-signal=INT", *longplay.arguments("keep", tmp_path / "music")]
    found = []
    for seconds in (1.0, 1.3, 1.7):
        with subprocess.Popen(
            words, env=longplay.environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
            text=True, start_new_session=True,
        ) as process:  # fmt: skip
            time.sleep(seconds)
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate()
        found.append((process.returncode, said))
    stopped = (130, "stopped; the same command goes on from here\n")
    assert stopped in found
    assert set(found) <= {stopped, (0, "")}  # a fast machine may be done by then


@pytest.mark.parametrize("closed", ["2>&-", "<&-", "<&- 2>&-"])
def test_nobody_need_listen(longplay: Longplay, closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m longplay --version {closed}', sys.executable],
        env=longplay.environment(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout.startswith(b"longplay")) == (0, True)
