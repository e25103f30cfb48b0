"""The guard beside a log that grows: what it reads, what it decides, and what survives a kill."""

from __future__ import annotations

import errno
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay import clock
from longplay.errors import ArchiveError, LockedError, UsageError
from longplay.guard import crowd, lately, policy, record, running, watching
from longplay.guard.baseline import Baseline
from longplay.guard.events import EVENT
from longplay.guard.following import Follower, Place
from longplay.guard.judging import Accounts, take
from longplay.guard.lately import Lately
from longplay.guard.record import Act, Decision, Record
from longplay.guard.running import LOG, Guard
from longplay.guard.scan import Options, scan
from longplay.guard.verdict import Verdict
from longplay.ledger import database, log
from longplay.ledger.database import Ledger
from longplay.ledger.tables import log as log_table
from longplay.settings import Guarding
from tests.guard.made import MONDAY, copier, listener, row

HONEST = Verdict.HONEST
SLOW = Guarding(act="slow")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return database.create("sqlite:///ledger.sqlite3", tmp_path)


def write(folder: Path, rows: list[dict[str, Any]], name: str = LOG) -> None:
    rows.sort(key=lambda one: one["time"])
    with (folder / name).open("a") as file:
        file.writelines(json.dumps(one) + "\n" for one in rows)


def traffic() -> list[dict[str, Any]]:
    """Three listeners (1 to 3), and account 9, which copies one track after the other."""
    rows = [one for name in "123" for one in listener(name, days=5)]
    return rows + list(copier("9", [f"tr{at}x" for at in range(900)], gap=210))


def now(folder: Path) -> Record:
    return record.load(record.path_of(folder))


def events(ledger: Ledger) -> list[tuple[str, str, dict[str, Any]]]:
    with ledger.read() as connection:
        rows = connection.execute(log_table.select().order_by(log_table.c.number)).all()
        assert log.walk(connection).ok
    return [
        (one.event, one.subject, json.loads(one.detail))
        for one in rows
        if one.event.startswith("guard")
    ]


def test_who_copies_is_met_as_the_settings_say_and_listeners_are_not(
    tmp_path: Path, ledger: Ledger
) -> None:
    write(tmp_path, traffic())
    with running.opened(tmp_path, SLOW, ledger) as guard:
        step = guard.step()
    assert [one.who for one in step.decided] == ["account:9"]
    (made,) = now(tmp_path).decisions.values()
    assert (made.act, made.by, made.verdict) == (Act.SLOW, "guard", "scraper")
    assert made.tracks < 300
    assert "different tracks" in " ".join(made.reasons)
    ((event, subject, detail),) = events(ledger)
    assert event == "guard slow"
    assert subject == record.pseudonyms(tmp_path)("account:9")
    assert subject.startswith("account:")
    assert subject.partition(":")[2] != "9"
    assert detail["reasons"] == list(made.reasons)


def test_the_guard_only_observes_until_it_is_told_otherwise(tmp_path: Path, ledger: Ledger) -> None:
    write(tmp_path, traffic())
    with running.opened(tmp_path, Guarding(), ledger) as guard:
        guard.step()
    assert {one.act for one in now(tmp_path).decisions.values()} == {Act.OBSERVE}


