"""Items and collections of the Internet Archive: real metadata, from a server on loopback."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay import clock
from longplay.capture.sources import MARGIN, Wanted, archive_items
from longplay.capture.sources.internetarchive import InternetArchiveSource
from longplay.capture.sources.opening import open_source
from longplay.errors import SourceError, UnavailableError
from longplay.model import Kind, Offer
from longplay.settings import Politeness, Source
from tests.capture.sources.host import Host, answering, serving

BY = "https://creativecommons.org/licenses/by/4.0/"
CAPITOL = "capitol-15045-b-cigarettes-whiskey-and-wild-wild-women"
HANNA = "cd_hanna-barbera-cartoon-sound-fx_william-hanna-joseph-barbera"
SCRAPE = "/services/search/v1/scrape"


def address(item: str, name: str) -> str:
    return f"https://archive.test/{item}/{name.replace(' ', '%20')}"


def offers(item: dict[str, Any], *files: dict[str, Any]) -> list[Offer]:
    document = {
        "metadata": {"identifier": "it", "mediatype": "audio", **item},
        "files": list(files),
    }
    return archive_items.offers(document, address)


def file(name: str, original: str = "", **more: Any) -> dict[str, Any]:
    made = {"source": "derivative", "original": original} if original else {"source": "original"}
    return {"name": name, "size": "1000", **made, **more}


@pytest.fixture
def host() -> Iterator[Host]:
    with serving(made := Host()):
        yield made


@pytest.fixture(autouse=True)
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of an archive is the current one."""
    monkeypatch.chdir(tmp_path)


class Asking:
    """A source that notes its pauses instead of making them."""

    def __init__(self, host: Host, location: str, **politeness: Any) -> None:
        manners = Politeness(**{"private": True, "per_second": 1000, **politeness})
        made = Source(
            name="ia", kind="internetarchive", location=location, rights=BY, politeness=manners
        )
        self.waits: list[float] = []
        name = host.address.removeprefix("http://")
        self.source = InternetArchiveSource(made, Path(), host=name, pause=self.waits.append)

    def __enter__(self) -> InternetArchiveSource:
        return self.source

    def __exit__(self, *_: object) -> None:
        self.source.close()


def put(host: Host, document: dict[str, Any]) -> None:
    host.files[f"/metadata/{document['metadata']['identifier']}"] = json.dumps(document).encode()


def collected(host: Host, identifiers: list[str], page: int = 2) -> list[dict[str, str]]:
    """Let the host's search find these, some a page; what it will be asked."""
    asked: list[dict[str, str]] = []

    def answer(query: dict[str, str]) -> bytes:
        asked.append(query)
        start = int(query.get("cursor") or 0)
        found: dict[str, Any] = {
            "items": [{"identifier": each} for each in identifiers[start : start + page]],
            "total": len(identifiers),
        }
        if start + page < len(identifiers):
            found["cursor"] = str(start + page)
        return json.dumps(found).encode()

    host.pages[SCRAPE] = answer
    return asked


# What an item offers


@pytest.mark.real
def test_a_78_is_its_original_and_its_label(data: Path, host: Host) -> None:
    text = (data / "formats" / "internetarchive" / f"{CAPITOL}.json").read_bytes()
    host.files[f"/metadata/{CAPITOL}"] = text
    with Asking(host, f"item:{CAPITOL}") as source:
        found = list(source.offers())
    at = f"{host.address}/download/{CAPITOL}/Capitol%2015045B%20-%20Cigareetes%2C%20Whuskey%2C%20"
    assert found[0] == Offer(
        path=f"{at}and%20Wild%2C%20Wild%20Women%20-%203.0%20CT%20400N-12.7%20EQ.wav".encode(),
        size=27_872_778,
        mtime_ns=1_627_527_993 * 10**9,
        checksum="sha1:2b9526cc9db02e5d10047746a3221858283c6cf1",
        own_id=f"{CAPITOL}/Capitol 15045B - Cigareetes, Whuskey, and Wild, Wild Women"
        " - 3.0 CT 400N-12.7 EQ",
        title="Cigareetes, Whuskey, and Wild, Wild Women",
        artists=("Red Ingle and the Natural Seven",),
        album="Capitol 15045B",
        album_id=CAPITOL,
        album_artists=("Red Ingle and the Natural Seven",),
        track_number=1,
        duration_ms=158_010,
        release_date="1947-10",
        lossless=True,
    )
    assert [(each.kind, each.size, each.beside) for each in found[1:]] == [
        (Kind.IMAGE, 2_065_381, found[0].path)
    ]


