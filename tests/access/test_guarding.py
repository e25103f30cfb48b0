"""What listeners meet whom the guard has decided about."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.responses import Response

from longplay import clock
from longplay.access.context import Context
from longplay.access.guarding import Guarded, Refused
from longplay.access.people import accounts
from longplay.guard import policy, record
from longplay.guard.record import Act
from longplay.settings import Guarding
from tests.access.conftest import Served


def decide(served: Served, act: Act) -> tuple[dict[str, str], str]:
    """An account about which something is decided: its header, and its key."""
    here: Context = served.web.app.state.context  # type: ignore[attr-defined]
    made = accounts.add(here.people, "ann", "member")
    who = f"account:{made.account.id}"
    reason = "900 different tracks in 3 hours"
    policy.act_on(here.archive.folder, here.archive.ledger, [who], act, "operator", reason)
    return {"Authorization": f"Bearer {made.api_key}"}, made.api_key


def sounds(served: Served) -> list[str]:
    tracks = served.web.get("/api/tracks").json()["items"]
    return [one["recording"] for one in tracks]


def test_who_is_disabled_is_told_why_and_where_to_appeal(served: Served) -> None:
    recordings = sounds(served)
    headers, key = decide(served, Act.DISABLE)
    for path in (f"/api/recordings/{recordings[0]}/stream", "/api/tracks"):
        answer = served.web.get(path, headers=headers)
        assert answer.status_code == 403
        said = answer.json()["error"]
        assert said["code"] == "guard"
        assert "900 different tracks in 3 hours" in said["message"]
        assert "/appeal" in said["message"]
    assert served.web.get("/api/tracks").status_code == 200  # others notice nothing
    asked = {"v": "1.16.1", "c": "tests", "f": "json", "apiKey": key}
    told = served.web.get("/rest/getArtists", params=asked).json()["subsonic-response"]
    assert told["error"]["code"] == 50
    assert "900 different tracks" in told["error"]["message"]
    assert served.web.get("/rest/ping", params=asked).json()["subsonic-response"]["status"] == "ok"


def test_a_decision_that_is_taken_back_holds_no_longer(served: Served) -> None:
    recordings = sounds(served)
    headers, _ = decide(served, Act.DISABLE)
    here: Context = served.web.app.state.context  # type: ignore[attr-defined]
    path = f"/api/recordings/{recordings[0]}/stream"
    assert served.web.get(path, headers=headers).status_code == 403
    policy.release(here.archive.folder, here.archive.ledger, ["account:1"], "operator", "sorry")
    assert served.web.get(path, headers=headers).status_code == 200


def test_a_broken_file_of_decisions_changes_nothing(served: Served) -> None:
    recordings = sounds(served)
    headers, _ = decide(served, Act.DISABLE)
    path = f"/api/recordings/{recordings[0]}/stream"
    assert served.web.get(path, headers=headers).status_code == 403
    record.path_of(served.longplay.archive).write_text("{")
    assert served.web.get(path, headers=headers).status_code == 403


def test_a_cap_counts_tracks_and_not_requests_for_all_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "timestamp", lambda: "2026-11-29T01:02:03.004Z")
    settings = Guarding(cap_tracks=3)
    workers = [Guarded(tmp_path, settings), Guarded(tmp_path, settings)]
    _write(tmp_path, "cap")
    answers = [workers[at % 2].refuses(7, "", track) for at, track in enumerate("aabbccabcdxa")]
    assert [one is None for one in answers] == [True] * 9 + [False, False, True]
    refused = answers[9]
    assert refused is not None
    assert refused.status == 429
    assert refused.seconds
    assert "3 tracks a day" in refused.words
    monkeypatch.setattr(clock, "timestamp", lambda: "2026-11-30T01:02:03.004Z")
    assert workers[0].refuses(7, "", "d") is None
    assert workers[0].refuses(8, "", "z") is None


def test_who_is_slowed_down_gets_the_same_bytes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, slept, sent = [1000.0], [0.0], []
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])

    async def sleep(seconds: float) -> None:
        now[0] += seconds
        slept[0] += seconds

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    monkeypatch.setattr(asyncio, "sleep", sleep)
    workers = [Guarded(tmp_path, Guarding(slow_kb=40)) for _ in range(2)]
    _write(tmp_path, "slow")
    data = bytes(range(256)) * 4000
    for guarded in workers:  # one pace for both
        answer = guarded.slowed(7, "", Response(data))
        assert not isinstance(answer, Refused)
        asyncio.run(answer({"type": "http"}, receive, send))  # type: ignore[arg-type]
    assert b"".join(one.get("body", b"") for one in sent) == data * 2
    assert [one.get("more_body") for one in sent].count(False) == 2
    assert slept[0] == pytest.approx(2 * len(data) / 40_000 - 5, abs=0.3)
    now[0] = 3.0  # the machine began anew: nobody waits for what was due before
    slept[0] = 0.0
    answer = workers[0].slowed(7, "", Response(data[:100_000]))
    asyncio.run(answer({"type": "http"}, receive, send))  # type: ignore[arg-type]
    assert slept[0] == 0.0
    plain = Response(b"x")
    assert workers[0].slowed(8, "", plain) is plain


def test_eight_answers_run_at_once_of_all_workers(tmp_path: Path) -> None:
    async def send(message: Any) -> None:
        pass

    workers = [Guarded(tmp_path, Guarding()) for _ in range(2)]
    _write(tmp_path, "hold")
    running = [workers[at % 2].slowed(7, "", Response(b"")) for at in range(8)]
    assert not any(isinstance(one, Refused) for one in running)
    for guarded in workers:
        refused = guarded.slowed(7, "", Response(b""))
        assert isinstance(refused, Refused)
        assert (refused.status, refused.seconds) == (429, 30)
    ended = running.pop()
    asyncio.run(ended({"type": "http"}, None, send))  # type: ignore[arg-type, operator]
    assert not isinstance(workers[0].slowed(7, "", Response(b"")), Refused)
    del running  # never sent, as their listeners had gone
    assert not isinstance(workers[1].slowed(7, "", Response(b"")), Refused)


def test_threads_that_wait_read_what_is_decided_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, "cap")
    worker, real, seen = Guarded(tmp_path, Guarding()), os.stat, threading.Barrier(4)
    read = []

    def stat(*words: Any, **more: Any) -> Any:
        facts = real(*words, **more)
        if words == (str(record.path_of(tmp_path)),):
            seen.wait(30)  # all have seen that there is something new
        return facts

    def load(path: Path) -> record.Record:
        read.append(path)
        return record.Record(changes=1)

    monkeypatch.setattr("longplay.access.guarding.os.stat", stat)
    monkeypatch.setattr("longplay.access.guarding.record.load", load)
    with ThreadPoolExecutor(4) as pool:
        found = [one.result() for one in [pool.submit(worker.now) for _ in range(4)]]
    assert [one.changes for one in found] == [1] * 4
    assert len(read) == 1


def _write(folder: Path, act: str) -> None:
    path = record.path_of(folder)
    path.parent.mkdir()
    decision = {"act": act, "since": "", "by": "guard", "verdict": "scraper", "probability": 0.99,
                "tracks": 10, "hours": 1.0, "group": None, "reasons": []}  # fmt: skip
    empty: dict[str, Any] = {"excluded": {}, "cleared": {}, "unlogged": []}
    document = {"version": 1, "changes": 1, "decisions": {"account:7": decision}} | empty
    path.write_text(json.dumps(document))
