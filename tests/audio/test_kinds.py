"""What kind a file is: bytes first, then the name."""

from __future__ import annotations

from pathlib import Path

import pytest

from longplay.audio.tags import kind_of, mime_of, suffix_of
from longplay.model import Kind

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
MP3 = bytes.fromhex("fffb9064") + bytes(60)


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        (b"cover.jpg", b"\xff\xd8\xff\xe0" + bytes(20), Kind.IMAGE),
        (b"cover.mp3", PNG, Kind.IMAGE),
        (b"no suffix", PNG, Kind.IMAGE),
        (b"booklet.pdf", b"%PDF-1.4\n", Kind.DOCUMENT),
        (b"booklet.txt", b"%PDF-1.4\n", Kind.DOCUMENT),
        (b"notes.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(8), Kind.DOCUMENT),
        (b"album.cue", b"REM GENRE Rock\n", Kind.TEXT),
        (b"rip.log", "Exact Audio Copy".encode("utf-16"), Kind.TEXT),
        (b"rip.log", "抓轨日志".encode("utf-16"), Kind.TEXT),
        (b"unnamed", "Exact Audio Copy".encode("utf-16"), Kind.TEXT),
        (b"words.lrc", "[00:01.00]Käse".encode("latin-1"), Kind.TEXT),
        (b"README", b"hello\n", Kind.TEXT),
        (b"song.mp3", MP3, Kind.AUDIO),
        (b"song", MP3, Kind.AUDIO),
        (b"damaged.flac", bytes(64), Kind.AUDIO),
        (b"old.mod", bytes(64), Kind.OTHER),
        (b"empty", b"", Kind.OTHER),
        (b".mp3", bytes(8), Kind.OTHER),
        (b"dir.mp3/noise", bytes(8), Kind.OTHER),
        (b"\xff\xfe.OGG", b"OggS" + bytes(60), Kind.AUDIO),
        (b"photo.webp", b"RIFF\x00\x00\x00\x00WEBPVP8 ", Kind.IMAGE),
        (b"sound.webp", b"RIFF\x00\x00\x00\x00WAVEfmt ", Kind.AUDIO),
        (b"photo.avif", b"\x00\x00\x00\x20ftypavif", Kind.IMAGE),
        (b"song.m4a", b"\x00\x00\x00\x20ftypM4A ", Kind.AUDIO),
        (b"binary.txt", b"\x00\x01\x02\x03", Kind.OTHER),
    ],
)
def test_kinds(name: bytes, head: bytes, kind: Kind) -> None:
    assert kind_of(name, head) == kind


def test_frame_headers_that_cannot_exist_prove_nothing() -> None:
    for header in ("ffe89064", "fff99064", "fffb0064", "fffbf064", "fffb9c64"):
        assert mime_of(bytes.fromhex(header)) in ("", "audio/aac")
    assert mime_of(MP3) == "audio/mpeg"


@pytest.mark.parametrize(
    ("container", "codec", "suffix"),
    [
        ("ogg", "vorbis", ".ogg"),
        ("ogg", "opus", ".opus"),
        ("ogg", "speex", ".spx"),
        ("ogg", "flac", ".oga"),
        ("flac", "flac", ".flac"),
        ("mov,mp4,m4a,3gp,3g2,mj2", "alac", ".m4a"),
        ("matroska,webm", "opus", ".mka"),
        ("mp3", "mp3", ".mp3"),
        ("wav", "pcm_s16le", ".wav"),
        ("never heard of", "xyz", ".bin"),
    ],
)
def test_suffixes_of_sound(container: str, codec: str, suffix: str) -> None:
    assert suffix_of(Kind.AUDIO, container, codec) == suffix


def test_suffixes_of_the_rest() -> None:
    assert suffix_of(Kind.IMAGE, head=PNG) == ".png"
    assert suffix_of(Kind.DOCUMENT, head=b"%PDF-1.7") == ".pdf"
    assert suffix_of(Kind.TEXT, head=b"hello") == ".txt"
    assert suffix_of(Kind.OTHER, head=bytes(10)) == ".bin"


@pytest.mark.real
def test_every_shared_track_is_sound(data: Path) -> None:
    for path in sorted((data / "audio").glob("*")):
        with path.open("rb") as file:
            head = file.read(512)
        expected = Kind.TEXT if path.suffix == ".tsv" else Kind.AUDIO
        assert kind_of(path.name.encode(), head) == expected
        if expected == Kind.AUDIO:
            assert mime_of(head)
