"""Accounts that divide a catalogue are told from listeners whose tastes differ."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from longplay.guard import coordination
from longplay.guard.baseline import Baseline
from longplay.guard.events import EVENT
from longplay.guard.judging import Accounts, take

DAY = 86400
TRACKS = 300_000
Ranks = npt.NDArray[np.int64]


def charts(dice: np.random.Generator, count: int) -> Ranks:
    """Different tracks as listeners take them: hits most of all."""
    drawn = np.exp(dice.random(3 * count) * np.log(TRACKS)).astype(np.int64)
    return np.unique(drawn)[dice.permutation(len(np.unique(drawn)))][:count]


def hashed(ranks: Ranks) -> npt.NDArray[np.uint64]:
    value = ranks.astype(np.uint64)
    for _ in range(3):
        value = value * np.uint64(0xBF58476D1CE4E5B9)
        value ^= value >> np.uint64(29)
    return value


def accounts(lists: list[Ranks]) -> Accounts:
    """Accounts that took these tracks, a track every few minutes for ten days."""
    pieces = []
    for number, ranks in enumerate(lists):
        one = np.zeros(len(ranks), EVENT)
        one["account"] = number + 1
        one["track"] = hashed(ranks)
        one["time"] = np.linspace(0, 10 * DAY, len(ranks)).astype(np.int64)
        one["listened"], one["number"], one["bytes"] = 200, -1, -1
        pieces.append(one)
    found = Accounts.none()
    take(found, np.concatenate(pieces), None, Baseline().vector())
    found.candidate[:] = -1
    return found


def suspected(lists: list[Ranks]) -> Accounts:
    found = accounts(lists)
    found.candidate[:] = 0
    return found


def crowd(dice: np.random.Generator) -> Accounts:
    return accounts([charts(dice, 100) for _ in range(600)])


def test_a_list_that_is_dealt_out_is_one_group() -> None:
    dice = np.random.default_rng(1)
    dealt = dice.permutation(np.arange(1, 20_001))
    parts = [dealt[at::100] for at in range(100)]
    curious = [charts(dice, 200) for _ in range(100)]
    found = coordination.find(suspected(parts + curious), crowd(dice), 11 * DAY)
    assert found is not None
    assert set(range(100)) == {int(row) for row in found.rows}
    assert found.nats.min() > 3
    assert found.found == 0
    assert found.expected > 100


def test_curious_listeners_are_no_group() -> None:
    dice = np.random.default_rng(2)
    curious = suspected([charts(dice, 200) for _ in range(300)])
    assert coordination.find(curious, crowd(dice), 11 * DAY) is None


def test_listeners_far_from_the_charts_are_no_group() -> None:
    dice = np.random.default_rng(3)
    niches = [charts(dice, 400) for _ in range(300)]
    far = suspected([one[one > 1000][:150] for one in niches])
    assert coordination.find(far, crowd(dice), 11 * DAY) is None


def test_one_listener_of_each_taste_is_no_group() -> None:
    """Forty tastes that share nothing: who is alone in his avoids all others."""
    dice = np.random.default_rng(4)

    def of_a_taste(count: int) -> Ranks:
        return charts(dice, count) * 40 + int(dice.integers(0, 40))

    listeners = accounts([of_a_taste(100) for _ in range(2000)])
    curious = suspected([of_a_taste(200) for _ in range(200)])
    assert coordination.find(curious, listeners, 11 * DAY) is None
