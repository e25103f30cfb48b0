"""Loudness against the EBU's own signals, the filters' textbook form, and FFmpeg."""

from __future__ import annotations

import math
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from longplay.audio.decode import decode
from longplay.audio.loudness import LoudnessMeter, channel_weights, k_weighting
from longplay.audio.peaks import REACH, ROW, Kernel, PeakMeter
from longplay.audio.resample import Stretch
from longplay.model import Loudness
from longplay.settings import Limits
from tests.audio import real_files

STEREO = ("FL", "FR")
RATE = 48_000


def sine(
    decibels: float, seconds: float, hertz: float = 1000.0, rate: int = RATE, phase: float = 0.0
) -> NDArray[np.float32]:
    time = np.arange(round(seconds * rate)) / rate
    wave = 10 ** (decibels / 20) * np.sin(2 * np.pi * hertz * time + phase)
    return wave.astype(np.float32)


def stereo(*parts: tuple[float, float]) -> NDArray[np.float32]:
    """A 1 kHz tone in both channels: (dBFS, seconds) one after the other."""
    return np.tile(np.concatenate([sine(*part) for part in parts]), (2, 1))


def measured(
    samples: NDArray[np.float32], rate: int = RATE, speakers: tuple[str, ...] = STEREO
) -> Loudness:
    meter = LoudnessMeter()
    meter.feed(samples, rate, speakers)
    return meter.result()


# EBU Tech 3341 (2023), table 1

TECH_3341 = {
    "1": (stereo((-23, 20)), -23.0),
    "2": (stereo((-33, 20)), -33.0),
    "3": (stereo((-36, 10), (-23, 60), (-36, 10)), -23.0),
    "4": (stereo((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)), -23.0),
    "5": (stereo((-26, 20), (-20, 20.1), (-26, 20)), -23.0),
}


@pytest.mark.parametrize("case", TECH_3341)
def test_programme_loudness_of_the_ebu_signals(case: str) -> None:
    samples, expected = TECH_3341[case]
    assert measured(samples).integrated_lufs == pytest.approx(expected, abs=0.1)


def test_programme_loudness_of_the_ebu_surround_signal() -> None:
    levels = {"FL": -28, "FR": -28, "FC": -24, "LFE": 0, "BL": -30, "BR": -30}
    samples = np.stack([sine(level, 20) for level in levels.values()])
    loudness = measured(samples, speakers=tuple(levels))
    assert loudness.integrated_lufs == pytest.approx(-23, abs=0.1)


# EBU Tech 3342 (2023), table 1

TECH_3342 = {
    "1": (stereo((-20, 20), (-30, 20)), 10.0),
    "2": (stereo((-20, 20), (-15, 20)), 5.0),
    "3": (stereo((-40, 20), (-20, 20)), 20.0),
    "4": (stereo((-50, 20), (-35, 20), (-20, 20), (-35, 20), (-50, 20)), 15.0),
}


@pytest.mark.parametrize("case", TECH_3342)
def test_loudness_range_of_the_ebu_signals(case: str) -> None:
    samples, expected = TECH_3342[case]
    assert measured(samples).range_lu == pytest.approx(expected, abs=1.0)


# EBU Tech 3341, signals 15 to 19: (frequency divisor, phase in degrees, amplitude, dBTP)

TRUE_PEAKS = [(4, 0, 0.5, -6), (4, 45, 0.5, -6), (6, 60, 0.5, -6), (8, 67.5, 0.5, -6)]
TRUE_PEAKS.append((4, 45, 1.41, 3))


@pytest.mark.parametrize(("divisor", "degrees", "amplitude", "expected"), TRUE_PEAKS)
def test_true_peak_of_the_ebu_signals(
    divisor: int, degrees: float, amplitude: float, expected: float
) -> None:
    wave = sine(20 * math.log10(amplitude), 2, RATE / divisor, phase=math.radians(degrees))
    fade = np.minimum(1, np.arange(len(wave)) / 480).astype(np.float32)  # 10 ms
    peak = measured(np.tile(wave * fade * fade[::-1], (2, 1))).true_peak_dbtp
    assert peak is not None
    assert expected - 0.4 <= peak <= expected + 0.2


def test_a_full_scale_sine_in_one_channel() -> None:
    """BS.1770: -3.01 LKFS at 997 Hz."""
    loudness = measured(sine(0, 5, 997)[None, :], speakers=("FC",))
    assert loudness.integrated_lufs == pytest.approx(-3.01, abs=0.01)


def test_silence_and_short_sounds_have_no_loudness() -> None:
    silence = measured(np.zeros((2, 5 * RATE), np.float32))
    assert silence == Loudness(None, None, None, None)
    assert LoudnessMeter().result() == Loudness(None, None, None, None)
    click = measured(stereo((-6, 0.3)))
    assert (click.integrated_lufs, click.range_lu) == (None, None)
    assert click.sample_peak_dbfs == pytest.approx(-6, abs=0.01)
    assert measured(stereo((-20, 2))).range_lu is None


