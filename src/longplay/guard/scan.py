"""Logs of any service, from files to verdicts. Two passes: who takes each track, then account by
account."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from longplay.guard import company, coordination, crowd
from longplay.guard.baseline import Baseline, Crowd, learn, with_alone
from longplay.guard.grouping import NOBODY, Hashes, Member, look
from longplay.guard.judging import Accounts, joined, take
from longplay.guard.reading.reader import Counts, read
from longplay.guard.spill import Lot, Names, Spill
from longplay.guard.state import (
    ALONE,
    EVENTS,
    FIRST,
    LAST,
    NEW,
    SINCE_NEW,
    SINCE_TAKEN,
    SKIPS,
    TAKEN,
)
from longplay.guard.verdict import (
    SIGNS,
    WATCH,
    Judged,
    Verdict,
    probability,
    reasons,
    verdict_of,
    weigh,
)

LISTED = 10_000
"""Accounts that are all listed if there are no more of them."""

CROWD = 4000
"""Accounts drawn at random that stand for all."""

CROWD_USED = 2000
"""Accounts from which it is told what is usual to take alone, and a tenth of those looked at."""

CANDIDATES = 200_000
"""Accounts that are looked at for groups: those that look most like copying."""

THREADS = 2

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a scan is asked for. `wishes` maps fields, `trusted` are accounts that may copy (by an
    agreement), `everyone` lists honest accounts too, `folder` holds temporary files."""

    wishes: dict[str, str] = field(default_factory=dict)
    baseline: Baseline = field(default_factory=Baseline)
    trusted: frozenset[str] = frozenset()
    everyone: bool = False
    folder: Path | None = None
    cells: int = crowd.CELLS


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan found. `learned` is the baseline after this log's honest accounts."""

    counts: Counts
    accounts: int
    verdicts: list[Judged]
    learned: Baseline


@dataclass(slots=True)
class Kept:
    """What of all accounts is kept: those that matter, some drawn at random, and how many there are
    at each place."""

    accounts: int
    shown: Accounts
    candidates: Accounts
    drawn: Accounts
    places: company.Places


def scan(logs: Iterable[Path], options: Options, progress: Progress | None = None) -> Scanned:
    """Judge all accounts of these logs, which are one service's. Raises InputError for a log that
    cannot be opened, or whose fields are not known."""
    with Spill(options.folder) as spill, Names(options.folder) as names:
        sketch = crowd.empty(options.cells)
        counts = _read_all(list(logs), options, spill, names, sketch, progress)
        baseline = with_crowd(spill, sketch, options.baseline)
        kept = judged(spill, sketch, baseline, options, progress)
        groups = grouped(kept, _hashes(names, kept.candidates, options.trusted))
        wanted = {int(one) for one in kept.shown.hashes} | {int(h) for h in groups}
        known = names.find(wanted)
    vector = baseline.vector()
    every = (told(kept.shown, row, known, groups, vector) for row in range(len(kept.shown)))
    verdicts = [one for one in every if one.account not in options.trusted]
    if not options.everyone and kept.accounts > LISTED:
        verdicts = [one for one in verdicts if one.verdict is not Verdict.HONEST]
    verdicts.sort(key=lambda one: (-one.probability, one.account))
    return Scanned(counts, kept.accounts, verdicts, learn(_crowd_of(kept.drawn), options.baseline))


def _read_all(
    logs: list[Path],
    options: Options,
    spill: Spill,
    names: Names,
    sketch: crowd.Sketch,
    progress: Progress | None,
) -> Counts:
    counts = Counts()
    key = None
    for at, log in enumerate(logs):
        for one in read(log, options.wishes, counts, key):
            key = one.key
            crowd.count_in(sketch, one.events)
            spill.add(one.events)
            names.add(one.names)
            if progress:
                progress(at, len(logs), f"logs, {counts.events:,} events")
    return counts


def _judge_lot(
    spill: Spill, lot: Lot, sketch: crowd.Sketch, vector: npt.NDArray[np.float64]
) -> Accounts:
    accounts = Accounts.none()
    for events in spill.chunks(lot):
        take(accounts, events, sketch, vector)
    return accounts


def with_crowd(spill: Spill, sketch: crowd.Sketch, baseline: Baseline) -> Baseline:
    """The baseline with what this crowd takes alone, from lots of it; lots are drawn by hash, so
    they stand for all."""
    alone: list[npt.NDArray[np.float64]] = []
    looked_at = 0
    for lot in spill.lots():
        accounts = _judge_lot(spill, lot, sketch, baseline.vector())
        n = accounts.numbers
        enough = (n[:, SINCE_NEW] >= 30) & (accounts.odds < WATCH)
        alone.append(n[enough, ALONE] / n[enough, SINCE_NEW])
        looked_at += len(accounts)
        if looked_at >= 10 * CROWD_USED or sum(map(len, alone)) >= CROWD_USED:
            break
    return with_alone(np.concatenate(alone) if alone else np.zeros(0), baseline)


