"""Music made for tests of the index: tunes of random notes that no two seeds share."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from longplay.audio import landmarks
from longplay.audio.fingerprint import fingerprint
from longplay.audio.landmarks import sparse
from longplay.audio.resample import FINGERPRINT_RATE
from longplay.identify.shard import Printed
from longplay.model import ObjectKey


def tune(
    seed: int, seconds: float = 30, rate: int = FINGERPRINT_RATE, take: int | None = None
) -> NDArray[np.float32]:
    """Mono sound of overlapping plucked notes, full scale at 1.0. A `take` has them played by
    somebody who does not keep time so exactly."""
    rng = np.random.default_rng(seed)
    hand = np.random.default_rng(take)
    out = np.zeros(int(seconds * rate) + 2 * rate, np.float32)
    start = 0.0
    while start < seconds:
        pitch = 110 * 2 ** (rng.integers(0, 48) / 12)
        length = rng.uniform(0.2, 0.9)
        time = np.arange(int(length * rate)) / rate
        note = sum(
            np.sin(2 * np.pi * pitch * over * time) * rng.uniform(0.1, 1) / over
            for over in (1, 2, 3, 4)
            if pitch * over < rate / 2.2
        )
        when = start
        if take is not None:
            when = max(0.0, start * 1.004 + 0.12 * np.sin(start / 3 + take) + hand.normal(0, 0.02))
        at = int(when * rate)
        out[at : at + len(time)] += 0.15 * note * np.exp(-4 * time)
        start += rng.uniform(0.05, 0.25)
    return out[: int(seconds * rate)]


def mono(sound: NDArray[np.float32]) -> NDArray[np.int16]:
    """As the fingerprinters take it."""
    return np.clip(np.round(sound * 32767), -32768, 32767).astype(np.int16)


def key(seed: int) -> ObjectKey:
    """The object that a tune is called in tests."""
    return ObjectKey(hashlib.sha256(f"tune {seed}".encode()).digest(), seed + 1)


def printed(seed: int, seconds: float = 30) -> Printed:
    """A tune as the index takes it."""
    samples = mono(tune(seed, seconds))
    found = sparse(landmarks.landmarks(samples))
    frames = len(samples) // landmarks.HOP
    return Printed(key(seed), frames, found.frame, found.bin, fingerprint(samples))


def quiet(_done: int, _total: int, _words: str) -> None:
    """Progress that nobody sees."""
