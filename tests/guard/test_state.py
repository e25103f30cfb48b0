"""What is kept of an account: how much, and that it is found again after a stop."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.errors import ArchiveError
from longplay.guard import judging, watching
from longplay.guard.baseline import Baseline
from longplay.guard.crowd import empty
from longplay.guard.judging import NOTED_BYTES, STATE_BYTES, Accounts, joined
from longplay.guard.lately import Lately
from longplay.guard.state import COLUMNS
from longplay.guard.verdict import WATCH
from longplay.guard.watching import Watching
from tests.guard.made import MONDAY, copier, listener

NOW = MONDAY + 10**7


def seen(most: int = 100) -> Watching:
    """Three listeners, and two who copy."""
    rows = [one for name in "123" for one in listener(name, days=5)]
    for name in "89":
        rows += copier(name, [f"tr{name}{at}x" for at in range(900)], gap=210)
    rows.sort(key=lambda one: one["time"])
    found = Watching(Baseline(), most, key=5)
    found.take("".join(json.dumps(one) + "\n" for one in rows).encode(), NOW)
    return found


def load(path: Path) -> Watching:
    return watching.load(path, Baseline(), 100)


def told(one: Watching) -> list[tuple[Any, ...]]:
    return [(j.account, j.verdict, j.tracks, j.decided_at, j.reasons) for j in one.suspects()]


def test_an_account_takes_less_than_a_kilobyte() -> None:
    accounts = seen().accounts
    kept = sum(getattr(accounts, name).nbytes for name in judging.ROWS)
    assert kept == STATE_BYTES * len(accounts)
    assert STATE_BYTES < 1024
    # For the reasons, of those alone who were suspected.
    suspected = int((accounts.odds >= WATCH).sum())
    assert 2 <= suspected == accounts.used[0] < len(accounts)
    assert accounts.noted[:suspected].nbytes == NOTED_BYTES * suspected


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    before = seen()
    before.save(tmp_path / "state")
    after = load(tmp_path / "state")
    assert told(after) == told(before)
    assert len(told(after)) == 2
    assert [len(row) for row in (after.accounts, after.accounts.noted)] == [5, 2]


def test_more_suspects_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    many = told(seen())
    monkeypatch.setattr(judging, "LEAST_ROOM", 1)
    assert told(seen()) == many


def test_some_of_the_accounts_and_parts_joined_tell_the_same() -> None:
    one = seen()
    expected = {j.account: j for j in one.suspects()}
    whole = one.accounts
    parts = [whole.only(np.array(rows, np.int64)) for rows in ([4, 0], [], [3], [1, 2])]
    one.accounts = joined(parts)
    assert {j.account: j for j in one.suspects()} == expected
    assert len(joined([])) == len(Accounts.none()) == 0


def test_a_state_of_old_is_read(tmp_path: Path) -> None:
    """Version 3 noted the numbers of every account, and the minutes of samples."""
    before = seen()
    path = tmp_path / "state"
    before.save(path)
    with np.load(path) as saved:
        arrays = {name: saved[name] for name in saved.files}
    facts = json.loads(arrays["facts"].tobytes())
    accounts = before.accounts
    first = accounts.numbers[:, 0, None]
    at_odds = np.stack([accounts.told(row) for row in range(len(accounts))])
    old = {name: arrays[name] for name in arrays if name not in ("places", "noted", "odds_at")}
    old["times"] = ((arrays["times"] * 1800.0 + first) // 60).astype(np.uint32)
    old["at_odds"] = at_odds
    old["facts"] = np.frombuffer(json.dumps(facts | {"version": 3}).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, **old)
    after = load(path)
    assert told(after) == told(before)
    # A minute less than half an hour is half an hour less.
    apart = before.accounts.times.astype(int) - after.accounts.times
    assert set(np.unique(apart)) <= {0, 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("places", 7),
        ("noted", np.zeros((2, 3))),
        ("odds", np.zeros(2)),
        ("numbers", None),
        ("noted", np.full((2, COLUMNS), "x")),
        ("noted", np.full((2, COLUMNS), "1")),
        ("odds", np.full(5, "1")),
        ("now", np.zeros((2, 3), np.uint32)),
        ("before", np.zeros(4)),
        ("now", np.zeros((2, 4))),
    ],
)
def test_a_state_that_does_not_fit_together_is_refused(
    tmp_path: Path, name: str, value: Any
) -> None:
    path = tmp_path / "state"
    seen().save(path)
    with np.load(path) as saved:
        arrays = {name: saved[name] for name in saved.files}
    if value is None:
        del arrays[name]
    else:
        arrays[name] = np.full_like(arrays[name], value) if isinstance(value, int) else value
    with path.open("wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(ArchiveError, match="does not hold what the guard remembers"):
        load(path)


def test_a_state_that_is_damaged_is_refused_by_its_name(tmp_path: Path) -> None:
    """Cut anywhere, or with bits flipped: told with what to do, if it is not as it was."""
    path = tmp_path / "state"
    before = seen()
    before.lately = Lately(empty(4), empty(4))  # small, so that more of the flips hit the rest
    before.save(path)
    whole = path.read_bytes()
    dice = random.Random(1)
    damaged = [whole[: dice.randrange(len(whole))] for _ in range(30)] + [b"", whole[:4]]
    for at in range(200):  # every other one in the zip's directory, where it hurts most
        flipped = bytearray(whole)
        for _ in range(3):
            place = dice.randrange(len(whole) - 1000 if at % 2 else 0, len(whole))
            flipped[place] ^= 1 << dice.randrange(8)
        damaged.append(bytes(flipped))
    refused = 0
    for one in damaged:
        path.write_bytes(one)
        try:
            assert told(load(path)) == told(before)
        except ArchiveError as error:
            refused += 1
            assert str(error) == (
                f"{path}: does not hold what the guard remembers "
                "(delete it: the guard then reads the logs from their beginning)"
            )
    assert refused > len(damaged) * 0.9
