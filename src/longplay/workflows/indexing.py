"""`fingerprint update`: the fingerprint index brought up to date with what is held.

What a capture heard stands in the evidence, and is taken from there; only what came in without that
(before there was an index, or by a mirror) is decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from longplay import clock, engine
from longplay.archive import Archive
from longplay.audio import CODECS
from longplay.audio.landmarks import METHOD, read_kept
from longplay.errors import StoreError
from longplay.files import writer_lock
from longplay.identify import index, whole_tracks
from longplay.identify.index import Manifest
from longplay.identify.listening import Heard, Sound, listen
from longplay.identify.opening import WHOLE
from longplay.identify.prints import items_of
from longplay.identify.shard import Printed
from longplay.ledger import queries
from longplay.model import ObjectKey
from longplay.vault import evidence

FOLDER = "identify"
"""The folder of an archive that has its fingerprint index."""

SHARD_OBJECTS = 512
"""Objects whose hashes are written as one shard: what a kill costs, some minutes of decoding."""

Progress = Callable[[int, int, str], None]
Held = dict[ObjectKey, str]


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did. `added` and `removed` count objects, `decoded` those of the added that no
    capture had told the landmarks of, `renewed` those that an older version had indexed without
    their fingerprints, `failed` those of now that cannot be heard; `bytes` is what
    the index takes on disk."""

    objects: int
    added: int
    decoded: int
    renewed: int
    removed: int
    failed: tuple[tuple[str, str], ...]
    shards: int
    postings: int
    bytes: int
    version: str
    seconds: float


def folder_of(archive: Archive, *, whole: bool = False) -> Path:
    """Where the index of an archive lies, or that of whole tracks."""
    return archive.folder / FOLDER / WHOLE if whole else archive.folder / FOLDER


def lacking(archive: Archive, manifest: Manifest, *, whole: bool = False) -> Held:
    """Held sound that the index does not know, with suffixes."""
    return _lacking(folder_of(archive, whole=whole), manifest, _held(archive))


def older(archive: Archive, manifest: Manifest) -> int:
    """Held objects that the index has only as an older version wrote it, and an update would index
    again: those that cannot be heard any more are not among them."""
    if manifest.current == manifest:
        return 0
    folder, held = folder_of(archive), _held(archive)
    waiting = _lacking(folder, manifest.current, held).keys()
    return len(waiting - _lacking(folder, manifest, held).keys())


def update(
    archive: Archive,
    *,
    workers: int | None = None,
    progress: Progress,
    anew: bool = False,
    whole: bool = False,
) -> Updated:
    """Index what is held and not indexed, for clips or as whole tracks; forget what is not held any
    more. Raises StoreError, LockedError. May be killed at any moment, and goes on from there."""
    folder = folder_of(archive, whole=whole)
    with writer_lock(folder / index.LOCK, "fingerprint index"):
        began = clock.monotonic()
        manifest = Manifest() if anew else index.load(folder)
        if anew:
            index.publish(folder, manifest)
        index.tidy(folder, manifest)
        held = _held(archive)
        before = index.indexed(folder, manifest)
        old = before - index.indexed(folder, manifest.current)
        wanted = _lacking(folder, manifest.current, held)
        manifest = _add_told(archive, folder, manifest, wanted)
        told = index.indexed(folder, manifest.current)
        rest = {key: suffix for key, suffix in wanted.items() if key not in told}
        manifest = _add(archive, folder, manifest, rest, workers, progress)
        kept = tuple(one for one in manifest.failed if _key(one) in held)
        if kept != manifest.failed:
            manifest = Manifest(manifest.shards, kept)
            index.publish(folder, manifest)
        renewed = index.indexed(folder, manifest.current)
        manifest = index.replaced(folder, manifest, set(held) - renewed)
        manifest = index.merge(folder, manifest, set(held))
        now = index.indexed(folder, manifest)
        return Updated(
            objects=len(now),
            added=len(now - before),
            decoded=len(renewed - told),
            renewed=len(renewed & old),
            removed=len(before - now),
            failed=tuple((root, why) for root, _, why in manifest.failed),
            shards=len(manifest.shards),
            postings=sum(one.postings for one in manifest.shards),
            bytes=sum(one.bytes for one in manifest.shards),
            version=manifest.version,
            seconds=round(clock.monotonic() - began, 2),
        )


def absorb(archive: Archive) -> None:
    """Index what captures heard and the index lacks; nothing is decoded. Raises StoreError,
    LockedError. May be killed at any moment, and goes on from there."""
    folder = folder_of(archive)
    with writer_lock(folder / index.LOCK, "fingerprint index"):
        manifest = index.load(folder)
        index.tidy(folder, manifest)
        held = _held(archive)
        manifest = _add_told(archive, folder, manifest, _lacking(folder, manifest, held))
        index.merge(folder, manifest, set(held))


def _held(archive: Archive) -> Held:
    with archive.ledger.read() as connection:
        return dict(queries.audio_objects(connection))


def _lacking(folder: Path, manifest: Manifest, held: Held) -> Held:
    known = index.indexed(folder, manifest) | {_key(one) for one in manifest.failed}
    return {key: suffix for key, suffix in held.items() if key not in known}


