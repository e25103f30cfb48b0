"""`seed`: what is released is offered to anybody, from the store itself, while it may be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from longplay import clock
from longplay.archive import Archive
from longplay.catalogue import layout
from longplay.errors import ReleaseError
from longplay.ledger import log, queries, tables
from longplay.release import peers
from longplay.release.document import Release, Volume, newest_by_stage, read_release
from longplay.release.seeding import Seeder, watch
from longplay.release.seeding import Volume as Offered
from longplay.release.tables import MEMBERS
from longplay.rights.gate import Shareable
from longplay.torrent import metainfo
from longplay.workflows import followed, judging, rights, withdrawing
from longplay.workflows.withdrawing import Memory, Standing

POLL_SECONDS = 1.0
"""How often a seeder looks whether claims or releases have changed what it may offer: what is
withdrawn must be out of reach within ten seconds."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of several processes that divide the torrents, counted from 1."""

    number: int = 1
    of: int = 1


@dataclass(slots=True)
class Offer:
    """What an archive may offer now, asked again and again.

    When the log has grown, what claims withdraw is left out at once. Judging everything anew takes
    long in a large archive, and is done beside that: what may be offered again, or was released
    since, comes when it is through, and what a changed statement shuts goes then.
    """

    archive: Archive
    part: Part
    _seen: tuple[int, int] = (-1, -1)
    _judged: tuple[int, int] = (-1, -1)
    _standing: Standing = field(default_factory=lambda: Standing(frozenset(), 0))
    _memory: Memory = field(default_factory=Memory)
    _judging: Future[_Offers] | None = None
    _offers: _Offers = field(default_factory=list)
    _volumes: list[Offered] = field(default_factory=list)
    _worker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def __call__(self) -> Sequence[Offered]:
        """The volumes to seed."""
        with self.archive.ledger.read() as connection:
            head = log.head(connection)
        seen = head, layout.current_number(self.archive.catalogue)
        changed = seen != self._seen
        if changed:
            self._standing = withdrawing.standing(self.archive, self._memory)
            self._seen = seen
        if self._judging is None and self._judged != seen:
            self._judged = seen
            self._judging = self._worker.submit(_offered, self.archive, self.part)
        if self._judging is not None and (self._judging.done() or not self._offers):
            self._offers = self._judging.result()
            self._judging, changed = None, True
        if changed:
            self._volumes = [_without(one, self._standing.roots) for one in self._offers]
        return self._volumes

    def close(self) -> None:
        """Let go of the worker."""
        self._worker.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Rooted:
    """A volume to offer, the objects that its paths lead to, and the music that pictures among all
    that is offered go with."""

    volume: Offered
    roots: Mapping[str, bytes]
    music: Mapping[bytes, frozenset[bytes]]


_Offers = list[_Rooted]


def _without(offer: _Rooted, withdrawn: frozenset[bytes]) -> Offered:
    """A volume without what is withdrawn, and without pictures all of whose music is."""
    gone = [
        path
        for path, root in offer.roots.items()
        if root in withdrawn or (root in offer.music and offer.music[root] <= withdrawn)
    ]
    if not gone:
        return offer.volume
    return replace(offer.volume, files={**offer.volume.files, **dict.fromkeys(gone)})


def seed(archive: Archive, part: Part, ready: Callable[[int, str], None], stop: Event) -> None:
    """Seed until `stop` is set; `ready` is told the number of torrents and the address. Raises
    ArchiveError where the objects lie in a bucket."""
    archive.folder_store("give them by web seeds: `longplay serve`, with sharing.address set")
    sharing = followed.sharing(archive)
    trackers = sharing.all_trackers
    offer = Offer(archive, part)
    rights.catch_up(archive)
    with (
        closing(offer),
        Seeder(sharing.model_copy(update={"trackers": trackers})) as seeder,
    ):
        seeder.update(offer())
        ready(len(offer()), seeder.address)
        watch(seeder, offer, every=POLL_SECONDS, stop=stop)


def current(archive: Archive) -> list[Release]:
    """The newest release of each stage."""
    r = tables.releases.c
    with archive.ledger.read() as connection:
        texts = list(connection.scalars(sa.select(r.document).order_by(r.time, r.name)))
    return list(newest_by_stage(read_release(json.loads(text)) for text in texts).values())


def offered(archive: Archive, part: Part) -> list[Offered]:
    """The volumes of the newest releases, the scarcest first, with what may be given out of them;
    on a mirror those that it has something of.

    Several processes divide them by their stages and names, which all of them see alike. The
    scarcest are those with the fewest copies, as far as a tracker counts them, and of equals those
    of the least listened-to stages, which fewest others carry.
    """
    return [one.volume for one in _offered(archive, part)]


