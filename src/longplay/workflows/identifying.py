"""`identify`: which archived recordings are in some files, where, and under which rights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from longplay import engine
from longplay.archive import Archive
from longplay.audio import CODECS
from longplay.catalogue import describe, ids
from longplay.catalogue.snapshot import open_current
from longplay.engine.cluster import Cluster
from longplay.errors import LockedError, StoreError
from longplay.identify import index, matching, whole_tracks
from longplay.identify.listening import Heard, Sound, listen
from longplay.identify.matching import Passage
from longplay.identify.prints import items_of
from longplay.identify.shard import Shard
from longplay.ledger import queries
from longplay.model import ObjectKey
from longplay.workflows import indexing, judging, shares, spreading, withdrawing

AT_ONCE = 500
"""Objects that are decoded for the index before it is asked; with more, it is asked as it is, and
the command says so."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Match:
    """A passage of a file that is a passage of an archived recording. `rights` are the statements
    in force about the object; `tdm_reserved` says that mining it is reserved; `rights_holders` is
    the label, where the catalogue knows one: nothing more is known of who holds rights."""

    object: str
    recording: str | None
    isrc: str | None
    title: str | None
    artists: tuple[str, ...]
    offset_s: float
    start_s: float
    end_s: float
    confidence: float
    speed: float
    pitch: float
    rights: tuple[str, ...]
    tdm_reserved: bool
    rights_holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listened:
    """What was found in one file, or `why` it could not be read."""

    file: str
    seconds: float
    matches: tuple[Match, ...]
    why: str = ""


@dataclass(slots=True)
class Index:
    """The opened index, and names for what it finds. `lacking` objects are not in it; `older` ones
    are without their fingerprints, as an older version indexed them, until an update. It is asked
    on the `cluster`, if there is one."""

    shards: Sequence[Shard]
    version: str
    decoders: list[str]
    lacking: int
    older: int
    names: Names
    whole: bool = False
    cluster: Cluster | None = None

    def passages(self, heard: Heard, *, quick: bool = False) -> list[Passage]:
        """What the index knows of what was heard; on the cluster, where there is one."""
        if self.whole:
            return whole_tracks.look_up(self.shards, items_of(heard.items))
        if self.cluster is not None:
            return spreading.identify(self.cluster, self.shards, heard, quick=quick)
        items = items_of(heard.items)
        return matching.identify(
            self.shards, heard.landmarks, heard.frames, items=items, quick=quick
        )


@dataclass(slots=True)
class Names:
    """Looks up what objects carry, page by page, and remembers it."""

    archive: Archive
    _known: dict[ObjectKey, list[_Carried]] = field(default_factory=dict)
    _rights: dict[ObjectKey, tuple[str, ...]] = field(default_factory=dict)
    _reserved: withdrawing.Reserved | None = None

    def matches(self, passages: Iterable[Passage]) -> tuple[Match, ...]:
        """The passages of objects that are held, with what is known of them."""
        found = list(passages)
        self.look_up({one.object for one in found})
        return tuple(self._match(one) for one in found if one.object in self._rights)

    def _match(self, one: Passage) -> Match:
        assert self._reserved is not None
        middle = (one.offset_s + (one.end_s - one.start_s) * one.hearing.speed / 2) * 1000
        carried = self._known[one.object]
        inside = [it for it in carried if it.start <= middle and (it.end or middle + 1) > middle]
        it = (inside or carried or [_Carried()])[0]
        reserved = it.key in self._reserved.recordings
        return Match(
            object=one.object.hex,
            recording=ids.text("rec", it.key) if it.key is not None else None,
            isrc=it.isrc,
            title=it.title,
            artists=it.artists,
            offset_s=one.offset_s,
            start_s=one.start_s,
            end_s=one.end_s,
            confidence=one.confidence,
            speed=one.hearing.speed,
            pitch=round(one.hearing.pitch, 4),
            rights=self._rights[one.object],
            tdm_reserved=reserved or one.object.root in self._reserved.roots,
            rights_holders=it.holders,
        )

    def look_up(self, objects: set[ObjectKey]) -> None:
        """Look up what some objects carry, as far as it is not known yet."""
        keys = objects - self._known.keys()
        if self._reserved is None:
            self._reserved = withdrawing.reserved(self.archive)
        if not keys:
            return
        roots = sorted({key.root for key in keys})
        with self.archive.ledger.read() as connection:
            carried = queries.carried_by(connection, roots)
            for key in keys:
                stated = judging.stated(connection, key.root)
                if stated is not None and stated.key == key:
                    self._rights[key] = tuple(sorted({one.uri for one in stated.in_force}))
        snapshot = open_current(self.archive.catalogue)
        old = sorted({row[0] for rows in carried.values() for row in rows})
        today = shares.current(snapshot, np.array(old, np.uint64))
        now = dict(zip(old, today.tolist(), strict=True))
        shown = {
            row["recording"]: row
            for row in describe.display(snapshot, np.array(today, np.uint64)).to_pylist()
        }
        for key in keys:
            self._known[key] = [
                _carried(now[recording], start, end, shown.get(now[recording], {}))
                for recording, start, end in carried.get(key.root, ())
            ]


