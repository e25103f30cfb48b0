"""The stream of decisions: each change once, whatever is killed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from longplay.guard import policy, record, stream
from longplay.guard.record import Act
from longplay.ledger import database
from longplay.ledger.database import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return database.create("sqlite:///ledger.sqlite3", tmp_path)


def told(folder: Path) -> list[tuple[str, str]]:
    return [(one.who, one.act) for one in stream.changes(folder / record.FOLDER)]


def hold(folder: Path, ledger: Ledger, *names: str) -> None:
    policy.act_on(folder, ledger, names, Act.HOLD, "operator", "odd")


def test_each_change_is_a_line(tmp_path: Path, ledger: Ledger) -> None:
    hold(tmp_path, ledger, "account:1", "address:192.0.2.1")
    policy.appeal(tmp_path, ledger, "account:1", "A party.")
    policy.release(tmp_path, ledger, ["account:1", "account:5"], "operator", "known")
    policy.exclude(tmp_path, ledger, ["account:1"], "operator", "agreement")
    policy.include(tmp_path, ledger, ["account:1"], "operator")
    assert told(tmp_path) == [
        ("account:1", "hold"), ("address:192.0.2.1", "hold"), ("account:1", "appeal"),
        ("account:1", "release"), ("account:1", "exclude"), ("account:1", "include"),
    ]  # fmt: skip
    ids = [one.id for one in stream.changes(tmp_path / record.FOLDER)]
    assert [one.rpartition("-")[2] for one in ids] == list("123456")
    assert len({one.rpartition("-")[0] for one in ids}) == 1
    assert "party" not in (tmp_path / "guard" / stream.FILE).read_text()


@pytest.mark.parametrize("step", range(1, 7))
def test_a_kill_at_any_step_loses_nothing_and_tells_nothing_twice(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The steps: record, ledger, stream (its first bytes, the rest, and the sync), record."""
    done = 0

    def stepping(real: Any) -> Any:
        def one(*words: Any, **more: Any) -> Any:
            nonlocal done
            done += 1
            if done == step:
                raise KeyboardInterrupt
            return real(*words, **more)

        return one

    def in_two(number: int, data: bytes) -> int:
        return write(number, data[: max(len(data) // 2, 1)] if len(data) > 40 else data)

    hold(tmp_path, ledger, "account:1")
    write, sync = os.write, os.fsync
    monkeypatch.setattr(record, "write_durably", stepping(record.write_durably))
    monkeypatch.setattr(record, "_enter", stepping(record._enter))
    monkeypatch.setattr(stream.os, "write", stepping(in_two))
    with pytest.raises(KeyboardInterrupt):
        hold(tmp_path, ledger, "account:2", "account:3")
        pytest.fail("not so many steps")
    monkeypatch.undo()
    assert os.fsync is sync
    with record.changing(tmp_path, ledger):
        pass
    hold(tmp_path, ledger, "account:4")
    wanted = [f"account:{number}" for number in ((1, 4) if step == 1 else (1, 2, 3, 4))]
    assert [who for who, _ in told(tmp_path)] == wanted
    assert sorted(record.load(record.path_of(tmp_path)).decisions) == wanted


def test_the_file_turns_and_numbers_go_on(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST_BYTES", 400)
    for number in range(1, 8):
        hold(tmp_path, ledger, f"account:{number}")
    folder = tmp_path / record.FOLDER
    sizes = [(folder / name).stat().st_size for name in (stream.OLDER, stream.FILE)]
    assert max(sizes) < 800
    kept = [who for who, _ in told(tmp_path)]
    assert kept == [f"account:{number}" for number in range(8 - len(kept), 8)]
    (folder / stream.FILE).unlink()  # turned, and killed before anything was written
    monkeypatch.setattr(record, "_enter", lambda *_: None)
    now = record.load(record.path_of(tmp_path))
    assert stream.append(folder, now.began, [_change(1), _change(99)]) is None
    assert [who for who, _ in told(tmp_path)][-1] == "account:99"
    assert len([who for who, _ in told(tmp_path) if who == "account:1"]) == 0


def _change(number: int) -> dict[str, Any]:
    return {"number": number, "event": "guard hold", "who": f"account:{number}",
            "time": "2026-11-29T00:00:00.000Z", "detail": {}}  # fmt: skip


def test_a_record_that_begins_anew_numbers_its_own(tmp_path: Path, ledger: Ledger) -> None:
    hold(tmp_path, ledger, "account:1", "account:2", "account:3")
    record.path_of(tmp_path).unlink()
    hold(tmp_path, ledger, "account:4")
    assert [who for who, _ in told(tmp_path)] == [f"account:{at}" for at in (1, 2, 3, 4)]


def test_a_record_that_was_restored_tells_what_is_new(tmp_path: Path, ledger: Ledger) -> None:
    path = record.path_of(tmp_path)
    hold(tmp_path, ledger, "account:1")
    backup = path.read_bytes()
    hold(tmp_path, ledger, "account:2", "account:3", "account:4")
    path.write_bytes(backup)
    hold(tmp_path, ledger, "account:5")
    hold(tmp_path, ledger, "account:6")
    assert [who for who, _ in told(tmp_path)] == [f"account:{at}" for at in range(1, 7)]
    ids = [one.id for one in stream.changes(path.parent)]
    assert len(set(ids)) == 6
    assert len({one.rpartition("-")[0] for one in ids}) == 2
    assert sorted(record.load(path).decisions) == ["account:1", "account:5", "account:6"]


def test_what_a_restored_record_had_not_entered_is_not_told_again(
    tmp_path: Path, ledger: Ledger
) -> None:
    path = record.path_of(tmp_path)
    hold(tmp_path, ledger, "account:1")
    document = json.loads(path.read_text()) | {"unlogged": [_change(1)]}
    hold(tmp_path, ledger, "account:2")
    path.write_text(json.dumps(document))
    hold(tmp_path, ledger, "account:3")
    assert [who for who, _ in told(tmp_path)] == ["account:1", "account:2", "account:3"]


def test_a_turn_while_it_is_opened_loses_nothing(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(tmp_path, ledger, "account:1", "account:2")
    folder, real = tmp_path / record.FOLDER, Path.open
    opened = []

    def turning(path: Path, *words: Any) -> Any:
        try:
            return real(path, *words)
        finally:
            opened.append(path.name)
            if len(opened) == 1:
                (folder / stream.FILE).replace(folder / stream.OLDER)
                (folder / stream.FILE).touch()

    monkeypatch.setattr(Path, "open", turning)
    assert [who for who, _ in told(tmp_path)] == ["account:1", "account:2"]
    assert sorted(opened) == [stream.FILE, stream.OLDER]


def test_a_record_of_old_goes_on(tmp_path: Path, ledger: Ledger) -> None:
    hold(tmp_path, ledger, "account:1")
    path = record.path_of(tmp_path)
    document = json.loads(path.read_text())
    del document["began"]
    path.write_text(json.dumps(document))
    (path.parent / stream.FILE).unlink()
    hold(tmp_path, ledger, "account:2")
    hold(tmp_path, ledger, "account:3")
    assert [who for who, _ in told(tmp_path)] == ["account:2", "account:3"]


def test_what_is_no_line_of_ours_is_passed_over(tmp_path: Path, ledger: Ledger) -> None:
    hold(tmp_path, ledger, "account:1")
    path = tmp_path / record.FOLDER / stream.FILE
    with path.open("ab") as file:
        file.write(b"\xff\n[]\n{}\n" + b"x" * 200_000 + b"\n")
    hold(tmp_path, ledger, "account:2")
    with path.open("ab") as file:
        file.write(b'{"time":"20')
    assert [who for who, _ in told(tmp_path)] == ["account:1", "account:2"]
    hold(tmp_path, ledger, "account:3")
    assert [who for who, _ in told(tmp_path)] == ["account:1", "account:2", "account:3"]
