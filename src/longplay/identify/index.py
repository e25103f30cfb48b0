"""The index: immutable shards, and one small file that names those that count.

A shard is written whole and synced before `index.json` names it, and what that does not name is
rubbish: so whoever is killed leaves an index without what was under way, and nothing twice.
Readers keep the shards that they opened. Format: docs/formats/fingerprint-index.md
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from longplay.audio.landmarks import METHOD
from longplay.errors import StoreError
from longplay.files import read_bounded, sweep, write_json
from longplay.identify import shard as shards_room
from longplay.identify.opening import remake
from longplay.identify.shard import Printed, Shard, Written
from longplay.model import ObjectKey

FORMAT = "longplay-fingerprint-index"
VERSION = 2
MANIFEST = "index.json"
LOCK = "index.lock"

MAX_MANIFEST = 256 * 2**20
"""Ten thousand shards need 4 MB; this holds failures of a large archive, too."""

MERGE_AT = 4
"""Shards of one size class that become one; a class is four times the one before."""

MERGED_POSTINGS = 1 << 30
"""Postings of a shard that is not merged any more: 5 GB on disk and 320,000 recordings
of 4 minutes. While one was made, 9 GB were resident, mapped shards included. A question is asked of
each shard, so few large ones are quick."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What counts: shards, and objects that no landmarks could be got of, with the reason."""

    shards: tuple[Written, ...] = ()
    failed: tuple[tuple[str, int, str], ...] = ()
    method: str = METHOD

    @property
    def objects(self) -> int:
        """Objects in all shards."""
        return sum(one.objects for one in self.shards)

    @property
    def current(self) -> Manifest:
        """That, without shards of older versions, which have no fingerprints."""
        return Manifest(tuple(one for one in self.shards if one.prints), self.failed, self.method)

    @property
    def version(self) -> str:
        """Names this state of the index: equal for equal shards."""
        names = "\n".join([self.method, *sorted(one.name for one in self.shards)])
        return hashlib.sha256(names.encode()).hexdigest()[:16]

    @property
    def decoders(self) -> list[str]:
        """The decoders that what is indexed was heard by."""
        return sorted({name for one in self.shards for name in one.decoder.split("; ") if name})


def load(folder: Path) -> Manifest:
    """The manifest of the index in `folder`; an empty one where there is none yet. Raises
    StoreError."""
    path = folder / MANIFEST
    if not path.is_file():
        return Manifest()
    try:
        said = json.loads(read_bounded(path, MAX_MANIFEST))
        if said["format"] != FORMAT:
            raise ValueError("another format")
        if said["version"] > VERSION or said["method"] != METHOD:
            raise StoreError(
                "was made by another version of Longplay",
                where=str(path),
                hint=f"install that version, or run `{remake(path)}`",
            )
        return Manifest(
            tuple(Written(**one) for one in said["shards"]),
            tuple((root, size, why) for root, size, why in said["failed"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            "is no fingerprint index",
            where=str(path),
            hint=f"make it anew with `{remake(path)}`",
        ) from error


def publish(folder: Path, manifest: Manifest) -> None:
    """Let the manifest count from now on."""
    write_json(
        folder / MANIFEST,
        {
            "format": FORMAT,
            "version": VERSION,
            "method": manifest.method,
            "shards": [asdict(one) for one in manifest.shards],
            "failed": [list(one) for one in manifest.failed],
        },
    )


def open_shards(folder: Path, manifest: Manifest) -> list[Shard]:
    """The shards that count, opened. Raises StoreError for one that is missing, or is not as long
    as the manifest says."""
    found = []
    for one in manifest.shards:
        path = folder / one.name
        length = path.stat().st_size if path.is_file() else None
        if length != one.bytes:
            raise StoreError(
                "is missing" if length is None else f"has {length:,} bytes, not {one.bytes:,}",
                where=str(path),
                hint=f"make the index anew with `{remake(path)}`",
            )
        found.append(Shard(path))
    return found


def indexed(folder: Path, manifest: Manifest) -> set[ObjectKey]:
    """The objects that the index has hashes of."""
    return {key for one in open_shards(folder, manifest) for key in one.objects()}


def add(folder: Path, manifest: Manifest, printed: list[Printed], decoder: str) -> Manifest:
    """The manifest with one more shard, published."""
    written = shards_room.write(folder, printed, decoder)
    if written.name in {one.name for one in manifest.shards}:
        return manifest
    fresh = Manifest((*manifest.shards, written), manifest.failed)
    publish(folder, fresh)
    return fresh


def merge(folder: Path, manifest: Manifest, held: set[ObjectKey]) -> Manifest:
    """The manifest with small shards merged, and without objects that are no longer held where a
    shard has many of them; published step by step, and what is not named swept."""
    while (group := _group(folder, manifest, held)) is not None:
        opened = open_shards(folder, Manifest(tuple(group)))
        taken: set[ObjectKey] = set()
        keep = []
        for one in opened:  # an object that stands in two shards is kept once
            keep.append((one.objects() & held) - taken)
            taken |= keep[-1]
        rest = [one for one in manifest.shards if one not in group]
        decoder = "; ".join(Manifest(tuple(group)).decoders)
        fresh = [shards_room.merge(folder, opened, keep, decoder)] if taken else []
        manifest = Manifest((*rest, *fresh), manifest.failed)
        publish(folder, manifest)
    tidy(folder, manifest)
    return manifest


def replaced(folder: Path, manifest: Manifest, needed: set[ObjectKey]) -> Manifest:
    """The manifest, published, without those shards of older versions that have none of the objects
    which are needed of them."""
    kept = tuple(
        one for one in manifest.shards if one.prints or Shard(folder / one.name).objects() & needed
    )
    if kept != manifest.shards:
        manifest = Manifest(kept, manifest.failed)
        publish(folder, manifest)
    return manifest


def tidy(folder: Path, manifest: Manifest) -> None:
    """Remove what the manifest does not name; the caller holds the lock."""
    sweep(folder, {MANIFEST, LOCK, *(one.name for one in manifest.shards)})


def rotten(folder: Path, shards: Iterable[Written]) -> Iterator[str]:
    """The names of those shards whose bytes are not those that were written; all are read."""
    for one in shards:
        try:
            with (folder / one.name).open("rb") as source:
                found = hashlib.file_digest(source, "sha256").hexdigest()
        except OSError:
            found = ""
        if found != one.sha256:
            yield one.name


def _group(folder: Path, manifest: Manifest, held: set[ObjectKey]) -> list[Written] | None:
    """Shards that should become one; None where there are none."""
    classes: dict[tuple[int, bool], list[Written]] = {}
    for one in manifest.shards:
        classes.setdefault((one.postings.bit_length() // 2, one.prints), []).append(one)
    for group in classes.values():
        small = _fitting(group)
        if len(small) >= MERGE_AT:
            return small
    for one in manifest.shards:
        keys = Shard(folder / one.name).objects()
        if keys and not keys <= held:
            return [one]  # what was forgotten leaves the index at once
    return None


def _fitting(group: Iterable[Written]) -> list[Written]:
    found, total = [], 0
    for one in sorted(group, key=lambda one: one.postings):
        if total + one.postings <= MERGED_POSTINGS:
            found.append(one)
            total += one.postings
    return found
