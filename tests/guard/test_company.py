"""What an account's company says: much in a flat of copiers, next to nothing in a train."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from longplay.guard import company
from longplay.guard import scan as scanning
from longplay.guard.baseline import Baseline
from longplay.guard.events import EVENT
from longplay.guard.judging import Accounts, take
from longplay.guard.scan import Options
from longplay.guard.verdict import Judged, Verdict
from longplay.guard.watching import Watching
from tests.guard.made import MONDAY, Row, copier, listener, write

HOUR = 3600
DAY = 24 * HOUR
LATER = MONDAY + 40 * DAY


def accounts(first: Sequence[int], address: Sequence[int], lived: int = HOUR) -> Accounts:
    """Accounts by when they began, and where they were last; each lived an hour."""
    events = np.zeros(2 * len(first), EVENT)
    events["account"] = np.repeat(np.arange(1, len(first) + 1), 2)
    events["address"] = np.repeat(np.array(address, np.uint64) << np.uint64(32), 2)
    events["time"] = np.repeat(first, 2) + np.tile([0, lived], len(first))
    events["track"] = np.arange(len(events))
    events["number"] = events["bytes"] = -1
    found = Accounts.none()
    take(found, events, None, Baseline().vector())
    return found


def weighed(some: Accounts, copying: int, at: int = LATER) -> company.Company:
    """What the company of these accounts says where the first so many copy."""
    places = company.empty(1 << 16)
    company.count_in(places, some)
    return company.weigh(some, np.arange(len(some)) < copying, places, at)


def apart(count: int) -> list[int]:
    """Beginnings that have nothing to do with each other."""
    return [MONDAY + at * 7 * HOUR for at in range(count)]


def test_a_flat_in_which_two_of_three_copy() -> None:
    found = weighed(accounts(apart(3), [5, 5, 5]), copying=2)
    assert found.nats[2] > 4
    assert found.words(2) == "2 of 2 other accounts at its address copy"


def test_a_family_of_listeners_weighs_nothing() -> None:
    assert weighed(accounts(apart(5), [5] * 5), copying=0).nats.max() == 0


def test_one_copier_in_a_train_says_next_to_nothing_of_the_others() -> None:
    found = weighed(accounts(apart(200), [5] * 200), copying=1)
    assert found.nats[0] == 0
    assert 0 < found.nats[1:].max() < 1


def test_a_log_without_addresses_has_no_neighbours() -> None:
    assert weighed(accounts(apart(3), [0, 0, 0]), copying=2).nats.max() == 0


def test_accounts_that_began_in_the_same_minutes() -> None:
    begun = [MONDAY + at for at in range(21)]
    found = weighed(accounts(begun, range(1, 22), lived=30 * DAY), copying=20)
    assert found.nats[20] == company.MOST
    assert "20 of 20 other accounts that began within the same half hour" in found.words(20)


def test_many_accounts_begin_where_a_log_begins() -> None:
    begun = [MONDAY + at % 600 for at in range(4000)]
    found = weighed(accounts(begun, range(1, 4001), lived=30 * DAY), copying=10)
    assert found.nats.max() < 0.5


def test_new_accounts_for_those_that_were_stopped() -> None:
    begun = [MONDAY + at * 2 * HOUR for at in range(6)]
    found = weighed(accounts(begun, range(1, 7)), copying=5)
    assert found.nats[5] > 4
    assert "began soon after one that copied had ended" in found.words(5)


def test_who_begins_while_others_are_stopped_is_no_successor() -> None:
    stopped = [MONDAY + at * 2 * HOUR for at in range(5)]
    new = [MONDAY + at * 60 for at in range(600)]
    found = weighed(accounts(stopped + new, range(1, 606)), copying=5)
    assert found.nats[5:].max() < 2


def test_who_goes_on_is_not_replaced() -> None:
    begun = [MONDAY + at * 2 * HOUR for at in range(6)]
    found = weighed(accounts(begun, range(1, 7), lived=60 * DAY), copying=5)
    assert found.nats.max() == 0


def shuffled(count: int, seed: int) -> list[str]:
    return [f"x{at}q" for at in random.Random(seed).sample(range(10**6), count)]


def paced(name: str, tracks: int, seed: int, address: str) -> list[Row]:
    """A copier who takes a track every twenty minutes or so, and rests at night."""
    dice = random.Random(seed)
    rows = copier(name, shuffled(tracks, seed), gap=1200, start=MONDAY + seed * HOUR)
    return [one | {"address": address, "time": one["time"] + dice.randrange(600)} for one in rows]


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Judged]:
    """Three who copy and a fourth who began to, behind one address, with a listener; another began
    to copy elsewhere."""
    rows = [one for at in range(3) for one in paced(f"c{at}", 400, 1 + 30 * at, "10.0.0.1")]
    rows += paced("fourth", 130, 200, "10.0.0.1") + paced("alone", 130, 200, "10.0.0.2")
    rows += [one | {"address": "10.0.0.1"} for one in listener("ann")]
    log = write(tmp_path_factory.mktemp("flat") / "log", rows)
    found = scanning.scan([log], Options(cells=1 << 16))
    return {one.account: one for one in found.verdicts}


def test_own_signs_and_company_together_convict(flat: dict[str, Judged]) -> None:
    assert flat["fourth"].verdict is Verdict.SCRAPER
    assert flat["fourth"].reasons[0] == "3 of 4 other accounts at its address copy"
    assert flat["fourth"].group is None
    assert flat["alone"].verdict is Verdict.HONEST


def test_a_listener_among_copiers_is_honest(flat: dict[str, Judged]) -> None:
    assert (flat["ann"].verdict, flat["ann"].reasons) == (Verdict.HONEST, ())


@pytest.mark.parametrize(
    ("excluded", "accused"), [(set(), {"fourth"}), ({"c0", "c1", "c2"}, set())]
)
def test_live_too(excluded: set[str], accused: set[str]) -> None:
    rows = [one for at in range(3) for one in paced(f"c{at}", 400, 1 + 30 * at, "10.0.0.1")]
    rows = sorted(rows + paced("fourth", 130, 200, "10.0.0.1"), key=lambda one: one["time"])
    live = Watching(Baseline(), 1000)
    live.take("".join(json.dumps(one) + "\n" for one in rows).encode(), LATER)
    live.look_for_groups(excluded=frozenset(excluded))
    others = {one.account for one in live.suspects() if one.verdict is Verdict.SCRAPER}
    assert others - {"c0", "c1", "c2"} == accused


def test_an_account_with_an_agreement_accuses_nobody(tmp_path: Path) -> None:
    rows = [one for at in range(3) for one in paced(f"c{at}", 400, 1 + 30 * at, "10.0.0.1")]
    rows += paced("fourth", 130, 200, "10.0.0.1")
    trusted = frozenset({"c0", "c1", "c2"})
    options = Options(cells=1 << 16, trusted=trusted)
    found = scanning.scan([write(tmp_path / "log", rows)], options)
    assert [one.verdict for one in found.verdicts] == [Verdict.HONEST]
