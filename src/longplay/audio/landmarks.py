"""Landmarks: places of a spectrogram that stay when sound is compressed, filtered, talked over.

A landmark is a local maximum of the spectrogram (A. Wang, "An Industrial-Strength Audio Search
Algorithm", ISMIR 2003). What is kept of a recording is few of them a second, the most prominent;
what is asked has many, so that those that were kept are among them even where noise has added
others. Sound may be heard slower, faster, higher or lower: that moves its landmarks, and needs no
second spectrogram.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from longplay.audio.resample import FINGERPRINT_RATE

METHOD = "landmarks-2"
"""Name of all below and of the hashes that `identify` makes of it; another gives another index."""

FRAME = 1024
HOP = 256
"""Samples at 11025 Hz from one frame to the next: 23.2 ms, the unit of time here."""

FRAMES_PER_SECOND = FINGERPRINT_RATE / HOP
BINS = 384
"""Bins of 10.8 Hz that are looked at, up to 4.1 kHz: telephones and talk have no more."""

LOWEST = 8
"""The first bin that may be a landmark, 86 Hz."""

NEAR_BINS = 9
NEAR_FRAMES = 5
"""A landmark is the highest place within so many bins and frames of it."""

SMEAR = 24
"""Bins on each side that a place is compared with: how far it stands out."""

BLOCK = 64
"""Frames, 1.5 s, in which landmarks compete with each other."""

INDEXED = 12
ASKED = 56
"""Landmarks kept of each block in the index, and in a question."""

SKIP = 127
"""Frames at most from one mark to the next."""

BATCH = 256
"""Frames that are transformed at once: what is made of them fits the processor's cache."""

FLOOR = 1e-3
FLOOR_LOG = float(np.log(FLOOR)) + 1.0
LOUDNESS_WEIGHT = 0.5
"""How much a place counts for being loud, beside standing out: what is loud survives noise."""


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Landmarks in order of time: frame, bin, and rank in their block (0 is the most prominent)."""

    frame: NDArray[np.int32]
    bin: NDArray[np.float32]
    rank: NDArray[np.int32]


class Lander:
    """Takes sound in pieces of any length and gives its landmarks. Memory does not grow with the
    sound, but for its landmarks, of which each block has `most`."""

    def __init__(self, most: int = ASKED) -> None:
        self._most = most
        self._samples = np.empty(0, np.int16)
        self._rows = np.empty((0, BINS), np.float32)
        self._base = 0  # frame of the first row
        self._done = 0  # frames whose landmarks are found
        self._found: list[tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]] = []
        self._count = 0

    @property
    def frames(self) -> int:
        """How long what was fed is, the last frame being cut off where the sound ends."""
        return self._count // HOP

    def feed(self, mono: NDArray[np.int16]) -> None:
        """Take the next samples: int16, mono, 11025 Hz."""
        self._count += len(mono)
        samples = np.concatenate([self._samples, mono])
        count = max(0, (len(samples) - FRAME) // HOP + 1)
        for at in range(0, count, BATCH):
            spectrum = _spectrum(samples[at * HOP :], min(BATCH, count - at))
            self._rows = np.concatenate([self._rows, spectrum])
            seen = self._base + len(self._rows) - NEAR_FRAMES
            self._pick(seen // BLOCK * BLOCK)
        self._samples = samples[count * HOP :]

    def result(self) -> Landmarks:
        """The landmarks of all that was fed; nothing can be fed any more."""
        self._pick(self._base + len(self._rows))
        none = (np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int32))
        frame, place, rank = (np.concatenate(one) for one in zip(none, *self._found, strict=True))
        return Landmarks(frame, place, rank)

    def _pick(self, end: int) -> None:
        """Find the landmarks of all frames before `end`; a few rows before it stay in sight."""
        if end <= self._done:
            return
        frame, place, rank = _peaks(
            self._rows, self._done - self._base, end - self._base, self._most
        )
        self._found.append((frame + np.int32(self._base), place, rank))
        self._done = end
        base = max(self._base, end - NEAR_FRAMES)
        self._rows = self._rows[base - self._base :].copy()
        self._base = base


def landmarks(mono: NDArray[np.int16]) -> Landmarks:
    """The landmarks of int16 mono sound at 11025 Hz."""
    lander = Lander()
    lander.feed(mono)
    return lander.result()


_WINDOW = (np.hanning(FRAME + 1)[:FRAME] / np.iinfo(np.int16).max).astype(np.float32)


def _spectrum(samples: NDArray[np.int16], count: int) -> NDArray[np.float32]:
    """The logarithm of the magnitude in `count` frames."""
    used = samples[: (count - 1) * HOP + FRAME].astype(np.float32)
    frames = sliding_window_view(used, FRAME)[::HOP]
    spectrum = scipy.fft.rfft(frames * _WINDOW, axis=1, overwrite_x=True)[:, :BINS]
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    power += np.float32(FLOOR)
    return cast(NDArray[np.float32], np.log(power, out=power))


def _peaks(
    rows: NDArray[np.float32], start: int, end: int, most: int
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    """The `most` prominent landmarks of each block of rows from `start` to `end`, which begins a
    block: row, bin with its fraction, rank."""
    here = rows[start:end]
    highest = np.flatnonzero(here == _highest(rows, start, end))
    at, place = np.divmod(highest, BINS)
    inner = (place >= LOWEST) & (place < BINS - 1)
    at, place = at[inner], place[inner]
    clear = (here[at, place] > FLOOR_LOG) & (here[at, place] > here[at, place + 1])
    at, place = at[clear], place[clear]
    value = here[at, place].astype(np.float64)
    score = value * LOUDNESS_WEIGHT + (value - _around(here, at, place))
    rank = _ranks(at // BLOCK, score.astype(np.float32))
    left, right = here[at, place - 1].astype(np.float64), here[at, place + 1].astype(np.float64)
    bend = left - 2 * value + right
    exact = place + 0.5 * (left - right) / np.where(bend < 0, bend, np.inf)
    few = rank < most
    return (at[few] + start).astype(np.int32), exact[few].astype(np.float32), rank[few]


def _around(
    here: NDArray[np.float32], at: NDArray[np.intp], place: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The mean of the bins on both sides of some places, as far as there are bins."""
    wide = np.pad(here, ((0, 0), (SMEAR, SMEAR)))
    near = sliding_window_view(wide, 2 * SMEAR + 1, axis=1)[at, place]
    count = np.minimum(place + SMEAR + 1, BINS) - np.maximum(place - SMEAR, 0)
    mean: NDArray[np.float64] = near.sum(axis=1, dtype=np.float64) / count
    return mean


