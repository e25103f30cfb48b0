"""Relevance: known items of real catalogues, asked for the way people type.

What: real track tables imported as sources of one catalogue; 1,000 of their tracks (a fifth of them
with letters beyond ASCII, if there are as many), each asked for in five ways. An answer counts when
it has the track's artist and its whole title; where only part of the title was typed, when it has
the title up to its first bracket or dash. The same questions go to SQLite FTS5 (every word, the
last as a prefix, by bm25) and to plain tantivy (its query parser, BM25, accents folded).

    python -m benchmarks.relevance [--items 1000] [--catalogues DIR] [--results FILE]
"""

import argparse
import json
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.data import CATALOGUES
from longplay.archive import create
from longplay.catalogue.search import finding
from longplay.catalogue.snapshot import open_current

SEED = 20261123
SOURCES = {
    "spotify_songs": "spotify_songs",
    "playlist_archive": "playlist_archive",
    "hit_predictor_1960_2019": "hit_predictor",
    "liked_tracks_kofort9": "liked_tracks",
    "bbc_radio_playlist_history": "bbc_radio_playlist_history",
}
"""Files with titles and artists, and the shipped map of each."""
ACCENTED = 0.2
SHORTEST_MISTYPED = 4
"""Letters of a word in which a typo is made."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PLAIN = str.maketrans({"ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "ß": "ss", "ł": "l",
                       "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "þ": "th", "ı": "i"})  # fmt: skip
ALL = """
SELECT title, artist_names, album_title, popularity FROM (
    SELECT t.title, t.popularity, a.title AS album_title,
        (SELECT list(n.name ORDER BY k.position) FROM track_artists k JOIN artists n USING (artist)
            WHERE k.track = t.track) AS artist_names
    FROM tracks t LEFT JOIN albums a USING (album))
WHERE title IS NOT NULL AND len(artist_names) > 0
"""

Item = tuple[str, str]
"""A title and its first artist."""
Answers = list[tuple[str, tuple[str, ...]]]
"""Titles with their artists, the best first."""
Ask = Callable[[str], Answers]


@dataclass(frozen=True)
class Form:
    """A way of typing: what becomes of an item, and the goal for the first ten answers."""

    name: str
    goal: float
    typed: Callable[[Item, random.Random], str]
    part: bool = False


def words(text: str) -> list[str]:
    return re.findall(r"[\w'’]+", text)


def main_title(title: str) -> str:
    """The title without what stands in brackets or after a dash."""
    return re.split(r"\s[(\[]|\s-\s", title)[0] or title


def is_latin(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith("LATIN")


def plain(text: str) -> str:
    """Latin letters without accents, as one types on another country's keyboard."""
    return "".join(
        unicodedata.normalize("NFKD", letter)[0] if is_latin(letter) else letter
        for letter in unicodedata.normalize("NFC", text).translate(PLAIN)
    )


def compared(text: str) -> str:
    """What two names have in common if they are one."""
    return " ".join(words(plain(text).casefold()))


def part_of_title(item: Item, chance: random.Random) -> str:
    title = words(main_title(item[0]))
    length = max(1, round(len(title) / 2))
    start = chance.randrange(len(title) - length + 1) if title else 0
    return " ".join([*words(item[1]), *title[start : start + length]])


def without_accents(item: Item, chance: random.Random) -> str:
    return plain(" ".join([*words(item[1]), *words(item[0])]))


def swapped(item: Item, chance: random.Random) -> str:
    typed = [*words(item[0]), *words(item[1])]
    chance.shuffle(typed)
    return " ".join(typed)


def first_letters(item: Item, chance: random.Random) -> str:
    typed = [*words(item[1]), *words(item[0])]
    length = min(len(typed[-1]), chance.randint(2, 4))
    return " ".join([*typed[:-1], typed[-1][:length]])


def typo(item: Item, chance: random.Random) -> str:
    """One letter too many, too few, wrong, or in its neighbour's place."""
    typed = [*words(item[1]), *words(item[0])]
    long = [
        place
        for place, word in enumerate(typed)
        if len(word) >= SHORTEST_MISTYPED and all(map(is_latin, word))
    ]
    if long:
        place = chance.choice(long)
        typed[place] = mistyped(typed[place], chance)
    return " ".join(typed)


def mistyped(word: str, chance: random.Random) -> str:
    at = chance.randrange(len(word) - 1)
    other = chance.choice([letter for letter in LETTERS if letter != word[at].casefold()])
    ways = [
        word[:at] + other + word[at:],
        word[:at] + word[at + 1 :],
        word[:at] + other + word[at + 1 :],
    ]
    if word[at] != word[at + 1]:
        ways.append(word[:at] + word[at + 1] + word[at] + word[at + 2 :])
    return chance.choice(ways)


FORMS = (
    Form("artist and part of the title", 0.97, part_of_title, part=True),
    Form("accents missing", 0.97, without_accents),
    Form("words swapped", 0.97, swapped),
    Form("first letters of the last word", 0.97, first_letters),
    Form("one typo", 0.90, typo),
)


def known_items(rows: pa.Table, count: int) -> list[Item]:
    """Items to ask for, each once, some of them with letters beyond ASCII."""
    titles, artists = rows["title"].to_pylist(), rows["artist_names"].to_pylist()
    items = sorted({(title, names[0]) for title, names in zip(titles, artists, strict=True)})
    items = [item for item in items if words(item[0]) and words(item[1])]
    chance = random.Random(SEED)
    chance.shuffle(items)
    special = [item for item in items if not "".join(item).isascii()][: int(count * ACCENTED)]
    taken = set(special)
    usual = [item for item in items if item not in taken]
    return [*special, *usual][:count]


