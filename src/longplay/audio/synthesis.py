"""Play a melody on given instruments: the demo makes its own music, so it needs no downloads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from longplay.audio.instruments import Samples, tone
from longplay.audio.melodies import MELODIES, Chord, Melody, Note, Score, read

RATE = 44_100
"""Samples per second unless the caller says otherwise."""

PEAK = 0.84
"""Highest sample of a piece: 1.5 dB below full scale, which lossy codecs need to overshoot."""

TAIL_SECONDS = 1.6
"""What the room goes on sounding after the last note."""

_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Part:
    """One player. `role` is a key of ROLES, `pan` runs from -1 (left) to 1 (right)."""

    role: str
    instrument: str
    level: float = 1.0
    pan: float = 0.0
    octave: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A melody (a key of MELODIES) and who plays what.

    `transpose` is in semitones, `tempo` a factor, `bars` how many bars are played (0: all),
    `hurry` the tempo at the end beside that at the start, `wet` the share of the room's sound.
    """

    melody: str
    parts: tuple[Part, ...]
    transpose: int = 0
    tempo: float = 1.0
    bars: int = 0
    hurry: float = 1.0
    wet: float = 0.25


def render(piece: Piece, *, seed: int, rate: int = RATE) -> Samples:
    """The piece as stereo sound: float32 of shape (2, samples), never above PEAK.

    The same piece, seed and rate give the same samples. The seed moves and accents each note a
    little, as a player would.
    """
    melody = MELODIES[piece.melody]
    score = _cut(read(melody), melody, piece.bars)
    voices = [(part, ROLES[part.role](score, melody, part)) for part in piece.parts]
    beats = max(note.start + note.length for _, notes in voices for note in notes)
    stage = _Stage(
        beats=_clock(piece, melody, beats),
        bar=melody.bar,
        upbeat=score.upbeat,
        transpose=piece.transpose,
        random=np.random.default_rng(seed),
        rate=rate,
    )
    end = float(stage.beats(np.array([beats]))[0])
    dry = np.zeros((2, round((end + TAIL_SECONDS) * rate)), dtype=np.float32)
    for part, notes in voices:
        _play(dry, part, notes, stage)
    return _master(_reverberate(dry, piece.wet, rate), rate)


def _cut(score: Score, melody: Melody, bars: int) -> Score:
    """The first `bars` bars, with the upbeat before them."""
    end = score.upbeat + bars * melody.bar if bars else score.beats
    notes = tuple(
        replace(note, length=min(note.length, end - note.start))
        for note in score.notes
        if note.start < end - _EPSILON
    )
    chords = tuple(chord for chord in score.chords if chord.start < end - _EPSILON)
    return Score(notes, chords, score.upbeat, end)


Notes = list[Note]


def _melody(score: Score, melody: Melody, part: Part) -> Notes:
    return [replace(note, pitch=note.pitch + 12 * part.octave) for note in score.notes]


def _round(score: Score, melody: Melody, part: Part) -> Notes:
    """The same melody, two bars later."""
    late = _melody(score, melody, part)
    return [replace(note, start=note.start + 2 * melody.bar) for note in late]


def _voice(chord: Chord, octave: int) -> list[int]:
    """The chord's pitches, closely spaced in the octave from F below middle C."""
    low = 53 + 12 * octave
    return sorted(low + (pitch - low) % 12 for pitch in chord.classes)


def _root(chord: Chord, octave: int) -> int:
    """The chord's root between the E and the D sharp that a bass reaches."""
    low = 40 + 12 * octave
    return low + (chord.classes[0] - low) % 12


def _pad(score: Score, melody: Melody, part: Part) -> Notes:
    """Whole chords, held."""
    return [
        Note(chord.start, chord.length, pitch)
        for chord in score.chords
        for pitch in _voice(chord, part.octave)
    ]


def _bass(score: Score, melody: Melody, part: Part) -> Notes:
    """The roots."""
    return [Note(c.start, c.length, _root(c, part.octave)) for c in score.chords]


def _grid(chord: Chord, step: float) -> NDArray[np.float64]:
    return np.arange(chord.start, chord.start + chord.length - _EPSILON, step)


def _oompah(score: Score, melody: Melody, part: Part) -> Notes:
    """Bass on the chord's first beat, the chord itself on the others."""
    step = melody.bar / 2 if melody.bar == 6 else 1 if melody.bar > 2 else 0.5
    notes = []
    for chord in score.chords:
        first, *others = _grid(chord, step)
        notes.append(Note(first, step * 0.9, _root(chord, part.octave)))
        notes += [
            Note(beat, step * 0.5, pitch) for beat in others for pitch in _voice(chord, part.octave)
        ]
    return notes


def _broken(score: Score, melody: Melody, part: Part) -> Notes:
    """The chord's notes one after the other, up and down."""
    step = 1.0 if melody.bar == 6 else 0.5 if melody.bar > 2 else 0.25
    notes = []
    for chord in score.chords:
        pitches = _voice(chord, part.octave)
        ladder = [pitches[0] - 12, *pitches, *pitches[-2:0:-1]]
        notes += [
            Note(beat, step * 2, ladder[index % len(ladder)])
            for index, beat in enumerate(_grid(chord, step))
        ]
    return notes


