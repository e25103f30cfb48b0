"""True peak: how far the sound swings between its samples (ITU-R BS.1770-5, annex 2).

Interpolating everything is most of what other meters do with their time. Here a row of samples is
interpolated only if a bound that cannot be exceeded says that it could hold a new peak.

The bound. Between samples n and n+1 an interpolated value is y = sum of h[k]·x[n+k], where the
weights h sum to 1. So |y| ≤ (sum of |h|) · max|x| over the window. And because h has the sum and,
after choosing the right point between the two samples, the first moment of a linear interpolation
l, the difference h - l is some kernel q applied to second differences: |y| ≤ max|x| +
(sum of |q|) · max|second difference|. Music is loud where it is low, and there the second
differences are small: nearly all rows fall.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

PEAK_RATE = 192_000
"""Hz to which sound is interpolated at least: four times 48 kHz, as the annex asks."""

REACH = 12
"""Samples on either side that an interpolated value is made of."""

KAISER = 8.0
"""Shape of the window over the sinc."""

ROW = 256
"""Samples that are judged together by one bound."""

TILE = 32
"""Samples interpolated by one row of the matrix product."""

ROWS_AT_ONCE = 64
"""Rows interpolated before the rest is compared with the new peak."""

ROUNDING = 1 + 1e-5
"""The bounds are computed in float32; this much more covers that."""


class PeakMeter:
    """The largest absolute sample and the largest interpolated value of all channels."""

    def __init__(self, rate: int, channels: int) -> None:
        self.sample_peak = 0.0
        self.true_peak = 0.0
        self._factor = max(1, math.ceil(PEAK_RATE / rate))
        self._kernel = Kernel(self._factor)
        self._held = np.zeros((channels, REACH - 1), np.float32)

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples, (channels, n), full scale at 1.0. The last few wait for more."""
        held = np.concatenate([self._held, samples], axis=1)
        rows = max(0, (held.shape[1] - 2 * REACH + 1) // ROW)
        if rows:
            view = np.lib.stride_tricks.sliding_window_view(held, ROW + 2 * REACH - 1, axis=1)
            self._look(view[:, : rows * ROW : ROW])
        self._held = held[:, rows * ROW :]

    def finish(self) -> None:
        """The sound has ended; what follows is silence."""
        channels, left = self._held.shape
        silence = np.zeros((channels, max(0, REACH + ROW + 2 * REACH - left)), np.float32)
        self.feed(silence)

    def _look(self, rows: NDArray[np.float32]) -> None:
        """Interpolate those of the rows, (channels, count, ROW + 2·REACH - 1), that may matter."""
        kernel = self._kernel
        largest = np.maximum(rows.max(axis=-1), -rows.min(axis=-1))
        self.sample_peak = max(self.sample_peak, float(largest.max()))
        self.true_peak = max(self.true_peak, self.sample_peak)
        if self._factor == 1:
            return
        likely = largest * (kernel.gain * ROUNDING) > self.true_peak
        rows, largest = rows[likely], largest[likely]
        bend = np.diff(rows, n=2, axis=-1)
        curvature = np.maximum(bend.max(axis=-1, initial=0), -bend.min(axis=-1, initial=0))
        bound = (largest + kernel.curvature_gain * curvature) * ROUNDING
        order = np.argsort(-bound)
        order = order[bound[order] > self.true_peak]
        for start in range(0, len(order), ROWS_AT_ONCE):
            batch = order[start : start + ROWS_AT_ONCE]
            batch = batch[bound[batch] > self.true_peak]
            if not len(batch):
                return
            self.true_peak = max(self.true_peak, kernel.peak(rows[batch]))


class Kernel:
    """Interpolation to `factor` times the rate by a Kaiser-windowed sinc, and its bounds.

    `gain` bounds |y| / max|x|, `curvature_gain` bounds (|y| - max|x|) / max|second difference|.
    """

    def __init__(self, factor: int) -> None:
        self.factor = factor
        weights = _weights(factor)
        self.gain = float(np.abs(weights).sum(axis=1).max(initial=1.0))
        self.curvature_gain = max((_curvature_gain(row) for row in weights), default=0.0)
        self._tile = _tiled(weights)

    def peak(self, rows: NDArray[np.float32]) -> float:
        """The largest interpolated value of rows of shape (count, ROW + 2·REACH - 1)."""
        width = TILE + 2 * REACH - 1
        tiles = np.lib.stride_tricks.sliding_window_view(rows, width, axis=1)[:, ::TILE]
        values = tiles.reshape(-1, width) @ self._tile
        return max(float(values.max()), float(-values.min()))


def _weights(factor: int) -> NDArray[np.float64]:
    """Weights of samples n-REACH+1 … n+REACH for each of the factor-1 points between n and n+1."""
    points = np.arange(1, factor)[:, None] / factor
    distance = np.arange(1 - REACH, REACH + 1)[None, :] - points
    window = np.i0(KAISER * np.sqrt(np.maximum(0.0, 1 - np.square(distance / REACH))))
    weights = np.sinc(distance) * window / np.i0(KAISER)
    normal: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return normal


def _curvature_gain(weights: NDArray[np.float64]) -> float:
    """Sum of |q| where weights = linear interpolation + q applied to second differences.

    The linear interpolation is at the weights' own centre of gravity, which must lie between the
    two middle samples; then sum and first moment of the rest are 0, and summing it up twice gives
    q, which is as short as the weights.
    """
    places = np.arange(1 - REACH, REACH + 1)
    centre = float(weights @ places)
    if not 0 <= centre <= 1:
        return math.inf
    rest = weights.copy()
    rest[REACH - 1] -= 1 - centre
    rest[REACH] -= centre
    return float(np.abs(np.cumsum(np.cumsum(rest))).sum())


def _tiled(weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """The matrix from TILE + 2·REACH - 1 samples to all points between TILE of them."""
    points, taps = weights.shape
    matrix = np.zeros((TILE + taps - 1, TILE, points), np.float32)
    for place in range(TILE):
        matrix[place : place + taps, place] = weights.T
    return matrix.reshape(TILE + taps - 1, TILE * points)
