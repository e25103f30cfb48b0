"""The index against plain loops over the same tracks."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.catalogue.search import checking
from longplay.catalogue.search.build import build
from longplay.catalogue.search.index import Group, Index
from longplay.catalogue.search.words import genre_words, words
from longplay.errors import ArchiveError
from tests.catalogue.search.small_layers import write_layer

Row = Mapping[str, Any]


def index_of(
    folder: Path, *tables: Sequence[Row], first: int = 4, largest: int = 64, group: int = 7
) -> Index:
    layer = write_layer(folder / "layer", *tables, group=group)
    build(
        layer, layer / "index", source="s", scratch=folder, first_band=first, largest_band=largest
    )
    return Index.open(layer / "index")


def words_of(track: Row, albums: Sequence[Row], artists: Sequence[Row]) -> set[str]:
    """The words of a track, as plain as can be."""
    found = set(words(track.get("title") or ""))
    date = track.get("release_date")
    if track.get("album") is not None:
        album = albums[track["album"]]
        found |= set(words(album.get("title") or ""))
        date = date or album.get("release_date")
    for artist in track.get("artists") or ():
        found |= set(words(artists[artist].get("name") or ""))
    for genre in track.get("genres") or ():
        found |= set(genre_words(genre))
    if date:
        found.add(f"year:{date[:4]}")
    if track.get("explicit") is not None:
        found.add("explicit:yes" if track["explicit"] else "explicit:no")
    return found


LETTERS = st.text(alphabet="abc", min_size=1, max_size=3)
NAMES = st.one_of(st.none(), st.lists(LETTERS, max_size=3).map(" ".join))
DATES = st.one_of(st.none(), st.sampled_from(["1994", "1994-05", "2001-12-31"]))


@st.composite
def layers(draw: st.DrawFn) -> tuple[list[Any], list[Any], list[Any]]:
    """Tracks of few words, so that lists are long; albums and artists."""
    artists = draw(st.lists(st.fixed_dictionaries({"name": NAMES}), max_size=4))
    albums = draw(
        st.lists(st.fixed_dictionaries({"title": NAMES, "release_date": DATES}), max_size=4)
    )
    number = st.integers(0, max(len(artists) - 1, 0))
    track = st.fixed_dictionaries(
        {
            "title": NAMES,
            "artists": st.lists(number, max_size=3 if artists else 0),
            "album": st.one_of(st.none(), st.integers(0, len(albums) - 1)) if albums else st.none(),
            "release_date": DATES,
            "genres": st.one_of(st.none(), st.lists(st.sampled_from(["Jazz", "hip hop"]))),
            "explicit": st.one_of(st.none(), st.booleans()),
        }
    )
    tracks = draw(st.lists(track, max_size=40))
    tracks *= draw(st.integers(1, 12))
    return tracks, albums, artists


@pytest.mark.parametrize("row", [checking.ROW, 0.0], ids=["lists", "names"])
@settings(max_examples=50, deadline=None)
@given(layer=layers(), data=st.data())
def test_any_question_has_the_answer_of_a_plain_loop(
    row: float, layer: tuple[list[Any], list[Any], list[Any]], data: st.DataObject
) -> None:
    tracks, albums, artists = layer
    expected = [words_of(track, albums, artists) for track in tracks]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(checking, "ROW", row)
        patch.setattr(checking, "CHUNK", 5)
        patch.setattr(checking, "CANDIDATES", 12)
        first = data.draw(st.sampled_from([1, 4, 64]))
        index = index_of(Path(folder), *layer, first=first, group=data.draw(st.integers(1, 99)))
        assert index.documents == len(tracks)
        for _ in range(8):
            asked = data.draw(
                st.lists(st.tuples(st.sampled_from("wpx"), LETTERS), min_size=1, max_size=3)
            )
            groups: list[Group] = []
            for kind, word in asked:
                if kind == "w":
                    groups.append(index.word(word))
                elif kind == "p":
                    groups.append(index.prefix(word))
                else:
                    groups.append(np.concatenate([index.word(word), index.word("genre:jazz")]))
            right = [
                document
                for document, own in enumerate(expected)
                if all(matches(own, kind, word) for kind, word in asked)
            ]
            limit = data.draw(st.integers(0, len(tracks) + 1))
            low = data.draw(st.integers(0, len(tracks)))
            high = data.draw(st.integers(low, len(tracks)))
            assert index.matches(groups, len(tracks)).tolist() == right
            assert index.matches(groups, limit).tolist() == right[:limit]
            inside = [document for document in right if low <= document < high]
            found = index.matches(groups, limit, ranges=[(low, high)])
            assert found.tolist() == inside[:limit]
            every = np.arange(low, high, dtype=np.uint32)
            assert index.within(groups, every).tolist() == inside
            assert index.count(groups, limit) == min(limit, len(right))


def matches(own: set[str], kind: str, word: str) -> bool:
    if kind == "p":
        return any(each.startswith(word) and ":" not in each for each in own)
    return word in own or (kind == "x" and "genre:jazz" in own)


def test_lists_of_many_blocks_are_skipped_through(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    common = rng.random(30_000) < 0.4
    rare = rng.random(30_000) < 0.003
    runs = np.arange(30_000) // 500 % 7 == 3
    flags = {"common": common, "rare": rare, "runs": runs, "all": common | True}
    tracks = [
        {"title": " ".join(word for word, has in flags.items() if has[row])}
        for row in range(30_000)
    ]
    index = index_of(tmp_path, tracks, first=1 << 10, largest=1 << 14, group=9_000)
    for one, has_one in flags.items():
        for two, has_two in flags.items():
            right = np.flatnonzero(has_one & has_two)
            groups = [index.word(one), index.word(two)]
            assert np.array_equal(index.matches(groups, 10**6), right)
            assert np.array_equal(index.matches(groups, 13), right[:13])
            beginnings = [index.word(one), index.prefix("r")]
            either = np.flatnonzero(has_one & (rare | runs))
            assert np.array_equal(index.matches(beginnings, 10**6), either)
            some = np.sort(rng.choice(30_000, 50, replace=False)).astype(np.uint32)
            assert set(index.within(beginnings, some)) == set(some) & set(either)
            assert index.frequency(index.word(one)) == has_one.sum()


def test_no_word_no_match(tmp_path: Path) -> None:
    index = index_of(tmp_path, [{"title": "a b"}, {"title": "b c"}])
    nothing = index.word("never")
    assert len(nothing) == 0 and len(index.prefix("never")) == 0
    assert index.matches([index.word("b"), nothing], 9).tolist() == []
    assert index.matches([], 9).tolist() == [0, 1]
    assert index.matches([], 1, ranges=[(1, 2)]).tolist() == [1]
    assert index.prefix("").tolist() == [[0, len(index.terms)]]


def test_popularity_is_a_range_of_documents(tmp_path: Path) -> None:
    values = [100.0, 73.5, 73.0, 1.0, 0.9, 0.0, 0.0, None]
    index = index_of(tmp_path, [{"title": "x", "popularity": value} for value in values])
    assert index.popular(73, 100) == (0, 3)
    assert index.popular(1, 72.9) == (3, 4)
    assert index.popular(0, 0) == (4, 7)
    assert index.popular(74, 99) == (1, 1)
    assert index.popular(0, 100) == (0, 7)
    found = index.matches([index.word("x")], 9, ranges=[index.popular(73, 99)])
    assert found.tolist() == [1, 2]


def test_an_empty_layer_is_searched_too(tmp_path: Path) -> None:
    index = index_of(tmp_path, [])
    assert index.documents == 0
    assert index.matches([index.word("a")], 5).tolist() == []
    assert index.matches([], 5).tolist() == []
    assert index.rows(np.empty(0, np.uint32)).num_rows == 0
    assert index.popular(0, 100) == (0, 0)


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    tracks = [{"title": f"song {n % 50}", "album": n % 5, "artists": [n % 3]} for n in range(2_000)]
    albums = [{"title": f"album {n}", "release_date": f"19{90 + n}"} for n in range(5)]
    artists = [{"name": f"band {n}"} for n in range(3)]
    layer = write_layer(tmp_path / "layer", tracks, albums, artists, group=100)
    files = []
    for turn in "ab":
        written = build(layer, tmp_path / turn, source="s", scratch=tmp_path)
        files.append({each.name: (tmp_path / turn / each.name).read_bytes() for each in written})
        assert {each.name: each.bytes for each in written} == {
            path.name: path.stat().st_size for path in (tmp_path / turn).iterdir()
        }
    assert files[0] == files[1]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("index-")] == []


def test_a_small_layer_has_a_small_index(tmp_path: Path) -> None:
    tracks = [{"title": f"song {n}", "popularity": 1.0, "artists": [0]} for n in range(100)]
    layer = write_layer(tmp_path / "layer", tracks, [], [{"name": "band"}])
    steps: list[tuple[int, int]] = []
    written = build(
        layer, tmp_path / "index", source="s", scratch=tmp_path,
        progress=lambda done, total: steps.append((done, total)),
    )  # fmt: skip
    assert sum(each.bytes for each in written) < 30_000
    assert steps[-1] == (201, 201)


@pytest.mark.parametrize(
    "name", ["terms", "postings", "tracks.rows", "albums.rows", "artists.rows"]
)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "head", "directory"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: str) -> None:
    layer = write_layer(tmp_path / "layer", [{"title": "a"}], [], [{"name": "b"}])
    build(layer, layer / "index", source="s", scratch=tmp_path)
    path = layer / "index" / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(
            {
                "empty": b"",
                "cut": content[:-1],
                "head": b"x" + content[1:],
                "directory": content[:-20] + b"\xff" * 20,
            }[damage]
        )
    with pytest.raises(ArchiveError) as caught:
        Index.open(layer / "index")
    assert caught.value.where == str(path) and "longplay rebuild" in caught.value.hint


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bytes_are_answered_or_refused(data: st.DataObject) -> None:
    """Whatever a disk made of the lists and rows, asking ends: with an answer or the error."""
    content = _sound()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, sound in content.items():
            (folder / file).write_bytes(sound)
        file = data.draw(st.sampled_from(sorted(content)))
        raw = bytearray(content[file])
        for _ in range(data.draw(st.integers(1, 20))):
            raw[data.draw(st.integers(64, len(raw) - 1))] = data.draw(st.integers(0, 255))
        (folder / file).write_bytes(raw)
        try:
            index = Index.open(folder)
            index.matches([index.prefix("s"), index.word("even")], 500)
            index.matches([index.word("even"), index.word("song")], 500)
            index.within([index.prefix("1")], np.arange(300, dtype=np.uint32))
            index.similar("sonk", 2)
            index.rows(np.arange(min(index.documents, 300), dtype=np.uint32)).to_pylist()
        except ArchiveError as error:
            assert error.where


_CONTENT: dict[str, bytes] = {}


def _sound() -> dict[str, bytes]:
    if not _CONTENT:
        with tempfile.TemporaryDirectory() as name:
            tracks = [
                {
                    "title": f"song {n % 7} {'even' if n % 2 == 0 else ''}",
                    "artists": [n % 3, 0],
                    "album": n % 4,
                    "isrcs": [f"USABC12{n:05d}"] * (n % 3),
                    "genres": ["jazz"] if n % 5 == 0 else None,
                    "duration_ms": n * 1000,
                }
                for n in range(300)
            ]
            albums = [{"title": f"album {n}", "artists": [0]} for n in range(4)]
            index_of(Path(name), tracks, albums, [{"name": f"band {n}"} for n in range(3)],
                     first=64, largest=256)  # fmt: skip
            for path in (Path(name) / "layer" / "index").iterdir():
                _CONTENT[path.name] = path.read_bytes()
    return _CONTENT