def test_a_killed_guard_goes_on_and_decides_nothing_twice(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("longplay.guard.watching.secrets.randbits", lambda _: 1)
    rows = sorted(traffic(), key=lambda one: one["time"])
    write(tmp_path, rows[:700])
    guard = Guard(tmp_path, SLOW, ledger)
    guard.step()
    guard.save()
    write(tmp_path, rows[700:1100])
    guard.step()  # killed here: what it read since is not saved
    decided = events(ledger)
    again = Guard(tmp_path, SLOW, ledger)
    again.step()
    assert events(ledger) == decided
    write(tmp_path, rows[1100:])
    again.step()
    again.save()
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", rows)
    whole = Guard(tmp_path / "other", SLOW, ledger)
    whole.step()
    assert again.watching.counts == whole.watching.counts
    assert sorted(again.watching.accounts.odds) == sorted(whole.watching.accounts.odds)


def test_what_was_not_entered_into_the_log_is_entered_once(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = record.write_durably
    written = []

    def dies(path: Path, data: bytes) -> None:
        written.append(path)
        if len(written) == 2:  # after the ledger's transaction, before the file says so
            raise KeyboardInterrupt
        real(path, data)

    monkeypatch.setattr(record, "write_durably", dies)
    with pytest.raises(KeyboardInterrupt):
        policy.act_on(tmp_path, ledger, ["account:3"], Act.HOLD, "operator", "odd")
    monkeypatch.setattr(record, "write_durably", real)
    assert now(tmp_path).unlogged
    policy.act_on(tmp_path, ledger, ["account:4"], Act.HOLD, "operator", "")
    assert [one[0] for one in events(ledger)] == ["guard hold", "guard hold"]
    assert not now(tmp_path).unlogged


def test_a_person_decides_over_the_guard(tmp_path: Path, ledger: Ledger) -> None:
    rows = sorted(traffic(), key=lambda one: one["time"])
    write(tmp_path, rows[:700])
    guard = Guard(tmp_path, SLOW, ledger)
    guard.step()
    assert policy.release(tmp_path, ledger, ["account:9", "account:1"], "operator", "known") == [
        "account:9"
    ]
    write(tmp_path, rows[700:710])
    assert guard.step().decided == ()
    assert not now(tmp_path).decisions
    write(tmp_path, rows[710:])  # it goes on copying: that is new evidence
    assert [one.who for one in guard.step().decided] == ["account:9"]
    policy.exclude(tmp_path, ledger, ["account:9"], "operator", "agreement of May")
    write(tmp_path, list(copier("9", [f"ty{at}" for at in range(500)], start=MONDAY + 10**6)))
    assert guard.step().decided == ()
    with pytest.raises(UsageError, match="excluded by an agreement"):
        policy.act_on(tmp_path, ledger, ["account:9"], Act.DISABLE, "operator", "")
    assert policy.include(tmp_path, ledger, ["account:9"], "operator") == ["account:9"]
    assert [one[0] for one in events(ledger)] == [
        "guard slow", "guard release", "guard slow", "guard release", "guard exclude",
        "guard include",
    ]  # fmt: skip


def test_whom_the_guard_has_begun_anew_with_is_named_no_longer(
    tmp_path: Path, ledger: Ledger
) -> None:
    rows = sorted(traffic(), key=lambda one: one["time"])
    write(tmp_path, rows[:700])
    with running.opened(tmp_path, SLOW, ledger) as guard:
        guard.step()
        policy.release(tmp_path, ledger, ["account:9"], "operator", "known")
        guard.save()  # the guard has not looked since
        assert now(tmp_path).cleared == {"account:9": 2}
        assert guard.step().decided == ()
        policy.act_on(tmp_path, ledger, ["account:8"], Act.HOLD, "operator", "odd")
        policy.erase(tmp_path, ledger, "account:8")
        guard.save()
        assert now(tmp_path).cleared == {"account:8": 4}
    with running.opened(tmp_path, SLOW, ledger) as guard:
        write(tmp_path, rows[700:710])
        assert guard.step().decided == ()
        write(tmp_path, rows[710:])  # it goes on copying: that is new evidence
        assert [one.who for one in guard.step().decided] == ["account:9"]
    assert "account:8" not in record.path_of(tmp_path).read_text()
    assert not now(tmp_path).cleared


def test_whom_no_guard_remembers_is_not_named_for_it(tmp_path: Path, ledger: Ledger) -> None:
    (tmp_path / record.FOLDER).mkdir(exist_ok=True)
    policy.act_on(tmp_path, ledger, ["account:8"], Act.HOLD, "operator", "odd")
    policy.erase(tmp_path, ledger, "account:8")
    assert "account:8" not in record.path_of(tmp_path).read_text()
    with running.opened(tmp_path, SLOW, ledger):
        policy.act_on(tmp_path, ledger, ["account:9"], Act.HOLD, "operator", "odd")
        policy.release(tmp_path, ledger, ["account:9"], "operator", "known")
        assert now(tmp_path).cleared == {"account:9": 4}


def test_a_guard_that_cannot_save_what_it_remembers_does_not_begin(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(watching, "write_durably", full)
        wrong = r"state\.npz: what the guard remembers cannot be saved: no space left on device"
        with pytest.raises(ArchiveError, match=wrong), running.opened(tmp_path, SLOW, ledger):
            pass
    write(tmp_path, traffic())
    with running.opened(tmp_path, SLOW, ledger) as guard:  # its lock is free again
        assert [one.who for one in guard.step().decided] == ["account:9"]


def test_who_is_released_after_a_backup_was_restored_begins_anew(
    tmp_path: Path, ledger: Ledger
) -> None:
    rows = sorted(traffic(), key=lambda one: one["time"])
    write(tmp_path, rows[:700])
    with running.opened(tmp_path, SLOW, ledger) as guard:
        guard.step()
    backup = record.path_of(tmp_path).read_bytes()
    policy.act_on(tmp_path, ledger, ["account:1", "account:2"], Act.HOLD, "operator", "odd")
    with running.opened(tmp_path, SLOW, ledger) as guard:
        guard.step()
    record.path_of(tmp_path).write_bytes(backup)
    policy.release(tmp_path, ledger, ["account:9"], "operator", "known")
    policy.act_on(tmp_path, ledger, ["account:3"], Act.OBSERVE, "operator", "")
    write(tmp_path, rows[700:710])
    with running.opened(tmp_path, SLOW, ledger) as guard:
        assert guard.step().decided == ()
        assert guard.watching.applied == 3
    assert set(now(tmp_path).decisions) == {"account:3"}


def test_a_sketch_that_fills_over_many_short_runs_grows(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lately, "CELLS", 1 << 10)
    for run in range(4):
        tracks = [f"t{run}x{at}" for at in range(300)]
        write(tmp_path, list(copier(f"{run}", tracks, gap=1, start=MONDAY + 300 * run)))
        with running.opened(tmp_path, Guarding(), ledger) as guard:
            guard.step()
    assert guard.watching.lately.now.shape[1] > 1 << 10


def test_an_address_is_met_no_harder_than_the_settings_allow(
    tmp_path: Path, ledger: Ledger
) -> None:
    rows = [one | {"account": None, "address": "192.0.2.9"} for one in
            copier("x", [f"tr{at}x" for at in range(400)], gap=210)]  # fmt: skip
    write(tmp_path, rows)
    with running.opened(tmp_path, Guarding(act="disable", anonymous="slow"), ledger) as guard:
        guard.step()
    assert {who: one.act for who, one in now(tmp_path).decisions.items()} == {
        "address:192.0.2.9": Act.SLOW
    }


def test_a_log_that_turns_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / LOG
    path.write_bytes(b"one\ntwo\nthr")
    follower = Follower(path)
    assert follower.read() == b"one\ntwo\n"
    assert follower.read() == b""
    with path.open("ab") as file:
        file.write(b"ee\nfour\n")
        path.rename(tmp_path / f"{LOG}.1")
        path.write_bytes(b"six\n")
        assert follower.read() == b""  # what is not flushed is not there yet
        file.write(b"five")
        file.flush()
    found = b"".join(follower.read() for _ in range(6))
    assert found == b"three\nfour\nfive\nsix\n"
    assert follower.lost == 0


def test_several_turns_while_nobody_watched(tmp_path: Path) -> None:
    path = tmp_path / LOG
    path.write_bytes(b"1\n")
    follower = Follower(path)
    follower.read()
    for number in (2, 3, 4):
        for older in (3, 2, 1):
            one = tmp_path / f"{LOG}.{older}"
            if one.exists():
                one.rename(tmp_path / f"{LOG}.{older + 1}")
        path.rename(tmp_path / f"{LOG}.1")
        path.write_bytes(b"%d\n" % number)
    again = Follower(path, follower.place)
    assert b"".join(again.read() for _ in range(12)) == b"2\n3\n4\n"


def test_a_log_that_is_gone_or_cut_short_is_counted(tmp_path: Path) -> None:
    path = tmp_path / LOG
    path.write_bytes(b"first\nsecond\n")
    follower = Follower(path)
    follower.read()
    path.write_bytes(b"new\n")
    assert follower.read() == b"new\n"
    assert follower.lost == 1
    path.unlink()
    assert follower.read() == b""
    path.write_bytes(b"a longer beginning than before\n")
    assert b"longer" in follower.read()


def test_a_line_without_an_end_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / LOG
    follower = Follower(path)
    with path.open("wb") as file:
        file.write(b'{"time":')
        file.truncate(300 << 20)  # sparse: zeros up to there
        file.seek(0, 2)
        file.flush()
        assert follower.read() == b""
        file.write(b"\n" + json.dumps(row(MONDAY, "1", "tr1", 200, "play")).encode() + b"\n")
    assert follower.read().count(b"\n") == 1
    assert follower.damage.too_long == 1


def test_hostile_lines_are_counted_and_accuse_nobody(tmp_path: Path, ledger: Ledger) -> None:
    good = [one for name in "12" for one in listener(name, days=3)]
    write(tmp_path, good)
    future = int(clock.now().timestamp()) + 10**6
    bad = [
        b"\x00\xff\xfe\n", b"{\n", b"[]\n", b"null\n", b'{"time":"yesterday","account":1}\n',
        json.dumps(row(future, "1", "tr5", 200, "play")).encode() + b"\n",
        b'{"time":-99999999999999999999,"account":"1","track":"tr1"}\n',
        b'{"time":1,"account":{"a":1},"track":"tr1"}\n',
        json.dumps(row(MONDAY, "1", "tr1", 9, "skip") | {"new": [1, {"x": 2}]}).encode() + b"\n",
        json.dumps(row(5, "2", "tr1", 200, "play")).encode() + b"\n",  # time runs backwards
    ]  # fmt: skip
    with (tmp_path / LOG).open("ab") as file:
        file.writelines(bad * 50)
    with running.opened(tmp_path, SLOW, ledger) as guard:
        guard.step()
        counts = guard.watching.counts
    assert counts.ahead == 50
    assert counts.events == len(good) + 2 * 50
    assert counts.no_event == 7 * 50
    assert not now(tmp_path).decisions


def test_no_more_accounts_are_remembered_than_may_be(tmp_path: Path, ledger: Ledger) -> None:
    write(tmp_path, traffic())
    later = MONDAY + 10**6
    write(tmp_path, [row(later + at, f"{10 + at}", "tr1", 200, "play") for at in range(3000)])
    with running.opened(tmp_path, Guarding(act="slow", accounts=1000), ledger) as guard:
        guard.step()
        assert len(guard.watching.accounts) <= 1000
        assert guard.watching.counts.forgotten > 2000
        assert "9" in guard.watching.names.values()  # whoever is suspected is not forgotten


def test_one_guard_at_a_time(tmp_path: Path, ledger: Ledger) -> None:
    with (
        running.opened(tmp_path, SLOW, ledger),
        pytest.raises(LockedError, match="guard's state is being written"),
        running.opened(tmp_path, SLOW, ledger),
    ):
        pass


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"{", "is no record of decisions"),
        (b'{"version": 1}', "is no record of decisions"),
        (b'{"version": 2}', "was written by a newer Longplay"),
    ],
)
def test_a_broken_record_is_told(tmp_path: Path, text: bytes, error: str) -> None:
    path = record.path_of(tmp_path)
    path.parent.mkdir()
    path.write_bytes(text)
    with pytest.raises(ArchiveError, match=error):
        record.load(path)


