"""`release publish`: the signed feed, with its keys and its RSS, beside the releases."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import archive as archives
from longplay import clock
from longplay.archive import Archive
from longplay.catalogue.snapshot import open_current
from longplay.errors import FeedError, LongplayError, ReleaseError
from longplay.files import write_durably, writer_lock
from longplay.ledger import claims, queries, tables
from longplay.release import feed as feeds
from longplay.release import fetching, following, keys, minisign, peers
from longplay.release.document import Release, Volume, newest_by_stage, read_release
from longplay.release.feed import Feed, File, Log, Scarce, Sharing, Tombstone
from longplay.release.rss import rss
from longplay.release.tables import MEMBERS
from longplay.workflows import followed, shares, stocking
from longplay.workflows.claims import catch_up, reserved_recordings

FEED, SIGNATURE, RSS = "feed.json", "feed.json.minisig", "feed.rss"


@dataclass(frozen=True, slots=True)
class Published:
    """A feed that was signed."""

    feed: int
    expires: str
    releases: int
    volumes: int
    tombstones: int
    key: str


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """An archive's keys: what to hand on, and where the secret halves should lie."""

    archive: str
    key: str
    feed_keys: tuple[str, ...]
    version: int
    folder: str
    root_at_hand: bool
    feed_at_hand: bool


def publish(archive: Archive) -> Published:
    """Sign a feed of what is released and withdrawn now, and put it beside the releases.

    Raises FeedError when the feed key is not at hand.
    """
    followed.refuse_mirror(archive)
    stocking.bring_releases(archive)
    with writer_lock(archive.releases / "feed.lock", "feed"):
        known = archives.make_keys(archive.folder, archive.settings)
        key = keys.load(archives.key_folder(archive.settings) / known.root.name / keys.FEED)
        if key.public not in known.feed:
            raise FeedError(
                "is not among the feed keys that the root key names",
                where=f"key {key.public.name}",
                hint="bring the newest feed key, or make one with `longplay release rotate-key`",
            )
        return _publish(archive, known, key)


def renew(archive: Archive) -> Published | LongplayError | None:
    """Publish after something has changed; when that cannot be (no key is at hand, somebody else
    is publishing) the change still holds, and the error is for whoever runs the command to see. A
    mirror has nothing to publish: None."""
    if followed.followed(archive.folder) is not None:
        return None
    try:
        return publish(archive)
    except LongplayError as error:
        return error


def renew_due(archive: Archive) -> Published | None:
    """Sign the feed again when a third of its time is left, so that it never expires while the
    archive is served, and when it lacks a decision on a claim or is not as it was signed: the
    command that decided, or signed, may have been killed before it was done. None when it is not
    due, was never published, or the key is not here."""
    h = tables.feed_heads.c
    with archive.ledger.read() as connection:
        last = connection.execute(
            sa.select(h.time, h.expires, h.entries, h.sha256).order_by(h.serial.desc()).limit(1)
        ).first()
        decided = claims.position(connection)
    if last is None:
        return None
    issued, expires = datetime.fromisoformat(last.time), datetime.fromisoformat(last.expires)
    fresh = clock.now() < issued + (expires - issued) * (2 / 3)
    if decided <= last.entries and fresh and _is_whole(archive, last.sha256):
        return None
    done = renew(archive)
    return None if isinstance(done, LongplayError) else done


def _is_whole(archive: Archive, sha256: bytes) -> bool:
    """Whether the feed that was signed last lies there with its signature; they are two files."""
    try:
        there = fetching.deliver(fetching.Folder(archive.releases, FEED))
        following.check_signature(there, keys.read(archive.folder / archives.KEYS).feed)
    except LongplayError:
        return False
    return hashlib.sha256(there.feed).digest() == sha256


def facts(archive: Archive) -> KeyFacts:
    """The archive's keys."""
    known = archives.make_keys(archive.folder, archive.settings)
    folder = archives.key_folder(archive.settings) / known.root.name
    return KeyFacts(
        archive=known.root.name,
        key=known.root.line,
        feed_keys=tuple(key.line for key in known.feed),
        version=known.version,
        folder=str(folder),
        root_at_hand=(folder / keys.ROOT).is_file(),
        feed_at_hand=(folder / keys.FEED).is_file(),
    )


def rotate_key(archive: Archive) -> KeyFacts:
    """Make a new feed key and let the root key name it in place of the old one; the feed is signed
    again. Raises FeedError when the root key is not at hand."""
    archives.make_keys(archive.folder, archive.settings)
    keys.rotate(archives.key_folder(archive.settings), archive.folder / archives.KEYS)
    publish(archive)
    return facts(archive)


