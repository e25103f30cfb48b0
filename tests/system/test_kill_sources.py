"""A capture from a web host, killed at any moment: the same archive, and hardly a byte twice."""

from __future__ import annotations

import csv
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.capture.sources.host import Handler, Host, serving
from tests.system.conftest import Longplay, song
from tests.system.state import differences, state
from tests.system.test_kill import run_until, wait_for_workers

KILLS = 3
PIECE = 8192
SECONDS = 0.02
"""The host sends a piece in so many seconds: a song takes some."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host()
    for number in range(10):
        path = song(
            tmp_path / "songs" / f"{number}.flac", "flac", pitch=200 + 30 * number, seconds=8
        )
        host.files[f"/{number}.flac"] = path.read_bytes()
    with serving(host):
        yield host


def listed(host: Host, path: Path) -> Path:
    with path.open("w") as out:
        rows = csv.writer(out)
        rows.writerow(["url", "artist", "title", "listens", "rights"])
        for number in range(10):
            rows.writerow([f"{host.address}/{number}.flac", "Ann", f"Song {number}", 100, "CC0"])
    return path


def prepare(longplay: Longplay, sheet: Path) -> None:
    longplay.run("init", longplay.archive)
    options = ["--private", "--per-second", "50", "--connections", "3"]
    longplay.run("source", "add", "web", "http", sheet, "--rights", "personal", *options)
    longplay.run("source", "refresh")
    longplay.run("plan")


def slowly(sent: list[int]) -> object:
    """Answers as the host does, piece by piece, and counts what went out."""

    def fault(handler: Handler) -> bool:
        plain = handler.wfile
        handler.wfile = _Slow(plain, sent)  # type: ignore[assignment]
        handler.file(handler.path)
        handler.wfile = plain
        return True

    return fault


class _Slow:
    def __init__(self, out: object, sent: list[int]) -> None:
        self._out, self._sent = out, sent

    def write(self, data: bytes) -> int:
        if data.startswith(b"HTTP/"):
            return self._out.write(data)  # type: ignore[attr-defined,no-any-return]
        for at in range(0, len(data), PIECE):
            self._out.write(data[at : at + PIECE])  # type: ignore[attr-defined]
            self._sent.append(len(data[at : at + PIECE]))
            time.sleep(SECONDS)
        return len(data)

    def flush(self) -> None:
        self._out.flush()  # type: ignore[attr-defined]

    def close(self) -> None:
        self._out.close()  # type: ignore[attr-defined]

    @property
    def closed(self) -> bool:
        return bool(self._out.closed)  # type: ignore[attr-defined]


def kill_after(longplay: Longplay, sent: list[int], count: int) -> None:
    """Run a capture, and kill it with all its workers once the host has sent so many bytes."""
    with subprocess.Popen(
        longplay.arguments("capture"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=longplay.environment(),
    ) as process:
        while sum(sent) < count:
            assert process.poll() is None
            time.sleep(SECONDS)
        process.kill()
        process.wait()
        wait_for_workers(process.pid)


@pytest.mark.long
def test_what_came_before_a_kill_does_not_come_again(
    longplay: Longplay, tmp_path: Path, host: Host
) -> None:
    sheet = listed(host, tmp_path / "list.csv")
    calm = Longplay(tmp_path / "calm")
    for one in (calm, longplay):
        prepare(one, sheet)
    assert not run_until(calm, ["capture"], None)
    sent: list[int] = []
    host.faults = [slowly(sent)] * 10_000  # type: ignore[list-item]
    host.asked.clear()
    needed = sum(map(len, host.files.values()))
    for at in range(1, KILLS + 1):
        kill_after(longplay, sent, needed * at // (KILLS + 1))
    last = longplay.json("capture")
    print(f"{sum(sent):,} bytes sent, {needed:,} needed, {KILLS} kills; then {last}")
    assert last["captured"] + last["already_held"] == 10
    # What a kill costs: what was on its way in the sockets of three transfers.
    assert needed <= sum(sent) <= needed + KILLS * 3 * 32 * PIECE
    assert last["rehashed"] <= 3 * max(map(len, host.files.values()))
    assert any(span and span != "bytes=0-" for _, span, _ in host.asked)
    assert differences(state(calm.archive), state(longplay.archive)) == {}
    assert longplay.json("verify")["damaged"] == []