def test_weights_follow_the_place_of_the_speakers() -> None:
    assert channel_weights(("FL", "FR", "FC", "LFE", "BL", "BR")).tolist() == [
        1,
        1,
        1,
        0,
        1.41,
        1.41,
    ]
    seven = ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR")
    assert channel_weights(seven).tolist() == [1, 1, 1, 0, 1, 1, 1.41, 1.41]
    assert channel_weights(("NONE", "NONE")).tolist() == [1, 1]


def test_the_filters_at_48_khz_are_those_of_the_recommendation() -> None:
    (b, a), (b2, a2) = k_weighting(48_000)
    assert b == pytest.approx([1.53512485958697, -2.69169618940638, 1.19839281085285], abs=1e-7)
    assert a == pytest.approx([1, -1.69065929318241, 0.73248077421585], abs=1e-7)
    assert b2 == pytest.approx([1, -2, 1])
    assert a2 == pytest.approx([1, -1.99004745483398, 0.99007225036621], abs=1e-7)


@pytest.mark.parametrize("rate", [2_000, 8_000, 11_025, 44_100, 96_000, 192_000])
def test_matrix_filtering_is_the_recursion(rate: int) -> None:
    noise = np.random.default_rng(3).standard_normal((2, 4 * rate)).astype(np.float32) * 0.1
    noise += 0.5  # a constant, which the filters must take away
    weighted = noise.astype(np.float64)
    for b, a in k_weighting(rate):
        weighted = scipy.signal.lfilter(b, a, weighted, axis=1)
    step = rate // 10
    whole = weighted.shape[1] // step * step
    steps = np.square(weighted[:, :whole]).reshape(2, -1, step).mean(axis=2).sum(axis=0)
    blocks = np.convolve(steps, np.ones(4) / 4, "valid")
    gated = blocks[blocks > blocks.mean() / 10]
    expected = -0.691 + 10 * np.log10(gated.mean())
    assert measured(noise, rate).integrated_lufs == pytest.approx(expected, abs=0.001)


@given(cuts=st.lists(st.integers(0, 30_000), max_size=12))
@settings(max_examples=30, deadline=None)
def test_pieces_of_any_length_measure_alike(cuts: list[int]) -> None:
    noise = np.random.default_rng(4).standard_normal((2, 30_000)).astype(np.float32) * 0.2
    noise *= np.linspace(0.1, 1, 30_000, dtype=np.float32)
    whole, meter = measured(noise, 8_000), LoudnessMeter()
    for piece in np.split(noise, sorted(cuts), axis=1):
        meter.feed(piece, 8_000, STEREO)
    pieces = meter.result()
    assert pieces.integrated_lufs == pytest.approx(whole.integrated_lufs, abs=1e-4)
    assert pieces.range_lu == pytest.approx(whole.range_lu, abs=1e-3)
    assert pieces.true_peak_dbtp == pytest.approx(whole.true_peak_dbtp, abs=1e-4)
    assert pieces.sample_peak_dbfs == whole.sample_peak_dbfs


def test_sound_whose_rate_changes_is_measured_as_one() -> None:
    meter = LoudnessMeter()
    meter.feed(stereo((-23, 10)), RATE, STEREO)
    meter.feed(sine(-20, 10, rate=22_050)[None, :], 22_050, ("FC",))  # one channel: -23 again
    assert meter.result().integrated_lufs == pytest.approx(-23, abs=0.1)


# True peak: what the bound leaves out never mattered


def interpolated(samples: NDArray[np.float32], factor: int) -> float:
    """The peak with everything interpolated: SciPy's polyphase filter, the kernel's own sinc."""
    reach = np.arange(-REACH * factor, REACH * factor + 1) / factor
    prototype = np.sinc(reach) * np.kaiser(len(reach), 8.0)
    for phase in range(factor):
        prototype[phase::factor] /= prototype[phase::factor].sum()
    full = scipy.signal.upfirdn(prototype, samples.astype(np.float64), factor, axis=1)
    return float(np.abs(full).max())


def peak_of(samples: NDArray[np.float32], rate: int) -> float:
    meter = PeakMeter(rate, len(samples))
    for piece in np.array_split(samples, 3, axis=1):
        meter.feed(piece)
    meter.finish()
    return meter.true_peak


def quarter(degrees: float, length: int = 4_000) -> NDArray[np.float32]:
    wave = np.sin(np.pi / 2 * np.arange(length) + math.radians(degrees))
    return np.asarray(wave, np.float32)


def signs(seed: int, length: int = 6_000) -> NDArray[np.float32]:
    return np.where(np.random.default_rng(seed).random(length) < 0.5, -1, 1).astype(np.float32)


def worst(factor: int) -> NDArray[np.float32]:
    """Samples of ±0.5 that add up to all that the kernel can give, beside a louder slow tone."""
    reach = np.arange(1 - REACH, REACH + 1) - 0.5
    slow = 0.8 * np.sin(2 * np.pi * np.arange(5_000) / 400)
    slow[2_500 : 2_500 + 2 * REACH] = 0.5 * np.sign(np.sinc(reach))
    assert factor > 1
    return slow.astype(np.float32)