def right(item: Item, answer: tuple[str, tuple[str, ...]], part: bool) -> bool:
    cut = main_title if part else str
    titled = compared(cut(item[0])) == compared(cut(answer[0] or ""))
    return titled and compared(item[1]) in map(compared, answer[1])


def success(ask: Ask, items: Sequence[Item], form: Form) -> dict[str, Any]:
    """The share of items that stand first, and among the first ten, and what was missed."""
    chance = random.Random(SEED)
    first = ten = 0
    missed, spent = [], []
    for item in items:
        typed = form.typed(item, chance)
        start = time.perf_counter()
        answers = ask(typed)[:10]
        spent.append((time.perf_counter() - start) * 1e3)
        places = [place for place, each in enumerate(answers) if right(item, each, form.part)]
        first += places[:1] == [0]
        ten += bool(places)
        if not places:
            missed.append({"typed": typed, "item": item, "first": answers[:1]})
    spent.sort()
    total = len(items)
    return {"at 1": first / total, "at 10": ten / total, "missed": missed,
            "p50 ms": spent[total // 2], "p95 ms": spent[total * 95 // 100]}  # fmt: skip


def load(archive: Path, catalogues: Path) -> None:
    """Imports each source by the command, as a user does."""
    create(archive).ledger.close()
    for file, column_map in SOURCES.items():
        command = [sys.executable, "-m", "longplay", "catalogue", "import"]
        command += [str(catalogues / f"{file}.csv.zst"), "--map", column_map, "--name", column_map]
        subprocess.run([*command, "--archive", str(archive)], check=True, capture_output=True)


def ours(archive: Path) -> Ask:
    snapshot = open_current(archive / "catalogue")

    def ask(text: str) -> Answers:
        hits = finding.search(snapshot, text, limit=10).hits
        return [(hit.title or "", hit.artists) for hit in hits]

    return ask


def documents(rows: pa.Table) -> Iterator[tuple[str, tuple[str, ...], str]]:
    columns = (rows[name].to_pylist() for name in ("title", "artist_names", "album_title"))
    for title, artists, album in zip(*columns, strict=True):
        yield title, tuple(artists), album or ""


def fts5(rows: pa.Table) -> Ask:
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE words USING fts5(title, artists, album,"
        " tokenize='unicode61 remove_diacritics 2', prefix='2 3')"
    )
    held = list(documents(rows))
    connection.executemany(
        "INSERT INTO words(rowid, title, artists, album) VALUES (?, ?, ?, ?)",
        ((row, title, " ".join(who), album) for row, (title, who, album) in enumerate(held)),
    )

    def ask(text: str) -> Answers:
        query = " ".join(f'"{word}"' for word in re.findall(r"\w+", text)) + "*"
        found = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank LIMIT 10"
        return [held[row][:2] for (row,) in connection.execute(found, [query])]

    return ask


def tantivy(rows: pa.Table, folder: Path) -> Ask | None:
    """None where tantivy is not installed."""
    try:
        import tantivy as library
    except ImportError:
        return None
    folding = library.TextAnalyzerBuilder(library.Tokenizer.simple())
    folding = folding.filter(library.Filter.lowercase()).filter(library.Filter.ascii_fold())
    builder = library.SchemaBuilder()
    for name in ("title", "artists", "album"):
        builder.add_text_field(name, tokenizer_name="folded")
    builder.add_integer_field("row", stored=True)
    index = library.Index(builder.build(), str(folder))
    index.register_tokenizer("folded", folding.build())
    writer = index.writer()
    held = list(documents(rows))
    for row, (title, artists, album) in enumerate(held):
        writer.add_document(
            library.Document(title=title, artists=" ".join(artists), album=album, row=row)
        )
    writer.commit()
    index.reload()
    searcher = index.searcher()

    def ask(text: str) -> Answers:
        query = index.parse_query(" ".join(re.findall(r"\w+", text)), ["title", "artists", "album"])
        found = [searcher.doc(address) for _, address in searcher.search(query, 10).hits]
        return [held[document["row"][0]][:2] for document in found]

    return ask


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=1_000)
    parser.add_argument("--catalogues", type=Path, default=CATALOGUES)
    parser.add_argument("--archive", type=Path, help="one that has the sources is used as it is")
    parser.add_argument("--results", type=Path, help="figures and all that was missed, as JSON")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="longplay-bench-") as name:
        archive = chosen.archive or Path(name) / "archive"
        if not (archive / "catalogue").exists():
            load(archive, chosen.catalogues)
        with open_current(archive / "catalogue").connect() as connection:
            rows = connection.sql(ALL).to_arrow_table()
        items = known_items(rows, chosen.items)
        index = Path(name) / "tantivy"
        index.mkdir()
        systems = {"longplay": ours(archive), "FTS5": fts5(rows), "tantivy": tantivy(rows, index)}
        found = {
            system: {form.name: success(ask, items, form) for form in FORMS}
            for system, ask in systems.items()
            if ask is not None
        }
    if chosen.results:
        chosen.results.write_text(json.dumps(found, indent=1, ensure_ascii=False))
    print(f"{len(items):,} items of {len(rows):,} tracks; success at 1 and at 10")
    for form in FORMS:
        print(f"  {form.name} (goal {form.goal} at 10)")
        for system, figures in found.items():
            row = figures[form.name]
            ratio = row["at 10"] / form.goal
            print(
                f"    {system:<9} {row['at 1']:.3f} {row['at 10']:.3f} ({ratio:.2f} of the goal);"
                f" p50 {row['p50 ms']:.2f}, p95 {row['p95 ms']:.2f} ms"
            )


if __name__ == "__main__":
    main()