@pytest.mark.real
def test_what_is_for_the_houses_own_ears_is_not_offered(data: Path) -> None:
    """All of this CD is private but half-minute samples."""
    text = (data / "formats" / "internetarchive" / f"{HANNA}.json").read_bytes()
    assert archive_items.offers(json.loads(text), address) == []

    document = json.loads(text)
    for each in document["files"]:
        each.pop("private", None)
    found = archive_items.offers(document, address)
    sound = [each for each in found if each.kind is Kind.AUDIO]
    assert len(sound) == len({each.own_id for each in sound}) > 50
    assert all(each.lossless and each.path.endswith(b".flac") for each in sound)
    assert all(each.artists == ("William Hanna", "Joseph Barbera") for each in sound)
    assert [each.track_number for each in sound[:4]] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("files", "best"),
    [
        ([file("a.flac"), file("a.mp3", "a.flac")], ["a.flac"]),
        ([file("a.mp3"), file("a.ogg", "a.mp3"), file("a.flac", "a.mp3")], ["a.mp3"]),
        ([file("a.mp3"), file("a.flac")], ["a.flac"]),
        ([file("a.mp3", size="9"), file("a.ogg", size="10")], ["a.ogg"]),
        ([file("a.flac", private="true"), file("a.mp3", "a.flac")], ["a.mp3"]),
        (
            [
                file("a.flac", private="true"),
                file("a.mp3", "a.flac", size="9"),
                file("x_64kb.mp3", "a.flac", size="8"),
                file("a.wav", "a.flac", size="7"),
            ],
            ["a.wav"],
        ),
        ([file("a.flac", private="true"), file("a_sample.mp3", "a.flac", format="MP3 Sample")], []),
        ([file("c.ogg", "b.mp3"), file("b.mp3", "a.wav"), file("a.wav")], ["a.wav"]),
        ([file("a.mp3", "b.mp3"), file("b.mp3", "a.mp3")], ["a.mp3", "b.mp3"]),
        ([file("d/1.flac", track="2"), file("d/2.flac", track="1")], ["d/2.flac", "d/1.flac"]),
        ([file("a.flac"), file("_78_a_2.flac"), file("_78_a_3.flac")], ["a.flac"]),
        ([file("_78_a_2.flac"), file("_78_a_3.flac")], ["_78_a_2.flac", "_78_a_3.flac"]),
        ([file("show.mp4", format="h.264"), file("a.mp3")], ["a.mp3"]),
        ([file("a.m4a", format="MPEG-4 Audio")], ["a.m4a"]),
        ([file("a.jpg"), file("a_files.xml", format="Metadata")], []),
        ([], []),
    ],
)
def test_the_best_file_of_each_track_is_offered(
    files: list[dict[str, Any]], best: list[str]
) -> None:
    found = [each for each in offers({}, *files) if each.kind is Kind.AUDIO]
    assert [each.path.decode().partition("/it/")[2] for each in found] == best


def test_what_one_file_does_not_say_another_of_its_track_or_the_item_does() -> None:
    (found,) = offers(
        {
            "title": "Live", "creator": ["Ann", "Bob"], "licenseurl": BY, "rights": "CC BY",
            "publisher": "Tape House", "date": "2001-02-03T00:00:00Z",
        },
        file("a.mp3", "a.flac", title="Song", track="3/9", length="03:26", genre="Folk;Blues"),
        file("a.flac", isrc="DEA619300020", md5="A" * 32, mtime="7",
             **{"external-identifier": ["urn:mb_recording_id:x", "urn:isrc:DEA619300021"]}),
    )  # fmt: skip
    assert (found.title, found.artists, found.album) == ("Song", ("Ann", "Bob"), "Live")
    assert (found.track_number, found.duration_ms) == (3, 206_000)
    assert (found.checksum, found.mtime_ns) == ("md5:" + "a" * 32, 7 * 10**9)
    assert found.isrcs == ("DEA619300020", "DEA619300021")
    assert (found.label, found.release_date) == ("Tape House", "2001-02-03")
    assert found.genres == ("Folk", "Blues")
    assert found.rights == (("licence", BY), ("licence", "CC BY"))


