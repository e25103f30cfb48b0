"""A question asked on a Dask cluster: each worker asks some shards, and the answers are joined.

Workers see the archive's folder under the path that it has here. They are asked about clips, step
by step, and what follows from all of their answers is decided here: so a file is what it would be
without them, however many they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from longplay.archive import Archive
from longplay.engine import Failure
from longplay.engine.cluster import Cluster
from longplay.errors import StoreError, UsageError
from longplay.identify import matching
from longplay.identify.listening import Heard
from longplay.identify.matching import Clip, Passage, Step
from longplay.identify.prints import items_of
from longplay.identify.shard import Shard

KEPT_OPEN = 512
"""Shards that a worker keeps open; 280 full ones are 86 million recordings."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some shards of an index, each with its number there, and what they are asked."""

    shards: tuple[tuple[int, str], ...]
    clips: tuple[Clip, ...]


@contextmanager
def cluster_of(archive: Archive, wanted: bool) -> Iterator[Cluster | None]:
    """The cluster that the settings name, or none where it is not wanted. Raises UsageError,
    EngineError."""
    if not wanted:
        yield None
        return
    if not archive.settings.engine:
        raise UsageError(
            "no Dask cluster is named", hint="set `engine` in longplay.toml, or omit --cluster"
        )
    with Cluster(archive.settings.engine) as cluster:
        yield cluster


def identify(
    cluster: Cluster, shards: Sequence[Shard], heard: Heard, *, quick: bool
) -> list[Passage]:
    """As `matching.identify` with all shards. Raises EngineError, StoreError."""
    return matching.identify(
        shards,
        heard.landmarks,
        heard.frames,
        items=items_of(heard.items),
        quick=quick,
        asked=partial(_answers, cluster, shards),
    )


def _answers(cluster: Cluster, shards: Sequence[Shard], clips: Sequence[Clip]) -> list[list[Step]]:
    """As `matching.answers` with all shards."""
    found: list[list[Step]] = [[] for _ in clips]
    if not clips or not shards:
        return found
    count = max(1, min(len(shards), cluster.workers()))
    named = [(number, str(one.path.resolve())) for number, one in enumerate(shards)]
    parts = iter([Part(tuple(named[at::count]), tuple(clips)) for at in range(count)])
    for part, outcome in cluster.run(ask, lambda: next(parts, None)):
        said = _here(part, shards, outcome) if isinstance(outcome, Failure) else outcome
        for mine, more in zip(found, said, strict=True):
            mine.extend(more)
    return [sorted(one, key=lambda step: step.shard) for one in found]


def _here(part: Part, shards: Sequence[Shard], failure: Failure) -> list[list[Step]]:
    """What a part says that no worker could ask, since meanwhile the index has other shards: those
    that are open here are still there. Raises StoreError for any other failure."""
    if all(Path(path).is_file() for _, path in part.shards):
        raise StoreError(
            f"could not be asked by a worker: {failure.reason}",
            where=part.shards[0][1],
            hint="let every worker of the cluster see the archive's folder at this path"
            if failure.kind == "error"
            else "see what the workers wrote when they ended, or omit --cluster",
        )
    return matching.answers([(number, shards[number]) for number, _ in part.shards], part.clips)


def ask(part: Part) -> list[list[Step]]:
    """What a part of the index says of each clip; runs on a worker. Raises StoreError."""
    return matching.answers([(number, _opened(path)) for number, path in part.shards], part.clips)


@lru_cache(maxsize=KEPT_OPEN)
def _opened(path: str) -> Shard:
    """A shard, which never changes."""
    return Shard(Path(path))