def _key(failed: tuple[str, int, str]) -> ObjectKey:
    return ObjectKey(bytes.fromhex(failed[0]), failed[1])


def _add_told(archive: Archive, folder: Path, manifest: Manifest, wanted: Held) -> Manifest:
    """The manifest with those objects whose landmarks stand in the evidence."""
    waiting: list[Printed] = []
    decoders: set[str] = set()
    for printed_, decoder in _told(archive, set(wanted)):
        waiting.append(printed_)
        decoders.add(decoder)
        if len(waiting) == SHARD_OBJECTS:
            manifest = _written(folder, manifest, waiting, "; ".join(sorted(decoders)))
            waiting, decoders = [], set()
    if waiting:
        manifest = _written(folder, manifest, waiting, "; ".join(sorted(decoders)))
    return manifest


def _told(archive: Archive, wanted: set[ObjectKey]) -> Iterator[tuple[Printed, str]]:
    """The landmarks of objects that the evidence has, each once, and what decoded them."""
    if not wanted:
        return
    with archive.ledger.read() as connection:
        names = queries.evidence_names(connection, "sounds")
    roots = pa.array(sorted({key.root for key in wanted}), pa.binary(32))
    columns = ["root", "size", "fingerprint", "landmarks", "landmark_method", "decoder"]
    try:
        files = archive.evidence_files.fetch(names)
        for batch in evidence.read_where(
            files, ["root"], columns, lambda table: pc.any(pc.is_in(table["root"], roots)).as_py()
        ):
            for row in _of_this_method(batch, roots):
                key = ObjectKey(row["root"], row["size"])
                if key in wanted:
                    wanted.discard(key)
                    items = items_of(row["fingerprint"])
                    yield Printed(key, *read_kept(row["landmarks"]), items), row["decoder"]
    except (StoreError, ValueError):
        return  # `verify` tells of evidence that is lost or has rotted; the rest is decoded


def _of_this_method(batch: pa.RecordBatch, roots: pa.Array) -> list[dict[str, Any]]:
    """The rows of some roots that have landmarks as they are now; older evidence has no column."""
    if "landmarks" not in batch.schema.names:
        return []
    known = pc.and_(
        pc.equal(batch["landmark_method"], METHOD), pc.is_in(batch["root"], value_set=roots)
    )
    return list(batch.filter(known).to_pylist())


def _add(
    archive: Archive,
    folder: Path,
    manifest: Manifest,
    wanted: Held,
    workers: int | None,
    progress: Progress,
) -> Manifest:
    limits = archive.settings.limits
    names = {key.hex: key for key in wanted}
    outcomes = engine.run(
        listen,
        _sounds(archive, wanted),
        workers=workers or engine.default_workers(),
        seconds=lambda one: limits.file_seconds + limits.file_seconds_per_mb * one.size / 2**20,
        memory_mb=limits.worker_memory_mb,
        imports=CODECS,
    )
    waiting: list[Printed] = []
    failed: list[tuple[str, int, str]] = []
    for done, (sound, outcome) in enumerate(outcomes, 1):
        key = names[sound.name]
        if isinstance(outcome, Heard):
            waiting.append(printed(key, outcome))
            decoder = outcome.decoder
        elif outcome.kind == "error":  # what was killed may do better next time
            failed.append((key.hex, key.size, outcome.reason))
        if len(waiting) == SHARD_OBJECTS:
            manifest = _publish(folder, manifest, waiting, failed, decoder)
            waiting, failed = [], []
        progress(done, len(wanted), "")
    if waiting or failed:
        manifest = _publish(folder, manifest, waiting, failed, decoder if waiting else "")
    return manifest


def _publish(
    folder: Path,
    manifest: Manifest,
    waiting: list[Printed],
    failed: Sequence[tuple[str, int, str]],
    decoder: str,
) -> Manifest:
    manifest = Manifest(manifest.shards, (*manifest.failed, *failed))
    if waiting:
        return _written(folder, manifest, waiting, decoder)
    index.publish(folder, manifest)
    return manifest


def _written(folder: Path, manifest: Manifest, waiting: list[Printed], decoder: str) -> Manifest:
    if folder.name == WHOLE:
        waiting = [whole_tracks.without_landmarks(one) for one in waiting]
    return index.add(folder, manifest, waiting, decoder)


def printed(key: ObjectKey, heard: Heard) -> Printed:
    """An object as the index takes it."""
    marks = heard.landmarks
    return Printed(key, heard.frames, marks.frame, marks.bin, items_of(heard.chromaprint))


def _sounds(archive: Archive, wanted: Held) -> Iterator[Sound]:
    limits = archive.settings.limits
    for key, suffix in wanted.items():
        path = archive.store.local(key, suffix)
        if path is not None:
            yield Sound(key.hex, path, limits, indexed=True)
            continue
        try:
            with archive.store.open(key, suffix) as source:
                data = source.read()
        except StoreError:
            continue  # `verify` tells of it; it is indexed once it is back
        yield Sound(key.hex, None, limits, data=data, indexed=True)
