"""How one object is like another: the figures, and what they say.

The thresholds lie between what copies had and what other music had; docs/identify.md has both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ALIKE = 0.55
"""Share of landmarks from which two objects may be one recording: copies had 0.6 and more, also
where they were mastered anew or played faster, and takes of one work 0.47 at most."""

WHOLE = 0.7
"""Share of each object that must agree: a cut may leave so much."""

REPEATED = 0.7
"""Above this much `elsewhere`, what both have in common is a loop: copies had 0.56 at most,
different music over one loop 0.79 and more."""

CERTAIN = 0.8
CERTAIN_WHOLE = 0.9
"""Share of landmarks and of each object from which, at its own speed, a pair needs no ear: copies
in other codecs have it; new masters may not, nor has a score that a machine plays twice."""

OWN_SPEED = 0.005
"""A tape machine is so far from its speed at most; beyond, somebody changed it."""

Kind = Literal["same", "speed", "part", ""]


@dataclass(frozen=True, slots=True)
class Likeness:
    """How one object lies along another, which begins at the other's frame `there` and runs `speed`
    times as fast. `share` of the landmarks where both are is the same; `elsewhere` is the largest
    such share at any other place, relative to it. `mine` and `theirs` are the shares of the two
    objects, in chunks, that agree."""

    speed: float
    pitch: float
    there: float
    share: float
    elsewhere: float
    mine: float
    theirs: float

    @property
    def kind(self) -> Kind:
        """`same`: one recording from end to end, `speed`: at another speed, `part`: one of them is
        a part of the other; `""`: nothing of that."""
        if self.share < ALIKE or self.elsewhere > REPEATED or max(self.mine, self.theirs) < WHOLE:
            return ""
        if min(self.mine, self.theirs) < WHOLE:
            return "part"
        return "same" if abs(self.speed - 1) <= OWN_SPEED else "speed"

    @property
    def certain(self) -> bool:
        """Whether that need not be looked at by anybody."""
        whole = min(self.mine, self.theirs) >= CERTAIN_WHOLE
        return self.kind == "same" and whole and self.share >= CERTAIN

    def turned(self) -> Likeness:
        """The same, as the other lies along this one."""
        return Likeness(
            round(1 / self.speed, 5), round(1 / self.pitch, 5), -self.there / self.speed,
            self.share, self.elsewhere, self.theirs, self.mine,
        )  # fmt: skip
