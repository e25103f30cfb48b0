"""From the words of tracks, albums and artists to the lists of a band of documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled, whole
from longplay.catalogue.search import postings

Numbers = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.uint8]
Shorts = npt.NDArray[np.uint16]
Offsets = npt.NDArray[np.int64]

NOWHERE = np.uint32(2**32 - 1)
"""Stands for no album."""

MAX_ARTISTS = 250
"""Artists of a track whose names find it: with their words, a count of terms fits 16 bits."""

UNKNOWN = np.uint8(2)
"""Of a track that does not say whether it is explicit (1) or not (0)."""


@dataclass(frozen=True, slots=True)
class Names:
    """The words of albums or artists: those of row r are `terms[ends[r - 1]:ends[r]]`."""

    ends: Offsets
    terms: Numbers


@dataclass(frozen=True, slots=True)
class Own:
    """What a chunk of tracks says itself, before albums and artists are looked up.

    Of `words`, numbered by the vocabulary of its thread, `counts[r]` are track r's; so for
    `artists`. A year of 0 is none. Lies on disk until its band is built.
    """

    words: Numbers
    counts: Shorts
    artists: Numbers
    artist_counts: Counts
    albums: Numbers
    years: Shorts
    explicit: Counts


_KINDS = (np.uint32, np.uint16, np.uint32, np.uint8, np.uint32, np.uint16, np.uint8)


@dataclass(frozen=True, slots=True)
class Spilled:
    """An `Own` in a scratch file: the chunk's first document, its rows, and the arrays' lengths."""

    path: Path
    first: int
    rows: int
    vocabulary: int
    lengths: tuple[int, ...]

    def load(self) -> Own:
        """Read it again."""
        arrays = []
        with self.path.open("rb") as file:
            for kind, count in zip(_KINDS, self.lengths, strict=True):
                arrays.append(np.fromfile(file, kind, count))
        return Own(*arrays)


def spill(own: Own, path: Path, first: int, vocabulary: int) -> Spilled:
    """Write what a chunk says to a scratch file."""
    arrays = (own.words, own.counts, own.artists, own.artist_counts, own.albums, own.years)
    with path.open("wb") as file:
        for array in (*arrays, own.explicit):
            np.ascontiguousarray(array).tofile(file)
    lengths = tuple(len(array) for array in (*arrays, own.explicit))
    return Spilled(path, first, len(own.counts), vocabulary, lengths)


@dataclass(frozen=True, slots=True)
class Sources:
    """All that the bands are built from. `places` turns each vocabulary's numbers into terms;
    `year_terms` and `explicit_terms` are the terms of the pseudo-words."""

    chunks: Sequence[Spilled]
    places: Sequence[Numbers]
    terms: int
    albums: Names
    album_years: Shorts
    artists: Names
    year_terms: Numbers
    explicit_terms: Numbers


@dataclass(frozen=True, slots=True)
class Band:
    """The lists of a band, as `postings.encode` gives them; `counts` are the lists' lengths."""

    documents: int
    terms: Numbers
    starts: Numbers
    words: Numbers
    counts: Numbers


def invert(sources: Sources, first: int, end: int) -> Band:
    """The lists of the documents from `first` to `end`."""
    stamps = np.zeros(sources.terms, np.uint32)
    counts = np.zeros(sources.terms, np.int64)
    sizes = np.zeros(end - first, np.uint16)
    parts = []
    for chunk in sources.chunks:
        low, high = max(first, chunk.first), min(end, chunk.first + chunk.rows)
        if low < high:
            own = chunk.load()
            begin = low - chunk.first
            found = _gather(
                own.words, own.counts, own.artists, own.artist_counts, own.albums, own.years,
                own.explicit, begin, high - chunk.first, low - first,
                sources.places[chunk.vocabulary], sources.albums.ends, sources.albums.terms,
                sources.album_years, sources.artists.ends, sources.artists.terms,
                sources.year_terms, sources.explicit_terms, stamps, counts, sizes,
            )  # fmt: skip
            parts.append(found)
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    documents = np.empty(total, np.uint32)
    places = ends - counts
    row = 0
    for part in parts:
        row = _scatter(part, sizes, row, places, documents)
    present = int(np.count_nonzero(counts))
    terms, starts = np.empty(present, np.uint32), np.empty(present, np.uint32)
    out = np.empty(postings.room(total), np.uint32)
    entries, size = postings.encode(documents, ends, terms, starts, out)
    lengths = counts[terms].astype(np.uint32)
    return Band(end - first, terms[:entries], starts[:entries], out[:size].copy(), lengths)


