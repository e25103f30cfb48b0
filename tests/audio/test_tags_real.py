"""Tags of real files, checked against what others read of them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from longplay.audio.tags import read_tags
from longplay.errors import MediaError
from longplay.model import Tags
from longplay.settings import Limits

pytestmark = pytest.mark.real


def read(path: Path) -> Tags:
    with path.open("rb") as file:
        return read_tags(file, path.stat().st_size, path.name, Limits())


def test_every_shared_track(data: Path) -> None:
    with (data / "audio" / "MANIFEST.tsv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(rows) == 75
    for row in rows:
        found = read(data / "audio" / row["file"])
        assert found.title == row["title"], row["file"]
        assert "/".join(found.artists) == row["artist"], row["file"]
        assert found.album == row["album"], row["file"]
        assert found.problems == ()
        if found.duration_ms is None:
            assert "no total number of samples" in row["file"]
        else:
            # An ADTS stream has no length; its start is extrapolated. AMR is what FFmpeg guesses.
            slack = 2.5 if row["codec"] == "aac" and row["file"].endswith(".aac") else 0.6
            assert found.duration_ms / 1000 == pytest.approx(float(row["seconds"]), abs=slack)


@pytest.mark.parametrize("name", "aiff alac.m4a ape dsf flac m4a mp3 mpc ogg opus wma wv".split())
def test_one_album_in_every_container(data: Path, name: str) -> None:
    found = read(data / "broken" / "beets" / f"full.{name}")
    assert (found.title, found.artists, found.album) == ("full", ("the artist",), "the album")
    assert (found.track_number, found.track_total) == (2, 3)
    assert (found.disc_number, found.disc_total) == (4, 5)
    assert (found.date, found.genres) == ("2001", ("the genre",))
    assert found.composers == ("the composer",)
    if name != "dsf":
        assert found.recording_mbid == "8b882575-08a5-4452-a7a7-cbb8a1531f9e"
        assert found.album_mbid == "9e873859-8aa4-4790-b985-5a953e8ef628"
        assert found.artist_mbids == ("7cf0ea9d-86b9-4dad-ba9e-2355a64899ea",)
        assert found.label == "the label"
    if name != "dsf":
        assert found.duration_ms == pytest.approx(1000, abs=72)


KNOWN: dict[str, dict[str, object]] = {
    "mutagen/silence-44-s.flac": {
        "artists": ("piman", "jzig"),
        "track_total": 10,
        "duration_ms": 3685,
        "lossless": True,
    },
    "mutagen/id3v22-test.mp3": {"title": "cosmic american", "track_number": 3, "date": "2004"},
    "mutagen/id3v23_unsynch.id3": {"title": "My babe just cares for me"},
    "mutagen/id3v24_extended_header.id3": {"artists": ("Snild Dolkow",)},
    "mutagen/issue_29.wma": {"title": "Señor Flamingos Adieu", "track_total": 15},
    "mutagen/apev2-lyricsv2.mp3": {"title": "A song", "genres": ("House",)},
    "mutagen/52-too-short-block-size.flac": {"title": "Mother's Daughter"},
    "mutagen/silence-2s-PCM-44100-16-ID3v23.wav": {"title": "Silence", "track_total": 10},
    "mutagen/with-id3.aif": {"title": "AIFF title", "duration_ms": 1000},
    "mutagen/with-id3.dsf": {"title": "DSF title"},
    "mutagen/has-tags.tak": {"artists": ("The Artist",), "lossless": True},
    "mutagen/empty.oggflac": {"container": "ogg", "lossless": True, "duration_ms": 3685},
    "mutagen/multiplexed.spx": {"duration_ms": 3685},
    "mutagen/5644800-2ch-s01-silence.dff": {"duration_ms": 10, "bit_rate": 11_289_600},
    "beets/date.mp3": {"date": "1987-03-31"},
    "tinytag/id3_multiple_artists.mp3": {
        "artists": tuple(f"artist{number}" for number in range(1, 8))
    },
    "tinytag/multiple_values_images.wma": {
        "artists": ("some artist", "another artist", "yet another artist"),
        "genres": ("Jungle",),
    },
    "tinytag/utf16be.mp3": {"title": "52-girls", "artists": ("The B52s",)},
    "tinytag/id3v24_genre_null_byte.mp3": {"title": "星のない世界", "album": "秘密"},
    "tinytag/id3v1-latin1.mp3": {"artists": ("Björk",), "title": "Play Dead"},
    "tinytag/id3_comment_utf_16_with_bom.mp3": {"copyrights": ("(c) 2008 nin",)},
    "tinytag/pluck-pcm8.aiff": {"title": "Pluck", "artists": ("Serhiy Storchaka",)},
    "tinytag/riff_extra_zero.wav": {"album": "808 Bass Express", "track_number": 3},
    "tinytag/lossless.wma": {"lossless": True},
    "tinytag/gsm_6_10.wav": {"title": "track", "lossless": False},
}


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_known_files(data: Path, name: str) -> None:
    found = read(data / "broken" / name)
    assert {field: getattr(found, field) for field in KNOWN[name]} == KNOWN[name]


@pytest.mark.parametrize(
    ("name", "mimes"),
    [
        ("beets/image.flac", ["image/png", "image/jpeg"]),
        ("beets/image.ogg", ["image/png", "image/jpeg"]),
        ("beets/image.mp3", ["image/png", "image/jpeg"]),
        ("beets/image.m4a", ["image/png", "image/jpeg"]),
        ("beets/image.ape", ["image/png", "image/jpeg"]),
        ("beets/image.wma", ["image/png", "image/jpeg"]),
        ("beets/coverart.ogg", ["image/png"]),
        ("mutagen/106-short-picture-block-size.flac", ["image/png"]),
        ("tinytag/wav_with_image.wav", ["image/jpeg"]),
        ("tinytag/aiff_with_image.aiff", ["image/jpeg"]),
        ("tinytag/id3v22_with_image.mp3", ["image/jpeg"]),
    ],
)
def test_pictures(data: Path, name: str, mimes: list[str]) -> None:
    found = read(data / "broken" / name)
    assert sorted(picture.mime for picture in found.pictures) == sorted(mimes)


def test_no_broken_file_raises_anything_else(data: Path) -> None:
    media = silent = 0
    for path in sorted((data / "broken").rglob("*")):
        if path.is_file():
            try:
                read(path)
            except MediaError:
                silent += 1
            else:
                media += 1
    assert media > 350
    assert silent > 30