def test_a_broken_state_is_told(tmp_path: Path, ledger: Ledger) -> None:
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "state.npz").write_bytes(b"PK nothing")
    with pytest.raises(ArchiveError, match="what the guard remembers") as told:
        Guard(tmp_path, SLOW, ledger)
    assert "delete it" in told.value.hint


def test_an_appeal_is_kept_and_answered(tmp_path: Path, ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="nothing is decided about you"):
        policy.appeal(tmp_path, ledger, "account:3", "why?")
    policy.act_on(tmp_path, ledger, ["account:3"], Act.HOLD, "operator", "odd")
    with pytest.raises(UsageError, match="needs words"):
        policy.appeal(tmp_path, ledger, "account:3", " \n")
    policy.appeal(tmp_path, ledger, "account:3", "It was a party.")
    policy.answer(tmp_path, ledger, "account:3", "Have fun.")
    (found,) = policy.appeals(tmp_path)
    assert (found.words, found.answer) == ("It was a party.", "Have fun.")
    assert "party" not in json.dumps(events(ledger))


def test_a_group_is_met_at_once(tmp_path: Path, ledger: Ledger) -> None:
    with record.changing(tmp_path, ledger) as one:
        for number, group in ((1, 4), (2, 4), (3, None)):
            one.decide(Decision(f"account:{number}", Act.OBSERVE, "2026-11-29T00:00:00.000Z",
                                "guard", "scraper", 0.99, 100, 5.0, group, ("why",)))  # fmt: skip
    whom = policy.members(now(tmp_path), 4)
    policy.act_on(tmp_path, ledger, whom, Act.DISABLE, "operator", "one scraper")
    acts = {who: one.act.value for who, one in now(tmp_path).decisions.items()}
    assert acts == {"account:1": "disable", "account:2": "disable", "account:3": "observe"}
    with pytest.raises(UsageError, match="there is no group 5"):
        policy.members(now(tmp_path), 5)


