"""`release cut` and `release list`: stages by share of listens, through the gate, into torrents."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray

from longplay import clock
from longplay.archive import Archive
from longplay.catalogue import ids
from longplay.catalogue.describe import display
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.errors import UsageError
from longplay.files import writer_lock
from longplay.ledger import claims, log, queries, tables
from longplay.release import cut as cutting
from longplay.release.cut import OBJECTS, Release, Request, Volume, read_release
from longplay.rights.gate import Shareable
from longplay.vault import evidence
from longplay.workflows import followed, rights, shares


@dataclass(frozen=True, slots=True)
class Cut:
    """What one `release cut` made. `withheld` counts objects that the gate kept out, by reason."""

    releases: tuple[Release, ...]
    folder: str
    share_of_listens: float
    withheld: dict[str, int]
    seconds: float

    def fresh(self) -> list[tuple[Release, list[Volume]]]:
        """Each release with the volumes that it cut itself."""
        return [
            (release, [volume for volume in release.volumes if volume.name in release.fresh])
            for release in self.releases
        ]

    def document(self) -> dict[str, Any]:
        """As `release cut --json` prints it."""
        fresh = self.fresh()
        volumes = [volume for _, made in fresh for volume in made]
        return {
            "releases": [
                {
                    "release": release.name,
                    "stage": release.stage,
                    "volumes": [self._volume(volume) for volume in made],
                    "unchanged": len(release.volumes) - len(made),
                }
                for release, made in fresh
            ],
            "torrents": [self.path(volume) for volume in volumes],
            "objects": sum(volume.objects for volume in volumes),
            "bytes": sum(volume.bytes for volume in volumes),
            "share_of_listens": round(self.share_of_listens, 6),
            "withheld": self.withheld,
            "seconds": round(self.seconds, 3),
        }

    def path(self, volume: Volume) -> str:
        """Where a volume's torrent lies."""
        return f"{self.folder}/{volume.torrent}"

    def _volume(self, volume: Volume) -> dict[str, Any]:
        names = (
            "info_hash_v1",
            "info_hash_v2",
            "magnet_v2",
            "magnet",
            "objects",
            "bytes",
            "padding",
        )
        return {"torrent": self.path(volume)} | {name: getattr(volume, name) for name in names}


@dataclass(frozen=True, slots=True)
class _Judged:
    """What may be released: `objects` as `OBJECTS` has it, which of them stand best for their
    recordings, the gate's leave for each row, and the catalogue's listens in all.

    Of several objects of one recording those that are not preferred stay in the volumes that have
    them, and come into no new one.
    """

    objects: pa.Table
    preferred: NDArray[np.bool_]
    leave: list[Shareable]
    listens: float
    withheld: dict[str, int]


def cut(archive: Archive, *, stage: int | None, share: float | None) -> Cut:
    """Cut a stage, or every stage that has something new.

    Stages divide what may be released by its own share of listens. With `share` one release is
    cut, as stage 1, that reaches that share. Raises UsageError, LockedError.
    """
    started = clock.monotonic()
    followed.refuse_mirror(archive)
    bounds = _bounds(archive, stage, share)
    with writer_lock(archive.releases / "lock", "release"), archive.places.sharing():
        newest = _newest(archive)
        cutting.sweep(archive.releases, _named(archive))
        judged = _judge(archive)
        made = []
        for number, (low, high) in bounds.items():
            release = _cut_stage(archive, judged, number, (low, high), newest)
            if release is not None:
                made.append(release)
                newest[number] = release
    return Cut(
        tuple(made),
        str(archive.releases),
        sum(newest[number].share_of_listens for number in bounds if number in newest),
        judged.withheld,
        clock.monotonic() - started,
    )


def list_releases(archive: Archive) -> list[dict[str, Any]]:
    """Every release, oldest first, as `release list --json` prints it."""
    with archive.ledger.read() as connection:
        texts = list(
            connection.scalars(
                sa.select(tables.releases.c.document).order_by(
                    tables.releases.c.time, tables.releases.c.name
                )
            )
        )
    return [_listed(read_release(json.loads(text))) for text in texts]


