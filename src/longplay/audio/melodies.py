"""Melodies that nobody owns, in a notation of our own; the demo's music is made from them.

Traditional tunes, and tunes by composers who died more than a century ago. The notation:

- A number sets the length in beats of the notes that follow it.
- A note is letter, accidental (`#`, `b`) and octave: `c#5`; middle C is `c4`. `r` is a rest.
- `~` after a note ties it to the next one of that pitch.
- `|` ends a bar. Every bar has the same number of beats, but a first bar may be an upbeat, and the
  last bar may be what the upbeat left.

Chords are written per bar and share it equally: `C`, `Am`, `G7`, `Gmaj7`, `Dm7`, `F#5` (root and
fifth), `-` for none, `%` for the bar before again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from longplay.errors import InputError

_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_ACCIDENTALS = {"": 0, "#": 1, "b": -1}
_CHORDS = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "5": (0, 7),
}
_NOTE = re.compile(r"([a-g])([#b]?)([0-8])(~?)$")
_CHORD = re.compile(r"([A-G])([#b]?)(|m|7|m7|maj7|5)$")
_CLOSE = 1e-9
"""Beats are sums of binary fractions and thirds; nearer than this is equal."""


@dataclass(frozen=True, slots=True)
class Note:
    """One pitch (MIDI number; 69 is A at 440 Hz) from `start` for `length` beats."""

    start: float
    length: float
    pitch: int


@dataclass(frozen=True, slots=True)
class Chord:
    """A harmony from `start` for `length` beats: pitch classes (0 is C), the root first."""

    start: float
    length: float
    classes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Melody:
    """A tune with its harmony. `bar` counts beats in a bar, `tempo` beats in a minute."""

    title: str
    composer: str
    bar: float
    tempo: float
    tune: str
    chords: str


@dataclass(frozen=True, slots=True)
class Score:
    """A melody as notes and chords. `upbeat` is the length of what comes before the first bar."""

    notes: tuple[Note, ...]
    chords: tuple[Chord, ...]
    upbeat: float
    beats: float


def read(melody: Melody) -> Score:
    """Turn the notation into notes and chords.

    Raises InputError naming the bar whose beats do not add up or whose symbol is unknown.
    """
    notes: list[Note] = []
    starts: list[float] = [0.0]
    length, tied = 1.0, False
    bars = melody.tune.split("|")
    for number, bar in enumerate(bars, start=1):
        at = starts[-1]
        for token in bar.split():
            if token[0].isdigit() or token[0] == ".":
                length = float(token)
                continue
            if token != "r":
                tied = _add(notes, Note(at, length, _pitch(melody, number, token)), tied, token)
            at += length
        _check_bar(melody, number, len(bars), at - starts[-1])
        starts.append(at)
    upbeat = starts[1] if starts[1] < melody.bar - _CLOSE else 0.0
    return Score(tuple(notes), _chords(melody, starts), upbeat, starts[-1])


def _add(notes: list[Note], note: Note, tied: bool, token: str) -> bool:
    """Append the note, or lengthen the one it is tied to. Says whether the next one is tied."""
    if tied and notes[-1].pitch == note.pitch:
        last = notes.pop()
        note = Note(last.start, last.length + note.length, note.pitch)
    notes.append(note)
    return token.endswith("~")


def _pitch(melody: Melody, number: int, token: str) -> int:
    match = _NOTE.match(token)
    if match is None:
        raise InputError(f"{token!r} is not a note", where=f"{melody.title}, bar {number}")
    letter, accidental, octave, _ = match.groups()
    return 12 * (int(octave) + 1) + _STEPS[letter] + _ACCIDENTALS[accidental]


def _check_bar(melody: Melody, number: int, bars: int, beats: float) -> None:
    outer = number in (1, bars)
    if beats > melody.bar + _CLOSE or (beats < melody.bar - _CLOSE and not outer):
        raise InputError(
            f"has {beats:g} beats, not {melody.bar:g}", where=f"{melody.title}, bar {number}"
        )


def _chords(melody: Melody, starts: list[float]) -> tuple[Chord, ...]:
    bars = melody.chords.split("|")
    if len(bars) != len(starts) - 1:
        raise InputError(
            f"has {len(bars)} bars of chords and {len(starts) - 1} of notes", where=melody.title
        )
    chords: list[Chord] = []
    symbols: list[str] = []
    for number, bar in enumerate(bars):
        symbols = symbols if bar.strip() == "%" else bar.split()
        length = (starts[number + 1] - starts[number]) / len(symbols)
        chords += [
            Chord(starts[number] + index * length, length, _classes(melody, number + 1, symbol))
            for index, symbol in enumerate(symbols)
            if symbol != "-"
        ]
    return tuple(chords)


def _classes(melody: Melody, number: int, symbol: str) -> tuple[int, ...]:
    match = _CHORD.match(symbol)
    if match is None:
        raise InputError(f"{symbol!r} is not a chord", where=f"{melody.title}, bar {number}")
    letter, accidental, kind = match.groups()
    root = _STEPS[letter.lower()] + _ACCIDENTALS[accidental]
    return tuple((root + step) % 12 for step in _CHORDS[kind])


def _broken(*rows: str) -> str:
    """Bars of eight sixteenths from five pitches each, as in Bach's prelude: 1 2 3 4 5 3 4 5."""
    bars = []
    for row in rows:
        a, b, c, d, e = row.split()
        bars.append(f".25 {a} {b} {c} {d} {e} {c} {d} {e}")
    return " | ".join(bars)


