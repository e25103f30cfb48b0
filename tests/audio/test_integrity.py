"""Named damages to files made on the spot: each must be found, and told for what it is."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.audio.integrity import Structure, examine
from longplay.audio.integrity.crc import crc8, crc16, crc16_mirrored
from tests.audio.integrity_made import (
    boxes,
    flac,
    flac_frames,
    flipped,
    fragmented,
    made,
    matroska,
    mp3,
    mp4,
    opus,
    pages,
    wav,
)


def look(data: bytes) -> Structure:
    return examine(io.BytesIO(data), len(data))


WHOLE: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "Opus in Ogg": (opus, "ogg", "Ogg page CRC-32"),
    "FLAC": (flac, "flac", "FLAC frame CRC-16"),
    "MP3 by LAME": (mp3, "mp3", "LAME music CRC-16"),
    "MP3 with no Info": (lambda: made("mp3", "libmp3lame", write_xing="0"), "mp3", ""),
    "layer II": (lambda: made("mp2", "mp2"), "mp3", ""),
    "WAV": (wav, "wav", ""),
    "RF64": (lambda: made("wav", "pcm_s16le", rf64="always"), "rf64", ""),
    "Wave64": (lambda: made("w64", "pcm_s16le"), "w64", ""),
    "AIFF": (lambda: made("aiff", "pcm_s16be"), "aiff", ""),
    "CAF": (lambda: made("caf", "pcm_s16le"), "caf", ""),
    "AU": (lambda: made("au", "pcm_s16be"), "au", ""),
    "AAC in MP4": (mp4, "mp4", ""),
    "ALAC in QuickTime": (lambda: made("mov", "alac"), "mp4", ""),
    "fragmented MP4": (fragmented, "mp4", ""),
    "Opus in Matroska": (matroska, "matroska", "Matroska CRC-32"),
    "Opus in WebM": (lambda: made("webm", "libopus", 48000), "matroska", ""),
    "ADTS": (lambda: made("adts", "aac"), "adts", ""),
    "True Audio": (lambda: made("tta", "tta"), "tta", "TTA CRC-32"),
    "WavPack": (lambda: made("wv", "wavpack"), "wavpack", ""),
}


@pytest.mark.parametrize("name", WHOLE)
def test_an_undamaged_file_proves_itself(name: str) -> None:
    make, container, checksum = WHOLE[name]
    structure = look(make())
    assert (structure.container, structure.checksum) == (container, checksum)
    assert structure.findings == ()
    assert structure.proofs


@pytest.mark.parametrize("name", WHOLE)
def test_a_cut_is_found(name: str) -> None:
    data = WHOLE[name][0]()
    for share in (0.3137, 0.6311, 0.9071, 0.9993):
        # Odd shares: where frames have one length, round ones end between two of them.
        assert look(data[: int(len(data) * share)]).findings, f"cut at {share}"


@pytest.mark.parametrize("name", [name for name, (_, _, checksum) in WHOLE.items() if checksum])
def test_every_bit_under_a_checksum_counts(name: str) -> None:
    data = WHOLE[name][0]()
    for step in range(1, 20):
        offset = len(data) // 2 + step * (len(data) // 50)
        assert look(flipped(data, offset, step % 8)).findings, f"bit flipped in byte {offset}"


def _without_page(number: int) -> bytes:
    parts = pages(opus())
    return b"".join(parts[:number] + parts[number + 1 :])


def _without_flac_frame() -> bytes:
    data, start = flac(), flac_frames(flac())
    frames = [
        at
        for at in range(start, len(data) - 6)
        if data[at : at + 2] == b"\xff\xf8" and crc8(data[at : at + 5]) == data[at + 5]
    ]
    return data[: frames[3]] + data[frames[4] :]


def _patched(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def _mp3_less_frames() -> bytes:
    data, end = mp3(), len(mp3())
    while data[end - 1 : end + 1] != b"\xff\xfb" or end > len(data) - 2000:
        end -= 1
    return data[: end - 1]


def _without_fragment() -> bytes:
    parts = boxes(fragmented())
    first = next(at for at, box in enumerate(parts) if box[4:8] == b"moof" and at > 4)
    return b"".join(parts[:first] + parts[first + 2 :])


DAMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "a bit of an Ogg page": (lambda: flipped(opus(), 9000), "CRC-32 does not hold"),
    "a lost Ogg page": (lambda: _without_page(3), "1 pages are missing before"),
    "Ogg ends between pages": (lambda: b"".join(pages(opus())[:-1]), "no end-of-stream page"),
    "Ogg ends inside a page": (lambda: opus()[:-10], "cut off by the end"),
    "Ogg begins late": (lambda: b"".join(pages(opus())[1:]), "a stream that never began"),
    "noise between Ogg pages": (
        lambda: b"".join([*pages(opus())[:3], b"noise", *pages(opus())[3:]]),
        "are no Ogg page",
    ),
    "a bit of a FLAC frame": (lambda: flipped(flac(), 100_000), "is damaged"),
    "a lost FLAC frame": (_without_flac_frame, "frames are missing or unreadable"),
    "FLAC's end": (lambda: flac()[:-3], "the last frame"),
    "FLAC's sample count": (lambda: flipped(flac(), 25), "STREAMINFO declares"),
    "FLAC's sample rate": (lambda: flipped(flac(), 18), "a sample rate of"),
    "FLAC's marker": (lambda: flipped(flac(), 1), "no fLaC marker"),
    "FLAC's padding": (
        lambda: flipped(flac(), flac_frames(flac()) - 9),
        "padding near",
    ),
    "a bit of MP3 music": (lambda: flipped(mp3(), 50_000), "CRC-16"),
    "MP3 ends between frames": (_mp3_less_frames, "frames, there are"),
    "MP3 ends inside a frame": (lambda: mp3()[:-9], "the last frame is cut off"),
    "noise in MP3": (lambda: mp3()[:60_000] + bytes(333) + mp3()[60_333:], "no MPEG audio frame"),
    "MP3's Info header": (
        lambda: flipped(mp3(), mp3().index(b"Info") + 30),
        "own CRC-16 does not hold",
    ),
    "WAV's end": (lambda: wav()[:-1000], "bytes of samples are missing"),
    "RF64's end": (
        lambda: made("wav", "pcm_s16le", rf64="always")[:-8],
        "8 bytes of the declared are missing",
    ),
    "MP4 without its index": (
        lambda: b"".join(box for box in boxes(mp4()) if box[4:8] != b"moov"),
        "index (moov) is missing",
    ),
    "MP4's media data": (
        lambda: b"".join(box[:-5000] if box[4:8] == b"mdat" else box for box in boxes(mp4())),
        "are missing",
    ),
    "an MP4 chunk offset": (
        lambda: _patched(mp4(), mp4().index(b"stco") + 12, b"\x7f\0\0\0"),
        "outside the media data",
    ),
    "an MP4 count": (
        lambda: _patched(mp4(), mp4().index(b"stsz") + 12, b"\x7f\xff\xff\xff"),
        "more than it holds",
    ),
    "a lost MP4 fragment": (_without_fragment, "starts at"),
    "a bit of a Matroska cluster": (lambda: flipped(matroska(), 30_000), "CRC-32 does not hold"),
    "Matroska's end": (lambda: matroska()[:-2000], "more than there are"),
    "a bit of a TTA frame": (lambda: flipped(made("tta", "tta"), 9000), "CRC-32 does not hold"),
    "a byte lost in ADTS": (
        lambda: made("adts", "aac")[:20_000] + made("adts", "aac")[20_001:],
        "are no frame",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_named_damage_is_told(name: str) -> None:
    make, words = DAMAGES[name]
    structure = look(make())
    assert any(words in finding for finding in structure.findings), structure.findings
    assert structure.checksum == ""


ODD: dict[str, tuple[Callable[[], bytes], str]] = {
    "bytes after the last Ogg page": (lambda: opus() + bytes(700), "700 bytes after the last page"),
    "two Ogg files, one after the other": (lambda: opus() + opus(), "2 audio streams"),
    "FLAC with no MD5": (lambda: _patched(flac(), 26, bytes(16)), "no MD5"),
    "MP3 with zeros behind": (lambda: mp3() + bytes(300), "300 zero bytes"),
    "MP3 whose gain was changed": (
        lambda: flipped(mp3(), 50_000) + _ape_tag(),
        "loudness was changed",
    ),
    "WAV with bytes behind": (lambda: wav() + b"more" * 5, "20 bytes after the declared end"),
}


def _ape_tag() -> bytes:
    item = (5).to_bytes(4, "little") + bytes(4) + b"MP3GAIN_MINMAX\0" + b"1,200"
    size = (len(item) + 32).to_bytes(4, "little")
    return item + b"APETAGEX" + (2000).to_bytes(4, "little") + size + b"\1\0\0\0" + bytes(12)


@pytest.mark.parametrize("name", ODD)
def test_what_costs_no_sound_is_a_note(name: str) -> None:
    make, words = ODD[name]
    structure = look(make())
    assert structure.findings == ()
    assert any(words in note for note in structure.notes), structure.notes


def test_tags_around_the_sound_are_no_damage() -> None:
    leading = b"ID3\4\0\0\0\0\0\x0a" + bytes(10)
    trailing = b"TAG" + bytes(125)
    for data in (mp3(), flac()):
        structure = look(leading + data + _ape_tag() + trailing)
        assert structure.findings == ()
        assert structure.checksum


def test_a_picture_with_checksums_is_held_against_them() -> None:
    chunk = b"IDAT" + bytes(range(200))
    crc = 0x12345678
    end = b"\0\0\0\0IEND\xaeB`\x82"
    png = b"\x89PNG\r\n\x1a\n" + len(chunk[4:]).to_bytes(4, "big") + chunk
    leading = b"ID3\4\0\0\0\0\2\x00"
    body = png + crc.to_bytes(4, "big") + end
    tag = leading + body.ljust(256, b"\0")
    assert any("the picture" in words for words in look(tag + mp3()).findings)


def test_what_only_decoding_can_settle_is_expected() -> None:
    assert look(flac()).expected_samples == 6 * 44100
    assert look(flac()).exact
    assert look(flac()).expected_pcm_md5 is not None
    assert look(wav()).expected_samples == 6 * 44100
    assert look(opus()).expected_samples == pytest.approx(6 * 48000, abs=960)
    assert look(mp4()).expected_ms == pytest.approx(6000, abs=60)
    assert look(matroska()).expected_ms == pytest.approx(6000, abs=60)
    assert look(mp3()).expected_samples == 6 * 44100


def test_bytes_of_no_container_promise_nothing() -> None:
    structure = look(b"just words, no sound" * 10)
    assert (structure.container, structure.proofs, structure.findings) == ("", (), ())
    assert look(b"").container == ""


def test_many_damages_are_told_in_a_few_words() -> None:
    data = bytearray(opus() * 4)
    for offset in range(500, len(data), 1000):
        data[offset] ^= 1
    structure = look(bytes(data))
    assert len(structure.findings) <= 13
    assert "more findings" in structure.findings[-1]


def _bitwise(data: bytes, crc: int, width: int, polynomial: int) -> int:
    top = 1 << (width - 1)
    for byte in data:
        crc ^= byte << (width - 8)
        for _ in range(8):
            crc = (crc << 1 ^ polynomial if crc & top else crc << 1) & (2 * top - 1)
    return crc


@given(st.binary(max_size=600), st.integers(0, 0xFFFF))
def test_the_fast_crcs_agree_with_the_definition(data: bytes, start: int) -> None:
    assert crc16(data, start) == _bitwise(data, start, 16, 0x8005)
    assert crc8(data) == _bitwise(data, 0, 8, 0x07)


def test_crcs_have_their_published_check_values() -> None:
    assert crc16_mirrored(b"123456789") == 0xBB3D
    assert crc16(b"123456789") == 0xFEE8
    assert crc8(b"123456789") == 0xF4


@given(st.binary(min_size=1, max_size=400), st.data())
def test_a_crc_goes_on_where_it_stopped(data: bytes, draw: st.DataObject) -> None:
    cut = draw.draw(st.integers(0, len(data)))
    assert crc16_mirrored(data[cut:], crc16_mirrored(data[:cut])) == crc16_mirrored(data)