def _ranks(block: NDArray[np.intp], score: NDArray[np.float32]) -> NDArray[np.int32]:
    """The place of each landmark among those of its block, the highest score first."""
    order = np.lexsort((-score, block))
    sizes = np.bincount(block)
    first = np.cumsum(sizes) - sizes
    rank = np.empty(len(block), np.int32)
    rank[order] = np.arange(len(block)) - first[block[order]]
    return rank


def _highest(rows: NDArray[np.float32], start: int, end: int) -> NDArray[np.float32]:
    """For each place from row `start` to `end`, the highest value near it."""
    first, last = start - NEAR_FRAMES, end + NEAR_FRAMES
    near = rows[max(first, 0) : last]
    beyond = (max(0, -first), max(0, last - len(rows)))
    wide = np.pad(near, (beyond, (NEAR_BINS, NEAR_BINS)), constant_values=-np.inf)
    tall = _running(wide, 2 * NEAR_FRAMES + 1)
    return _running(tall.T, 2 * NEAR_BINS + 1).T


def _running(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The highest of each `count` rows that follow each other: of one, of two, of four, …"""
    done = 1
    while done < count:
        step = min(done, count - done)
        values = np.maximum(values[:-step], values[step:])
        done += step
    return values


def sparse(found: Landmarks) -> Landmarks:
    """Those landmarks that are kept of a recording."""
    few: NDArray[np.bool_] = found.rank < INDEXED
    return Landmarks(found.frame[few], found.bin[few], found.rank[few])


def marked(frame: NDArray[np.int32], place: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Landmarks in order of time as marks: 9 bits of the bin, 7 of the frames since the last one;
    bin 0 is no landmark, but so many frames without one."""
    step = np.diff(frame, prepend=np.int32(0))
    skips = step // SKIP
    out = np.full(len(frame) + int(skips.sum()), SKIP, np.uint16)
    bins = np.floor(place + np.float32(0.5)).astype(np.int32)
    out[np.cumsum(skips + 1) - 1] = (bins << 7) | (step % SKIP)
    return out


def unmarked(marks: NDArray[np.uint16]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The landmarks that `marked` wrote: frames, and whole bins."""
    frame = np.cumsum(marks & SKIP, dtype=np.int32)
    bins = marks >> 7
    return frame[bins > 0], bins[bins > 0].astype(np.float32)


def kept(found: Landmarks, frames: int) -> bytes:
    """What is kept of a recording of so many frames: the marks of few of its landmarks, little
    endian, and of the frames after the last of them."""
    few = sparse(found)
    rest = frames - (int(few.frame[-1]) if len(few.frame) else 0)
    end = [SKIP] * (rest // SKIP) + [rest % SKIP]
    marks = np.concatenate([marked(few.frame, few.bin), np.array(end, np.uint16)])
    return marks.astype("<u2").tobytes()


def read_kept(data: bytes) -> tuple[int, NDArray[np.int32], NDArray[np.float32]]:
    """What `kept` wrote: how many frames there are; the frames and bins of landmarks. Raises
    ValueError for half a mark."""
    marks = np.frombuffer(data, "<u2").astype(np.uint16)
    frame, place = unmarked(marks)
    return int((marks & SKIP).sum()), frame, place
