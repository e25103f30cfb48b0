"""The access log: one line an event, whole, in files that turn."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from longplay import clock
from longplay.access import log
from longplay.access.log import FILE, AccessLog, Play
from longplay.settings import Serving


def lines(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.glob(f"{FILE}*")):
        found += [json.loads(line) for line in path.read_text().splitlines()]
    return found


def test_an_event_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "timestamp", lambda: "2026-11-29T01:02:03.004Z")
    written = AccessLog(tmp_path, Serving())
    written.note(7, "127.0.0.1", "tr0000000000001", 1234, 5.678, "play")
    written.close()
    assert (tmp_path / FILE).read_text() == (
        '{"time":"2026-11-29T01:02:03.004Z","account":7,"address":"127.0.0.1",'
        '"track":"tr0000000000001","bytes":1234,"listened_s":5.7,"action":"play"}\n'
    )


def test_ranges_of_one_play_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    written = AccessLog(tmp_path, Serving())
    play = Play(7, "::1", "tr1", 60.0)
    for _ in range(4):
        written.heard(play, 1000, 10.0, download=False)
        now[0] += 1
    written.heard(Play(8, "::1", "tr1", 60.0), 100, 1.0, download=False)
    written.heard(Play(8, "::1", "tr2", 60.0), 100, 1.0, download=True)
    now[0] += log.SETTLE_SECONDS + 5
    written.heard(play, 1000, 10.0, download=False)
    written.close()
    facts = [(one["account"], one["bytes"], one["listened_s"], one["action"])
             for one in lines(tmp_path)]  # fmt: skip
    assert sorted(facts) == [
        (7, 1000, 10.0, "skip"),
        (7, 4000, 40.0, "play"),
        (8, 100, 0.0, "download"),
        (8, 100, 1.0, "skip"),
    ]


def test_a_line_says_which_parts_of_a_track_it_is(tmp_path: Path) -> None:
    written = AccessLog(tmp_path, Serving())
    heard = {
        "in order": [(0.0, 0.25), (0.25, 0.5)],
        "backwards and again": [(0.5, 1.0), (0.25, 0.5), (0.4, 0.6)],
        "apart": [(0.0, 0.1), (0.9, 1.0)],
        "not known": [(0.0, 0.1), None],
        "tiny": [(0.3, 0.3)],
    }
    for track, parts in heard.items():
        for part in parts:
            written.heard(Play(7, "::1", track, 60.0), 1000, 1.0, part, download=False)
    written.heard(Play(7, "::1", "taken", 60.0), 1000, 1.0, (1 / 3, 1.0), download=True)
    written.close()
    assert {one["track"]: one.get("part") for one in lines(tmp_path)} == {
        "in order": "0-499999/1000000",
        "backwards and again": "250000-999999/1000000",
        "apart": "0-99999,900000-999999/1000000",
        "not known": None,
        "tiny": "300000-300000/1000000",
        "taken": "333333-999999/1000000",
    }


def test_many_parts_are_several_lines(tmp_path: Path) -> None:
    """What lies between them was not sent, and is not told as if it had been."""
    written = AccessLog(tmp_path, Serving())
    for at in range(0, 40, 2):
        written.heard(Play(7, "::1", "t", 60.0), 10, 1.0, (at / 40, (at + 1) / 40), download=False)
    written.close()
    found = [one["part"].split("/")[0].split(",") for one in lines(tmp_path)]
    assert [len(one) for one in found] == [log.MOST_PARTS, log.MOST_PARTS, 4]
    assert [part for one in found for part in one] == [
        f"{at * 25000}-{at * 25000 + 24999}" for at in range(0, 40, 2)
    ]


def test_who_takes_many_tracks_at_once_is_written_down_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "monotonic", lambda: 100.0)
    written = AccessLog(tmp_path, Serving())
    noted = []
    monkeypatch.setattr(written, "_put", noted.append)
    for at in range(40):  # from many addresses: the account is one
        written.heard(Play(7, f"192.0.2.{at}", f"tr{at}", 60.0), 1000, 60.0, download=False)
        written.heard(Play(8, "::1", f"tr{at % 8}", 600.0), 1000, 10.0, download=False)
        written.heard(Play(None, "::1", f"tr{at}", 60.0), 1000, 60.0, download=False)
    assert [one["track"] for one in noted] == [f"tr{at}" for at in range(40 - log.MOST_OF_ACCOUNT)]
    assert {one["account"] for one in noted} == {7}
    for at in range(40, 70):  # a train's wifi
        written.heard(Play(None, "::1", f"tr{at}", 60.0), 1000, 60.0, download=False)
    assert [one["track"] for one in noted if one["account"] is None] == [
        f"tr{at}" for at in range(70 - log.MOST_OF_ADDRESS)
    ]
    written.close()
    assert len(noted) == 40 + 8 + 70
    assert sum(one["listened_s"] for one in noted if one["account"] == 8) == 400.0


def test_nobody_hears_longer_than_the_track_is(tmp_path: Path) -> None:
    written = AccessLog(tmp_path, Serving())
    written.heard(Play(None, "::1", "tr1", 20.0), 10**9, 500.0, download=False)
    written.close()
    (one,) = lines(tmp_path)
    assert (one["account"], one["listened_s"], one["action"]) == (None, 20.0, "play")


def test_files_turn_and_the_oldest_goes(tmp_path: Path) -> None:
    written = AccessLog(tmp_path, Serving(log_mb=0.001, log_files=2))
    for number in range(60):
        written.note(number, "::1", "tr1", 1, 1.0, "play")
    written.close()
    names = {path.name for path in tmp_path.glob(f"{FILE}*")}
    assert names <= {FILE, f"{FILE}.1", f"{FILE}.2"}
    assert f"{FILE}.2" in names
    kept = sorted(one["account"] for one in lines(tmp_path))
    assert kept == list(range(60 - len(kept), 60))
    assert all(path.stat().st_size < 1200 for path in tmp_path.glob(f"{FILE}*"))


def test_several_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    logs = [AccessLog(tmp_path, Serving(log_mb=0.002, log_files=100)) for _ in range(3)]

    def write(at: int) -> None:
        for number in range(100):
            logs[at].note(1000 * at + number, "::1", "tr1", 1, 1.0, "play")
        logs[at].close()

    threads = [threading.Thread(target=write, args=(at,)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = [1000 * at + number for at in range(3) for number in range(100)]
    assert sorted(one["account"] for one in lines(tmp_path)) == expected


def test_a_disk_that_takes_nothing_stops_nobody(tmp_path: Path) -> None:
    written = AccessLog(tmp_path / "missing", Serving())
    written.note(1, "::1", "tr1", 1, 1.0, "play")
    written.close()
    assert not (tmp_path / "missing").exists()
