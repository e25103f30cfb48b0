"""What is asked of the synthetic catalogue: queries drawn from its own rows, with a fixed seed.

Half of the rows are drawn as they are listened to (exp(popularity / 10), so that a row of
popularity 70 comes a thousand times as often as one of 0), half uniformly. Each kind of query has
others of its kind to warm up with.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.catalogue_synthesis import (
    Shape,
    artist_names,
    block,
    identifiers,
    isrcs,
    popularity,
)
from benchmarks.catalogue_words import Numbers

SAMPLED_BLOCKS = 8
"""Blocks of the catalogue from which rows are drawn: two million tracks."""
DRAWS = ("listened", "uniform")
TITLES_TYPED = 150
QUERIES = 600
"""Of each other kind, both draws together."""
WARM_UP = 200
FEWEST_LETTERS = 2
"""Of the last word, when it is typed letter by letter."""


@dataclass(frozen=True)
class Row:
    """A track of which somebody knows something."""

    title: str
    artist: str
    id: str
    isrc: str | None


@dataclass(frozen=True)
class Question:
    """A query, and from which draw it comes."""

    text: str
    drawn: str


@dataclass(frozen=True)
class Questions:
    """What is asked of one kind, and what is asked before that to warm up."""

    kind: str
    asked: list[Question]
    before: list[Question]


def rows(shape: Shape, count: int, drawn: str, generator: np.random.Generator) -> list[Row]:
    """`count` rows of the catalogue, drawn by listening or uniformly."""
    numbers = sorted(set(np.linspace(0, shape.blocks - 1, SAMPLED_BLOCKS).astype(int).tolist()))
    found: list[Row] = []
    for number in numbers:
        made = block(shape, number)
        weight = np.exp(popularity(made) / 10) if drawn == "listened" else np.ones(len(made.row))
        some = -(-count // len(numbers))
        chosen = generator.choice(len(made.row), some, replace=False, p=weight / weight.sum())
        titles = made.titles.take(chosen).to_pylist()
        artists = artist_names(shape, shape.artist_at(made.track_drawn[chosen])).to_pylist()
        ids = identifiers(shape, "track-id", made.row[chosen]).to_pylist()
        codes = isrcs(made).take(chosen).to_pylist()
        found += map(Row, titles, artists, ids, codes)
    order: Numbers = generator.permutation(len(found))[:count]
    return [found[place] for place in order]


def words(text: str) -> list[str]:
    """The words of a name that people type, each once."""
    plain = re.split(r" \(| - ", text)[0]
    found = re.findall(r"[\w'’]+", plain)
    return list({word.casefold(): word for word in found}.values())


def two_words(row: Row, generator: np.random.Generator) -> list[str]:
    """Two words of the title, or of title and artist."""
    title, artist = words(row.title), words(row.artist)
    if len(title) > 1 and generator.random() < 0.5:
        return [" ".join(generator.choice(title, 2, replace=False))]
    if not title or not artist:
        return []
    pair = [str(generator.choice(artist)), str(generator.choice(title))]
    return [" ".join(pair)] if pair[0].casefold() != pair[1].casefold() else []


def one_word(row: Row, generator: np.random.Generator) -> list[str]:
    title = words(row.title)
    return [str(generator.choice(title))] if title else []


def whole_title(row: Row, generator: np.random.Generator) -> list[str]:
    return [" ".join([*words(row.title), *words(row.artist)])]


def typed(row: Row, generator: np.random.Generator) -> list[str]:
    """All that stands in the field while a title is typed, from the second letter of a word on."""
    found = []
    title = words(row.title)
    for place, word in enumerate(title):
        for length in range(FEWEST_LETTERS, len(word) + 1):
            found.append(" ".join([*title[:place], word[:length]]))
    return found


def by_id(row: Row, generator: np.random.Generator) -> list[str]:
    return [row.id]


def by_isrc(row: Row, generator: np.random.Generator) -> list[str]:
    return [row.isrc] if row.isrc else []


def searched_isrc(row: Row, generator: np.random.Generator) -> list[str]:
    return [f"isrc:{row.isrc}"] if row.isrc else []


WHOLE = ("two whole words",)
"""Kinds whose last word is no beginning; of all others it may be, as when people type."""
IDENTIFIERS = ("id", "ISRC", "ISRC as a search")
KINDS = {
    "two words": (two_words, QUERIES),
    "two whole words": (two_words, QUERIES),
    "as you type": (typed, TITLES_TYPED),
    "one word": (one_word, QUERIES),
    "title and artist": (whole_title, QUERIES),
    "id": (by_id, QUERIES),
    "ISRC": (by_isrc, QUERIES),
    "ISRC as a search": (searched_isrc, QUERIES),
}


def questions(shape: Shape) -> Iterator[Questions]:
    """Every kind of query, its questions from two draws, mixed."""
    generator = np.random.default_rng(shape.seed)
    needed = sum(count // 2 + WARM_UP // 2 for _, count in KINDS.values())
    pools = {drawn: iter(rows(shape, needed, drawn, generator)) for drawn in DRAWS}
    for kind, (make, count) in KINDS.items():
        asked: list[Question] = []
        before: list[Question] = []
        for drawn, pool in pools.items():
            for number, row in enumerate(islice(pool, count // 2 + WARM_UP // 2)):
                aim = asked if number < count // 2 else before
                aim += (Question(text, drawn) for text in make(row, generator))
        order = generator.permutation(len(asked)).tolist()
        yield Questions(kind, [asked[at] for at in order], before[: 2 * WARM_UP])


def save(path: Path, made: Iterable[Questions]) -> None:
    """Write questions to a JSON file."""
    path.write_text(json.dumps([asdict(one) for one in made], ensure_ascii=False))


def load(path: Path) -> dict[str, Questions]:
    """The questions of a file, by kind."""

    def each(found: list[dict[str, str]]) -> list[Question]:
        return [Question(**one) for one in found]

    saved = json.loads(path.read_text())
    return {
        one["kind"]: Questions(one["kind"], each(one["asked"]), each(one["before"]))
        for one in saved
    }
