"""Sound files that harvested records link to, over loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from longplay.capture.sources import Wanted
from longplay.capture.sources.oai import OaiSource, wanted
from longplay.capture.sources.opening import open_source
from longplay.errors import InputError, SourceError
from longplay.model import Offer
from longplay.settings import Politeness, Source
from tests.capture.sources.host import Host, serving
from tests.catalogue.importers import repository as repositories
from tests.catalogue.importers.repository import Repository, dc, real_items

BY = "https://creativecommons.org/licenses/by/4.0/"


@pytest.fixture
def repository() -> Repository:
    return Repository()


@pytest.fixture
def url(repository: Repository) -> Iterator[str]:
    with repositories.serving(repository) as address:
        yield address


@pytest.fixture
def host() -> Iterator[Host]:
    with serving(made := Host()):
        yield made


def opened(folder: Path, location: str, **politeness: Any) -> OaiSource:
    manners = Politeness(**{"private": True, "per_second": 1000, **politeness})
    made = Source(name="lib", kind="oai", location=location, rights=BY, politeness=manners)
    return OaiSource(made, folder, pause=lambda _seconds: None)


def offers(folder: Path, location: str, **politeness: Any) -> list[Offer]:
    source = opened(folder, location, **politeness)
    try:
        return list(source.offers())
    finally:
        source.close()


def named(*links: str, field: str = "identifier") -> str:
    return "".join(f"<dc:{field}>{link}</dc:{field}>" for link in links)


def test_a_record_with_a_file_is_an_offer(tmp_path: Path, repository: Repository, url: str) -> None:
    repository.put(
        1,
        dc(
            "Moldau",
            "<dc:creator>Smetana, Bedřich, 1824-1884</dc:creator>",
            "<dc:identifier>ISRC DE-A61-93-00020</dc:identifier>",
            named("https://library.test/record/1", "https://library.test/f/a%20b.wav"),
            "<dc:publisher>Library</dc:publisher><dc:date>1999</dc:date>",
            f"<dcterms:extent>PT3M20S</dcterms:extent><dcterms:license>{BY}</dcterms:license>",
            "<dc:rights>Free</dc:rights>",
        ),
    )
    assert offers(tmp_path, url) == [
        Offer(
            path=b"https://library.test/f/a%20b.wav",
            own_id="oai:test:0001",
            title="Moldau",
            artists=("Bedřich Smetana",),
            duration_ms=200_000,
            isrcs=("DEA619300020",),
            label="Library",
            release_date="1999",
            lossless=True,
            rights=(("licence", BY), ("licence", "Free")),
        )
    ]


def test_records_that_link_to_no_file_offer_nothing(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    page = named("https://library.test/record/1")
    repository.put(1, dc("Page", page))
    repository.put(2, dc("Text", named("https://library.test/a.mp3"), kind="Text"))
    repository.put(3, None)
    repository.put(4, dc("Scan", named("https://library.test/a.jpg", "ftp://library.test/a.mp3")))
    repository.put(5, dc("Secret", named("https://u:w@library.test/a.mp3", "http://[/a.mp3")))
    repository.put(6, dc("", named("https://library.test/a.mp3")))
    assert offers(tmp_path, url) == []


def test_encodings_are_one_track_and_parts_are_several(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    at = "https://library.test"
    files = [f"{at}/wav/tape1.wav", f"{at}/mp3/tape1.mp3", f"{at}/wav/tape1.wav"]
    repository.put(1, dc("Talk", named(*files[:1]), named(*files[1:], field="relation")))
    repository.put(2, dc("Tapes", named(f"{at}/t/A.mp3", f"{at}/t/B.mp3", f"{at}/t/B.wav")))
    repository.put(3, dc("Parts", named(f"{at}/get.mp3?id=1", f"{at}/get.mp3?id=2")))
    found = offers(tmp_path, url)
    assert [(x.own_id, x.title, x.album, x.track_number) for x in found] == [
        ("oai:test:0001", "Talk", "", None),
        ("oai:test:0001", "Talk", "", None),
        ("oai:test:0002#A", "Tapes (1)", "Tapes", 1),
        ("oai:test:0002#B", "Tapes (2)", "Tapes", 2),
        ("oai:test:0002#B", "Tapes (2)", "Tapes", 2),
        ("oai:test:0003#get?id=1", "Parts (1)", "Parts", 1),
        ("oai:test:0003#get?id=2", "Parts (2)", "Parts", 2),
    ]
    assert [each.lossless for each in found[:2]] == [True, False]


def test_files_of_one_name_in_several_folders_are_parts(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    at = "https://library.test/box"
    files = [f"{at}/disc{disc}/{name}" for disc in (1, 2) for name in ("01.flac", "01.mp3")]
    repository.put(1, dc("Box", named(*files, f"{at}/disc1/02.flac")))
    found = offers(tmp_path, url)
    assert [(x.own_id.partition("#")[2], x.track_number) for x in found] == [
        ("box/disc1/01", 1), ("box/disc1/01", 1), ("box/disc2/01", 2), ("box/disc2/01", 2),
        ("02", 3),
    ]  # fmt: skip


def test_a_link_without_a_suffix_is_looked_at_where_the_format_is_sound(
    tmp_path: Path, repository: Repository, url: str, host: Host
) -> None:
    host.files = {"/get/1": b"ID3 and more", "/page/1": b"<!doctype html><p>A song", "/none": b""}
    links = [f"{host.address}{path}" for path in ("/page/1", "/get/1", "/none", "/gone", "/x.pdf")]
    audio = "<dc:format>audio/mpeg</dc:format>"
    repository.put(1, dc("Song", named(*links), audio))
    repository.put(2, dc("Song", named(*links)))
    repository.put(3, dc("Song", named(f"{host.address}/a.ogg", links[1]), audio))
    found = [each.path.decode() for each in offers(tmp_path, url)]
    assert found == [links[1], f"{host.address}/a.ogg"]
    assert host.paths() == ["/page/1", "/get/1", "/none", "/gone"]


def test_a_link_to_a_host_that_is_down_is_tried_when_it_is_captured(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    with serving(Host()) as gone:
        pass
    repository.put(1, dc("Song", named(f"{gone}/1"), "<dc:format>audio/mpeg</dc:format>"))
    assert [each.path for each in offers(tmp_path, url)] == [f"{gone}/1".encode()]


def test_mods_say_where_their_file_is(tmp_path: Path, repository: Repository, url: str) -> None:
    repository.put(
        1,
        '<mods xmlns="http://www.loc.gov/mods/v3"><titleInfo><title>Song</title></titleInfo>'
        "<typeOfResource>sound recording-musical</typeOfResource><location>"
        "<url>https://library.test/1</url><url>https://library.test/1.flac</url></location></mods>",
    )
    found = offers(tmp_path, f"{url}?metadataPrefix=mods&amp;set=sound".replace("&amp;", "&"))
    assert [each.path for each in found] == [b"https://library.test/1.flac"]
    lists = [each for each in repository.asked if each["verb"] == "ListRecords"]
    assert lists[0] == {"verb": "ListRecords", "metadataPrefix": "mods", "set": "sound"}


def test_a_listing_asks_only_for_what_has_changed_and_the_last_version_counts(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    for number in range(25):
        repository.put(number, dc(f"Song {number}", named(f"https://library.test/{number}.mp3")))
    assert len(offers(tmp_path, url)) == 25
    repository.asked.clear()
    repository.put(
        3, dc("Song", named("https://library.test/3.flac")), stamp="2024-06-02T00:00:00Z"
    )
    repository.put(4, None, stamp="2024-06-02T00:00:00Z")
    found = offers(tmp_path, url)
    assert len(found) == 24
    assert [each.path for each in found if each.own_id == "oai:test:0003"] == [
        b"https://library.test/3.flac"
    ]
    assert [each.get("from") for each in repository.asked] == ["2024-06-01T00:00:00Z"]


def test_a_harvest_that_stops_is_told_and_goes_on(
    tmp_path: Path, repository: Repository, url: str
) -> None:
    for number in range(25):
        repository.put(number, dc(f"Song {number}", named(f"https://library.test/{number}.mp3")))
    repository.faults = [lambda _: None, lambda _: None, *[lambda _: (500, {}, b"")] * 9]
    with pytest.raises(InputError, match=r"answers 500 .run the same command again later"):
        offers(tmp_path, url)
    repository.faults = []
    assert len(offers(tmp_path, url)) == 25
    asked = [each.get("resumptionToken") for each in repository.asked if "from" not in each]
    assert asked.count("0|20|") == 1


@pytest.mark.parametrize(
    ("robots", "asked"), [(True, 0), (False, 2)]
)  # fmt: skip
def test_rules_hold_for_the_harvest_too(
    tmp_path: Path, repository: Repository, url: str, robots: bool, asked: int
) -> None:
    repository.robots = (200, {}, b"User-agent: *\nDisallow: /")
    repository.put(1, dc("Song", named("https://library.test/1.mp3")))
    if robots:
        with pytest.raises(InputError, match="forbids it to programmes"):
            offers(tmp_path, url)
    else:
        assert len(offers(tmp_path, url, robots=False)) == 1
    assert len(repository.asked) == asked


def test_private_repositories_are_for_who_allows_them(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="lies in a private network"):
        offers(tmp_path, url, private=False)


def test_files_are_opened_as_sound(
    tmp_path: Path, repository: Repository, url: str, host: Host
) -> None:
    host.files = {"/1.mp3": b"ID3", "/2.mp3": b"<html>Moved"}
    links = [f"{host.address}/{number}.mp3" for number in (1, 2)]
    repository.put(1, dc("Song", named(links[0])))
    made = Source(
        name="lib", kind="oai", location=url, rights=BY,
        politeness=Politeness(private=True, per_second=1000),
    )  # fmt: skip
    source = open_source(made, tmp_path)
    (found,) = source.offers()
    assert source.limit(found.path).host == host.address.removeprefix("http://")
    with source.open(Wanted(found.path)) as stream:
        assert b"".join(stream.chunks) == b"ID3"
    with (
        source.open(Wanted(links[1].encode())) as stream,
        pytest.raises(SourceError, match="a web page instead of sound"),
    ):
        list(stream.chunks)
    source.close()


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://library.test/oai?verb=Identify", "has 'verb' in it .after the base URL stand"),
        ("https://u:w@library.test/oai", "carries a password"),
        ("library.test/oai", "is no web address"),
    ],
)
def test_a_location_that_is_none_is_refused(location: str, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        wanted(location)


@pytest.mark.real
def test_a_real_archive_of_speech_is_offered_file_by_file(
    data: Path,
    tmp_path: Path,
    repository: Repository,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """LACITO's recordings, as their records say where they are. One address has lost the dot of its
    suffix; the host cannot be asked here, so that it is left to the capture."""
    known = socket.getaddrinfo
    asked: list[str] = []

    def found_here(host: str, *more: Any, **named: Any) -> Any:
        if host == "127.0.0.1":
            return known(host, *more, **named)
        asked.append(host)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", found_here)
    items = real_items(data)
    for number, each in enumerate(items):
        repository.put(number, each)
    found = offers(tmp_path, url)
    assert len(found) == len({each.path for each in found}) == len(items) == 53
    assert all(each.path.startswith(b"http://lacito.vjf.cnrs.fr/") for each in found)
    assert all(each.title and each.artists and each.rights for each in found)
    assert [each.path[-9:] for each in found if not each.lossless] == [b"M5_EGGwav"]
    assert set(asked) == {"lacito.vjf.cnrs.fr"}
    by_nc_nd = ("licence", "http://creativecommons.org/licenses/by-nc-nd/2.5/")
    assert sum(by_nc_nd in each.rights for each in found) == 41
