"""Chromaprint, the acoustic fingerprint that AcoustID knows, computed with NumPy.

The algorithm is L. Lalinsky's Chromaprint, default variant (number 1, "TEST2"): sound becomes a
picture of 12 pitch classes over time, 16 rectangular filters look at each place of it, and each
filter's answer makes two bits. The 16-bit mono samples at 11025 Hz come from `resample`; from
them on, every step has the order and precision that gives the same bits as `fpcalc -raw`.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from longplay.audio.resample import FINGERPRINT_RATE
from longplay.errors import InputError

ALGORITHM = 1
FRAME = 4096
HOP = FRAME // 3
"""Samples from one frame to the next: 0.124 s, and one item of the fingerprint."""

FIRST_BIN = round(28 * FRAME / FINGERPRINT_RATE)
END_BIN = round(3520 * FRAME / FINGERPRINT_RATE)
"""The spectrum from 28 Hz to 3520 Hz counts."""

NOTES = 12
LOWEST_A = 440.0 / 16
SMOOTHING = (0.25, 0.75, 1.0, 0.75, 0.25)
SILENCE = 0.01
"""A row of the picture with a smaller norm is silence, and becomes zeros."""

CLASSIFIERS = (
    # kind of filter, first row (pitch class), rows, columns (time); three thresholds
    (0, 4, 3, 15, 1.98215, 2.35817, 2.63523),
    (4, 4, 6, 15, -1.03809, -0.651211, -0.282167),
    (1, 0, 4, 16, -0.298702, 0.119262, 0.558497),
    (3, 8, 2, 12, -0.105439, 0.0153946, 0.135898),
    (3, 4, 4, 8, -0.142891, 0.0258736, 0.200632),
    (4, 0, 3, 5, -0.826319, -0.590612, -0.368214),
    (1, 2, 2, 9, -0.557409, -0.233035, 0.0534525),
    (2, 7, 3, 4, -0.0646826, 0.00620476, 0.0784847),
    (2, 6, 2, 16, -0.192387, -0.029699, 0.215855),
    (2, 1, 3, 2, -0.0397818, -0.00568076, 0.0292026),
    (5, 10, 1, 15, -0.53823, -0.369934, -0.190235),
    (3, 6, 2, 10, -0.124877, 0.0296483, 0.139239),
    (2, 1, 1, 14, -0.101475, 0.0225617, 0.231971),
    (3, 5, 6, 4, -0.0799915, -0.00729616, 0.063262),
    (1, 9, 2, 12, -0.272556, 0.019424, 0.302559),
    (3, 4, 2, 14, -0.164292, -0.0321188, 0.0846339),
)
WIDEST = max(row[3] for row in CLASSIFIERS)
GRAY = np.array([0, 1, 3, 2], np.uint32)

DENSE = 4
"""Fingerprints of one sound, each begun a fourth of an item later, that a question has."""

BATCH_FRAMES = 24
"""Spectra computed at once: as much as stays in the processor's cache."""

MAX_ITEMS = 2**24 - 1
"""Items that the compressed form can count (24 bits): 24 days of sound."""

EXCEPTION = 7
"""A step of this many bits or more does not fit 3 bits; the rest of it stands in 5 others."""


