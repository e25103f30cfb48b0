"""Lists of addresses: what their rows offer, and what is told of bad ones."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from longplay.capture.sources import Wanted, list_offers, list_rows
from longplay.capture.sources.http import HttpSource
from longplay.errors import InputError, LongplayError, RightsError, SourceError, UnavailableError
from longplay.model import Kind, Offer
from longplay.settings import Politeness, Source
from tests.capture.sources.host import Host, answering, cut_after, raw, serving

BY = "https://creativecommons.org/licenses/by/4.0/"
URL = "https://music.example/a%20b/01.flac"


def source(location: object, **politeness: Any) -> HttpSource:
    manners = Politeness(**{"private": True, **politeness})
    made = Source(name="web", kind="http", location=str(location), rights=BY, politeness=manners)
    return HttpSource(made, pause=lambda _seconds: None)


def offers(folder: Path, text: str | bytes) -> list[Offer]:
    path = folder / "list"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(source(path).offers())


def one(folder: Path, **row: Any) -> Offer:
    (found,) = offers(folder, json.dumps({"url": URL, "isrc": "DEA619300020", **row}))
    return found


def test_a_row_says_all_that_a_list_may_say(tmp_path: Path) -> None:
    found = one(
        tmp_path,
        id="T1",
        isrc="DE-A61-93-00020; ISRC DEA619300021",
        artists="Ann; Bob",
        title="Die  Moldau",
        album="Má vlast",
        album_artists=["Cee", "Dee"],
        disc_number="1/2",
        track_number=3,
        duration_ms=200_000.0,
        upc="4006381333931",
        label="Supraphon",
        release_date="1999-05",
        genres="classical;tone poem",
        popularity=51.5,
        listens="12000",
        rights=BY,
        bytes=4096,
        checksum="SHA-256:" + "Ab" * 32,
    )
    assert found == Offer(
        path=URL.encode(),
        size=4096,
        checksum="sha256:" + "ab" * 32,
        own_id="T1",
        title="Die Moldau",
        artists=("Ann", "Bob"),
        album="Má vlast",
        album_artists=("Cee", "Dee"),
        disc_number=1,
        track_number=3,
        duration_ms=200_000,
        isrcs=("DEA619300020", "DEA619300021"),
        upc="4006381333931",
        label="Supraphon",
        release_date="1999-05",
        genres=("classical", "tone poem"),
        popularity=51.5,
        listens=12_000,
        lossless=True,
        rights=(("licence", BY),),
    )


@pytest.mark.parametrize(
    "text",
    [
        'url,artist,title,licence\nhttps://a.test/x.mp3,"Ann;Bob","A, B",personal\n',
        '\ufeffURL , Artist,TITLE,license\r\n\r\nhttps://a.test/x.mp3,Ann;Bob,"A, B",personal\r\n',
        "url\tartists\ttitle\trights\nhttps://a.test/x.mp3\tAnn;Bob\tA, B\tpersonal",
        'url;artists;title;licence\nhttps://a.test/x.mp3;"Ann;Bob";A, B;personal',
        '\n{"url": "https://a.test/x.mp3", "artist": ["Ann", "Bob"], "title": "A, B",'
        ' "licence": "personal", "isrc": null, "comment": {"x": 1}}\n\n',
    ],
)
def test_lists_are_csv_or_json_lines(tmp_path: Path, text: str) -> None:
    assert offers(tmp_path, text) == [
        Offer(
            path=b"https://a.test/x.mp3",
            title="A, B",
            artists=("Ann", "Bob"),
            lossless=False,
            rights=(("licence", "personal"),),
        )
    ]


@pytest.mark.parametrize(
    ("digits", "checksum"),
    [("0" * 32, "md5:"), ("A" * 40, "sha1:"), ("f" * 64, "sha256:"), ("md5:" + "a" * 32, "")],
)
def test_a_checksum_may_go_by_its_length(tmp_path: Path, digits: str, checksum: str) -> None:
    assert one(tmp_path, checksum=digits).checksum == (checksum + digits).lower()


@pytest.mark.parametrize(
    ("address", "kind", "lossless"),
    [
        ("http://a.test/x.flac", Kind.AUDIO, True),
        ("http://a.test/x.MP3?token=1.jpg", Kind.AUDIO, False),
        ("http://a.test/get.php?track=5", Kind.AUDIO, None),
        ("http://a.test/", Kind.AUDIO, None),
        ("http://a.test/x.m4a", Kind.AUDIO, None),
        ("http://a.test/cover.jpg", Kind.IMAGE, None),
        ("http://a.test/booklet.pdf", Kind.DOCUMENT, None),
    ],
)
def test_a_file_is_sound_unless_its_name_says_otherwise(
    tmp_path: Path, address: str, kind: Kind, lossless: bool | None
) -> None:
    found = one(tmp_path, url=address)
    assert (found.kind, found.lossless) == (kind, lossless)


def test_an_address_keeps_one_spelling(tmp_path: Path) -> None:
    assert one(tmp_path, url=" HTTPS://Music.Example:443/ä b#t=1 ").path == (
        b"https://music.example/%C3%A4%20b"
    )
    assert one(tmp_path, url="http://a.test/x#").path == b"http://a.test/x"


GOOD = '{"url": "http://a.test/1", "isrc": "DEA619300020"}\n'
BAD_LISTS = {
    "no header": ("http://a.test/1,DEA619300020", ":1: names no column url, but 'http://a.test"),
    "a page": ("<!doctype html>\n<p>Gone", ":1: names no column url, but '<!doctype html>'"),
    "twice": ("url,title,Title\n", ":1: names the column 'title' twice"),
    "short": ("url,isrc\nhttp://a.test/1,DEA619300020\n\nhttp://a", ":4: has 1 cells, and the"),
    "long": ("url,isrc\nhttp://a.test/1,DEA619300020,x", ":2: has 3 cells, and the header 2"),
    "quotes": ('url,isrc\nhttp://a.test/1,"DEA"x\n', ":2: is no CSV: ',' expected after '\"'"),
    "open quotes": ('url,title\n"http://a.test/1\n,x\n,y', ":2: is no CSV: unexpected end of data"),
    "long quotes": ('url,title\n"' + "x\n" * 70_000, ":2: is no CSV: field larger than"),
    "many cells": ('url\n"' + '","\n' * 300_000, ":2: begins a row of more than 1,048,576 letters"),
    "long line": ("url," + "x" * 2_000_000, ":1: is longer than 1,048,576 bytes"),
    "Latin-1": (GOOD.encode() + b'{"url": "http://a.test/\xe9"}', ":2: is no UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), ":1: is no UTF-8"),
    "cut": (GOOD + GOOD[:30], ":2: is no JSON"),
    "array": ("[" + GOOD + "]", ":1: names no column url"),
    "no object": (GOOD + "[1]", ":2: is no JSON object (write one object a line)"),
    "deep": ('{"url":' + "[" * 100_000, ":1: is no JSON"),
    "NaN": (GOOD[:-2] + ', "listens": NaN}', ":1: is no JSON: NaN is no number"),
    "digits": (GOOD[:-2] + ', "listens": ' + "9" * 5000 + "}", ":1: is no JSON"),
}


@pytest.mark.parametrize("kind", BAD_LISTS)
def test_what_is_no_list_is_told_with_its_line(tmp_path: Path, kind: str) -> None:
    text, words = BAD_LISTS[kind]
    with pytest.raises(InputError) as told:
        offers(tmp_path, text)
    assert f"{tmp_path}/list{words}" in str(told.value)
    assert told.value.hint
    assert len(str(told.value)) < 600


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"url": ""}, "has no url"),
        ({"url": None}, "has no url"),
        ({"url": 5}, "url: is no web address (it begins with http:// or https://)"),
        ({"url": "ftp://a.test/x"}, "url: is no web address"),
        ({"url": "/etc/passwd"}, "url: is no web address"),
        ({"url": "http://u:word@a.test/"}, "url: carries a password"),
        ({"isrc": ""}, "says neither an isrc nor an artist and a title"),
        ({"isrc": "", "title": "x"}, "says neither an isrc nor an artist and a title"),
        ({"isrc": "", "artist": " ; "}, "says neither an isrc nor an artist and a title"),
        ({"isrc": "DEA6193"}, "isrc: 'DEA6193' is none (it has 12 signs"),
        ({"title": {"en": "x"}}, "title is no text"),
        ({"title": True}, "title is no text"),
        ({"title": "a\x07b"}, "title has signs in it that are no text"),
        ({"title": "\ud800"}, "title has signs in it that are no text"),
        ({"title": "x" * 5000}, "title is 5,000 letters long"),
        ({"artists": [["x"]]}, "artists is no text"),
        ({"artists": [str(n) for n in range(500)]}, "artists has 500 values"),
        ({"track_number": "three"}, "track_number: 'three' is no number"),
        ({"track_number": -1}, "track_number: '-1' is no number"),
        ({"duration_ms": "3:20"}, "duration_ms: '3:20' is no whole number"),
        ({"duration_ms": 2**31}, "duration_ms: '2147483648' is no whole number"),
        ({"bytes": 1.5}, "bytes: '1.5' is no whole number"),
        ({"bytes": "\u0661"}, "is no whole number"),
        ({"popularity": 101}, "popularity: '101' is not from 0 to 100"),
        ({"listens": "many"}, "listens: 'many' is not from 0"),
        ({"listens": 1e308}, "is not from 0"),
        ({"release_date": "31.5.1999"}, "release_date: '31.5.1999' is no date"),
        ({"checksum": "abc"}, "checksum: 'abc' is none"),
        ({"checksum": "md5:" + "a" * 40}, "is none (write md5:, sha1: or sha256:"),
        ({"checksum": "crc32:" + "a" * 8}, "is none"),
        ({"checksum": "g" * 64}, "is none"),
    ],
)
def test_a_bad_row_stops_a_list_with_its_line_and_a_remedy(
    tmp_path: Path, row: dict[str, Any], words: str
) -> None:
    bad = json.dumps({"url": "http://a.test/2", "isrc": "DEA619300020", **row})
    path = tmp_path / "list.jsonl"
    path.write_text(GOOD + "\n" + bad)
    listing = source(path).offers()
    assert next(listing).path == b"http://a.test/1"
    with pytest.raises(InputError) as told:
        next(listing)
    assert told.value.where == f"{path}:3"
    assert words in str(told.value)
    assert told.value.hint
    assert "word@" not in str(told.value)


@pytest.mark.parametrize("column", ["rights", "licence", "license"])
def test_a_malformed_right_stops_a_list_with_its_line(tmp_path: Path, column: str) -> None:
    text = (
        f"url,isrc,{column}\nhttp://a.test/1,DEA619300020,{BY}\n"
        "http://a.test/2,DEA619300021,https://creativecommons.org/licenses/by/7.0/\n"
    )
    with pytest.raises(RightsError, match=r"list:3: .*by/7.0.* is no statement.*correct the row"):
        offers(tmp_path, text)


def test_words_of_rights_that_nobody_knows_stay_with_their_file(tmp_path: Path) -> None:
    found = one(tmp_path, rights="ask my brother", licence=BY)
    assert found.rights == (("licence", "ask my brother"), ("licence", BY))


def test_an_empty_list_offers_nothing(tmp_path: Path) -> None:
    assert offers(tmp_path, "") == offers(tmp_path, "\n \n") == offers(tmp_path, "url,isrc\n") == []


def test_a_list_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.csv: cannot be read: No such file.*name a list"):
        list(source(tmp_path / "nowhere.csv").offers())
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        list(source(tmp_path).offers())


def test_a_list_is_never_held_whole() -> None:
    def endless() -> Iterator[bytes]:
        yield b"url,isrc,title\n"
        for _ in range(600):
            yield b'http://a.test/1,DEA619300020,"a song, or two"\n' * 100

    tracemalloc.start()
    count = sum(1 for _ in list_rows.rows(endless(), "list"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 60_000
    assert peak < 1_000_000, "it is 2.8 MB long"


# From the web


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host({"/1.flac": b"fLaC", "/rules.html": b"<html>"})
    with serving(made):
        yield made


def listed(host: Host, count: int) -> str:
    host.files["/list.csv"] = b"url,isrc\n" + b"".join(
        f"{host.address}/{n}.flac,DEA6193{n:05d}\n".encode() for n in range(count)
    )
    return f"{host.address}/list.csv"


def test_a_list_may_come_from_the_web_and_goes_on_when_it_breaks_off(host: Host) -> None:
    made = source(listed(host, 10_000))
    host.faults = [cut_after(100_000), cut_after(100_000)]
    found = list(made.offers())
    made.close()
    assert [each.isrcs[0] for each in found] == [f"DEA6193{n:05d}" for n in range(10_000)]
    assert len(host.paths()) == 3


def test_a_list_that_changes_while_it_is_read_is_refused(host: Host) -> None:
    made = source(listed(host, 10_000))
    host.faults = [cut_after(100_000)]
    listing = made.offers()
    next(listing)
    listed(host, 9_999)
    with pytest.raises(SourceError, match="the list changed") as told:
        list(listing)
    made.close()
    assert not isinstance(told.value, UnavailableError)


def test_a_list_of_a_host_that_cannot_go_on_says_so(host: Host) -> None:
    made = source(listed(host, 10_000))
    head = b'HTTP/1.1 200 OK\r\nContent-Length: 9999\r\nETag: W/"weak"\r\n\r\n'
    host.faults = [raw(head + host.files["/list.csv"][:5000])]
    with pytest.raises(SourceError, match="the host cannot go on where it was") as told:
        list(made.offers())
    made.close()
    assert told.value.hint == "refresh the source again"


def test_a_list_that_breaks_off_and_cannot_be_gone_on_with_is_no_list(host: Host) -> None:
    made = source(listed(host, 10_000))
    length = str(len(host.files["/list.csv"]))
    host.faults = [answering(200, b"url,isrc\nhttp://a", Content_Length=length)]
    with pytest.raises(UnavailableError, match="broke off after 17 bytes"):
        list(made.offers())
    made.close()


def test_files_of_a_list_are_opened_and_their_hosts_spared(host: Host) -> None:
    made = source(listed(host, 2), connections=5)
    first = next(made.offers())
    with made.open(Wanted(first.path.replace(b"/0.", b"/1."))) as stream:
        assert b"".join(stream.chunks) == b"fLaC"
    assert made.limit(first.path).connections == 5
    with pytest.raises(SourceError, match="does not have it"), made.open(Wanted(first.path)):
        pass
    host.files["/0.flac"] = b"<html>Welcome"
    with (
        made.open(Wanted(first.path)) as stream,
        pytest.raises(SourceError, match="web page instead of sound"),
    ):
        list(stream.chunks)
    page = f"{host.address}/rules.html".encode()
    with made.open(Wanted(page)) as stream:
        assert b"".join(stream.chunks) == b"<html>", "a page was listed"
    made.close()


def test_a_path_that_was_never_listed_is_asked_of_nobody(host: Host) -> None:
    made = source(listed(host, 1))
    with pytest.raises(SourceError, match="is no web address"):
        made.open(Wanted(b"file:///etc/passwd")).__enter__()
    with pytest.raises(SourceError, match="is no web address"):
        made.limit(b"\xff\xfe")
    made.close()


# Whatever a list holds

CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=8), st.sampled_from(",;\t"), st.integers(1, 64))
def test_what_csv_says_is_read_whatever_the_chunks(
    rows: list[tuple[str, str]], delimiter: str, size: int
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("url", "title"), *rows])
    data = out.getvalue().encode()
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    found = [(row["url"], row["title"]) for _, row in list_rows.rows(chunks, "list")]
    assert found == rows


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b'{"url": "http://a.test/1", "isrc": "DEA619300020", "title": "\\udc00"}')
@example(b"url\n\x00")
@example(b'url\r"\n')
def test_nothing_but_offers_and_plain_errors_come_of_a_list(data: bytes) -> None:
    try:
        for number, row in list_rows.rows([data], "list"):
            list_offers.offer(row, f"list:{number}")
    except LongplayError as error:
        assert error.where.startswith("list:")
        assert "\n" not in str(error)


@given(
    st.dictionaries(
        st.sampled_from(["url", "isrc", "artists", "title", "bytes", "checksum", "popularity",
                         "listens", "track_number", "release_date", "rights"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
        | st.lists(st.text(max_size=5), max_size=3),
    )
)  # fmt: skip
def test_nothing_but_an_offer_or_a_plain_error_comes_of_a_row(row: dict[str, Any]) -> None:
    row = {"url": URL, "isrc": "DEA619300020", **row}
    try:
        found = list_offers.offer(row, "list:1")
    except LongplayError as error:
        assert error.where == "list:1"
        return
    assert found.path.isascii()
    assert found.path.startswith((b"http://", b"https://"))
    assert found.isrcs or (found.artists and found.title)
