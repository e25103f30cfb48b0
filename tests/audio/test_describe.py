"""The whole description of a file: every part measured, from one decoding, again and again."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import av
import numpy as np
import pytest

from longplay.audio.describe import describe
from longplay.audio.encode import Codec
from longplay.errors import MediaError
from longplay.model import AudioDescription, Verdict
from longplay.settings import Limits
from tests.audio.media_made import film, made, muxed, tone


def described(data: bytes) -> AudioDescription:
    return describe(io.BytesIO(data), len(data), Limits())


def test_everything_about_a_whole_file(tmp_path: Path) -> None:
    sound = described(made(tmp_path, "flac", tone(8)))
    assert sound.integrity.verdict == Verdict.WHOLE
    assert (sound.stream.codec, sound.stream.bit_depth, sound.decoded.duration_ms) == (
        "flac",
        16,
        8000,
    )
    assert sound.loudness.integrated_lufs == pytest.approx(-13.5, abs=2)
    assert sound.loudness.range_lu == pytest.approx(0, abs=0.5)
    assert sound.loudness.sample_peak_dbfs is not None
    assert sound.loudness.true_peak_dbtp is not None
    assert sound.loudness.sample_peak_dbfs <= sound.loudness.true_peak_dbtp < 0
    assert len(np.frombuffer(sound.fingerprint, "<u4")) == pytest.approx(8 / 0.1238 - 22, abs=2)
    assert sound.decoder == (
        f"FFmpeg libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}"
        f" via PyAV {av.__version__}"
    )


def test_it_repeats_and_travels(tmp_path: Path) -> None:
    data = made(tmp_path, "opus", tone(5))
    first = described(data)
    assert described(data) == first
    assert pickle.loads(pickle.dumps(first)) == first


@pytest.mark.parametrize("codec", ["vorbis", "opus", "mp3", "aac", "wav"])
def test_the_same_sound_in_another_codec(codec: Codec, tmp_path: Path) -> None:
    lossless, other = (described(made(tmp_path, name, tone(10))) for name in ("flac", codec))
    assert other.integrity.verdict == Verdict.WHOLE
    assert other.loudness.integrated_lufs == pytest.approx(
        lossless.loudness.integrated_lufs, abs=0.3
    )
    ours, theirs = (np.frombuffer(sound.fingerprint, "<u4") for sound in (lossless, other))
    shared = min(len(ours), len(theirs))
    bits = np.unpackbits((ours[:shared] ^ theirs[:shared]).view(np.uint8))
    assert bits.mean() < 0.1


def test_damage_is_found_and_the_rest_is_measured(tmp_path: Path) -> None:
    data = bytearray(made(tmp_path, "flac", tone(8)))
    data[len(data) // 2] ^= 16
    sound = described(bytes(data))
    assert sound.integrity.verdict == Verdict.DAMAGED
    assert sound.integrity.findings
    assert sound.fingerprint
    assert sound.loudness.integrated_lufs is not None


def test_a_cut_file_is_damaged(tmp_path: Path) -> None:
    data = made(tmp_path, "vorbis", tone(8))
    assert described(data[: len(data) // 2]).integrity.verdict == Verdict.DAMAGED


def test_sound_too_short_to_fingerprint(tmp_path: Path) -> None:
    sound = described(made(tmp_path, "wav", tone(1)))
    assert sound.fingerprint == b""
    assert sound.loudness.integrated_lufs is not None


def test_silence() -> None:
    data = muxed(
        np.zeros((1, 300_000), np.int16), codec="flac", muxer="flac", form="s16", layout="mono"
    )
    sound = described(data)
    assert sound.loudness.integrated_lufs is None
    assert sound.loudness.true_peak_dbtp is None
    assert set(np.frombuffer(sound.fingerprint, "<u4").tolist()) == {627_964_279}


def test_wild_numbers_give_finite_measures() -> None:
    wild = np.random.default_rng(2).standard_normal((1, 200_000)).astype(np.float32)
    wild[0, ::1000] = np.inf
    wild[0, 5::1000] = np.nan
    data = muxed(wild, codec="pcm_f32le", muxer="wav", form="flt", layout="mono")
    loudness = described(data).loudness
    assert loudness.integrated_lufs is not None
    assert np.isfinite(loudness.integrated_lufs)
    assert np.isfinite(loudness.true_peak_dbtp or 0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (film(), "holds no sound"),
        (b"not music at all" * 100, "not a sound file"),
        (b"fLaC" + bytes(200), "sound"),
    ],
    ids=["film", "text", "zeros"],
)
def test_what_is_no_sound_is_told_in_words(data: bytes, words: str) -> None:
    with pytest.raises(MediaError, match=words) as caught:
        described(data)
    assert "Errno" not in caught.value.message


def test_a_refusal_names_what_is_wrong_with_the_bytes(tmp_path: Path) -> None:
    data = made(tmp_path, "aac", tone(3))
    with pytest.raises(MediaError, match=r"; .*moov"):
        described(data[: data.index(b"moov") - 4])


@pytest.mark.real
def test_every_shared_file_is_whole(data: Path) -> None:
    small = [path for path in (data / "audio").iterdir() if path.stat().st_size < 400_000]
    paths = sorted(path for path in small if path.suffix != ".tsv")
    assert len(paths) > 20
    for path in paths:
        with path.open("rb") as source:
            sound = describe(source, path.stat().st_size, Limits())
        assert sound.integrity.verdict == Verdict.WHOLE, (path.name, sound.integrity)
        assert sound.fingerprint, path.name
