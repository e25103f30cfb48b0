"""The demo's music on disk: a folder such as people have, with its copies, gaps and accidents.

Nothing is downloaded and nothing is random: the same program writes the same bytes.
"""

from __future__ import annotations

import csv
import io
import math
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from longplay.audio.encode import Codec, encode
from longplay.audio.melodies import MELODIES
from longplay.audio.synthesis import RATE, Piece, render
from longplay.model import Picture, Tags
from longplay.workflows.demo_albums import (
    ALBUMS,
    BANDS,
    UNHEARD_ARTISTS,
    UNHEARD_FIRST,
    UNHEARD_SECOND,
    ZERO,
    DemoAlbum,
    DemoTrack,
)

MUSIC = "music"
POPULARITY = "popularity.csv"
MIXTAPE = Path("Various Artists", "Evening Mixtape")

KNOWN_ONLY = 200
"""Recordings in the popularity table that nobody offers: a catalogue knows more than it holds."""

MOST_LISTENS = 4_800_000
"""Listens of the most popular recording; the others follow Zipf's law with the exponent below."""

ZIPF = 1.15

POPULARITY_PER_DECADE = 25
"""Points of popularity (0-100) that ten times as many listens are worth."""

FILE_TIME = 1_767_225_600
"""Modification time of every file: 2026-01-01 UTC, so that two demos describe the same folder."""

RESERVED = "All rights reserved."

CD_FRAME = RATE // 75
"""Samples in one 1/75 s, the unit in which a CUE sheet gives times."""

WORKERS = 2
"""Threads that render and encode; each holds a piece of some 16 MB."""

_EXTENSIONS: dict[Codec, str] = {"aac": "m4a", "vorbis": "ogg"}

POPULARITY_COLUMNS = (
    *("id", "title", "artists", "album", "isrc"),
    *("duration_ms", "popularity", "listens", "licence"),
)

_NOT_FOUND = """<!DOCTYPE html>
<html><head><title>404 Not Found</title></head>
<body><h1>Not Found</h1><p>The track you asked for has moved.</p></body></html>
"""

_LYRICS = """[ti:Amazing Grace]
[au:John Newton, 1779]
Amazing grace! (how sweet the sound)
That sav'd a wretch like me!
I once was lost, but now am found,
Was blind, but now I see.
"""


@dataclass(frozen=True, slots=True)
class DemoMusic:
    """What was written: `music` is the folder to keep, `popularity` the table to import.

    The rest says where to find what is special, as paths: pairs (original, copy) of equal bytes
    and of equal sound in another encoding; the damaged file; those whose tags reserve all rights;
    the one that is no music; the CUE sheet. `recordings` are held, `known` are in the table.
    """

    music: Path
    popularity: Path
    files: int
    bytes: int
    seconds: float
    recordings: int
    known: int
    same_bytes: tuple[tuple[Path, Path], ...]
    same_sound: tuple[tuple[Path, Path], ...]
    damaged: Path
    reserved: tuple[Path, ...]
    not_audio: Path
    cue_sheet: Path


@dataclass(frozen=True, slots=True)
class _Job:
    """One recording to be played: its number in the whole demo, and where it is written."""

    number: int
    album: DemoAlbum
    track: DemoTrack
    tags: Tags
    path: Path


@dataclass(frozen=True, slots=True)
class _Made:
    """A recording that was played, and how long it became."""

    job: _Job
    samples: int

    @property
    def duration_ms(self) -> int:
        return self.samples * 1000 // RATE


def write_demo_music(folder: Path) -> DemoMusic:
    """Play and write the demo's music into `folder/music/Artist/Album/NN Title.ext`.

    Beside it goes `folder/popularity.csv`, a table with default column names. Files that are there
    already are written again, with the same bytes. Takes some 20 CPU seconds.
    """
    music = folder / MUSIC
    jobs = [job for album in ALBUMS for job in _jobs(music, album)]
    jobs = [replace(job, number=number) for number, job in enumerate(jobs, start=1)]
    for job in jobs:
        job.path.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(WORKERS) as pool:
        made = [one for some in pool.map(_write, _batches(jobs)) for one in some]
    for album in ALBUMS:
        _write_surroundings(music, album, [one for one in made if one.job.album is album])
    special = _write_mixtape(music, made)
    table = folder / POPULARITY
    known = _write_popularity(table, made)
    return _summary(music, table, made, known, special)


