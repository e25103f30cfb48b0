"""Names inside torrents: whatever the tags say, every file system can hold them, all different."""

from __future__ import annotations

import unicodedata
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.release import paths
from longplay.release.cut import OBJECTS

RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in "0123")}

nasty = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            *("", " ", ".", "..", "...", ".pad", ".hidden", "CON", "con.txt", "aux ", "COM1"),
            *("nul", "AC/DC", "a\\b", "Who?", 'x"y', "a<b>c|d*e:f", "ends."),
            *("ends ", "tab\there", "a\nb"),
            *("e\u0301te", "\u00e9te", "ÉTÉ", "STRASSE", "straße", "\u202egnp.exe"),
            *("zero\u200bwidth", "\x7f", "\x00"),
            *("x" * 300, "é" * 200, "\U0001f3b5" * 99, "\ud800".encode("utf-8", "ignore").decode()),
            *("Song", "song", "SONG", "01 Song", "Song [00000000]", "\ufeffbom"),
        ]
    ),
)  # fmt: skip
maybe = st.none() | nasty


def names(rows: list[dict[str, Any]], taken: list[str] | None = None) -> list[str]:
    plain = {"suffix": ".ogg", "title": "Song", "artists": ["Artist"], "album": "Album"}
    full = [
        {"root": number.to_bytes(32, "big"), "size": 1, **plain, **row}
        for number, row in enumerate(rows)
    ]
    table = pa.Table.from_pylist(full, schema=OBJECTS)
    found = paths.name_all(table, pa.chunked_array([taken or []], pa.string()))
    texts: list[str] = found.paths.to_pylist()
    return texts


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "title": maybe,
                "album": maybe,
                "album_artist": maybe,
                "artists": st.none() | st.lists(maybe, max_size=2),
                "track_number": st.none() | st.integers(-1, 2**31 - 1),
                "disc_number": st.none() | st.integers(-1, 20),
                "suffix": st.sampled_from([".ogg", ".flac", "", None, "/../x", "."]),
            }
        ),
        max_size=8,
    ),
    st.lists(nasty.map(lambda text: f"Artist/Album/{text}.ogg"), max_size=4),
)
def test_paths_are_safe_and_different(rows: list[dict[str, Any]], taken: list[str]) -> None:
    found = names(rows, taken)
    folded = [paths.fold(path) for path in found]
    assert len(set(folded)) == len(folded)
    assert not set(folded) & {paths.fold(path) for path in taken}
    for path in found:
        parts = path.split("/")
        assert len(parts) == 3
        assert len(path.encode()) <= 64 + 64 + 80 + 100
        for part in parts:
            assert part == unicodedata.normalize("NFC", part)
            assert part.isprintable()
            assert not set(part) & set('<>:"\\|?*')
            assert part and part[0] not in ". " and part[-1] not in ". "
            assert part.split(".")[0].strip().lower() not in RESERVED


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({}, "Artist/Album/Song.ogg"),
        ({"track_number": 3}, "Artist/Album/03 Song.ogg"),
        ({"track_number": 3, "disc_number": 1}, "Artist/Album/03 Song.ogg"),
        ({"track_number": 12, "disc_number": 2}, "Artist/Album/2-12 Song.ogg"),
        ({"album_artist": "Various"}, "Various/Album/Song.ogg"),
        ({"artists": [], "album": None}, "Unknown artist/Singles/Song.ogg"),
        ({"title": None, "track_number": 1}, "Artist/Album/01 Untitled.ogg"),
        ({"title": "AC/DC: Live?"}, "Artist/Album/AC_DC_ Live_.ogg"),
        ({"artists": ["Étienne", "B"]}, "Étienne/Album/Song.ogg"),
        ({"title": "CON"}, "Artist/Album/_CON.ogg"),
        ({"album": ".pad"}, "Artist/_pad/Song.ogg"),
    ],
)
def test_what_names_look_like(row: dict[str, Any], path: str) -> None:
    assert names([row]) == [path]


def test_names_that_are_one_are_told_apart_by_as_much_of_the_root_as_it_takes() -> None:
    found = names([{"title": "Étude"}, {"title": "ÉTUDE"}, {"title": "Other"}])
    assert found == [
        f"Artist/Album/Étude [{'0' * 64}].ogg",
        f"Artist/Album/ÉTUDE [{'0' * 63}1].ogg",
        "Artist/Album/Other.ogg",
    ]


def test_a_name_that_was_released_stays_whose_it_was() -> None:
    rows: list[dict[str, Any]] = [{"root": bytes([number] * 32)} for number in (1, 2)]
    found = names([{"title": "SONG", **rows[0]}], ["artist/album/song.OGG"])
    assert found == ["Artist/Album/SONG [01010101].ogg"]
    both = names(rows)
    assert both == ["Artist/Album/Song [01010101].ogg", "Artist/Album/Song [02020202].ogg"]
    assert names(rows[::-1]) == both[::-1]


def test_a_title_that_imitates_the_digits_of_a_root() -> None:
    rows: list[dict[str, Any]] = [
        {"root": bytes([1] * 32)},
        {"root": bytes([2] * 32)},
        {"title": "Song [01010101]", "root": bytes([3] * 32)},
    ]
    found = names(rows)
    assert len({paths.fold(path) for path in found}) == 3
    assert found[1] == "Artist/Album/Song [02020202].ogg"


def test_every_character_of_the_basic_plane() -> None:
    """Titles known to be harmless are not looked at one by one: that must not show."""
    characters = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    titles = [f"{c}{c}a{c}" for c in characters]
    found = names([{"title": t, "album": f"{number}"} for number, t in enumerate(titles)])
    expected = [
        f"Artist/{number}/{paths.safe(title, paths.TITLE_BYTES)}.ogg"
        for number, title in enumerate(titles)
    ]
    assert found == expected
