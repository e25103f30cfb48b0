"""Search over real indexes: of layers as imports leave them, with joins and corrections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.catalogue import curation, ids
from longplay.catalogue.curation import Hand
from longplay.catalogue.importers.listens.importing import import_listens
from longplay.catalogue.search import facets, finding, opening
from longplay.catalogue.search.finding import Found
from longplay.catalogue.search.query import parse
from longplay.catalogue.snapshot import open_current
from longplay.errors import ArchiveError
from tests.catalogue.made import bring

NAMES = ["Adele", "The Beatles", "Björk", "Кино", "角松敏生", "Miles Davis", "Æther"]
ARTISTS = [{"ref": n, "own_id": f"a{n}", "name": name} for n, name in enumerate(NAMES)]
ALBUMS = [
    {"ref": 0, "own_id": "b0", "title": "25", "release_date": "2015-11-20",
     "upc": "00602445790913"},
    {"ref": 1, "own_id": "b1", "title": "Kind of Blue", "release_date": "1959"},
]  # fmt: skip


def track(number: int, title: str, artist: int, popularity: float | None, **more: Any) -> Any:
    return {
        "own_id": str(number), "title": title, "artist_refs": [artist], "popularity": popularity,
        **more,
    }  # fmt: skip


TRACKS = [
    track(1, "Hello", 0, 80, album_ref=0, genres=["pop"], isrcs=["GBBKS1500214"], explicit=False),
    track(2, "Hello, Goodbye - Remastered 2009", 1, 70, release_date="1967-11"),
    track(3, "Yellow Submarine", 1, 66, isrcs=["GBAYE0601498"]),
    track(4, "Jóga", 2, 48, duration_ms=305_000),
    track(5, "Группа крови", 3, 40),
    track(6, "東京タワー", 4, 30),
    track(7, "So What", 5, None, album_ref=1, genres=["modal jazz"], explicit=True),
    track(8, "Smørrebrød", 6, 20),
]


def ask(catalogue: Path, text: str, **more: Any) -> Found:
    return finding.search(open_current(catalogue), text, **more)


def titles(found: Found) -> list[str | None]:
    return [hit.title for hit in found.hits]


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    catalogue = tmp_path_factory.mktemp("songs") / "catalogue"
    bring(catalogue, tracks=TRACKS, albums=ALBUMS, artists=ARTISTS)
    return catalogue


def test_a_hit_shows_what_its_rows_say(songs: Path) -> None:
    (hit,) = ask(songs, "adele hel", held=np.zeros(0, np.uint64)).hits
    key = ids.row_key("tr", "songs", "1")
    assert hit == finding.Hit(
        id=ids.text("tr", key),
        recording=ids.text("rec", int(ids.minted(np.array([key], np.uint64))[0])),
        title="Hello",
        artists=("Adele",),
        album="25",
        year=2015,
        duration_ms=None,
        isrc="GBBKS1500214",
        popularity=80.0,
        held=False,
        source="songs",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", ["Hello", "Hello, Goodbye - Remastered 2009"]),
        ("beatles sub", ["Yellow Submarine"]),
        ("BJORK joga", ["Jóga"]),
        ("кино группа", ["Группа крови"]),
        ("東京", ["東京タワー"]),
        ("敏生 タワ", ["東京タワー"]),
        ("京", ["東京タワー"]),
        ("京京", []),
        ("smorrebrod aether", ["Smørrebrød"]),
        ("byork jogga", ["Jóga"]),
        ("yelow submarine", ["Yellow Submarine"]),
        ("year:1960s", ["Hello, Goodbye - Remastered 2009"]),
        ("year:<1960", ["So What"]),
        ("year:>1959", ["Hello", "Hello, Goodbye - Remastered 2009"]),
        ("year:>1959 year:<1960", []),
        ("genre:jazz", ["So What"]),
        ('genre:"modal jazz"', ["So What"]),
        ("explicit:yes", ["So What"]),
        ("explicit:no", ["Hello"]),
        (
            "popularity:>=66 popularity:<80",
            ["Hello, Goodbye - Remastered 2009", "Yellow Submarine"],
        ),
        ("popularity:<0.5", []),
        ("isrc:GB-AYE-06-01498", ["Yellow Submarine"]),
        ("isrc:GBAYE0601498 hello ", []),
        ("upc:602445790913", ["Hello"]),
        ('"kind of blue"', ["So What"]),
        ("album:blue artist:davis", ["So What"]),
        ("title:blue ", []),
    ],
)
def test_what_is_found(songs: Path, text: str, expected: list[str]) -> None:
    assert titles(ask(songs, text)) == expected


def test_facets(songs: Path) -> None:
    counted = facets.count(opening.layers(open_current(songs)), parse("hello"))
    assert (counted.years, counted.genres, counted.of) == (
        (("1967", 1), ("2015", 1)),
        (("pop", 1),),
        2,
    )


def test_layers_together_show_each_recording_once(tmp_path: Path) -> None:
    bring(tmp_path / "c", tracks=TRACKS, albums=ALBUMS, artists=ARTISTS)
    other = [
        track(1, "Yellow submarine!", 1, 90, isrcs=["GBAYE0601498"]),
        track(2, "Yellow", 0, 60),
    ]
    bring(tmp_path / "c", "others", tracks=other, albums=[], artists=ARTISTS)
    hits = ask(tmp_path / "c", "yellow").hits
    assert [(hit.title, hit.source) for hit in hits] == [
        ("Yellow", "others"),
        ("Yellow submarine!", "others"),
    ]
    first = ids.row_key("tr", "songs", "3")
    minted = int(ids.minted(np.array([first], np.uint64))[0])
    assert hits[1].recording == ids.text("rec", minted)
    held = np.array([minted], np.uint64)
    assert titles(ask(tmp_path / "c", "yellow held:yes", held=held)) == ["Yellow submarine!"]


def test_a_layer_that_repeats_a_recording_shows_it_once(tmp_path: Path) -> None:
    same = [track(n, "Song", 0, 50 + n, isrcs=["GBAYE0601498"]) for n in range(5)]
    bring(tmp_path / "c", tracks=same, albums=[], artists=ARTISTS)
    found = ask(tmp_path / "c", "song")
    assert (found.total, found.hits[0].popularity) == (1, 54.0)


def test_corrections_are_shown(tmp_path: Path) -> None:
    catalogue = tmp_path / "c"
    bring(catalogue, tracks=TRACKS, albums=ALBUMS, artists=ARTISTS)
    before = ask(catalogue, "joga").hits[0]
    curation.edit(catalogue, before.id, ["title=Jóga!", "year=1997"], Hand("me"))
    curation.edit(catalogue, before.recording, ["artists=Björk G."], Hand("me"))
    (after,) = ask(catalogue, "joga").hits
    assert (after.title, after.year, after.artists) == ("Jóga!", 1997, ("Björk G.",))


def test_what_people_listen_to_rises_from_far_down(tmp_path: Path) -> None:
    catalogue, history = tmp_path / "c", tmp_path / "heard.jsonl"
    many = [track(n, f"Song number {n}", n % 7, 60) for n in range(1000)]
    bring(catalogue, tracks=many, albums=[], artists=ARTISTS)
    names = {"artist_name": NAMES[999 % 7], "track_name": "Song number 999"}
    plays = [
        {"user_id": n, "timestamp": 1_700_000_000 + n, "track_metadata": names} for n in range(30)
    ]
    history.write_text("".join(json.dumps(play) + "\n" for play in plays))
    assert ask(catalogue, "song number ").hits[0].title != "Song number 999"
    import_listens(catalogue, "heard", [history])
    first = ask(catalogue, "song number ").hits[0]
    assert (first.title, first.popularity) == ("Song number 999", 100.0)
    assert titles(ask(catalogue, "song popularity:>90")) == ["Song number 999"]


def test_every_page_of_many_fits(tmp_path: Path) -> None:
    many = [track(n, f"Song {n}", n % 3, n % 101) for n in range(700)]
    bring(tmp_path / "c", tracks=many, albums=[], artists=ARTISTS)
    whole = [hit.id for hit in ask(tmp_path / "c", "song", limit=700).hits]
    assert len(set(whole)) == 700
    pages = [ask(tmp_path / "c", "song", limit=70, offset=at).hits for at in range(0, 700, 70)]
    assert [hit.id for page in pages for hit in page] == whole


def test_an_empty_catalogue_has_nothing(tmp_path: Path) -> None:
    assert ask(tmp_path / "none", "song").total == 0


def test_readers_keep_the_snapshot_that_they_opened(tmp_path: Path) -> None:
    bring(tmp_path / "c", tracks=TRACKS, albums=[], artists=ARTISTS)
    old = open_current(tmp_path / "c")
    bring(tmp_path / "c", tracks=[track(9, "New", 0, 1)], albums=[], artists=ARTISTS)
    assert titles(finding.search(old, "joga")) == ["Jóga"]
    assert titles(ask(tmp_path / "c", "new")) == ["New"]
    assert ask(tmp_path / "c", "joga").total == 0


@pytest.mark.parametrize("name", ["terms", "postings"])
def test_a_damaged_index_is_an_error_that_names_its_file(tmp_path: Path, name: str) -> None:
    bring(tmp_path / "c", tracks=TRACKS, albums=[], artists=ARTISTS)
    (path,) = (tmp_path / "c").glob(f"layers/*/index/{name}")
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ArchiveError) as error:
        ask(tmp_path / "c", "joga")
    assert name in error.value.where
