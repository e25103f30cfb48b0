"""The row store gives back what the tables say."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.catalogue import ids
from longplay.catalogue.compiled import string_buffers
from longplay.catalogue.search import symbols
from longplay.catalogue.search.build import build
from longplay.catalogue.search.index import Index
from tests.catalogue.search.small_layers import write_layer

NAMES = st.one_of(st.none(), st.text(max_size=12), st.sampled_from(["Love Song", "x" * 300, ""]))
DATES = st.one_of(st.none(), st.sampled_from(["1994", "1994-05", "2001-12-31", "0001-01-01"]))
ISRCS = st.from_regex(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}", fullmatch=True)
MBIDS = st.one_of(st.none(), st.uuids().map(str))


@st.composite
def layers(draw: st.DrawFn) -> tuple[list[dict[str, Any]], ...]:
    artists = draw(st.lists(st.fixed_dictionaries({"name": NAMES}), min_size=1, max_size=5))
    credits = st.lists(st.integers(0, len(artists) - 1), max_size=4)
    albums = draw(
        st.lists(
            st.fixed_dictionaries({"title": NAMES, "artists": credits, "release_date": DATES}),
            min_size=1,
            max_size=5,
        )
    )
    track = st.fixed_dictionaries(
        {
            "title": NAMES,
            "artists": credits,
            "album": st.one_of(st.none(), st.integers(0, len(albums) - 1)),
            "duration_ms": st.one_of(st.none(), st.integers(0, 2**31 - 1)),
            "isrcs": st.lists(ISRCS, max_size=3),
            "recording_mbid": MBIDS,
            "release_date": DATES,
            "genres": st.lists(st.text(max_size=5), max_size=3),
            "explicit": st.one_of(st.none(), st.booleans()),
            "popularity": st.one_of(st.none(), st.floats(0, 100, width=32)),
            "same_as": st.one_of(st.none(), st.just(0)),
        }
    )
    tracks = draw(st.lists(track, min_size=1, max_size=25)) * draw(st.integers(1, 4))
    return tracks, albums, artists


@settings(max_examples=60, deadline=None)
@given(layers(), st.integers(1, 80), st.randoms())
def test_rows_come_back_as_they_are_in_the_tables(
    layer: tuple[list[dict[str, Any]], ...], group: int, random: Any
) -> None:
    tracks, albums, artists = layer
    with tempfile.TemporaryDirectory() as name:
        folder = write_layer(Path(name) / "layer", *layer, group=group)
        build(folder, folder / "index", source="s", scratch=Path(name))
        index = Index.open(folder / "index")
        order = [random.randrange(len(tracks)) for _ in range(30)]
        found = index.rows(np.array(order, np.uint32)).to_pylist()
        for number, row in zip(order, found, strict=True):
            track = tracks[number]
            album = {} if track["album"] is None else albums[track["album"]]
            date = track["release_date"] or album.get("release_date")
            standing = number if track["same_as"] is None else track["same_as"]
            assert row == {
                "number": number,
                "key": ids.row_key("tr", "s", f"tracks-{number}"),
                "title": track["title"],
                "artists": [artists[each]["name"] for each in track["artists"]],
                "artist_numbers": track["artists"],
                "album": album.get("title"),
                "album_number": track["album"],
                "year": int(date[:4]) if date else None,
                "release_date": date,
                "duration_ms": track["duration_ms"],
                "isrcs": track["isrcs"],
                "recording_mbid": track["recording_mbid"],
                "explicit": track["explicit"],
                "popularity": track["popularity"],
                "genres": track["genres"],
                "same_as": None if standing == number else standing,
                "standing": ids.row_key("tr", "s", f"tracks-{standing}"),
            }
        some = np.arange(len(albums), dtype=np.uint32)[::-1]
        for number, row in zip(some, index.albums(some).to_pylist(), strict=True):
            assert row["title"] == albums[number]["title"]
            assert row["release_date"] == albums[number]["release_date"]
            assert row["artists"] == [artists[each]["name"] for each in albums[number]["artists"]]
        names = index.artists(np.arange(len(artists), dtype=np.uint32))["name"].to_pylist()
        assert names == [artist["name"] for artist in artists]


def test_a_row_that_there_is_not_is_refused(tmp_path: Path) -> None:
    folder = write_layer(tmp_path / "layer", [{"title": "a"}])
    build(folder, folder / "index", source="s", scratch=tmp_path)
    with pytest.raises(IndexError):
        Index.open(folder / "index").rows(np.array([1], np.uint32))


@settings(deadline=None)
@given(st.lists(st.text(), max_size=30), st.lists(st.text(), max_size=30), st.integers(1, 40))
def test_any_text_survives_any_table(sample: list[str], texts: list[str], times: int) -> None:
    table = symbols.learn(pa.array(sample * times, pa.string()))
    column = pa.array([*texts, *sample], pa.string())
    ends, codes = symbols.shortened(*string_buffers(column), table)
    offsets, back = symbols.restored(codes, ends[:-1], ends[1:], table)
    raw = back.tobytes()
    each = [raw[begin:end].decode() for begin, end in itertools.pairwise(offsets.tolist())]
    assert each == [*texts, *sample]


def test_spaces_stay_where_they_are() -> None:
    texts = [" love", "love", "love ", "  love  love", " ", "", "love me", "\u00a0love"] * 9
    table = symbols.learn(pa.array(texts))
    ends, codes = symbols.shortened(*string_buffers(pa.array(texts)), table)
    offsets, back = symbols.restored(codes, ends[:-1], ends[1:], table)
    raw = back.tobytes()
    assert [raw[a:b].decode() for a, b in itertools.pairwise(offsets.tolist())] == texts


def test_names_like_the_sample_become_short() -> None:
    names = pa.array([f"The Love Song of {n % 7} Nights - Remastered" for n in range(500)])
    table = symbols.learn(names)
    ends, _ = symbols.shortened(*string_buffers(names), table)
    assert ends[-1] <= 9 * 500
