"""Accounts that are told by others, not only by what they do themselves: members of groups that
divide tracks (`coordination`), and those in the company of accounts that copy (`company`).

Looked for at moments, by a scan again and again over its log, live as time goes on: whoever was
found stays as he was found first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from longplay.guard import company, coordination
from longplay.guard.judging import CANDIDATE, Accounts
from longplay.guard.meeting import known_tracks
from longplay.guard.verdict import SCRAPER

Hashes = npt.NDArray[np.uint64]
NOBODY: Hashes = np.zeros(0, np.uint64)


@dataclass(frozen=True, slots=True)
class Member:
    """An account that others told: when that was found, and how many tracks it had by then. `group`
    is its group's number, 0 where there is none; `company` says what company it keeps."""

    group: int
    size: int
    decided: int
    tracks: float
    expected: float
    found: float
    odds: float
    company: str = ""

    def reasons(self) -> tuple[str, ...]:
        """What others tell of it, in plain words."""
        words = []
        if self.group:
            words.append(
                f"one of {self.size:,} accounts that avoid each other's tracks: they met "
                f"{self.found:,.0f} times where listeners meet {self.expected:,.0f} times"
            )
        return (*words, self.company) if self.company else tuple(words)


def look(
    members: dict[int, Member],
    candidates: Accounts,
    crowd: Accounts,
    places: company.Places,
    at: int,
    trusted: Hashes = NOBODY,
    taken: int = 0,
) -> None:
    """Note who of the candidates is told by others at a time. `crowd` are accounts drawn at random,
    `places` counts all; `trusted` ones may copy and tell nothing. A new group has a number above
    those `taken`."""
    group = coordination.find(candidates, crowd, at)
    together = np.zeros(len(candidates))
    if group is not None:
        together[group.rows] = group.nats
    odds = odds_by(candidates, at)
    hashes = candidates.hashes
    grouped = np.array([h for h, one in members.items() if one.group], np.uint64)
    copying = (candidates.decided >= 0) & (candidates.decided <= at) | np.isin(hashes, grouped)
    kept = company.weigh(candidates, copying & ~np.isin(hashes, trusted), places, at)
    told = (together > 0) | (kept.nats > 0) & (odds < SCRAPER)
    known = (candidates.candidate >= 0) & (candidates.candidate <= at)
    rows = np.flatnonzero(told & known & (odds + together + kept.nats >= SCRAPER))
    number = _number(members, hashes[rows[together[rows] > 0]].tolist(), taken)
    tracks = known_tracks(candidates, at)
    for row in rows.tolist():
        one = Member(
            *(0, 0, at, float(tracks[row]), 0.0, 0.0),
            float(odds[row] + together[row] + kept.nats[row]),
            kept.words(row) if kept.nats[row] > 0 else "",
        )
        one = members.get(int(hashes[row]), one)
        if group is not None and together[row] > 0 and not one.group:
            size = len(group.rows)
            one = replace(one, group=number, size=size, expected=group.expected, found=group.found)
        members[int(hashes[row])] = one


def odds_by(accounts: Accounts, at: int) -> npt.NDArray[np.float64]:
    """What was thought of accounts at a time, as far as is known: the most, if that was by then, or
    as much as of a candidate."""
    by_then = accounts.odds_at <= at
    odds: npt.NDArray[np.float64] = np.where(by_then, accounts.odds, CANDIDATE)
    return odds


def _number(members: dict[int, Member], hashes: list[int], taken: int) -> int:
    """The number of the group that some of these are in already, or a new one."""
    known = [members[h].group for h in hashes if h in members and members[h].group]
    return known[0] if known else 1 + max(taken, *(one.group for one in members.values()), 0)