def _note_starts() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where runs of bins of one pitch class begin, from FIRST_BIN, and that pitch class."""
    bins = np.arange(FIRST_BIN, END_BIN)
    octaves = np.log(bins * FINGERPRINT_RATE / FRAME / LOWEST_A) / np.log(2.0)
    notes = (NOTES * (octaves - np.floor(octaves))).astype(np.intp)
    starts = np.flatnonzero(np.diff(notes, prepend=-1))
    return starts, notes[starts]


_STARTS, _NOTES = _note_starts()
_GATHER = (_NOTES[:, None] == np.arange(NOTES)).astype(np.float64)
_WINDOW = (
    (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(FRAME) / (FRAME - 1))) / np.iinfo(np.int16).max
).astype(np.float32)


class Fingerprinter:
    """Takes sound in pieces of any length and gives the fingerprint of the whole."""

    def __init__(self) -> None:
        self._samples = np.empty(0, np.int16)
        self._chroma = np.empty((0, NOTES))
        self._image = np.empty((0, NOTES))
        self._items: list[NDArray[np.uint32]] = []

    def feed(self, mono: NDArray[np.int16]) -> None:
        """Take the next samples: int16, mono, 11025 Hz."""
        samples = np.concatenate([self._samples, mono])
        count = max(0, (len(samples) - FRAME) // HOP + 1)
        if count:
            starts = range(0, count, BATCH_FRAMES)
            self._take(
                np.concatenate(
                    [_chroma(samples[at * HOP :], min(BATCH_FRAMES, count - at)) for at in starts]
                )
            )
        self._samples = samples[count * HOP :]

    def result(self) -> NDArray[np.uint32]:
        """The fingerprint so far; empty where there were less than 3.2 s of sound."""
        return np.concatenate([np.empty(0, np.uint32), *self._items])

    def _take(self, chroma: NDArray[np.float64]) -> None:
        chroma = np.concatenate([self._chroma, chroma])
        image = np.concatenate([self._image, _normal(_smooth(chroma))])
        self._chroma = chroma[max(0, len(chroma) - len(SMOOTHING) + 1) :]
        self._image = image[max(0, len(image) - WIDEST + 1) :]
        if len(image) >= WIDEST:
            self._items.append(_classify(image))


class DensePrinter:
    """Takes sound in pieces of any length and gives its items DENSE times as close: what was
    recorded may have begun at any moment between two items."""

    def __init__(self) -> None:
        self._printers = [Fingerprinter() for _ in range(DENSE)]
        self._skip = [round(at * HOP / DENSE) for at in range(DENSE)]

    def feed(self, mono: NDArray[np.int16]) -> None:
        """Take the next samples: int16, mono, 11025 Hz."""
        for at, printer in enumerate(self._printers):
            printer.feed(mono[self._skip[at] :])
            self._skip[at] = max(0, self._skip[at] - len(mono))

    def result(self) -> NDArray[np.uint32]:
        """The items so far, in order of time."""
        found = [printer.result() for printer in self._printers]
        dense = np.empty(sum(map(len, found)), np.uint32)
        for at, items in enumerate(found):
            dense[at::DENSE] = items
        return dense


def dense_fingerprint(mono: NDArray[np.int16]) -> NDArray[np.uint32]:
    """The items of int16 mono sound at 11025 Hz, DENSE times as close."""
    printer = DensePrinter()
    printer.feed(mono)
    return printer.result()


def fingerprint(mono: NDArray[np.int16]) -> NDArray[np.uint32]:
    """The raw Chromaprint fingerprint of int16 mono sound at 11025 Hz."""
    printer = Fingerprinter()
    printer.feed(mono)
    return printer.result()


def _chroma(samples: NDArray[np.int16], count: int) -> NDArray[np.float64]:
    """Energy of each pitch class in `count` frames."""
    used = samples[: (count - 1) * HOP + FRAME].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(used, FRAME)[::HOP]
    spectrum = scipy.fft.rfft(frames * _WINDOW, axis=1)[:, FIRST_BIN:END_BIN]
    # Real and imaginary parts side by side: their squares fall into the same pitch class.
    squares = np.square(spectrum.view(np.float32))
    chroma: NDArray[np.float64] = (
        np.add.reduceat(squares, 2 * _STARTS, axis=1, dtype=np.float64) @ _GATHER
    )
    return chroma


def _smooth(chroma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row with its four followers, weighted."""
    rows = max(0, len(chroma) - len(SMOOTHING) + 1)
    smooth = np.zeros((rows, NOTES))
    for shift, weight in enumerate(SMOOTHING):
        smooth += weight * chroma[shift : shift + rows]
    return smooth


