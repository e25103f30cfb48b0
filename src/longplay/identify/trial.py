"""Clips cut from what is indexed, to measure an index by itself: are they found, and is anything
else than their own recording claimed? The cutting runs in confined workers."""

from __future__ import annotations

import io
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from longplay.audio import landmarks
from longplay.audio.decode import decode
from longplay.audio.fingerprint import dense_fingerprint
from longplay.audio.landmarks import HOP, Landmarks
from longplay.audio.resample import FINGERPRINT_RATE, Stretch
from longplay.settings import Limits

SECONDS = 10.0
NOISE_DB = 10.0
"""Music is so much louder than the noise that is added to half of the clips."""

MOST_SECONDS = 900
"""What is decoded of one object: clips come from its first quarter of an hour."""

QUIET = 30.0
"""A clip with less than this level (of 32767) is silence, and is not asked for."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """An object to cut a clip from; `seed` says where."""

    name: str
    path: Path | None
    limits: Limits
    seed: int
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip's landmarks, frames and items; `noisy` says that noise was added."""

    found: Landmarks
    frames: int
    items: NDArray[np.uint32]
    noisy: bool


class _Enough(Exception):  # noqa: N818 - no error: what was wanted is there
    """As much was decoded as is needed."""


def cut(specimen: Specimen) -> list[Clip]:
    """Clips of one object: as it is, and with noise. None of what is too short or silent."""
    samples = _samples(specimen)
    rng = np.random.default_rng(specimen.seed)
    length = int(SECONDS * FINGERPRINT_RATE)
    if len(samples) < length:
        return []
    start = int(rng.integers(0, len(samples) - length + 1))
    clip = samples[start : start + length].astype(np.float64)
    level = math.sqrt(float(np.mean(np.square(clip))))
    if level < QUIET:
        return []
    noise = rng.standard_normal(length) * level * 10 ** (-NOISE_DB / 20)
    return [
        Clip(landmarks.landmarks(sound), length // HOP, dense_fingerprint(sound), noisy)
        for sound, noisy in ((_words(clip), False), (_words(clip + noise), True))
    ]


def _words(sound: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.clip(np.round(sound), -32768, 32767).astype(np.int16)


def _samples(specimen: Specimen) -> NDArray[np.int16]:
    parts: list[NDArray[np.int16]] = []

    def hear(stretch: Stretch) -> None:
        parts.append(stretch.mono)
        if sum(map(len, parts)) > MOST_SECONDS * FINGERPRINT_RATE:
            raise _Enough

    data = specimen.data
    source = io.BytesIO(data) if data is not None else (specimen.path or Path()).open("rb")
    with source:
        size = source.seek(0, 2)
        with suppress(_Enough):
            decode(source, size, specimen.limits, hear, mono_only=True)
    return np.concatenate([np.empty(0, np.int16), *parts])