def test_logs_of_one_name_in_two_folders_are_each_read_once(tmp_path: Path, ledger: Ledger) -> None:
    (tmp_path / "other").mkdir()
    write(tmp_path, list(listener("1")))
    write(tmp_path / "other", list(listener("2")))
    settings = Guarding(logs=[str(tmp_path / "other" / LOG)])
    with running.opened(tmp_path, settings, ledger) as guard:
        assert guard.step().events
    with running.opened(tmp_path, settings, ledger) as again:
        assert again.step().events == 0
        assert again.watching.counts == guard.watching.counts


def test_a_full_record_takes_graver_decisions_about_those_in_it(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, traffic())
    with running.opened(tmp_path, Guarding(), ledger) as guard:
        guard.step()
    assert now(tmp_path).decisions["account:9"].act is Act.OBSERVE
    monkeypatch.setattr(record, "MOST_DECISIONS", 1)
    write(tmp_path, list(copier("9", [f"more{at}" for at in range(400)], gap=210)))
    write(tmp_path, list(copier("8", [f"tr{at}x" for at in range(900)], gap=210)))
    with running.opened(tmp_path, SLOW, ledger) as guard:
        guard.step()
    assert {who: one.act for who, one in now(tmp_path).decisions.items()} == {"account:9": Act.SLOW}