def _offered(archive: Archive, part: Part) -> _Offers:
    pairs = [(release, volume) for release in current(archive) for volume in release.volumes]
    pairs.sort(key=lambda pair: (-pair[0].stage, pair[1].name))
    mine = pairs[part.number - 1 :: part.of]
    copies = _copies(archive, [volume for _, volume in mine])
    mine.sort(key=lambda pair: copies.get(pair[1].name, 0))
    givable = _givable(archive, {release.name: release for release, _ in mine}.values())
    sharing = followed.sharing(archive)
    web_seeds = sharing.all_web_seeds
    mirrored = followed.followed(archive.folder) is not None
    found = []
    for release, volume in mine:
        if mirrored and not (archive.releases / volume.torrent).is_file():
            continue
        one = _offer(archive, release, volume, givable, web_seeds)
        if not mirrored or any(one.volume.files.values()):
            found.append(one)
    return found


def _copies(archive: Archive, volumes: Sequence[Volume]) -> dict[str, int]:
    """How many have all of a volume: as our own tracker counts, or as the feed says that a mirror
    follows."""
    said = followed.current_feed(archive)
    if said is not None:
        listed = (volume for release in said.current for volume in release.volumes)
        return {volume.name: volume.copies for volume in listed if volume.copies is not None}
    hashes = {volume.name: bytes.fromhex(volume.info_hash_v1) for volume in volumes}
    seen = peers.counts(archive.folder, list(hashes.values()))
    return {name: seen[one][0] for name, one in hashes.items() if one in seen}


def _offer(
    archive: Archive,
    release: Release,
    volume: Volume,
    givable: _Givable,
    web_seeds: tuple[str, ...],
) -> _Rooted:
    torrent = archive.releases / volume.torrent
    roots: dict[str, bytes] = {}
    if volume.kind == "metadata":
        folder = archive.releases / volume.release
        paths = ["/".join(file.path) for file in metainfo.parse(torrent.read_bytes()).files]
        files: dict[str, Path | None] = {path: folder / path for path in paths}
    else:
        members = _members(archive, release, volume.name)
        files = {path: givable.places.get(root) for path, root in members}
        roots = dict(members)
    return _Rooted(Offered(volume.name, torrent, files, web_seeds), roots, givable.music)


def _members(archive: Archive, release: Release, volume: str | None) -> list[tuple[str, bytes]]:
    """(path, root) of what lies in a volume, or in all of a release."""
    path = archive.releases / release.name / MEMBERS
    filters = None if volume is None else [("volume", "=", volume)]
    try:
        table = pq.read_table(path, columns=["path", "root"], filters=filters)
    except (OSError, pa.ArrowException) as error:
        raise ReleaseError(
            f"cannot be read: {error}", where=str(path), hint="restore it from a backup"
        ) from error
    return list(zip(table["path"].to_pylist(), table["root"].to_pylist(), strict=True))


@dataclass(frozen=True, slots=True)
class _Givable:
    """Where the objects lie that may be released, and for pictures, which of their music may be."""

    places: Mapping[bytes, Path]
    music: Mapping[bytes, frozenset[bytes]]


def _givable(archive: Archive, releases: Iterable[Release]) -> _Givable:
    """What of releases may be released at this moment: pictures with some of their music alone, as
    web seeds give them."""
    roots: set[bytes] = set()
    pictures: set[bytes] = set()
    for release in releases:
        roots.update(root for _, root in _members(archive, release, None))
        for volume in release.volumes:
            if volume.kind == "art":
                pictures.update(root for _, root in _members(archive, release, volume.name))
    standing = withdrawing.standing(archive)
    with archive.ledger.read() as connection:
        music = judging.music_with(archive, connection, pictures)
        asked = roots.union(*music.values())
        held = [
            (key, suffix)
            for key, suffix in queries.stored(connection)
            if key.root in asked and key.root not in standing.roots
        ]
    columns = {"root": [key.root for key, _ in held], "size": [key.size for key, _ in held]}
    verdicts = rights.judge_release(
        archive, pa.table(columns), clock.now(), standing.position, standing
    )
    shareable = {
        key.root: Path(archive.store.place(key, suffix))
        for (key, suffix), verdict in zip(held, verdicts, strict=True)
        if isinstance(verdict, Shareable)
    }
    given = {picture: shareable.keys() & holders for picture, holders in music.items()}
    alone = {picture for picture, holders in given.items() if not holders}
    return _Givable(
        {root: shareable[root] for root in (roots & shareable.keys()) - alone},
        {picture: frozenset(holders) for picture, holders in given.items() if holders},
    )
