"""The self-test of an audit: error rates of this very index, by clips of what is in it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from longplay import engine
from longplay.archive import Archive
from longplay.audio import CODECS
from longplay.engine import Failure
from longplay.identify import matching
from longplay.identify.trial import NOISE_DB, SECONDS, Specimen, cut
from longplay.ledger import queries
from longplay.model import ObjectKey
from longplay.workflows.identifying import Index

CLIPS = 50
"""Objects that clips are cut from, unless the caller says otherwise."""


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What came of asking for `clips` clips of `seconds`, half of them with noise `noise_db` below
    them. `claims` are those in which something else than its own recordings was claimed;
    `false_claims_below` bounds their share with 95 % confidence (none in n is 3/n)."""

    clips: int
    seconds: float
    noise_db: float
    found: float | None
    found_in_noise: float | None
    claims: int
    false_claims_below: float | None


def run(archive: Archive, opened: Index, count: int = CLIPS, *, workers: int) -> SelfTest:
    """Cut clips from objects of the index, chosen by its version, and ask for them."""
    keys = sorted(key for shard in opened.shards for key in shard.objects())
    chosen = random.Random(opened.version).sample(keys, min(count, len(keys)))
    with archive.ledger.read() as connection:
        suffixes = dict(queries.audio_objects(connection))
        carried = queries.carried_by(connection, [key.root for key in chosen])
    asked = {key.hex: key for key in chosen if key in suffixes}
    specimens = [
        _specimen(archive, key, suffixes[key], at) for at, key in enumerate(asked.values())
    ]
    outcomes = engine.run(
        cut,
        specimens,
        workers=workers,
        seconds=lambda _: archive.settings.limits.file_seconds * 4,
        memory_mb=archive.settings.limits.worker_memory_mb,
        imports=CODECS,
    )
    hits: dict[bool, list[bool]] = {False: [], True: []}
    claims = 0
    for specimen, outcome in outcomes:
        if isinstance(outcome, Failure):
            continue
        key = asked[specimen.name]
        own = {row[0] for row in carried.get(key.root, ())}
        for clip in outcome:
            passages = matching.identify(opened.shards, clip.found, clip.frames, items=clip.items)
            objects = {one.object for one in passages}
            same = {one for one in objects if one == key or _shares(archive, one, own)}
            hits[clip.noisy].append(bool(same))
            claims += bool(objects - same)
    total = sum(map(len, hits.values()))
    return SelfTest(
        clips=total,
        seconds=SECONDS,
        noise_db=NOISE_DB,
        found=_share(hits[False]),
        found_in_noise=_share(hits[True]),
        claims=claims,
        false_claims_below=upper_bound(claims, total) if total else None,
    )


def upper_bound(events: int, trials: int) -> float:
    """The upper end of the one-sided 95 % interval of a rate (Wilson; 3/n where none was seen)."""
    if not events:
        return min(1.0, 3 / trials)
    z = 1.645
    share = events / trials
    middle = share + z * z / (2 * trials)
    wide = z * math.sqrt((share * (1 - share) + z * z / (4 * trials)) / trials)
    return min(1.0, (middle + wide) / (1 + z * z / trials))


def _share(hits: list[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _shares(archive: Archive, key: ObjectKey, own: set[int]) -> bool:
    """Whether an object carries one of these recordings."""
    with archive.ledger.read() as connection:
        rows = queries.carried_by(connection, [key.root]).get(key.root, [])
    return any(row[0] in own for row in rows)


def _specimen(archive: Archive, key: ObjectKey, suffix: str, seed: int) -> Specimen:
    limits = archive.settings.limits
    path = archive.store.local(key, suffix)
    if path is not None:
        return Specimen(key.hex, path, limits, seed)
    with archive.store.open(key, suffix) as source:
        return Specimen(key.hex, None, limits, seed, source.read())
