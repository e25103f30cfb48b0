"""Components of tracks under a curator's word: what must be one, and what must never be.

Only where a component holds a pair that was split is it put together again link by link, the
strongest first, leaving out what would join the pair: the same answer in whatever order the
sources came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from longplay.catalogue.corrections import Constraints
from longplay.catalogue.keys import Hashes

Links = Sequence[Sequence[int]]


def torn(tracks: Hashes, roots: Hashes, forbidden: Hashes) -> Hashes:
    """The roots of components that hold both tracks of a forbidden pair."""
    order = np.argsort(tracks)
    ordered = tracks[order]
    if not len(ordered) or not len(forbidden):
        return np.zeros(0, np.uint64)
    places = np.minimum(np.searchsorted(ordered, forbidden), len(ordered) - 1)
    known = (ordered[places] == forbidden).all(axis=1)
    both = roots[order[places[known]]]
    return np.unique(both[both[:, 0] == both[:, 1], 0])


def components(tracks: Iterable[int], links: Links, bound: Constraints) -> dict[int, int]:
    """Each track with the smallest one of its component.

    `links` are lists of tracks that something shows to be one, the strongest first. Forced pairs
    come before all links; no component ever holds a forbidden pair.
    """
    parts = _Parts(tracks)
    for one, other in bound.forbidden.tolist():
        parts.forbid(one, other)
    for link in [*bound.forced.tolist(), *links]:
        _join(parts, sorted(each for each in link if each in parts.root))
    return {track: parts.smallest[parts.find(track)] for track in parts.root}


def _join(parts: _Parts, link: Sequence[int]) -> None:
    """Join a link's tracks to as few components as the forbidden pairs allow."""
    heads: list[int] = []
    for track in link:
        if not any(parts.union(head, track) for head in heads):
            heads.append(track)


class _Parts:
    """A union-find over tracks that knows which roots must stay apart."""

    def __init__(self, tracks: Iterable[int]) -> None:
        self.root = {track: track for track in tracks}
        self.smallest = dict(self.root)
        self._apart: dict[int, set[int]] = {}

    def find(self, track: int) -> int:
        while self.root[track] != track:
            self.root[track] = self.root[self.root[track]]
            track = self.root[track]
        return track

    def forbid(self, one: int, other: int) -> None:
        if one in self.root and other in self.root:
            self._apart.setdefault(one, set()).add(other)
            self._apart.setdefault(other, set()).add(one)

    def union(self, one: int, other: int) -> bool:
        """Join two components unless that is forbidden; whether they are one now."""
        one, other = self.find(one), self.find(other)
        if one == other:
            return True
        if other in self._apart.get(one, ()):
            return False
        self.root[other] = one
        self.smallest[one] = min(self.smallest[one], self.smallest[other])
        for each in self._apart.pop(other, ()):
            self._apart[each].discard(other)
            self._apart[each].add(one)
            self._apart.setdefault(one, set()).add(each)
        return True
