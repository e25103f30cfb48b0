"""Instruments as sums of sinusoids, for the demo's music.

A struck or plucked sound is a sum of decaying partials; a held one a loop of steady partials, each
rounded to a whole number of cycles in the loop so that it repeats without a seam.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

LOOP_SECONDS = 4
"""A held tone repeats after this; its partials are then right to 1/8 Hz."""

MIDDLE_C = 261.6256
"""Hz. Decay times are given at this pitch; higher notes die sooner."""

CACHED_TONES = 96
"""Tones kept in memory, of each of the two kinds: a piece uses some 60, and one takes 0.7 MB."""

_ROW = 256
"""Samples in a row of the matrix product that sums the partials."""

_HIGHEST = 0.45
"""Partials above this share of the sample rate are left out: they would fold back."""


@dataclass(frozen=True, slots=True)
class Partial:
    """One sinusoid: `ratio` to the fundamental, `amplitude`, and seconds until it has fallen to
    1/e at middle C (infinite in a held sound)."""

    ratio: float
    amplitude: float
    decay: float = float("inf")


@dataclass(frozen=True, slots=True)
class Instrument:
    """Partials and envelope. `ring` is how long a struck sound can be, in seconds; 0 makes it a
    held one. `vibrato` is in cents, `breath` the level of noise beside the tone."""

    partials: tuple[Partial, ...]
    attack: float
    release: float
    ring: float = 0.0
    vibrato: float = 0.0
    breath: float = 0.0


def _string(
    count: int, slope: float, *, pluck: float, decay: float, damping: float, stiffness: float = 0
) -> tuple[Partial, ...]:
    """A string plucked at `pluck` of its length; the higher partials are weaker, die sooner, and
    are a little sharp when it is stiff (N. Fletcher and T. Rossing, The Physics of Musical
    Instruments, chapters 2 and 12)."""
    return tuple(
        Partial(
            k * float(np.sqrt(1 + stiffness * k * k)),
            abs(float(np.sin(np.pi * k * pluck))) / k**slope,
            decay / (1 + damping * (k - 1)),
        )
        for k in range(1, count + 1)
    )


def _reeds(count: int, slope: float, *cents: float) -> tuple[Partial, ...]:
    """Several players or reeds at once, each `cents` out of tune: they beat softly."""
    return tuple(
        Partial(k * 2 ** (detune / 1200), 1 / k**slope)
        for detune in cents
        for k in range(1, count + 1)
    )


def _drawn(*amplitudes: float) -> tuple[Partial, ...]:
    """Steady harmonics of the given amplitudes, the fundamental first."""
    return tuple(Partial(k, level) for k, level in enumerate(amplitudes, start=1) if level)


def _bar(*modes: tuple[float, float, float]) -> tuple[Partial, ...]:
    return tuple(Partial(*mode) for mode in modes)


INSTRUMENTS: dict[str, Instrument] = {
    "guitar": Instrument(_string(14, 1.1, pluck=0.21, decay=1.0, damping=0.35), 0.002, 0.12, 2.6),
    "harp": Instrument(_string(10, 1.7, pluck=0.42, decay=1.3, damping=0.45), 0.003, 0.5, 2.8),
    "harpsichord": Instrument(
        _string(22, 0.75, pluck=0.13, decay=0.9, damping=0.1), 0.001, 0.08, 2.0
    ),
    "piano": Instrument(
        _string(12, 1.4, pluck=0.12, decay=1.5, damping=0.3, stiffness=0.0004), 0.003, 0.18, 3.0
    ),
    "bass": Instrument(_string(8, 1.7, pluck=0.28, decay=0.9, damping=0.6), 0.004, 0.1, 1.8),
    "music box": Instrument(
        _bar((1, 1, 1.1), (3.01, 0.16, 0.4), (5.41, 0.1, 0.14), (8.93, 0.04, 0.05)), 0.001, 0.7, 2.6
    ),
    "vibraphone": Instrument(
        _bar((1, 1, 1.7), (4, 0.22, 0.6), (9.9, 0.05, 0.08)), 0.002, 0.35, 3.0
    ),
    "marimba": Instrument(
        _bar((1, 1, 0.42), (3.93, 0.3, 0.12), (9.6, 0.08, 0.03)), 0.001, 0.2, 1.4
    ),
    "organ": Instrument(_drawn(1, 0.55, 0.22, 0.28, 0, 0.1, 0, 0.07), 0.03, 0.12),
    "flute": Instrument(_drawn(1, 0.32, 0.11, 0.04, 0.015), 0.06, 0.1, vibrato=11, breath=0.02),
    "clarinet": Instrument(
        _drawn(1, 0.04, 0.55, 0.04, 0.28, 0.03, 0.14, 0.02, 0.06),
        0.04,
        0.08,
        vibrato=4,
        breath=0.004,
    ),
    "strings": Instrument(_reeds(12, 1.35, -6, 0.5, 7), 0.14, 0.3, vibrato=5),
    "fiddle": Instrument(
        _drawn(1, 0.7, 0.5, 0.42, 0.25, 0.2, 0.12, 0.08, 0.06), 0.05, 0.1, vibrato=14
    ),
    "accordion": Instrument(_reeds(14, 0.95, -7, 6), 0.05, 0.07),
}


def tone(name: str, pitch: int, length: float, rate: int) -> Samples:
    """A note of an instrument: `pitch` as a MIDI number, held for `length` seconds, then released.

    Mono, at most about 1 in level. The samples are the caller's to change.
    """
    instrument = INSTRUMENTS[name]
    wanted = round((length + instrument.release) * rate)
    if instrument.ring:
        wave = _struck(name, pitch, rate)[:wanted].copy()
    else:
        wave = np.resize(_loop(name, pitch, rate), wanted)
    return _shape(wave, instrument, rate)


def _shape(wave: Samples, instrument: Instrument, rate: int) -> Samples:
    """Fade the note in and out, as raised cosines, so that nothing clicks."""
    rise = min(len(wave) // 2, max(1, round(instrument.attack * rate)))
    fall = min(len(wave) - rise, max(1, round(instrument.release * rate)))
    wave[:rise] *= _ramp(rise)
    wave[len(wave) - fall :] *= _ramp(fall)[::-1]
    return wave


@lru_cache(maxsize=256)
def _ramp(length: int) -> Samples:
    steps = np.arange(length, dtype=np.float32) / np.float32(length)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * steps), dtype=np.float32)


@lru_cache(maxsize=CACHED_TONES)
def _struck(name: str, pitch: int, rate: int) -> Samples:
    instrument = INSTRUMENTS[name]
    frequency = _frequency(pitch)
    # Short strings and bars lose their energy sooner; the square root keeps the treble singing.
    shorter = (MIDDLE_C / frequency) ** 0.5
    ratios, levels, decays = _columns(instrument)
    return _sum(ratios * frequency, levels, decays * shorter, round(instrument.ring * rate), rate)


@lru_cache(maxsize=CACHED_TONES)
def _loop(name: str, pitch: int, rate: int) -> Samples:
    instrument = INSTRUMENTS[name]
    ratios, levels, decays = _columns(instrument)
    whole = np.round(ratios * _frequency(pitch) * LOOP_SECONDS) / LOOP_SECONDS
    length = LOOP_SECONDS * rate
    wave = _sum(whole, levels, decays, length, rate)
    if instrument.vibrato:
        wave = _waver(wave, instrument.vibrato, rate)
    if instrument.breath:
        wave += np.float32(instrument.breath) * _breath(length, rate)
    return wave


def _frequency(pitch: int) -> float:
    return float(440 * 2 ** ((pitch - 69) / 12))


def _columns(instrument: Instrument) -> tuple[NDArray[np.float64], ...]:
    rows = [(part.ratio, part.amplitude, part.decay) for part in instrument.partials]
    ratios, levels, decays = np.array(rows).T
    return ratios, levels / np.sqrt(np.sum(levels**2)) / 2, decays


def _sum(
    frequencies: NDArray[np.float64],
    levels: NDArray[np.float64],
    decays: NDArray[np.float64],
    length: int,
    rate: int,
) -> Samples:
    """Add up damped sinusoids by one matrix product.

    exp((iw - d)(t0 + t1)) is exp((iw - d) t0) times exp((iw - d) t1): rows of 256 samples need the
    exponential once for each row and once for each place in a row, not once for each sample.
    """
    audible = frequencies < _HIGHEST * rate
    exponent = (2j * np.pi * frequencies[audible] - 1 / decays[audible]) / rate
    # Phases spread by the golden ratio keep the partials from peaking together.
    spread = np.exp(2j * np.pi * 0.618034 * np.arange(len(exponent)))
    rows = np.exp(np.outer(np.arange(0, length, _ROW), exponent)) * (levels[audible] * spread)
    columns = np.exp(np.outer(exponent, np.arange(_ROW)))
    wave = (rows.astype(np.complex64) @ columns.astype(np.complex64)).imag.ravel()
    return np.ascontiguousarray(wave[:length])


def _waver(loop: Samples, cents: float, rate: int, beats: float = 5.25) -> Samples:
    """Vibrato: read the loop a little early and late, `beats` times a second."""
    depth = (2 ** (cents / 1200) - 1) / (2 * np.pi * beats) * rate
    at = np.arange(len(loop))
    places = at + depth * np.sin(2 * np.pi * beats * at / rate)
    return np.interp(places, at, loop, period=len(loop)).astype(np.float32)


@lru_cache(maxsize=4)
def _breath(length: int, rate: int) -> Samples:
    """Periodic noise between about 1 and 5 kHz, with an RMS of 1."""
    spectrum = np.fft.rfft(np.random.default_rng(5).standard_normal(length))
    frequencies = np.fft.rfftfreq(length, 1 / rate)
    spectrum *= np.exp(-(np.log2(np.maximum(frequencies, 1) / 2200) ** 2))
    noise = np.fft.irfft(spectrum, length)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)), dtype=np.float32)