def _jobs(music: Path, album: DemoAlbum) -> Iterator[_Job]:
    home = music / album.artist / album.title
    extension = _EXTENSIONS.get(album.codec, album.codec)
    for position, track in enumerate(album.tracks, start=1):
        name = "Side A" if album.one_file else f"{position:02} {track.title}"
        tags = _tags(album, track, position)
        yield _Job(0, album, track, tags, home / f"{name}.{extension}")


def _isrc(album: DemoAlbum, position: int) -> str:
    """Well-formed and nobody's: the registrant LP0 does not exist."""
    return f"QZLP0{album.year % 100:02}{ALBUMS.index(album):03}{position:02}"


def _tags(album: DemoAlbum, track: DemoTrack, position: int) -> Tags:
    artist = track.artist or album.artist
    owner = f"{album.year} {artist}"
    return Tags(
        title=track.title,
        artists=(artist,),
        album=album.title,
        album_artists=(album.artist,),
        composers=(MELODIES[track.melody].composer,),
        track_number=position,
        track_total=len(album.tracks),
        disc_number=1,
        disc_total=1,
        date=f"{album.year}-05-{position:02}",
        genres=(album.genre,),
        isrcs=(_isrc(album, position),),
        label=album.label,
        licences=() if track.reserved else (album.licence,),
        copyrights=_copyright(album, track, owner),
        phonographic=(f"℗ {owner}. {RESERVED}",) if track.reserved else (),
        pictures=(_picture(album),) if album.art == "tags" else (),
    )


def _copyright(album: DemoAlbum, track: DemoTrack, owner: str) -> tuple[str, ...]:
    """The © line; who dedicates a work to the public domain claims none."""
    if track.reserved:
        return (f"© {owner}. {RESERVED}",)
    return () if album.licence == ZERO else (f"© {owner}",)


def _batches(jobs: list[_Job]) -> list[list[_Job]]:
    """Jobs that share a file belong together; all others stand alone."""
    batches: dict[Path, list[_Job]] = {}
    for job in jobs:
        batches.setdefault(job.path, []).append(job)
    return list(batches.values())


def _write(jobs: list[_Job]) -> list[_Made]:
    """Play the jobs, which share one file, and encode it."""
    sounds = [_play(job) for job in jobs]
    first = jobs[0]
    tags = first.tags
    if len(jobs) > 1:
        tags = replace(tags, title="Side A", isrcs=(), track_number=1, track_total=1)
    encode(np.concatenate(sounds, axis=1), RATE, first.path, first.album.codec, tags)
    return [_Made(job, sound.shape[1]) for job, sound in zip(jobs, sounds, strict=True)]


