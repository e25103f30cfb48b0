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
from longplay.errors import StoreError
from longplay.identify import matching, shard
from longplay.identify.listening import Heard
from longplay.identify.shard import Shard
from longplay.workflows import spreading
from tests.dask_cluster import dask_cluster
from tests.faults.checking import use
from tests.identify.made import key, mono, printed, tune
from tests.identify.test_commands import RATE, longplay, write
from tests.system.conftest import Longplay

__all__ = ["longplay"]

TUNES = 6


class Workers:
    """A cluster of so many workers, as far as a question needs one; `fails` as a lost one does."""

    def __init__(self, count: int, fails: bool = False) -> None:
        self._count, self._fails = count, fails
        self.asked: list[spreading.Part] = []

    def workers(self) -> int:
        return self._count

    def run(
        self, function: Callable[[Any], Any], next_task: Callable[[], Any]
    ) -> Iterator[tuple[Any, Any]]:
        while (part := next_task()) is not None:
            self.asked.append(part)
            yield part, Failure("error", "no such folder") if self._fails else function(part)


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


@pytest.mark.parametrize("count", [1, 2, 4, 100])
@pytest.mark.parametrize("quick", [True, False])
def test_parts_say_what_the_whole_says(shards: list[Shard], count: int, quick: bool) -> None:
    heard = mixed()
    items = np.frombuffer(heard.items, "<u4")
    whole = matching.identify(shards, heard.landmarks, heard.frames, items=items, quick=quick)
    assert [one.object for one in whole] == [key(1), key(4)]
    cluster: Any = Workers(count)
    assert spreading.identify(cluster, shards, heard, quick=quick) == whole
    assert len(cluster.asked) == min(count, TUNES)
    assert sorted(path for part in cluster.asked for path in part.paths) == sorted(
        str(one.path) for one in shards
    )


def test_a_part_that_nobody_could_ask_is_told(shards: list[Shard]) -> None:
    cluster: Any = Workers(2, fails=True)
    with pytest.raises(StoreError, match="could not be asked by a worker: no such folder"):
        spreading.identify(cluster, shards, mixed(), quick=False)


def test_a_cluster_has_to_be_named(longplay: Longplay, tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.ogg", tune(1, 8, RATE), "vorbis")
    failed = longplay.run("identify", "--cluster", clip, expect=2)
    assert "no Dask cluster is named" in failed.err


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
