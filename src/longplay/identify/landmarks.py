"""Landmarks: places of a spectrogram that stay when sound is compressed, filtered, talked over.

A landmark is a local maximum of the spectrogram. Two of them a short time apart are the hash of A.
Wang, "An Industrial-Strength Audio Search Algorithm" (ISMIR 2003); here it is three, written as
(the first one's frequency, differences of frequency, differences of time), because among a million
recordings a pair is everywhere. What is indexed keeps few landmarks a second, the most prominent;
what is asked keeps many, so that those of the index are among them even where noise has added
others. A question may be heard slower, faster, higher or lower: that
moves its landmarks, and needs no second spectrogram.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from longplay.audio.resample import FINGERPRINT_RATE
from longplay.catalogue.compiled import compiled

METHOD = "landmarks-2"
"""Name of everything below that a hash depends on; another gives another index."""

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

FAN_INDEXED = 3
FIRSTS_INDEXED = 1
"""Followers of a landmark, and how many of them are in a hash with it as the second."""

MIN_STEP = 2
MAX_STEP = 63
"""Frames between the first landmark of a hash and each other."""

STEP = 2
"""Frames that are one step in a hash: a maximum is often found a frame early or late."""

MAX_LEAP = 63
"""Bins between the first and each other."""

HASH_BITS = 28
"""Bits of a hash: what is left of 33 (9 of the bin, 7 and 5 of each leap and step), mixed."""

MIXER = 0x9E3779B97F4A7C15
"""An odd number whose product with those 33 bits spreads them over the highest."""

BATCH = 512
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
    sound, but for its landmarks."""

    def __init__(self) -> None:
        self._samples = np.empty(0, np.int16)
        self._rows = np.empty((0, BINS), np.float32)
        self._base = 0  # frame of the first row
        self._done = 0  # frames whose landmarks are found
        self._found: list[tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]] = []

    def feed(self, mono: NDArray[np.int16]) -> None:
        """Take the next samples: int16, mono, 11025 Hz."""
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
        frame, place, rank = _peaks(self._rows, self._done - self._base, end - self._base)
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
    frames = np.lib.stride_tricks.sliding_window_view(used, FRAME)[::HOP]
    spectrum = scipy.fft.rfft(frames * _WINDOW, axis=1)[:, :BINS]
    power = np.square(spectrum.view(np.float32)).reshape(count, BINS, 2).sum(axis=2)
    return cast(NDArray[np.float32], np.log(power + np.float32(FLOOR)))


@compiled
def _peaks(
    rows: NDArray[np.float32], start: int, end: int
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    """The most prominent landmarks of each block of rows from `start` to `end`, which begins a
    block: row, bin with its fraction, rank."""
    bins = rows.shape[1]
    most = ((end - start + BLOCK - 1) // BLOCK) * ASKED
    out_row = np.empty(most, np.int32)
    out_bin = np.empty(most, np.float32)
    out_rank = np.empty(most, np.int32)
    total = 0
    sums = np.empty(bins + 1, np.float64)
    limit = BLOCK * bins // 4 + 16
    row = np.empty(limit, np.int32)
    place = np.empty(limit, np.float32)
    score = np.empty(limit, np.float32)
    for block in range(start, end, BLOCK):
        count = 0
        for at in range(block, min(block + BLOCK, end)):
            sums[0] = 0.0
            for b in range(bins):
                sums[b + 1] = sums[b] + rows[at, b]
            for b in range(LOWEST, bins - 1):
                value = rows[at, b]
                if value <= FLOOR_LOG or value < rows[at, b - 1] or value <= rows[at, b + 1]:
                    continue
                if not _is_highest(rows, at, b):
                    continue
                low, high = max(0, b - SMEAR), min(bins, b + SMEAR + 1)
                around = (sums[high] - sums[low]) / (high - low)
                row[count] = at
                left, right = rows[at, b - 1], rows[at, b + 1]
                bend = left - 2 * value + right
                place[count] = b + (0.5 * (left - right) / bend if bend < 0 else 0.0)
                score[count] = value * LOUDNESS_WEIGHT + (value - around)
                count += 1
        order = np.argsort(-score[:count])[:ASKED]
        rank = np.empty(len(order), np.int32)
        rank[:] = np.arange(len(order))
        back = np.argsort(order)
        for one in back:
            out_row[total] = row[order[one]]
            out_bin[total] = place[order[one]]
            out_rank[total] = rank[one]
            total += 1
    return out_row[:total], out_bin[:total], out_rank[:total]


@compiled
def _is_highest(rows: NDArray[np.float32], at: int, b: int) -> bool:
    value = rows[at, b]
    low, high = max(0, b - NEAR_BINS), min(rows.shape[1], b + NEAR_BINS + 1)
    for t in range(max(0, at - NEAR_FRAMES), min(len(rows), at + NEAR_FRAMES + 1)):
        for f in range(low, high):
            if rows[t, f] > value:
                return False
    return True


@compiled
def triples(
    frame: NDArray[np.int32], place: NDArray[np.float32], fan: int, firsts: int
) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Hashes of landmarks in order of time, each with every two of its next `fan` in reach, of
    which one is of the next `firsts`; and the frames that they begin at."""
    most = len(frame) * (fan * (fan - 1) // 2)
    hashes = np.empty(most, np.uint32)
    times = np.empty(most, np.int32)
    near = np.empty(fan, np.uint64)
    total = 0
    for one in range(len(frame)):
        taken = 0
        low = int(np.floor(place[one] + np.float32(0.5)))
        for two in range(one + 1, len(frame)):
            step = frame[two] - frame[one]
            if step > MAX_STEP or taken == fan:
                break
            leap = int(np.floor(place[two] + np.float32(0.5))) - low
            if step < MIN_STEP or leap > MAX_LEAP or leap < -MAX_LEAP:
                continue
            near[taken] = ((leap + 64) << 5) | (step // STEP)
            taken += 1
        for first in range(min(taken, firsts)):
            for second in range(first + 1, taken):
                said = (np.uint64(low) << np.uint64(24)) | (near[first] << np.uint64(12))
                mixed = (said | near[second]) * np.uint64(MIXER)
                hashes[total] = np.uint32(mixed >> np.uint64(64 - HASH_BITS))
                times[total] = frame[one]
                total += 1
    return hashes[:total], times[:total]
