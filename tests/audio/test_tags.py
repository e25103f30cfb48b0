"""Tags written in every form come back; native spellings mean what Picard says they mean."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from mutagen import id3
from mutagen.flac import FLAC
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4FreeForm

from longplay.audio.encode import Codec, encode
from longplay.audio.tags import read_tags, write_tags
from longplay.errors import MediaError
from longplay.model import Picture, Tags
from longplay.settings import Limits
from tests.audio.test_transcode import TAGS

LIMITS = Limits()
CODECS: tuple[Codec, ...] = ("flac", "vorbis", "opus", "mp3", "aac", "wav")
CONTAINERS = ("flac", "ogg", "ogg", "mp3", "mp4", "wav")
MBID = "8b882575-08a5-4452-a7a7-cbb8a1531f9e"


def made(codec: Codec, folder: Path, tags: Tags | None = None) -> Path:
    path = folder / f"piece.{codec}"
    wave = np.sin(np.arange(22_050) / 20)[None].astype(np.float32) / 3
    encode(wave, 44_100, path, codec, tags)
    return path


def read(path: Path, limits: Limits = LIMITS) -> Tags:
    with path.open("rb") as file:
        return read_tags(file, path.stat().st_size, path.name, limits)


def read_bytes(data: bytes, name: str = "piece") -> Tags:
    return read_tags(io.BytesIO(data), len(data), name, LIMITS)


@pytest.mark.parametrize(("codec", "container"), list(zip(CODECS, CONTAINERS, strict=True)))
def test_every_field_comes_back(codec: Codec, container: str, tmp_path: Path) -> None:
    found = read(made(codec, tmp_path, TAGS))
    assert found.container == container
    assert found.lossless == (codec in ("flac", "wav"))
    assert found.duration_ms == pytest.approx(500, abs=60)
    assert found.bit_rate is not None and found.bit_rate > 10_000
    assert found.problems == ()
    for name in TAGS.__dataclass_fields__:
        if name in ("container", "duration_ms", "bit_rate", "lossless", "raw", "pictures"):
            continue
        assert getattr(found, name) == getattr(TAGS, name), name
    assert [picture.data for picture in found.pictures] == [p.data for p in TAGS.pictures]
    assert {picture.mime for picture in found.pictures} == {"image/png"}


@pytest.mark.parametrize("codec", CODECS)
def test_writing_replaces_what_was_there(codec: Codec, tmp_path: Path) -> None:
    path = made(codec, tmp_path, TAGS)
    with path.open("r+b") as file:
        write_tags(file, codec, Tags(title="Other"))
    found = read(path)
    assert (found.title, found.artists, found.pictures, found.licences) == ("Other", (), (), ())


def vorbis(tmp_path: Path, *comments: tuple[str, str]) -> Tags:
    path = made("flac", tmp_path)
    file = FLAC(path)
    file.tags[:] = list(comments)
    file.save()
    return read(path)


def mp3(tmp_path: Path, *frames: id3.Frame, version: int = 4) -> Tags:
    path = made("mp3", tmp_path)
    file = MP3(path)
    for frame in frames:
        file.tags.add(frame)
    file.save(v2_version=version)
    return read(path)


@pytest.mark.parametrize(
    ("key", "value", "field", "expected"),
    [
        ("TRACKNUMBER", "3/12", "track_number", 3),
        ("TRACKNUMBER", "3/12", "track_total", 12),
        ("TRACKNUMBER", "03 of 9", "track_total", 9),
        ("TOTALTRACKS", "9", "track_total", 9),
        ("TRACKNUMBER", "0", "track_number", None),
        ("TRACKNUMBER", "A1", "track_number", None),
        ("DISC", "2/2", "disc_total", 2),
        ("album artist", "X", "album_artists", ("X",)),
        ("MUSICBRAINZ_TRACKID", MBID.upper(), "recording_mbid", MBID),
        ("MUSICBRAINZ_RELEASETRACKID", MBID, "track_mbid", MBID),
        ("UPC", "0 12345-67890 5", "upc", "012345678905"),
        ("isrc", "us-s1z-99-00001", "isrcs", ("USS1Z9900001",)),
        ("ISRC", "USS1Z9900001;GBAAA7800001", "isrcs", ("USS1Z9900001", "GBAAA7800001")),
        ("WLICENSE", "CC0", "licences", ("CC0",)),
        ("License URL", "CC0", "licences", ("CC0",)),
        ("COPYRIGHT", "℗ 1999 A", "phonographic", ("℗ 1999 A",)),
        ("COPYRIGHT", "(P) 1999 A", "copyrights", ()),
        ("COPYRIGHT", "℗ & © 1999 A", "copyrights", ("℗ & © 1999 A",)),
        ("ORGANIZATION", "L", "label", "L"),
        ("YEAR", "1999", "date", "1999"),
        ("DATE", "0000", "date", ""),
        ("GENRE", "Rock; Pop;Rock", "genres", ("Rock", "Pop")),
        ("REPLAYGAIN_TRACK_GAIN", "-1 dB", "replaygain", (("REPLAYGAIN_TRACK_GAIN", "-1 dB"),)),
        ("R128_TRACK_GAIN", "-256", "replaygain", (("R128_TRACK_GAIN", "-256"),)),
        ("TITLE", "a\x00b\x07c\x85 \ufeff", "title", "abc"),
        ("TITLE", "two\r\nlines", "title", "two\nlines"),
    ],
)
def test_spellings(key: str, value: str, field: str, expected: object, tmp_path: Path) -> None:
    assert getattr(vorbis(tmp_path, (key, value)), field) == expected


def test_bad_identifiers_are_problems_not_values(tmp_path: Path) -> None:
    found = vorbis(
        tmp_path, ("ISRC", "nonsense"), ("MUSICBRAINZ_TRACKID", "42"), ("BARCODE", "none")
    )
    assert (found.isrcs, found.recording_mbid, found.upc) == ((), "", "")
    assert [problem.split(":")[0] for problem in found.problems] == [
        "ISRC",
        "MUSICBRAINZ_TRACKID",
        "BARCODE",
    ]


def test_several_artists_beat_their_credit(tmp_path: Path) -> None:
    found = vorbis(tmp_path, ("ARTIST", "A feat. B"), ("ARTISTS", "A"), ("ARTISTS", "B"))
    assert found.artists == ("A", "B")


def test_a_licence_inside_a_copyright_line_is_one(tmp_path: Path) -> None:
    line = "2012 X. Licensed under http://creativecommons.org/licenses/by/3.0/."
    found = vorbis(tmp_path, ("COPYRIGHT", line), ("COMMENT", line.replace("by", "by-nc")))
    assert found.licences == ("http://creativecommons.org/licenses/by/3.0/",)
    assert found.copyrights == (line,)


def test_a_cue_sheet_in_the_tags_makes_marks(tmp_path: Path) -> None:
    sheet = (
        'FILE "x" WAVE\nTRACK 01 AUDIO\nTITLE One\nINDEX 01 00:00:00\n'
        "TRACK 02 AUDIO\nTITLE Two\nINDEX 01 00:10:00\n"
    )
    assert vorbis(tmp_path, ("CUESHEET", sheet)).cues == ((0, "One"), (10_000, "Two"))
    assert "line 1" in vorbis(tmp_path, ("CUESHEET", "nonsense")).problems[0]


def test_old_ogg_cover_art(tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(100)
    found = vorbis(
        tmp_path,
        ("COVERART", base64.b64encode(png).decode()),
        ("COVERARTMIME", "image/jpeg"),
    )
    assert [(p.mime, p.role, p.data) for p in found.pictures] == [("image/png", "front cover", png)]
    assert found.raw == ()


def test_vorbis_text_that_is_not_utf8_stays_readable(tmp_path: Path) -> None:
    path = made("flac", tmp_path, Tags(title="XXXX"))
    path.write_bytes(path.read_bytes().replace(b"XXXX", "ÄÖÜß".encode("cp1252")))
    assert read(path).title == "ÄÖÜß"


@pytest.mark.parametrize("version", [3, 4])
def test_id3_frames(version: int, tmp_path: Path) -> None:
    found = mp3(
        tmp_path,
        id3.TPE1(encoding=3, text=["A", "B"]),
        id3.TDRC(encoding=3, text=["2001-02-03"]),
        id3.TCON(encoding=3, text=["(17)"]),
        id3.TCOP(encoding=3, text=["2001 X"]),
        id3.TPRO(encoding=3, text=["2002 Y"]),
        id3.WCOP(url="http://example.org/terms"),
        id3.UFID(owner="http://musicbrainz.org", data=MBID.encode()),
        id3.UFID(owner="http://other.example", data=b"7"),
        id3.TXXX(encoding=3, desc="MusicBrainz Release Track Id", text=[MBID]),
        id3.COMM(encoding=3, desc="iTunNORM", lang="eng", text=["000"]),
        id3.RVA2(desc="track", channel=1, gain=-3.0, peak=0.5),
        version=version,
    )
    assert found.artists in (("A", "B"), ("A/B",))
    assert (found.date, found.genres) == ("2001-02-03", ("Rock",))
    assert (found.copyrights, found.phonographic) == (("2001 X",), ("2002 Y",))
    assert found.licences == ("http://example.org/terms",)
    assert (found.recording_mbid, found.track_mbid) == (MBID, MBID)
    if version == 4:
        assert found.replaygain == (
            ("REPLAYGAIN_TRACK_GAIN", "-3.00 dB"),
            ("REPLAYGAIN_TRACK_PEAK", "0.500000"),
        )


def test_latin1_frames_with_other_text_in_them(tmp_path: Path) -> None:
    utf8 = "Señor – ÿ".encode().decode("latin-1")
    found = mp3(tmp_path, id3.TIT2(encoding=0, text=[utf8]), id3.TALB(encoding=0, text=["Señor"]))
    assert (found.title, found.album) == ("Señor – ÿ", "Señor")


def test_id3v2_outranks_ape_and_id3v1(tmp_path: Path) -> None:
    path = made("mp3", tmp_path, Tags(title="from ID3v2"))
    old = b"TAG" + b"from ID3v1".ljust(30, b"\0") + b"an artist".ljust(30, b"\0") + bytes(65)
    path.write_bytes(path.read_bytes() + old)
    found = read(path)
    assert (found.title, found.artists) == ("from ID3v2", ("an artist",))


def test_mp4_names(tmp_path: Path) -> None:
    path = made("aac", tmp_path)
    file = MP4(path)
    file.tags["trkn"] = [(4, 0)]
    file.tags["disk"] = [(0, 2)]
    file.tags["cprt"] = ["℗ 2010 Label"]
    file.tags["----:com.apple.iTunes:MusicBrainz Track Id"] = [MP4FreeForm(MBID.encode())]
    file.tags["----:com.apple.iTunes:ARTISTS"] = [MP4FreeForm(b"A"), MP4FreeForm(b"B")]
    file.save()
    found = read(path)
    assert (found.track_number, found.track_total) == (4, None)
    assert (found.disc_number, found.disc_total) == (None, 2)
    assert (found.phonographic, found.recording_mbid) == (("℗ 2010 Label",), MBID)
    assert found.artists == ("A", "B")


def test_limits_bound_text_and_pictures(tmp_path: Path) -> None:
    limits = Limits(text_bytes=100, picture_bytes=1_000)
    small = Picture("image/png", "front cover", "", b"\x89PNG\r\n\x1a\n" + bytes(500))
    large = Picture("image/png", "back cover", "", b"\x89PNG\r\n\x1a\n" + bytes(1_500))
    for codec in ("flac", "mp3", "opus"):
        path = made(codec, tmp_path, Tags(title="ä" * 400, pictures=(small, large)))
        found = read(path, limits)
        assert found.title == "ä" * 50
        assert [picture.data for picture in found.pictures] == [small.data]
        assert len(found.problems) == 2


def test_what_is_no_media_is_a_media_error() -> None:
    for data in (b"", b"plain text", b"%PDF-1.4 " * 100, b"\x89PNG\r\n\x1a\n" + bytes(500)):
        with pytest.raises(MediaError, match="piece"):
            read_bytes(data)


def test_a_playlist_named_mp3_opens_no_other_file(tmp_path: Path) -> None:
    secret = made("wav", tmp_path, Tags(title="secret"))
    for text in (f"ffconcat version 1.0\nfile {secret}\n", f"#EXTM3U\n{secret}\n"):
        found = read_bytes(text.encode(), "list.mp3")
        assert (found.title, found.duration_ms) == ("", None)
