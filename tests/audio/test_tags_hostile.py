"""Files that want our memory, our time or a traceback get a line in `problems` instead."""

from __future__ import annotations

import io
import resource
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.audio.encode import Codec
from longplay.audio.tags import read_tags
from longplay.errors import MediaError
from longplay.model import Tags
from longplay.settings import Limits
from tests.audio.test_tags import CODECS, made
from tests.audio.test_transcode import TAGS

MEMORY = 400 * 2**20
"""Bytes that reading any of these may take at most, tags of 64 MiB being allowed."""


def read(data: bytes, name: str = "piece.mp3") -> Tags:
    return read_tags(io.BytesIO(data), len(data), name, Limits())


def syncsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def tag(frames: bytes, version: int = 4, flags: int = 0, claimed: int | None = None) -> bytes:
    size = len(frames) if claimed is None else claimed
    return b"ID3" + bytes([version, 0, flags]) + syncsafe(size) + frames


def frame(name: bytes, body: bytes, flags: int = 0, version: int = 4) -> bytes:
    size = syncsafe(len(body)) if version == 4 else struct.pack(">I", len(body))
    return name + size + struct.pack(">H", flags) + body


def deep_frames(depth: int) -> bytes:
    inner = frame(b"TIT2", b"\x03inner")
    for number in range(depth):
        inner = frame(b"CHAP", str(number).encode() + bytes(17) + inner)
    return inner


def flac_with_comments(block: bytes) -> bytes:
    info = struct.pack(">HH", 4096, 4096) + bytes(6)
    info += (44_100 << 44 | 1 << 41 | 15 << 36 | 44_100).to_bytes(8, "big") + bytes(16)
    length = min(len(block), 2**24 - 1).to_bytes(3, "big")
    return b"fLaC" + b"\x00\x00\x00\x22" + info + b"\x84" + length + block


def atoms(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = struct.pack(">I4s", len(inner) + 8, b"moov") + inner
    return struct.pack(">I4s", 16, b"ftyp") + b"M4A \0\0\0\0" + inner


def ape(items: int, body: bytes) -> bytes:
    footer = b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, items, 0) + bytes(8)
    return bytes.fromhex("fffb9064") + bytes(4_000) + body + footer


BOMB = struct.pack(">I", 2**28 - 1) + zlib.compress(bytes(600 * 2**20), 9)

HOSTILE: dict[str, Callable[[], bytes]] = {
    "an ID3 tag claims 256 MB": lambda: tag(frame(b"TIT2", b"\x03x"), claimed=2**28 - 1),
    "an ID3 frame claims 256 MB": lambda: tag(b"APIC" + syncsafe(2**28 - 1) + bytes(200)),
    "a zlib bomb in ID3v2.4": lambda: tag(frame(b"APIC", syncsafe(2**28 - 1) + BOMB[4:], 9)),
    "a zlib bomb in ID3v2.3": lambda: tag(frame(b"TIT2", BOMB, 0x80, 3), 3),
    "a zlib bomb in a chapter": lambda: tag(
        frame(b"CHAP", b"a" + bytes(17) + frame(b"TIT2", BOMB, 9))
    ),
    "half a million ID3 frames": lambda: tag(frame(b"TXXX", b"\x03a\0b") * 500_000),
    "chapters in chapters": lambda: tag(deep_frames(5_000)),
    "50 MB of text": lambda: tag(frame(b"TIT2", b"\x03" + b"x" * 50_000_000)),
    "50 MB of empty values": lambda: tag(frame(b"TPE1", b"\x03" + b"\0" * 50_000_000)),
    "a picture's endless name": lambda: tag(
        frame(b"APIC", b"\x01image/png\0\x03" + b"x" * 30_000_000)
    ),
    "a comment's endless name": lambda: tag(frame(b"COMM", b"\x01eng" + b"\xff\xfe" * 15_000_000)),
    "pictures of one name": lambda: tag(frame(b"APIC", b"\x03image/png\0\x03\0x") * 20_000),
    "a Vorbis comment of 4 billion entries": lambda: flac_with_comments(
        struct.pack("<II", 0, 2**32 - 1) + b"\x02\0\0\0a=" * 2_000_000
    ),
    "a Vorbis comment of 4 GB": lambda: flac_with_comments(struct.pack("<III", 0, 1, 2**32 - 1)),
    "a FLAC picture of 4 GB": lambda: (
        flac_with_comments(b"").replace(b"\x84", b"\x86")
        + struct.pack(">IIIIIIII", 3, 0, 0, 0, 0, 0, 0, 2**32 - 1)
    ),
    "endless metadata blocks": lambda: b"fLaC" + b"\x01\0\0\0" * 1_000_000,
    "atoms in atoms": lambda: atoms(20_000),
    "a million atoms": lambda: (
        atoms(0)
        + struct.pack(">I4s", 8 + 8_000_000, b"moov")
        + struct.pack(">I4s", 8, b"free") * 1_000_000
    ),
    "an atom of 2^63 bytes": lambda: atoms(0) + struct.pack(">I4sQ", 1, b"moov", 2**63),
    "an endless APE tag": lambda: ape(2**32 - 1, b"\0\0\0\0\0\0\0\0aa\0" * 1_000_000),
    "a lying APE tag": lambda: ape(1, struct.pack("<II", 2**32 - 1, 0) + b"Title\0x"),
    "an Ogg of empty pages": lambda: b"".join(
        b"OggS\0\x02" + bytes(8) + b"\1\0\0\0" + bytes(8) + b"\x08" + b"\xff" * 0 + b"\0" * 8
        for _ in range(100_000)
    ),
    "a WavPack of empty blocks": lambda: (
        (b"wvpk" + struct.pack("<IHBBIIIII", 24, 0x410, 0, 0, 2**32 - 1, 0, 1, 4 << 23, 0))
        * 300_000
    ),
    "RIFF chunks without end": lambda: b"RIFF\xff\xff\xff\xffWAVE" + b"junk\0\0\0\0" * 500_000,
    "an ID3 tag that starts itself again": lambda: tag(b"") * 100_000,
}


