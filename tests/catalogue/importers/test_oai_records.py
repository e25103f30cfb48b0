"""Records of sound out of Dublin Core and MODS, and what cataloguers write in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.catalogue.importers.oai import dates, records, replies
from longplay.catalogue.importers.oai.records import Item
from longplay.errors import InputError
from tests.catalogue.importers.repository import Repository, dc, real_items


def item(metadata: str | None) -> Item:
    repository = Repository()
    repository.put(1, metadata)
    body = repository.answer({"verb": "ListRecords"})[2]
    return replies.read(body, "page", records.item)[1][0]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1999", "1999"),
        ("1999-05", "1999-05"),
        ("1999-05-01", "1999-05-01"),
        ("1999-05-01T12:00:00Z", "1999-05-01"),
        ("19990501", "1999-05-01"),
        ("1 May 1999", "1999-05-01"),
        ("May 1, 1999", "1999-05-01"),
        ("Sept. 1999", "1999-09"),
        ("c1967", "1967"),
        ("©1967.", "1967"),
        ("℗ 1967", "1967"),
        ("[1967?]", "1967"),
        ("ca. 1967", "1967"),
        ("05/01/1999", "1999"),
        ("recorded 1962 in Paris", "1962"),
        ("١٩٩٩-٠٥", "1999-05"),
        ("１９９９", "1999"),
        ("१९६०-१९६९", None),
        ("[19--]", None),
        ("196-?", None),
        ("1960s", None),
        ("1960-1969", None),
        ("between 1960 and 1969", None),
        ("1999-13", None),
        ("0001", None),
        ("n.d.", None),
        ("19e siècle", None),
        ("", None),
    ],
)
def test_dates(text: str, wanted: str | None) -> None:
    assert dates.release_date(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("PT6M42S", 402_000),
        ("PT1H", 3_600_000),
        ("3:20", 200_000),
        ("01:02:03", 3_723_000),
        ("1 sound file (3 min., 20 sec.)", 200_000),
        ("1 audio disc (1 hr., 2 min.) : digital", 3_720_000),
        ("٣:٢٠", 200_000),
        ("P6M", None),
        ("PT", None),
        ("audio/wav", None),
        ("2 sound discs (78 rpm)", None),
    ],
)
def test_durations(text: str, wanted: int | None) -> None:
    assert dates.duration_ms(text) == wanted


@given(st.text(max_size=60))
def test_no_text_breaks_a_date_a_duration_or_a_name(text: str) -> None:
    date = dates.release_date(text)
    assert date is None or 1850 <= int(date[:4]) <= 2100
    duration = dates.duration_ms(text)
    assert duration is None or 0 < duration < 2**31
    assert bool(records.upright(text)) == bool(text.strip())


@pytest.mark.parametrize(
    ("written", "upright"),
    [
        ("Beethoven, Ludwig van, 1770-1827", "Ludwig van Beethoven"),
        ("Caruso, Enrico (1873-1921)", "Enrico Caruso"),
        ("Armstrong, Louis, 1901-1971 (performer)", "Louis Armstrong"),
        ("Smith, J., b. 1950", "J. Smith"),
        ("Earth, Wind & Fire", "Earth, Wind & Fire"),
        ("Crosby, Stills, Nash", "Crosby, Stills, Nash"),
        ("Tyler, the Creator", "Tyler, the Creator"),
        ("The 1975", "The 1975"),
        ("某人", "某人"),
    ],
)
def test_names_stand_upright(written: str, upright: str) -> None:
    assert records.upright(written) == upright


@pytest.mark.parametrize(
    ("kind", "sound"),
    [
        ("Sound", True),
        ("http://purl.org/dc/dcmitype/Sound", True),
        ("sound recording-nonmusical", True),
        ("http://purl.org/coar/resource_type/c_18cc", True),
        ("Enregistrement sonore", True),
        ("text", False),
        ("info:eu-repo/semantics/article", False),
        ("MovingImage", False),
        ("Soundtrack score", False),
    ],
)
def test_only_sound_becomes_a_track(kind: str, sound: bool) -> None:
    found = item(dc("Something", kind=kind))
    assert found.problem == (None if sound else "is not sound")


def test_dublin_core() -> None:
    found = item(
        dc(
            "  Song\n of  Songs ",
            "<dc:title>Another title</dc:title>",
            "<dc:creator>Doe, Jane</dc:creator><dc:creator>Doe, Jane</dc:creator>",
            "<dc:contributor>An Engineer</dc:contributor>",
            "<dc:publisher>A Label</dc:publisher>",
            "<dc:date>[19--]</dc:date><dcterms:issued>c1967</dcterms:issued>",
            "<dcterms:extent>PT3M20S</dcterms:extent><dc:format>audio/flac</dc:format>",
            "<dc:identifier>urn:isrc:DE-A61-93-00020</dc:identifier>",
            "<dc:identifier>http://example.org/1</dc:identifier>",
            "<dcterms:license>https://creativecommons.org/licenses/by/4.0/</dcterms:license>",
            "<dc:rights>Free to use</dc:rights>",
            "<dc:relation>https://example.org/1.flac</dc:relation>",
            "<dcterms:hasPart>see HTTP://example.org/2.flac</dcterms:hasPart>",
        )
    )
    assert found == Item(
        "oai:test:0001",
        title="Song of Songs",
        artists=["Jane Doe"],
        duration_ms=200_000,
        isrcs=["urn:isrc:DE-A61-93-00020"],
        label="A Label",
        release_date="1967",
        rights=["https://creativecommons.org/licenses/by/4.0/", "Free to use"],
        links=["http://example.org/1", "https://example.org/1.flac"],
        audio=True,
    )


MODS = """<mods xmlns="http://www.loc.gov/mods/v3" xmlns:xlink="http://www.w3.org/1999/xlink">
<titleInfo type="alternative"><title>Wrong</title></titleInfo>
<titleInfo><nonSort>The</nonSort><title>Song</title><subTitle>live</subTitle></titleInfo>
<name type="personal"><namePart type="family">Doe</namePart><namePart type="given">Jane</namePart>
 <namePart type="date">1900-1980</namePart><role><roleTerm>Performer.</roleTerm></role></name>
