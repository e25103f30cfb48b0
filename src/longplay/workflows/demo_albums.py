"""The demo's invented albums: who plays which melody on what, and how it is published."""

from __future__ import annotations

from dataclasses import dataclass

from longplay.audio.encode import Codec
from longplay.audio.synthesis import Part

BY = "https://creativecommons.org/licenses/by/4.0/"
BY_SA = "https://creativecommons.org/licenses/by-sa/4.0/"
ZERO = "https://creativecommons.org/publicdomain/zero/1.0/"

BANDS: dict[str, tuple[Part, ...]] = {
    "accordion": (
        Part("melody", "accordion", 0.8, 0.15),
        Part("oompah", "guitar", 0.4, -0.4),
        Part("bass", "bass", 0.6),
    ),
    "clarinet": (
        Part("melody", "clarinet", 0.9, 0.1),
        Part("pad", "strings", 0.16, -0.3),
        Part("bass", "bass", 0.7),
    ),
    "fiddle": (
        Part("melody", "fiddle", 0.8, 0.2),
        Part("drone", "accordion", 0.13, -0.2),
        Part("oompah", "guitar", 0.4, -0.4),
    ),
    "flute and harp": (
        Part("melody", "flute", 0.9, -0.15),
        Part("broken", "harp", 0.55, 0.35),
        Part("bass", "harp", 0.4, 0.2),
    ),
    "guitar": (
        Part("melody", "guitar", 1.0, 0.1),
        Part("broken", "guitar", 0.35, -0.45),
        Part("bass", "bass", 0.55),
    ),
    "harp": (Part("melody", "harp", 1.0), Part("bass", "harp", 0.5, -0.3)),
    "harpsichord": (
        Part("melody", "harpsichord", 0.9, 0.1),
        Part("bass", "harpsichord", 0.6, -0.2),
        Part("pad", "strings", 0.1),
    ),
    "music box": (
        Part("melody", "music box", 0.9, 0.1, octave=1),
        Part("broken", "music box", 0.3, -0.3, octave=1),
    ),
    "organ": (
        Part("melody", "organ", 0.7, 0.1),
        Part("pad", "organ", 0.16, -0.2),
        Part("bass", "organ", 0.4),
    ),
    "piano": (
        Part("melody", "piano", 1.0, 0.15),
        Part("broken", "piano", 0.4, -0.2),
        Part("bass", "piano", 0.5, -0.3),
    ),
    "ragtime": (Part("melody", "piano", 1.0, 0.15), Part("oompah", "piano", 0.5, -0.2)),
    "round": (
        Part("melody", "flute", 0.8, -0.5),
        Part("round", "clarinet", 0.7, 0.5),
        Part("bass", "organ", 0.25),
    ),
    "strings": (
        Part("melody", "fiddle", 0.75, -0.3),
        Part("pad", "strings", 0.2, 0.2),
        Part("bass", "strings", 0.5, 0.35),
    ),
    "vibraphone": (
        Part("melody", "vibraphone", 0.9, 0.2),
        Part("broken", "marimba", 0.35, -0.35),
        Part("bass", "bass", 0.6),
    ),
}


@dataclass(frozen=True, slots=True)
class DemoTrack:
    """A melody and how it is played; `artist` where it is not the album's; `reserved` where the
    tags claim all rights."""

    melody: str
    band: str
    title: str
    transpose: int = 0
    tempo: float = 1.0
    bars: int = 0
    hurry: float = 1.0
    artist: str = ""
    reserved: bool = False


@dataclass(frozen=True, slots=True)
class DemoAlbum:
    """An invented album. `art` says where its cover is: `file` or `tags`; `colours` go from the
    cover's dark to its light, as RGB; `one_file` puts all tracks into one, with a CUE sheet."""

    artist: str
    title: str
    year: int
    genre: str
    label: str
    licence: str
    codec: Codec
    art: str
    colours: tuple[int, int, int]
    tracks: tuple[DemoTrack, ...]
    one_file: bool = False


def _track(melody: str, band: str, title: str, transpose: int = 0, tempo: float = 1) -> DemoTrack:
    return DemoTrack(melody, band, title, transpose, tempo)