def _drone(score: Score, melody: Melody, part: Part) -> Notes:
    """The last chord's root and fifth under everything: the key's own, in these tunes."""
    root = _root(score.chords[-1], part.octave)
    starts = np.arange(score.upbeat, score.beats - _EPSILON, 2 * melody.bar)
    lengths = np.minimum(2 * melody.bar, score.beats - starts)
    return [
        Note(start, length, pitch)
        for start, length in zip(starts, lengths, strict=True)
        for pitch in (root, root + 7)
    ]


ROLES: dict[str, Callable[[Score, Melody, Part], Notes]] = {
    "melody": _melody,
    "round": _round,
    "pad": _pad,
    "bass": _bass,
    "oompah": _oompah,
    "broken": _broken,
    "drone": _drone,
}

Clock = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _clock(piece: Piece, melody: Melody, beats: float) -> Clock:
    """Beats to seconds: a steady or hurrying tempo that broadens over the last bar."""
    grid = np.linspace(0, beats, max(2, round(beats * 8)))
    pace = melody.tempo * piece.tempo / 60 * np.interp(grid, [0, beats], [1, piece.hurry])
    slower = 1 - 0.3 * np.clip((grid - beats + melody.bar) / melody.bar, 0, 1)
    spent = 1 / (pace * slower)
    steps = (spent[1:] + spent[:-1]) / 2 * np.diff(grid)
    seconds = np.concatenate([[0.0], np.cumsum(steps)])
    return lambda at: np.interp(at, grid, seconds)


@dataclass(frozen=True, slots=True)
class _Stage:
    """What all players of a piece share; `beats` turns beats into seconds."""

    beats: Clock
    bar: float
    upbeat: float
    transpose: int
    random: np.random.Generator
    rate: int


def _play(dry: Samples, part: Part, notes: Notes, stage: _Stage) -> None:
    """Add one part to the stereo sound."""
    starts = np.array([note.start for note in notes])
    begin = stage.beats(starts)
    lengths = stage.beats(starts + [note.length for note in notes]) - begin
    begin = np.maximum(0, begin + stage.random.normal(0, 0.006, len(notes)))
    strong = np.isclose((starts - stage.upbeat) % stage.bar, 0)
    touch = np.clip(stage.random.normal(0.9, 0.06, len(notes)), 0.7, 1)
    level = part.level * touch * (1 + 0.12 * strong)
    angle = (part.pan + 1) * np.pi / 4
    sides = np.array([[np.cos(angle)], [np.sin(angle)]], dtype=np.float32)
    for note, start, seconds, loud in zip(notes, begin, lengths, level, strict=True):
        pitch = note.pitch + stage.transpose
        sound = tone(part.instrument, pitch, float(seconds), stage.rate)
        first = round(start * stage.rate)
        sound = sound[: dry.shape[1] - first]
        dry[:, first : first + len(sound)] += sides * np.float32(loud) * sound


def _reverberate(dry: Samples, wet: float, rate: int) -> Samples:
    """Add the sound of a room: the mono sum through a different echo for each ear."""
    echo = _room(rate)
    length = dry.shape[1]
    size = scipy.fft.next_fast_len(length + echo.shape[1], real=True)
    spectrum = scipy.fft.rfft(dry.sum(axis=0), size)
    for side in range(2):
        heard = scipy.fft.irfft(spectrum * scipy.fft.rfft(echo[side], size), size)
        dry[side] += np.float32(wet) * heard[:length]
    return dry


@lru_cache(maxsize=4)
def _room(rate: int) -> Samples:
    """Decaying noise, duller as it dies: a small hall."""
    length = round(TAIL_SECONDS * rate)
    at = np.arange(length) / rate
    random = np.random.default_rng(1877)
    echo = np.zeros((2, length))
    for low, high, decay in ((120, 900, 0.34), (900, 3000, 0.22), (3000, 9000, 0.11)):
        spectrum = np.fft.rfft(random.standard_normal((2, length)))
        frequencies = np.fft.rfftfreq(length, 1 / rate)
        spectrum[:, (frequencies < low) | (frequencies >= high)] = 0
        echo += np.fft.irfft(spectrum, length) * np.exp(-at / decay)
    echo[:, : round(0.012 * rate)] = 0
    return np.asarray(echo / np.sqrt(np.sum(echo**2, axis=1, keepdims=True)), dtype=np.float32)


def _master(sound: Samples, rate: int) -> Samples:
    """Set the level by the highest sample, and let the end fade to silence."""
    fade = round(0.4 * rate)
    sound[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    sound *= np.float32(PEAK / max(float(np.abs(sound).max()), 1e-6))
    return np.clip(sound, -PEAK, PEAK, out=sound)
