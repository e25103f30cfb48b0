"""Small functions of pages: words for numbers, links for identifiers, sleeves that are drawn."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from longplay.access.site import browse, identified, sleeves, structured, wording
from longplay.catalogue.layout import EMPTY, Layer, Manifest
from longplay.catalogue.search.showing import Fact

DISCOGS = Layer("discogs", "discogs", "", "", 0, None, {}, ())
MANIFEST = Manifest(1, "2026-11-29T00:00:00Z", {"discogs": DISCOGS}, EMPTY.joins)
MBID = "b1a9c0e9-d987-4042-ae91-78d6a3267d69"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(None, ""), (0, "0:00"), (999, "0:01"), (187_000, "3:07"), (3_723_000, "1:02:03")],
)
def test_lengths_are_told_as_players_do(milliseconds: int | None, text: str) -> None:
    assert wording.clock(milliseconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (4_200_000, "4.2 MB"),
     (123_456_789_012, "123 GB"), (10**19, "10,000 PB")],
)  # fmt: skip
def test_sizes_are_told_with_their_unit(number: int, text: str) -> None:
    assert wording.size(number) == text


@pytest.mark.parametrize(
    ("kind", "field", "value", "name", "href"),
    [
        ("recording", "isrcs", ["GBAYE6300001"], "ISRC",
         "https://musicbrainz.org/isrc/GBAYE6300001"),
        ("recording", "recording_mbid", MBID, "MusicBrainz",
         f"https://musicbrainz.org/recording/{MBID}"),
        ("album", "mbid", MBID, "MusicBrainz", f"https://musicbrainz.org/release/{MBID}"),
        ("artist", "mbid", MBID, "MusicBrainz", f"https://musicbrainz.org/artist/{MBID}"),
        ("album", "own_id", "249504", "Discogs", "https://www.discogs.com/release/249504"),
        ("album", "own_id", "master 96559", "Discogs", "https://www.discogs.com/master/96559"),
        ("recording", "own_id", "249504-3", "Discogs", "https://www.discogs.com/release/249504"),
        ("artist", "own_id", "72872", "Discogs", "https://www.discogs.com/artist/72872"),
        ("artist", "own_id", "../../x", "Discogs", None),
        ("album", "upc", "5099902894225", "Barcode", None),
        ("recording", "isrcs", ['"><script>'], "ISRC",
         "https://musicbrainz.org/isrc/%22%3E%3Cscript%3E"),
    ],
)  # fmt: skip
def test_identifiers_lead_to_who_says_more(
    kind: str, field: str, value: object, name: str, href: str | None
) -> None:
    facts = [Fact(field, value, "discogs", "x"), Fact(field, value, "discogs", "y")]
    (one,) = identified.identifiers(kind, facts, MANIFEST)  # type: ignore[arg-type]
    assert (one.name, one.href) == (name, href)


def test_what_is_said_to_machines_ends_no_script() -> None:
    text = structured.within_script({"name": "</script><!--\u2028&"})
    assert not set("<>&\u2028") & set(text)


@pytest.mark.parametrize("years", ["196", "1960ss", "soon", "", "١٩٦٠", "-960", "19600"])
def test_years_that_are_none_narrow_nothing(years: str) -> None:
    assert browse.span(years) == (None, None)


def test_years_and_decades() -> None:
    assert browse.span("1968") == (1968, 1968)
    assert browse.span("1960s") == (1960, 1969)
    assert browse.decades([(1959, 1), (1960, 2), (1969, 3)]) == [("1960s", 5), ("1950s", 1)]


def test_a_drawn_sleeve_follows_from_the_id_and_says_nothing_of_it() -> None:
    drawn = {sleeves.drawn(f"al{number}") for number in range(60)}
    assert len(drawn) == 60
    for text in drawn:
        assert ET.fromstring(text).tag.endswith("svg")
    hostile = '"><script>alert(1)</script>\ud800'
    assert sleeves.drawn(hostile) == sleeves.drawn(hostile)
    assert "script" not in sleeves.drawn(hostile)