def _publish(archive: Archive, known: keys.Keys, key: minisign.SecretKey) -> Published:
    catch_up(archive)
    # What is counted and read takes long; the ledger is asked for what it says last of all.
    held = _Held.of(archive)
    with archive.ledger.write() as connection:
        feed = _feed(archive, connection, known, held)
        data = feed.document()
        # The number is used up before anybody can see it: a feed that dies here is skipped, and no
        # number is ever given twice.
        connection.execute(
            tables.feed_heads.insert().values(
                serial=feed.serial,
                time=feed.issued,
                expires=feed.expires,
                entries=feed.log.entries,
                hash=bytes.fromhex(feed.log.hash),
                sha256=hashlib.sha256(data).digest(),
            )
        )
    comment = f"longplay feed {feed.serial} of {feed.archive}, expires {feed.expires}"
    public = archive.folder / archives.KEYS
    for name in (keys.DOCUMENT, keys.SIGNATURE):
        write_durably(archive.releases / name, (public / name).read_bytes())
    write_durably(archive.releases / RSS, rss(feed, archive.settings.sharing.address))
    write_durably(archive.releases / FEED, data)
    write_durably(archive.releases / SIGNATURE, minisign.sign(key, data, comment).encode())
    return Published(
        feed.serial,
        feed.expires,
        len(feed.current),
        sum(len(one.volumes) for one in feed.current),
        len(feed.tombstones),
        known.root.line,
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """What the feed says that is in files, not in the ledger: by release its files and how many
    recordings of it are reserved, by volume its share of listens and its copies."""

    files: dict[str, list[File]]
    reserved: dict[str, int]
    shares: dict[str, float]
    copies: dict[str, int]

    @classmethod
    def of(cls, archive: Archive) -> _Held:
        """Look."""
        with archive.ledger.read() as connection:
            released = _newest(connection)
        listens, reserved = _listens(archive, released)
        return cls(
            {one.name: _files(archive.releases / one.name, one) for one in released},
            reserved,
            listens,
            _copies(archive, [volume for one in released for volume in one.volumes]),
        )


def _feed(archive: Archive, connection: Connection, known: keys.Keys, held: _Held) -> Feed:
    h, l = tables.feed_heads.c, tables.log.c  # noqa: E741 - one letter a table
    heads = connection.execute(
        sa.select(h.serial, h.entries, h.hash).order_by(h.serial.desc()).limit(feeds.MOST_HEADS)
    ).all()
    last = connection.execute(sa.select(l.number, l.hash).order_by(l.number.desc()).limit(1)).one()
    now = clock.now()
    sharing = archive.settings.sharing
    newest = {one.name for one in _newest(connection)}
    releases = [
        _release(archive, one, held, current=one.name in newest and one.name in held.files)
        for one in _releases(connection)
    ]
    return Feed(
        format="longplay-feed",
        version=feeds.VERSION,
        archive=known.root.name,
        name=archive.settings.name,
        serial=(heads[0].serial if heads else 0) + 1,
        issued=clock.text_of(now),
        expires=clock.text_of(now + timedelta(days=sharing.feed_days)),
        log=Log(
            entries=last.number,
            hash=last.hash.hex(),
            heads=[(row.serial, row.entries, row.hash.hex()) for row in reversed(heads)],
        ),
        sharing=Sharing(
            trackers=list(sharing.all_trackers),
            web_seeds=list(sharing.all_web_seeds),
            dht=sharing.dht,
        ),
        releases=releases,
        scarcity=_scarcity(releases),
        tombstones=_tombstones(connection),
    )


def _release(archive: Archive, one: Release, held: _Held, *, current: bool) -> feeds.Release:
    return feeds.Release(
        release=one.name,
        stage=one.stage,
        current=current,
        supersedes=one.supersedes,
        objects=one.objects,
        bytes=one.bytes,
        share_of_listens=min(1.0, one.share_of_listens),
        tdm_reserved=held.reserved.get(one.name, 0),
        files=held.files[one.name] if current else [],
        volumes=[_volume(archive, volume, held) for volume in one.volumes] if current else [],
    )


def _volume(archive: Archive, volume: Volume, held: _Held) -> feeds.Volume:
    torrent = archive.releases / volume.torrent
    try:
        size = torrent.stat().st_size
    except OSError as error:
        raise ReleaseError(
            "the torrent is gone", where=str(torrent), hint="restore it from a backup"
        ) from error
    return feeds.Volume(
        name=volume.name,
        kind=volume.kind,
        torrent=volume.torrent,
        torrent_bytes=size,
        info_hash_v1=volume.info_hash_v1,
        info_hash_v2=volume.info_hash_v2,
        magnet=volume.magnet,
        objects=volume.objects,
        bytes=volume.bytes,
        share_of_listens=held.shares.get(volume.name, 0.0),
        supersedes=volume.supersedes,
        copies=held.copies.get(volume.name),
    )


def _scarcity(releases: list[feeds.Release]) -> list[Scarce]:
    """The volumes by how much another copy of them would help: what is most listened to and least
    often there comes first."""
    rows = [
        Scarce(
            volume=volume.name,
            copies=volume.copies,
            share_of_listens=volume.share_of_listens,
            score=volume.share_of_listens / (1 + (volume.copies or 0)),
        )
        for release in releases
        for volume in release.volumes
    ]
    return sorted(rows, key=lambda row: (-row.score, row.volume))


def _tombstones(connection: Connection) -> list[Tombstone]:
    """One for each object that is withdrawn, for whatever reasons."""
    found: dict[bytes, Tombstone] = {}
    for one in claims.tombstones_standing(connection):
        before = found.get(one.key.root)
        isrcs, recordings = set(one.isrcs), set(one.recordings)
        if before is not None:
            isrcs |= set(before.isrcs)
            recordings |= set(before.recordings)
        found[one.key.root] = Tombstone(
            root=one.key.hex,
            size=one.key.size,
            isrcs=sorted(isrcs),
            recordings=sorted(recordings),
            time=min(one.time, before.time) if before else one.time,
            log=max(one.log, before.log) if before else one.log,
        )
    return list(found.values())


def _releases(connection: Connection) -> list[Release]:
    """Every release, oldest first."""
    r = tables.releases.c
    texts = connection.scalars(sa.select(r.document).order_by(r.time, r.name))
    return [read_release(json.loads(text)) for text in texts]


def _newest(connection: Connection) -> list[Release]:
    """The newest release of each stage."""
    return list(newest_by_stage(_releases(connection)).values())


def _files(folder: Path, release: Release) -> list[File]:
    """The files of a release that are no torrents, with their digests: as the release has them, or
    else by reading them."""
    known = {file.path: file for file in release.files}
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".torrent" or not path.is_file():
            continue
        if path.name in known:
            file = known[path.name]
            found.append(File(path=file.path, bytes=file.bytes, sha256=file.sha256))
            continue
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        found.append(File(path=path.name, bytes=path.stat().st_size, sha256=digest))
    return found


def _listens(
    archive: Archive, released: Iterable[Release]
) -> tuple[dict[str, float], dict[str, int]]:
    """Of each volume the share of all listens that its recordings have, and of each release how
    many recordings are reserved from text and data mining."""
    snapshot = open_current(archive.catalogue)
    listening = shares.listening(archive, snapshot)
    with archive.ledger.read() as connection:
        held = queries.carried(connection)
    recordings = shares.current(snapshot, held["recording"].to_numpy())
    closed = np.array(sorted(reserved_recordings(archive)), np.uint64)
    volumes: dict[str, float] = {}
    reserved: dict[str, int] = {}
    for release in released:
        members = pq.read_table(
            archive.releases / release.name / MEMBERS, columns=["root", "volume"]
        )
        at = pc.index_in(held["root"], members["root"].cast(pa.binary()))
        inside = at.is_valid().to_numpy(zero_copy_only=False)
        where = members["volume"].take(at.drop_null()).to_numpy(zero_copy_only=False)
        mine = recordings[inside]
        reserved[release.name] = int(np.isin(np.unique(mine), closed).sum())
        for volume in release.volumes:
            volumes[volume.name] = min(1.0, listening.share(mine[where == volume.name]))
    return volumes, reserved


def _copies(archive: Archive, volumes: list[Volume]) -> dict[str, int]:
    """How many peers that have all of it our tracker saw of late; clients announce the v1 hash,
    the v2 hash, or both."""
    hashes = {
        volume.name: (bytes.fromhex(volume.info_hash_v1), bytes.fromhex(volume.info_hash_v2)[:20])
        for volume in volumes
    }
    seen = peers.counts(archive.folder, [one for pair in hashes.values() for one in pair])
    found: Counter[str] = Counter()
    for name, pair in hashes.items():
        known = [seen[one][0] for one in pair if one in seen]
        if known:
            found[name] = max(known)
    return dict(found)
