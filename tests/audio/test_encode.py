"""Encoding our own samples: every codec plays back, carries its tags, and repeats byte for byte."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from longplay.audio.encode import Codec, encode
from longplay.errors import MediaError
from longplay.model import Tags

CODECS: tuple[Codec, ...] = ("flac", "vorbis", "opus", "mp3", "aac", "wav")
RATE = 44_100
TAGS = Tags(title="Für Elise", artists=("Ada", "Björn"), licences=("CC0-1.0",))

SCRIPT = """
import hashlib, sys
from pathlib import Path
from tests.audio.test_encode import TAGS, RATE, tone
from longplay.audio.encode import encode
out = Path(sys.argv[2])
encode(tone(2), RATE, out, sys.argv[1], TAGS)
print(hashlib.sha256(out.read_bytes()).hexdigest())
"""


def tone(channels: int, seconds: float = 2.5) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    time = np.arange(int(RATE * seconds)) / RATE
    wave = 0.3 * np.sin(2 * np.pi * 440 * time) * np.exp(-time)
    return np.stack([wave.astype(np.float32)] * channels)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("codec", CODECS)
def test_the_sound_comes_back(codec: Codec, channels: int, tmp_path: Path) -> None:
    out = tmp_path / "piece"
    encode(tone(channels), RATE, out, codec, TAGS)
    with av.open(str(out)) as container:
        stream = container.streams.audio[0]
        assert stream.channels == (2 if codec == "vorbis" else channels)
        parts = [frame.to_ndarray().astype(np.float64) for frame in container.decode(stream)]
        seconds = sum(frame.shape[1] for frame in parts) / stream.rate
        if not stream.format.is_planar:
            seconds /= stream.channels
    assert seconds == pytest.approx(2.5, abs=0.03)
    assert max(np.abs(part).max() for part in parts) > 0


@pytest.mark.parametrize("codec", CODECS)
def test_another_process_writes_the_same_bytes(codec: Codec, tmp_path: Path) -> None:
    out = tmp_path / "here"
    encode(tone(2), RATE, out, codec, TAGS)
    there = subprocess.run(
        [sys.executable, "-c", SCRIPT, codec, str(tmp_path / "there")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert there == hashlib.sha256(out.read_bytes()).hexdigest()


def test_lossless_means_lossless(tmp_path: Path) -> None:
    samples = tone(2)
    for codec in ("flac", "wav"):
        out = tmp_path / codec
        encode(samples, RATE, out, codec)
        with av.open(str(out)) as container:
            pcm = np.concatenate(
                [frame.to_ndarray().reshape(-1, 2) for frame in container.decode(audio=0)]
            )
        assert np.abs(pcm.T / 32768 - samples).max() < 1.5 / 32768


def test_what_ffmpeg_refuses_is_a_media_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError):
        encode(tone(1), 7, tmp_path / "odd", "mp3")