def _listed(release: Release) -> dict[str, Any]:
    return {
        "release": release.name,
        "stage": release.stage,
        "magnets": [volume.magnet for volume in release.volumes],
        "bytes": release.bytes,
        "objects": release.objects,
        "share_of_listens": release.share_of_listens,
        "supersedes": release.supersedes,
    }


def _bounds(
    archive: Archive, stage: int | None, share: float | None
) -> dict[int, tuple[float, float]]:
    """The shares of listens between which each wanted stage lies."""
    stages = archive.settings.policy.stages
    if share is not None:
        if stage not in (None, 1):
            raise UsageError("--share cuts stage 1", hint="give --stage or --share")
        return {1: (0.0, share)}
    if stage is not None and stage > len(stages):
        raise UsageError(
            f"there are {len(stages)} stages", hint="the policy in longplay.toml names them"
        )
    every = {
        number: (stages[number - 2] if number > 1 else 0.0, bound)
        for number, bound in enumerate(stages, 1)
    }
    return every if stage is None else {stage: every[stage]}


def _cut_stage(
    archive: Archive,
    judged: _Judged,
    stage: int,
    bounds: tuple[float, float],
    newest: dict[int, Release],
) -> Release | None:
    before = newest.get(stage)
    wanted = judged.preferred & _within(judged, bounds)
    request = Request(
        prefix=archive.settings.name,
        stage=stage,
        number=_number(before) + 1 if before else 1,
        objects=judged.objects.append_column("in_stage", pa.array(wanted)),
        leave=judged.leave,
        before=before,
        others=tuple(release for number, release in newest.items() if number != stage),
        evidence=tuple(_evidence(archive)),
        listens=judged.listens,
        newest_upheld=_newest_upheld(archive),
    )
    release = cutting.cut(request, archive.releases)
    if release is not None:
        _record(archive, release)
    return release


def _within(judged: _Judged, bounds: tuple[float, float]) -> NDArray[np.bool_]:
    """Which rows, most listened-to first, lie between two shares of all their listens.

    A row belongs where its share begins, so the first row is always in the first stage.
    """
    low, high = bounds
    listens = np.where(judged.preferred, judged.objects["listens"].to_numpy(), 0.0)
    total = listens.sum() or 1.0
    begins = (np.cumsum(listens) - listens) / total
    last = high >= 1.0
    return (begins >= low) & ((begins < high) | last) if low else (begins < high) | last


def _newest_upheld(archive: Archive) -> int:
    with archive.ledger.read() as connection:
        return claims.position(connection)


def _record(archive: Archive, release: Release) -> None:
    with archive.ledger.write() as connection:
        connection.execute(
            tables.releases.insert().values(
                name=release.name,
                stage=release.stage,
                time=clock.timestamp(),
                objects=release.objects,
                bytes=release.bytes,
                share_of_listens=release.share_of_listens,
                supersedes=release.supersedes,
                document=json.dumps(release.document(), sort_keys=True),
            )
        )
        detail = {
            "volumes": {volume.name: volume.info_hash_v2 for volume in release.volumes},
            "objects": release.objects,
        }
        log.append(connection, "release", release.name, detail)


def _named(archive: Archive) -> set[str]:
    with archive.ledger.read() as connection:
        return set(connection.scalars(sa.select(tables.releases.c.name)))


def _newest(archive: Archive) -> dict[int, Release]:
    """The newest release of each stage."""
    with archive.ledger.read() as connection:
        texts = list(connection.scalars(sa.select(tables.releases.c.document)))
    releases = sorted((read_release(json.loads(text)) for text in texts), key=_number)
    return {release.stage: release for release in releases}


def _number(release: Release) -> int:
    """A release's number within its stage: `s1-0003` is the third."""
    return int(release.name.rpartition("-")[2])


