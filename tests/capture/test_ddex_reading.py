"""Reading DDEX messages: what they say, what is told of them, and what damage can do: nothing."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longplay.capture.sources.ddex import reading
from longplay.capture.sources.ddex.contents import Message
from longplay.capture.sources.ddex.reading import MAX_PROBLEMS, NoMessageError
from longplay.errors import InputError, LongplayError
from longplay.model import Kind
from tests.ddex_made import OPEN, Delivery, Recording, two

GOOD = Delivery(recordings=two(), cover=b"art")
NESTED = "<Image>" * 70 + "</Image>" * 70


def read(folder: Path, text: str | bytes) -> Message:
    path = folder / "message.xml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return reading.read(path, "message.xml")


def told(message: Message) -> list[str]:
    return [str(one) for one in message.problems]


def test_a_message_of_4_3(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD.xml())
    assert told(found) == []
    assert (found.version, found.sender, found.sender_name, found.test) == (
        "4.3", "PADPIDA2026000001A", "Made-up Records", False,
    )  # fmt: skip
    assert found.key == "m1 from PADPIDA2026000001A of 2026-01-02T10:00:00+00:00"
    (release,) = found.main
    assert (release.ids, release.title, release.artists, release.label) == (
        ("icpn:00720642442524",), "First", ("Ann",), "Made-up Records",
    )  # fmt: skip
    assert (release.date, release.genres) == ("2026-03-01", ("Folk",))
    assert release.lines == (("copyright", "© 2026 Made-up Records"),)
    assert [(it.resource, it.track) for it in release.places] == [
        ("A1", 1), ("A2", 2), ("A99", None),
    ]  # fmt: skip
    sound = found.resources["A1"]
    assert (sound.title, sound.artists, sound.duration_ms) == ("Piece 1", ("Ann", "Bob"), 62_500)
    assert sound.lines == (("phonographic", "℗ 2026 Made-up Records"),)
    (edition,) = sound.editions
    assert (edition.own, edition.isrc) == ("isrc:QZLP02600001", "QZLP02600001")
    (file,) = edition.files
    assert (file.name, file.codec) == ("resources/01.flac", "flac")
    assert file.checksum == "md5:f97c5d29941bfb1b2fdab0874906ab82"
    assert found.resources["A99"].kind is Kind.IMAGE
    assert len(found.deals_for(release, "A1")) == 1


def test_a_deal_about_a_track_is_about_its_recording_alone(tmp_path: Path) -> None:
    text = GOOD.xml().replace("<DealReleaseReference>R0<", "<DealReleaseReference>R2<")
    found = read(tmp_path, text)
    (release,) = found.main
    assert [len(found.deals_for(release, one)) for one in ("A1", "A2", "")] == [0, 1, 0]


def test_a_deal_about_a_clip_is_about_no_recording(tmp_path: Path) -> None:
    clip = "<ClipRelease><ReleaseReference>R8</ReleaseReference></ClipRelease></ReleaseList>"
    text = GOOD.xml().replace("</ReleaseList>", clip)
    found = read(tmp_path, text.replace("<DealReleaseReference>R0<", "<DealReleaseReference>R8<"))
    assert told(found) == []
    (release,) = found.main
    assert [found.deals_for(release, one) for one in ("A1", "A2", "")] == [(), (), ()]


@pytest.mark.parametrize(
    ("said", "length", "number"),
    [
        ("PT596H31M23.647S", None, 1),
        ("PT99H59M59.999S", 359_999_999, 99_999),
        ("PT100H", None, "0000000000000000099999999999"),
        ("P999999D", None, 100_000),
        ("PT0S", None, 0),
        ("PT1S", 1_000, "0012"),
        ("PT1S", 1_000, "9" * 5_000),
        ("PT1S", 1_000, "\N{SUPERSCRIPT TWO}"),
    ],
)
def test_numbers_that_no_music_has_are_none(
    tmp_path: Path, said: str, length: int | None, number: int | str
) -> None:
    text = GOOD.xml().replace("PT1M2.5S", said)
    first = "<SequenceNumber>1</SequenceNumber>"
    found = read(tmp_path, text.replace(first, first.replace("1", str(number))))
    assert found.resources["A1"].duration_ms == length
    (release,) = found.main
    kept = {1: 1, 99_999: 99_999, "0012": 12}.get(number)
    assert release.places[0].track == kept


OLD = """<?xml version="1.0"?>
<n:NewReleaseMessage xmlns:n="http://ddex.net/xml/ern/382" MessageSchemaVersionId="ern/382">
 <MessageHeader><MessageId>7</MessageId>
  <MessageSender><PartyId>PADPIDA1</PartyId></MessageSender><MessageRecipient/>
  <MessageCreatedDateTime>2026-01-02T10:00:00.5+02:00</MessageCreatedDateTime></MessageHeader>
 <ResourceList><SoundRecording><SoundRecordingId><ISRC>qz-lp0-26-00001</ISRC></SoundRecordingId>
  <ResourceReference>A1</ResourceReference>
  <ReferenceTitle><TitleText>Working title</TitleText></ReferenceTitle>
  <Duration>P0DT0H3M25.5S</Duration>
  <SoundRecordingDetailsByTerritory><TerritoryCode>DE</TerritoryCode>
   <Title TitleType="DisplayTitle"><TitleText>Titel</TitleText></Title>
   <DisplayArtistName>Eine</DisplayArtistName></SoundRecordingDetailsByTerritory>
  <SoundRecordingDetailsByTerritory><TerritoryCode>Worldwide</TerritoryCode>
   <Title TitleType="FormalTitle"><TitleText>Formal</TitleText></Title>
   <Title TitleType="DisplayTitle"><TitleText>Song</TitleText><SubTitle>Live</SubTitle></Title>
   <DisplayArtist SequenceNumber="2"><PartyName><FullName>Bob</FullName></PartyName>
    <ArtistRole>MainArtist</ArtistRole></DisplayArtist>
   <DisplayArtist SequenceNumber="1"><PartyName><FullName>Ann</FullName></PartyName>
    <ArtistRole>MainArtist</ArtistRole></DisplayArtist>
   <DisplayArtist SequenceNumber="3"><PartyName><FullName>Cyd</FullName></PartyName>
    <ArtistRole>Composer</ArtistRole></DisplayArtist>
   <LabelName>Old Label</LabelName>
   <PLine><PLineText>(P) 2026 Old Label</PLineText></PLine>
   <TechnicalSoundRecordingDetails><AudioCodecType>MP3</AudioCodecType>
    <BitRate UnitOfMeasure="kbps">320</BitRate><IsPreview>false</IsPreview>
    <File><FileName>01.mp3</FileName><FilePath>resources/</FilePath>
     <HashSum><HashSum>/TbWWPW9zZvk9yYBnjq5YYTX0hw=</HashSum>
      <HashSumAlgorithmType>SHA-1</HashSumAlgorithmType></HashSum></File>
   </TechnicalSoundRecordingDetails>
   <TechnicalSoundRecordingDetails><IsPreview>true</IsPreview>
    <File><FileName>clip.mp3</FileName></File></TechnicalSoundRecordingDetails>
  </SoundRecordingDetailsByTerritory></SoundRecording></ResourceList>
 <ReleaseList>
  <Release><ReleaseId><ISRC>QZLP02600001</ISRC></ReleaseId>
   <ReleaseReference>R1</ReleaseReference><ReferenceTitle><TitleText>Song</TitleText></ReferenceTitle>
   <ReleaseResourceReferenceList><ReleaseResourceReference>A1</ReleaseResourceReference>
   </ReleaseResourceReferenceList><ReleaseType>TrackRelease</ReleaseType>
   <ReleaseDetailsByTerritory><TerritoryCode>Worldwide</TerritoryCode></ReleaseDetailsByTerritory>
  </Release>
  <Release><ReleaseId><ICPN IsEan="true">4006381333931</ICPN>
    <ProprietaryId Namespace="PADPIDA1">X-1</ProprietaryId></ReleaseId>
   <ReleaseReference>R0</ReleaseReference><ReferenceTitle><TitleText>Album</TitleText></ReferenceTitle>
   <ReleaseResourceReferenceList><ReleaseResourceReference>A1</ReleaseResourceReference>
   </ReleaseResourceReferenceList><ReleaseType>Album</ReleaseType>
   <ReleaseDetailsByTerritory><TerritoryCode>Worldwide</TerritoryCode>
    <DisplayArtistName>Ann and Bob</DisplayArtistName><LabelName>Old Label</LabelName>
    <Genre><GenreText>Folk</GenreText><SubGenre>Indie</SubGenre></Genre>
    <ResourceGroup><ResourceGroup><SequenceNumber>2</SequenceNumber>
     <ResourceGroupContentItem><SequenceNumber>5</SequenceNumber>
      <ReleaseResourceReference>A1</ReleaseResourceReference></ResourceGroupContentItem>
    </ResourceGroup></ResourceGroup></ReleaseDetailsByTerritory>
   <GlobalReleaseDate>2026-02</GlobalReleaseDate></Release></ReleaseList>
