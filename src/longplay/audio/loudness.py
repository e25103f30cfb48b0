"""Loudness as EBU R128 has it: ITU-R BS.1770-5 for the programme, EBU Tech 3342 for its range.

The K-weighting is computed in blocks: what a recursive filter does to 64 samples and to the four
numbers that it remembers is one matrix, so that a matrix product does the work of the recursion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from longplay.audio.peaks import PeakMeter
from longplay.model import Loudness

STEPS_A_SECOND = 10
"""Energies are kept for every 100 ms: the step of both kinds of window."""

MOMENTARY = 4
"""Steps in a gating block of 400 ms."""

SHORT_TERM = 30
"""Steps in a short-term window of 3 s."""

ABSOLUTE_GATE = -70.0
RELATIVE_GATE = -10.0
RANGE_GATE = -20.0
RANGE_PERCENTILES = (10, 95)
OFFSET = -0.691
"""dB that make a full-scale 997 Hz sine in one front channel read -3.01 LUFS."""

SURROUND = 1.41
"""Weight of channels at 60° to 120° to the side (+1.5 dB)."""

SIDES = frozenset({"SL", "SR", "SDL", "SDR", "WL", "WR"})
BACKS = frozenset({"BL", "BR"})
EFFECTS = frozenset({"LFE", "LFE2"})

BLOCK = 64
"""Samples that one row of the matrix product filters."""

GROUP = 16
"""Blocks whose remembered numbers are computed in one row of another."""


class LoudnessMeter:
    """Measures sound that comes in pieces of any length, even of changing rate and channels."""

    def __init__(self) -> None:
        self._energies: list[NDArray[np.float64]] = []
        self._form: tuple[int, tuple[str, ...]] | None = None
        self._weighting: _Weighting | None = None
        self._peaks: PeakMeter | None = None
        self._sample_peak = 0.0
        self._true_peak = 0.0

    def feed(self, samples: NDArray[np.float32], rate: int, speakers: Sequence[str]) -> None:
        """Take (channels, n) samples, full scale at 1.0, at `rate` Hz; FFmpeg's channel names."""
        form = (rate, tuple(speakers))
        if form != self._form or self._weighting is None or self._peaks is None:
            self._close()
            self._form = form
            self._weighting = _Weighting(rate, channel_weights(speakers))
            self._peaks = PeakMeter(rate, len(speakers))
        self._energies.append(self._weighting.feed(samples))
        self._peaks.feed(samples)

    def result(self) -> Loudness:
        """The measures of everything fed; ends the sound."""
        self._close()
        energies = np.concatenate([np.empty(0), *self._energies])
        return Loudness(
            integrated_lufs=_integrated(energies),
            range_lu=_range(energies),
            true_peak_dbtp=_decibels(self._true_peak),
            sample_peak_dbfs=_decibels(self._sample_peak),
        )

    def _close(self) -> None:
        if self._weighting is not None and self._peaks is not None:
            self._energies.append(self._weighting.finish())
            self._peaks.finish()
            self._sample_peak = max(self._sample_peak, self._peaks.sample_peak)
            self._true_peak = max(self._true_peak, self._peaks.true_peak)
        self._form = self._weighting = self._peaks = None


def channel_weights(speakers: Sequence[str]) -> NDArray[np.float64]:
    """The weight of each channel by its place (BS.1770-5, tables 3 and 4).

    Back channels stand at 110° where a layout has no side channels, behind 120° where it has.
    """
    sides = SIDES if SIDES & set(speakers) else SIDES | BACKS
    return np.array(
        [0.0 if name in EFFECTS else SURROUND if name in sides else 1.0 for name in speakers]
    )


