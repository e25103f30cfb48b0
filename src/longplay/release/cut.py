"""Cutting releases: what is new becomes volumes, what was lost is cut anew, the rest stays.

A release is a folder that appears whole: torrents, tables, descriptions, and `release.json`.
Formats: docs/formats/release.md. Hashes come from evidence, which is read once for all stages; no
object is opened.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from longplay.errors import ReleaseError
from longplay.files import TEMPORARY, sync_folder, write_durably, write_json
from longplay.model import ObjectKey
from longplay.release import assembling, describing, drafting, metadata, tables
from longplay.release.describing import About, Facts
from longplay.release.document import Release, Volume, read_release
from longplay.release.drafting import Draft, Held, Mask, Stage
from longplay.release.tables import OBJECTS, STATE
from longplay.rights.gate import Shareable
from longplay.rights.statements import Act

__all__ = ["DOCUMENT", "OBJECTS", "Release", "Request", "Volume", "cut", "read_release", "sweep"]

DOCUMENT = "release.json"

BATCH_ROWS = 65_536
"""Rows turned into Python values at once."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to cut. `objects` has the columns of `OBJECTS` and `leave` the gate's leave for each
    row; `wanted` names the stages to cut with the rows that each wants; `before` are the newest
    releases of all stages; `evidence` the files of hashes; `listens` the sum over all recordings of
    the catalogue; `newest_upheld` the log position of the newest upheld claim."""

    objects: pa.Table
    wanted: Mapping[int, Mask]
    leave: Iterable[Shareable]
    before: Mapping[int, Release]
    evidence: tuple[Path, ...]
    listens: float
    about: About
    newest_upheld: int = 0


@dataclass(slots=True)
class _Made:
    """A release while it is made: `folder` gets its name last."""

    name: str
    number: int
    stage: Stage
    folder: Path
    volumes: list[Volume] = field(default_factory=list)


def cut(request: Request, folder: Path) -> list[Release]:
    """Write the releases below `folder` and return them: one for each stage that has anything new.

    What has no row in `objects` has no leave: it leaves the volumes that it was in. Raises
    ReleaseError when an object has no hashes in the evidence or rows and leave do not belong
    together, RightsError when one has no leave to be released.
    """
    held = Held(request.objects)
    _check_leave(request)
    archive = request.about.archive
    stages = drafting.plan(request.objects, held, archive, request.wanted, request.before, folder)
    made = [_begin(stage, folder) for stage in stages if stage.changed]
    try:
        for one in made:
            shutil.rmtree(one.folder, ignore_errors=True)
            one.folder.mkdir(parents=True)
        releases = _write(request, held, made)
        for one in made:
            sync_folder(one.folder)
            shutil.rmtree(folder / one.name, ignore_errors=True)
            one.folder.rename(folder / one.name)
        if made:
            sync_folder(folder)
    except BaseException:
        for one in made:
            shutil.rmtree(one.folder, ignore_errors=True)
        raise
    return releases


def sweep(folder: Path, named: set[str]) -> None:
    """Remove release folders that no transaction names; the caller holds the release lock."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_dir() and path.name not in named:
            shutil.rmtree(path)


def _begin(stage: Stage, folder: Path) -> _Made:
    number = 1 + (stage.before.sequence if stage.before else 0)
    name = f"s{stage.number}-{number:04}"
    return _Made(name, number, stage, folder / f".{name}{TEMPORARY}")


def _check_leave(request: Request) -> None:
    """Every row must come with leave to be released: its own, and on the statement it names."""
    rows = request.objects.select(["root", "size", "statement"])
    leaves = iter(request.leave)
    for batch in rows.to_batches(max_chunksize=BATCH_ROWS):
        for root, size, statement in zip(*(column.to_pylist() for column in batch), strict=True):
            leave = next(leaves, None)
            if leave is None or not _is_of(leave, root, size):
                raise ReleaseError("every object needs its own leave", where=root.hex())
            leave.require(Act.RELEASE, request.newest_upheld)
            if statement not in leave.uris:
                raise ReleaseError(f"its leave does not rest on {statement}", where=root.hex())
    if next(leaves, None) is not None:
        raise ReleaseError("there is more leave than there are objects")


def _is_of(leave: Shareable, root: bytes, size: int) -> bool:
    subject = leave.subject
    return isinstance(subject, ObjectKey) and subject.root == root and subject.size == size


def _write(request: Request, held: Held, made: list[_Made]) -> list[Release]:
    """Torrents from the evidence, and beside them the tables, which know nothing of hashes."""
    if not made:
        return []
    with ThreadPoolExecutor(1) as aside:
        written = aside.submit(_write_tables, request, made)
        jobs = [(draft, one.name, one.folder) for one in made for draft in one.stage.fresh]
        volumes = assembling.write(held, jobs, request.evidence, made[0].folder)
        files = written.result()
    for one in made:
        one.volumes += [volume for volume in volumes if volume.release == one.name]
        one.volumes += [volume for volume, _ in one.stage.kept]
        one.volumes.sort(key=lambda volume: volume.place)
    return [_finish(request, one, files[one.name]) for one in made]