@compiled
def _gather(  # noqa: PLR0912 - the order of the sources of a document's words
    words: Numbers,
    counts: Shorts,
    artists: Numbers,
    artist_counts: Counts,
    albums: Numbers,
    years: Shorts,
    explicit: Counts,
    begin: int,
    end: int,
    first: int,
    places: Numbers,
    album_ends: Offsets,
    album_terms: Numbers,
    album_years: Shorts,
    artist_ends: Offsets,
    artist_terms: Numbers,
    year_terms: Numbers,
    explicit_terms: Numbers,
    stamps: Numbers,
    term_counts: Offsets,
    sizes: Shorts,
) -> Numbers:
    """The terms of rows `begin` to `end`, each once a document, one document after the other.

    Row `begin` is document `first` of the band. `stamps` remembers of each term the last document
    (+ 1) that had it; `term_counts` and `sizes` count the documents of terms and the terms of
    documents.
    """
    word, artist = whole(0), whole(0)
    for row in range(begin):
        word += counts[row]
        artist += artist_counts[row]
    room, place = 2 * (end - begin), artist
    for row in range(begin, end):
        room += counts[row]
        album = whole(albums[row])
        if album < len(album_ends):
            room += album_ends[album] - (album_ends[album - 1] if album else 0)
        for k in range(place, place + artist_counts[row]):
            number = whole(artists[k])
            if number < len(artist_ends):
                room += artist_ends[number] - (artist_ends[number - 1] if number else 0)
        place += artist_counts[row]
    found = np.empty(room, np.uint32)
    size = 0
    for row in range(begin, end):
        document = first + row - begin
        stamp = np.uint32(document + 1)
        before = size
        for k in range(word, word + counts[row]):
            size = _add(places[words[k]], stamp, stamps, term_counts, found, size)
        word += counts[row]
        year = years[row]
        album = whole(albums[row])
        if album < len(album_ends):
            year = year if year else album_years[album]
            for k in range(album_ends[album - 1] if album else 0, album_ends[album]):
                size = _add(album_terms[k], stamp, stamps, term_counts, found, size)
        for place in range(artist, artist + artist_counts[row]):
            number = whole(artists[place])
            if number < len(artist_ends):
                for k in range(artist_ends[number - 1] if number else 0, artist_ends[number]):
                    size = _add(artist_terms[k], stamp, stamps, term_counts, found, size)
        artist += artist_counts[row]
        if year:
            size = _add(year_terms[year], stamp, stamps, term_counts, found, size)
        if explicit[row] < 2:
            size = _add(explicit_terms[explicit[row]], stamp, stamps, term_counts, found, size)
        sizes[document] = size - before
    return found[:size]


@compiled
def _add(
    term: np.uint32,
    stamp: np.uint32,
    stamps: Numbers,
    counts: Offsets,
    found: Numbers,
    size: int,
) -> int:
    if stamps[term] == stamp:
        return size
    stamps[term] = stamp
    counts[term] += 1
    found[size] = term
    return size + 1


@compiled
def _scatter(found: Numbers, sizes: Shorts, row: int, places: Offsets, documents: Numbers) -> int:
    """Write each document to the lists of its terms; the row to go on with."""
    at = 0
    while at < len(found) or (row < len(sizes) and sizes[row] == 0):
        for k in range(at, at + sizes[row]):
            term = found[k]
            documents[places[term]] = row
            places[term] += 1
        at += sizes[row]
        row += 1
    return row