_GREENSLEEVES_END = "1.5 c5 .5 b4 1 a4 1.5 g#4 .5 f#4 1 g#4"
_ODE = "1 f#4 f#4 g4 a4 | a4 g4 f#4 e4 | d4 d4 e4 f#4"
_MINUET = (
    "1 d5 .5 g4 a4 b4 c5 | 1 d5 g4 g4 | 1 e5 .5 c5 d5 e5 f#5 | 1 g5 g4 g4 |"
    "1 c5 .5 d5 c5 b4 a4 | 1 b4 .5 c5 b4 a4 g4"
)
_RAG = ".25 e4 .5 c5 .25 e4 .5 c5 .25 e4 c5~"
_RAG_RISE = "1.25 c5 .25 c6 d6 d#6 | .25 e6 c6 d6 .5 e6 .25 b5 .5 d6"
_ELISE = (
    ".5 e5 d#5 e5 b4 d5 c5 | 1 a4 .5 r c4 e4 a4 | 1 b4 .5 r e4 g#4 b4 | 1 c5 .5 r e4 e5 d#5 |"
    ".5 e5 d#5 e5 b4 d5 c5 | 1 a4 .5 r c4 e4 a4 | 1 b4 .5 r e4 c5 b4"
)
_KING = ".5 b3 c#4 d4 e4 f#4 d4 1 f#4 | .5 f4 c#4 1 f4 .5 e4 c4 1 e4"
_KING_HIGH = ".5 f#4 g#4 a#4 b4 c#5 a#4 1 c#5 | .5 d5 a#4 1 d5"
_SLEEP = "2 c5 .5 a4 f4 | 2 g4 .5 e4 c4"
_AULD = "1.5 c5 .5 a4 1 a4 f4 | 1.5 g4 .5 f4 1 g4"