def _evidence(archive: Archive) -> list[Any]:
    with archive.ledger.read() as connection:
        names = queries.evidence_names(connection, "hashes")
    return evidence.paths(archive.evidence, names)


def _judge(archive: Archive) -> _Judged:
    """Every object that carries a recording, judged, described, most listened-to first."""
    rights.catch_up(archive)
    snapshot = open_current(archive.catalogue)
    listening = shares.listening(archive, snapshot)
    with archive.ledger.read() as connection:
        held = queries.releasable(connection)
        position = log.head(connection)
    held = _by_object(snapshot, held, listening)
    verdicts = rights.judge_release(archive, held, clock.now(), position)
    leave = [verdict for verdict in verdicts if isinstance(verdict, Shareable)]
    withheld = Counter(one.reason for one in verdicts if not isinstance(one, Shareable))
    allowed = held.filter(pa.array([isinstance(one, Shareable) for one in verdicts], pa.bool_()))
    return _Judged(
        _described(snapshot, allowed, leave),
        _preferred(allowed),
        leave,
        listening.total,
        dict(sorted(withheld.items())),
    )


def _by_object(snapshot: Snapshot, held: pa.Table, listening: shares.Listening) -> pa.Table:
    """One row per object, most listened-to first, with its most listened-to recording and the
    listens of all that it carries."""
    recordings = shares.current(snapshot, held["recording"].to_numpy())
    heard = listening.of(recordings).astype(np.float64)
    held = held.drop_columns(["recording"])
    held = held.append_column("recording", pa.array(recordings))
    held = held.append_column("listens", pa.array(heard))
    held = held.sort_by([("listens", "descending"), ("recording", "ascending")])
    sums = held.group_by("root").aggregate([("listens", "sum")])
    held = held.filter(pa.array(_first(held["root"]))).drop_columns(["listens"])
    held = held.join(sums, "root").rename_columns({"listens_sum": "listens"})
    return held.sort_by([("listens", "descending"), ("root", "ascending")])


def _preferred(allowed: pa.Table) -> NDArray[np.bool_]:
    """Which objects stand best for their recordings: by role, then the largest."""
    order = pc.sort_indices(
        allowed,
        sort_keys=[("rank", "ascending"), ("size", "descending"), ("root", "ascending")],
    )
    best = np.zeros(allowed.num_rows, bool)
    ranked = allowed.take(order)
    parts = pc.equal(ranked["rank"], queries.PART_RANK).to_numpy(zero_copy_only=False)
    best[order.to_numpy()] = _first(ranked["recording"]) | parts
    return best


def _first(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Whether each value stands for the first time."""
    codes = pc.dictionary_encode(column.combine_chunks()).indices.to_numpy(zero_copy_only=False)
    first = np.zeros(len(codes), bool)
    first[np.unique(codes, return_index=True)[1]] = True
    return first


def _described(snapshot: Snapshot, allowed: pa.Table, leave: list[Shareable]) -> pa.Table:
    """The columns of a release but for `in_stage`."""
    recordings = allowed["recording"].to_numpy()
    known = display(snapshot, recordings)
    keys = known["recording"].to_numpy()
    at = np.searchsorted(keys, recordings).clip(0, max(len(keys) - 1, 0))
    absent = keys[at] != recordings if len(keys) else np.ones(len(recordings), bool)
    described = known.take(pa.array(at, mask=absent))
    columns = {name: described[name] for name in described.column_names}
    columns |= {name: allowed[name] for name in allowed.column_names}
    columns["recording"] = pa.array(ids.texts("rec", recordings), pa.string())
    firsts = [names[0] if names else None for names in described["album_artists"].to_pylist()]
    columns["album_artist"] = pa.array(firsts, pa.string())
    columns["statement"] = pa.array([one.uri for one in leave], pa.string())
    columns["evidence"] = pa.array(["; ".join(one.evidence) for one in leave], pa.string())
    wanted = [field for field in OBJECTS if field.name != "in_stage"]
    return pa.table({field.name: columns[field.name].cast(field.type) for field in wanted})