def test_a_single_look_reads_a_log_that_has_turned_to_its_end(
    tmp_path: Path, ledger: Ledger
) -> None:
    rows = sorted(traffic(), key=lambda one: one["time"])
    write(tmp_path, rows[:700])
    with running.opened(tmp_path, SLOW, ledger) as guard:
        running.run(guard, lambda: True, lambda _: None)
    (tmp_path / LOG).rename(tmp_path / f"{LOG}.1")
    write(tmp_path, rows[700:])
    with running.opened(tmp_path, SLOW, ledger) as guard:
        running.run(guard, lambda: True, lambda _: None)
        assert guard.watching.counts.events == len(rows)


def test_what_capped_listeners_had_is_forgotten_after_their_day(
    tmp_path: Path, ledger: Ledger
) -> None:
    taken = tmp_path / record.FOLDER / record.TAKEN
    today = clock.timestamp()[:10]
    for day in ("2025-01-01", today):
        (taken / day).mkdir(parents=True)
    with running.opened(tmp_path, SLOW, ledger):
        pass
    assert [one.name for one in taken.iterdir()] == [today]


def test_nothing_is_kept_of_an_account_that_is_erased(tmp_path: Path, ledger: Ledger) -> None:
    policy.act_on(tmp_path, ledger, ["account:3"], Act.HOLD, "operator", "odd")
    policy.appeal(tmp_path, ledger, "account:3", "a party")
    policy.erase(tmp_path, ledger, "account:3")
    assert not now(tmp_path).decisions
    assert not policy.appeals(tmp_path)
    assert [one[0] for one in events(ledger)] == ["guard hold", "guard appeal", "guard release"]


def test_a_salt_that_is_none_hides_nobody(tmp_path: Path) -> None:
    assert record.pseudonyms(tmp_path)("account:7") == record.pseudonyms(tmp_path)("account:7")
    (tmp_path / record.FOLDER / record.SALT).write_bytes(b"")
    with pytest.raises(ArchiveError, match="salt of pseudonyms"):
        record.pseudonyms(tmp_path)


def test_places_of_logs_are_compared_by_content(tmp_path: Path) -> None:
    path = tmp_path / LOG
    path.write_bytes(b"old line\n")
    follower = Follower(path)
    follower.read()
    place = follower.place
    path.write_bytes(b"new and longer line\n")  # the same inode, as copytruncate leaves it
    assert Follower(path, Place(**{name: getattr(place, name) for name in Place.__slots__})).read()