</n:NewReleaseMessage>
"""


def test_a_message_of_3_8(tmp_path: Path) -> None:
    found = read(tmp_path, OLD)
    assert (found.version, found.created.isoformat()) == (
        "3.8.2",
        "2026-01-02T08:00:00.500000+00:00",
    )
    (release,) = found.main
    assert release.ids == ("icpn:04006381333931", "proprietaryid:PADPIDA1:X-1")
    assert (release.title, release.artists, release.label, release.date, release.genres) == (
        "Album", ("Ann and Bob",), "Old Label", "2026-02", ("Folk", "Indie"),
    )  # fmt: skip
    (place,) = release.places
    assert (place.disc, place.track) == (2, 5)
    sound = found.resources["A1"]
    assert (sound.title, sound.artists, sound.duration_ms, sound.label) == (
        "Song (Live)", ("Ann", "Bob"), 205_500, "Old Label",
    )  # fmt: skip
    ((file,),) = (one.files for one in sound.editions)
    assert (file.name, file.codec, file.bit_rate) == ("resources/01.mp3", "mp3", 320_000)
    assert file.checksum == "sha1:fd36d658f5bdcd9be4f726019e3ab96184d7d21c"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("<ISRC>QZLP02600002</ISRC>", ""),
         "message.xml line 6: SoundRecording A2 has no ISRC and no ProprietaryId;"
         " every recording needs one"),
        (("<ResourceReference>A2</ResourceReference>", ""),
         "message.xml line 6: SoundRecording QZLP02600002 has no ResourceReference;"
         " give it a reference such as A1"),
        (("<Duration>PT1M2.5S</Duration>", ""),
         "message.xml line 5: SoundRecording A1 has no Duration; say how long it is, as PT3M25S"),
        (("<URI>resources/01.flac</URI>", ""),
         "message.xml line 5: File has no URI or FileName or URL; name the file by its URI"),
        (("f97c5d29941bfb1b2fdab0874906ab82", "12345"),
         "message.xml line 5: SoundRecording A1: HashSum '12345' is no MD5, which has 32"
         " hexadecimal digits; correct it, or leave it out"),
        (("<ReleaseId><ICPN>0720642442524</ICPN></ReleaseId>", ""),
         "message.xml line 9: Release R0 has no ReleaseId;"
         " give it a GRid, an ICPN or a ProprietaryId"),
        (("<DealReleaseReference>R0<", "<DealReleaseReference>R9<"),
         "message.xml line 10: a deal is about R9, which no release is called;"
         " correct DealReleaseReference"),
        (("<ResourceReference>A2<", "<ResourceReference>A1<"),
         "message.xml line 6: two resources are called A1; give each its own reference"),
        (("<MessageId>m1</MessageId>", ""),
         "message.xml line 3: MessageHeader has no MessageId; give each message an id of its own"),
        (("<TerritoryCode>Worldwide</TerritoryCode>", ""),
         "message.xml line 10: DealTerms has no TerritoryCode or ExcludedTerritoryCode;"
         " say where it holds: without a territory it permits nothing here"),
        (("LiveMessage", "TestMessage"),
         "message.xml: is a TestMessage: nothing is done with it;"
         " send it as a LiveMessage when it is meant"),
    ],
)  # fmt: skip
def test_what_is_amiss_is_told_with_its_line(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    text = GOOD.xml()
    assert change[0] in text
    assert words in told(read(tmp_path, text.replace(*change)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "message.xml: is empty"),
        ("not XML", "message.xml line 1: is no XML: Start tag expected"),
        (GOOD.xml().replace("</Release>", ""),
         "message.xml line 9: is no XML: Opening and ending tag mismatch"),
        ("<rss/>", "message.xml: is no message of releases, but 'rss'"),
        ("<CatalogListMessage/>", "which lists what exists and delivers nothing"),
        ("<NewReleaseMessage/>", "message.xml: tells no version"),
        ('<NewReleaseMessage MessageSchemaVersionId="ern/113"/>', "'ern/113', which is not known"),
        ('<NewReleaseMessage xmlns="http://ddex.net/xml/ern/43"/>',
         "its header has no MessageCreatedDateTime (of several messages about a release"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><NewReleaseMessage/>',
         "has a DOCTYPE"),
        ("<a>" * 5000, "is no "),
        (GOOD.xml().replace("2026-01-02T10:00:00+00:00", "yesterday"),
         "its MessageCreatedDateTime is 'yesterday', which is no time"),
        (GOOD.xml().replace("</ResourceList>", NESTED + "</ResourceList>"),
         "has more than 64 elements in each other"),
        (GOOD.xml().replace("</DealList>", "<ReleaseDeal>" + "<Deal/>" * 250_001
                            + "</ReleaseDeal></DealList>"),
         "has more than 250,000 elements in one composite"),
        (GOOD.xml().replace("</ResourceList>", "<X/>" * 100_001 + "</ResourceList>"),
         "has more than 100,000 composites"),
        (GOOD.xml().encode().replace(b"First", b"\xff\xfe"), "is no XML"),
        (GOOD.xml().replace('encoding="UTF-8"', 'encoding="x-none"'), "is no XML"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused_in_one_line(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link.xml").symlink_to(tmp_path / "elsewhere.xml")
    (tmp_path / "folder.xml").mkdir()
    with (tmp_path / "big.xml").open("wb") as out:
        out.truncate(reading.MAX_BYTES + 1)
    for name, words in (
        ("none.xml", "cannot be read"), ("link.xml", "cannot be read"),
        ("folder.xml", "is no file"), ("big.xml", "more than the 67,108,864 of a message"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            reading.read(tmp_path / name, name)


def test_many_problems_are_counted(tmp_path: Path) -> None:
    many = [Recording(number, "") for number in range(1, 200)]
    found = read(tmp_path, Delivery(recordings=many).xml())
    assert len(found.problems) == MAX_PROBLEMS + 1
    assert told(found)[-1] == "message.xml: 149 more problems"


def test_deals_about_very_many_recordings_are_refused(tmp_path: Path) -> None:
    many = [Recording(number, f"QZLP026{number:05}") for number in range(1, 1_101)]
    text = Delivery(recordings=many, terms=(OPEN,) * 1_000).xml()
    with pytest.raises(InputError, match="more than 1,000,000 pairs of a deal and a recording"):
        read(tmp_path, text)


MEASURE = """
import sys
from pathlib import Path
from longplay.capture.sources.ddex import reading

