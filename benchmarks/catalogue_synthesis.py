"""A synthetic catalogue of N tracks in the reference release's SQLite schema, whole or by shards.

What: N/4 albums of one to sixty consecutive tracks, N/16 artists, 256 tracks to 186 recordings (an
album that is a re-release shares its tracks' ISRCs, titles and artists, and their durations within
a second and a half), 70 % of tracks of popularity 0, names with a Zipf distribution of words.
How: blocks of albums, each made from hashes of its row numbers alone.
"""

import argparse
import sqlite3
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from multiprocessing import get_context
from pathlib import Path

import adbc_driver_sqlite.dbapi as adbc
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtr, ndtri

from benchmarks.catalogue_words import (
    Numbers,
    chosen,
    fixed_text,
    hashed,
    joined,
    phrases,
    scripts_of,
    uniform,
    vocabulary_size,
    zipf,
)

SEED = 20261123
BLOCK_ALBUMS = 65_536
"""Albums made at once; a re-release and its original lie in one block."""
TRACKS_PER_ALBUM = 4
COPIES = 1 - 186 / 256
"""Share of the albums that are re-releases."""
HEARD = 0.3
"""Share of the tracks with a popularity above 0."""
FALL = 0.13
"""Above 0, each step of popularity has exp(-FALL) times the tracks of the one before."""
NEWEST = np.datetime64("2025-07-01")
YEARS = 9.0
"""Mean age of an album."""
PARTS_OF_POPULARITY = (0.55, 0.6, 0.58)
"""How far the artist, the recording and chance decide; the squares' sum is 1."""
SIZES = ((1, 1, 0.64), (2, 6, 0.13), (8, 14, 0.215), (15, 60, 0.015))
"""Tracks of an album: from, to, share."""
BASE62 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
COUNTRIES = "US GB QZ DE FR JP BR SE IT NL CA AU ES KR IN MX PL FI NO DK TW ZA".split()
LABELS = ("", " Records", " Music", " Entertainment", " Recordings")
ENDINGS = ("", " - Live", " - Remix", " - Radio Edit", " - Acoustic", " (Instrumental)")
GENRES = [
    f"{first} {second}".strip()
    for first in "|deep|dark|modern|norwegian|french|k|j|latin|nu|indie|progressive".split("|")
    for second in "rock pop jazz house techno metal folk hip hop soul ambient punk disco".split()
]

TABLES = {
    "artists": "rowid INTEGER PRIMARY KEY, id TEXT, name TEXT, popularity INTEGER, "
    "followers INTEGER",
    "artist_genres": "artist_rowid INTEGER, genre TEXT",
    "albums": "rowid INTEGER PRIMARY KEY, id TEXT, name TEXT, album_type TEXT, label TEXT, "
    "release_date TEXT, release_date_precision TEXT, external_id_upc TEXT, popularity INTEGER, "
    "total_tracks INTEGER",
    "artist_albums": "artist_rowid INTEGER, album_rowid INTEGER, is_appears_on INTEGER, "
    "index_in_album INTEGER",
    "tracks": "rowid INTEGER PRIMARY KEY, id TEXT, name TEXT, album_rowid INTEGER, "
    "disc_number INTEGER, track_number INTEGER, duration_ms INTEGER, explicit INTEGER, "
    "external_id_isrc TEXT, popularity INTEGER",
    "track_artists": "track_rowid INTEGER, artist_rowid INTEGER, ordinal INTEGER",
}


