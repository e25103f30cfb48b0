"""Who listens and who copies in `benchmarks.guard_live`, and what they did in the days before.

The library is the head of the charts of `benchmarks.guard_traffic`: its most popular track is rank
one. Tracks of other ranks stand in the logs of earlier days, under ids of the same form, and are
not held.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from benchmarks.access_library import NAMES, SOURCE, TRACKS
from benchmarks.guard_traffic import (
    DAY,
    START,
    Kit,
    at_full_speed,
    id_of,
    in_real_time,
    listener,
    zipf,
)
from longplay import clock
from longplay.catalogue import ids
from longplay.guard.baseline import Baseline
from longplay.guard.events import EVENT, Events
from longplay.guard.judging import Accounts, take

DAYS = 30
RATE = 20_000
"""Bytes a second of sound, in the logs of earlier days: 160 kbit/s, as the library has it."""

LONGEST_WAIT = 150
"""Seconds after which a slow scraper's next track is due, at the most: its refusal is to be seen
within the minutes that are measured."""


@dataclass(frozen=True)
class Charts:
    """The tracks that are held, the most popular first; `hashes` are what the generator of
    traffic calls them, sorted, and `ranks` the place of each."""

    names: list[str]
    hashes: npt.NDArray[np.uint64]
    ranks: npt.NDArray[np.int64]

    def names_of(self, tracks: npt.NDArray[np.uint64]) -> list[str]:
        """The ids of tracks as a log has them."""
        made = ids.texts("tr", tracks)
        at = np.minimum(np.searchsorted(self.hashes, tracks), len(self.hashes) - 1)
        for place in np.flatnonzero(self.hashes[at] == tracks).tolist():
            made[place] = self.names[int(self.ranks[at[place]])]
        return made


def charts(tracks: int) -> Charts:
    """Of a library that `benchmarks.access_library` made."""
    with duckdb.connect() as connection:
        connection.execute(NAMES)
        query = TRACKS.format(tracks=tracks, artists=max(tracks // 16, 1))
        rows = connection.execute(
            f"SELECT id FROM ({query}) ORDER BY popularity DESC, hash(id)"
        ).fetchall()
    names = [ids.text("tr", ids.row_key("tr", SOURCE, own)) for (own,) in rows]
    hashes = np.array([id_of(np.uint64(at + 1)) for at in range(tracks)], np.uint64)
    order = np.argsort(hashes)
    return Charts(names, hashes[order], order)


@dataclass
class Account:
    """Somebody with an API key. A listener has favourites to choose from; a scraper a list, and
    seconds from one track to the next (from the first byte asked for). `past` is what it did in the
    days before."""

    kind: str
    past: Events
    tracks: list[str]
    gaps: list[float] = field(default_factory=list)

    @property
    def copies(self) -> bool:
        """Whether it is a scraper."""
        return bool(self.gaps)


def listeners(held: Charts, kit: Kit, number: int) -> Iterator[Account]:
    """Resampled from real people; what they choose now are tracks that they heard before."""
    first_day = int(clock.now().timestamp()) // DAY * DAY - (DAYS - 1) * DAY
    for at in range(number):
        past = listener(kit.people[at % len(kit.people)], at, DAYS, kit.dice)
        past["time"] += first_day - START
        known = past["track"][np.isin(past["track"], held.hashes)]
        wanted = held.names_of(known) or held.names[:50]
        yield Account("listener", past, wanted)


def scrapers(held: Charts, kit: Kit) -> Iterator[Account]:
    """Twenty, of eight kinds."""
    by_id, none = sorted(held.names), np.empty(0, EVENT)
    for _ in range(4):
        yield Account("ids in order, as fast as it goes", none, by_id, [0.0])
    for _ in range(2):
        yield Account("ids in order, 1 a second", none, by_id, [1.0])
    for _ in range(2):
        yield Account("by popularity, as fast as it goes", none, held.names, [0.0])
    for _ in range(2):
        yield Account("by popularity, 1 a second", none, held.names, [1.0])
    for at in range(4):
        yield Account("four that share a list, 1 in 2 s each", none, held.names[at::4], [2.0])
    ranks = np.arange(1, len(held.names) + 1)
    makers: tuple[tuple[str, Callable[[int], Events]], ...] = (
        ("by popularity, 1 a minute", lambda number: at_full_speed(number, ranks, 60.0, kit)),
        (
            "real time, day and night",
            lambda number: in_real_time(number, zipf(8000, kit.dice), 24, kit),
        ),
        (
            "real time, 8 hours a day",
            lambda number: in_real_time(number, zipf(4000, kit.dice), 8, kit),
        ),
    )
    for at, (kind, make) in enumerate(makers):
        for number in (1001 + 2 * at, 1002 + 2 * at):
            yield _late(kind, held, partial(make, number))


def _late(kind: str, held: Charts, make: Callable[[], Events]) -> Account:
    """A slow scraper at the end of its way: its days before are moved so that the track by which
    the guard decides is the first that it takes now. Drawn again until the one after that comes
    soon enough to see what it meets."""
    now = int(clock.now().timestamp())
    while True:
        events = make()
        for _ in range(5):
            at = decided(events)
            if at is None or at + 1 >= len(events):
                break
            shift = now - int(events["time"][at])
            if abs(shift) < 60:
                break
            events["time"] += shift
        gaps = np.diff(events["time"][at : at + 20]) if at else np.zeros(1)
        if at and abs(shift) < 60 and 0 < gaps[0] <= LONGEST_WAIT:
            past = events[:at]
            had = set(held.names_of(past["track"]))
            left = [name for name in held.names if name not in had]
            return Account(kind, past, left, [float(gap) for gap in gaps])


def decided(events: Events) -> int | None:
    """The event by which an account is called a scraper."""
    accounts = Accounts.none()
    take(accounts, events, None, Baseline().vector())
    at = int(accounts.decided[0])
    return None if at < 0 else int(np.searchsorted(events["time"], at))


def write_past(path: Path, everybody: list[Account], held: Charts) -> int:
    """The access log of the days before, as `longplay serve` writes it; answers its lines. The
    n-th of everybody is the account with the number n + 1."""
    now = int(clock.now().timestamp()) - 120
    lines: list[tuple[int, str]] = []
    for number, one in enumerate(everybody, 1):
        past = one.past[one.past["time"] < now]
        rows = zip(
            past["time"].tolist(),
            held.names_of(past["track"]),
            past["listened"].tolist(),
            past["action"].tolist(),
            strict=True,
        )
        for at, track, heard, action in rows:
            line = {
                "time": clock.text_of(clock.of_seconds(at)),
                "account": number,
                "address": "127.0.0.1",
                "track": track,
                "bytes": max(heard, 0) * RATE,
                "listened_s": heard,
                "action": ("play", "skip", "download")[action],
            }
            lines.append((at, json.dumps(line, separators=(",", ":"))))
    lines.sort(key=lambda pair: pair[0])
    path.write_text("".join(f"{line}\n" for _, line in lines))
    return len(lines)