<name type="corporate"><namePart>Smith, Jones</namePart>
 <role><roleTerm type="code">prf</roleTerm></role></name>
<name type="personal"><namePart>Writer, A.</namePart>
 <role><roleTerm>composer</roleTerm></role></name>
<typeOfResource>sound recording-musical</typeOfResource><genre>jazz</genre>
<originInfo><publisher>A Label</publisher><dateCreated>1950</dateCreated>
 <dateIssued keyDate="yes">[1951]</dateIssued></originInfo>
<physicalDescription><extent>1 file (3:20)</extent></physicalDescription>
<relatedItem type="host"><titleInfo><title>An Album</title></titleInfo></relatedItem>
<identifier type="isrc">DEA619300020</identifier><identifier type="upc">036000291452</identifier>
<location><url>https://example.org/1</url><physicalLocation>shelf</physicalLocation></location>
<identifier type="uri">https://example.org/1.flac</identifier>
<accessCondition xlink:href="http://rightsstatements.org/vocab/InC/1.0/">(c)</accessCondition>
</mods>"""


def test_mods() -> None:
    assert item(MODS) == Item(
        "oai:test:0001",
        title="The Song: live",
        artists=["Jane Doe", "Smith, Jones"],
        album="An Album",
        duration_ms=200_000,
        isrcs=["DEA619300020"],
        upc="036000291452",
        label="A Label",
        release_date="1951",
        genres=["jazz"],
        rights=["http://rightsstatements.org/vocab/InC/1.0/"],
        links=["https://example.org/1", "https://example.org/1.flac"],
    )
    assert item(MODS.replace("sound recording-musical", "notated music")).problem == "is not sound"


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        (None, "was deleted at its source"),
        ("<!-- nothing -->", "has no metadata"),
        (dc("  "), "has no title"),
        ("<x xmlns='urn:x'>y</x>", "is not sound"),
    ],
)
def test_what_is_no_track_says_why(metadata: str | None, problem: str) -> None:
    assert item(metadata).problem == problem


def test_a_record_inside_a_record_is_not_one_of_the_lists() -> None:
    repository = Repository()
    repository.put(1, "<record xmlns='http://www.loc.gov/MARC21/slim'><leader/></record>")
    body = repository.answer({"verb": "ListRecords"})[2]
    assert len(replies.read(body, "page", records.item)[1]) == 1


def test_bad_bytes_do_not_double_the_records_before_them() -> None:
    repository = Repository()
    for number in range(3):
        repository.put(number, dc(f"Café {number}"))
    body = repository.answer({"verb": "ListRecords"})[2]
    broken = body.replace("Café 2".encode(), b"Caf\xe9 \x01 &#0; &#x41; 2")
    found = replies.read(broken, "page", records.item)[1]
    assert [each.title for each in found] == ["Café 0", "Café 1", "Caf\ufffd A 2"]


@pytest.mark.real
def test_the_sample_replies(data: Path) -> None:
    folder = data / "formats" / "oai-pmh" / "sickle"
    told, rows = {}, {}
    for path in sorted(folder.glob("*.xml")):
        try:
            reply, found = replies.read(path.read_bytes(), path.name, records.item)
        except InputError as error:
            told[path.stem] = str(error)
            continue
        rows[path.stem] = [each.problem for each in found]
        told[path.stem] = reply.error
    assert told.pop("ListRecordsBroken").startswith("ListRecordsBroken.xml: is not well-formed")
    named = [name for name, error in told.items() if error]
    assert named == [
        "badArgument", "badResumptionToken", "cannotDisseminateFormat", "idDoesNotExist",
        "noRecordsMatch", "noSetHierarchy", "undefinedError",
    ]  # fmt: skip
    assert all(told[name] == name for name in named)
    assert rows["ListRecords"] == ["was deleted at its source", "is not sound"]
    assert rows["ListRecords4"] == ["has no identifier", "is not sound"]
    assert rows["GetRecord_utf8test"] == ["is not sound"]
    assert not rows["ListSets"]


@pytest.mark.real
def test_real_records_of_recorded_speech(data: Path) -> None:
    """The archive's own wrapper stands around Dublin Core: qualified, with roles."""
    repository = Repository(page=10_000)
    for number, each in enumerate(real_items(data)):
        repository.put(number, each)
    body = repository.answer({"verb": "ListRecords"})[2]
    found = replies.read(body, "page", records.item)[1]
    assert len(found) == 53
    sound = [each for each in found if each.problem is None]
    assert len(sound) > len(found) // 2
    first = sound[0]
    assert (first.title, first.duration_ms, first.release_date) == (
        "Tone : H1. Chunks 1 to 100 (2011-10-03)", 402_000, "2011-10-03",
    )  # fmt: skip
    assert first.artists == ["LATAMI Dashi-Lame"]
    assert first.rights[0] == "http://creativecommons.org/licenses/by-nc-nd/2.5/"
