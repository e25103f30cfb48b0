"""What a mirror makes sure of before it fetches a byte: that a torrent and the manifest are what
the feed names, agree with each other, and have no name that some file system would take amiss.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from longplay.errors import ReleaseError, TorrentError
from longplay.model import ObjectKey
from longplay.release import feed
from longplay.release.document import VERSION, Release
from longplay.release.paths import fold, safe
from longplay.torrent import metainfo
from longplay.torrent.metainfo import Torrent

MAX_LINE = 64 * 1024
"""Bytes of a line of a manifest: one file with its names and where its rights were read."""

NAME_BYTES = 255
"""Longest component of a path that file systems take."""

EMPTY = bytes(32)
"""The root that an archive gives to a file without bytes."""

_RELEASE = TypeAdapter(Release)


@dataclass(frozen=True, slots=True)
class Member:
    """A line of the manifest: a file of a volume, and what was stated about it."""

    path: str
    key: ObjectKey
    sha256: bytes
    recording: str
    statement: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Index:
    """Where in a manifest each volume's lines begin, and how many they are."""

    manifest: Path
    volumes: dict[str, tuple[int, int]]

    def members(self, volume: str) -> list[Member]:
        """The files of one volume. Raises ReleaseError."""
        start, count = self.volumes.get(volume, (0, 0))
        found = []
        with self.manifest.open("rb") as source:
            source.seek(start)
            for _ in range(count):
                found.append(_member(_line(source.readline(MAX_LINE + 1), self.manifest)))
        return found


def check_torrent(data: bytes, volume: feed.Volume) -> Torrent:
    """A volume's torrent, if it is the one that the feed names. Raises TorrentError."""
    torrent = metainfo.parse(data)
    found = (torrent.info_hash_v1.hex(), torrent.info_hash_v2.hex())
    if found != (volume.info_hash_v1, volume.info_hash_v2):
        raise TorrentError("has other info-hashes than the feed names")
    if len(torrent.files) != volume.objects or sum(f.size for f in torrent.files) != volume.bytes:
        raise TorrentError("has other files than the feed counts")
    _check_names(torrent)
    return torrent


def index(manifest: Path, release: feed.Release) -> Index:
    """Find each volume's lines in a manifest. Raises ReleaseError when they do not lie together, or
    are not as many as the feed counts."""
    counts = {one.name: one.objects for one in release.volumes if one.kind != "metadata"}
    found: dict[str, tuple[int, int]] = {}
    last, at = "", 0
    with manifest.open("rb") as source:
        while raw := source.readline(MAX_LINE + 1):
            name = _line(raw, manifest).get("volume")
            if not isinstance(name, str) or name not in counts:
                raise ReleaseError("names a volume that the feed does not", where=str(manifest))
            if name != last:
                if name in found:
                    raise ReleaseError(f"has {name} in two places", where=str(manifest))
                found[name], last = (at, 0), name
            start, count = found[name]
            if count >= counts[name]:
                raise ReleaseError(f"has more files in {name} than the feed", where=str(manifest))
            found[name] = (start, count + 1)
            at += len(raw)
    short = next((name for name in counts if found.get(name, (0, 0))[1] != counts[name]), None)
    if short is not None:
        raise ReleaseError(f"has fewer files in {short} than the feed", where=str(manifest))
    return Index(manifest, found)


def check_members(torrent: Torrent, members: list[Member]) -> None:
    """Raise ReleaseError unless the manifest names just the files of the torrent."""
    named = {member.path: member.key for member in members}
    if len(named) != len(members):
        raise ReleaseError("names a file twice")
    for file in torrent.files:
        path = "/".join(file.path)
        key = named.pop(path, None)
        if key is None or key != ObjectKey(file.root or EMPTY, file.size):
            raise ReleaseError(f"is of another file {path!r} than the torrent")
    if named:
        raise ReleaseError(f"names {min(named)!r}, which the torrent has not")


def check_release(data: bytes, said: feed.Release) -> Release:
    """The document of a release, if it is what the feed says. Raises ReleaseError."""
    try:
        found = _RELEASE.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ReleaseError(f"is no document of a release: {first['msg']}") from error
    if found.version != VERSION:
        raise ReleaseError(f"has version {found.version}, not {VERSION}")
    if (found.name, found.stage) != (said.release, said.stage):
        raise ReleaseError("is of another release than the feed says")
    volumes = {one.name: one for one in said.volumes}
    for one in found.volumes:
        other = volumes.pop(one.name, None)
        if other is None or any(
            getattr(one, name) != getattr(other, name)
            for name in ("kind", "torrent", "info_hash_v1", "info_hash_v2", "objects", "bytes")
        ):
            raise ReleaseError(f"has another volume {one.name[:80]} than the feed")
        if one.release != one.torrent.partition("/")[0]:
            raise ReleaseError(f"says that {one.name[:80]} was cut by another release")
    if volumes:
        raise ReleaseError(f"lacks the volume {min(volumes)}")
    return found


def _check_names(torrent: Torrent) -> None:
    """Every name must be one that all file systems take, and none another's but for capitals."""
    known: set[str] = set()
    safe_ones: set[str] = set()
    for file in torrent.files:
        for name in (torrent.name, *file.path):
            if name not in safe_ones and safe(name, NAME_BYTES) != name:
                raise TorrentError("is no name that every file system takes", where=name[:200])
            safe_ones.add(name)
        path = "/".join(file.path)
        if fold(path) in known:
            raise TorrentError("differs from another path by capitals or accents", where=path)
        known.add(fold(path))


def _line(raw: bytes, manifest: Path) -> dict[str, Any]:
    try:
        if len(raw) > MAX_LINE:
            raise ValueError("too long")
        found = json.loads(raw)
        if not isinstance(found, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError) as error:
        raise ReleaseError("has a line that is none", where=str(manifest)) from error
    return found


def _member(row: dict[str, Any]) -> Member:
    try:
        root, sha256 = bytes.fromhex(row["root"]), bytes.fromhex(row["sha256"])
        size = row["size"]
        if (len(root), len(sha256)) != (32, 32) or type(size) is not int or size < 0:
            raise ValueError("no object")
        texts = [row["path"], row["statement"], row.get("evidence") or ""]
        texts.append(row.get("recording") or "")
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("no text")
        if b"\0" in "".join(texts).encode():  # nor half a surrogate pair: no ledger keeps either
            raise ValueError("no text")
        path, statement, evidence, recording = texts
    except (KeyError, ValueError, TypeError) as error:
        raise ReleaseError("the manifest has a line that is no file of a release") from error
    return Member(path, ObjectKey(root, size), sha256, recording, statement, evidence)