@dataclass(frozen=True)
class Shape:
    """How large a catalogue is; everything else follows from that and the seed."""

    tracks: int
    seed: int = SEED

    @property
    def albums(self) -> int:
        return -(-self.tracks // TRACKS_PER_ALBUM)

    @property
    def artists(self) -> int:
        return max(1, self.tracks // 16)

    @property
    def blocks(self) -> int:
        return -(-self.albums // BLOCK_ALBUMS)

    @property
    def words(self) -> int:
        return vocabulary_size(self.tracks)

    @cached_property
    def stride(self) -> int:
        """Takes an artist's rank to his row, so that the great ones do not stand together."""
        start = int(self.artists * 0.618) + 1
        return next(k for k in range(start, 3 * start) if gcd(k, self.artists) == 1)

    def uniform(self, stream: str, rows: Numbers) -> Numbers:
        return uniform(self.seed, stream, rows)

    def artist_at(self, drawn: Numbers) -> Numbers:
        """The artists (from 0) that numbers from (0, 1) choose: few have many albums."""
        rank = np.minimum((self.artists * drawn * drawn).astype(np.int64), self.artists - 1)
        return rank * self.stride % self.artists


def identifiers(shape: Shape, stream: str, rows: Numbers) -> pa.Array:
    """22 letters of base 62, as of a random number below 2^128."""
    words = np.stack([hashed(shape.seed, f"{stream}{k}", rows) for k in range(3)], axis=1)
    drawn = np.ascontiguousarray(words).view(np.uint8)[:, :22]
    table = np.frombuffer(BASE62, np.uint8)[np.arange(256) % 62]
    letters = table[drawn]
    letters[:, 0] = ord("0") + drawn[:, 0] % 7
    return fixed_text(letters)


def artist_names(shape: Shape, artists: Numbers) -> pa.Array:
    """The names of artists (numbers from 0); the first is the one of all compilations."""
    lengths = 1 + chosen(shape.seed, "artist-length", artists, [0.36, 0.45, 0.14, 0.05])
    scripts = scripts_of(shape.seed, "script", artists)
    names = phrases(shape.seed, "artist", artists, lengths, scripts, shape.words)
    return pc.if_else(pa.array(artists == 0), "Various Artists", names)


def artists(shape: Shape, first: int, last: int) -> Iterator[tuple[str, pa.Table]]:
    """Tables of the artists from `first` to before `last` (numbers from 0)."""
    number = np.arange(first, last)
    rank = number * pow(shape.stride, -1, shape.artists) % shape.artists
    place = (rank + 0.5) / shape.artists
    columns = {
        "rowid": number + 1,
        "id": identifiers(shape, "artist-id", number),
        "name": artist_names(shape, number),
        "popularity": np.minimum(100, -np.log(place) * 6).astype(np.int64),
        "followers": (10 / place**1.1).astype(np.int64) * (place < 0.7),
    }
    yield "artists", pa.table(columns)
    counts = chosen(shape.seed, "genres", number, [0.66, 0.16, 0.1, 0.05, 0.03])
    row = np.repeat(number, counts)
    place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    home = (shape.uniform("genre", row) ** 2 * len(GENRES)).astype(np.int64)
    genre = pa.array(GENRES).take(pa.array((home + 12 * place) % len(GENRES)))
    yield "artist_genres", pa.table({"artist_rowid": row + 1, "genre": genre})


@dataclass(frozen=True)
class Block:
    """The albums and tracks of one block: rows from 0, and of each the original that it repeats."""

    shape: Shape
    album: Numbers
    original: Numbers
    sizes: Numbers
    row: Numbers
    place: Numbers
    work: Numbers

    @cached_property
    def of(self) -> Numbers:
        """Each track's album, as an index into this block's."""
        return np.repeat(np.arange(len(self.album)), self.sizes)

    @cached_property
    def drawn(self) -> Numbers:
        """The number from (0, 1) that chooses each album's artist."""
        return self.shape.uniform("album-artist", self.original)

    @cached_property
    def compilation(self) -> Numbers:
        return (self.sizes >= 8) & (self.shape.uniform("compilation", self.original) < 0.06)

    @cached_property
    def album_artist(self) -> Numbers:
        return np.where(self.compilation, 0, self.shape.artist_at(self.drawn))

    @cached_property
    def track_drawn(self) -> Numbers:
        alone = self.shape.uniform("track-artist", self.work)
        return np.where(self.compilation[self.of], alone, self.drawn[self.of])

    @cached_property
    def artist_count(self) -> Numbers:
        return 1 + chosen(self.shape.seed, "artists", self.work, [0.78, 0.16, 0.05, 0.01])

    @cached_property
    def days(self) -> Numbers:
        """Age of each album in days."""
        years = -np.log(self.shape.uniform("age", self.album)) * YEARS
        return np.minimum(years * 365.25, 365.25 * 90).astype(np.int64)

    @cached_property
    def titles(self) -> pa.Array:
        shape, artist = self.shape, self.shape.artist_at(self.track_drawn)
        native = shape.uniform("native", self.work) < 0.75
        scripts = np.where(native, scripts_of(shape.seed, "script", artist), 0)
        shares = [0.16, 0.27, 0.24, 0.16, 0.09, 0.05, 0.03]
        lengths = 1 + chosen(shape.seed, "title-length", self.work, shares)
        names = phrases(shape.seed, "title", self.work, lengths, scripts, shape.words)
        return joined(names, self.guests(), self.endings())

    def guests(self) -> pa.Array:
        """` (feat. X)` for a third of the tracks with several artists."""
        told = (self.artist_count > 1) & (self.shape.uniform("told", self.work) < 0.35)
        names = artist_names(self.shape, self.guest(self.work[told], 1))
        nothing = pa.array([""]).take(pa.array(np.zeros(len(self.row), np.int64)))
        return pc.replace_with_mask(nothing, pa.array(told), joined(" (feat. ", names, ")"))

    def guest(self, works: Numbers, place: int) -> Numbers:
        return self.shape.artist_at(self.shape.uniform(f"guest{place}", works))

    def endings(self) -> pa.Array:
        shares = [0.89, 0.02, 0.02, 0.01, 0.01, 0.01]
        years = [f" - Remastered {year}" for year in range(2001, 2025)]
        kind = chosen(self.shape.seed, "ending", self.work, [*shares, *([0.04 / 24] * 24)])
        return pa.array([*ENDINGS, *years]).take(pa.array(kind))


def sizes_of(shape: Shape, album: Numbers, original: Numbers, total: int) -> Numbers:
    """Tracks of each album; re-releases have their original's; together `total`."""
    first = int(album[0])
    kind = chosen(shape.seed, "size-kind", album, [share for _, _, share in SIZES])
    low, high = (np.array([size[k] for size in SIZES])[kind] for k in (0, 1))
    drawn = low + (shape.uniform("size", album) * (high - low + 1)).astype(np.int64)
    sizes: Numbers = drawn[original - first]
    repeated = np.zeros(len(album), bool)
    repeated[original[original != album] - first] = True
    free = np.flatnonzero((original == album) & ~repeated)
    free = free[np.argsort(-sizes[free], kind="stable")]
    while (lacking := total - int(sizes.sum())) != 0:
        some = free if lacking > 0 else free[sizes[free] > 1]
        assert len(some), "too few albums to choose from: ask for a thousand tracks or more"
        sizes[some[: abs(lacking)]] += 1 if lacking > 0 else -1
    return sizes


def block(shape: Shape, number: int) -> Block:
    """The albums and tracks of block `number`."""
    first = number * BLOCK_ALBUMS
    last = min(shape.albums, first + BLOCK_ALBUMS)
    start = first * TRACKS_PER_ALBUM
    total = min(shape.tracks, last * TRACKS_PER_ALBUM) - start
    album = np.arange(first, last)
    copied = shape.uniform("copied", album) < COPIES
    copied[0] = False
    originals = album[~copied]
    pick = (shape.uniform("original", album) * len(originals)).astype(np.int64)
    original = np.where(copied, originals[pick], album)
    sizes = sizes_of(shape, album, original, total)
    begins = start + np.cumsum(sizes) - sizes
    of = np.repeat(np.arange(len(album)), sizes)
    row = start + np.arange(total)
    place = row - begins[of]
    return Block(shape, album, original, sizes, row, place, begins[original - first][of] + place)


def popularity(block: Block) -> Numbers:
    """From 0 to 100: of the artist, of the recording, and chance."""
    shape = block.shape
    drawn = (block.track_drawn, shape.uniform("fame", block.work), shape.uniform("luck", block.row))
    normal = sum(part * ndtri(one) for part, one in zip(PARTS_OF_POPULARITY, drawn, strict=True))
    above = ndtr(normal)
    steps = 1 + np.log(HEARD / np.minimum(above, HEARD)) / FALL
    return np.where(above < HEARD, np.minimum(steps, 100), 0).astype(np.int64)


def isrcs(block: Block) -> pa.Array:
    """One for each work: 100,000 codes for a registrant and year; one track in 200 has none."""
    work, shape = block.work, block.shape
    origin = block.original - block.album[0]
    year = (NEWEST - block.days[origin][block.of]).astype("datetime64[Y]").astype(np.int64) + 1970
    artist = block.album_artist[block.of]
    registrant = (work // 100_000 * 16 + artist % 16) * 28_657 % 36**3
    country = zipf(uniform(shape.seed, "country", registrant), len(COUNTRIES))
    letters = np.empty((len(work), 12), np.uint8)
    letters[:, :2] = np.array([list(one.encode()) for one in COUNTRIES], np.uint8)[country]
    table = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", np.uint8)
    for k in range(3):
        letters[:, 2 + k] = table[registrant // 36**k % 36]
    digits = year % 100 * 100_000 + work % 100_000
    for k in range(7):
        letters[:, 11 - k] = 48 + digits // 10**k % 10
    return pc.if_else(
        pa.array(uniform(shape.seed, "no-isrc", work) > 0.005), fixed_text(letters), None
    )


def durations(block: Block) -> Numbers:
    """About three minutes and a half; a re-release differs by at most 1.5 s, if at all."""
    shape = block.shape
    length = 200_000 * np.exp(0.35 * ndtri(shape.uniform("duration", block.work)))
    drawn = shape.uniform("differs", block.row)
    differs = np.where((block.row != block.work) & (drawn > 0.6), (drawn - 0.8) * 7_500, 0)
    whole: Numbers = (np.clip(length, 15_000, 7_200_000) + differs).astype(np.int64)
    return whole


def tracks(block: Block) -> Iterator[tuple[str, pa.Table]]:
    """The tables `tracks` and `track_artists` of a block."""
    columns = {
        "rowid": block.row + 1,
        "id": identifiers(block.shape, "track-id", block.row),
        "name": block.titles,
        "album_rowid": block.album[block.of] + 1,
        "disc_number": block.place // 30 + 1,
        "track_number": block.place % 30 + 1,
        "duration_ms": durations(block),
        "explicit": (block.shape.uniform("explicit", block.work) < 0.09).astype(np.int64),
        "external_id_isrc": isrcs(block),
        "popularity": popularity(block),
    }
    yield "tracks", pa.table(columns)
    count = block.artist_count
    index = np.repeat(np.arange(len(count)), count)
    ordinal = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
    artist = block.shape.artist_at(block.track_drawn)[index]
    for place in range(1, 4):
        chosen = np.flatnonzero(ordinal == place)
        artist[chosen] = block.guest(block.work[index[chosen]], place)
    links = {"track_rowid": block.row[index] + 1, "artist_rowid": artist + 1, "ordinal": ordinal}
    yield "track_artists", pa.table(links)


def album_names(block: Block) -> pa.Array:
    """A single is called as its track, others often so; some re-releases say that they are."""
    shape, album = block.shape, block.original
    lengths = 1 + chosen(shape.seed, "album-length", album, [0.25, 0.3, 0.25, 0.13, 0.07])
    scripts = scripts_of(shape.seed, "script", block.album_artist)
    names = phrases(shape.seed, "album", album, lengths, scripts, shape.words)
    begins = np.cumsum(block.sizes) - block.sizes
    leads = block.titles.take(pa.array(begins))
    titled = (block.sizes == 1) | (shape.uniform("titled", album) < 0.3)
    drawn = shape.uniform("edition", block.album)
    again = (album != block.album) & (block.sizes > 1) & (drawn < 0.4)
    editions = pa.array([" (Deluxe Edition)", " (Remastered)", " (Deluxe)"])
    edition = editions.take(pa.array((drawn * 1e6).astype(np.int64) % 3))
    return joined(
        pc.if_else(pa.array(titled), leads, names), pc.if_else(pa.array(again), edition, "")
    )


def labels(block: Block) -> pa.Array:
    """Few labels with many albums, and many artists who are their own."""
    shape = block.shape
    number = zipf(shape.uniform("label", block.original), max(1, shape.albums // 20))
    lengths = 1 + chosen(shape.seed, "label-length", number, [0.5, 0.35, 0.15])
    names = phrases(shape.seed, "label", number, lengths, np.zeros_like(number), shape.words)
    kinds = (shape.uniform("label-kind", number) * len(LABELS)).astype(np.int64)
    names = joined(names, pa.array(LABELS).take(pa.array(kinds)))
    drawn = shape.uniform("own-label", block.album_artist)
    seven = 1_000_000 + (drawn * 8_999_999).astype(np.int64)
    shop = joined(pa.array(seven).cast(pa.string()), " Records DK")
    own = pc.if_else(pa.array(drawn < 0.2), artist_names(shape, block.album_artist), names)
    return pc.if_else(pa.array(drawn > 0.85), shop, own)


def upcs(block: Block) -> pa.Array:
    """EAN of 13 digits or UPC of 12, with their check digit; one album in twenty has none."""
    number = hashed(block.shape.seed, "upc", block.album)
    european = number % np.uint64(10) < 3
    digits = np.empty((len(number), 13), np.uint8)
    for k in range(12):
        digits[:, k] = number // np.uint64(7**k) % np.uint64(10)
    digits[:, 0] = np.where(european, 1 + digits[:, 0] % 9, 0)
    total = digits[:, :12].astype(np.int64) @ np.tile([1, 3], 6)
    digits[:, 12] = -total % 10
    text = fixed_text(digits + np.uint8(48))
    text = pc.if_else(pa.array(european), text, pc.utf8_slice_codeunits(text, 1))
    return pc.if_else(pa.array(number % np.uint64(977) > 48), text, None)


def albums(block: Block) -> Iterator[tuple[str, pa.Table]]:
    """The tables `albums` and `artist_albums` of a block."""
    exact = chosen(block.shape.seed, "precision", block.album, [0.9, 0.02, 0.08])
    day = pa.array(NEWEST - block.days).cast(pa.string())
    ends = [pc.utf8_slice_codeunits(day, 0, length) for length in (10, 7, 4)]
    kind = np.where(block.compilation, 2, (block.sizes < 7).astype(np.int64))
    own = popularity(block)
    begins = np.cumsum(block.sizes) - block.sizes
    columns = {
        "rowid": block.album + 1,
        "id": identifiers(block.shape, "album-id", block.album),
        "name": album_names(block),
        "album_type": pa.array(["album", "single", "compilation"]).take(pa.array(kind)),
        "label": labels(block),
        "release_date": pc.choose(pa.array(exact), *ends),
        "release_date_precision": pa.array(["day", "month", "year"]).take(pa.array(exact)),
        "external_id_upc": upcs(block),
        "popularity": np.maximum.reduceat(own, begins),
        "total_tracks": block.sizes,
    }
    yield "albums", pa.table(columns)
    links = {
        "artist_rowid": block.album_artist + 1,
        "album_rowid": block.album + 1,
        "is_appears_on": np.zeros_like(block.album),
        "index_in_album": np.zeros_like(block.album),
    }
    yield "artist_albums", pa.table(links)


def parts(shape: Shape, shard: int, shards: int) -> Iterator[tuple[str, pa.Table]]:
    """All tables of one shard, a block at a time, in order of row."""
    first, last = (shape.artists * k // shards for k in (shard, shard + 1))
    for start in range(first, last, BLOCK_ALBUMS * 4):
        yield from artists(shape, start, min(last, start + BLOCK_ALBUMS * 4))
    for number in range(shape.blocks * shard // shards, shape.blocks * (shard + 1) // shards):
        made = block(shape, number)
        yield from albums(made)
        yield from tracks(made)


def write_shard(path: Path, tracks: int, shard: int, shards: int, seed: int = SEED) -> None:
    """Writes shard `shard` of `shards` of a catalogue of `tracks` to a new SQLite file.

    Each shard has all tables, with the rows of its range; row numbers are the whole catalogue's.
    """
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as made:
        for name, columns in TABLES.items():
            made.execute(f"CREATE TABLE {name}({columns})")
    made.close()
    with adbc.connect(str(path), autocommit=True) as connection, connection.cursor() as cursor:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
            cursor.execute(f"PRAGMA {pragma}")
            cursor.fetchall()
        for name, table in parts(Shape(tracks, seed), shard, shards):
            cursor.adbc_ingest(name, table, mode="append")


def write(folder: Path, tracks: int, shards: int, seed: int = SEED, workers: int = 2) -> list[Path]:
    """Writes a whole catalogue as `shards` files; their paths, in order."""
    paths = [folder / f"catalogue-{shard:02}.sqlite" for shard in range(shards)]
    if shards == 1:
        write_shard(paths[0], tracks, 0, 1, seed)
        return paths
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        made = [
            pool.submit(write_shard, path, tracks, shard, shards, seed)
            for shard, path in enumerate(paths)
        ]
        for one in made:
            one.result()
    return paths


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=1)
    asked = parser.parse_args(arguments)
    asked.folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    paths = write(asked.folder, asked.tracks, asked.shards)
    seconds = time.perf_counter() - start
    size = sum(path.stat().st_size for path in paths)
    print(f"{asked.tracks:,} tracks: {size / 1e9:.2f} GB, {asked.tracks / seconds:,.0f} tracks/s")


if __name__ == "__main__":
    main()
