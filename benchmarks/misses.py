"""What is left of a recording in a sound that was not recognised as it.

The landmarks that the index has of those seconds are looked for in the sound, where they must be
and, to know what chance gives, a little earlier and later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from longplay.audio import landmarks
from longplay.audio.landmarks import FRAMES_PER_SECOND, Landmarks
from longplay.identify.aligning import same
from longplay.identify.shard import Printed

NEAR_FRAMES, NEAR_BINS = 1.0, 1.3
EXACTLY = range(-4, 5)
"""Frames about the place within which the exact one is looked for."""

ELSEWHERE = (*range(-60, -9), *range(10, 61))
"""Frames from the place at which landmarks are the same by chance alone."""


@dataclass(frozen=True, slots=True)
class Left:
    """Of so many landmarks a second of the index this share is there, and by chance that; the sound
    is so loud, in dB below full scale."""

    a_second: float
    there: float
    by_chance: float
    level_db: float

    def __str__(self) -> str:
        return (f"{self.a_second:.1f} landmarks a second, {100 * self.there:.0f} % of them there"
                f" (by chance {100 * self.by_chance:.0f} %), {self.level_db:.0f} dB")  # fmt: skip


def left(
    one: Printed, start_s: float, sound: NDArray[np.int16], speed: float = 1, pitch: float = 1
) -> Left:
    """What of a recording from `start_s` on is in a sound, that many times faster and higher."""
    found = landmarks.landmarks(sound)
    frame = (one.frame - start_s * FRAMES_PER_SECOND) / speed
    inside = (frame >= 0) & (frame < len(sound) / landmarks.HOP)
    frame, place = frame[inside], one.bin[inside] * pitch
    seconds = max(len(sound) / landmarks.HOP / FRAMES_PER_SECOND, 1e-3)
    level = np.sqrt(np.mean(np.square(sound.astype(np.float64)))) if len(sound) else 0.0
    return Left(
        len(frame) / seconds,
        max(_share(frame + shift, place, found) for shift in EXACTLY),
        float(np.mean([_share(frame + shift, place, found) for shift in ELSEWHERE])),
        20 * float(np.log10(max(level, 1e-3) / 32768)),
    )


def _share(frame: NDArray[np.float64], place: NDArray[np.float32], found: Landmarks) -> float:
    if not len(frame):
        return 0.0
    own = place.astype(np.float64)
    return float(same(frame, own, found.frame, found.bin, NEAR_FRAMES, NEAR_BINS).mean())