def k_weighting(rate: int) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """The two filters of BS.1770-5, annex 1, as (b, a), for any rate in Hz.

    The recommendation gives coefficients for 48 kHz; these are the analogue filters behind them,
    transformed for each rate, as found by B. De Man, "Evaluation of implementations of the EBU
    R128 loudness measurement" (AES 145, 2018).
    """
    sections = []
    frequency, gain, quality = 1681.974450955533, 3.999843853973347, 0.7071752369554196
    if rate > 2 * frequency:  # below, there is nothing that the shelf would lift
        k = math.tan(math.pi * frequency / rate)
        high = 10 ** (gain / 20)
        band = high**0.4996667741545416
        scale = 1 + k / quality + k * k
        b = [
            high + band * k / quality + k * k,
            2 * (k * k - high),
            high - band * k / quality + k * k,
        ]
        a = [scale, 2 * (k * k - 1), 1 - k / quality + k * k]
        sections.append((np.array(b) / scale, np.array(a) / scale))
    frequency, quality = 38.13547087602444, 0.5003270373238773
    k = math.tan(math.pi * frequency / rate)
    scale = 1 + k / quality + k * k
    a = [1.0, 2 * (k * k - 1) / scale, (1 - k / quality + k * k) / scale]
    sections.append((np.array([1.0, -2.0, 1.0]), np.array(a)))
    return sections


