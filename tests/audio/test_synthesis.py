"""The demo's music: the notation, the tunes, and whether what is played is what is written."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from longplay.audio.instruments import INSTRUMENTS, LOOP_SECONDS, tone
from longplay.audio.melodies import MELODIES, Melody, read
from longplay.audio.synthesis import PEAK, RATE, ROLES, Part, Piece, render
from longplay.errors import InputError

INCIPITS = {  # semitones from the first note, as anybody would sing them
    "ode": (0, 0, 1, 3, 3, 1, 0, -2),
    "greensleeves": (0, 3, 5, 7, 9, 7, 5, 2),
    "vous-dirai-je": (0, 0, 7, 7, 9, 9, 7),
    "frere-jacques": (0, 2, 4, 0, 0, 2, 4, 0, 4, 5, 7),
    "scarborough": (0, 0, 7, 7, 2, 3, 2, 0),
    "minuet": (0, -7, -5, -3, -2, 0, -7, -7),
    "canon": (0, -2, -4, -5, -7, -9, -7, -5),
    "gymnopedie": (0, 3, 1, 0, -5, -7, -5, -4, -9, -12),
    "entertainer": (0, 1, 2, 10, 2, 10, 2, 10),
    "elise": (0, -1, 0, -1, 0, -5, -2, -4, -7),
    "prelude": (0, 4, 7, 12, 16, 7, 12, 16, 0, 2, 9),
    "auld-lang-syne": (0, 5, 5, 5, 9, 7, 5, 7, 9, 5),
    "amazing-grace": (0, 5, 9, 5, 9, 7, 5, 2, 0),
    "mountain-king": (0, 2, 3, 5, 7, 3, 7, 6, 2, 6, 5, 1, 5),
    "largo": (0, 3, 3, 0, -2, -4, -2, 0, 3, 0, -2),
    "lullaby": (0, 0, 3, 0, 0, 3, 0, 3, 8, 7, 5, 5, 3),
    "sakura": (0, 0, 2, 0, 0, 2, 0, 2, 3, 2, 0, 2, 0, -4),
    "korobeiniki": (0, -5, -4, -2, -4, -5, -7, -7, -4, 0),
    "drunken-sailor": (0, 0, 0, 0, 0, 0, 0, -7, -4, 0, -2),
}

HELD = [name for name, instrument in INSTRUMENTS.items() if not instrument.ring]
TUNE = Melody("A tune", "", 4, 120, "1 c4 d4 .5 e4 f4 1 g4~ | 2 g4 r", "C | F G7")


def heard_pitch(sound: NDArray[np.float32], near: float, rate: int = RATE) -> float:
    """The strongest frequency within a quarter tone of `near` hertz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**19))
    frequencies = np.fft.rfftfreq(2**19, 1 / rate)
    window = (frequencies > near * 2 ** (-1 / 24)) & (frequencies < near * 2 ** (1 / 24))
    return float(frequencies[window][np.argmax(spectrum[window])])


def cents(frequency: float, pitch: int) -> float:
    return float(1200 * np.log2(frequency / hertz(pitch)))


def hertz(pitch: int) -> float:
    return float(440 * 2 ** ((pitch - 69) / 12))


def test_notation_gives_lengths_ties_and_chords() -> None:
    score = read(TUNE)
    assert [(note.start, note.length, note.pitch) for note in score.notes] == [
        (0, 1, 60),
        (1, 1, 62),
        (2, 0.5, 64),
        (2.5, 0.5, 65),
        (3, 3, 67),
    ]
    assert [(chord.start, chord.length, chord.classes) for chord in score.chords] == [
        (0, 4, (0, 4, 7)),
        (4, 2, (5, 9, 0)),
        (6, 2, (7, 11, 2, 5)),
    ]
    assert (score.upbeat, score.beats) == (0, 8)


@pytest.mark.parametrize(
    ("tune", "chords", "where"),
    [
        ("1 c4 d4 e4 | 4 c4 | 4 c4", "C | C", "Odd"),
        ("4 c4 | 3 c4 | 4 c4", "C | C | C", "Odd, bar 2"),
        ("5 c4 | 4 c4", "C | C", "Odd, bar 1"),
        ("4 h4", "C", "Odd, bar 1"),
        ("4 c4 | 4 c", "C | C", "Odd, bar 2"),
        ("4 c4 | 4 c4", "C | Csus", "Odd, bar 2"),
    ],
)
def test_wrong_notation_is_refused_with_its_bar(tune: str, chords: str, where: str) -> None:
    with pytest.raises(InputError) as caught:
        read(Melody("Odd", "", 4, 100, tune, chords))
    assert caught.value.where == where


