"""Which recordings have seconds in common, told from their sound alone.

    python -m benchmarks.sharing [DATA]

Whoever measures how well recordings are recognised must know which of them share sound: one game's
pieces have voices from each other, and a claim of the other piece is no mistake. Nothing here is
what Longplay recognises by. Every second, a window of 4 s is laid on the places of the other
recording that the levels of its bands fit best, and both are compared sample by sample after their
spectra are made flat, so that a shared voice above another bass counts as much as it lasts. Equal
sound has 0.6 and more of that correlation through any codec, sound of which a part is equal 0.1 to
0.3, and always at the same distance in time, to a millisecond; the same notes played again have
less than 0.05, anywhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import scipy.signal
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from benchmarks.data import DATA
from longplay.audio.resample import FINGERPRINT_RATE as RATE

WINDOW = 4
"""Seconds that are laid on each other."""

FRAMES = 10
"""Levels a second."""

BANDS = 32
ALIKE = 0.4
"""Correlation of levels from which the samples are compared."""

EQUAL = 0.1
"""Correlation of samples from which sound is shared."""

STEADY = 0.003
"""Seconds by which the distance in time may differ between two neighbouring windows."""

REACH = 0.25
"""Seconds around what the levels say within which the samples are laid."""

MOST = 2
"""Places that are tried for one window, the likeliest."""

FRAME = 1024
"""Samples whose spectrum is made flat."""

Sound = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Shared:
    """The window at `at` seconds of one sound is in another at `there`, and how exactly."""

    at: float
    there: float
    correlation: float


class Levels:
    """A sound with its spectrum made flat, and with the levels of its bands, each window of them as
    one row of unit length."""

    def __init__(self, sound: Sound) -> None:
        self.flat = flat(sound)
        hop = RATE // FRAMES
        count = max(0, (len(sound) - 2 * hop) // hop)
        self.rows = np.empty((0, WINDOW * FRAMES * BANDS), np.float32)
        if count < WINDOW * FRAMES:
            return
        frames = sliding_window_view(sound.astype(np.float32), 2 * hop)[::hop][:count]
        power = np.square(np.abs(np.fft.rfft(frames * np.hanning(2 * hop), axis=1)))
        edges = np.geomspace(80, RATE / 2.2, BANDS + 1) * 2 * hop / RATE
        sums = np.add.reduceat(power, edges[:-1].astype(int), axis=1)
        windows = sliding_window_view(np.log(sums + 1e3), WINDOW * FRAMES, axis=0)
        windows = windows - windows.mean(axis=2, keepdims=True)
        self.rows = windows.reshape(len(windows), -1).astype(np.float32)
        self.rows /= np.linalg.norm(self.rows, axis=1, keepdims=True) + 1e-3


def flat(sound: Sound) -> NDArray[np.float32]:
    """A sound whose spectrum is the same everywhere but where it is nearly silent."""
    _, _, spectrum = scipy.signal.stft(sound.astype(np.float32), RATE, nperseg=FRAME,
                                       noverlap=FRAME * 3 // 4)  # fmt: skip
    spectrum /= np.abs(spectrum) + 3  # what is softer than a codec's noise stays soft
    spectrum[:8] = spectrum[380:] = 0
    _, samples = scipy.signal.istft(spectrum, RATE, nperseg=FRAME, noverlap=FRAME * 3 // 4)
    return samples.astype(np.float32)


def shared(one: Levels, other: Levels) -> list[Shared]:
    """The windows of one sound that are in the other too: two neighbours at least, at the same
    distance in time."""
    if not len(one.rows) or not len(other.rows):
        return []
    alike = one.rows[::FRAMES] @ other.rows.T
    found = []
    for number in np.flatnonzero(alike.max(axis=1) > ALIKE).tolist():
        best = np.argpartition(-alike[number], min(MOST, alike.shape[1] - 1))[:MOST]
        places = [place / FRAMES for place in best.tolist() if alike[number, place] > ALIKE]
        laid_out = [laid(one.flat, other.flat, float(number), place) for place in places]
        found.append(max(laid_out, key=lambda each: each.correlation))
    good = [each for each in found if each.correlation > EQUAL]
    steady = [pair for pair in pairwise(good) if _steady(*pair)]
    return sorted({each for pair in steady for each in pair}, key=lambda each: each.at)


def _steady(one: Shared, other: Shared) -> bool:
    moved = (other.there - other.at) - (one.there - one.at)
    return abs(moved) < STEADY and other.at - one.at <= WINDOW


def laid(
    one: NDArray[np.float32],
    other: NDArray[np.float32],
    at: float,
    there: float,
    reach: float = REACH,
) -> Shared:
    """A window of a flat sound on another, where it fits best about there; sign does not count."""
    mine = one[int(at * RATE) : int((at + WINDOW) * RATE)].astype(np.float64)
    low = max(0, int((there - reach) * RATE))
    theirs = other[low : int((there + WINDOW + reach) * RATE)].astype(np.float64)
    if len(mine) < WINDOW * RATE or len(theirs) < len(mine):
        return Shared(at, there, 0.0)
    products = scipy.signal.fftconvolve(theirs, mine[::-1].copy(), "valid")
    sums = np.cumsum(np.concatenate([[0.0], np.square(theirs)]))
    power = (sums[len(mine) :] - sums[: -len(mine)]) * np.square(mine).sum()
    both = np.abs(products) / np.sqrt(np.maximum(power, 1e-3))
    best = int(np.argmax(both))
    return Shared(at, (low + best) / RATE, float(both[best]))


def related(sounds: Mapping[str, Sound]) -> dict[tuple[str, str], list[Shared]]:
    """Every two of these recordings that have sound in common, with where."""
    levels = {name: Levels(sound) for name, sound in sounds.items()}
    found = {}
    for one, other in combinations(levels, 2):
        both = shared(levels[one], levels[other])
        if both:
            found[one, other] = both
    return found


def apart(sounds: Mapping[str, Sound], first: Sequence[str] = ()) -> dict[str, Sound]:
    """These recordings without those that have sound in common with one before them; those of
    `first` come before all others."""
    pairs = related(sounds)
    kept: list[str] = []
    for name in [*first, *(name for name in sounds if name not in first)]:
        if not any((one, name) in pairs or (name, one) in pairs for one in kept):
            kept.append(name)
    return {name: sound for name, sound in sounds.items() if name in kept}


def main() -> None:
    from benchmarks.identify import NO_MUSIC, heard

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    audio = parser.parse_args().data / "audio"
    names = [path.name for path in sorted(audio.iterdir()) if path.suffix != ".tsv"
             and not any(part in path.name for part in NO_MUSIC)]  # fmt: skip
    sounds = {name: heard(audio / name) for name in names}
    for (one, other), both in related(sounds).items():
        first, last = min(each.at for each in both), max(each.at for each in both)
        most = max(each.correlation for each in both)
        print(f"{one} | {other}: {len(both)} windows from {first:.0f} to {last + WINDOW:.0f} s,"
              f" correlation up to {most:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