def test_files_are_called_to_the_letter() -> None:
    names = ["a  b\u00a0c .flac", " two.flac", "x\u200by.mp3"]
    odd = ["line\nbreak.flac", "half \ud800.flac", "n" * 2_000 + ".flac"]
    item = {"identifier": "it", "title": "Item"}
    files = [file(name) for name in [*names, *odd]]
    derived = file(" two.mp3", " two.flac")
    asked: list[str] = []

    def noted(identifier: str, name: str) -> str:
        asked.append(name)
        return f"https://archive.test/{len(asked)}"

    found = archive_items.offers({"metadata": item, "files": [*files, derived]}, noted)
    assert sorted(asked) == sorted(names)
    assert sorted(each.title for each in found) == ["a b c", "two", "x y"]


def test_a_track_without_a_title_has_the_items_or_its_name() -> None:
    assert [each.title for each in offers({"title": "Speech"}, file("x1.mp3"))] == ["Speech"]
    two = offers({"title": "Album"}, file("x1.mp3"), file("d/x2.mp3"))
    assert [each.title for each in two] == ["x2", "x1"]


def test_what_lies_beside_the_sound_is_offered_after_it() -> None:
    found = offers(
        {"licenseurl": BY},
        file("back.jpg", sha1="c" * 40), file("__ia_thumb.jpg"), file("t.jpg", "back.jpg"),
        file("booklet.pdf"), file("it_meta.xml", format="Metadata"), file("a.mp3"),
        file("notes.txt", private="true"),
    )  # fmt: skip
    assert [(each.kind, each.path.rpartition(b"/")[2]) for each in found] == [
        (Kind.AUDIO, b"a.mp3"),
        (Kind.IMAGE, b"back.jpg"),
        (Kind.DOCUMENT, b"booklet.pdf"),
    ]
    assert all(each.beside == found[0].path for each in found[1:])
    assert all(each.rights == found[0].rights for each in found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
FIELDS = ("source", "original", "size", "mtime", "sha1", "length", "track", "title", "private")
NAMES = st.sampled_from(["a.mp3", "b.flac", "é.ogg", "\ud800.mp3", "c.jpg"])
FILES = st.fixed_dictionaries({}, optional={**dict.fromkeys(FIELDS, JSON), "name": NAMES | JSON})


@given(
    st.dictionaries(
        st.sampled_from(["identifier", "creator", "date", "title", "licenseurl"]), JSON
    ),
    st.lists(FILES | JSON, max_size=5) | JSON,
)
def test_whatever_an_item_says_offers_or_nothing_come_of_it(item: Any, files: Any) -> None:
    def anywhere(identifier: str, name: str) -> str:
        return f"https://archive.test/{len(identifier)}/{len(name)}"

    document = {"metadata": {"identifier": "it", **item}, "files": files}
    for each in archive_items.offers(document, anywhere):
        assert each.kind is not Kind.AUDIO or each.title
        assert all(text.isprintable() for text in (each.title, *each.artists, each.album))


# Collections, and the archive's answers


def test_a_collection_is_searched_page_by_page_and_its_items_read(host: Host) -> None:
    names = [f"item{n}" for n in range(5)]
    asked = collected(host, names)
    for name in names:
        put(host, {"metadata": {"identifier": name}, "files": [file(f"{name}.mp3")]})
    with Asking(host, "collection:netlabels, item:item3") as source:
        found = list(source.offers())
        limit = source.limit(found[0].path)
    assert [each.own_id for each in found] == [f"{name}/{name}" for name in names]
    assert [each.get("cursor") for each in asked] == [None, "2", "4"]
    assert {each["q"] for each in asked} == {"collection:netlabels AND mediatype:(audio OR etree)"}
    assert limit.host == host.address.removeprefix("http://")
    assert all(agent.startswith("Longplay/") for agent in host.agents)
    assert [path for path in host.paths() if "metadata" in path] == [
        f"/metadata/{name}" for name in names
    ], "an item that is named twice is read once"


KEPT = Path("listings/ia.items")


def broken_off(host: Host) -> list[str]:
    """A collection of five items of which three could be read; all their paths."""
    names = [f"item{n}" for n in range(5)]
    collected(host, names)
    documents = {
        f"/metadata/{name}": json.dumps(
            {"metadata": {"identifier": name, "title": "\ud800é"}, "files": [file("a  b.mp3")]}
        ).encode()
        for name in names
    }
    host.files |= dict(list(documents.items())[:3])
    with Asking(host, "collection:x") as source, pytest.raises(SourceError, match="not have it"):
        list(source.offers())
    host.files |= documents
    return list(documents)


def read_anew(host: Host) -> list[str]:
    """The items that a listing asks for."""
    before = len(host.paths())
    with Asking(host, "collection:x") as source:
        found = list(source.offers())
    assert [each.album_id for each in found] == [f"item{n}" for n in range(5)]
    assert all(each.path.endswith(b"/a%20%20b.mp3") for each in found)
    assert not KEPT.exists(), "it is of use to none but a listing that broke off"
    return [path for path in host.paths()[before:] if path.startswith("/metadata/")]


def test_a_listing_that_broke_off_goes_on_with_the_items_that_it_read(host: Host) -> None:
    paths = broken_off(host)
    assert read_anew(host) == paths[3:]
    assert read_anew(host) == paths


def test_a_listing_that_is_given_up_goes_on_too(host: Host) -> None:
    paths = broken_off(host)
    with Asking(host, "collection:x") as source:
        offers = source.offers()
        assert [next(offers).album_id for _ in range(4)][-1] == "item3"
        offers.close()  # type: ignore[attr-defined]
    assert read_anew(host) == paths[4:]


def test_an_item_that_was_read_long_ago_is_read_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = broken_off(host)
    later = clock.now() + timedelta(days=8)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert read_anew(host) == paths


@pytest.mark.parametrize("where", [0, 1024, 2000, 4096])
def test_what_was_kept_and_is_damaged_is_read_again(host: Host, where: int) -> None:
    paths = broken_off(host)
    with KEPT.open("r+b") as kept:
        kept.seek(where)
        kept.write(b"\xff" * 8192)
    assert set(paths[3:]) <= set(read_anew(host)) <= set(paths)


def test_a_document_that_is_damaged_is_read_again(host: Host) -> None:
    paths = broken_off(host)
    with contextlib.closing(sqlite3.connect(KEPT)) as kept, kept:
        kept.execute("UPDATE items SET document = x'00' WHERE name = 'item1'")
        kept.execute("UPDATE items SET document = 7 WHERE name = 'item2'")
    assert read_anew(host) == paths[1:]


@pytest.mark.real
def test_a_real_page_of_a_search_is_read(data: Path, host: Host) -> None:
    folder = data / "formats" / "internetarchive" / "jjjake-tests"
    page = json.loads((folder / "scrape_response.json").read_text())
    assert len(page["items"]) == 100
    page = {"items": page["items"], "total": 100}
    host.pages[SCRAPE] = lambda _query: json.dumps(page).encode()
    host.files |= {f"/metadata/{each['identifier']}": b"{}" for each in page["items"]}
    with Asking(host, "collection:nasa") as source:
        assert list(source.offers()) == []
    assert len(host.paths()) == 101

    host.files["/metadata/nasa"] = (folder / "metadata" / "nasa.json").read_bytes()
    with (
        Asking(host, "item:nasa") as source,
        pytest.raises(SourceError, match=r"nasa: is a collection .name it as collection:nasa"),
    ):
        list(source.offers())


def test_requests_keep_their_distance(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    collected(host, ["a", "b"])
    host.files |= {"/metadata/a": b"{}", "/metadata/b": b"{}"}
    monkeypatch.setattr(clock, "monotonic", lambda: 100.0)
    asking = Asking(host, "collection:x", per_second=0.5)
    with asking as source:
        assert list(source.offers()) == []
    turns = [MARGIN * n for n in (2, 4, 6)]  # the search and both items, since time stands still
    assert asking.waits == pytest.approx(turns)


def test_a_server_that_is_busy_is_asked_again(host: Host) -> None:
    put(host, {"metadata": {"identifier": "a"}, "files": [file("a.mp3")]})
    host.faults = [answering(503, Retry_After="3")]
    asking = Asking(host, "item:a")
    with asking as source:
        assert len(list(source.offers())) == 1
    assert 3 in asking.waits


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"{}", SourceError, "a: is no item of the Internet Archive"),
        (b'{"is_dark": true}', SourceError, "a: is closed to the public"),
        (b"[]", SourceError, "a: is no item"),
        (b'{"metadata": []}', SourceError, "a: is no item"),
        (b'{"metadata": "x"}', SourceError, "a: is no item"),
        (b"<html>", UnavailableError, "answers what is no answer to a search or an item"),
    ],
)
def test_an_item_that_is_none_says_so(
    host: Host, body: bytes, kind: type[SourceError], words: str
) -> None:
    host.files["/metadata/a"] = body
    with Asking(host, "item:a") as source, pytest.raises(kind, match=words):
        list(source.offers())


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (answering(500), UnavailableError, "answers 500"),
        (answering(503, Retry_After="900"), UnavailableError, "answers 503"),
        (answering(403), SourceError, "refuses it"),
    ],
)
def test_an_archive_that_does_not_answer_is_told_in_our_words(
    host: Host, answer: Any, kind: type[SourceError], words: str
) -> None:
    host.faults = [answer] * 20
    with Asking(host, "item:a") as source, pytest.raises(kind, match=words) as told:
        list(source.offers())
    assert told.value.where == f"{host.address}/metadata/a"
    assert type(told.value) is kind
    if "900" in repr(getattr(told.value, "seconds", None)):
        assert told.value.seconds == 900  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "page",
    [
        b'{"error": "no such thing"}',
        b'{"items": [{"identifier": "a"}], "total": 7}',
        b'{"total": 0}',
        b'"x"',
        b"nothing",
    ],
)
def test_a_search_that_breaks_off_is_no_end(host: Host, page: bytes) -> None:
    host.pages[SCRAPE] = lambda _query: page
    host.files["/metadata/a"] = b"{}"
    with Asking(host, "collection:x") as source, pytest.raises(UnavailableError):
        list(source.offers())


