"""A question asked on a Dask cluster: each worker asks some shards, and the answers are joined.

Workers see the archive's folder under the path that it has here. A part of the index that knows
nothing of a window asks it at other speeds, though another part may know it: that takes their time
and changes nothing, since of the same seconds the strongest passage counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from longplay.archive import Archive
from longplay.engine import Failure
from longplay.engine.cluster import Cluster
from longplay.errors import StoreError, UsageError
from longplay.identify import matching
from longplay.identify.listening import Heard
from longplay.identify.matching import Passage
from longplay.identify.prints import items_of
from longplay.identify.shard import Shard

KEPT_OPEN = 512
"""Shards that a worker keeps open; 280 full ones are 86 million recordings."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some shards of an index that has `among` objects in all, and what they are asked."""

    paths: tuple[str, ...]
    among: int
    heard: Heard
    quick: bool


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
    count = max(1, min(len(shards), cluster.workers()))
    among = sum(map(len, shards))
    paths = [str(one.path.resolve()) for one in shards]
    parts = iter([Part(tuple(paths[at::count]), among, heard, quick) for at in range(count)])
    found: list[Passage] = []
    for part, outcome in cluster.run(ask, lambda: next(parts, None)):
        if isinstance(outcome, Failure):
            raise StoreError(
                f"could not be asked by a worker: {outcome.reason}",
                where=part.paths[0],
                hint="let every worker of the cluster see the archive's folder at this path",
            )
        found += outcome
    return matching.chosen(found)


def ask(part: Part) -> list[Passage]:
    """What a part of the index knows of what was heard; runs on a worker. Raises StoreError."""
    return matching.identify(
        [_opened(path) for path in part.paths],
        part.heard.landmarks,
        part.heard.frames,
        items=items_of(part.heard.items),
        quick=part.quick,
        among=part.among,
    )


@lru_cache(maxsize=KEPT_OPEN)
def _opened(path: str) -> Shard:
    """A shard, which never changes."""
    return Shard(Path(path))
