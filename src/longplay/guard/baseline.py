"""What honest listening looks like: numbers that the detectors compare with. Shipped ones work on
day one; a service can learn its own from its honest traffic.

The shipped numbers were fitted to 14 people's listening over months (280,139 plays); they are
properties of that crowd, and no one's data. Written and read as TOML.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from longplay.errors import InputError

Vector = npt.NDArray[np.float64]
"""A baseline as the compiled detectors read it; the columns are below."""

SIZES = (50, 100, 200, 400, 800, 1600)
"""Tracks taken for which it is known how many of them are repeats."""

MONTH_MEDIAN, MONTH_SPREAD, SKIPS_TOLD, ALONE_A, ALONE_B = range(5)
REPEATS_A = 5
REPEATS_B = REPEATS_A + len(SIZES)

LEAST_ACCOUNTS = 50
"""As many accounts as the shipped numbers weigh when a service's own are joined to them."""


CROWD_LEAST = 200
"""Accounts from which a crowd says what is usual to take alone."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Honest listening. Repeats among the first n tracks follow a beta-binomial distribution with
    `repeats_a`, `repeats_b` for each n of SIZES; new tracks a month a lognormal one (`month_spread`
    in nats); tracks that nobody else takes a beta distribution (both 0: the crowd is too small to
    tell). `skips_told` is 1 where a service's log tells skips at all."""

    repeats_a: tuple[float, ...] = (0.86, 1.42, 2.27, 3.3, 4.59, 6.33)
    repeats_b: tuple[float, ...] = (6.61, 6.6, 6.67, 6.39, 6.06, 5.86)
    month_median: float = 350.0
    month_spread: float = 0.75
    skips_told: float = 1.0
    alone_a: float = 0.0
    alone_b: float = 0.0

    def vector(self) -> Vector:
        """The numbers in the order in which detectors read them."""
        single = (self.month_median, self.month_spread, self.skips_told, self.alone_a, self.alone_b)
        return np.array([*single, *self.repeats_a, *self.repeats_b])


@dataclass(frozen=True, slots=True)
class Crowd:
    """What a log's accounts do, each counted once: tracks taken and different ones among the first
    of them, new tracks a month, skips and events."""

    taken: npt.NDArray[np.float64]
    new: npt.NDArray[np.float64]
    month: npt.NDArray[np.float64]
    skips: npt.NDArray[np.float64]
    events: npt.NDArray[np.float64]


def learn(crowd: Crowd, known: Baseline) -> Baseline:
    """The baseline after a service's honest accounts are weighed in; `known` counts for
    LEAST_ACCOUNTS of them. Accounts with few tracks say little and are left out."""
    enough = crowd.taken >= SIZES[0]
    count = int(enough.sum())
    if not count:
        return known
    taken, new = crowd.taken[enough], crowd.new[enough]
    weight = count / (count + LEAST_ACCOUNTS)
    expected = np.array([_expected(known, n) for n in taken])
    found = np.clip(1 - new / taken, 0, 1)
    ratio = float(found.mean() / max(expected.mean(), 1e-6))
    factor = ratio**weight
    means = [
        min(a / (a + b) * factor, 0.95)
        for a, b in zip(known.repeats_a, known.repeats_b, strict=True)
    ]
    sums = [a + b for a, b in zip(known.repeats_a, known.repeats_b, strict=True)]
    month = np.log(np.maximum(crowd.month[enough], 1.0))
    median = (1 - weight) * np.log(known.month_median) + weight * float(np.median(month))
    spread = (1 - weight) * known.month_spread + weight * max(float(month.std()), 0.5)
    told = float(crowd.skips.sum() > 0.02 * crowd.events.sum())
    return replace(
        known,
        repeats_a=tuple(m * s for m, s in zip(means, sums, strict=True)),
        repeats_b=tuple((1 - m) * s for m, s in zip(means, sums, strict=True)),
        month_median=float(np.exp(median)),
        month_spread=spread,
        skips_told=told,
    )


def with_alone(shares: npt.NDArray[np.float64], known: Baseline) -> Baseline:
    """The baseline with what a crowd takes alone, by each account's share of such tracks; as it was
    where the crowd is too small to tell."""
    if len(shares) < CROWD_LEAST:
        return known
    # The highest are left out: scrapers that nothing else has shown yet would be among them.
    usual = np.clip(np.sort(shares)[: int(len(shares) * 0.97)], 0.001, 0.999)
    mean = float(usual.mean())
    size = max(min(mean * (1 - mean) / max(float(usual.var()), 1e-6) - 1, 40.0), 2.0)
    return replace(known, alone_a=mean * size, alone_b=(1 - mean) * size)


def drift(now: Baseline, before: Baseline) -> float:
    """How far apart two baselines are: the largest change, in nats, of repeats or of new tracks a
    month. From about 0.5 on, somebody should look why."""
    repeats = [abs(np.log(_share(now, at) / _share(before, at))) for at in range(len(SIZES))]
    return float(max(*repeats, abs(np.log(now.month_median / before.month_median))))


def _share(one: Baseline, at: int) -> float:
    return one.repeats_a[at] / (one.repeats_a[at] + one.repeats_b[at])


def _expected(one: Baseline, taken: float) -> float:
    shares = [_share(one, at) for at in range(len(SIZES))]
    return float(np.interp(np.log(taken), np.log(SIZES), shares))


def save_text(one: Baseline) -> str:
    """The baseline as TOML."""
    lines = []
    for name, value in asdict(one).items():
        cells = [f"{number:.6g}" for number in (value if isinstance(value, tuple) else (value,))]
        lines.append(f"{name} = [{', '.join(cells)}]" if isinstance(value, tuple) else "")
        if not isinstance(value, tuple):
            lines[-1] = f"{name} = {cells[0]}"
    return "\n".join(lines) + "\n"


def load(file: Path) -> Baseline:
    """A baseline that `save_text` wrote. Raises InputError for anything else."""
    try:
        table = tomllib.loads(file.read_text("utf-8"))
        numbers = {name: _number(value) for name, value in table.items()}
        one = Baseline(**numbers)  # type: ignore[arg-type]
        _judge(one)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise InputError(
            f"not a baseline: {error}", where=str(file), hint="write one with `guard scan --learn`"
        ) from error
    return one


def _number(value: object) -> float | tuple[float, ...]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(float(cell) for cell in value)
    if isinstance(value, int | float):
        return float(value)
    raise TypeError(f"{value!r} is no number")


def _judge(one: Baseline) -> None:
    if len(one.repeats_a) != len(SIZES) or len(one.repeats_b) != len(SIZES):
        raise ValueError(f"repeats need {len(SIZES)} numbers")
    positive = (*one.repeats_a, *one.repeats_b, one.month_median, one.month_spread)
    if not all(0 < number < 1e9 for number in positive):
        raise ValueError("numbers must lie above 0")
    if not (0 <= one.alone_a < 1e9 and 0 <= one.alone_b < 1e9):
        raise ValueError("numbers may not lie below 0")