def judged(
    spill: Spill,
    sketch: crowd.Sketch,
    baseline: Baseline,
    options: Options,
    progress: Progress | None = None,
) -> Kept:
    """Every account's state after all its events. Of honest ones only some are kept."""
    vector = baseline.vector()
    lots = spill.lots()
    total, shown, candidates, drawn = 0, [], [], []
    places = company.empty()
    share = max(CROWD // max(len(lots), 1), 4)
    with ThreadPoolExecutor(THREADS) as pool:
        for at, accounts in enumerate(_in_turn(pool, spill, lots, sketch, vector)):
            total += len(accounts)
            company.count_in(places, accounts)
            listed = accounts.odds >= WATCH
            if options.everyone or total <= LISTED:
                listed[:] = True
            shown.append(accounts.only(np.flatnonzero(listed)))
            candidates.append(accounts.only(np.flatnonzero(accounts.candidate >= 0)))
            if sum(map(len, candidates)) > 2 * CANDIDATES:
                candidates = [_best(joined(candidates))]
            drawn.append(accounts.only(np.arange(min(share, len(accounts)))))
            if progress:
                progress(at + 1, len(lots), "lots of the accounts")
    return Kept(total, joined(shown), _best(joined(candidates)), joined(drawn), places)


def _in_turn(
    pool: ThreadPoolExecutor,
    spill: Spill,
    lots: list[Lot],
    sketch: crowd.Sketch,
    vector: npt.NDArray[np.float64],
) -> Iterator[Accounts]:
    """Lots judged in threads, and handed out in order; few at a time, as each takes memory."""
    waiting: deque[Future[Accounts]] = deque()
    for lot in lots:
        waiting.append(pool.submit(_judge_lot, spill, lot, sketch, vector))
        if len(waiting) > THREADS:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _hashes(names: Names, accounts: Accounts, wanted: frozenset[str]) -> Hashes:
    """Which of these accounts have these names."""
    if not wanted:
        return NOBODY
    known = names.find(set(accounts.hashes.tolist()))
    return np.array([one for one, name in known.items() if name in wanted], np.uint64)


def _best(candidates: Accounts) -> Accounts:
    if len(candidates) <= CANDIDATES:
        return candidates
    return candidates.only(np.argsort(-candidates.odds, kind="stable")[:CANDIDATES])


def grouped(kept: Kept, trusted: Hashes = NOBODY) -> dict[int, Member]:
    """Accounts that others tell, by account, each as it was first found. Those that were not to be
    shown by themselves are added to those that are."""
    members: dict[int, Member] = {}
    candidates = kept.candidates
    for at in coordination.moments(candidates):
        look(members, candidates, kept.drawn, kept.places, at, trusted)
    there = set(kept.shown.hashes.tolist())
    missing = [
        row
        for row, one in enumerate(candidates.hashes.tolist())
        if one in members and one not in there
    ]
    kept.shown = joined([kept.shown, candidates.only(np.array(missing, np.int64))])
    return members


def told(
    accounts: Accounts,
    row: int,
    names: dict[int, str],
    groups: dict[int, Member],
    vector: npt.NDArray[np.float64],
) -> Judged:
    """What is thought of one account, with the reasons in words."""
    account = int(accounts.hashes[row])
    odds = float(accounts.odds[row])
    numbers = accounts.told(row)
    nats = np.empty(SIGNS)
    weigh(numbers, vector, nats)
    decided = int(accounts.decided[row]) if accounts.decided[row] >= 0 else None
    tracks = float(accounts.tracks[row]) if decided is not None else accounts.numbers[row, NEW]
    why = reasons(numbers, vector, nats)
    member = groups.get(account)
    if member:
        why = (*member.reasons(), *why)
        if decided is None or member.decided < decided:
            decided, tracks = member.decided, member.tracks
        odds = max(odds, member.odds)
    verdict = verdict_of(odds)
    return Judged(
        names.get(account, f"{account:016x}"),
        verdict,
        probability(odds),
        int(accounts.numbers[row, FIRST]),
        decided,
        round(tracks),
        (member.group or None) if member else None,
        why if verdict is not Verdict.HONEST else (),
    )


def _crowd_of(drawn: Accounts) -> Crowd:
    """What the honest among some accounts do. An account that began anew counts as it is since."""
    honest = drawn.odds < WATCH
    n = drawn.numbers[honest]
    days = np.maximum((n[:, LAST] - n[:, FIRST]) / 86400, 30.0)
    return Crowd(
        taken=n[:, SINCE_TAKEN],
        new=n[:, SINCE_NEW],
        month=n[:, NEW] / days * 30,
        skips=n[:, SKIPS],
        events=n[:, EVENTS] * (n[:, TAKEN] > 0),
    )
