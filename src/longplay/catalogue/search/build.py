"""Building a layer's index from its Parquet files.

First every name is read once, cut into words that each thread numbers as they come, and written to
the row store; then the words get their final numbers, and band after band is inverted.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from longplay.catalogue.compiled import compiled, string_buffers, whole
from longplay.catalogue.search import files, inverting, postings, rowstore, terms
from longplay.catalogue.search.inverting import Names, Own, Spilled
from longplay.catalogue.search.rowstore import ALBUMS, ARTISTS, COLUMNS, TRACKS, Encoded
from longplay.catalogue.search.vocabulary import Vocabulary, merged
from longplay.catalogue.search.words import cut, explicit_word, genre_words, year_word

THREADS = 2
"""Threads that build: each has a vocabulary and the lists of a band in memory."""

POPULARITIES = 101
"""Whole popularities, 0 to 100."""

POSTINGS = "postings"

MOST_YEARS = 3000
"""Years from 1 to before this one are found: four digits, as release dates have."""

MOST_GENRE_WORDS = 255
"""Pseudo-words for the genres of a track: what is more finds nobody."""

SAMPLE = 1 << 17
"""Rows at the start, in the middle and at the end of a table, that its coding is learned from."""

PIECE = 1 << 20
"""Numbers that are copied at once."""

Progress = Callable[[int, int], None]
Years = npt.NDArray[np.uint16]
Result = TypeVar("Result")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the index and its size in bytes."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A row group of a table, and the number of its first row."""

    path: Path
    metadata: pq.FileMetaData
    group: int
    first: int

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.metadata.row_group(self.group).num_rows)

    def read(self, columns: Sequence[str]) -> pa.RecordBatch:
        """Some columns of its rows."""
        file = pq.ParquetFile(self.path, metadata=self.metadata)
        table = file.read_row_group(self.group, columns=list(columns), use_threads=False)
        chunks = [column.combine_chunks() for column in table.select(columns).columns]
        return pa.record_batch(chunks, names=list(columns))


@dataclass(frozen=True, slots=True)
class _Cut:
    """The words of some rows, numbered by one thread's vocabulary."""

    vocabulary: int
    counts: npt.NDArray[np.uint8]
    numbers: npt.NDArray[np.uint32]
    years: Years


class _Work:
    """What the threads share: their vocabularies, and how far they are."""

    def __init__(self, source: str, progress: Progress, total: int) -> None:
        self.source = source
        self.vocabularies = [Vocabulary() for _ in range(THREADS)]
        self.years: set[int] = set()
        self.popularities = np.zeros(POPULARITIES, np.int64)
        self._lock = Lock()
        self._free: SimpleQueue[int] = SimpleQueue()
        for number in range(THREADS):
            self._free.put(number)
        self._progress, self._total, self._done = progress, total, 0

    def each(self, items: Sequence[Item], one: Callable[[int, Item], Result]) -> Iterator[Result]:
        """`one(thread, item)` for each item, in order, a few ahead."""

        def run(item: Item) -> Result:
            number = self._free.get()
            try:
                return one(number, item)
            finally:
                self._free.put(number)

        with ThreadPoolExecutor(THREADS) as pool:
            ahead = [pool.submit(run, item) for item in items[: THREADS + 1]]
            for place in range(len(items)):
                result = ahead.pop(0).result()
                if place + THREADS + 1 < len(items):
                    ahead.append(pool.submit(run, items[place + THREADS + 1]))
                yield result

    def years_of(self, dates: pa.Array) -> Years:
        """The years of a column of dates, 0 for none; remembers which there are."""
        found = _years(*string_buffers(dates), MOST_YEARS)
        self.years.update(np.unique(found).tolist())
        return found

    def count(self, popularity: pa.Array) -> None:
        """Count tracks by whole popularity."""
        known = popularity.drop_null().to_numpy()
        steps = np.clip(np.floor(known), 0, POPULARITIES - 1).astype(np.int64)
        with self._lock:
            self.popularities += np.bincount(steps, minlength=POPULARITIES)

    def did(self, steps: int) -> None:
        """Tell that so many more steps are done."""
        self._done += steps
        self._progress(self._done, self._total)


