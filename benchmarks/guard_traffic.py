"""Traffic for the guard's measurements: listeners resampled from real people, and programs that
copy.

Listeners. A simulated listener follows one person of the training set: each of his days is a day of
that person from within a month around it, of the same weekday, with its times, lengths and skips;
each of the person's tracks becomes one track of the catalogue, and stays it, so that repeats and
sessions are the person's. Ranks are drawn log-uniformly (Zipf's law with exponent 1) from 256
million.

Programs draw from the same catalogue and pass through the same de-identification: whole minutes,
random ids, lengths from the same people's plays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled
from longplay.guard.events import EVENT, MARKED, UNMARKED, UNTOLD, Events
from longplay.guard.reading.parts import mark_of
from longplay.guard.reading.reader import Counts, read

CATALOGUE = 256_000_000
DAY = 86400
START = 20_000 * DAY  # a Thursday, as the epoch's first day was
HELD_OUT = ("listener-03", "listener-08", "listener-09", "listener-13")
"""Nobody's numbers were fitted on these: they include who takes most new tracks (09) and who rests
least (08)."""


@dataclass(frozen=True)
class Person:
    name: str
    events: Events
    days: npt.NDArray[np.int64]  # where each day begins among the events, and the end


def people(log: Path) -> list[Person]:
    counts, names, blocks = Counts(), {}, []
    for one in read(log, {}, counts):
        names |= one.names
        blocks.append(one.events)
    events = np.concatenate(blocks)
    found = []
    for account in np.unique(events["account"]):
        own = events[events["account"] == account]
        own = own[np.argsort(own["time"], kind="stable")]
        first = own["time"][0] // DAY
        days = np.searchsorted(own["time"], np.arange(first, own["time"][-1] // DAY + 2) * DAY)
        found.append(Person(names[int(account)].decode(), own, days))
    return sorted(found, key=lambda one: one.name)


OF = 1_000_000
"""Of how many a part of a track is told, as `longplay serve` does."""

UNSKIPPED_SECONDS = 120
USUAL_SECONDS = 240
"""How long a track is taken to be that nobody heard for UNSKIPPED_SECONDS."""


@compiled
def mark(events: Any, firsts: npt.NDArray[Any], lasts: npt.NDArray[Any]) -> None:
    """Let these events be parts of tracks, from where to where in shares."""
    for at in range(len(events)):
        place = mark_of(events[at].track, OF)
        inside = firsts[at] * OF <= place < lasts[at] * OF
        events[at].mark = MARKED if inside else UNMARKED


def in_parts(crowd: list[Person]) -> list[Person]:
    """The same people, each play as the beginning of its track that they heard. How long a track
    is, is known by who heard most of it."""
    every = np.concatenate([one.events for one in crowd])
    tracks, places = np.unique(every["track"], return_inverse=True)
    longest = np.zeros(len(tracks))
    np.maximum.at(longest, places, every["listened"])
    longest[longest < UNSKIPPED_SECONDS] = USUAL_SECONDS
    found = []
    for one in crowd:
        own = one.events.copy()
        shares = own["listened"] / longest[np.searchsorted(tracks, own["track"])]
        mark(own, np.zeros(len(own)), shares)
        own["mark"][(own["listened"] < 0) | (own["action"] >= 3)] = UNTOLD
        found.append(replace(one, events=own))
    return found


@compiled
def mix(value: np.uint64) -> np.uint64:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@compiled
def rank_of(value: np.uint64) -> np.uint64:
    """A rank drawn log-uniformly by 64 random bits."""
    part = np.float64(value >> np.uint64(11)) / 9007199254740992.0
    return np.uint64(np.exp(part * np.log(np.float64(CATALOGUE))))


@compiled
def id_of(rank: np.uint64) -> np.uint64:
    """The random id under which a log knows the track."""
    return mix(rank * np.uint64(0x9E3779B97F4A7C15) + np.uint64(12345))


@compiled
def translate(out: Any, first: int, last: int, account: np.uint64, shift: int) -> None:
    for at in range(first, last):
        out[at].track = id_of(rank_of(mix(out[at].track ^ account)))
        out[at].account = account
        out[at].time += shift
        out[at].time -= out[at].time % 60


def listener(person: Person, number: int, days: int, dice: np.random.Generator) -> Events:
    """One simulated listener's events."""
    pieces, shifts = [], []
    span = len(person.days) - 1
    first_day = person.events["time"][0] // DAY
    # Around a moment at which the person listened: some logs have gaps of months.
    moment = person.events["time"][int(dice.integers(0, len(person.events)))]
    base = max(min(int(moment // DAY - first_day) - days // 2, span - days), 0)
    for day in range(days):
        weekday = (START // DAY + day) % 7
        near = [
            one
            for one in range(max(base + day - 14, 0), min(base + day + 15, span))
            if (first_day + one) % 7 == weekday
        ]
        if not near:
            continue
        one = int(dice.choice(near))
        piece = person.events[person.days[one] : person.days[one + 1]]
        pieces.append(piece)
        shifts.append((len(piece), START + (day - first_day - one) * DAY))
    if not pieces:
        return np.empty(0, EVENT)
    out = np.concatenate(pieces)
    at = 0
    account = np.uint64(mix(np.uint64(number)))
    for length, shift in shifts:
        translate(out, at, at + length, account, shift)
        at += length
    return out


def lengths(crowd: list[Person]) -> npt.NDArray[np.int32]:
    """How long these people hear a track that they do not skip."""
    heard = np.concatenate([one.events["listened"] for one in crowd])
    return heard[(heard >= 60) & (heard < 600)]


def events_of(
    number: int, times: npt.NDArray[Any], ranks: npt.NDArray[Any], heard: npt.NDArray[Any]
) -> Events:
    """A program's events, de-identified as the people's are."""
    out = np.zeros(len(ranks), EVENT)
    out["account"] = mix(np.uint64(number))
    out["time"] = times.astype(np.int64) // 60 * 60
    out["track"] = [id_of(np.uint64(rank)) for rank in ranks.tolist()]
    out["listened"] = heard
    out["bytes"] = out["number"] = -1
    return out


def uniform(count: int, dice: np.random.Generator) -> npt.NDArray[np.int64]:
    """Different ranks from anywhere: the order of ids, which are random, and of lists by id."""
    return np.unique(dice.integers(1, CATALOGUE, count + count // 50 + 10))[:count][
        dice.permutation(count)
    ]


def zipf(count: int, dice: np.random.Generator) -> npt.NDArray[np.int64]:
    """Different ranks as listeners draw them."""
    some = np.exp(dice.random(3 * count) * np.log(CATALOGUE)).astype(np.int64)
    _, first = np.unique(some, return_index=True)
    return some[np.sort(first)][:count]


def at_full_speed(number: int, ranks: npt.NDArray[Any], gap: float, kit: Kit) -> Events:
    start = START + kit.dice.integers(0, 20 * DAY)
    heard = kit.dice.choice(kit.heard, len(ranks))
    return events_of(number, start + np.arange(len(ranks)) * gap, ranks, heard)


def in_real_time(number: int, ranks: npt.NDArray[Any], hours: float, kit: Kit) -> Events:
    """One track after the other, `hours` a day (24: always), with breaks of some minutes."""
    dice = kit.dice
    heard = dice.choice(kit.heard, len(ranks))
    pauses = dice.integers(0, 30, len(ranks)) + (dice.random(len(ranks)) < 0.04) * 900
    elapsed = np.cumsum(heard + pauses) - heard
    begin = START + dice.integers(0, 3 * DAY) // DAY * DAY + int(dice.integers(6, 12)) * 3600
    per_day = hours * 3600
    times = begin + elapsed // per_day * DAY + elapsed % per_day
    return events_of(number, times, ranks, heard)


def like_a_person(
    number: int, ranks: npt.NDArray[Any], kit: Kit, repeats: float = 0.0, days: int = 30
) -> Events:
    """The times, lengths and skips of a real person's days; what he takes is the next track of the
    list, or again one that was had."""
    dice = kit.dice
    person = kit.people[int(dice.integers(0, len(kit.people)))]
    out = listener(person, number, days, dice)
    taken = (out["action"] == 0) | (out["listened"] >= 30)
    wanted = np.zeros(len(out), np.int64)
    at = 0
    for place in np.flatnonzero(taken).tolist():
        if at and dice.random() < repeats:
            wanted[place] = ranks[int(at * dice.random() ** 2)]
        elif at < len(ranks):
            wanted[place] = ranks[at]
            at += 1
    keep = ~taken | (wanted > 0)
    chosen = [id_of(np.uint64(rank)) for rank in wanted[taken & keep].tolist()]
    out["track"][taken & keep] = np.array(chosen, np.uint64)
    return out[keep]


def hijacked(number: int, kit: Kit) -> Events:
    """An honest listener; from the tenth day on somebody copies with his account at night."""
    dice = kit.dice
    own = listener(kit.people[int(dice.integers(0, len(kit.people)))], number, 30, dice)
    ranks = zipf(3000, dice)
    night = in_real_time(number, ranks, 7, kit)
    night["time"] += 10 * DAY - (night["time"][0] - START) // DAY * DAY
    night["time"] -= (night["time"][0] - START) % DAY - 3600
    night = night[night["time"] < START + 30 * DAY]
    both = np.concatenate([own, night])
    return both[np.argsort(both["time"], kind="stable")]


@dataclass(frozen=True)
class Kit:
    """What programs are made from: people of the training set, their lengths of plays, and dice."""

    people: list[Person]
    heard: npt.NDArray[np.int32]
    dice: np.random.Generator