ADVERSARIES = {
    "a quarter of the rate at 45 degrees": quarter(45),
    "a quarter of the rate at 44 degrees, fading": quarter(44) * np.linspace(1, 0.9, 4_000),
    "alternating samples": np.resize(np.array([1, -1], np.float32), 3_000),
    "alternating pairs": np.resize(np.array([1, 1, -1, -1], np.float32), 3_000),
    "one sample": np.eye(1, 2_000, 1_000, dtype=np.float32)[0],
    "one sample at the very end": np.eye(1, 2_000, 1_999, dtype=np.float32)[0],
    "a step": np.repeat(np.array([-1, 1], np.float32), 1_500),
    "random signs": signs(1),
    "quiet signs after a loud tone": np.concatenate([sine(-1, 0.1), 0.6 * signs(2)]),
    "the kernel's own worst": worst(4),
    "shorter than the kernel": np.array([0.5, 0.5], np.float32),
}


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("name", ADVERSARIES)
def test_the_screen_hides_no_peak_of_an_adversary(name: str, rate: int) -> None:
    samples = np.asarray(ADVERSARIES[name], np.float32)[None, :]
    full = max(interpolated(samples, math.ceil(192_000 / rate)), float(np.abs(samples).max()))
    assert peak_of(samples, rate) == pytest.approx(full, rel=1e-4)


@given(
    samples=arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 3 * ROW)),
        elements=st.floats(-1, 1, width=16),
    ),
    smooth=st.integers(1, 40),
    rate=st.sampled_from([16_000, 44_100, 64_000]),
)
@settings(max_examples=150, deadline=None)
def test_the_screen_hides_no_peak(samples: NDArray[np.float32], smooth: int, rate: int) -> None:
    kernel = np.ones(smooth) / smooth
    shaped = np.stack([np.convolve(row, kernel) for row in samples]).astype(np.float32)
    full = max(interpolated(shaped, math.ceil(192_000 / rate)), float(np.abs(shaped).max()))
    assert peak_of(shaped, rate) == pytest.approx(full, rel=1e-4, abs=1e-6)


def test_the_bounds_are_small_enough_to_be_worth_while() -> None:
    kernel = Kernel(4)
    assert 1 < kernel.gain < 2.5
    assert 0 < kernel.curvature_gain < 0.5


def test_most_rows_of_music_are_never_interpolated(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    walk = scipy.signal.lfilter([1], [1, -0.97], rng.standard_normal((2, 20 * 44_100)))
    music = (0.8 * walk / np.abs(walk).max()).astype(np.float32)
    looked_at = []
    peak = Kernel.peak

    def counting(self: Kernel, rows: NDArray[np.float32]) -> float:
        looked_at.append(len(rows))
        return peak(self, rows)

    monkeypatch.setattr(Kernel, "peak", counting)
    peak_of(music, 44_100)
    assert sum(looked_at) < 0.05 * music.size / ROW


# FFmpeg's own meter


def by_ffmpeg(path: Path) -> dict[str, float]:
    """What the ebur128 filter says at the end: LUFS, LU, and the peaks as amplitudes."""
    told: dict[str, float] = {}
    with av.open(str(path)) as container:
        graph, source, sink = av.filter.Graph(), None, None
        for frame in [*container.decode(audio=0), None]:
            if source is None or sink is None:
                assert frame is not None
                source = graph.add(
                    "abuffer",
                    sample_rate=str(frame.sample_rate),
                    sample_fmt=frame.format.name,
                    channel_layout=frame.layout.name,
                    time_base=f"1/{frame.sample_rate}",
                )
                meter = graph.add("ebur128", "metadata=1:framelog=quiet:peak=true+sample")
                sink = graph.add("abuffersink")
                graph.link_nodes(source, meter, sink).configure()
            source.push(frame)
            try:
                while True:
                    for name, value in sink.pull().metadata.items():
                        told[name.removeprefix("lavfi.r128.")] = float(value)
            except (av.BlockingIOError, av.EOFError):
                pass
    return told


@pytest.mark.real
@pytest.mark.parametrize("number", real_files.NUMBERS)
def test_ffmpeg_measures_the_same(number: int, data: Path) -> None:
    files = sorted(path for path in (data / "audio").iterdir() if path.suffix != ".tsv")
    if number >= len(files):
        pytest.skip("fewer files than that")
    path = files[number]
    meter = LoudnessMeter()

    def hear(stretch: Stretch) -> None:
        meter.feed(stretch.samples, stretch.rate, stretch.speakers)

    with path.open("rb") as source:
        decode(source, path.stat().st_size, Limits(), hear)
    loudness, theirs = meter.result(), by_ffmpeg(path)
    assert loudness.integrated_lufs == pytest.approx(theirs["I"], abs=0.1)
    assert loudness.range_lu == pytest.approx(theirs["LRA"], abs=0.1)
    assert loudness.true_peak_dbtp == pytest.approx(20 * math.log10(theirs["true_peak"]), abs=0.1)
    assert loudness.sample_peak_dbfs == pytest.approx(
        20 * math.log10(theirs["sample_peak"]), abs=0.05
    )