def evenings(name: str, tracks: list[str], dice: random.Random) -> Iterator[dict[str, Any]]:
    """Twenty tracks an evening, a few of them skipped first."""
    for day in range(len(tracks) // 20):
        time = MONDAY + day * 86400 + 60_000 + dice.randrange(3600)
        for track in tracks[day * 20 : day * 20 + 20]:
            if dice.random() < 0.2:
                yield row(time, name, f"c{dice.randrange(600)}x", 9, "skip")
            listened = dice.randrange(120, 320)
            yield row(time + 10, name, track, listened, "play")
            time += listened + dice.randrange(10, 60)


@pytest.fixture(scope="module")
def niches() -> list[dict[str, Any]]:
    """A crowd of 240 with one chart and a few tracks of one's own each, and three who go another
    way: what the first takes nobody else does, and he never comes back to it; the second loves as
    little known things; the third repeats nothing either, and stays with the chart."""
    dice = random.Random(5)
    rows: list[dict[str, Any]] = []
    for at in range(240):
        own = [f"c{dice.randrange(600)}x" for _ in range(45)]
        own += [f"n{at}y{more}x" for more in range(dice.randrange(1, 12))]
        rows += evenings(f"{at}", dice.choices(own, k=100), dice)
    rows += evenings("901", [f"u{at}x" for at in range(320)], dice)
    rows += evenings("902", [f"v{dice.randrange(40)}x" for _ in range(160)], dice)
    return [*rows, *evenings("903", [f"c{at}x" for at in range(160)], dice)]


def test_a_scan_and_a_guard_that_reads_the_same_log_judge_alike(
    tmp_path: Path, ledger: Ledger, niches: list[dict[str, Any]]
) -> None:
    write(tmp_path, niches)
    found = scan([tmp_path / LOG], Options(cells=1 << 16))
    with running.opened(tmp_path, SLOW, ledger) as guard:
        guard.step()
        guard.conclude()
    again = Guard(tmp_path, SLOW, ledger)  # with what was saved
    again.conclude()
    for some in (found.verdicts, guard.watching.suspects(), again.watching.suspects()):
        (one,) = [one for one in some if one.verdict is not HONEST]
        assert (one.account, one.verdict) == ("901", Verdict.SCRAPER)
        assert "taken by nobody else" in " ".join(one.reasons)
    assert [*now(tmp_path).decisions] == ["account:901"]


def test_what_a_small_crowd_takes_alone_says_nothing(
    tmp_path: Path, ledger: Ledger, niches: list[dict[str, Any]]
) -> None:
    write(tmp_path, [one for one in niches if len(one["account"]) < 3 or one["account"] > "900"])
    with running.opened(tmp_path, SLOW, ledger) as guard:
        guard.step()
        guard.conclude()
    for one in guard.watching.suspects():
        assert one.verdict is not Verdict.SCRAPER
        assert "nobody else" not in " ".join(one.reasons)


def test_who_took_what_is_known_for_two_periods() -> None:
    accounts, one = Accounts.none(), Lately(crowd.empty(1 << 12))

    def taken(account: int, tracks: range, period: int) -> None:
        events = np.zeros(len(tracks), EVENT)
        events["account"] = account << 32 | account << 16
        events["track"] = [track * 0x9E3779B97F4A7C15 % 2**64 for track in tracks]
        events["time"] = MONDAY + period * (lately.PERIOD + 60)
        events["listened"] = 200
        one.count(events)
        take(accounts, events, None, Baseline().vector())

    def told() -> list[tuple[int, int]]:
        return [*zip(*(some.tolist() for some in one.alone(accounts)), strict=True)]

    taken(1, range(1, 21), 0)
    taken(2, range(11, 31), 0)
    assert told() == [(10, 20), (10, 20)]
    taken(3, range(1, 6), 1)  # somebody came for them later
    assert told() == [(5, 20), (10, 20), (0, 5)]
    taken(1, range(1, 3), 1)  # he who had them comes back
    assert told() == [(5, 20), (10, 20), (0, 5)]
    taken(4, range(1, 41), 2)  # what the first ones took is too long ago
    assert told()[:3] == [(0, 0), (0, 0), (0, 5)]
    assert one.now.shape == (2, 1 << 12)
    taken(5, range(1000, 4000), 2)
    taken(6, range(1, 2), 2)
    assert one.now.shape == (2, 1 << 14)
