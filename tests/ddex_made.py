"""Deliveries made for tests: ERN 4.3 and 3.8.2 messages of a label that does not exist."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape as xml

FREE = "<CommercialModelType>FreeOfChargeModel</CommercialModelType>"
STREAM = "<UseType>OnDemandStream</UseType>"
RELEASE = '<UseType Namespace="Longplay" UserDefinedValue="Release">UserDefined</UseType>'
WORLD = "<TerritoryCode>Worldwide</TerritoryCode>"
SINCE = "<ValidityPeriod><StartDate>2020-01-01</StartDate></ValidityPeriod>"
ENDED = SINCE.replace("</V", "<EndDate>2020-12-31</EndDate></V")
OPEN = WORLD + SINCE + FREE + STREAM + RELEASE
"""Terms that permit to hand a recording on to everybody."""

SALE = WORLD + SINCE + FREE.replace("FreeOfCharge", "PayAsYouGo") + STREAM
"""Terms of a shop, of which an archive has nothing."""


@dataclass
class Recording:
    """One recording of a made release; `name` as the message spells it."""

    number: int
    isrc: str
    title: str = ""
    name: str = ""
    body: bytes = b""
    hash_sum: str | None = None
    """The HashSum's value; None for the right MD5, empty for none."""

    def file(self) -> str:
        return self.name or f"resources/{self.number:02}.flac"

    def proof(self) -> str:
        value = hashlib.md5(self.body).hexdigest() if self.hash_sum is None else self.hash_sum
        if not value:
            return ""
        return f"<HashSum><Algorithm>MD5</Algorithm><HashSumValue>{value}</HashSumValue></HashSum>"


