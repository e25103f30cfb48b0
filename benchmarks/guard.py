"""The guard: honest listeners stopped by mistake, and tracks that leave before a scraper is
stopped.

    python -m benchmarks.guard people     real people, each judged by numbers fitted without him
    python -m benchmarks.guard service    10,000 simulated listeners for a month, and scrapers
    python -m benchmarks.guard honest     40,000 simulated listeners for a month, and nobody else
    python -m benchmarks.guard evader     the best scraper by someone who has read the source
    python -m benchmarks.guard ranges     a scraper that asks for each track in several ranges
    python -m benchmarks.guard artefacts  what a classifier sees in times' last digits and ids

Scrapers are synthetic: no public log of a music service names its scrapers. See guard_traffic.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from benchmarks.data import DATA
from benchmarks.guard_traffic import (
    DAY,
    HELD_OUT,
    START,
    Kit,
    Person,
    at_full_speed,
    events_of,
    hijacked,
    in_parts,
    in_real_time,
    lengths,
    like_a_person,
    listener,
    mark,
    mix,
    people,
    uniform,
    zipf,
)
from longplay.catalogue.compiled import compiled
from longplay.guard import crowd
from longplay.guard.baseline import SIZES, Baseline
from longplay.guard.events import Events
from longplay.guard.grouping import Member
from longplay.guard.scan import Kept, Options, grouped, judged, with_crowd
from longplay.guard.spill import Spill
from longplay.guard.state import NEW, UNDER_WAY, continues
from longplay.guard.verdict import SCRAPER, WATCH, probability

LOG = DATA / "listening" / "honest_listeners.jsonl.zst"
MONTH = 30 * DAY


def fitted(crowd_of: list[Person]) -> Baseline:
    """A baseline whose repeats are fitted to these people, each weighing the same."""
    windows: dict[int, list[npt.NDArray[np.int64]]] = {n: [] for n in SIZES}
    for person in crowd_of:
        own = person.events
        heard = (own["listened"] >= 30) | ((own["action"] == 0) & (own["listened"] < 0))
        tracks = own["track"][heard][plays(own[heard])]
        for n in SIZES:
            starts = range(0, len(tracks) - n + 1, max(50, n // 4))
            repeats = [n - len(np.unique(tracks[at : at + n])) for at in starts]
            if repeats:
                windows[n].append(np.array(repeats))
    pairs = [_beta(n, windows[n]) for n in SIZES]
    return replace(
        Baseline(), repeats_a=tuple(a for a, _ in pairs), repeats_b=tuple(b for _, b in pairs)
    )


@compiled
def plays(own: Any) -> npt.NDArray[np.bool_]:
    """Which of an account's events begin a play, and do not go on with one."""
    under_way = np.zeros((1, UNDER_WAY), np.uint32)
    begin = np.zeros(len(own), np.bool_)
    for at in range(len(own)):
        begin[at] = not continues(under_way, 0, own[at].track, own[at].time // 60)
    return begin


def _beta(n: int, windows: list[npt.NDArray[np.int64]]) -> tuple[float, float]:
    def loss(logs: npt.NDArray[np.float64]) -> float:
        a, b = np.exp(logs)
        each = [special.betaln(a + r, b + n - r) - special.betaln(a, b) for r in windows]
        return -float(sum(np.mean(one) for one in each))

    a, b = np.exp(optimize.minimize(loss, [0.0, 1.0], method="Nelder-Mead").x)
    return float(a), float(b)


@dataclass
class Result:
    """What was thought of every account: by its number, the highest log-odds, when it was decided,
    and how many tracks had left by then (or altogether)."""

    odds: dict[int, float]
    decided: dict[int, int]
    tracks: dict[int, float]
    group: dict[int, int]


def run(blocks: Iterable[Events], baseline: Baseline, cells: int = 1 << 24) -> Result:
    """Judge traffic as a scan does."""
    options = Options(baseline=baseline, everyone=True, cells=cells)
    with Spill() as spill:
        sketch = crowd.empty(cells)
        for events in blocks:
            crowd.count_in(sketch, events)
            spill.add(events)
        kept = judged(spill, sketch, with_crowd(spill, sketch, baseline), options)
    return _result(kept, grouped(kept))


def _result(kept: Kept, groups: dict[int, Member]) -> Result:
    one = kept.shown
    hashes = one.hashes.tolist()
    odds = dict(zip(hashes, one.odds.tolist(), strict=True))
    new = one.numbers[:, NEW].tolist()
    tracks = dict(zip(hashes, new, strict=True))
    decided = {h: int(at) for h, at in zip(hashes, one.decided.tolist(), strict=True) if at >= 0}
    tracks |= {h: t for h, t in zip(hashes, one.tracks.tolist(), strict=True) if h in decided}
    for account, member in groups.items():
        if account not in decided or member.decided < decided[account]:
            decided[account], tracks[account] = member.decided, member.tracks
        odds[account] = max(odds[account], member.odds)
    return Result(odds, decided, tracks, {h: m.group for h, m in groups.items()})


def bound(stopped: int, of: int) -> tuple[float, float]:
    """The exact 95 % interval of a rate (Clopper and Pearson 1934)."""
    low = stats.beta.ppf(0.025, stopped, of - stopped + 1) if stopped else 0.0
    high = stats.beta.ppf(0.975, stopped + 1, of - stopped) if stopped < of else 1.0
    return float(low), float(high)


def real_people() -> None:
    """Each person judged by a baseline without him: his months as new accounts, and all at once; as
    the log has them, and as one that tells which part of a track was heard."""
    for name, crowd_of in ("plays", people(LOG)), ("parts of tracks", in_parts(people(LOG))):
        print(name)
        _judge_each(crowd_of)


def _judge_each(crowd_of: list[Person]) -> None:
    months = stopped = watched = 0
    for one in crowd_of:
        baseline = fitted([other for other in crowd_of if other is not one])
        parts = one.events.copy()
        parts["account"] = mix(np.uint64(1)) ^ ((parts["time"] // MONTH).astype(np.uint64) << 1)
        alone = run([parts], baseline, 1 << 20)
        whole = run([one.events], baseline, 1 << 20)
        odds = np.array([*alone.odds.values(), *whole.odds.values()])
        months += len(alone.odds)
        stopped += int((odds >= SCRAPER).sum())
        watched += int((odds >= WATCH).sum())
        _, high = bound(int((odds >= SCRAPER).sum()), len(alone.odds))
        print(
            f"{one.name}: {len(alone.odds)} months, highest probability "
            f"{probability(max(alone.odds.values())):.4f} (one account: "
            f"{probability(max(whole.odds.values())):.4f}), rate below {high:.1%}"
        )
    print(json.dumps({"account_months": months, "stopped": stopped, "watched": watched}))
    print("interval", bound(stopped, months))


def training() -> tuple[list[Person], Baseline]:
    crowd_of = [one for one in people(LOG) if one.name not in HELD_OUT]
    return crowd_of, fitted(crowd_of)


def listeners(crowd_of: list[Person], first: int, count: int, days: int) -> Iterable[Events]:
    dice = np.random.default_rng(first)
    for start in range(0, count, 1000):
        some = [
            listener(crowd_of[(start + at) % len(crowd_of)], first + start + at, days, dice)
            for at in range(min(1000, count - start))
        ]
        events = np.concatenate(some)
        yield events[np.argsort(events["time"], kind="stable")]


Maker = Callable[[int, Kit], Events]

KINDS: dict[str, Maker] = {
    "naive: ids in order, 1 a second": lambda n, kit: at_full_speed(
        n, uniform(5000, kit.dice), 1.0, kit
    ),
    "naive, 10 a minute": lambda n, kit: at_full_speed(n, uniform(5000, kit.dice), 6.0, kit),
    "by popularity, 1 a second": lambda n, kit: at_full_speed(n, np.arange(1, 5001), 1.0, kit),
    "by popularity, 1 a minute": lambda n, kit: at_full_speed(n, np.arange(1, 5001), 60.0, kit),
    "real time, day and night": lambda n, kit: in_real_time(n, zipf(8000, kit.dice), 24, kit),
    "real time, 8 hours a day": lambda n, kit: in_real_time(n, zipf(4000, kit.dice), 8, kit),
    "real time, 8 hours, charts": lambda n, kit: in_real_time(n, np.arange(1, 4001), 8, kit),
    "a person's days, no repeat": lambda n, kit: like_a_person(n, zipf(9000, kit.dice), kit),
    "a person's days, 10 % repeats": lambda n, kit: like_a_person(
        n, zipf(9000, kit.dice), kit, 0.1
    ),
    "a person's days, 25 % repeats": lambda n, kit: like_a_person(
        n, zipf(9000, kit.dice), kit, 0.25
    ),
    "a stolen account at night": hijacked,
}
EACH = 50


def service(count: int) -> None:
    """A month of a service, with fifty scrapers of every kind, and groups of 10 and of 100."""
    crowd_of, baseline = training()
    kit = Kit(crowd_of, lengths(crowd_of), np.random.default_rng(7))
    made: list[Events] = []
    numbers: dict[str, list[int]] = {}
    number = 10**7
    for name, make in KINDS.items():
        numbers[name] = list(range(number, number + EACH))
        made += [make(one, kit) for one in numbers[name]]
        number += EACH
    for size in (10, 100):
        name = f"{size} accounts, charts by turns"
        numbers[name] = list(range(number, number + size))
        made += dealt(numbers[name], np.arange(1, size * 400 + 1), kit)
        number += size
    result = run([*listeners(crowd_of, 0, count, 30), np.concatenate(made)], baseline)
    told = report(result, count, numbers, made)
    Path(tempfile.gettempdir(), "guard_service.json").write_text(json.dumps(told))


SERVED = 4000
"""Simulated listeners of one service: what is held of their events at once is bounded by that."""

PROCESSES = 2


def honest(count: int) -> None:
    """A month of several services without a scraper, one after the other in each of two processes:
    how many listeners are stopped. Of odd services the log tells which part of a track is heard."""
    firsts = range(0, count, SERVED)
    odds: list[npt.NDArray[np.float64]] = []
    events = 0
    began = time.perf_counter()
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        for first, (own, lines) in zip(firsts, pool.map(_served, firsts), strict=True):
            odds.append(own)
            events += lines
            told = np.concatenate(odds)
            print(
                f"{len(told)} listeners, {events:,} events, {time.perf_counter() - began:,.0f} s: "
                f"{int((told >= SCRAPER).sum())} stopped, {int((told >= WATCH).sum())} watched, "
                f"highest log-odds {told.max():.2f} ({own.max():.2f} from {first})",
                flush=True,
            )
    stopped = int((told >= SCRAPER).sum())
    low, high = (10_000 * one for one in bound(stopped, len(told)))
    one_sided = 10_000 * float(stats.beta.ppf(0.95, stopped + 1, len(told) - stopped))
    print(
        f"stopped in 10,000 account-months: {low:.2f} to {high:.2f} (95 %), below {one_sided:.2f}"
    )


def _served(first: int) -> tuple[npt.NDArray[np.float64], int]:
    """The highest log-odds of each listener of a service, and how many events there were."""
    crowd_of, baseline = training()
    if first // SERVED % 2:
        crowd_of = in_parts(crowd_of)
    lines = 0

    def counted() -> Iterable[Events]:
        nonlocal lines
        for events in listeners(crowd_of, first, SERVED, 30):
            lines += len(events)
            yield events

    result = run(counted(), baseline)
    own = (int(mix(np.uint64(first + at))) for at in range(SERVED))
    return np.array([result.odds.get(one, NEVER_SEEN) for one in own]), lines


NEVER_SEEN = -8.0
"""Log-odds of a listener whose month had no event."""


def dealt(numbers: list[int], ranks: npt.NDArray[Any], kit: Kit) -> list[Events]:
    """A list dealt out among accounts, each of which lives a person's days."""
    shuffled = kit.dice.permutation(ranks)
    return [
        like_a_person(number, shuffled[at :: len(numbers)], kit, days=30)
        for at, number in enumerate(numbers)
    ]


def report(
    result: Result, count: int, numbers: dict[str, list[int]], made: list[Events]
) -> dict[str, Any]:
    honest = np.array([result.odds.get(int(mix(np.uint64(at))), NEVER_SEEN) for at in range(count)])
    stopped = int((honest >= SCRAPER).sum())
    print(
        f"{count} simulated listeners for a month: {stopped} stopped, interval per 10,000", end=" "
    )
    print([round(10_000 * one, 2) for one in bound(stopped, count)], end=" ")
    print(f"watched {int((honest >= WATCH).sum())}, highest odds {honest.max():.2f}")
    told: dict[str, Any] = {"honest": honest.tolist(), "kinds": {}}
    for name, some in numbers.items():
        hashes = [int(mix(np.uint64(one))) for one in some]
        leaks = np.array([result.tracks[h] for h in hashes])
        caught = np.array([h in result.decided for h in hashes])
        told["kinds"][name] = {
            "leaks": leaks.tolist(),
            "odds": [result.odds[h] for h in hashes],
            "caught": caught.tolist(),
        }
        print(
            f"{name}: stopped {caught.sum()} of {len(some)}, tracks before: median "
            f"{np.median(leaks):,.0f}, 90 % {np.quantile(leaks, 0.9):,.0f}, most {leaks.max():,.0f}"
        )
    return told


def artefacts() -> None:
    """A naive Bayes classifier on the last digits of minutes, and of ids of tracks and accounts."""
    crowd_of, _ = training()
    kit = Kit(crowd_of, lengths(crowd_of), np.random.default_rng(11))
    honest = [listener(crowd_of[at % len(crowd_of)], at, 30, kit.dice) for at in range(1000)]
    makers = list(KINDS.values())
    bad = [makers[at % len(makers)](10**7 + at, kit) for at in range(1000)]
    cells: list[tuple[str, int, Callable[[Events], npt.NDArray[np.int64]]]] = [
        ("seconds", 60, lambda e: e["time"] % 60),
        ("minute", 10, lambda e: e["time"] // 60 % 10),
        ("track's low bits", 256, lambda e: (e["track"] & np.uint64(255)).astype(np.int64)),
        ("track's high bits", 256, lambda e: (e["track"] >> np.uint64(56)).astype(np.int64)),
        ("account's low bits", 64, lambda e: (e["account"] & np.uint64(63)).astype(np.int64)),
    ]
    for one in [*bad, *honest]:
        # Ids under a key of each account's own: that charts are charts is content, no artefact.
        one["track"] = (one["track"] ^ one["account"]) * np.uint64(0x9E3779B97F4A7C15)
        one["track"] ^= one["track"] >> np.uint64(31)
    scores = np.zeros(1000)
    for name, size, look in cells:
        tables = [
            sum(
                (np.bincount(look(e), minlength=size) / max(len(e), 1) for e in some[:500]),
                np.full(size, 0.5),
            )
            for some in (bad, honest)
        ]
        ratio = np.log(tables[0] / tables[0].sum()) - np.log(tables[1] / tables[1].sum())
        own = np.array(
            [ratio[look(e)].mean() if len(e) else 0.0 for e in [*bad[500:], *honest[500:]]]
        )
        scores += own
        print(name, "AUC", round(area(own), 3))
    print("all", "AUC", round(area(scores), 3), "standard error", 0.018)


def area(scores: npt.NDArray[np.float64]) -> float:
    """The area under the ROC curve where the first half are scrapers."""
    half = len(scores) // 2
    ranks = stats.rankdata(scores)
    return float((ranks[:half].sum() - half * (half + 1) / 2) / half**2)


def evader(accounts: int) -> None:
    """A program that knows the guard: people's days, up to four of them in one account at once,
    people's skips, the charts' own mixture of ranks, and as many repeats as it takes. Which setting
    gets most new tracks a day, over 60 days, counting what is had before accounts are stopped?"""
    crowd_of, baseline = training()
    kit = Kit(crowd_of, lengths(crowd_of), np.random.default_rng(13))
    honest = list(listeners(crowd_of, 0, 1000, 60))
    settings = [(r, s) for r in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5) for s in (1, 2, 4)]
    made, numbers = [], {}
    number = 10**7
    for repeats, streams in settings:
        numbers[repeats, streams] = list(range(number, number + accounts))
        for one in numbers[repeats, streams]:
            made.append(household(one, repeats, streams, kit))
        number += accounts
    result = run([*honest, np.concatenate(made)], baseline)
    for setting, some in numbers.items():
        hashes = [int(mix(np.uint64(one))) for one in some]
        stopped = [h for h in hashes if h in result.decided]
        each = np.array([result.tracks[h] for h in hashes])
        lived = [(result.decided.get(h, START + 60 * DAY) - START) / DAY for h in hashes]
        free = np.mean([result.tracks[h] / 60 for h in hashes if h not in stopped] or [0])
        print(
            f"repeats {setting[0]:.0%}, {setting[1]} at once: stopped {len(stopped)} of "
            f"{len(some)}, "
            f"tracks an account {each.mean():,.0f} in {np.mean(lived):.0f} days, "
            f"{each.sum() / sum(lived):,.0f} a day; those never stopped {free:,.0f}"
        )


def household(number: int, repeats: float, streams: int, kit: Kit) -> Events:
    """Several people's days in one account, all taking from one list."""
    ranks = zipf(40_000, kit.dice)
    parts = [
        like_a_person(number, ranks[at::streams], kit, repeats, days=60) for at in range(streams)
    ]
    both = np.concatenate(parts)
    return both[np.argsort(both["time"], kind="stable")]


PARTS = (1, 2, 4, 16)
AT_ONCE = (1, 2, 8, 9, 16, 64)


def ranges(accounts: int) -> None:
    """Scrapers that repeat nothing, 14 hours a day for 20 days as fast as two people hear, and ask
    for so many tracks at a time, by turns, in so many ranges each, in any order: a line of the log
    for each, which tells the part. With 16 ranges a piece has 15 seconds. The last ones take one
    half of each track, and the other on the next day."""
    _, baseline = training()
    dice = np.random.default_rng(17)
    settings = [(at_once, parts) for at_once in AT_ONCE for parts in PARTS] + [(DAYS_APART, 2)]
    for at_once, parts in settings:
        numbers = list(range(10**7, 10**7 + accounts))
        made = [in_ranges(one, at_once, parts, dice) for one in numbers]
        result = run([np.concatenate(made)], baseline, 1 << 20)
        hashes = [int(mix(np.uint64(one))) for one in numbers]
        stopped = [h for h in hashes if h in result.decided and h not in result.group]
        each = [result.tracks[h] for h in hashes]
        print(
            f"{at_once} tracks at a time in {parts} ranges: stopped {len(stopped)} of "
            f"{accounts}, tracks: median {np.median(each):,.0f}, most {max(each):,.0f}",
            flush=True,
        )


LENGTH, HOURS, DAYS = 240, 14, 20
DAYS_APART = HOURS * 3600 * 2 // LENGTH
"""As many tracks at a time as two people hear in a day."""


def in_ranges(number: int, at_once: int, parts: int, dice: np.random.Generator) -> Events:
    turn = LENGTH * at_once // 2  # in which so many tracks are heard by two
    turns = DAYS * HOURS * 3600 // turn
    seconds = np.arange(turns)[:, None] * turn + np.arange(parts) * (turn // parts)
    tracks = uniform(turns * at_once, dice).reshape(-1, 1, at_once)
    shape = (turns, parts, at_once)
    order = dice.random(shape).argsort(1).ravel()  # of the pieces of each track
    elapsed = np.broadcast_to(seconds[:, :, None], shape).ravel()
    times = elapsed // (HOURS * 3600) * DAY + elapsed % (HOURS * 3600)
    own = events_of(
        number, START + 8 * 3600 + times, np.broadcast_to(tracks, shape).ravel(),
        np.full(len(times), LENGTH // parts),
    )  # fmt: skip
    mark(own, order / parts, (order + 1) / parts)
    return own


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=[*"people service honest evader ranges artefacts".split()])
    parser.add_argument("--count", type=int)
    asked = parser.parse_args()
    match asked.what:
        case "people":
            real_people()
        case "service":
            service(asked.count or 10_000)
        case "honest":
            honest(asked.count or 40_000)
        case "evader":
            evader(asked.count or 20)
        case "ranges":
            ranges(asked.count or 5)
        case "artefacts":
            artefacts()


if __name__ == "__main__":
    main()