def build(
    layer: Path,
    target: Path,
    *,
    source: str,
    scratch: Path,
    progress: Progress = lambda done, total: None,
    first_band: int = postings.FIRST_BAND,
    largest_band: int = postings.LARGEST_BAND,
) -> list[Written]:
    """Build the index of the layer in `layer` into `target`; the files that were written.

    The same tables give the same bytes. `source` is the layer's, from which its keys derive;
    `progress` is called with steps done and steps in all; files in `scratch` are removed again.
    """
    target.mkdir(parents=True, exist_ok=True)
    artists, albums, tracks = (_chunks(layer, name) for name in ("artists", "albums", "tracks"))
    documents = sum(chunk.rows for chunk in tracks)
    known = sum(chunk.rows for chunk in artists)
    named = known + sum(chunk.rows for chunk in albums)
    work = _Work(source, progress, named + 2 * documents)
    folder = Path(tempfile.mkdtemp(prefix="index-", dir=scratch))
    try:
        artist_names, artist_rows = _stored(work, artists, target / ARTISTS, 0, _name_words)
        album_names, album_rows = _stored(work, albums, target / ALBUMS, known, _name_words)
        own, track_rows = _stored(work, tracks, target / TRACKS, known, _Tracks(folder))
        sources, dictionary = _sources(work, artist_names, album_names, own)
        edges = postings.bands(documents, first_band, largest_band)
        found = _write(work, target, folder, sources, dictionary, edges)
        return [artist_rows, album_rows, track_rows, *found]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _chunks(layer: Path, table: str) -> list[_Chunk]:
    """The row groups of a table, which may be in several files."""
    found, first = [], 0
    for path in sorted(layer.glob(f"{table}*.parquet")):
        if path.stem.rstrip("-0123456789") != table:
            continue
        metadata = pq.read_metadata(path)
        for group in range(metadata.num_row_groups):
            found.append(_Chunk(path, metadata, group, first))
            first += metadata.row_group(group).num_rows
    return found


