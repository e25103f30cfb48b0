"""`release cut` and `release list`: stages by share of listens, through the gate, into torrents."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from longplay import clock
from longplay.archive import Archive
from longplay.errors import ReleaseError, UsageError
from longplay.files import writer_lock
from longplay.ledger import claims, log, queries, tables
from longplay.release import cut as cutting
from longplay.release.cut import Release, Request, Volume, read_release
from longplay.release.describing import About
from longplay.release.document import newest_by_stage
from longplay.workflows import followed, stocking
from longplay.workflows.releasable import releasable


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
        music = [volume for volume in volumes if volume.kind != "metadata"]
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
            "objects": sum(volume.objects for volume in music),
            "bytes": sum(volume.bytes for volume in music),
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
        return {"torrent": self.path(volume), "kind": volume.kind} | {
            name: getattr(volume, name) for name in names
        }


def cut(archive: Archive, *, stage: int | None, share: float | None) -> Cut:
    """Cut a stage, or every stage that has something new.

    Stages divide what may be released by its own share of listens. With `share` one release is
    cut, as stage 1, that reaches that share. Raises UsageError, LockedError,
    and ReleaseError when a claim is decided meanwhile.
    """
    started = clock.monotonic()
    followed.refuse_mirror(archive)
    bounds = _bounds(archive, stage, share)
    with writer_lock(archive.releases / "lock", "release"), archive.places.sharing():
        stocking.bring_releases(archive)
        newest = _newest(archive)
        cutting.sweep(archive.releases, _named(archive))
        found = releasable(archive)
        request = Request(
            objects=found.objects,
            wanted={number: found.between(*share) for number, share in bounds.items()},
            leave=found.leave,
            before=newest,
            evidence=tuple(_evidence(archive)),
            listens=found.listens,
            about=About(archive.settings.name, found.day, found.credits),
            newest_upheld=_newest_upheld(archive),
        )
        made = cutting.cut(request, archive.releases)
        stocking.keep_releases(archive, [one.name for one in made])
        _record(archive, made, request.newest_upheld)
    newest |= {release.stage: release for release in made}
    return Cut(
        tuple(made),
        str(archive.releases),
        sum(newest[number].share_of_listens for number in bounds if number in newest),
        found.withheld,
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


def _newest_upheld(archive: Archive) -> int:
    with archive.ledger.read() as connection:
        return claims.position(connection)


def _record(archive: Archive, releases: list[Release], newest_upheld: int) -> None:
    """Name the releases in the ledger, all at once: from here on they exist. Raises ReleaseError
    when a claim was decided since they were judged; the next cut sweeps what was written."""
    if not releases:
        return
    with archive.ledger.write() as connection:
        if claims.position(connection) != newest_upheld:
            raise ReleaseError("a claim was decided meanwhile", hint="run the command again")
        for release in releases:
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
    return newest_by_stage(read_release(json.loads(text)) for text in texts)


def _evidence(archive: Archive) -> list[Any]:
    with archive.ledger.read() as connection:
        names = queries.evidence_names(connection, "hashes")
    return list(archive.evidence_files.fetch(names))
