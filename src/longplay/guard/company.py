"""Accounts in the company of others that copy: at one address, begun in the same minutes, or begun
when another had been stopped.

Who runs many accounts creates them together, works from the addresses that he has, and takes a new
account when one is stopped. Synchronized accounts were how false likes were found among a billion
users (Beutel et al., "CopyCatch", WWW 2013; Cao et al., "SynchroTrap", CCS 2014). But families,
trains and schools share an address too, and every log begins with many accounts at once. So it is
asked how many of *all* accounts in that company copy: of sixty in a train one may, and that says
next to nothing of the others; of three in a flat two, and that says much. The rate is that of a
beta-binomial distribution which begins at the rate of all accounts.

It only ever adds to own signs that are nearly enough: alone it makes nobody a suspect, and those
who are accused by company do not accuse others in turn.

How many accounts there are anywhere is counted in a sketch of bounded size (count-min, Cormode and
Muthukrishnan 2005). It may count too many; company then says less. Of an account the last address
is kept, as 32 bits of a hash under the log's key.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longplay.guard.judging import Accounts
from longplay.guard.state import FIRST, LAST
from longplay.guard.verdict import PRIOR

CELLS = 1 << 20
"""Cells of each of the two rows: 8 MB."""

MINUTES_TOGETHER = 10
"""Accounts that begin within as many minutes, or in the ten before or after, begin together."""

SLOT = MINUTES_TOGETHER * 60
AFTER_SECONDS = 3 * 3600
"""In that time a new account takes the place of one that was stopped."""

QUIET_SECONDS = 3 * 3600
"""So long nothing came from an account that was stopped."""

LEAST = 3
"""Accounts that copy, from which beginning together, or after one another, is more than chance."""

WEIGHT = 3.0
"""Accounts that the rate of all accounts weighs as much as."""

MOST = 5.0
"""So that own signs must say as much as a hundred different tracks without a repeat do: more than
those of any of the fourteen people's months, alone, among others who copy."""

Rows = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float64]
Places = npt.NDArray[np.uint32]
"""Two rows of cells, which count accounts by address and by the minutes in which they began."""

KINDS = (
    "{copying:,} of {others:,} other accounts at its address copy",
    "{copying:,} of {others:,} other accounts that began within the same half hour copy",
    "{copying:,} of {others:,} other accounts that began soon after one that copied had ended copy",
)
"""The kinds of company, as reasons."""


@dataclass(frozen=True, slots=True)
class Company:
    """What the company of some accounts weighs, in nats, and what it is. `kind` is a place in
    KINDS."""

    nats: Vector
    kind: Rows
    copying: Rows
    others: Rows

    def words(self, row: int) -> str:
        """The reason, in plain words."""
        said = KINDS[self.kind[row]]
        return said.format(copying=int(self.copying[row]), others=int(self.others[row]))


def empty(cells: int = CELLS) -> Places:
    """A sketch that has counted nobody; `cells` is a power of two."""
    return np.zeros((2, cells), np.uint32)


def count_in(places: Places, accounts: Accounts) -> None:
    """Count accounts at their addresses, and in the minutes in which they began."""
    there = accounts.addresses[accounts.addresses != 0]
    for keys in (_of_address(there), _of_slot(_slots(accounts))):
        for row in (0, 1):
            np.add.at(places[row], _cell(places, row, keys), 1)


def weigh(accounts: Accounts, copying: npt.NDArray[np.bool_], places: Places, at: int) -> Company:
    """What company says of each of these accounts at a time, given which of them copy."""
    found = [
        _at_one_address(accounts, copying, places),
        _together(accounts, copying, places),
        _after_one_another(accounts, copying, places, at),
    ]
    nats = np.stack([_nats(seen, others) for seen, others in found])
    kind = nats.argmax(0)
    row = np.arange(len(accounts))
    seen = np.stack([one for one, _ in found])
    others = np.stack([one for _, one in found])
    return Company(nats.max(0), kind, seen[kind, row], others[kind, row])