def _stored(
    work: _Work,
    chunks: Sequence[_Chunk],
    path: Path,
    artists: int,
    words: Callable[[_Work, int, _Chunk, pa.RecordBatch], Result],
) -> tuple[list[Result], Written]:
    """Write a table to the row store; and what `words` makes of each chunk of it."""
    columns = COLUMNS[path.name]
    places = sorted({0, len(chunks) // 2, len(chunks) - 1}) if chunks else []
    coding = rowstore.learn(
        path.name, [chunks[place].read(columns).slice(0, SAMPLE) for place in places], artists
    )

    def one(number: int, chunk: _Chunk) -> tuple[Encoded, Result]:
        rows = chunk.read(columns)
        encoded = rowstore.encode(path.name, rows, chunk.first, coding, work.source)
        return encoded, words(work, number, chunk, rows)

    found: list[Result] = []

    def parts() -> Iterator[Encoded]:
        for encoded, result in work.each(chunks, one):
            found.append(result)
            work.did(encoded.rows)
            yield encoded

    size = rowstore.Writer(path, coding).write(parts())
    return found, Written(path.name, size)


def _name_words(work: _Work, number: int, chunk: _Chunk, rows: pa.RecordBatch) -> _Cut:
    """The words of artists or albums, and the years of these."""
    albums = "title" in rows.schema.names
    cut_names = cut(rows["title" if albums else "name"])
    numbers = work.vocabularies[number].numbers(cut_names)
    dates = rows["release_date"] if albums else pa.array([], pa.string())
    return _Cut(number, cut_names.counts, numbers, work.years_of(dates))


@dataclass(frozen=True, slots=True)
class _Tracks:
    """Spills what tracks say themselves to files in `folder`."""

    folder: Path

    def __call__(self, work: _Work, number: int, chunk: _Chunk, rows: pa.RecordBatch) -> Spilled:
        work.count(rows["popularity"])
        path = self.folder / f"{chunk.first:010d}"
        return inverting.spill(_own(work, number, rows), path, chunk.first, number)


def _own(work: _Work, number: int, rows: pa.RecordBatch) -> Own:
    """What a chunk of tracks says itself; words by the numbers of a thread's vocabulary."""
    vocabulary = work.vocabularies[number]
    found = cut(rows["title"])
    words, counts = vocabulary.numbers(found), found.counts.astype(np.uint16)
    genres = rows["genres"]
    if genres.null_count < len(genres):
        words, counts = _with_genres(vocabulary, genres, words, counts)
    artists, artist_counts = _first(*_lists(rows["artists"]), inverting.MAX_ARTISTS)
    return Own(
        words,
        counts,
        artists,
        artist_counts,
        rows["album"].fill_null(int(inverting.NOWHERE)).to_numpy(),
        work.years_of(rows["release_date"]),
        rows["explicit"].cast(pa.uint8()).fill_null(int(inverting.UNKNOWN)).to_numpy(),
    )


def _lists(column: pa.ListArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """A column of lists of numbers: where each begins and ends, and the numbers."""
    lengths = column.value_lengths().fill_null(0).to_numpy()
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    return ends, column.flatten().fill_null(int(inverting.NOWHERE)).to_numpy()


def _with_genres(
    vocabulary: Vocabulary,
    genres: pa.ListArray,
    words: npt.NDArray[np.uint32],
    counts: npt.NDArray[np.uint16],
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint16]]:
    """The words of tracks, with the pseudo-words of their genres."""
    coded = genres.flatten().dictionary_encode()
    each = [
        [vocabulary.number(terms.stored(word)) for word in genre_words(genre or "")]
        for genre in coded.dictionary.to_pylist()
    ]
    codes = coded.indices.fill_null(len(each)).to_numpy()
    lengths = genres.value_lengths().fill_null(0).to_numpy()
    ends = np.cumsum([len(found) for found in (*each, [])])
    terms_of = np.array([number for found in each for number in found], np.uint32)
    return _appended(words, counts, np.cumsum(lengths, dtype=np.int64), codes, ends, terms_of)


def _sources(
    work: _Work, artists: Sequence[_Cut], albums: Sequence[_Cut], spilled: Sequence[Spilled]
) -> tuple[inverting.Sources, pa.Array]:
    """The final numbers of all words: what the bands are built from, and the terms in order."""
    vocabulary = work.vocabularies[0]
    present = sorted(work.years)
    early = [vocabulary.number(terms.stored(year_word(year))) for year in present]
    flags = [vocabulary.number(terms.stored(explicit_word(flag))) for flag in (False, True)]
    dictionary, places = merged(work.vocabularies)
    year_terms = np.zeros(MOST_YEARS, np.uint32)
    year_terms[present] = places[0][early]
    sources = inverting.Sources(
        chunks=spilled,
        places=places,
        terms=len(dictionary),
        albums=_joined(albums, places),
        album_years=_concatenated([each.years for each in albums], np.uint16),
        artists=_joined(artists, places),
        year_terms=year_terms,
        explicit_terms=places[0][flags],
    )
    return sources, dictionary


def _joined(cuts: Sequence[_Cut], places: Sequence[npt.NDArray[np.uint32]]) -> Names:
    counts = _concatenated([each.counts for each in cuts], np.uint8)
    found = _concatenated([places[each.vocabulary][each.numbers] for each in cuts], np.uint32)
    return Names(np.cumsum(counts, dtype=np.int64), found)


def _concatenated(arrays: Sequence[npt.NDArray[Any]], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *arrays])


def _write(
    work: _Work,
    target: Path,
    folder: Path,
    sources: inverting.Sources,
    dictionary: pa.Array,
    edges: npt.NDArray[np.int64],
) -> list[Written]:
    """Invert all bands and write them, and the dictionary."""
    counts = np.zeros(len(dictionary), np.uint32)
    entries, words = [0], [0]
    parts = [folder / "terms", folder / "starts"]
    writer = files.Writer(target / POSTINGS)
    with ExitStack() as stack:
        term_file, start_file = (stack.enter_context(part.open("w+b")) for part in parts)

        def pieces() -> Iterator[npt.NDArray[np.uint32]]:
            bands = list(postings.ranges(edges))
            for band in work.each(bands, lambda _, band: inverting.invert(sources, *band)):
                counts[band.terms] += band.counts
                band.terms.tofile(term_file)
                band.starts.tofile(start_file)
                entries.append(entries[-1] + len(band.terms))
                words.append(words[-1] + len(band.words))
                work.did(band.documents)
                yield band.words

        writer.array("words", "<u4", pieces())
        writer.array("terms", "<u4", _pieces(term_file))
        writer.array("starts", "<u4", _pieces(start_file))
    for name, values in (("edges", edges), ("term_edges", entries), ("word_edges", words)):
        writer.array(name, "<i8", [np.array(values, np.int64)])
    writer.array("floors", "<i8", [np.cumsum(work.popularities[::-1])[::-1]])
    size = writer.finish({"documents": int(edges[-1])})
    term_size = terms.write(target / terms.NAME, dictionary, counts)
    return [Written(POSTINGS, size), Written(terms.NAME, term_size)]


def _pieces(file: BinaryIO) -> Iterator[npt.NDArray[np.uint32]]:
    file.seek(0)
    while len(piece := np.fromfile(file, np.uint32, PIECE)):
        yield piece


@compiled
def _years(offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], most: int) -> Years:
    found = np.zeros(len(offsets) - 1, np.uint16)
    for row in range(len(found)):
        begin = offsets[row]
        if offsets[row + 1] - begin < 4:
            continue
        year = 0
        for k in range(4):
            digit = whole(data[begin + k]) - 48
            year = year * 10 + digit if 0 <= digit <= 9 and year >= 0 else -1
        if 0 < year < most:
            found[row] = year
    return found