class _Weighting:
    """K-weights sound and sums its energy over steps of 100 ms, all channels together."""

    def __init__(self, rate: int, weights: NDArray[np.float64]) -> None:
        channels = len(weights)
        self._weights = weights
        self._step = max(1, rate // STEPS_A_SECOND)
        move, take, give, through = _state_space(k_weighting(rate))
        powers = _powers(move, BLOCK)
        order = len(move)
        # Samples and remembered numbers in, samples out.
        self._out = np.zeros((BLOCK + order, BLOCK), np.float32)
        # Samples in, remembered numbers out.
        self._in = np.zeros((BLOCK, order), np.float32)
        for place in range(BLOCK):
            self._out[place, place] = through
            self._out[BLOCK:, place] = give @ powers[place]
            self._in[place] = powers[BLOCK - 1 - place] @ take
            for later in range(place + 1, BLOCK):
                self._out[place, later] = give @ powers[later - 1 - place] @ take
        self._scan = _Scan(powers[BLOCK])
        self._state = np.zeros((channels, order))
        self._rest = np.empty((channels, 0), np.float32)
        self._partial = np.zeros(channels)
        self._filled = 0

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """The energies of the steps that are complete now."""
        held = np.concatenate([self._rest, samples], axis=1) if self._rest.size else samples
        whole = held.shape[1] // BLOCK * BLOCK
        self._rest = held[:, whole:]
        return self._steps(self._filter(held[:, :whole])) if whole else np.empty(0)

    def finish(self) -> NDArray[np.float64]:
        """The energies of what was still held."""
        left = self._rest.shape[1]
        padded = np.pad(self._rest, ((0, 0), (0, -left % BLOCK)))
        return self._steps(self._filter(padded)[:, :left]) if left else np.empty(0)

    def _filter(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        channels, count = samples.shape
        blocks = np.empty((channels, count // BLOCK, len(self._out)), np.float32)
        blocks[..., :BLOCK] = samples.reshape(channels, -1, BLOCK)
        inputs = (blocks[..., :BLOCK] @ self._in).astype(np.float64)
        blocks[..., BLOCK:], self._state = self._scan.run(inputs, self._state)
        weighted: NDArray[np.float32] = (blocks @ self._out).reshape(channels, count)
        return weighted

    def _steps(self, weighted: NDArray[np.float32]) -> NDArray[np.float64]:
        energies = []
        start, count = 0, weighted.shape[1]
        while start < count:
            end = min(count, start + self._step - self._filled)
            part = weighted[:, start:end]
            self._partial += np.vecdot(part, part)
            self._filled += end - start
            if self._filled == self._step:
                energies.append(float(self._weights @ self._partial) / self._step)
                self._partial[:] = 0.0
                self._filled = 0
            start = end
        return np.array(energies)


class _Scan:
    """Runs s ← move·s + input over many inputs, a group at a time, groups of groups alike."""

    def __init__(self, move: NDArray[np.float64]) -> None:
        self._move = move
        self._powers = _powers(move, GROUP)
        order = len(move)
        inner = np.zeros((GROUP, order, GROUP + 1, order))
        for place in range(GROUP):
            for later in range(place + 1, GROUP + 1):
                inner[place, :, later] = self._powers[later - 1 - place].T
        self._inner = inner.reshape(GROUP * order, (GROUP + 1) * order)
        self._outer = np.concatenate([power.T for power in self._powers[:GROUP]], axis=1)
        self._above: _Scan | None = None

    def run(
        self, inputs: NDArray[np.float64], state: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """States before each of the inputs (channels, count, order), and the state after all."""
        channels, count, order = inputs.shape
        states = np.empty_like(inputs)
        done = 0
        if count >= 2 * GROUP:
            groups = count // GROUP
            done = groups * GROUP
            self._above = self._above or _Scan(self._powers[GROUP])
            inner = inputs[:, :done].reshape(channels, groups, -1) @ self._inner
            starts, state = self._above.run(inner[..., GROUP * order :], state)
            inner[..., : GROUP * order] += starts @ self._outer
            states[:, :done] = inner[..., : GROUP * order].reshape(channels, done, order)
        for place in range(done, count):
            states[:, place] = state
            state = state @ self._move.T + inputs[:, place]
        return states, state


def _state_space(
    sections: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """A chain of second-order filters as s' = move·s + take·x, y = give·s + through·x."""
    order = 2 * len(sections)
    move, take, give, through = np.zeros((order, order)), np.zeros(order), np.zeros(order), 1.0
    for number, (b, a) in enumerate(sections):
        at = 2 * number
        # Transposed direct form II; its input is the chain so far: give·s + through·x.
        gain = np.array([b[1] - a[1] * b[0], b[2] - a[2] * b[0]])
        move[at : at + 2] = np.outer(gain, give)
        move[at : at + 2, at : at + 2] += [[-a[1], 1.0], [-a[2], 0.0]]
        take[at : at + 2] = gain * through
        give, through = b[0] * give, float(b[0] * through)
        give[at] += 1.0
    return move, take, give, through


def _powers(matrix: NDArray[np.float64], count: int) -> list[NDArray[np.float64]]:
    """The powers 0 … count of a matrix."""
    powers: list[NDArray[np.float64]] = [np.eye(len(matrix))]
    for _ in range(count):
        powers.append(powers[-1] @ matrix)
    return powers


def _windows(energies: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Mean energies of all windows of so many steps."""
    if len(energies) < steps:
        return np.empty(0)
    means: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(energies, steps).mean(1)
    return means


def _energy(loudness: float) -> float:
    return float(10 ** ((loudness - OFFSET) / 10))


def _loudness(energy: float) -> float:
    return OFFSET + 10 * math.log10(energy)


def _integrated(energies: NDArray[np.float64]) -> float | None:
    blocks = _windows(energies, MOMENTARY)
    blocks = blocks[blocks > _energy(ABSOLUTE_GATE)]
    if not len(blocks):
        return None
    gated = blocks[blocks > blocks.mean() * 10 ** (RELATIVE_GATE / 10)]
    return _loudness(float(gated.mean()))


def _range(energies: NDArray[np.float64]) -> float | None:
    windows = _windows(energies, SHORT_TERM)
    windows = windows[windows > _energy(ABSOLUTE_GATE)]
    if not len(windows):
        return None
    gated = windows[windows > windows.mean() * 10 ** (RANGE_GATE / 10)]
    low, high = np.percentile(gated, RANGE_PERCENTILES, method="closest_observation")
    return _loudness(float(high)) - _loudness(float(low))


def _decibels(peak: float) -> float | None:
    return 20 * math.log10(peak) if peak > 0 else None