def most() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

reading.read(Path(sys.argv[1]), "small.xml")
before = most()
reading.read(Path(sys.argv[2]), "large.xml")
print(most() - before)
"""


def test_a_large_message_takes_little_memory(tmp_path: Path) -> None:
    """Its composites go as they are read: 240,000 elements, of which a tree takes 60 MB."""
    small, large = tmp_path / "small.xml", tmp_path / "large.xml"
    small.write_text(GOOD.xml())
    video = f"<Video>{'<A>text</A>' * 40}</Video>"
    large.write_text(GOOD.xml().replace("</ResourceList>", video * 6_000 + "</ResourceList>"))
    words = [sys.executable, "-c", MEASURE, str(small), str(large)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=True)
    assert int(done.stdout) < 20_000


SHARED = HealthCheck.function_scoped_fixture  # each example writes the same file anew

BYTES = GOOD.xml().encode()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(0, len(BYTES)), seed=st.integers(0, 2**32), flips=st.integers(0, 12))
def test_damage_is_refused_or_read_and_nothing_else(
    tmp_path: Path, cut: int, seed: int, flips: int
) -> None:
    chance = random.Random(seed)
    data = bytearray(BYTES if seed % 2 else BYTES[:cut])
    for _ in range(flips):
        if data:
            data[chance.randrange(len(data))] = chance.randrange(256)
    try:
        found = read(tmp_path, bytes(data))
    except LongplayError as error:
        assert "\n" not in str(error)
    else:
        assert found.version


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32))
def test_elements_in_odd_places_do_no_harm(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    parts = (OLD if seed % 2 else GOOD.xml()).split("<")
    for _ in range(chance.randrange(1, 6)):
        here, there = (chance.randrange(2, len(parts)) for _ in range(2))
        what = chance.choice(("swap", "drop", "double"))
        if what == "swap":
            parts[here], parts[there] = parts[there], parts[here]
        elif what == "drop":
            del parts[here]
        else:
            parts.insert(there, parts[here])
    try:
        read(tmp_path, "<".join(parts))
    except (InputError, NoMessageError) as error:
        assert "\n" not in str(error)
