"""Hosts of a source that are down, throttle, lie, or send something else: through the command line.

After each, every row of the plan is held, quarantined with a reason, or still due; nothing is left
over; what was right is whole.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.capture.sources.host import (
    Handler,
    Host,
    answering,
    cut_after,
    raw,
    reset,
    serving,
)
from tests.system.conftest import Longplay, song

BY = "https://creativecommons.org/licenses/by/4.0/"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Fifteen songs, each with other sound."""
    made = Host()
    for number in range(15):
        path = song(
            tmp_path / "made" / f"{number}.flac", "flac", pitch=150 + 45 * number, seconds=2
        )
        made.files[f"/{number}.flac"] = path.read_bytes()
    with serving(made):
        yield made


@pytest.fixture
def longplay(tmp_path: Path) -> Longplay:
    return Longplay(tmp_path / "archive")


def listed(host: Host, folder: Path) -> Path:
    """A list of all that the host has, with checksums."""
    path = folder / "list.jsonl"
    rows = (
        {
            "url": host.address + name,
            "artist": "Ann",
            "title": f"Piece {number}",
            "rights": BY,
            "popularity": 100 - number,
            "checksum": hashlib.sha256(data).hexdigest(),
        }
        for number, (name, data) in enumerate(host.files.items())
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def planned(longplay: Longplay, location: Path, *more: object) -> None:
    longplay.run("init", longplay.archive)
    longplay.run(
        *("source", "add", "web", "http", location, "--rights", "personal", "--private"),
        *("--connections", 4, "--per-second", 1000, *more),
    )
    longplay.run("source", "refresh", "web")
    longplay.run("plan")


def rows(longplay: Longplay, query: str) -> list[Any]:
    with closing(sqlite3.connect(longplay.archive / "ledger.sqlite3")) as ledger:
        return ledger.execute(query).fetchall()


def require_whole(longplay: Longplay, held: int) -> None:
    """What is held is whole and nothing lies about."""
    found = longplay.json("verify")
    assert (found["damaged"], found["missing"], found["unknown_files"]) == ([], [], [])
    assert found["checked"] == held
    stray = [path for path in longplay.archive.rglob("*.part") if path.is_file()]
    assert stray == []


def endless(handler: Handler) -> bool:
    """Sound that never ends, of no length."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    sent = 0
    try:
        while sent < 10**9:
            sent += handler.wfile.write(b"fLaC" * 10_000)
    except OSError:
        handler.host.headers["Sent"] = str(sent)
    handler.close_connection = True
    return True


@pytest.mark.long
def test_a_host_that_fails_lies_and_refuses(tmp_path: Path, host: Host, longplay: Longplay) -> None:
    sizes = {name: len(data) for name, data in host.files.items()}
    whole, other = host.files["/8.flac"], host.files["/14.flac"]
    planned(longplay, listed(host, tmp_path))
    settings = longplay.archive / "longplay.toml"
    settings.write_text(settings.read_text().replace("per_second", "file_gb = 0.01\nper_second"))
    host.robots = (200, b"User-agent: *\nDisallow: /13\n")
    late = str(sizes["/3.flac"] + 999)
    host.upon = {
        # for a while
        "/0.flac": [answering(503, Retry_After="1"), answering(429, Retry_After="1")],
        "/1.flac": [reset, answering(500)],
        "/2.flac": [cut_after(10_000), cut_after(10_000)],
        "/3.flac": [answering(200, host.files["/3.flac"], Content_Length=late)],
        "/4.flac": [raw(b"HTTP/1.1 200 OK\r\nContent-Le"), raw(b"220 mail.test ready\r\n")],
        # for good
        "/5.flac": [answering(200, b"<!doctype html><p>Pay", Content_Type="text/html")] * 9,
        "/6.flac": [answering(200, b"<html>Sorry", Content_Type="audio/flac")] * 9,
        "/7.flac": [answering(200, other)] * 9,
        "/8.flac": [answering(200, whole, Content_Length=str(len(whole) // 2))] * 9,
        "/9.flac": [answering(404)] * 9,
        "/10.flac": [answering(200, b"\x1f\x8b", Content_Encoding="gzip")] * 9,
        "/11.flac": [endless] * 9,
        "/12.flac": [answering(302, Location="/12.flac")] * 20,
    }
    done = longplay.json("capture", "--workers", 2)
    assert (done["captured"], done["quarantined"], done["failed"]) == (6, 9, 0)
    assert done["bytes"] == sum(sizes[f"/{number}.flac"] for number in (0, 1, 2, 3, 4, 14))
    ranges = [span for path, span, _ in host.asked if path == "/2.flac"]
    assert ranges[0] is None
    assert len(ranges[1:]) == len(list(filter(None, ranges[1:]))) == 2, "it goes on where it was"
    told = {
        path.decode().rpartition("/")[2]: reason
        for path, reason in rows(longplay, "SELECT path, reason FROM quarantine")
    }
    words = [
        "a web page instead of sound", "a web page instead of sound",
        "is not the file that was listed", "is not the file that was listed",
        "does not have it", "sends it as gzip", "sends more than 10,000,000 bytes",
        "redirects more than 5 times", "robots.txt forbids it to programmes",
    ]  # fmt: skip
    assert sorted(told) == sorted(f"{number}.flac" for number in range(5, 14))
    for number, said in enumerate(words, 5):
        assert said in told[f"{number}.flac"], told
    assert int(host.headers["Sent"]) < 50_000_000, "what never ends is not read for long"
    assert "/13.flac" not in host.paths()
    require_whole(longplay, 6)


@pytest.mark.long
def test_a_host_that_asks_for_hours_is_left_and_its_files_stay_due(
    tmp_path: Path, host: Host, longplay: Longplay
) -> None:
    other = Host({"/x.flac": song(tmp_path / "x.flac", "flac", pitch=99).read_bytes()})
    with serving(other):
        text = listed(host, tmp_path).read_text()
        text += listed(other, tmp_path).read_text().replace("Piece", "Another")
        (tmp_path / "list.jsonl").write_text(text)
        planned(longplay, tmp_path / "list.jsonl", "--connections", 1)
        host.upon = {"/2.flac": [answering(503, Retry_After="7200")] * 9}
        done = longplay.json("capture", "--workers", 2, expect=1)
    assert (done["captured"], done["quarantined"], done["failed"]) == (3, 0, 13)
    assert longplay.json("status")["due"] == 13
    assert host.paths() == ["/0.flac", "/1.flac", "/2.flac"], "it is not asked again"
    require_whole(longplay, 3)
