"""Landmarks: places of a spectrogram that stay when sound is compressed, filtered, talked over.

A landmark is a local maximum of the spectrogram (A. Wang, "An Industrial-Strength Audio Search
Algorithm", ISMIR 2003). What is kept of a recording is few of them a second, the most prominent;
what is asked has many, so that those that were kept are among them even where noise has added
others. Sound may be heard slower, faster, higher or lower: that moves its landmarks, and needs no
second spectrogram.
"""

from __future__ import annotations

from dataclasses import dataclass

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

ROWS = NEAR_FRAMES + BLOCK + NEAR_FRAMES + BATCH
"""Frames that are in sight at most: those before a block, all but the last of it, those after it,
and what is transformed next."""

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
        self._room = np.empty((ROWS, BINS), np.float32)
        self._used = 0  # rows of it, from the first on
        self._windowed = np.empty((BATCH, FRAME), np.float32)
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
            fresh = self._room[self._used : self._used + min(BATCH, count - at)]
            _spectrum(samples[at * HOP :], self._windowed[: len(fresh)], fresh)
            self._used += len(fresh)
            seen = self._base + self._used - NEAR_FRAMES
            self._pick(seen // BLOCK * BLOCK)
        self._samples = samples[count * HOP :]

    def result(self) -> Landmarks:
        """The landmarks of all that was fed; nothing can be fed any more."""
        self._pick(self._base + self._used)
        none = (np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int32))
        frame, place, rank = (np.concatenate(one) for one in zip(none, *self._found, strict=True))
        return Landmarks(frame, place, rank)

    def _pick(self, end: int) -> None:
        """Find the landmarks of all frames before `end`; a few rows before it stay in sight."""
        if end <= self._done:
            return
        rows = self._room[: self._used]
        frame, place, rank = _peaks(rows, self._done - self._base, end - self._base, self._most)
        self._found.append((frame + np.int32(self._base), place, rank))
        self._done = end
        base = max(self._base, end - NEAR_FRAMES)
        rest = rows[base - self._base :].copy()
        self._room[: len(rest)] = rest
        self._used, self._base = len(rest), base


def landmarks(mono: NDArray[np.int16]) -> Landmarks:
    """The landmarks of int16 mono sound at 11025 Hz."""
    lander = Lander()
    lander.feed(mono)
    return lander.result()


_WINDOW = (np.hanning(FRAME + 1)[:FRAME] / np.iinfo(np.int16).max).astype(np.float32)


def _spectrum(
    samples: NDArray[np.int16], windowed: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Write the logarithm of the magnitude in as many frames as `out` has rows; `windowed` has room
    for those frames."""
    used = samples[: (len(out) - 1) * HOP + FRAME].astype(np.float32)
    np.multiply(sliding_window_view(used, FRAME)[::HOP], _WINDOW, out=windowed)
    spectrum = scipy.fft.rfft(windowed, axis=1, overwrite_x=True)[:, :BINS]
    np.square(spectrum.real, out=out)
    out += np.square(spectrum.imag)
    out += np.float32(FLOOR)
    np.log(out, out=out)


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
    """The mean of the bins on both sides of some places, as far as there are bins. Rows lie one
    after another, so a sum goes from the first bin of a place to the last of it."""
    low, high = np.maximum(place - SMEAR, 0), np.minimum(place + SMEAR + 1, BINS)
    ends = np.stack([low, high], axis=1) + (at * BINS)[:, None]
    line = np.append(here, np.float32(0))  # the last place may end where the last row does
    sums = np.add.reduceat(line, ends.ravel(), dtype=np.float64)[::2]
    mean: NDArray[np.float64] = sums / (high - low)
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
    """For each place from row `start` to `end`, the highest value near it. Rows are laid out as one
    line with NEAR_BINS of nothing between them, so that to move by a bin or a frame is to move
    along it."""
    width = BINS + NEAR_BINS
    first, last = start - NEAR_FRAMES, end + NEAR_FRAMES
    line = np.full((last - first) * width + 2 * NEAR_BINS, -np.inf, np.float32)
    grid = line[NEAR_BINS:-NEAR_BINS].reshape(-1, width)
    inside = slice(max(first, 0), min(last, len(rows)))
    grid[inside.start - first : inside.stop - first, :BINS] = rows[inside]
    tall = _running(line, 2 * NEAR_FRAMES + 1, width)
    return _running(tall, 2 * NEAR_BINS + 1, 1).reshape(-1, width)[:, :BINS]


def _running(values: NDArray[np.float32], count: int, step: int) -> NDArray[np.float32]:
    """The highest of each `count` values that lie `step` apart: of one, of two, of four, …"""
    done = 1
    while done < count:
        more = min(done, count - done)
        values = np.maximum(values[: len(values) - more * step], values[more * step :])
        done += more
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
