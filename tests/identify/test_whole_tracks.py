"""Whole tracks are found by their fingerprints alone, in an index of few bytes; clips are not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from longplay.audio import landmarks
from longplay.audio.fingerprint import dense_fingerprint
from longplay.identify import index, whole_tracks
from longplay.identify.index import Manifest
from longplay.identify.matching import Passage
from longplay.identify.shard import Shard
from tests.identify.made import key, mono, printed, tune

RATE = 11_025
SECONDS = 60


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Shard]:
    folder = tmp_path_factory.mktemp("whole")
    manifest = Manifest()
    for seeds in (range(3), range(3, 5)):
        some = [whole_tracks.without_landmarks(printed(seed, SECONDS)) for seed in seeds]
        manifest = index.add(folder, manifest, some, "test")
    return index.open_shards(folder, manifest)


def ask(shards: list[Shard], sound: NDArray[np.float32]) -> list[Passage]:
    return whole_tracks.look_up(shards, dense_fingerprint(mono(sound)))


def test_a_track_is_found_from_end_to_end(shards: list[Shard]) -> None:
    (found,) = ask(shards, tune(3, SECONDS)[5 * RATE :])
    assert found.object == key(3)
    assert abs(found.offset_s - found.start_s - 5) < 0.1
    assert found.end_s - found.start_s > SECONDS - 10
    assert found.confidence > 0.99


@pytest.mark.parametrize("loudness", [0.33, 1.0])
def test_noise_does_not_hide_it(shards: list[Shard], loudness: float) -> None:
    sound = tune(1, SECONDS)
    noise = np.random.default_rng(4).standard_normal(len(sound)).astype(np.float32)
    loud = sound + noise * sound.std() * loudness
    (found,) = ask(shards, loud / np.abs(loud).max() * np.float32(0.8))
    assert found.object == key(1)


def test_nothing_else_is_claimed(shards: list[Shard]) -> None:
    assert ask(shards, tune(90, SECONDS)) == []
    assert ask(shards, tune(2, SECONDS)[: 12 * RATE]) == []  # a clip is asked of the other index
    assert ask(shards, np.zeros(60 * RATE, np.float32)) == []
    assert ask(shards, np.zeros(0, np.float32)) == []


def test_its_shards_have_no_landmarks(shards: list[Shard]) -> None:
    assert [len(one.marks) for one in shards] == [0, 0]
    assert sum(len(one.print_of(0)) for one in shards) == 2 * len(printed(0, SECONDS).items[::4])
    count = len(landmarks.landmarks(mono(tune(0, SECONDS))).frame)
    assert 0 < shards[0].postings < count / 3