MELODIES: dict[str, Melody] = {
    "ode": Melody(
        "Ode to Joy",
        "Ludwig van Beethoven",
        4,
        116,
        f"{_ODE} | 1.5 f#4 .5 e4 2 e4 | {_ODE} | 1.5 e4 .5 d4 2 d4 |"
        "1 e4 e4 f#4 d4 | e4 .5 f#4 g4 1 f#4 d4 | e4 .5 f#4 g4 1 f#4 e4 | d4 e4 2 a3 |"
        f"{_ODE} | 1.5 e4 .5 d4 2 d4",
        "D | A | D | A | D | A | D | A D | A D | % | A7 Bm | E7 A | D | A | D | A D",
    ),
    "greensleeves": Melody(
        "Greensleeves",
        "Traditional, England",
        6,
        222,
        "1 a4 | 2 c5 1 d5 1.5 e5 .5 f#5 1 e5 | 2 d5 1 b4 1.5 g4 .5 a4 1 b4 |"
        "2 c5 1 a4 1.5 a4 .5 g#4 1 a4 | 2 b4 1 g#4 2 e4 1 a4 |"
        "2 c5 1 d5 1.5 e5 .5 f#5 1 e5 | 2 d5 1 b4 1.5 g4 .5 a4 1 b4 |"
        f"{_GREENSLEEVES_END} | 6 a4 |"
        "3 g5 1.5 g5 .5 f#5 1 e5 | 2 d5 1 b4 1.5 g4 .5 a4 1 b4 |"
        "2 c5 1 a4 1.5 a4 .5 g#4 1 a4 | 2 b4 1 g#4 3 e4 |"
        "3 g5 1.5 g5 .5 f#5 1 e5 | 2 d5 1 b4 1.5 g4 .5 a4 1 b4 |"
        f"{_GREENSLEEVES_END} | 5 a4",
        "- | Am | G | Am | E | Am | G | Am E | Am | C | G | Am | E | C | G | Am E | Am",
    ),
    "vous-dirai-je": Melody(
        "Ah! vous dirai-je, maman",
        "Traditional, France",
        4,
        112,
        "1 c5 c5 g5 g5 | a5 a5 2 g5 | 1 f5 f5 e5 e5 | d5 d5 2 c5 |"
        "1 g5 g5 f5 f5 | e5 e5 2 d5 | 1 g5 g5 f5 f5 | e5 e5 2 d5 |"
        "1 c5 c5 g5 g5 | a5 a5 2 g5 | 1 f5 f5 e5 e5 | d5 d5 2 c5",
        "C | F C | F C | G C | C F | C G | C F | C G | C | F C | F C | G C",
    ),
    "frere-jacques": Melody(
        "Frère Jacques",
        "Traditional, France",
        4,
        126,
        "1 f4 g4 a4 f4 | f4 g4 a4 f4 | a4 bb4 2 c5 | 1 a4 bb4 2 c5 |"
        ".5 c5 d5 c5 bb4 1 a4 f4 | .5 c5 d5 c5 bb4 1 a4 f4 | f4 c4 2 f4 | 1 f4 c4 2 f4",
        "F C7 F F | % | F C7 F F | % | F | F | F C7 F F | %",
    ),
    "scarborough": Melody(
        "Scarborough Fair",
        "Traditional, England",
        3,
        132,
        "2 d4 1 d4 | 2 a4 1 a4 | 1.5 e4 .5 f4 1 e4 | 3 d4 | 1 r a4 c5 | 2 d5 1 c5 | a4 b4 g4 |"
        "3 a4~ | 2 a4 1 d5 | 2 d5 1 d5 | 2 c5 1 a4 | 1 a4 g4 f4 | 2 e4 1 c4 | 2 d4 1 a4 |"
        "2 g4 1 f4 | 1 e4 d4 c4 | 3 d4~ | 3 d4",
        "Dm | Dm | C | Dm | F | Dm | G | Am | Dm | Dm | F | F | C | Dm | C | C | Dm | Dm",
    ),
    "minuet": Melody(
        "Minuet in G",
        "Christian Petzold",
        3,
        138,
        f"{_MINUET} | 1 f#4 .5 g4 a4 b4 g4 | 3 a4 | {_MINUET} | 1 a4 .5 b4 a4 g4 f#4 | 3 g4 |"
        "1 b5 .5 g5 a5 b5 g5 | 1 a5 .5 d5 e5 f#5 d5 | 1 g5 .5 e5 f#5 g5 d5 |"
        "1 c#5 .5 b4 c#5 1 a4 | .5 a4 b4 c#5 d5 e5 f#5 | 1 g5 f#5 e5 | f#5 a4 c#5 | 3 d5 |"
        "1 d5 .5 g4 f#4 1 g4 | e5 .5 g4 f#4 1 g4 | d5 c5 b4 | .5 a4 g4 f#4 g4 1 a4 |"
        ".5 d4 e4 f#4 g4 a4 b4 | 1 c5 b4 a4 | .5 b4 d5 1 g4 f#4 | 3 g4",
        "G | G | C | G | Am | G | D | D | G | G | C | G | Am | G | D | G |"
        "G | D | Em | A | A | Em | D A7 A7 | D | G | C | G | D | D | C D D | G D D | G",
    ),
    "canon": Melody(
        "Canon in D",
        "Johann Pachelbel",
        4,
        84,
        "1 f#5 e5 d5 c#5 | b4 a4 b4 c#5 | d5 c#5 b4 a4 | g4 f#4 g4 e4 |"
        ".5 d4 f#4 a4 g4 f#4 d4 f#4 e4 | d4 b3 d4 a4 g4 b4 a4 g4 |"
        "f#4 d4 e4 c#5 d5 f#5 a5 a4 | b4 g4 a4 f#4 d4 d5 .75 d5 .25 c#5 |"
        ".5 a5 .25 f#5 g5 .5 a5 .25 f#5 g5 a5 a4 b4 c#5 d5 e5 f#5 g5 |"
        ".5 f#5 .25 d5 e5 .5 f#5 .25 f#4 g4 a4 b4 a4 g4 a4 f#4 g4 a4 |"
        ".5 g4 .25 b4 a4 .5 g4 .25 f#4 e4 f#4 e4 d4 e4 f#4 g4 a4 b4 |"
        ".5 g4 .25 b4 a4 .5 b4 .25 c#5 d5 a4 b4 c#5 d5 e5 f#5 g5 a5 | 4 f#5",
        "D A Bm F#m | G D G A | D A Bm F#m | G D G A | D A Bm F#m | G D G A |"
        "D A Bm F#m | G D G A | D A | Bm F#m | G D | G A | D",
    ),
    "gymnopedie": Melody(
        "Gymnopédie No. 1",
        "Erik Satie",
        3,
        84,
        "3 r | 3 r | 1 r f#5 a5 | g5 f#5 c#5 | b4 c#5 d5 | 3 a4 | f#4~ | f#4~ | f#4~ | f#4 |"
        "1 r f#5 a5 | g5 f#5 c#5 | b4 c#5 d5 | 3 a4 | c#5 | f#5 | e4~ | e4",
        "Gmaj7 | Dmaj7 | Gmaj7 | Dmaj7 | Gmaj7 | Dmaj7 | Gmaj7 | Dmaj7 | Gmaj7 | Dmaj7 |"
        "Gmaj7 | Dmaj7 | Gmaj7 | Dmaj7 | F#m | Bm | Em | Em",
    ),
    "entertainer": Melody(
        "The Entertainer",
        "Scott Joplin",
        2,
        76,
        f".25 d4 d#4 | {_RAG} | {_RAG_RISE} | 1.5 c6 .25 d4 d#4 |"
        f"{_RAG} | 1.5 c5 .25 a5 g5 | f#5 a5 c6 .5 e6 .25 d6 c6 a5 | 1.5 d6 .25 d4 d#4 |"
        f"{_RAG} | {_RAG_RISE} | 1.5 c6 .25 c6 d6 |"
        ".25 e6 c6 d6 .5 e6 .25 c6 d6 c6 | .25 e6 c6 d6 .5 e6 .25 c6 d6 c6 |"
        ".25 e6 c6 d6 .5 e6 .25 b5 .5 d6 | 1.5 c6",
        "- | C C7 | F C | C G7 | C | C C7 | F C | D7 | G7 | C C7 | F C | C G7 | C |"
        "C C7 | F F | C G7 | C",
    ),
    "elise": Melody(
        "Für Elise",
        "Ludwig van Beethoven",
        3,
        190,
        f".5 e5 d#5 | {_ELISE} | 1 a4 .5 r b4 c5 d5 |"
        "1.5 e5 .5 g4 f5 e5 | 1.5 d5 .5 f4 e5 d5 | 1.5 c5 .5 e4 d5 c5 |"
        "1 b4 .5 r e4 e5 r | .5 r e5 e6 r r d#5 | .5 e5 r r d#5 e5 d#5 |"
        f"{_ELISE} | 1 a4",
        "- | - | Am | E | Am | - | Am | E | Am | C | G | Am | E | - | - |"
        "- | Am | E | Am | - | Am | E | Am",
    ),
    "prelude": Melody(
        "Prelude in C (opening)",
        "Johann Sebastian Bach",
        2,
        76,
        _broken(
            *("c4 e4 g4 c5 e5", "c4 d4 a4 d5 f5", "b3 d4 g4 d5 f5", "c4 e4 g4 c5 e5"),
            *("c4 e4 a4 e5 a5", "c4 d4 f#4 a4 d5", "b3 d4 g4 d5 g5", "b3 c4 e4 g4 c5"),
            *("a3 c4 e4 g4 c5", "d3 a3 d4 f#4 c5", "g3 b3 d4 g4 b4", "g3 bb3 e4 g4 c#5"),
            *("f3 a3 d4 a4 d5", "f3 ab3 d4 f4 b4", "e3 g3 c4 g4 c5", "e3 f3 a3 c4 f4"),
            *("d3 f3 a3 c4 f4", "g2 d3 g3 b3 f4", "c3 e3 g3 c4 e4"),
        )
        + " | 2 c3",
        "C | Dm7 | G7 | C | Am | D7 | G | Cmaj7 | Am7 | D7 | G | Em | Dm | Dm | C | Fmaj7 |"
        "Dm7 | G7 | C | C",
    ),
    "auld-lang-syne": Melody(
        "Auld Lang Syne",
        "Traditional, Scotland",
        4,
        120,
        "1 c4 | 1.5 f4 .5 f4 1 f4 a4 | 1.5 g4 .5 f4 1 g4 a4 | 1.5 f4 .5 f4 1 a4 c5 | 3 d5 1 d5 |"
        f"{_AULD} a4 | 1.5 f4 .5 d4 1 d4 c4 | 3 f4 1 d5 |"
        f"{_AULD} d5 | 1.5 c5 .5 a4 1 a4 c5 | 3 d5 1 d5 |"
        f"{_AULD} a4 | 1.5 f4 .5 d4 1 d4 c4 | 3 f4",
        "- | F | C7 | F | Bb | F | C7 | Bb C7 | F | F | C7 | F | Bb | F | C7 | Bb C7 | F",
    ),
    "amazing-grace": Melody(
        "Amazing Grace",
        "Traditional, United States",
        3,
        100,
        "1 d4 | 2 g4 .5 b4 g4 | 2 b4 1 a4 | 2 g4 1 e4 | 2 d4 1 d4 | 2 g4 .5 b4 g4 | 2 b4 1 a4 |"
        "3 d5~ | 2 d5 1 b4 | 2 d5 .5 b4 g4 | 2 b4 1 a4 | 2 g4 1 e4 | 2 d4 1 d4 |"
        "2 g4 .5 b4 g4 | 2 b4 1 a4 | 3 g4~ | 2 g4",
        "- | G | G | C | G | G | Em | D | D7 | G | G | C | G | Em | G G D7 | G | G",
    ),
    "mountain-king": Melody(
        "In the Hall of the Mountain King",
        "Edvard Grieg",
        4,
        138,
        f"{_KING} | .5 b3 c#4 d4 e4 f#4 d4 f#4 b4 | .5 a4 f#4 d4 f#4 2 a4 |"
        f"{_KING_HIGH} .5 c#5 a#4 1 c#5 | {_KING_HIGH} 2 c#5 |"
        ".5 b4 c#5 d5 e5 f#5 d5 1 f#5 | .5 f5 c#5 1 f5 .5 e5 c5 1 e5 |"
        ".5 b4 c#5 d5 e5 f#5 d5 f#5 b5 | .5 a5 f#5 d5 f#5 2 a5 | 4 b4",
        "B5 | B5 | B5 | D | F#5 | F#5 | F#5 | F#5 | B5 | B5 | B5 | D | Bm",
    ),
    "largo": Melody(
        "Largo from the New World",
        "Antonín Dvořák",
        4,
        88,
        "1.5 e4 .5 g4 2 g4 | 1.5 e4 .5 d4 2 c4 | 1 d4 e4 1.5 g4 .5 e4 | 4 d4 |"
        "1.5 e4 .5 g4 2 g4 | 1.5 e4 .5 d4 2 c4 | 1 d4 e4 1.5 d4 .5 c4 | 4 c4 |"
        "1 a4 c5 2 c5 | 1 b4 g4 2 a4 | 1 a4 c5 b4 g4 | 4 a4 |"
        "1.5 e4 .5 g4 2 g4 | 1.5 e4 .5 d4 2 c4 | 1 d4 e4 1.5 d4 .5 c4 | 4 c4",
        "C | Am | G | G7 | C | Am | G7 | C | Am | Em Am | F G | Am | C | Am | G7 | C",
    ),
    "lullaby": Melody(
        "Lullaby",
        "Johannes Brahms",
        3,
        92,
        ".5 e4 e4 | 1.5 g4 .5 e4 1 e4 | 1 g4 r .5 e4 g4 | 1 c5 1.5 b4 .5 a4 | 1 a4 g4 .5 d4 e4 |"
        "1 f4 d4 .5 d4 e4 | 1 f4 r .5 d4 f4 | .5 b4 a4 1 g4 b4 | 2 c5 .5 c4 c4 |"
        f"{_SLEEP} | 1 f4 g4 a4 | 2 g4 .5 c4 c4 | {_SLEEP} | 1 f4 e4 d4 | 2 c4",
        "- | C | C | Am | C C G7 | G7 | G7 | G7 | C | F | C | F | C | F | C | F C G7 | C",
    ),
    "sakura": Melody(
        "Sakura, Sakura",
        "Traditional, Japan",
        4,
        92,
        "1 a4 a4 2 b4 | 1 a4 a4 2 b4 | 1 a4 b4 c5 b4 | a4 .5 b4 a4 2 f4 |"
        "1 e4 c4 e4 f4 | e4 .5 e4 c4 2 b3 | 1 a4 b4 c5 b4 | a4 .5 b4 a4 2 f4 |"
        "1 e4 c4 e4 f4 | e4 .5 e4 c4 2 b3 | 1 a4 a4 2 b4 | 1 a4 a4 2 b4 |"
        "1 e4 f4 .5 b4 a4 1 f4 | 4 e4",
        "Am E5 | % | Am | F | Am | E5 | Am | F | Am | E5 | Am E5 | % | F | E5",
    ),
    "korobeiniki": Melody(
        "Korobeiniki",
        "Traditional, Russia",
        4,
        144,
        "1 e5 .5 b4 c5 1 d5 .5 c5 b4 | 1 a4 .5 a4 c5 1 e5 .5 d5 c5 |"
        "1.5 b4 .5 c5 1 d5 e5 | c5 a4 2 a4 | .5 r 1 d5 .5 f5 1 a5 .5 g5 f5 |"
        "1.5 e5 .5 c5 1 e5 .5 d5 c5 | 1 b4 .5 b4 c5 1 d5 e5 | c5 a4 2 a4",
        "E7 | Am | E7 | Am | Dm | C | E7 | Am",
    ),
    "drunken-sailor": Melody(
        "Drunken Sailor",
        "Traditional, at sea",
        4,
        152,
        "1 a4 .5 a4 a4 1 a4 .5 a4 a4 | 1 a4 d4 f4 a4 | 1 g4 .5 g4 g4 1 g4 .5 g4 g4 |"
        "1 g4 c4 e4 g4 | 1 a4 .5 a4 a4 1 a4 .5 a4 a4 | 1 a4 b4 c5 d5 | c5 a4 g4 e4 | 2 d4 d4 |"
        "2 a4 1.5 a4 .5 a4 | 1 a4 d4 f4 a4 | 2 g4 1.5 g4 .5 g4 | 1 g4 c4 e4 g4 |"
        "2 a4 1.5 a4 .5 a4 | 1 a4 b4 c5 d5 | c5 a4 g4 e4 | 2 d4 d4",
        "Dm | Dm | C | C | Dm | Dm | C | Dm | Dm | Dm | C | C | Dm | Dm | C | Dm",
    ),
}