@pytest.mark.parametrize(
    "location",
    ["netlabels", "collection:", "collection:a b", "item:../x", "item:a,collection:", ""],
)
def test_a_location_that_names_nothing_is_refused(location: str) -> None:
    made = Source(name="ia", kind="internetarchive", location=location, rights=BY)
    with pytest.raises(SourceError, match="names neither a collection nor an item"):
        InternetArchiveSource(made, Path())


def test_an_archive_opens_one_and_keeps_nothing_before_it_lists(tmp_path: Path) -> None:
    made = Source(name="ia", kind="internetarchive", location="collection:x", rights=BY)
    source = open_source(made, tmp_path / "archive")
    assert source.limit(b"https://archive.org/download/a/b.mp3").host == "archive.org"
    source.close()
    assert not (tmp_path / "archive").exists()


def test_files_are_fetched_from_the_server_that_the_archive_names(host: Host) -> None:
    put(host, {"metadata": {"identifier": "a"}, "files": [file("b c.mp3")]})
    other = Host({"/7/items/a/b%20c.mp3": b"ID3"})
    with serving(other), Asking(host, "item:a") as source:
        (found,) = source.offers()
        host.faults = [answering(302, Location=f"{other.address}/7/items/a/b%20c.mp3")]
        with source.open(Wanted(found.path)) as stream:
            assert b"".join(stream.chunks) == b"ID3"
    assert found.path == f"{host.address}/download/a/b%20c.mp3".encode()


def test_nobody_is_signed_in(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "ia.ini"
    config.write_text("[s3]\naccess = KEY\nsecret = WORD\n[cookies]\nlogged-in-user = x%40y\n")
    monkeypatch.setenv("IA_CONFIG_FILE", str(config))
    monkeypatch.setenv("IA_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("IA_SECRET_ACCESS_KEY", "WORD")
    heads: list[dict[str, str]] = []

    def note(handler: Any) -> bool:
        heads.append(dict(handler.headers))
        return False

    put(host, {"metadata": {"identifier": "a"}, "files": [file("a.mp3")]})
    host.faults = [note]
    with Asking(host, "item:a") as source:
        assert len(list(source.offers())) == 1
    assert heads
    assert not {"Authorization", "authorization", "Cookie"} & set(heads[0])
    assert "KEY" not in str(heads)