@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_hostile_files_cost_little(what: str) -> None:
    data = HOSTILE[what]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    tracemalloc.start()
    try:
        with suppress(MediaError):
            found = read(data)
            assert sum(len(value) for _, value in found.raw) < 5 * 2**20
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEMORY
    # Not a measure of speed: what this guards against takes minutes or for ever.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 60


@pytest.mark.parametrize("version", [3, 4])
def test_bombs_are_named_and_the_rest_is_kept(version: int) -> None:
    good = frame(b"TPE1", b"\x03Ada", version=version)
    flags = 9 if version == 4 else 0x80
    found = read(tag(frame(b"TIT2", BOMB, flags, version) + good, version))
    assert (found.title, found.artists) == ("", ("Ada",))
    assert any("unpacks to more than" in problem for problem in found.problems)


@pytest.mark.parametrize("version", [3, 4])
def test_honest_compression_and_unsynchronisation_are_undone(version: int) -> None:
    text = b"\x03packed"
    length = struct.pack(">I", len(text)) if version == 3 else syncsafe(len(text))
    packed = frame(b"TIT2", length + zlib.compress(text), 0x80 if version == 3 else 9, version)
    assert read(tag(packed, version)).title == "packed"
    utf16 = b"\x01\xff\xfe" + "ÿþ!".encode("utf-16-le")
    safe = utf16.replace(b"\xff\x00", b"\xff\x00\x00").replace(b"\xff\xfe", b"\xff\x00\xfe")
    whole = frame(b"TIT2", safe, 2 if version == 4 else 0, version)
    if version == 3:  # the tag as a whole is unsynchronised, and frames count what comes out
        whole = frame(b"TIT2", utf16, 0, 3)
        whole = whole.replace(b"\xff\x00", b"\xff\x00\x00").replace(b"\xff\xfe", b"\xff\x00\xfe")
    assert read(tag(whole, version, 0x80)).title == "ÿþ!"


def test_a_tag_cut_short_gives_what_it_has() -> None:
    whole = frame(b"TIT2", b"\x03A title") + frame(b"TALB", b"\x03" + b"x" * 1_000)
    found = read(tag(whole)[:60])
    assert found.title == "A title"
    assert any("claims" in problem for problem in found.problems)


def test_itunes_frame_sizes() -> None:
    """iTunes wrote 2.4 tags whose frame sizes are plain numbers, not syncsafe ones."""
    long = b"\x03" + b"x" * 299
    frames = b"TALB" + struct.pack(">I", len(long)) + bytes(2) + long
    found = read(tag(frames + b"TIT2" + struct.pack(">I", 6) + bytes(2) + b"\x03after"))
    assert (found.title, len(found.album)) == ("after", 299)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[Codec, bytes]:
    folder: Path = tmp_path_factory.mktemp("whole")
    return {codec: made(codec, folder, TAGS).read_bytes() for codec in CODECS}


@settings(max_examples=300, deadline=None)
@given(
    codec=st.sampled_from(CODECS),
    changes=st.lists(st.tuples(st.integers(0, 3_000), st.binary(min_size=1, max_size=8))),
    cut=st.none() | st.integers(0, 3_000),
)
def test_any_damage_is_at_worst_a_media_error(
    whole_files: dict[Codec, bytes],
    codec: Codec,
    changes: list[tuple[int, bytes]],
    cut: int | None,
) -> None:
    data = bytearray(whole_files[codec])
    for at, change in changes:
        data[at : at + len(change)] = change
    with suppress(MediaError):
        found = read(bytes(data[:cut]), f"piece.{codec}")
        assert all(ord(character) >= 32 or character in "\n\t" for character in found.title)
        for values in (found.isrcs, found.artist_mbids):
            assert all(value.isascii() for value in values)


@settings(max_examples=200, deadline=None)
@given(
    magic=st.sampled_from(
        [
            b"ID3\x04\0\0\0\0\0\x40",
            b"fLaC",
            b"OggS\0\x02",
            b"RIFF\x40\0\0\0WAVE",
            b"FORM\0\0\0@AIFF",
            b"\0\0\0\x10ftypM4A ",
            bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
            b"MAC ",
            b"MPCK",
            b"MP+\x07",
            b"wvpk",
            b"TTA1",
            b"tBaK",
            b"OFR ",
            b"DSD \x1c",
            b"FRM8\0\0\0\0\0\0\0\x40DSD ",
            b"\x0b\x77",
            b"ADIF",
            b"\xff\xf1",
            b"\xff\xfb",
            b"#!AMR\n",
            b"\x1a\x45\xdf\xa3",
            b"caff\0\1",
            b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0",
            b".snd",
        ]
    ),
    body=st.binary(max_size=300),
)
def test_magic_and_rubbish_is_at_worst_a_media_error(magic: bytes, body: bytes) -> None:
    with suppress(MediaError):
        read(magic + body, "piece")
