"""Cutting a release: what is new becomes volumes, what was lost is cut anew, the rest stays.

A release is a folder that appears whole: torrents, `manifest.jsonl`, `metadata.parquet`,
`members.parquet` (what lies in which volume: the next cut reads it) and `release.json`.
Formats: docs/formats/release.md. Hashes come from evidence; no object is opened.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from longplay.errors import ReleaseError
from longplay.files import TEMPORARY, sync_folder, write_durably, write_json
from longplay.model import ObjectKey
from longplay.release import hashes, tables
from longplay.release.document import Release, Volume, read_release
from longplay.release.hashes import Numbers, Wanted, roots_of
from longplay.release.paths import name_all
from longplay.release.volumes import divide
from longplay.rights.gate import Shareable
from longplay.rights.statements import Act
from longplay.torrent import hybrid, merkle, v2

__all__ = ["DOCUMENT", "OBJECTS", "Release", "Request", "Volume", "cut", "read_release", "sweep"]

OBJECTS = pa.schema(
    [
        ("recording", pa.string()),
        ("title", pa.string()),
        ("artists", pa.list_(pa.string())),
        ("album", pa.string()),
        ("album_artist", pa.string()),
        ("disc_number", pa.int32()),
        ("track_number", pa.int32()),
        ("isrc", pa.string()),
        ("release_date", pa.string()),
        ("duration_ms", pa.int64()),
        ("listens", pa.float64()),
        ("suffix", pa.string()),
        ("root", pa.binary()),
        ("size", pa.int64()),
        ("sha256", pa.binary()),
        ("piece_length", pa.int32()),
        ("statement", pa.string()),
        ("evidence", pa.string()),
        ("in_stage", pa.bool_()),
    ]
)
"""One row for each object that may be released, most listened-to first. `in_stage` says whether
the stage that is cut wants it; objects outside stay in the volumes that they are in."""

STATE = pa.schema([*list(OBJECTS)[:-1], ("path", pa.string()), ("volume", pa.string())])

DOCUMENT = "release.json"

BATCH_ROWS = 65_536
"""Rows turned into Python values at once."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to cut. `objects` has the columns of `OBJECTS` and `leave` the gate's leave for each
    row; `others` are the newest releases of the other stages, `before` of this one; `evidence`
    the files of hashes; `listens` the sum over all recordings of the catalogue; `newest_upheld`
    the log position of the newest upheld claim."""

    prefix: str
    stage: int
    number: int
    objects: pa.Table
    leave: Iterable[Shareable]
    before: Release | None
    others: tuple[Release, ...]
    evidence: tuple[Path, ...]
    listens: float
    newest_upheld: int = 0

    @property
    def name(self) -> str:
        """The release's name, e.g. `s1-0003`."""
        return f"s{self.stage}-{self.number:04}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A volume before its hashes are at hand: rows of `objects` in the order of the torrent, and
    their paths. `folder` is the torrent's own name, which a volume keeps when it is cut anew."""

    name: str
    folder: str
    number: int
    rows: Numbers
    paths: pa.Array
    supersedes: str | None = None


