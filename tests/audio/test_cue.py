"""CUE sheets as rippers write them, and as they come broken."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.audio.tags import parse_cue
from longplay.errors import InputError

SHEET = """\
REM GENRE "Ambient"
REM DATE 1978
REM DISCID 4B082A06
REM COMMENT "ExactAudioCopy v1.0"
CATALOG 0077775232929
PERFORMER "Brian Eno"
TITLE "Music for Airports"
FILE "Airports.wav" WAVE
  TRACK 01 AUDIO
    TITLE "1/1"
    PERFORMER "Brian Eno"
    ISRC GBAAA7800001
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "2/1"
    REM COMPOSER "Eno"
    FLAGS DCP
    PREGAP 00:02:00
    INDEX 00 17:20:50
    INDEX 01 17:21:01
    INDEX 02 18:00:00
FILE Bonus.flac FLAC
  TRACK 03 AUDIO
    INDEX 01 00:00:37
"""


def test_a_whole_sheet() -> None:
    sheet = parse_cue(SHEET.encode())
    assert (sheet.performer, sheet.title) == ("Brian Eno", "Music for Airports")
    assert (sheet.genre, sheet.date, sheet.disc_id) == ("Ambient", "1978", "4B082A06")
    assert sheet.catalog == "0077775232929"
    assert ("COMMENT", "ExactAudioCopy v1.0") in sheet.remarks
    first, second = sheet.files
    assert (first.name, first.kind, second.name, second.kind) == (
        "Airports.wav",
        "WAVE",
        "Bonus.flac",
        "FLAC",
    )
    one, two = first.tracks
    assert (one.number, one.title, one.isrc, one.start_ms) == (1, "1/1", "GBAAA7800001", 0)
    assert one.end_ms == two.start_ms == 17 * 60_000 + 21_000 + 13  # one frame is 13.3 ms
    assert two.pregap_ms == 17 * 60_000 + 20_000 + 667
    assert (two.silence_ms, two.end_ms, two.remarks) == (2_000, None, (("COMPOSER", "Eno"),))
    assert (second.tracks[0].start_ms, second.tracks[0].end_ms) == (493, None)


def test_pregap_at_the_end_of_the_file_before() -> None:
    """EAC's non-compliant sheets: INDEX 00 lies in the file before, INDEX 01 opens the next."""
    sheet = parse_cue(
        b'FILE "1.wav" WAVE\n TRACK 01 AUDIO\n  INDEX 01 00:00:00\n'
        b" TRACK 02 AUDIO\n  INDEX 00 03:00:00\n"
        b'FILE "2.wav" WAVE\n  INDEX 01 00:00:00\n'
    )
    assert [[track.number for track in file.tracks] for file in sheet.files] == [[1], [2]]
    assert sheet.files[0].tracks[0].end_ms is None
    assert sheet.files[1].tracks[0].pregap_ms is None


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Björk – Vespertine"),
        ("utf-8-sig", "Sigur Rós"),
        ("utf-16", "Мумий Тролль"),
        ("cp1252", "Françoise Hardy, “Été” à Zürich"),
        ("latin-1", "Ænima Ð Þ ß ÿ"),
        ("cp932", "サカナクション「アルクアラウンド」"),
    ],
)
def test_encodings(encoding: str, text: str) -> None:
    sheet = parse_cue(SHEET.replace("Music for Airports", text).encode(encoding))
    assert sheet.title == text


@pytest.mark.parametrize(
    ("line", "broken", "number"),
    [
        ("    INDEX 01 17:21:01", "    INDEX 01 17:61:01", 20),
        ("    INDEX 01 17:21:01", "    INDEX 01 17:21:75", 20),
        ("    INDEX 01 17:21:01", "    INDEX 01 soon", 20),
        ("    INDEX 01 17:21:01", "    INDEX one", 20),
        ("    PREGAP 00:02:00", "    PREGAP", 18),
        ("  TRACK 02 AUDIO", "  TRACK two AUDIO", 14),
        ("  TRACK 02 AUDIO", "  TRACK 0 AUDIO", 14),
        ('FILE "Airports.wav" WAVE', "TRACK 01 AUDIO", 8),
        ('FILE "Airports.wav" WAVE', "FILE", 8),
        ('PERFORMER "Brian Eno"\nTITLE', "ISRC GBAAA7800001\nTITLE", 6),
        ("REM DATE 1978", "<html>", 2),
    ],
)
def test_malformed_lines_are_named(line: str, broken: str, number: int) -> None:
    with pytest.raises(InputError, match=f"line {number}: "):
        parse_cue(SHEET.replace(line, broken, 1).encode())


def test_tracks_out_of_order_are_refused() -> None:
    with pytest.raises(InputError, match="line 5: "):
        parse_cue(
            b'FILE "1.wav" WAVE\nTRACK 01 AUDIO\nINDEX 01 05:00:00\n'
            b"TRACK 02 AUDIO\nINDEX 01 04:00:00\n"
        )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'FILE "1.wav" WAVE\nTRACK 01 AUDIO\n',
        b"REM nothing\n" * 300_000,
        b'FILE "1.wav" WAVE\n' + b"TRACK 01 AUDIO\nINDEX 01 00:00:00\n" * 1_001,
    ],
)
def test_what_cuts_nothing_or_too_much_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_cue(data)


@given(
    st.binary(max_size=400)
    | st.text(alphabet='FILE TRACKINDEX01\n:"', max_size=200).map(str.encode)
)
def test_nothing_but_input_errors(data: bytes) -> None:
    with suppress(InputError):
        parse_cue(data)