def test_every_melody_begins_as_it_is_sung() -> None:
    assert set(INCIPITS) == set(MELODIES)
    for name, expected in INCIPITS.items():
        notes = read(MELODIES[name]).notes
        found = tuple(note.pitch - notes[0].pitch for note in notes[: len(expected)])
        assert found == expected, name


@pytest.mark.parametrize("name", MELODIES)
def test_melody_and_harmony_agree(name: str) -> None:
    score = read(MELODIES[name])
    both = within = 0.0
    for chord in score.chords:
        for note in score.notes:
            together = min(note.start + note.length, chord.start + chord.length)
            overlap = max(0.0, together - max(note.start, chord.start))
            both += overlap
            within += overlap * (note.pitch % 12 in chord.classes)
    # Grieg's troll walks in chromatic steps over a bare fifth; all others are sweeter.
    assert within / both > (0.5 if name == "mountain-king" else 0.7)
    assert score.notes[-1].pitch % 12 in score.chords[-1].classes


@pytest.mark.parametrize("name", INSTRUMENTS)
@pytest.mark.parametrize("pitch", [48, 60, 76])
def test_instruments_are_in_tune(name: str, pitch: int) -> None:
    sound = tone(name, pitch, 1.5, RATE)
    assert abs(cents(heard_pitch(sound, hertz(pitch)), pitch)) < 8
    assert np.abs(sound).max() < 2.5


@pytest.mark.parametrize("name", HELD)
def test_held_tones_repeat_without_a_seam(name: str) -> None:
    sound = tone(name, 57, LOOP_SECONDS + 1, RATE)
    seam = LOOP_SECONDS * RATE
    steps = np.abs(np.diff(sound))
    assert steps[seam - 2 : seam + 2].max() <= steps[RATE : 2 * RATE].max()


@pytest.mark.parametrize("name", ["guitar", "flute", "strings"])
def test_what_is_played_is_what_is_written(name: str) -> None:
    melody = MELODIES["greensleeves"]
    piece = Piece("greensleeves", (Part("melody", name),), transpose=2, wet=0.0)
    sound = render(piece, seed=3).sum(axis=0)
    second = 60 / melody.tempo * RATE
    score = read(melody)
    for note in score.notes:
        if note.length < 1 or note.start > score.beats - melody.bar:
            continue  # too short to measure; or in the last bar, which is played broader
        begin = round((note.start + 0.1) * second)
        heard = sound[begin : round((note.start + note.length) * second)]
        found = heard_pitch(heard, hertz(note.pitch + 2))
        neighbour = heard_level(heard, hertz(note.pitch + 3))
        assert abs(cents(found, note.pitch + 2)) < 25
        assert heard_level(heard, found) > 2 * neighbour


def heard_level(sound: NDArray[np.float32], frequency: float) -> float:
    turns = np.exp(-2j * np.pi * frequency * np.arange(len(sound)) / RATE)
    return float(np.abs(np.sum(sound * np.hanning(len(sound)) * turns)))


BAND = tuple(Part(role, "piano", 0.5, pan=-0.4) for role in ROLES)


def test_every_role_sounds_and_adds_something() -> None:
    alone = [render(Piece("lullaby", (part,), bars=4), seed=1) for part in BAND]
    for index, sound in enumerate(alone):
        assert sound.dtype == np.float32
        assert sound.shape[0] == 2
        assert np.sqrt(np.mean(sound**2)) > 0.03, BAND[index].role
    assert len({sound.tobytes() for sound in alone}) == len(BAND)


def test_the_same_seed_gives_the_same_samples() -> None:
    piece = Piece("minuet", BAND, bars=4)
    first = render(piece, seed=5)
    assert first.tobytes() == render(piece, seed=5).tobytes()
    assert first.tobytes() != render(piece, seed=6).tobytes()


def test_nothing_clips_and_the_end_is_silent() -> None:
    sound = render(Piece("canon", BAND, bars=2), seed=5)
    assert np.abs(sound).max() == pytest.approx(PEAK, abs=1e-4)
    assert np.abs(sound[:, -1]).max() < 1e-4
    assert abs(float(sound.mean())) < 1e-3


def test_tempo_bars_hurry_and_pan_do_what_they_say() -> None:
    part = Part("melody", "guitar")
    plain = render(Piece("ode", (part,)), seed=1)
    assert render(Piece("ode", (part,), tempo=2), seed=1).shape[1] < 0.6 * plain.shape[1]
    assert render(Piece("ode", (part,), bars=8), seed=1).shape[1] < 0.6 * plain.shape[1]
    assert render(Piece("ode", (part,), hurry=2), seed=1).shape[1] < 0.8 * plain.shape[1]
    left = render(Piece("ode", (Part("melody", "guitar", pan=-1),), bars=2, wet=0), seed=1)
    assert np.abs(left[1]).max() < 1e-6 < np.abs(left[0]).max()