def cut(request: Request, folder: Path) -> Release | None:
    """Write the release below `folder` and return it; None when the stage has nothing new.

    What has no row in `objects` has no leave: it leaves the volumes that it was in. Raises
    ReleaseError when an object has no hashes in the evidence or rows and leave do not belong
    together, RightsError when one has no leave to be released.
    """
    held = _Held(request.objects)
    _check_leave(request)
    fresh, kept = _draft(request, held, folder)
    gone = request.before is not None and len(kept) < len(request.before.volumes)
    if not fresh and not gone:
        return None
    temporary = folder / f".{request.name}{TEMPORARY}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        release = _write(request, held, fresh, kept, temporary)
        sync_folder(temporary)
        shutil.rmtree(folder / request.name, ignore_errors=True)
        temporary.rename(folder / request.name)
        sync_folder(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return release


def sweep(folder: Path, named: set[str]) -> None:
    """Remove release folders that no transaction names; the caller holds the release lock."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_dir() and path.name not in named:
            shutil.rmtree(path)


class _Held:
    """The objects that may be released, found by (root, size)."""

    def __init__(self, objects: pa.Table) -> None:
        self.roots = roots_of(objects["root"])
        self.sizes = objects["size"].to_numpy().astype(np.int64)
        self.piece_lengths = objects["piece_length"].to_numpy().astype(np.int64)
        self._order = np.argsort(self.roots, kind="stable")
        self._sorted = self.roots[self._order]
        twice = np.flatnonzero(self._sorted[1:] == self._sorted[:-1])
        if len(twice):
            root = self._sorted[twice[:1]].tobytes().hex()
            raise ReleaseError("stands twice among the objects", where=root)

    def find(self, roots: hashes.Roots, sizes: Numbers) -> Numbers:
        """The row of each of these, -1 where there is none."""
        if not len(self._sorted):
            return np.full(len(roots), -1, np.int64)
        at = np.searchsorted(self._sorted, roots).clip(0, len(self._sorted) - 1)
        rows = self._order[at]
        same = (self._sorted[at] == roots) & (self.sizes[rows] == sizes)
        return np.where(same, rows, -1)

    def wanted(self, rows: Numbers) -> Wanted:
        """These rows as the hashes' room asks for them."""
        return Wanted(self.roots[rows], self.sizes[rows], self.piece_lengths[rows])


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


def _draft(
    request: Request, held: _Held, folder: Path
) -> tuple[list[Draft], list[tuple[Volume, Draft]]]:
    """The volumes to be written, and those that stay as they are."""
    before = _members(folder, request.before)
    rows = held.find(roots_of(before["root"]), before["size"].to_numpy())
    placed = np.zeros(len(held.sizes), bool)
    placed[rows[rows >= 0]] = True
    taken = [before["path"]]
    for release in request.others:
        members = _members(folder, release)
        elsewhere = held.find(roots_of(members["root"]), members["size"].to_numpy())
        placed[elsewhere[elsewhere >= 0]] = True
        taken.append(members["path"])
    fresh, kept = [], []
    for volume in request.before.volumes if request.before else ():
        inside = pa.compute.equal(before["volume"], volume.name).to_numpy()
        draft = _again(volume, rows[inside], before["path"].filter(pa.array(inside)))
        if draft.supersedes is None:
            kept.append((volume, draft))
        elif len(draft.rows):
            fresh.append(draft)
    wanted = request.objects["in_stage"].to_numpy() & ~placed
    paths = pa.chunked_array([part for column in taken for part in column.chunks], pa.string())
    return fresh + _new(request, held, np.flatnonzero(wanted), paths), kept


def _members(folder: Path, release: Release | None) -> pa.Table:
    if release is None or not release.volumes:
        return pa.table({name: pa.array([], STATE.field(name).type) for name in
                         tables.MEMBERS_COLUMNS})  # fmt: skip
    path = folder / release.name / tables.MEMBERS
    try:
        return pq.read_table(path, columns=list(tables.MEMBERS_COLUMNS))
    except (OSError, pa.ArrowException) as error:
        raise ReleaseError(
            f"cannot be read: {error}", where=str(path), hint="restore it from a backup"
        ) from error


def _again(volume: Volume, rows: Numbers, paths: pa.ChunkedArray) -> Draft:
    """A volume as it was, or as its next edition where members were lost."""
    found = re.search(r"-r(\d+)$", volume.name)  # `-r` may stand in the archive's name, too
    base, edition = (volume.name[: found.start()], int(found[1])) if found else (volume.name, 1)
    stays = rows >= 0
    kept = Draft(volume.name, base, volume.number, rows[stays], paths.filter(pa.array(stays)))
    if stays.all():
        return kept
    return replace(kept, name=f"{base}-r{edition + 1}", supersedes=volume.name)


def _new(request: Request, held: _Held, rows: Numbers, taken: pa.ChunkedArray) -> list[Draft]:
    """Volumes of the objects that none has yet."""
    names = name_all(request.objects.take(pa.array(rows)), taken)
    first = 1 + (request.before.last_number if request.before else 0)
    model = _volume_name(request, 0)
    numbers = divide(names, held.sizes[rows], held.piece_lengths[rows], model)
    order = np.argsort(numbers, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1) if len(rows) else []
    drafts = []
    for number, part in enumerate(parts, first):
        paths = names.paths.take(pa.array(part))
        keys = [v2.tree_key(path) for path in paths.cast(pa.binary()).to_pylist()]
        sort = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
        name = _volume_name(request, number)
        drafts.append(Draft(name, name, number, rows[part[sort]], paths.take(pa.array(sort))))
    return drafts


def _volume_name(request: Request, number: int) -> str:
    return f"{request.prefix}-s{request.stage}-v{number:04}"


def _write(
    request: Request,
    held: _Held,
    fresh: list[Draft],
    kept: list[tuple[Volume, Draft]],
    temporary: Path,
) -> Release:
    drafts = sorted((*fresh, *(draft for _, draft in kept)), key=lambda draft: draft.number)
    with ThreadPoolExecutor(1) as aside:
        written = aside.submit(_write_tables, request, drafts, temporary)
        made = _write_torrents(request, held, fresh, temporary)
        written.result()
    state = (*made, *(volume for volume, _ in kept))
    volumes = tuple(sorted(state, key=lambda volume: volume.number))
    before = request.before
    release = Release(
        name=request.name,
        stage=request.stage,
        volumes=volumes,
        fresh=tuple(volume.name for volume in volumes if volume.release == request.name),
        objects=sum(volume.objects for volume in volumes),
        bytes=sum(volume.bytes for volume in volumes),
        share_of_listens=_share(request, [draft.rows for draft in drafts]),
        supersedes=before.name if before else None,
        last_number=max([before.last_number if before else 0, *(draft.number for draft in fresh)]),
    )
    write_json(temporary / DOCUMENT, release.document())
    return release


def _write_torrents(
    request: Request, held: _Held, drafts: list[Draft], temporary: Path
) -> list[Volume]:
    """Assemble each volume's torrent from stored hashes. While one is written and synced, the next
    is made."""
    volumes = []
    with ThreadPoolExecutor(1) as writer:
        pending: Future[Any] = writer.submit(int)
        for window in _windows(held, drafts):
            gathered = hashes.gather(
                held.wanted(np.concatenate([draft.rows for draft in window])), request.evidence
            )
            start = 0
            for draft in window:
                metainfo = _assemble(held, draft, gathered, start)
                start += len(draft.rows)
                pending.result()
                target = temporary / f"{draft.name}.torrent"
                pending = writer.submit(write_durably, target, metainfo.data)
                volumes.append(_volume(request, held, draft, metainfo))
        pending.result()
    return volumes


def _windows(held: _Held, drafts: list[Draft]) -> Iterator[list[Draft]]:
    """Volumes whose hashes are gathered at once."""
    window: list[Draft] = []
    total = 0
    for draft in drafts:
        weight = int(hashes.weights(held.wanted(draft.rows)).sum())
        if window and total + weight > hashes.WINDOW_BYTES:
            yield window
            window, total = [], 0
        window.append(draft)
        total += weight
    if window:
        yield window


def _assemble(held: _Held, draft: Draft, gathered: hashes.Gathered, start: int) -> hybrid.Metainfo:
    stop = start + len(draft.rows)
    sizes = held.sizes[draft.rows]
    roots = held.roots[draft.rows].tobytes()
    with_bytes = np.flatnonzero(sizes)
    files = hybrid.Files(
        paths=draft.paths.cast(pa.binary()).to_pylist(),
        sizes=sizes.tolist(),
        roots=[roots[at : at + merkle.DIGEST] for at in range(0, len(roots), merkle.DIGEST)],
        piece_layers=gathered.piece_layers(start, stop),
        v1_pieces=gathered.v1_pieces(start, stop),
        v1_last_bare=gathered.last_bare(start + int(with_bytes[-1])) if len(with_bytes) else b"",
    )
    return hybrid.assemble(draft.folder, int(held.piece_lengths[draft.rows[0]]), files)


def _volume(request: Request, held: _Held, draft: Draft, metainfo: hybrid.Metainfo) -> Volume:
    magnet_v2, magnet = hybrid.magnets(metainfo, draft.folder)
    return Volume(
        name=draft.name,
        number=draft.number,
        release=request.name,
        torrent=f"{request.name}/{draft.name}.torrent",
        info_hash_v1=metainfo.info_hash_v1.hex(),
        info_hash_v2=metainfo.info_hash_v2.hex(),
        magnet_v2=magnet_v2,
        magnet=magnet,
        objects=len(draft.rows),
        bytes=metainfo.bytes,
        padding=metainfo.padding,
        piece_length=int(held.piece_lengths[draft.rows[0]]),
        supersedes=draft.supersedes,
    )


def _write_tables(request: Request, drafts: Sequence[Draft], temporary: Path) -> None:
    # One chunk: Arrow would join the chunks again for each volume.
    described = request.objects.select(STATE.names[:-2]).combine_chunks()

    def state(columns: Sequence[str]) -> Iterator[pa.Table]:
        schema = pa.schema([STATE.field(name) for name in columns])
        own = [name for name in columns if name in described.column_names]
        yield schema.empty_table()
        for draft in drafts:
            rows = described.select(own).take(pa.array(draft.rows))
            volume = pa.array([draft.name]).take(pa.array(np.zeros(len(rows), np.int8)))
            rows = rows.append_column("path", draft.paths).append_column("volume", volume)
            yield rows.select(list(columns))

    tables.write_manifest(temporary, state)
    tables.write_parquet(temporary, tables.METADATA, tables.METADATA_COLUMNS, state)
    tables.write_parquet(temporary, tables.MEMBERS, tables.MEMBERS_COLUMNS, state)


def _share(request: Request, parts: list[Numbers]) -> float:
    """The share of all listens that the recordings of these rows, each counted once, stand for."""
    if not request.listens or not parts:
        return 0.0
    recordings = request.objects["recording"].combine_chunks().dictionary_encode().indices
    rows = np.concatenate(parts)
    _, first = np.unique(recordings.to_numpy(zero_copy_only=False)[rows], return_index=True)
    heard = request.objects["listens"].to_numpy()[rows[first]]
    return float(np.nansum(heard)) / request.listens
