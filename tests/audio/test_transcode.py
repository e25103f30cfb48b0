"""Opus copies: the same bytes every time, as long as the original, at the promised rate."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import wave
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.audio.encode import encode
from longplay.audio.tags import read_tags
from longplay.audio.transcode import to_opus
from longplay.errors import MediaError
from longplay.model import Picture, Tags
from longplay.settings import Limits

PNG = Picture("image/png", "front cover", "the cover", b"\x89PNG\r\n\x1a\n" + bytes(70_000))
TAGS = Tags(
    title="Träumerei",
    artists=("Ada", "Björn"),
    album="Kinderszenen",
    album_artists=("Ada",),
    composers=("Robert Schumann",),
    track_number=7,
    track_total=13,
    disc_number=1,
    disc_total=2,
    date="1838",
    genres=("Classical", "Piano"),
    isrcs=("DEA129900123",),
    recording_mbid="11111111-2222-3333-4444-555555555555",
    track_mbid="21111111-2222-3333-4444-555555555555",
    album_mbid="31111111-2222-3333-4444-555555555555",
    artist_mbids=("41111111-2222-3333-4444-555555555555",),
    upc="0012345678905",
    label="Own",
    licences=("https://creativecommons.org/licenses/by/4.0/",),
    copyrights=("© 2020 Ada",),
    phonographic=("℗ 2021 Björn",),
    pictures=(PNG, replace(PNG, role="back cover", data=PNG.data + b"2")),
)
SCRIPT = """
import hashlib, io, sys
from longplay.audio.transcode import to_opus
from tests.audio.test_transcode import TAGS
out = io.BytesIO()
to_opus(open(sys.argv[1], "rb"), out, tags=TAGS)
print(hashlib.sha256(out.getvalue()).hexdigest())
"""


def noise(seconds: float, channels: int, rate: int = 44_100) -> io.BytesIO:
    """A WAV that is hard to encode, so that a promise about the rate means something."""
    generator = np.random.default_rng(channels)
    pcm = generator.normal(0, 6_000, (int(seconds * rate), channels)).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(pcm.tobytes())
    file.seek(0)
    return file


def seconds_of(data: bytes) -> float:
    with av.open(io.BytesIO(data)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


@pytest.mark.parametrize(("channels", "expected"), [(1, 1), (2, 2), (3, 2), (6, 2), (12, 2)])
def test_duration_and_channels(channels: int, expected: int) -> None:
    out = io.BytesIO()
    made = to_opus(noise(2.345, channels), out)
    assert made.channels == expected
    assert seconds_of(out.getvalue()) == pytest.approx(2.345, abs=0.001)
    assert made.duration_ms == 2345
    assert made.size == len(out.getvalue())


@settings(max_examples=15, deadline=None)
@given(
    samples=st.integers(100, 5_000),
    rate=st.sampled_from([8_000, 11_025, 44_100, 48_000, 96_000]),
)
def test_any_length_at_any_rate(samples: int, rate: int) -> None:
    out = io.BytesIO()
    to_opus(noise((samples + 0.5) / rate, 1, rate), out)
    assert seconds_of(out.getvalue()) == pytest.approx(samples / rate, abs=0.001)


def test_the_promised_rate_is_kept() -> None:
    for promise in (48_000, 75_000, 128_000):
        made = to_opus(noise(20, 2), io.BytesIO(), bit_rate=promise)
        assert promise * 0.9 < made.bit_rate <= promise * 1.013


def test_all_tags_and_pictures_arrive() -> None:
    out = io.BytesIO()
    to_opus(noise(0.5, 2), out, tags=TAGS)
    found = read_tags(out, len(out.getvalue()), "copy.opus", Limits())
    facts = {"container", "duration_ms", "bit_rate", "lossless", "raw"}
    for field in TAGS.__dataclass_fields__:
        if field not in facts:
            assert getattr(found, field) == getattr(TAGS, field), field


def test_extra_tags_are_carried_and_gain_is_not() -> None:
    tags = Tags(
        raw=(("TPE3", "Clara"), ("TXXX:REPLAYGAIN_TRACK_GAIN", "-3 dB"), ("TSSE", "LAME")),
        replaygain=(("REPLAYGAIN_TRACK_GAIN", "-3 dB"),),
    )
    out = io.BytesIO()
    to_opus(noise(0.1, 1), out, tags=tags)
    found = read_tags(out, len(out.getvalue()), "copy.opus", Limits())
    assert found.raw == (("CONDUCTOR", "Clara"),)
    assert found.replaygain == ()


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "source.wav"
    source.write_bytes(noise(3, 2).getvalue())
    out = tmp_path / "copy.opus"
    with source.open("rb") as file:
        to_opus(file, out, tags=TAGS)
    there = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(source)], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert there == hashlib.sha256(out.read_bytes()).hexdigest()


def test_a_file_open_only_for_writing_will_do(tmp_path: Path) -> None:
    readable = io.BytesIO()
    to_opus(noise(1, 2), readable, tags=TAGS)
    with (tmp_path / "copy").open("wb") as out:
        made = to_opus(noise(1, 2), out, tags=TAGS)
    assert (tmp_path / "copy").read_bytes() == readable.getvalue()
    assert made.size == len(readable.getvalue())


def test_damage_costs_what_is_damaged(tmp_path: Path) -> None:
    encode(np.frombuffer(noise(4, 1).read()[44:], "<i2")[None].astype(np.float32) / 32768, 44_100,
           tmp_path / "whole.mp3", "mp3")  # fmt: skip
    data = bytearray((tmp_path / "whole.mp3").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4096] = bytes(4096)
    out = io.BytesIO()
    to_opus(io.BytesIO(bytes(data)), out)
    assert 3 < seconds_of(out.getvalue()) <= 4.1


def test_no_sound_is_a_media_error() -> None:
    for data in (b"", b"not sound at all" * 100, noise(1, 1).getvalue()[:44]):
        with pytest.raises(MediaError):
            to_opus(io.BytesIO(data), io.BytesIO())


def test_a_concat_script_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(noise(1, 1).getvalue())
    script = f"ffconcat version 1.0\nfile '{secret}'\n".encode()
    with pytest.raises(MediaError):
        to_opus(io.BytesIO(script), io.BytesIO())


@pytest.mark.real
@pytest.mark.parametrize(
    "name",
    [
        "audiofile__gs-16b-1c-8000hz.amr",
        "audiofile__gs-16b-1c-44100hz.m4a",
        "flactest__57 - PNG PICTURE.flac",
        "kmacleod__fluffing_a_duck.mp3",
        "kmacleod__hand_trolley.webm",
        "librosa__Kevin_MacLeod_-_Vibe_Ace.hq.ogg",
    ],
)
def test_real_files(data: Path, name: str) -> None:
    path = data / "audio" / name
    out = io.BytesIO()
    with path.open("rb") as source:
        tags = read_tags(source, path.stat().st_size, name, Limits())
        made = to_opus(source, out, tags=tags)
    found = read_tags(out, made.size, "copy.opus", Limits())
    assert made.duration_ms / 1000 == pytest.approx(seconds_of(path.read_bytes()), abs=0.03)
    assert made.bit_rate <= 76_000 or made.duration_ms < 6_000
    assert (found.title, found.artists, found.licences, found.pictures) == (
        tags.title,
        tags.artists,
        tags.licences,
        tags.pictures,
    )
