"""Deals of DDEX messages: what they let an archive do, never more than they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from longplay.errors import RightsError
from longplay.rights.ddex import Deal, read_deals
from longplay.rights.territories import TERRITORIES

MESSAGE = """<?xml version="1.0" encoding="UTF-8"?>
<ern:NewReleaseMessage xmlns:ern="http://ddex.net/xml/ern/43">
 <ResourceList><SoundRecording><ResourceReference>A1</ResourceReference>
  <SoundRecordingEdition><ResourceId><ISRC>QZTST2600001</ISRC></ResourceId></SoundRecordingEdition>
 </SoundRecording></ResourceList>
 <ReleaseList><Release><ReleaseReference>R0</ReleaseReference><ResourceGroup>
  <ReleaseResourceReference>A1</ReleaseResourceReference></ResourceGroup></Release></ReleaseList>
 <DealList><ReleaseDeal><DealReleaseReference>R0</DealReleaseReference>
  <Deal><DealTerms>{terms}</DealTerms></Deal></ReleaseDeal></DealList>
</ern:NewReleaseMessage>
"""
FREE = "<CommercialModelType>FreeOfChargeModel</CommercialModelType>"
STREAM = "<Usage><UseType>OnDemandStream</UseType></Usage>"
WORLD = "<TerritoryCode>Worldwide</TerritoryCode>"


def deal(folder: Path, terms: str) -> Deal:
    path = folder / "message.xml"
    path.write_text(MESSAGE.format(terms=terms))
    (found,) = read_deals(path)
    assert found.isrc == "QZTST2600001"
    return found


@pytest.mark.parametrize(
    ("terms", "uses"),
    [
        (FREE + STREAM + WORLD, ("stream",)),
        (FREE + "<UseType>PermanentDownload</UseType>" + STREAM + WORLD, ("download", "stream")),
        (FREE + "<UseType>NonInteractiveStream</UseType>" + WORLD, ("describe",)),
        (FREE.replace("FreeOfCharge", "Subscription") + STREAM + WORLD, ("describe",)),
        (FREE + FREE.replace("FreeOfCharge", "PayAsYouGo") + STREAM + WORLD, ("describe",)),
        (STREAM + WORLD, ("describe",)),
        (FREE + STREAM, ("describe",)),
        (FREE + STREAM + "<TerritoryCode>2113</TerritoryCode>", ("describe",)),
        (FREE + STREAM + WORLD + "<TakeDown>true</TakeDown>", ("describe",)),
        (FREE + STREAM + WORLD
         + "<ValidityPeriod><EndDate>soon</EndDate></ValidityPeriod>", ("describe",)),
    ],
)  # fmt: skip
def test_only_what_is_free_and_understood_permits(
    tmp_path: Path, terms: str, uses: tuple[str, ...]
) -> None:
    assert deal(tmp_path, terms).uses == uses


def test_borders_and_days(tmp_path: Path) -> None:
    period = (
        "<ValidityPeriod><StartDateTime>2026-01-01T10:00:00</StartDateTime>"
        "<EndDateTime>2026-12-31T10:00:00Z</EndDateTime></ValidityPeriod>"
    )
    two = "<TerritoryCode>DE</TerritoryCode><TerritoryCode>AT</TerritoryCode>"
    found = deal(tmp_path, FREE + STREAM + two + period)
    assert (found.territories, found.start, found.end) == (("AT", "DE"), "2026-01-02", "2026-12-30")
    days = "<ValidityPeriod><StartDate>2026-01-01</StartDate><EndDate>2026-12-31</EndDate></ValidityPeriod>"  # noqa: E501
    found = deal(tmp_path, FREE + STREAM + WORLD + days)
    assert (found.territories, found.start, found.end) == ((), "2026-01-01", "2026-12-31")
    but = "<ExcludedTerritoryCode>US</ExcludedTerritoryCode>"
    assert set(deal(tmp_path, FREE + STREAM + but).territories) == TERRITORIES - {"US"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no XML"),
        ("not XML", "is no XML"),
        ("<a><b></a>", "is no XML"),
        ("<rss/>", "no message of releases, but 'rss'"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><NewRelease>&x;</NewRelease>',
         "no message of releases"),
        ("<a>" * 5000, "is no XML"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "odd.xml").write_text(text)
    with pytest.raises(RightsError, match=words) as caught:
        read_deals(tmp_path / "odd.xml")
    assert "\n" not in str(caught.value)


def test_no_entity_is_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("QZTST2600009")
    text = MESSAGE.format(terms=FREE + STREAM + WORLD).replace("QZTST2600001", "&x;")
    entity = f'<!DOCTYPE x [<!ENTITY x SYSTEM "file://{secret}">]>\n<ern:New'
    (tmp_path / "message.xml").write_text(text.replace("<ern:New", entity, 1))
    assert read_deals(tmp_path / "message.xml") == []


@pytest.mark.real
def test_real_messages_open_what_is_free_alone(data: Path) -> None:
    permitted, counted = {}, 0
    for path in sorted((data / "formats" / "ddex").rglob("*.xml")):
        try:
            found = read_deals(path)
        except RightsError:
            continue
        counted += len(found)
        for one in found:
            if one.uses != ("describe",):
                permitted.setdefault(path.name, set()).add((one.isrc, *one.uses))
                assert one.words.startswith("FreeOfChargeModel")
    assert counted > 1000
    assert ("USRC12345678", "download", "stream") in permitted["track_basic.xml"]
