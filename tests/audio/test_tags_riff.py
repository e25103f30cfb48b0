"""WAV's own metadata, which nobody else reads: built here byte by byte from the standards."""

from __future__ import annotations

import io
import struct

import pytest

from longplay.audio.tags import read_tags
from longplay.model import Tags
from longplay.settings import Limits

RATE = 8_000
FORMAT = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16)
SOUND = bytes(RATE * 2 * 3)


def read(data: bytes) -> Tags:
    return read_tags(io.BytesIO(data), len(data), "piece.wav", Limits())


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def wave(*chunks: bytes) -> bytes:
    return riff(chunk(b"fmt ", FORMAT), *chunks, chunk(b"data", SOUND))


def bext(description: str, version: int = 2) -> bytes:
    body = description.encode("latin-1").ljust(256, b"\0") + b"Archive".ljust(32, b"\0")
    body += b"REF1".ljust(32, b"\0") + b"1999-12-31" + b"23:59:00"
    body += struct.pack("<QH", 48_000, version) + bytes(64)
    body += struct.pack("<5h", -2300, 500, -100, 0x7FFF, 0x7FFF) + bytes(180)
    return chunk(b"bext", body + b"A=PCM,F=48000\r\n")


def test_broadcast_wave() -> None:
    found = read(wave(bext("Wax cylinder, Straße")))
    raw = dict(found.raw)
    assert raw["BEXT:Description"] == "Wax cylinder, Straße"
    assert raw["BEXT:Originator"] == "Archive"
    assert raw["BEXT:OriginationDate"] == "1999-12-31"
    assert raw["BEXT:TimeReference"] == "48000"
    assert raw["BEXT:LoudnessValue"] == "-23.00"
    assert "BEXT:MaxMomentaryLoudness" not in raw
    assert raw["BEXT:CodingHistory"] == "A=PCM,F=48000"
    assert "BEXT:LoudnessValue" not in dict(read(wave(bext("x", version=1))).raw)
    assert found.date == ""  # when it was digitised is not when it was released


def test_list_info_and_cues() -> None:
    info = b"INFO" + chunk(b"INAM", b"A title\0") + chunk(b"IART", b"Someone\0")
    info += chunk(b"IPRD", b"An album") + chunk(b"ITRK", b"3/4") + chunk(b"ICOP", b"(c) X")
    points = [(1, RATE), (2, RATE * 2), (9, 0)]
    cue = struct.pack("<I", len(points)) + b"".join(
        struct.pack("<II4sIII", number, at, b"data", 0, 0, at) for number, at in points
    )
    adtl = b"adtl" + chunk(b"labl", struct.pack("<I", 2) + b"second\0")
    adtl += chunk(b"note", struct.pack("<I", 1) + b"first\0")
    found = read(wave(chunk(b"LIST", info), chunk(b"cue ", cue), chunk(b"LIST", adtl)))
    assert (found.title, found.artists, found.album) == ("A title", ("Someone",), "An album")
    assert (found.track_number, found.track_total, found.copyrights) == (3, 4, ("(c) X",))
    assert found.cues == ((0, ""), (1000, "first"), (2000, "second"))


def test_ixml() -> None:
    text = (
        "<?xml version='1.0' encoding='UTF-8'?><BWFXML><PROJECT>Ships</PROJECT><NOTE>wind</NOTE>"
        "<USER><TITLE>Fog horn</TITLE></USER></BWFXML>"
    )
    found = read(wave(chunk(b"iXML", text.encode() + bytes(20))))
    assert found.title == "Fog horn"
    assert ("IXML:PROJECT", "Ships") in found.raw


def test_ixml_bombs_are_left_out() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><BWFXML><NOTE>&a;&a;</NOTE></BWFXML>'
    for encoding in ("utf-8", "utf-16"):
        found = read(wave(chunk(b"iXML", bomb.encode(encoding))))
        assert found.raw == ()
        assert "iXML" in found.problems[0]


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_rf64(magic: bytes) -> None:
    """The real sizes stand in ds64, the others say -1."""
    huge = struct.pack("<QQQI", 0, len(SOUND), len(SOUND) // 2, 0)
    data = magic + b"\xff" * 4 + b"WAVE" + chunk(b"ds64", huge) + chunk(b"fmt ", FORMAT)
    data += b"data" + b"\xff" * 4 + SOUND
    data += chunk(b"LIST", b"INFO" + chunk(b"INAM", b"behind 4 GiB"))
    found = read(data)
    assert (found.container, found.duration_ms, found.lossless) == ("rf64", 3000, True)
    assert found.title == "behind 4 GiB"


def test_wave64() -> None:
    tail = bytes.fromhex("f3acd3118cd100c04f8edb8a")

    def part(name: bytes, body: bytes) -> bytes:
        size = len(body) + 24
        return name + tail + struct.pack("<Q", size) + body + bytes(-size % 8)

    body = b"wave" + tail + part(b"fmt ", FORMAT) + part(b"bext", bext("Tape 7")[8:])
    body += part(b"data", SOUND)
    head = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
    found = read(head + struct.pack("<Q", len(body) + 24) + body)
    assert (found.container, found.duration_ms, found.bit_rate) == ("w64", 3000, 128_000)
    assert dict(found.raw)["BEXT:Description"] == "Tape 7"


def test_aiff() -> None:
    rate = (16383 + 12).to_bytes(2, "big") + (RATE << (63 - 12)).to_bytes(8, "big")
    common = struct.pack(">hIh", 1, RATE * 3, 16) + rate
    parts = [
        (b"NAME", b"A title"),
        (b"AUTH", b"Someone"),
        (b"(c) ", b"2001 X"),
        (b"COMM", common),
        (b"SSND", SOUND),
    ]
    body = b"AIFF" + b"".join(
        name + struct.pack(">I", len(data)) + data + bytes(len(data) % 2) for name, data in parts
    )
    found = read(b"FORM" + struct.pack(">I", len(body)) + body)
    assert (found.title, found.artists, found.copyrights) == ("A title", ("Someone",), ("2001 X",))
    assert (found.duration_ms, found.lossless) == (3000, True)


def test_sizes_that_lie_do_no_harm() -> None:
    for size in (0, 1, 0x7FFFFFFF, 0xFFFFFFFF):
        for name in (b"bext", b"LIST", b"cue ", b"id3 ", b"iXML", b"data", b"fmt "):
            data = riff(chunk(b"fmt ", FORMAT), name + struct.pack("<I", size) + b"INFOxx")
            assert read(data).container == "wav"
    zero = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000") + bytes(24) + bytes(2_000)
    assert read(zero).container == "w64"