@dataclass
class Delivery:
    """A release of a label, delivered: `terms` of each of its deals; none takes it down."""

    icpn: str = "0720642442524"
    title: str = "First"
    message: str = "m1"
    created: str = "2026-01-02T10:00:00+00:00"
    terms: Sequence[str] = (OPEN,)
    recordings: list[Recording] = field(default_factory=list)
    cover: bytes = b""
    namespace: str = "http://ddex.net/xml/ern/43"
    control: str = "LiveMessage"

    def xml(self) -> str:
        """The message."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<ern:NewReleaseMessage xmlns:ern="{self.namespace}" ReleaseProfileVersionId="Audio"'
            ' LanguageAndScriptCode="en" AvsVersionId="9">\n'
            f"{self.header()}{PARTIES}"
            f"<ResourceList>{''.join(map(self._recording, self.recordings))}"
            f"{self._cover()}</ResourceList>\n"
            f"<ReleaseList>{self._release()}</ReleaseList>\n{self._deals()}"
            "</ern:NewReleaseMessage>\n"
        )

    def header(self) -> str:
        return (
            f"<MessageHeader><MessageId>{self.message}</MessageId>"
            "<MessageSender><PartyId>PADPIDA2026000001A</PartyId>"
            "<PartyName><FullName>Made-up Records</FullName></PartyName></MessageSender>"
            "<MessageRecipient><PartyId>PADPIDA2026000002B</PartyId></MessageRecipient>"
            f"<MessageCreatedDateTime>{self.created}</MessageCreatedDateTime>"
            f"<MessageControlType>{self.control}</MessageControlType></MessageHeader>\n"
        )

    def purge(self) -> str:
        """A message that purges the release."""
        return (
            f'<ern:PurgeReleaseMessage xmlns:ern="{self.namespace}" AvsVersionId="9"'
            f' LanguageAndScriptCode="en">{self.header()}<PurgedRelease><ReleaseId>'
            f"<ICPN>{self.icpn}</ICPN></ReleaseId></PurgedRelease></ern:PurgeReleaseMessage>"
        )

    def write(self, folder: Path, name: str = "") -> Path:
        """Put the message and its files into `folder`; returns the message's path."""
        (folder / "resources").mkdir(parents=True, exist_ok=True)
        path = folder / f"{name or self.icpn}.xml"
        path.write_text(self.xml(), encoding="utf-8")
        for one in self.recordings:
            if one.body:
                (folder / one.file()).write_bytes(one.body)
        if self.cover:
            (folder / "resources" / "cover.png").write_bytes(self.cover)
        return path

    def _recording(self, one: Recording) -> str:
        title = xml(one.title or f"Piece {one.number}")
        return (
            f"<SoundRecording><ResourceReference>A{one.number}</ResourceReference>"
            "<Type>MusicalWorkSoundRecording</Type>"
            f"<SoundRecordingEdition><ResourceId><ISRC>{one.isrc}</ISRC></ResourceId>"
            "<PLine><Year>2026</Year><PLineText>2026 Made-up Records</PLineText></PLine>"
            "<TechnicalDetails><TechnicalResourceDetailsReference>T1"
            "</TechnicalResourceDetailsReference><DeliveryFile><Type>AudioFile</Type>"
            "<AudioCodecType>FLAC</AudioCodecType>"
            f"<File><URI>{xml(one.file())}</URI>{one.proof()}</File></DeliveryFile>"
            "</TechnicalDetails></SoundRecordingEdition>"
            f"<DisplayTitleText>{title}</DisplayTitleText>"
            f"<DisplayTitle><TitleText>{title}</TitleText></DisplayTitle>"
            "<DisplayArtistName>Ann feat. Bob</DisplayArtistName>"
            '<DisplayArtist SequenceNumber="1"><ArtistPartyReference>PAnn</ArtistPartyReference>'
            "<DisplayArtistRole>MainArtist</DisplayArtistRole></DisplayArtist>"
            '<DisplayArtist SequenceNumber="2"><ArtistPartyReference>PBob</ArtistPartyReference>'
            "<DisplayArtistRole>FeaturedArtist</DisplayArtistRole></DisplayArtist>"
            "<Duration>PT1M2.5S</Duration><ParentalWarningType>NotExplicit</ParentalWarningType>"
            "</SoundRecording>\n"
        )

    def _cover(self) -> str:
        if not self.cover:
            return ""
        return (
            "<Image><ResourceReference>A99</ResourceReference><Type>FrontCoverImage</Type>"
            "<ResourceId><ProprietaryId Namespace='PADPIDA2026000001A'>C1</ProprietaryId>"
            "</ResourceId><TechnicalDetails><TechnicalResourceDetailsReference>T99"
            "</TechnicalResourceDetailsReference><File><URI>resources/cover.png</URI></File>"
            "</TechnicalDetails></Image>\n"
        )

    def _release(self) -> str:
        items = "".join(
            f"<ResourceGroupContentItem><SequenceNumber>{one.number}</SequenceNumber>"
            f"<ReleaseResourceReference>A{one.number}</ReleaseResourceReference>"
            "</ResourceGroupContentItem>"
            for one in self.recordings
        )
        linked = (
            "<LinkedReleaseResourceReference>A99</LinkedReleaseResourceReference>"
            if self.cover
            else ""
        )
        tracks = "".join(
            f"<TrackRelease><ReleaseReference>R{one.number}</ReleaseReference><ReleaseId>"
            f"<ProprietaryId Namespace='PADPIDA2026000001A'>{self.icpn}-{one.number}"
            "</ProprietaryId></ReleaseId>"
            f"<ReleaseResourceReference>A{one.number}</ReleaseResourceReference>"
            "<ReleaseLabelReference>PLabel</ReleaseLabelReference>"
            "<Genre><GenreText>Folk</GenreText></Genre></TrackRelease>"
            for one in self.recordings
        )
        return (
            "<Release><ReleaseReference>R0</ReleaseReference><ReleaseType>Album</ReleaseType>"
            f"<ReleaseId><ICPN>{self.icpn}</ICPN></ReleaseId>"
            f"<DisplayTitleText>{self.title}</DisplayTitleText>"
            f"<DisplayTitle><TitleText>{self.title}</TitleText></DisplayTitle>"
            "<DisplayArtistName>Ann</DisplayArtistName>"
            '<DisplayArtist SequenceNumber="1"><ArtistPartyReference>PAnn</ArtistPartyReference>'
            "<DisplayArtistRole>MainArtist</DisplayArtistRole></DisplayArtist>"
            "<ReleaseLabelReference>PLabel</ReleaseLabelReference>"
            "<CLine><Year>2026</Year><CLineText>2026 Made-up Records</CLineText></CLine>"
            "<Genre><GenreText>Folk</GenreText></Genre><ReleaseDate>2026-03-01</ReleaseDate>"
            "<ParentalWarningType>NotExplicit</ParentalWarningType>"
            f"<ResourceGroup>{items}{linked}</ResourceGroup></Release>{tracks}"
        )

    def _deals(self) -> str:
        if not self.terms:
            return ""
        deals = "".join(f"<Deal><DealTerms>{one}</DealTerms></Deal>" for one in self.terms)
        return (
            "<DealList><ReleaseDeal><DealReleaseReference>R0</DealReleaseReference>"
            f"{deals}</ReleaseDeal></DealList>\n"
        )


PARTIES = (
    "<PartyList>"
    + "".join(
        f"<Party><PartyReference>{reference}</PartyReference>"
        f"<PartyName><FullName>{name}</FullName></PartyName></Party>"
        for reference, name in (("PAnn", "Ann"), ("PBob", "Bob"), ("PLabel", "Made-up Records"))
    )
    + "</PartyList>\n"
)


def two() -> list[Recording]:
    """Two recordings, with bytes that are no sound."""
    return [Recording(1, "QZLP02600001", body=b"one"), Recording(2, "QZLP02600002", body=b"two")]
