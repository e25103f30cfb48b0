"""Which volumes a cut makes of what is new, and of those that lost something; the rest stays.

Rows are numbers of rows in the request's `objects`. No hash is read here and nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from longplay.errors import ReleaseError
from longplay.release import hashes, tables
from longplay.release.document import Kind, Release, Volume
from longplay.release.hashes import Numbers, Wanted, roots_of
from longplay.release.paths import COLUMNS, Names, name_all
from longplay.release.volumes import divide
from longplay.torrent import v2

LETTERS: dict[Kind, str] = {"metadata": "m", "art": "a", "audio": "v"}
"""What stands before a volume's number in its name."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Draft:
    """A volume before its hashes are at hand: its rows in the order of the torrent, and their
    paths. `folder` is the torrent's own name, which a volume keeps when it is cut anew."""

    name: str
    folder: str
    kind: Kind
    number: int
    rows: Numbers
    paths: pa.Array
    supersedes: str | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage as it will be: the volumes to be written, and those that stay as they are.
    `reserved` says that text and data mining is reserved, or open, otherwise than it was told."""

    number: int
    before: Release | None
    fresh: tuple[Draft, ...]
    kept: tuple[tuple[Volume, Draft], ...]
    reserved: bool

    @property
    def drafts(self) -> list[Draft]:
        """All volumes in the order in which they are listed."""
        both = (*self.fresh, *(draft for _, draft in self.kept))
        return sorted(both, key=lambda draft: (draft.kind != "art", draft.number))

    @property
    def changed(self) -> bool:
        """Whether there is anything to tell."""
        if self.before is None:
            return bool(self.fresh)
        if self.fresh or self.reserved or len(self.kept) < len(self.before.music):
            return True
        return bool(self.kept) and self.before.metadata is None


class Held:
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


def plan(
    objects: pa.Table,
    held: Held,
    prefix: str,
    wanted: Mapping[int, Mask],
    before: Mapping[int, Release],
    folder: Path,
) -> list[Stage]:
    """The stages that `wanted` names, each with the rows that it wants, after the releases
    `before` (of any stage). An object that some volume has stays there, whatever is wanted.

    Raises ReleaseError when an older release cannot be read.
    """
    members = {stage: _members(folder, release) for stage, release in before.items()}
    rows = {
        stage: held.find(roots_of(table["root"]), table["size"].to_numpy())
        for stage, table in members.items()
    }
    free = np.ones(len(held.sizes), bool)
    for found in rows.values():
        free[found[found >= 0]] = False
    new = _New.of(objects, held, np.flatnonzero(free & _any(wanted)), members.values())
    reserved = objects["tdm_reserved"].to_numpy()
    stages = []
    for number, mask in wanted.items():
        last, told = before.get(number), members.get(number)
        fresh: list[Draft] = []
        kept: list[tuple[Volume, Draft]] = []
        differs = False
        if last is not None and told is not None:
            fresh, kept = _standing(last, told, rows[number])
            stays = rows[number] >= 0
            differs = bool((reserved[rows[number][stays]] != _told(told)[stays]).any())
        for kind in ("art", "audio"):
            fresh += new.take(f"{prefix}-s{number}", kind, mask, last)
        stages.append(Stage(number, last, tuple(fresh), tuple(kept), differs))
    return stages


@dataclass(slots=True)
class _New:
    """The objects that no volume has yet: their rows, names, and which are still free."""

    rows: Numbers
    names: Names
    sizes: Numbers
    piece_lengths: Numbers
    art: Mask
    free: Mask

    @classmethod
    def of(cls, objects: pa.Table, held: Held, rows: Numbers, members: Iterable[pa.Table]) -> _New:
        taken = [chunk for table in members for chunk in table["path"].chunks]
        named = objects.select(COLUMNS)
        if len(rows) < len(objects):
            named = named.take(pa.array(rows))
        return cls(
            rows,
            name_all(named, pa.chunked_array(taken, pa.string())),
            held.sizes[rows],
            held.piece_lengths[rows],
            pc.equal(objects["kind"], "art").to_numpy()[rows],
            np.ones(len(rows), bool),
        )

    def take(self, stage: str, kind: Kind, mask: Mask, last: Release | None) -> list[Draft]:
        """The volumes of one kind that a stage makes of those that it wants."""
        at = np.flatnonzero(self.free & mask[self.rows] & (self.art == (kind == "art")))
        self.free[at] = False
        names = self.names.part(at)
        series = f"{stage}-{LETTERS[kind]}"
        numbers = divide(names, self.sizes[at], self.piece_lengths[at], f"{series}0000")
        order = np.argsort(numbers, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1) if len(at) else []
        drafts = []
        for number, part in enumerate(parts, 1 + _last_number(last, kind)):
            paths = names.paths.take(pa.array(part))
            keys = [v2.tree_key(path) for path in paths.cast(pa.binary()).to_pylist()]
            sort = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
            name = f"{series}{number:04}"
            rows = self.rows[at[part[sort]]]
            drafts.append(Draft(name, name, kind, number, rows, paths.take(pa.array(sort))))
        return drafts


def _any(masks: Mapping[int, Mask]) -> Mask:
    return np.asarray(np.logical_or.reduce([*masks.values()]), bool)


def _last_number(last: Release | None, kind: Kind) -> int:
    if last is None:
        return 0
    return last.last_art if kind == "art" else last.last_number


def _members(folder: Path, release: Release) -> pa.Table:
    """What lies in which volume of a release, with what was told of mining."""
    path = folder / release.name / tables.MEMBERS
    if not release.music:
        return tables.STATE.empty_table().select(tables.MEMBERS_COLUMNS)
    try:
        with pq.ParquetFile(path) as file:
            known = [one for one in tables.MEMBERS_COLUMNS if one in file.schema_arrow.names]
            return file.read(columns=known)
    except (OSError, pa.ArrowException) as error:
        raise ReleaseError(
            f"cannot be read: {error}", where=str(path), hint="restore it from a backup"
        ) from error


def _told(members: pa.Table) -> Mask:
    """Of each member whether it was said to be reserved; releases of old say nothing."""
    if tables.RESERVED not in members.column_names:
        return np.zeros(len(members), bool)
    return np.asarray(members[tables.RESERVED].to_numpy(), bool)


def _standing(
    last: Release, members: pa.Table, rows: Numbers
) -> tuple[list[Draft], list[tuple[Volume, Draft]]]:
    """The volumes that a release has: their next editions where they lost something, and those
    that stay."""
    fresh, kept = [], []
    names = members["volume"].combine_chunks().dictionary_encode()
    codes = names.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.cumsum(np.bincount(codes)[:-1]).tolist() if len(codes) else []
    # Of no members `split` makes one empty part, and there is no name for it.
    where = dict(zip(names.dictionary.to_pylist(), np.split(order, starts), strict=False))
    paths = members["path"].combine_chunks()
    for volume in last.music:
        inside = where.get(volume.name, order[:0])
        draft = _again(volume, rows[inside], paths.take(pa.array(inside)))
        if draft.supersedes is None:
            kept.append((volume, draft))
        elif len(draft.rows):
            fresh.append(draft)
    return fresh, kept


def _again(volume: Volume, rows: Numbers, paths: pa.Array) -> Draft:
    """A volume as it was, or as its next edition where members were lost."""
    found = re.search(r"-r(\d+)$", volume.name)  # `-r` may stand in the archive's name, too
    base, edition = (volume.name[: found.start()], int(found[1])) if found else (volume.name, 1)
    stays = rows >= 0
    there = paths.filter(pa.array(stays))
    kept = Draft(volume.name, base, volume.kind, volume.number, rows[stays], there)
    if stays.all():
        return kept
    return replace(kept, name=f"{base}-r{edition + 1}", supersedes=volume.name)
