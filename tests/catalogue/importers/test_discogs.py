"""Discogs dumps: small made ones, the real heads, and hostile XML."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.catalogue.importers.discogs import importing, records
from longplay.catalogue.importers.discogs.importing import import_discogs
from longplay.catalogue.imports import Imported
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError

Bring = Callable[..., Imported]

RELEASES = """<?xml version="1.0"?><releases>
<release id="7" status="Accepted"><artists>
  <artist><id>1</id><name>Nirvana (2)</name><anv>NIRVANA</anv><join>&amp;</join></artist>
  <artist><id>2</id><name>Else</name></artist></artists><title>Først</title>
  <labels><label name="Nord (3)" catno="N1" id="5"/><label name="Sør" catno="S1" id="6"/></labels>
  <extraartists><artist><id>3</id><name>Gjest</name><role>Featuring [Voice]</role><tracks/></artist>
  <artist><id>4</id><name>Tekniker</name><role>Mixed By</role></artist></extraartists>
  <genres><genre>Rock</genre></genres><styles><style>Grunge</style></styles>
  <released>1999-03-00</released><master_id is_main_release="false">9</master_id>
  <tracklist><track><position/><title>Første side</title><duration/></track>
  <track><position>1-1</position><title>Blå</title><duration>4:45</duration></track>
  <track><position>1-2</position><title>Rød</title><duration>1:02:03</duration>
    <artists><artist><id></id><name>Uten id</name></artist></artists></track>
  <track><position/><title>Symfoni</title><duration/><sub_tracks>
    <track><position>2-1.1</position><title>Allegro</title><duration>x</duration></track>
    <track><position>2-1.2</position><title>Adagio</title><duration>0:00</duration></track>
  </sub_tracks></track></tracklist>
  <identifiers><identifier type="Barcode" value="none"/>
  <identifier type="Barcode" description="Text" value="7 961220 922684 &gt;"/>
  <identifier type="ISRC" description="Track 1-1" value="NO-ABC-23-00001"/></identifiers>
</release>
<release id="8"><artists/><title>Siden</title><master_id is_main_release="true">9</master_id>
  <tracklist><track><position/><title>Alene</title><duration/></track></tracklist></release>
