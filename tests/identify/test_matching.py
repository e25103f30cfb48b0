"""Tunes are found in the index as they are, in noise, at other speeds; others are not."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from longplay.audio import landmarks
from longplay.audio.fingerprint import DENSE, DensePrinter, dense_fingerprint, fingerprint
from longplay.audio.fingerprint import HOP as ITEM_HOP
from longplay.identify import confirming, matching, shard
from longplay.identify.matching import Passage
from longplay.identify.shard import Shard
from tests.identify.made import key, mono, printed, tune

RATE = 11_025


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Shard]:
    folder = tmp_path_factory.mktemp("index")
    written = [
        shard.write(folder, [printed(seed) for seed in seeds], "test")
        for seeds in (range(8), range(8, 12))
    ]
    return [Shard(folder / one.name) for one in written]


def ask(shards: list[Shard], sound: NDArray[np.float32], quick: bool = False) -> list[Passage]:
    samples = mono(sound)
    found = landmarks.landmarks(samples)
    return matching.identify(shards, found, len(samples) // landmarks.HOP, quick=quick)


@pytest.mark.parametrize("seed", [0, 5, 9])
def test_a_clip_of_five_seconds_is_found_where_it_lies(shards: list[Shard], seed: int) -> None:
    clip = tune(seed)[int(11.3 * RATE) : int(16.3 * RATE)]
    (found,) = ask(shards, clip)
    assert found.object == key(seed)
    assert abs(found.offset_s - found.start_s - 11.3) < 0.1
    assert found.confidence > 0.99
    assert found.hearing == matching.AS_IT_IS


def test_noise_as_loud_as_a_third_does_not_hide_it(shards: list[Shard]) -> None:
    clip = tune(3)[: 10 * RATE]
    noise = np.random.default_rng(1).standard_normal(len(clip)).astype(np.float32)
    (found,) = ask(shards, clip + noise * clip.std() / 3)
    assert found.object == key(3)


@pytest.mark.parametrize("speed", [0.95, 1.05, 1.1])
def test_other_speeds_are_recognised_and_told(shards: list[Shard], speed: float) -> None:
    sound = tune(2)
    faster = np.interp(np.arange(0, 12 * RATE) * speed, np.arange(len(sound)), sound)
    (found,) = ask(shards, faster.astype(np.float32))
    assert found.object == key(2)
    assert found.hearing.speed == pytest.approx(speed, abs=0.011)
    assert found.hearing.pitch == pytest.approx(speed, abs=0.011)


def test_what_is_not_in_the_index_is_not_claimed(shards: list[Shard]) -> None:
    for seed in range(100, 112):
        assert ask(shards, tune(seed, 10)) == []
    assert ask(shards, np.zeros(10 * RATE, np.float32)) == []
    assert ask(shards, np.zeros(0, np.float32)) == []
    hum = np.sin(2 * np.pi * 440 * np.arange(20 * RATE) / RATE).astype(np.float32)
    assert ask(shards, hum) == []


def test_a_mix_is_told_apart(shards: list[Shard]) -> None:
    mix = np.concatenate([tune(1)[: 15 * RATE], tune(200, 15), tune(10)[10 * RATE : 25 * RATE]])
    first, second = ask(shards, mix)
    assert (first.object, second.object) == (key(1), key(10))
    assert first.start_s < 2 and 12 < first.end_s < 17
    assert 29 < second.start_s < 33 and 42 < second.end_s < 46
    assert abs(second.offset_s - 10 - (second.start_s - 30)) < 0.2


def test_a_long_mix_is_told_apart_quickly(shards: list[Shard]) -> None:
    """Two tunes in a minute and a half; glances see parts of them."""
    noise = np.random.default_rng(3).standard_normal(16 * RATE).astype(np.float32)
    second = tune(10)[4 * RATE : 20 * RATE]
    mix = np.concatenate(
        [tune(200, 33), tune(1), tune(201, 17), second + noise * second.std() / 2, tune(202, 14)]
    )
    first, second_found = ask(shards, mix, quick=True)
    assert (first.object, second_found.object) == (key(1), key(10))
    assert 32 < first.start_s < 35 and 60 < first.end_s < 65
    assert 79 < second_found.start_s < 85 and 91 < second_found.end_s < 97
    assert abs(second_found.offset_s - 4 - (second_found.start_s - 80)) < 0.2


def test_a_whole_tune_at_another_speed_is_found_quickly(shards: list[Shard]) -> None:
    sound = tune(6)
    slower = np.interp(np.arange(0, 32 * RATE) * 0.93, np.arange(len(sound)), sound)
    (found,) = ask(shards, slower.astype(np.float32), quick=True)
    assert found.object == key(6)
    assert found.hearing.speed == pytest.approx(0.93, abs=0.011)
    assert found.end_s - found.start_s > 25


def test_nothing_unknown_is_claimed_quickly(shards: list[Shard]) -> None:
    assert ask(shards, np.concatenate([tune(seed, 10) for seed in range(300, 306)]), True) == []
    assert ask(shards, np.zeros(90 * RATE, np.float32), True) == []


def test_landmarks_do_not_depend_on_how_sound_comes() -> None:
    samples = mono(tune(7, 12))
    whole = landmarks.landmarks(samples)
    lander = landmarks.Lander()
    rng = np.random.default_rng(2)
    at = 0
    while at < len(samples):
        step = int(rng.integers(1, 9_000))
        lander.feed(samples[at : at + step])
        at += step
    parts = lander.result()
    assert (whole.frame == parts.frame).all()
    assert (whole.rank == parts.rank).all()
    assert np.allclose(whole.bin, parts.bin, atol=0.01)


def test_a_recording_under_speech_like_noise_in_bursts_is_one_passage(shards: list[Shard]) -> None:
    sound = tune(4)
    rng = np.random.default_rng(8)
    burst = np.repeat(rng.uniform(0, 1, 60) > 0.5, len(sound) // 60 + 1)[: len(sound)]
    noise = rng.standard_normal(len(sound)).astype(np.float32) * burst * sound.std()
    (found,) = ask(shards, sound + noise)
    assert found.object == key(4)
    assert found.end_s - found.start_s > 24


def test_a_fingerprint_finds_what_landmarks_do_not_far_off_in_a_hall(shards: list[Shard]) -> None:
    rng = np.random.default_rng(5)
    fading = np.exp(-6.9 * np.arange(2 * RATE) / (2 * RATE))
    hall = rng.standard_normal(2 * RATE) * fading
    found, by_landmarks = 0, 0
    for seed in range(6):
        wet = scipy.signal.fftconvolve(tune(seed)[5 * RATE : 15 * RATE], hall)[: 10 * RATE]
        clip = (wet / np.abs(wet).max() * 0.8).astype(np.float32)
        by_landmarks += [one.object for one in ask(shards, clip)] == [key(seed)]
        samples = mono(clip)
        items = dense_fingerprint(samples)
        marks = landmarks.landmarks(samples)
        claims = matching.identify(shards, marks, len(samples) // landmarks.HOP, items=items)
        assert {one.object for one in claims} <= {key(seed)}
        found += bool(claims)
    assert by_landmarks <= 2 and found >= 5


def test_items_lie_as_dense_as_their_grid_says_however_sound_comes() -> None:
    samples = mono(tune(7, 12))
    dense = dense_fingerprint(samples)
    for at in range(DENSE):
        begun = samples[round(at * ITEM_HOP / DENSE) :]
        assert dense[at::DENSE].tolist() == fingerprint(begun).tolist()
    printer = DensePrinter()
    for at in range(0, len(samples), 777):
        printer.feed(samples[at : at + 777])
    assert printer.result().tolist() == dense.tolist()


def test_a_fingerprint_confirms_its_own_place_and_no_other(shards: list[Shard]) -> None:
    one = shards[0]
    items = dense_fingerprint(mono(tune(2)[9 * RATE : 19 * RATE]))
    there = round(9 * RATE / landmarks.HOP)
    assert confirming.confirm(items, one.print_of(2), one.runs, there) > 8
    for number, frame in ((2, 0), (2, there + 200), (3, there), (5, 40)):
        assert confirming.confirm(items, one.print_of(number), one.runs, frame) < 4
    assert confirming.confirm(items, one.print_of(2), one.runs, -9_000) == 0
    assert confirming.confirm(items, one.print_of(2), one.runs, 90_000) == 0
    assert confirming.confirm(items[:0], one.print_of(2), one.runs, there) == 0