def _nats(seen: Rows, others: Rows) -> Vector:
    """The odds of copying in a company of whose members so many copy, over those of everybody."""
    base = 1 / (1 + np.exp(-PRIOR))
    rate = (seen + WEIGHT * base) / (np.maximum(others, seen) + WEIGHT)
    nats = np.log(rate / (1 - rate)) - PRIOR
    told: Vector = np.where(seen > 0, np.clip(nats, 0.0, MOST), 0.0)
    return told


def _at_one_address(
    accounts: Accounts, copying: npt.NDArray[np.bool_], places: Places
) -> tuple[Rows, Rows]:
    known = accounts.addresses != 0
    seen = _how_often(accounts.addresses[copying & known], accounts.addresses) - (copying & known)
    everybody = _counted(places, _of_address(accounts.addresses)) - 1
    none = np.zeros(len(accounts), np.int64)
    return np.where(known, seen, none), np.where(known, everybody, none)


def _together(
    accounts: Accounts, copying: npt.NDArray[np.bool_], places: Places
) -> tuple[Rows, Rows]:
    slots = _slots(accounts)
    near = [slots + shift for shift in (-1, 0, 1)]
    seen = sum((_how_often(slots[copying], one) for one in near), start=-copying.astype(np.int64))
    everybody = sum((_counted(places, _of_slot(one)) for one in near), start=-1)
    return np.where(seen >= LEAST, seen, 0), np.asarray(everybody)


def _after_one_another(
    accounts: Accounts, copying: npt.NDArray[np.bool_], places: Places, at: int
) -> tuple[Rows, Rows]:
    """All who began within three hours of the end of some account that copied are one company."""
    first, last = accounts.numbers[:, FIRST], accounts.numbers[:, LAST]
    ends = np.sort(last[copying & (last <= at - QUIET_SECONDS)])
    before = np.searchsorted(ends, first) - 1
    inside = (before >= 0) & (first - ends[before] <= AFTER_SECONDS) if len(ends) else before >= 0
    spans = np.arange(AFTER_SECONDS // SLOT + 1)
    slots = np.unique(((ends // SLOT).astype(np.int64)[:, None] + spans).ravel())
    seen = np.where(inside, int((inside & copying).sum()) - copying, 0)
    everybody = np.where(inside, int(_counted(places, _of_slot(slots)).sum()) - 1, 0)
    return np.where(seen >= LEAST, seen, 0), everybody


def _slots(accounts: Accounts) -> Rows:
    slots: Rows = (accounts.numbers[:, FIRST] // SLOT).astype(np.int64)
    return slots


def _how_often(among: npt.NDArray[np.generic], ones: npt.NDArray[np.generic]) -> Rows:
    """How often each occurs among others."""
    ordered = np.sort(among)
    often = np.searchsorted(ordered, ones, "right") - np.searchsorted(ordered, ones)
    return np.asarray(often, np.int64)


def _of_address(addresses: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    return addresses.astype(np.uint64) | np.uint64(1 << 40)


def _of_slot(slots: Rows) -> npt.NDArray[np.uint64]:
    return slots.astype(np.uint64) & np.uint64(0xFFFFFFFF)


def _cell(places: Places, row: int, keys: npt.NDArray[np.uint64]) -> Rows:
    factor = np.uint64((0x9E3779B97F4A7C15, 0xD1342543DE82EF95)[row])
    mixed = (keys * factor) >> np.uint64(32)
    return (mixed & np.uint64(places.shape[1] - 1)).astype(np.int64)


def _counted(places: Places, keys: npt.NDArray[np.uint64]) -> Rows:
    """How many accounts were counted under each key; never too few."""
    one, two = (places[row, _cell(places, row, keys)] for row in (0, 1))
    fewer: Rows = np.minimum(one, two).astype(np.int64)
    return fewer
