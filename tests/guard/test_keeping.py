"""What is kept of people, for how long, and under which names it leaves."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from longplay import clock
from longplay.access import log
from longplay.access.log import AccessLog
from longplay.cli.commands import app
from longplay.errors import ArchiveError, InputError, LongplayError
from longplay.guard import handing, policy, record, running, stream
from longplay.guard.following import Follower
from longplay.guard.keeping import Kept
from longplay.guard.record import Act
from longplay.guard.running import LOG
from longplay.ledger import database
from longplay.settings import Guarding, Serving
from tests.guard.made import copier, listener
from tests.guard.made import write as write_log

DAY = 86400


def row(age: float, account: int | None = 7, address: str = "192.0.2.1") -> dict[str, Any]:
    """A line that was written so many days ago."""
    time = clock.text_of(clock.now() - timedelta(days=age))
    return {"time": time, "account": account, "address": address, "track": "tr1", "bytes": 1,
            "listened_s": 200.0, "action": "play"}  # fmt: skip


def write(path: Path, *ages: float) -> Path:
    path.write_text("".join(json.dumps(row(age)) + "\n" for age in ages))
    last = clock.now().timestamp() - DAY * ages[-1]
    os.utime(path, (last, last))
    return path


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.glob(f"{LOG}*") if one.name != log.LOCK}


def kept(folder: Path, days: float = 80, files: int = 16) -> Kept:
    return log.kept(folder, Serving(log_days=days, log_files=files))


def test_lines_are_erased_when_they_are_too_old(tmp_path: Path) -> None:
    write(tmp_path / f"{LOG}.3", 90, 79)
    write(tmp_path / f"{LOG}.2", 79, 71)
    write(tmp_path / f"{LOG}.1", 71, 69)
    write(tmp_path / LOG, 11, 0)
    kept(tmp_path).tidy()
    # After an eighth of the days a log turns, and as much earlier it is erased.
    assert names(tmp_path) == {LOG + ".1", LOG + ".2"}
    first = [json.loads((tmp_path / f"{LOG}.{at}").read_text().splitlines()[0]) for at in (1, 2)]
    assert first[0]["time"] > first[1]["time"]


def test_a_young_log_is_left_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / f"{LOG}.1", 15, 10)
    write(tmp_path / LOG, 9, 0)
    kept(tmp_path).tidy()
    assert names(tmp_path) == {LOG, f"{LOG}.1"}
    write(tmp_path / LOG, 9000, 8000)
    write(tmp_path / f"{LOG}.1", 10_000, 9000)
    kept(tmp_path, days=0).tidy()
    assert names(tmp_path) == {LOG, f"{LOG}.1"}


def test_where_few_files_are_kept_they_are_as_long_as_that_needs(tmp_path: Path) -> None:
    write(tmp_path / LOG, 39, 0)
    kept(tmp_path, files=1).tidy()
    assert names(tmp_path) == {LOG}
    write(tmp_path / LOG, 41, 0)
    kept(tmp_path, files=1).tidy()
    assert names(tmp_path) == {f"{LOG}.1"}
    write(tmp_path / f"{LOG}.1", 79, 41)
    kept(tmp_path, files=1).tidy()
    assert names(tmp_path) == set()
    write(tmp_path / LOG, 79, 0)
    kept(tmp_path, files=0).tidy()
    assert names(tmp_path) == {LOG}
    write(tmp_path / LOG, 81, 0)
    kept(tmp_path, files=0).tidy()
    assert names(tmp_path) == set()


@pytest.mark.parametrize("text", ["", "\n", "{\n", "[]\n", '{"time":7}\n', '{"time":"soon"}\n'])
def test_a_log_that_tells_no_time_turns_by_when_it_was_written_last(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / LOG).write_text(text)
    kept(tmp_path).tidy()
    assert names(tmp_path) == {LOG}
    last = clock.now().timestamp() - 11 * DAY
    os.utime(tmp_path / LOG, (last, last))
    kept(tmp_path).tidy()
    assert names(tmp_path) == {f"{LOG}.1" if text else LOG}


@pytest.mark.parametrize("text", ["x" * 5000 + "\n", "[" * 100_000 + "\n", '{"time":7}\n\xff\n'])
def test_a_broken_first_line_keeps_nothing_longer(tmp_path: Path, text: str) -> None:
    for age, wanted in ((9, LOG), (11, f"{LOG}.1")):
        write(tmp_path / LOG, age, 0)
        (tmp_path / LOG).write_text(text + (tmp_path / LOG).read_text(), "latin-1")
        kept(tmp_path).tidy()
        assert names(tmp_path) == {wanted}


def test_a_server_erases_what_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / f"{LOG}.1", 90, 79)
    written = AccessLog(tmp_path, Serving(log_days=80))
    assert names(tmp_path) == set()
    write(tmp_path / f"{LOG}.1", 90, 79)
    monkeypatch.setattr(log, "TIDY_SECONDS", -1.0)
    written.note(7, "::1", "tr1", 1, 1.0, "play")
    for _ in range(200):
        if names(tmp_path) == {LOG}:
            break
        time.sleep(0.05)
    written.close()
    assert names(tmp_path) == {LOG}


def test_a_guard_erases_what_is_old_and_reads_on(tmp_path: Path) -> None:
    ledger = database.create("sqlite:///ledger.sqlite3", tmp_path)
    write(tmp_path / f"{LOG}.1", 90, 79)
    write(tmp_path / LOG, 20, 0)
    with running.opened(tmp_path, Guarding(), ledger, kept=kept(tmp_path)) as guard:
        running.run(guard, lambda: True, lambda _: None)
        assert guard.watching.counts.events == 4
        assert names(tmp_path) == {f"{LOG}.1"}
        write(tmp_path / LOG, 0)
        running.run(guard, lambda: True, lambda _: None)
        assert guard.watching.counts.events == 5
        assert [one.lost for one in guard.followers] == [0]


def test_a_follower_goes_on_when_the_oldest_goes(tmp_path: Path) -> None:
    write(tmp_path / f"{LOG}.2", 90, 79)
    write(tmp_path / f"{LOG}.1", 20, 12)
    write(tmp_path / LOG, 11, 0)
    follower = Follower(tmp_path / LOG)
    assert follower.read().count(b"\n") == 2
    kept(tmp_path).tidy()
    assert sum(follower.read().count(b"\n") for _ in range(4)) == 4


def test_addresses_are_forgotten_with_what_the_guard_decided_about_them(tmp_path: Path) -> None:
    ledger = database.create("sqlite:///ledger.sqlite3", tmp_path)
    long_ago = clock.now() - timedelta(days=100)
    rows = [one | {"account": None, "address": "192.0.2.9"} for one in
            copier("x", [f"tr{at}x" for at in range(300)], gap=210)]  # fmt: skip
    moved = long_ago.timestamp() - rows[0]["time"]
    rows = [one | {"time": one["time"] + moved} for one in rows]
    rows += [one | {"account": "9", "time": one["time"] + 0.5} for one in rows]
    rows += [row(0, None, "192.0.2.10") | {"time": clock.now().timestamp()}]
    write_log(tmp_path / "seen", rows)
    settings = Guarding(act="slow", logs=[str(tmp_path / "seen")])
    now = clock.now
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: now() - timedelta(days=99))
        with running.opened(tmp_path, settings, ledger) as guard:
            guard.step()
        policy.act_on(tmp_path, ledger, ["address:192.0.2.77"], Act.CAP, "operator", "")
    path = record.path_of(tmp_path)
    decided = {"address:192.0.2.9", "account:9", "address:192.0.2.77"}
    assert set(record.load(path).decisions) == decided
    with running.opened(tmp_path, settings, ledger, kept=kept(tmp_path)) as guard:
        guard.step()
        assert "192.0.2.9" not in guard.watching.names.values()
        assert "9" in guard.watching.names.values()
        running.run(guard, lambda: True, lambda _: None)
    assert set(record.load(path).decisions) == decided - {"address:192.0.2.9"}
    assert b'192.0.2.9"' not in path.read_bytes()
    assert b"192.0.2.9" not in (tmp_path / "guard" / "state.npz").read_bytes()


def test_what_was_told_of_changes_is_erased_too(tmp_path: Path) -> None:
    ledger = database.create("sqlite:///ledger.sqlite3", tmp_path)
    folder = tmp_path / record.FOLDER
    now = clock.now()
    with pytest.MonkeyPatch.context() as patch:
        for age in range(200, -1, -1):  # a day after the other; a change every tenth
            patch.setattr(clock, "now", lambda age=age: now - timedelta(days=age))
            if age % 10 == 0:
                policy.act_on(tmp_path, ledger, [f"account:{age}"], Act.HOLD, "operator", "")
                moment = (now - timedelta(days=age)).timestamp()
                os.utime(folder / stream.FILE, (moment, moment))
            stream.erase(folder, 80)
            told = [int(one.who[8:]) - age for one in stream.changes(folder)]
            assert max(told) <= 80
            assert age > 160 or max(told) >= 30  # two files: half of the days at least
    told = [int(one.who[8:]) for one in stream.changes(folder)]
    assert told == sorted(told, reverse=True)
    assert told[-1] == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: now + timedelta(days=41))
        stream.erase(folder, 80)
        assert not list(stream.changes(folder))
    policy.act_on(tmp_path, ledger, ["account:4"], Act.HOLD, "operator", "")
    assert [one.id.rpartition("-")[2] for one in stream.changes(folder)] == ["22"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "keys"))
    monkeypatch.setenv("LONGPLAY_ARCHIVE", "archive")

    def one(*words: str, fails: type[LongplayError] | None = None) -> str:
        done = CliRunner().invoke(app, list(words))
        if fails is not None:
            assert isinstance(done.exception, fails), done.exception
            return str(done.exception)
        assert done.exception is None, done.exception
        return str(done.stdout)

    one("init", "archive")
    return one


def test_a_log_is_handed_on_without_names(run: Callable[..., str]) -> None:
    assert "there is no access log yet" in run("guard", "export", "out", fails=InputError)
    assert not Path("out").exists()
    archive = Path("archive")
    write(archive / f"{LOG}.1", 5, 4)
    mine = row(1, None) | {"name": "Ann", "what": {"ann": 1}}
    with (archive / LOG).open("w") as file:
        file.write(f"{json.dumps(row(2))}\nnothing\n[]\n{{}}\n\n{json.dumps(mine)}\n")
        file.write("x" * 3_000_000 + "\n")
    told = json.loads(run("guard", "export", "out", "--json"))
    assert told == {"lines": 4, "older": 0, "no_event": 3, "too_long": 1, "broken_off": 0}
    rows = [json.loads(line) for line in Path("out").read_text().splitlines()]
    called = record.pseudonyms(archive)
    assert rows[0] == row(5) | {
        "account": called("account:7"), "address": called("address:192.0.2.1"),
        "time": rows[0]["time"],
    }  # fmt: skip
    assert rows[3]["account"] is None
    assert set(rows[3]) == set(row(1))
    assert "Ann" not in Path("out").read_text()
    assert "192.0.2.1" not in Path("out").read_text()
    run("guard", "export", "out", "--days", "3")
    assert len(Path("out").read_text().splitlines()) == 2


def test_verdicts_are_the_same_under_pseudonyms(run: Callable[..., str]) -> None:
    rows = [one for name in "12" for one in listener(name, days=5)]
    rows += list(copier("9", [f"tr{at}x" for at in range(400)], gap=210))
    rows += [one | {"account": None, "address": "192.0.2.9"} for one in
             copier("", [f"ts{at}x" for at in range(400)], gap=210)]  # fmt: skip
    write_log(Path("seen"), rows)
    run("guard", "export", "out", "seen")
    called = record.pseudonyms(Path("archive"))

    def verdicts(*words: str) -> dict[str, str]:
        found = json.loads(run("guard", "scan", *words, "--json"))["verdicts"]
        return {one["account"]: one["verdict"] for one in found}

    plain, handed = verdicts("seen"), verdicts("out")
    hidden = verdicts("seen", "--pseudonyms", "archive/guard/salt")
    assert {called(record.who_of(who)): what for who, what in plain.items()} == handed == hidden
    assert list(hidden.values()).count("scraper") == 2
    Path("fresh").write_text("no salt")
    run("guard", "scan", "seen", "--pseudonyms", "fresh", fails=ArchiveError)


def test_another_salt_makes_other_pseudonyms(tmp_path: Path) -> None:
    one, other = (record.pseudonyms_by(tmp_path / name)("account:7") for name in "ab")
    assert one != other
    assert record.pseudonyms_by(tmp_path / "a")("account:7") == one


def test_older_logs_come_first(tmp_path: Path) -> None:
    for name in (LOG, f"{LOG}.1", f"{LOG}.2", f"{LOG}.10"):
        (tmp_path / name).touch()
    with handing.opened(tmp_path / LOG, tmp_path / log.LOCK) as found:
        assert [Path(one.name).name for one in found] == [f"{LOG}.2", f"{LOG}.1", LOG]


def test_a_log_that_turns_while_it_is_handed_on_is_read_whole(tmp_path: Path) -> None:
    for number, name in enumerate((f"{LOG}.2", f"{LOG}.1", LOG)):
        write(tmp_path / name, 9 - number)
    packed = gzip.compress((tmp_path / f"{LOG}.1").read_bytes())
    (tmp_path / f"{LOG}.1").write_bytes(packed)
    with handing.opened(tmp_path / LOG, tmp_path / log.LOCK) as found:
        kept(tmp_path, files=2).shift()
        write(tmp_path / LOG, 0)
        handed = handing.hand_out(found, tmp_path / "out", lambda who: who)
    assert handed.lines == 3
    times = [json.loads(line)["time"] for line in (tmp_path / "out").read_text().splitlines()]
    assert times == sorted(times)
    assert len(set(times)) == 3


def test_a_log_that_may_not_be_opened_is_told(run: Callable[..., str]) -> None:
    (Path("archive") / LOG).mkdir()
    assert f"archive/{LOG}: is a directory" in run("guard", "export", "out", fails=InputError)
    assert not Path("out").exists()