@dataclass(frozen=True, slots=True)
class _Carried:
    key: int | None = None
    start: int = 0
    end: int | None = None
    isrc: str | None = None
    title: str | None = None
    artists: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()


def _carried(key: int, start: int, end: int | None, row: dict[str, object]) -> _Carried:
    artists = row.get("artists")
    return _Carried(
        key,
        start,
        end,
        str(row["isrc"]) if row.get("isrc") else None,
        str(row["title"]) if row.get("title") else None,
        tuple(artists) if isinstance(artists, list) else (),
        (str(row["label"]),) if row.get("label") else (),
    )


def open_index(archive: Archive, *, workers: int | None, progress: Progress) -> Index:
    """The index of an archive, brought up to date first where that is soon done and nobody else is
    at it. Raises StoreError where there is nothing in it."""
    folder = indexing.folder_of(archive)
    manifest = index.load(folder)
    lacking = len(indexing.lacking(archive, manifest))
    with suppress(LockedError):
        if lacking:
            indexing.absorb(archive)
            manifest = index.load(folder)
            lacking = len(indexing.lacking(archive, manifest))
        if 0 < lacking <= AT_ONCE:
            indexing.update(archive, workers=workers, progress=progress)
            manifest = index.load(folder)
            lacking = 0
    if not manifest.objects:
        raise StoreError(
            "the fingerprint index is empty",
            where=str(folder),
            hint="run `longplay fingerprint update`"
            if lacking
            else "nothing that can be heard is held: capture something first",
        )
    shards = index.open_shards(folder, manifest)
    older = indexing.older(archive, manifest)
    return Index(shards, manifest.version, manifest.decoders, lacking, older, Names(archive))


def open_whole(archive: Archive) -> Index:
    """The index of whole tracks, as it is. Raises StoreError where there is nothing in it."""
    folder = indexing.folder_of(archive, whole=True)
    manifest = index.load(folder)
    if not manifest.objects:
        raise StoreError(
            "there is no index of whole tracks",
            where=str(folder),
            hint="run `longplay fingerprint update --whole`",
        )
    lacking = len(indexing.lacking(archive, manifest, whole=True))
    shards = index.open_shards(folder, manifest)
    return Index(
        shards, manifest.version, manifest.decoders, lacking, 0, Names(archive), whole=True
    )


def identify(
    archive: Archive,
    files: Sequence[Path],
    *,
    workers: int | None = None,
    whole: bool = False,
    cluster: Cluster | None = None,
    progress: Progress,
) -> tuple[Index, Iterator[Listened]]:
    """Look for archived recordings in files, or for files that are whole recordings; what is found
    of each, in the order of the files. A cluster's workers ask the index for clips."""
    if whole:
        opened = open_whole(archive)
    else:
        opened = open_index(archive, workers=workers, progress=progress)
        opened.cluster = cluster
    limits = archive.settings.limits
    sounds = [Sound(str(number), path, limits) for number, path in enumerate(files)]
    return opened, _in_order(opened, archive, sounds, files, workers, progress)


def _in_order(
    opened: Index,
    archive: Archive,
    sounds: Sequence[Sound],
    files: Sequence[Path],
    workers: int | None,
    progress: Progress,
) -> Iterator[Listened]:
    waiting: dict[int, Listened] = {}
    following = 0
    for done, (sound, heard) in enumerate(heard_of(archive, sounds, workers), 1):
        name = str(files[int(sound.name)])
        waiting[int(sound.name)] = found_in(opened, name, heard)
        progress(done, len(sounds), "")
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def heard_of(
    archive: Archive, sounds: Iterable[Sound], workers: int | None
) -> Iterator[tuple[Sound, Heard | engine.Failure]]:
    """Listen to sounds in confined workers, as they come."""
    limits = archive.settings.limits
    return engine.run(
        listen,
        sounds,
        workers=workers or engine.default_workers(),
        seconds=lambda one: limits.file_seconds + limits.file_seconds_per_mb * one.size / 2**20,
        memory_mb=limits.worker_memory_mb,
        imports=CODECS,
    )


def found_in(opened: Index, name: str, heard: Heard | engine.Failure) -> Listened:
    """What the index finds in what was heard of one file."""
    if isinstance(heard, engine.Failure):
        reason = heard.reason.removeprefix(f"{name}: ")
        return Listened(name, 0.0, (), reason)
    return Listened(name, heard.seconds, opened.names.matches(opened.passages(heard)))