@compiled
def _first(
    ends: npt.NDArray[np.int64], values: npt.NDArray[np.uint32], most: int
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
    """The first values of each list, at most `most`, and how many these are."""
    counts = np.empty(len(ends) - 1, np.uint8)
    kept = np.empty(len(values), np.uint32)
    size = 0
    for row in range(len(counts)):
        count = min(ends[row + 1] - ends[row], most)
        counts[row] = count
        for k in range(count):
            kept[size + k] = values[ends[row] + k]
        size += count
    return kept[:size], counts


@compiled
def _appended(
    words: npt.NDArray[np.uint32],
    counts: npt.NDArray[np.uint16],
    list_ends: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int32],
    ends: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.uint32],
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint16]]:
    """Each row's words, and after them those of its genres, at most `MOST_GENRE_WORDS`."""
    out = np.empty(len(words) + min(16 * len(codes), 1 << 20) + MOST_GENRE_WORDS, np.uint32)
    found = np.empty(len(counts), np.uint16)
    word, size, place = 0, 0, 0
    for row in range(len(counts)):
        if size + counts[row] + MOST_GENRE_WORDS > len(out):
            out = np.concatenate((out, np.empty(len(out), np.uint32)))
        for k in range(counts[row]):
            out[size + k] = words[word + k]
        word += counts[row]
        size += counts[row]
        added = 0
        while place < list_ends[row]:
            code = codes[place]
            for k in range(ends[code - 1] if code else 0, ends[code]):
                if added < MOST_GENRE_WORDS:
                    out[size + added] = numbers[k]
                    added += 1
            place += 1
        size += added
        found[row] = counts[row] + added
    return out[:size].copy(), found