ALBUMS: tuple[DemoAlbum, ...] = (
    DemoAlbum(
        *("The Lamplight Quartet", "By Lamplight", 2019, "Classical", "Longplay Demo", BY),
        *("flac", "file", (0x2B1B3D, 0xC8553D, 0xFFE8A3)),
        tracks=(
            DemoTrack("ode", "strings", "Ode to Joy", bars=12),
            DemoTrack("minuet", "strings", "Minuet in G", 0, 1.05, bars=16),
            _track("canon", "strings", "Canon in D", 0, 1.1),
            DemoTrack("largo", "clarinet", "Largo from the New World", bars=12),
            _track("lullaby", "strings", "Brahms's Lullaby", 2, 1.1),
            _track("prelude", "harp", "Prelude in C"),
            DemoTrack("auld-lang-syne", "strings", "Auld Lang Syne", bars=8),
        ),
    ),
    DemoAlbum(
        *("Kleine Spieluhr", "The Clockwork Garden", 2021, "Music box", "Longplay Demo", ZERO),
        *("opus", "tags", (0x0B3C49, 0x4C9F70, 0xF6F7C4)),
        tracks=(
            _track("vous-dirai-je", "music box", "Ah! vous dirai-je, maman", 0, 1.1),
            _track("elise", "music box", "Für Elise"),
            _track("frere-jacques", "music box", "Frère Jacques", 2),
            DemoTrack("greensleeves", "music box", "Greensleeves", -2, 1.0, bars=8),
            _track("lullaby", "music box", "Wiegenlied", 0, 1.15),
            DemoTrack("mountain-king", "music box", "The Mountain King's Clock", 0, 0.9, hurry=1.8),
            DemoTrack("sakura", "music box", "Sakura, Sakura", 0, 1.1, bars=8),
        ),
    ),
    DemoAlbum(
        *("The Tidewater Consort", "Songs from the Quay", 2018, "Folk", "Longplay Demo", BY_SA),
        *("vorbis", "file", (0x10243E, 0x2F7F9E, 0xEAF4E4)),
        tracks=(
            _track("drunken-sailor", "accordion", "Drunken Sailor"),
            _track("scarborough", "flute and harp", "Scarborough Fair"),
            _track("greensleeves", "guitar", "Greensleeves"),
            _track("amazing-grace", "fiddle", "Amazing Grace", -2, 1.1),
            DemoTrack("auld-lang-syne", "accordion", "Auld Lang Syne", 2, 1.05, bars=8),
            _track("korobeiniki", "fiddle", "Korobeiniki", 0, 0.95),
        ),
    ),
    DemoAlbum(
        *("Salon Lumière", "Rags & Reveries", 2022, "Piano", "Longplay Demo", BY),
        *("mp3", "tags", (0x3A0F2A, 0xD1495B, 0xFCE8D5)),
        tracks=(
            _track("entertainer", "ragtime", "The Entertainer"),
            DemoTrack("gymnopedie", "piano", "Gymnopédie No. 1", 0, 1.1, bars=10),
            _track("elise", "piano", "Für Elise", 0, 0.95),
            DemoTrack("minuet", "harpsichord", "Menuet", 0, 1.0, bars=16),
            DemoTrack("ode", "ragtime", "Joy, a Rag", 3, 1.1, bars=8, reserved=True),
        ),
    ),
    DemoAlbum(
        *("Aino Kivi", "Northern Window", 2023, "Ambient", "Longplay Demo", BY_SA),
        *("aac", "tags", (0x14213D, 0x7A6FAC, 0xF5E6FF)),
        tracks=(
            DemoTrack("sakura", "vibraphone", "Sakura", -3, 1.0, bars=8),
            DemoTrack("largo", "vibraphone", "Going Home", 3, 1.0, bars=8),
            DemoTrack("scarborough", "vibraphone", "Scarborough Fair", -2, 1.1),
            DemoTrack("gymnopedie", "clarinet", "Gymnopédie, at Dusk", -2, 1.15, bars=10),
            DemoTrack("canon", "vibraphone", "Canon, with Snow", -4, 1.15, artist="Marisol Vane"),
            DemoTrack(
                *("mountain-king", "clarinet", "The Mountain King Returns", 2, 1.0),
                hurry=1.5,
                artist="Marisol Vane",
                reserved=True,
            ),
        ),
    ),
    DemoAlbum(
        *("Wren & Hollow", "Three Loft Pieces", 2017, "Organ", "", ZERO),
        *("wav", "file", (0x1E2D24, 0x8B7D3A, 0xF7EFC8)),
        tracks=(
            _track("frere-jacques", "round", "Frère Jacques, a Round"),
            DemoTrack("vous-dirai-je", "organ", "Ah! vous dirai-je, maman", -5, 1.1, bars=8),
            DemoTrack("amazing-grace", "organ", "Amazing Grace", 0, 1.2),
        ),
    ),
    DemoAlbum(
        *("The Brass Clock Society", "One Long Side", 2016, "Dance", "Longplay Demo", BY),
        *("flac", "file", (0x241705, 0xB8860B, 0xFFF3C9)),
        tracks=(
            _track("korobeiniki", "clarinet", "Korobeiniki", -2, 1.05),
            _track("entertainer", "vibraphone", "The Entertainer", -1, 1.05),
            DemoTrack("drunken-sailor", "guitar", "Drunken Sailor", 2, 1.1, bars=8),
            DemoTrack("auld-lang-syne", "clarinet", "Auld Lang Syne", -2, 1.1, bars=8),
        ),
        one_file=True,
    ),
)

UNHEARD_ARTISTS = (
    *(
        "Paper Lantern Parade",
        "Ida Norrström",
        "The Velvet Meridian",
        "Tomás Arrebol",
        "Glasshouse",
    ),
    *(
        "Old Mill Orchestra",
        "Nadia Okonjo Trio",
        "Captain Thimble",
        "Hana Mizuki",
        "Low Tide Choir",
    ),
)
UNHEARD_FIRST = (
    *("Amber", "Borrowed", "Copper", "Distant", "Evening", "Falling", "Golden", "Hidden", "Idle"),
    *("Last", "Midnight", "Northern", "Open", "Paper", "Quiet", "Rainy", "Silver", "Tender"),
)
UNHEARD_SECOND = (
    *("Avenue", "Bicycles", "Carousel", "Daylight", "Echoes", "Fields", "Gardens", "Harbour"),
    *("Islands", "Journey", "Kites", "Letters", "Morning", "Rooftops", "Stations", "Waltz"),
)
"""Words for the recordings that are known but that nobody offers."""