<release><title>Uten id</title></release></releases>"""

ARTISTS = (
    '<artists><artist><id>1</id><name>Nirvana (2)</name><aliases><name id="4">N</name></aliases>'
    "</artist><artist><id>99</id><name>Ukjent</name></artist></artists>"
)
MASTERS = '<masters><master id="9"><year>1998</year><title>Siden</title></master></masters>'
LABELS = (
    "<labels><label><id>5</id><name>Nord (3)</name><sublabels><label/><label/></sublabels></label>"
    "</labels>"
)
BOMB = (
    "<?xml version='1.0'?><!DOCTYPE releases [<!ENTITY a 'ha'>"
    + "".join(
        f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><releases><release id='1'><title>&i;</title></release></releases>"
)


@pytest.fixture
def bring(tmp_path: Path) -> Bring:
    def write(*texts: str) -> Imported:
        paths = [tmp_path / f"{place}.xml.gz" for place in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_bytes(gzip.compress(text.encode()))
        return discogs(tmp_path, *paths)

    return write


def discogs(tmp_path: Path, *paths: Path) -> Imported:
    return import_discogs(tmp_path / "catalogue", "discogs", paths, progress=lambda *_: None)


def ask(tmp_path: Path, query: str) -> list[tuple[object, ...]]:
    with open_current(tmp_path / "catalogue").connect() as connection:
        return list(connection.execute(query).fetchall())


def test_a_dump_becomes_tracks_with_all_that_it_says(tmp_path: Path, bring: Bring) -> None:
    done = bring(RELEASES, LABELS, MASTERS, ARTISTS)

    assert (done.tracks, done.albums, done.rejected, done.coverage) == (5, 2, 1, None)
    names = "[[x.name for x in everyone if x.artist = a][1] for a in artists]"
    everyone = "(SELECT list({artist: artist, name: name}) AS everyone FROM artists)"
    guest = ["Nirvana", "Else", "Gjest"]
    assert ask(
        tmp_path,
        f"SELECT own_id, title, {names}, disc_number, track_number, duration_ms, isrcs,"
        f" release_date, genres FROM tracks, {everyone}",
    ) == [  # those of main releases first
        ("8-1", "Alene", [], None, 1, None, [], "1998", []),
        ("7-2", "Blå", guest, 1, 1, 285000, ["NOABC2300001"], "1999-03", ["Rock", "Grunge"]),
        ("7-3", "Rød", ["Uten id"], 1, 2, 3723000, [], "1999-03", ["Rock", "Grunge"]),
        ("7-4.1", "Symfoni: Allegro", guest, 2, 1, None, [], "1999-03", ["Rock", "Grunge"]),
        ("7-4.2", "Symfoni: Adagio", guest, 2, 2, None, [], "1999-03", ["Rock", "Grunge"]),
    ]
    assert ask(
        tmp_path, "SELECT own_id, title, release_date, upc, label FROM albums ORDER BY own_id"
    ) == [
        ("7", "Først", "1999-03", "07961220922684", "Nord; Sør"),
        ("8", "Siden", "1998", None, None),
    ]
    assert ("99",) in ask(tmp_path, "SELECT own_id FROM artists WHERE name = 'Ukjent'")
    assert ask(tmp_path, "SELECT place, reason, content FROM rejects") == [
        ("0.xml.gz:release 3", "no id", "Uten id")
    ]


def test_masters_alone_are_albums(tmp_path: Path, bring: Bring) -> None:
    assert bring(MASTERS).albums == 1
    assert ask(tmp_path, "SELECT own_id, release_date FROM albums") == [("master 9", "1998")]


def test_a_release_that_comes_twice_is_counted(bring: Bring) -> None:
    done = bring(RELEASES, RELEASES)
    assert (done.tracks, done.duplicates, done.albums, done.rejected) == (5, 5, 2, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "declares entities"),
        ("<!DOCTYPE releases SYSTEM 'http://127.0.0.1/x.dtd'><releases/>", "declares entities"),
        ("<x/>", "is no dump of Discogs"),
        ("", "is no dump of Discogs"),
        ("PK\x03\x04", "is no dump of Discogs"),
        (RELEASES[:900], "not well-formed, or is cut short"),
        ("<releases><release id='1'><title>&i;</title></release></releases>", "not well-formed"),
        ("<releases>" + "<a>" * 400, "not well-formed"),
        (
            "<releases><release/><release id='0'/></releases>",
            "none of its 2 records can be used: no id",
        ),
        ("<releases></releases>", "has no record in it"),
        ("<labels/>", "has no record in it"),
        ("<!---->" * 9000 + "!", "is no dump of Discogs"),
        ("<?a?>" * 9000 + "<?b", "is no dump of Discogs"),
        ("<artists><artist><id>1</id>" + "<name>x</name>" * 2_500_000, "a record of more than"),
    ],
)
def test_what_is_no_dump_is_refused_in_one_line(
    tmp_path: Path, bring: Bring, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as told:
        bring(text)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "catalogue" / "current").exists()


@pytest.mark.parametrize("keep", [1, 5, 12, 300, -1])
def test_a_truncated_file_changes_nothing(tmp_path: Path, bring: Bring, keep: int) -> None:
    bring(RELEASES)
    before = sorted((tmp_path / "catalogue").rglob("*"))
    short = tmp_path / "short.xml.gz"
    short.write_bytes(gzip.compress(RELEASES.encode())[:keep])

    with pytest.raises(InputError, match=r"short\.xml\.gz"):
        discogs(tmp_path, short)

    assert sorted((tmp_path / "catalogue").rglob("*")) == before


def test_an_empty_dump_replaces_nothing(tmp_path: Path, bring: Bring) -> None:
    bring(RELEASES)
    before = sorted((tmp_path / "catalogue").rglob("*"))
    with pytest.raises(InputError, match=r"1\.xml\.gz: has no record in it"):
        bring(ARTISTS, "<releases></releases>")
    assert sorted((tmp_path / "catalogue").rglob("*")) == before


def test_comments_may_stand_before_the_root(bring: Bring) -> None:
    text = RELEASES.replace("<releases>", "<!-- < > -->\n<?a <b> ?> <releases>")
    assert bring("\ufeff" + text).tracks == 5


def absurd(tracks: int) -> str:
    """A release in which every list is far too long, and each track has all of them again."""
    many = range(9000)
    credits = "".join(f"<artist><name>A{n} {'a' * 3000}</name></artist>" for n in range(200))
    genres = "".join(f"<genre>{n} {'g' * 200}</genre>" for n in many)
    codes = "".join(f'<identifier type="ISRC" description="Track 1" value="{n}"/>' for n in many)
    listed = "<track><position>1</position><title>T</title></track>" * tracks
    return (
        f"<releases><release id='1'><title>{'t' * 9000}</title><artists>{credits}</artists>"
        f"<genres>{genres}</genres><identifiers>{codes}</identifiers>"
        f"<tracklist>{listed}</tracklist></release>{RELEASES.partition('<releases>')[2]}"
    )


def test_what_each_track_has_of_its_release_is_bounded(tmp_path: Path, bring: Bring) -> None:
    assert bring(absurd(2000)).tracks == 2005
    assert ask(
        tmp_path,
        "SELECT max(len(artists)), max(len(genres)), max(length(genres[1])) FROM tracks",
    ) == [(records.MAX_CREDITS, records.MAX_GENRES, records.MAX_GENRE)]
    assert ask(
        tmp_path, "SELECT max(length(title)), (SELECT max(length(name)) FROM artists) FROM albums"
    ) == [(records.MAX_TEXT, records.MAX_TEXT)]


def test_long_rows_are_staged_in_small_numbers(
    tmp_path: Path, bring: Bring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH_LETTERS", 1000)
    assert bring(absurd(100)).tracks == 105
    assert len(ask(tmp_path, "SELECT DISTINCT own_id FROM tracks")) == 105


def test_a_release_of_more_tracks_than_there_can_be_is_rejected(
    tmp_path: Path, bring: Bring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_TRACKS", 4)
    done = bring(absurd(5))
    assert (done.tracks, done.albums, done.rejected) == (5, 2, 2)
    assert ask(tmp_path, "SELECT own_id, reason FROM rejects ORDER BY place") == [
        ("1", "lists more than 4 tracks"),
        ("", "no id"),
    ]


def test_records_without_use_do_not_pile_up(bring: Bring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MAX_REJECTED", 10)
    assert bring(RELEASES.replace("</releases>", "<release/>" * 9 + "</releases>")).rejected == 10
    with pytest.raises(InputError, match="only 2 of its first 13 records can be used: no id"):
        bring(RELEASES.replace("</releases>", "<release/>" * 99 + "</releases>"))


def test_control_characters_are_spaces(tmp_path: Path, bring: Bring) -> None:
    bring(RELEASES.replace("Blå", "Bl\x01å"))
    assert ("Bl å",) in ask(tmp_path, "SELECT title FROM tracks")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_a_date_and_a_duration_or_none(text: str) -> None:
    found = records.date(text)
    assert found is None or text.startswith(found[:4])
    assert (records.duration_ms(text) or 1) > 0
    assert records.number(text) is None or records.number(text) == int(text)


@pytest.mark.real
def test_the_real_heads_balance(tmp_path: Path, data: Path) -> None:
    paths = sorted((data / "formats" / "discogs").glob("*.xml.gz"))
    text = gzip.decompress(next(p for p in paths if "releases" in p.name).read_bytes()).decode()

    done = discogs(tmp_path, *paths)

    listed = len(re.findall(r"<track>", text))
    with_parts = len(re.findall(r"<sub_tracks>", text))
    headings = [
        re.findall(r"<track><position/><title(?:>[^<]*</title|/)><duration/></track>", release)
        for release in re.findall(r"<tracklist>(.*?)</tracklist>", text, re.DOTALL)
        if re.search(r"<position>", re.sub(r"<sub_tracks>.*?</sub_tracks>", "", release))
    ]
    assert done.albums == len(re.findall(r"<release id=", text)) == 1000
    assert done.tracks + done.rejected == listed - with_parts - sum(map(len, headings))