def _normal(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    norm = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return np.where(norm < SILENCE, 0.0, rows / np.maximum(norm, SILENCE))


def _classify(image: NDArray[np.float64]) -> NDArray[np.uint32]:
    """One item for each row of the picture that has its WIDEST - 1 followers."""
    table = np.zeros((len(image) + 1, NOTES + 1))
    np.cumsum(np.cumsum(image, axis=0), axis=1, out=table[1:, 1:])
    count = len(image) - WIDEST + 1
    items = np.zeros(count, np.uint32)
    for kind, row, height, width, *thresholds in CLASSIFIERS:
        light, dark = _areas(table, count, kind, row, height, width)
        answer = np.log((1.0 + light) / (1.0 + dark))
        level = np.searchsorted(thresholds, answer, side="right")
        items = items << np.uint32(2) | GRAY[level]
    return items


def _areas(
    table: NDArray[np.float64], count: int, kind: int, row: int, height: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The sums under the two parts of a filter, at every place in time."""

    def area(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.float64]:
        left, right = table[x0 : x0 + count], table[x1 : x1 + count]
        bottom, top = row + y0, row + y1
        total: NDArray[np.float64] = (
            right[:, top] - left[:, top] - right[:, bottom] + left[:, bottom]
        )
        return total

    w2, h2, w3, h3 = width // 2, height // 2, width // 3, height // 3
    if kind == 0:  # all of it against nothing
        return area(0, 0, width, height), np.zeros(count)
    if kind == 1:  # upper half against lower
        return area(0, h2, width, height), area(0, 0, width, h2)
    if kind == 2:  # later half against earlier
        return area(w2, 0, width, height), area(0, 0, w2, height)
    if kind == 3:  # the two diagonals of quarters
        light = area(0, h2, w2, height) + area(w2, 0, width, h2)
        return light, area(0, 0, w2, h2) + area(w2, h2, width, height)
    if kind == 4:  # the middle third in pitch against the outer two
        return area(0, h3, width, 2 * h3), area(0, 0, width, h3) + area(0, 2 * h3, width, height)
    # the middle third in time against the outer two
    return area(w3, 0, 2 * w3, height), area(0, 0, w3, height) + area(2 * w3, 0, width, height)


def compress(items: NDArray[np.uint32], algorithm: int = ALGORITHM) -> str:
    """The form that AcoustID takes: what changes from item to item, as base64 for URLs.

    Each item is XORed with the one before; the distances between the bits that remain are 3-bit
    numbers, 0 ends an item, and what exceeds 7 follows at the end in 5 bits each.
    """
    if len(items) > MAX_ITEMS:
        raise InputError("the fingerprint is too long for its compressed form")
    changes = items ^ np.concatenate([np.zeros(1, np.uint32), items[:-1]])
    bits = np.unpackbits(
        changes.astype("<u4").view(np.uint8).reshape(-1, 4), axis=1, bitorder="little"
    )
    rows, columns = np.nonzero(bits)
    fresh = np.diff(rows, prepend=-1) != 0
    steps = np.where(fresh, columns + 1, np.diff(columns, prepend=0))
    # One 0 after each item: its place is behind the steps of all items up to it.
    ends = np.cumsum(np.bincount(rows, minlength=len(items)))
    normal = np.insert(np.minimum(steps, EXCEPTION), ends, 0).astype(np.uint8)
    exceptions = (steps[steps >= EXCEPTION] - EXCEPTION).astype(np.uint8)
    header = bytes([algorithm]) + len(items).to_bytes(3, "big")
    data = header + _pack(normal, 3) + _pack(exceptions, 5)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decompress(text: str) -> tuple[NDArray[np.uint32], int]:
    """The items of a compressed fingerprint, and the number of its algorithm. Raises InputError."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("the fingerprint is not base64") from error
    if len(data) < 4:
        raise InputError("the fingerprint has no header")
    count = int.from_bytes(data[1:4], "big")
    steps = _unpack(data[4:], 3)
    ends = np.flatnonzero(steps == 0)[:count]
    if len(ends) < count:
        raise InputError(f"the fingerprint ends before its {count} items")
    whole = steps[: int(ends[-1]) + 1 if count else 0].astype(np.int64)
    large = np.flatnonzero(whole == EXCEPTION)
    rest = _unpack(data[4 + (3 * len(whole) + 7) // 8 :], 5)
    if len(rest) < len(large):
        raise InputError("the fingerprint ends before its long steps")
    whole[large] += rest[: len(large)]
    return _undo(whole, ends, count), data[0]


def _undo(steps: NDArray[np.int64], ends: NDArray[np.intp], count: int) -> NDArray[np.uint32]:
    """Items from steps between changed bits, `ends` being where the zeros stand."""
    items = np.cumsum(steps == 0) - (steps == 0)
    running = np.cumsum(steps)
    before = np.concatenate([np.zeros(1, np.int64), running[ends]])
    places = running - before[items] - 1
    real = steps > 0
    if count and places[real].max(initial=0) > 31:
        raise InputError("the fingerprint names bits beyond the 32nd")
    changes = np.zeros(count, np.uint32)
    np.bitwise_xor.at(changes, items[real], np.uint32(1) << places[real].astype(np.uint32))
    return np.bitwise_xor.accumulate(changes)


def _pack(values: NDArray[np.uint8], width: int) -> bytes:
    """Numbers of `width` bits, lowest bit first, without gaps; the last byte is filled with 0."""
    bits = np.unpackbits(values[:, None], axis=1, count=width, bitorder="little")
    return np.packbits(bits, bitorder="little").tobytes()


def _unpack(data: bytes, width: int) -> NDArray[np.uint8]:
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    whole = len(bits) // width * width
    return np.packbits(bits[:whole].reshape(-1, width), axis=1, bitorder="little").ravel()
