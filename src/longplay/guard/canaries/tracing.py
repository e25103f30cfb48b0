"""Whose copy a leaked one was made from, with a bound on accusing somebody who had no part in it.

Two things are looked at, each for itself: the forms of signs, which stay with partial, sorted and
converted copies; and the order of tracks, which stays where signs were made alike. A recipient is
named when the chance that anybody of all the recipients would be named wrongly is below ACCUSED.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from longplay.guard.canaries import code, spelling
from longplay.guard.canaries.code import Forms, Places, Secret
from longplay.guard.canaries.marking import ORDER

ACCUSED = 1e-6
"""The chance, over everybody who ever got a copy, that somebody is named who had no part."""

WAYS = 2
"""In how many ways a copy is looked at: each gets its share of that chance."""

MOST_PLACES = 100_000
"""Places that are kept: many more than are needed, and some 20 MB. The lowest ones, so that they
come from all over the copy."""

WHOLE = 0.9
"""Agreement with one recipient's forms below which something else is mixed in: names of artists
have signs as well, which are never spelled."""

_TRACK = re.compile(r"tr[0-9a-z]{13}")


@dataclass(frozen=True, slots=True)
class Named:
    """A recipient whose copy was part of what leaked. `agreement` is the share of places that have
    their form, `bound` the chance at most that this names somebody who had no part; `kind` is what
    they had got, where the caller tells that."""

    recipient: str
    agreement: float
    bound: float
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Traced:
    """What a copy says. `places` are signs that were read, `pairs` neighbouring tracks of the same
    order, `likely` is the smallest bound of a recipient who is not named."""

    texts: int
    places: int
    pairs: int
    recipients: int
    named: tuple[Named, ...]
    likely: float
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Signs:
    """Forms by place; a place that was found in both forms says nothing."""

    found: dict[bytes, int] = field(default_factory=dict)
    highest: bytes = b"\xff" * code.PLACE_BYTES

    def add(self, place: bytes, form: int) -> None:
        if place > self.highest:
            return
        if self.found.setdefault(place, form) != form:
            self.found[place] = -1
        if len(self.found) >= 2 * MOST_PLACES:
            kept = sorted(self.found)[:MOST_PLACES]
            self.highest = kept[-1]
            self.found = {place: self.found[place] for place in kept}

    def told(self) -> tuple[Places, Forms]:
        sure = {place: form for place, form in self.found.items() if form >= 0}
        return code.places(sure), np.fromiter(sure.values(), bool, len(sure))


@dataclass(slots=True)
class _Pairs:
    """Tracks by twos as they follow each other, each track once."""

    secret: Secret
    met: set[bytes] = field(default_factory=set)
    waiting: bytes | None = None
    first: list[bytes] = field(default_factory=list)
    second: list[bytes] = field(default_factory=list)

    def add(self, track: str) -> None:
        if len(self.first) >= MOST_PLACES:
            return
        place = self.secret.place(ORDER, track)
        if place in self.met:
            return
        self.met.add(place)
        if self.waiting is None:
            self.waiting = place
        else:
            self.first.append(self.waiting)
            self.second.append(place)
            self.waiting = None


def trace(texts: Iterable[str], secret: Secret, recipients: Iterable[str]) -> Traced:
    """Say which of the recipients' copies these texts come from."""
    signs, pairs = _Signs(), _Pairs(secret)
    count = 0
    for text in texts:
        count += 1
        if _TRACK.fullmatch(text):
            pairs.add(text)
            continue
        read = spelling.read(text)
        if read:
            plain = spelling.same(text)
            for kind, form in read.items():
                signs.add(secret.place(kind, plain), form)
    where, forms = signs.told()
    everybody = sorted(set(recipients))
    found = [_judged(one, secret, where, forms, pairs) for one in everybody]
    limit = ACCUSED / max(WAYS * len(everybody), 1)
    named = sorted(
        (one for one in found if one.bound <= limit), key=lambda one: (one.bound, one.recipient)
    )
    told = tuple(
        Named(one.recipient, one.agreement, min(1.0, one.bound * WAYS * len(everybody)))
        for one in named
    )
    others = [one.bound for one in found if one.bound > limit]
    return Traced(
        count,
        len(forms),
        len(pairs.first),
        len(everybody),
        told,
        min(1.0, min(others, default=1.0) * WAYS * len(everybody)),
        tuple(_notes(told, forms, bool(everybody))),
    )


def _judged(recipient: str, secret: Secret, where: Places, forms: Forms, pairs: _Pairs) -> Named:
    key = secret.recipient(recipient)
    own, chance = code.forms(key, where), code.chances(where)
    by_signs = code.bound(code.score(forms, own, chance), forms, chance)
    agreement = float((own == forms).mean()) if len(forms) else 0.0
    first = code.priorities(key, code.places(pairs.first))
    second = code.priorities(key, code.places(pairs.second))
    before, even = first < second, np.full(len(first), 0.5)
    seen = np.ones(len(first), bool)
    by_order = code.bound(code.score(seen, before, even), seen, even)
    return Named(recipient, agreement, min(by_signs, by_order))


def _notes(named: tuple[Named, ...], forms: Forms, anybody: bool) -> Iterator[str]:
    if not anybody:
        yield "nobody has got a marked copy of this archive"
    elif not named and len(forms) and not forms.any():
        yield (
            "all signs have their plain form: this is no marked copy, or its signs were made alike"
        )
    elif not named:
        yield (
            "it cannot be said whose copy this is: too few signs are left of any one, more than"
            " four were joined, or it is nobody's"
        )
    if len(named) == 1 and 0 < named[0].agreement < WHOLE:
        yield (
            "parts of it differ from that copy: corrected since, or joined with rows from"
            " elsewhere, perhaps of a recipient of whom too little is left to be named"
        )
    if len(named) > 1:
        yield "copies of all who are named were joined; whether of others too cannot be excluded"
    if named:
        yield "it is named whose copy this was, not who passed it on: a copy may be stolen"
