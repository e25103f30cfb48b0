"""An index asked in parts, by many workers, says what it says as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.audio import landmarks
from longplay.audio.fingerprint import dense_fingerprint
from longplay.engine import Failure
from longplay.errors import LongplayError, StoreError
from longplay.identify import matching, shard
from longplay.identify.listening import Heard
from longplay.identify.matching import Passage
from longplay.identify.shard import Shard
from longplay.workflows import spreading
from tests.dask_cluster import dask_cluster
from tests.faults.checking import use
from tests.identify.made import key, mono, printed, tune
from tests.identify.test_commands import RATE, longplay, write
from tests.system.conftest import Longplay

__all__ = ["longplay"]

TUNES = 6

RATE_HEARD = 11_025


class Workers:
    """A cluster of so many workers, as far as a question needs one; `fails` as a lost one does."""

    def __init__(self, count: int, fails: Failure | None = None) -> None:
        self._count, self._fails = count, fails
        self.asked: list[spreading.Part] = []

    def workers(self) -> int:
        return self._count

    def run(
        self, function: Callable[[Any], Any], next_task: Callable[[], Any]
    ) -> Iterator[tuple[Any, Any]]:
        while (part := next_task()) is not None:
            self.asked.append(part)
            yield part, self._fails or self._outcome(function, part)

    @staticmethod
    def _outcome(function: Callable[[Any], Any], part: Any) -> Any:
        try:
            return function(part)
        except LongplayError as error:  # as `Cluster` has it
            return Failure("error", str(error))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Shard]:
    folder = tmp_path_factory.mktemp("shards")
    some = [shard.write(folder, [printed(number)], "test").name for number in range(TUNES)]
    return [Shard(folder / name) for name in some]


def heard_of(sound: np.ndarray) -> Heard:
    samples = mono(sound)
    found = landmarks.landmarks(samples)
    items = dense_fingerprint(samples).astype("<u4").tobytes()
    return Heard(len(samples) / 11_025, len(samples) // landmarks.HOP, found, "test", items=items)


def mixed() -> Heard:
    """Two tunes of the index, and what is in no part of it between them."""
    return heard_of(np.concatenate([tune(1)[40_000:200_000], tune(77, 12), tune(4)[:180_000]]))


def faster(known: float, moved: float, unknown: float) -> Heard:
    """Seconds of a tune of the index, of another one that runs 5 % faster, and of none."""
    sound = tune(4)
    moved_ = np.interp(np.arange(int(moved * RATE_HEARD)) * 1.05, np.arange(len(sound)), sound)
    parts = [tune(1)[: int(known * RATE_HEARD)], moved_.astype(np.float32), tune(77, unknown)]
    return heard_of(np.concatenate(parts))


def whole(shards: list[Shard], heard: Heard, quick: bool) -> list[Passage]:
    items = np.frombuffer(heard.items, "<u4")
    return matching.identify(shards, heard.landmarks, heard.frames, items=items, quick=quick)


@pytest.mark.parametrize("count", [1, 2, 4, 100])
@pytest.mark.parametrize("quick", [True, False])
def test_parts_say_what_the_whole_says(shards: list[Shard], count: int, quick: bool) -> None:
    heard = mixed()
    expected = whole(shards, heard, quick)
    assert [one.object for one in expected] == [key(1), key(4)]
    cluster: Any = Workers(count)
    assert spreading.identify(cluster, shards, heard, quick=quick) == expected
    for_each = min(count, TUNES)
    for at in range(0, len(cluster.asked), for_each):
        named = [one for part in cluster.asked[at : at + for_each] for one in part.shards]
        assert sorted(named) == [(number, str(one.path)) for number, one in enumerate(shards)]


@pytest.mark.parametrize("count", [2, 6])
@pytest.mark.parametrize("lengths", [(25, 11, 0), (35, 14, 0)])
def test_parts_ask_at_other_speeds_what_the_whole_asks(
    shards: list[Shard], count: int, lengths: tuple[float, float, float]
) -> None:
    heard = faster(*lengths)
    expected = whole(shards, heard, False)
    assert key(1) in [one.object for one in expected]
    cluster: Any = Workers(count)
    assert spreading.identify(cluster, shards, heard, quick=False) == expected


def test_a_part_that_nobody_could_ask_is_told(shards: list[Shard]) -> None:
    cluster: Any = Workers(2, fails=Failure("error", "no such folder"))
    with pytest.raises(StoreError, match="could not be asked by a worker: no such folder"):
        spreading.identify(cluster, shards, mixed(), quick=False)


def test_crashed_workers_are_not_told_to_see_the_folder(shards: list[Shard]) -> None:
    cluster: Any = Workers(2, fails=Failure("crash", "4 workers died of it"))
    with pytest.raises(StoreError, match="4 workers died of it") as failed:
        spreading.identify(cluster, shards, mixed(), quick=False)
    assert "see what the workers wrote" in str(failed.value.hint)


def test_shards_that_were_merged_meanwhile_are_asked_here(tmp_path: Path) -> None:
    """Workers open a shard when they are first asked; it may be gone by then."""
    names = [shard.write(tmp_path, [printed(number)], "test").name for number in range(TUNES)]
    shards = [Shard(tmp_path / name) for name in names]
    heard = mixed()
    expected = whole(shards, heard, True)
    for name in names[::2]:
        (tmp_path / name).unlink()
    cluster: Any = Workers(3)
    assert spreading.identify(cluster, shards, heard, quick=True) == expected
    assert [one.object for one in expected] == [key(1), key(4)]


def test_a_cluster_has_to_be_named(longplay: Longplay, tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.ogg", tune(1, 8, RATE), "vorbis")
    failed = longplay.run("identify", "--cluster", clip, expect=2)
    assert "no Dask cluster is named" in failed.err


def test_whole_tracks_are_asked_here_alone(longplay: Longplay, tmp_path: Path) -> None:
    failed = longplay.run("identify", "--whole", "--cluster", tmp_path / "clip.ogg", expect=2)
    assert "omit --cluster or --whole" in failed.err


@pytest.mark.long
def test_a_cluster_is_asked(longplay: Longplay, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    write(folder / "clip.ogg", tune(1, 25, RATE)[3 * RATE : 13 * RATE], "vorbis")
    write(folder / "other.ogg", tune(50, 12, RATE), "vorbis")
    alone = longplay.json("audit", folder, "--self-test", 0)
    assert [one["title"] for one in alone["matches"]] == ["Tune 1"]
    with dask_cluster(tmp_path / "dask", workers=2) as cluster:
        use(longplay, engine=cluster.address)
        together = longplay.json("audit", folder, "--self-test", 0, "--cluster")
        (found,) = longplay.json("identify", folder / "clip.ogg", "--cluster")["files"]
    use(longplay, engine="")
    assert together["matches"] == alone["matches"]
    assert [one["title"] for one in found["matches"]] == ["Tune 1"]