def _write_tables(request: Request, made: list[_Made]) -> dict[str, metadata.Digests]:
    # One chunk: Arrow would join the chunks again for each volume.
    described = request.objects.combine_chunks()
    return {one.name: _write_state(described, one.stage.drafts, one.folder) for one in made}


def _write_state(described: pa.Table, drafts: Sequence[Draft], folder: Path) -> metadata.Digests:
    def state(columns: Sequence[str], *, art: bool = True) -> Iterator[pa.Table]:
        schema = pa.schema([STATE.field(name) for name in columns])
        own = [name for name in columns if name in described.column_names]
        yield schema.empty_table()
        for draft in drafts:
            if draft.kind == "art" and not art:
                continue
            rows = described.select(own).take(pa.array(draft.rows))
            volume = pa.array([draft.name]).take(pa.array(np.zeros(len(rows), np.int8)))
            rows = rows.append_column("path", draft.paths).append_column("volume", volume)
            yield rows.select(list(columns))

    tables.write_manifest(folder, state(tables.MANIFEST_COLUMNS))
    music = state(tables.METADATA_COLUMNS, art=False)
    tables.write_parquet(folder, tables.METADATA, music)
    tables.write_parquet(folder, tables.MEMBERS, state(tables.MEMBERS_COLUMNS))
    names = (tables.MANIFEST, tables.METADATA, tables.MEMBERS)
    return metadata.digests(folder, names, metadata.piece_length(folder, names))


def _finish(request: Request, made: _Made, digests: metadata.Digests) -> Release:
    """The descriptions, the torrent of the metadata, and last the document."""
    before, drafts = made.stage.before, made.stage.drafts
    release = Release(
        name=made.name,
        stage=made.stage.number,
        volumes=tuple(made.volumes),
        fresh=tuple(one.name for one in made.volumes if one.release == made.name),
        objects=sum(volume.objects for volume in made.volumes),
        bytes=sum(volume.bytes for volume in made.volumes),
        share_of_listens=_share(request, [draft.rows for draft in drafts]),
        supersedes=before.name if before else None,
        last_number=_last(before.last_number if before else 0, drafts, "audio"),
        last_art=_last(before.last_art if before else 0, drafts, "art"),
    )
    facts = _facts(request, made, release, digests)
    digests = digests | _describe(request.about, facts, made.folder, digests)
    if drafts:
        volume = metadata.write(made.folder, release, request.about.archive, before, digests)
        release = replace(
            release, volumes=(volume, *release.volumes), fresh=(volume.name, *release.fresh)
        )
    files = tuple(file for _, (file, _) in sorted(digests.items()))
    release = replace(release, files=files)
    write_json(made.folder / DOCUMENT, release.document())
    return release


def _facts(request: Request, made: _Made, release: Release, digests: metadata.Digests) -> Facts:
    drafts = made.stage.drafts
    rows = np.concatenate([draft.rows for draft in drafts]) if drafts else np.empty(0, np.int64)
    statements = request.objects["statement"].combine_chunks()
    codes = statements.indices.to_numpy()[rows]
    counts = zip(statements.dictionary.to_pylist(), np.bincount(codes).tolist(), strict=False)
    reserved = request.objects["tdm_reserved"].to_numpy()
    return Facts(
        name=release.name,
        stage=release.stage,
        number=made.number,
        objects=release.objects,
        bytes=release.bytes,
        share_of_listens=release.share_of_listens,
        volumes=release.volumes,
        files=tuple(file for file, _ in digests.values()),
        statements={uri: count for uri, count in counts if count},
        reserved=[
            (draft.folder, path)
            for draft in drafts
            for path in draft.paths.filter(pa.array(reserved[draft.rows])).to_pylist()
        ],
    )


def _describe(
    about: About, facts: Facts, folder: Path, tables_of: metadata.Digests
) -> metadata.Digests:
    """Write the descriptions; they have the piece length that the tables have."""
    write_durably(folder / metadata.ATTRIBUTION, describing.attribution(about, facts).encode())
    documents = {
        metadata.MINING: describing.mining(facts),
        metadata.CROISSANT: describing.croissant(about, facts),
        metadata.CRATE: describing.crate(
            about, facts, (metadata.ATTRIBUTION, metadata.CROISSANT, metadata.MINING)
        ),
    }
    for name, document in documents.items():
        write_json(folder / name, document)
    length = tables_of[tables.MANIFEST][1].piece_length
    return metadata.digests(folder, (metadata.ATTRIBUTION, *documents), length)


def _last(before: int, drafts: Iterable[Draft], kind: str) -> int:
    return max([before, *(draft.number for draft in drafts if draft.kind == kind)])


def _share(request: Request, parts: list[np.ndarray[Any, np.dtype[np.int64]]]) -> float:
    """The share of all listens that the recordings of these rows, each counted once, stand for."""
    if not request.listens or not parts:
        return 0.0
    recordings = request.objects["recording"].combine_chunks().dictionary_encode().indices
    codes = recordings.fill_null(-1).to_numpy()
    rows = np.concatenate(parts)
    known, first = np.unique(codes[rows], return_index=True)
    heard = request.objects["listens"].to_numpy()[rows[first[known >= 0]]]
    return float(np.nansum(heard)) / request.listens