def _play(job: _Job) -> NDArray[np.float32]:
    """The recording, cut to whole CD frames so that a CUE sheet can point between two."""
    track = job.track
    piece = Piece(
        track.melody,
        BANDS[track.band],
        transpose=track.transpose,
        tempo=track.tempo,
        bars=track.bars,
        hurry=track.hurry,
    )
    sound = render(piece, seed=job.number)
    return sound[:, : sound.shape[1] // CD_FRAME * CD_FRAME]


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_surroundings(music: Path, album: DemoAlbum, made: list[_Made]) -> None:
    """What lies beside the sound: covers, a CUE sheet, a rip log, lyrics."""
    home = music / album.artist / album.title
    if album.art == "file":
        (home / "cover.png").write_bytes(_cover(album))
    if album.one_file:
        _write_text(home / f"{album.title}.cue", _cue(album, made))
    elif album.codec == "flac":
        _write_text(home / f"{album.title}.log", _rip_log(album, made))
    for one in made:
        if one.job.track.melody == "amazing-grace" and album.codec == "vorbis":
            _write_text(one.job.path.with_suffix(".lrc"), _LYRICS)


def _cue(album: DemoAlbum, made: list[_Made]) -> str:
    lines = [
        f"REM GENRE {album.genre}",
        f"REM DATE {album.year}",
        f'PERFORMER "{album.artist}"',
        f'TITLE "{album.title}"',
        f'FILE "{made[0].job.path.name}" WAVE',
    ]
    frames = 0
    for position, one in enumerate(made, start=1):
        minutes, rest = divmod(frames, 60 * 75)
        lines += [
            f"  TRACK {position:02} AUDIO",
            f'    TITLE "{one.job.track.title}"',
            f'    PERFORMER "{album.artist}"',
            f"    ISRC {one.job.tags.isrcs[0]}",
            f"    INDEX 01 {minutes:02}:{rest // 75:02}:{rest % 75:02}",
        ]
        frames += one.samples // CD_FRAME
    return "\n".join([*lines, ""])


def _rip_log(album: DemoAlbum, made: list[_Made]) -> str:
    lines = [f"Longplay demo synthesiser, log of {album.artist} / {album.title}", ""]
    for position, one in enumerate(made, start=1):
        seconds = one.samples / RATE
        lines += [
            f"Track {position:2}  {one.job.track.title}",
            f"  {seconds:7.2f} s, {one.samples} samples, {one.job.track.band}, no errors occurred",
        ]
    return "\n".join([*lines, "", "All tracks played without a mistake", ""])


@dataclass(frozen=True, slots=True)
class _Mixtape:
    same_bytes: tuple[tuple[Path, Path], ...]
    same_sound: tuple[tuple[Path, Path], ...]
    damaged: Path
    not_audio: Path


def _write_mixtape(music: Path, made: list[_Made]) -> _Mixtape:
    """A folder of copies, as they gather on every disk, with a playlist."""
    home = music / MIXTAPE
    home.mkdir(parents=True, exist_ok=True)
    ode, canon = _find(made, "flac", "ode"), _find(made, "flac", "canon")
    sailor, scarborough = (
        _find(made, "vorbis", "drunken-sailor"),
        _find(made, "vorbis", "scarborough"),
    )
    clock, rag = _find(made, "opus", "greensleeves"), _find(made, "mp3", "entertainer")
    same_bytes = (
        (ode.path, home / f"01 {ode.track.title}.flac"),
        (sailor.path, home / f"02 {sailor.track.title}.ogg"),
    )
    for original, copy in same_bytes:
        shutil.copyfile(original, copy)
    same_sound = (
        (canon.path, _encode_copy(canon, home / "03 Canon in D.mp3", "mp3", canon.tags)),
        (clock.path, _encode_copy(clock, home / "04 Greensleeves.m4a", "aac", clock.tags)),
        (rag.path, _encode_copy(rag, home / "05 entertainer_final.mp3", "mp3", _untidy(rag.tags))),
    )
    damaged = home / f"06 {scarborough.track.title}.ogg"
    _copy_damaged(scarborough.path, damaged)
    not_audio = home / "07 Untitled.mp3"
    _write_text(not_audio, _NOT_FOUND)
    songs = [copy for _, copy in (*same_bytes, *same_sound)] + [damaged]
    playlist = "".join(f"{song.name}\n" for song in songs)
    _write_text(home / "evening.m3u8", "#EXTM3U\n" + playlist)
    return _Mixtape(same_bytes, same_sound, damaged, not_audio)


def _find(made: list[_Made], codec: Codec, melody: str) -> _Job:
    return next(
        one.job
        for one in made
        if (one.job.album.codec, one.job.track.melody) == (codec, melody)
        and not one.job.album.one_file
    )


def _encode_copy(job: _Job, path: Path, codec: Codec, tags: Tags) -> Path:
    encode(_play(job), RATE, path, codec, tags)
    return path


def _untidy(tags: Tags) -> Tags:
    """The tags that a copy has after years of moving: no album, no number, no picture."""
    return Tags(title=tags.title, artists=tags.artists, isrcs=tags.isrcs, licences=tags.licences)


def _copy_damaged(original: Path, path: Path) -> None:
    """A copy in which a disk block in the middle reads as zeros."""
    data = bytearray(original.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = bytes(4096)
    path.write_bytes(data)


def _write_popularity(path: Path, made: list[_Made]) -> int:
    """The table of what is listened to: the pieces, and others that nobody offers.

    Returns its number of rows, most listened-to first.
    """
    held = [_held_row(one) for one in made]
    others = [_known_row(number) for number in range(KNOWN_ONLY)]
    random = np.random.default_rng(1863)
    # The demo's pieces are mostly the better known ones; a few others stand between them.
    weights = np.concatenate(
        [random.gamma(2.0, 6.0, len(held)), random.gamma(3.0, 42.0, len(others))]
    )
    rows = held + others
    out = io.StringIO()
    writer = csv.DictWriter(out, POPULARITY_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for rank, index in enumerate(np.argsort(weights), start=1):
        listens = round(MOST_LISTENS / rank**ZIPF)
        popularity = round(100 + POPULARITY_PER_DECADE * math.log10(listens / MOST_LISTENS), 1)
        writer.writerow({**rows[index], "listens": listens, "popularity": popularity})
    _write_text(path, out.getvalue())
    return len(rows)


def _held_row(one: _Made) -> dict[str, str | int]:
    tags = one.job.tags
    return {
        "id": f"demo-{one.job.number:04}",
        "title": tags.title,
        "artists": ";".join(tags.artists),
        "album": tags.album,
        "isrc": tags.isrcs[0],
        "duration_ms": one.duration_ms,
        "licence": ";".join(tags.licences),
    }


def _known_row(number: int) -> dict[str, str | int]:
    first = UNHEARD_FIRST[number % len(UNHEARD_FIRST)]
    second = UNHEARD_SECOND[number * 7 // len(UNHEARD_FIRST) % len(UNHEARD_SECOND)]
    return {
        "id": f"known-{number:04}",
        "title": f"{first} {second}",
        "artists": UNHEARD_ARTISTS[number * 7 % len(UNHEARD_ARTISTS)],
        "album": f"{second} and Other Stories",
        "isrc": f"QZLP099{number:05}",
        "duration_ms": 120_000 + number * 7919 % 180_000,
        "licence": "",
    }


def _summary(
    music: Path, table: Path, made: list[_Made], known: int, special: _Mixtape
) -> DemoMusic:
    files = sorted(path for path in music.rglob("*") if path.is_file())
    for path in (*files, table):
        os.utime(path, (FILE_TIME, FILE_TIME))
    return DemoMusic(
        music=music,
        popularity=table,
        files=len(files),
        bytes=sum(path.stat().st_size for path in files),
        seconds=sum(one.samples for one in made) / RATE,
        recordings=len(made),
        known=known,
        same_bytes=special.same_bytes,
        same_sound=special.same_sound,
        damaged=special.damaged,
        reserved=tuple(one.job.path for one in made if one.job.track.reserved),
        not_audio=special.not_audio,
        cue_sheet=next(path for path in files if path.suffix == ".cue"),
    )


COVER_SIDE = 320
"""Pixels on each side of a cover."""

_SHADES = 48


def _picture(album: DemoAlbum) -> Picture:
    return Picture("image/png", "front cover", "", _cover(album))


def _cover(album: DemoAlbum) -> bytes:
    """Interfering waves in the album's three colours, as a PNG with a palette."""
    random = np.random.default_rng(zlib.crc32(album.title.encode()))
    x, y = np.meshgrid(*[np.linspace(-1, 1, COVER_SIDE)] * 2)
    centre = random.uniform(-0.6, 0.6, 2)
    far = np.hypot(x - centre[0], y - centre[1])
    bend, ripple, slope = random.uniform((1.5, 5, 0.5), (3.5, 9, 1.5))
    field = np.sin(ripple * far + bend * np.sin(2 * x + slope * y)) + 0.6 * slope * y
    field = (field - field.min()) / (field.max() - field.min())
    shades = np.minimum((field * _SHADES).astype(np.uint8), _SHADES - 1)
    stops = np.array([[colour >> 16, colour >> 8 & 255, colour & 255] for colour in album.colours])
    at = np.linspace(0, len(stops) - 1, _SHADES)
    palette = np.stack([np.interp(at, range(len(stops)), channel) for channel in stops.T], axis=1)
    return _png(shades, palette.round().astype(np.uint8))


def _png(shades: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """A picture of palette indices as PNG (ISO/IEC 15948: 8-bit indexed, no filter)."""
    height, width = shades.shape
    rows = np.zeros((height, width + 1), dtype=np.uint8)
    rows[:, 1:] = shades
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", palette.tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
