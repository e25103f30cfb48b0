"""What a mirror takes of a feed: release by release and volume by volume, each checked, judged and
weighed against the budget before a byte of it is asked for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from longplay import clock
from longplay.archive import Archive
from longplay.errors import LongplayError, ReleaseError, TorrentError
from longplay.files import TEMPORARY, read_bounded, require_free, sync_folder, write_durably
from longplay.ledger import log, queries, record, tables
from longplay.model import ObjectKey, Statement
from longplay.release import checking, choosing, feed, fetching
from longplay.release.checking import EMPTY, Index, Member
from longplay.release.document import Release
from longplay.release.downloading import MOST_REFUSALS, Job, Refused
from longplay.release.feed import MAX_TORRENT_BYTES, Feed
from longplay.release.fetching import Origin
from longplay.release.tables import MANIFEST, MEMBERS
from longplay.rights import gate
from longplay.rights.gate import Refusal
from longplay.rights.statements import Act
from longplay.torrent.merkle import ObjectHasher
from longplay.workflows import followed, withdrawing

DOCUMENT = "release.json"

ARRIVING = "arriving"
"""The folder of an archive where files come in, under their roots."""

MEMBER_BYTES = 4_096
"""Most bytes that a row of `members.parquet` takes when unpacked: four of ours take 200."""


@dataclass(slots=True)
class Tally:
    """What a run has brought, refused and missed. `missing` counts what was chosen, may be had, and
    has not come; `withheld` what the gate kept out."""

    verified: int = 0
    downloaded: int = 0
    missing: int = 0
    missing_bytes: int = 0
    withheld: int = 0
    refused: list[Refused] = field(default_factory=list)

    def begin(self) -> None:
        """A pass begins: what was missing may come in it."""
        self.missing = self.missing_bytes = self.withheld = 0

    def refuse(self, what: str, why: str) -> None:
        """Note what did not come in, as far as a report has room for it."""
        one = Refused(what, why)
        if one not in self.refused and len(self.refused) < MOST_REFUSALS:
            self.refused.append(one)

    def miss(self, objects: int, size: int) -> None:
        """Count what should have come."""
        self.missing += objects
        self.missing_bytes += size


@dataclass(frozen=True, slots=True)
class Wanted:
    """A volume to be brought, with what the manifest says of its files, by their paths; `release`
    says which manifest, `torrent` what the torrent is called, `art` whether it holds pictures."""

    job: Job
    members: dict[str, Member]
    release: str
    torrent: str
    piece_length: int
    art: bool

    def forget(self) -> None:
        """Remove what came in: the store has it."""
        for member in self.members.values():
            (self.job.folder / member.key.hex).unlink(missing_ok=True)


class Choice:
    """What is to be taken under a feed. `wanted` looks ahead no further than it is asked to."""

    def __init__(
        self, archive: Archive, origin: Origin, said: Feed, budget: int | None, tally: Tally
    ) -> None:
        self.archive = archive
        self.origin = origin
        self.feed = said
        self.tally = tally
        self.sharing = followed.sharing(archive, said)
        self.underway: set[bytes] = set()
        standing = withdrawing.standing(archive)
        told = {bytes.fromhex(one.root) for one in said.tombstones}
        self.withdrawn = standing.roots | told
        self._position = standing.position
        with archive.ledger.read() as connection:
            _, held = queries.count_objects(connection)
        used = held + sum(
            path.stat().st_size for path in archive.releases.rglob("*") if path.is_file()
        )
        self.left = None if budget is None else budget - used
        for address in {*said.sharing.trackers, *said.sharing.web_seeds}:
            if address not in (*self.sharing.trackers, *self.sharing.web_seeds):
                tally.refuse(address, "lies in a private network that the feed does not lie in")

    @property
    def source(self) -> str:
        """What the feed is called among the ledger's sources."""
        return f"feed-{self.feed.archive}"

    def wanted(self) -> Generator[Wanted, None, None]:
        """The volumes to be brought, in their order, until the budget ends."""
        for release in choosing.stages(self.feed):
            if self._over() and not self._has(release.stage):
                continue
            try:
                index = self._release(release)
            except LongplayError as error:
                self.tally.refuse(release.release, str(error))
                self.tally.miss(release.objects, release.bytes)
                continue
            if index is None:
                continue
            for volume in choosing.volumes(release):
                try:
                    found = self._volume(release, volume, index)
                except LongplayError as error:
                    self.tally.refuse(volume.name, str(error))
                    self.tally.miss(volume.objects, volume.bytes)
                    continue
                if found is not None:
                    yield found

    def _over(self) -> bool:
        return self.left is not None and self.left <= 0

    def _spend(self, size: int) -> None:
        if self.left is not None:
            self.left -= size

    # --- a release's own files -------------------------------------------------------------------

    def _release(self, said: feed.Release) -> Index | None:
        """Have a release's files here, checked and named by the ledger; None for a stage of which
        nothing is held, when the budget has no room for them. Raises LongplayError."""
        folder = self.archive.releases / said.release
        size = sum(file.bytes for file in said.files)
        fits = self.left is None or size <= self.left
        if not fits and not folder.is_dir() and not self._has(said.stage):
            self.tally.refuse(said.release, "its manifest alone is more than the budget has left")
            self.left = 0
            return None
        for name in (MANIFEST, MEMBERS, DOCUMENT):
            if name not in {file.path for file in said.files}:
                raise ReleaseError(f"has no {name}", where=said.release)
        if not self._is_named(said) or not _complete(folder, said):
            self._fetch(said, folder)
        document = checking.check_release(_own(folder / DOCUMENT, said), said)
        index = checking.index(folder / MANIFEST, said)
        _check_table(folder / MEMBERS, document)
        self._name(said, document, index)
        return index

    def _has(self, stage: int) -> bool:
        """Whether a release of this stage is here. Its successor's own files come, whatever the
        budget has left: they say what of it holds. Its objects do not."""
        query = sa.select(tables.releases.c.name).where(tables.releases.c.stage == stage)
        with self.archive.ledger.read() as connection:
            return connection.scalar(query.limit(1)) is not None

    def _is_named(self, said: feed.Release) -> bool:
        query = sa.select(tables.releases.c.name).where(tables.releases.c.name == said.release)
        with self.archive.ledger.read() as connection:
            return connection.scalar(query) is not None

    def _fetch(self, said: feed.Release, folder: Path) -> None:
        """Bring the files of a release; the folder appears whole."""
        temporary = folder.with_name(f".{folder.name}{TEMPORARY}")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        size = sum(file.bytes for file in said.files)
        require_free(self.archive.releases, size)
        self._spend(size)
        for file in said.files:
            fetching.save(
                self.origin,
                f"{said.release}/{file.path}",
                temporary / file.path,
                size=file.bytes,
                sha256=bytes.fromhex(file.sha256),
            )
        sync_folder(temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
        sync_folder(folder.parent)

    def _name(self, said: feed.Release, document: Release, index: Index) -> None:
        """Let the ledger name a release, once: from then on it is the newest of its stage."""
        if self._is_named(said):
            return
        for volume in said.volumes:
            if volume.kind != "metadata":
                self._restate(said.release, index.members(volume.name))
        r = tables.releases
        with self.archive.ledger.write() as connection:
            before = list(connection.scalars(sa.select(r.c.name).where(r.c.stage == said.stage)))
            for name in before:
                record.retract(connection, name)
            connection.execute(
                r.insert().values(
                    name=said.release,
                    stage=said.stage,
                    time=clock.timestamp(),
                    objects=document.objects,
                    bytes=document.bytes,
                    share_of_listens=document.share_of_listens,
                    supersedes=document.supersedes,
                    document=_text(document),
                )
            )
            detail = {"of": self.feed.archive, "objects": document.objects}
            log.append(connection, "release", said.release, detail)

    def _restate(self, release: str, members: list[Member]) -> None:
        """What a new manifest says of objects that are here holds from now on."""
        with self.archive.ledger.read() as connection:
            known = record.known_sizes(connection, [member.key.root for member in members])
        said = [statement(one) for one in members if known.get(one.key.root) == one.key.size]
        if said:
            with self.archive.ledger.write(alone=False) as connection:
                record.restate(connection, release, said)

    # --- one volume ------------------------------------------------------------------------------

    def _volume(self, said: feed.Release, volume: feed.Volume, index: Index) -> Wanted | None:
        """What is to be brought of a volume; None when all of it is here. Raises LongplayError."""
        if volume.kind == "metadata":
            self._metadata(said, volume)
            return None
        members = index.members(volume.name)
        permitted = [one for one in members if self._may_be_kept(volume, one)]
        with self.archive.ledger.read() as connection:
            known = record.known_places(connection, [one.key.root for one in permitted])
        held: dict[str, Path] = {}
        lacking = []
        for one in permitted:
            size, suffix = known.get(one.key.root, (one.key.size, ""))
            if size != one.key.size:
                self.tally.refuse(f"{volume.name}/{one.path}", "has the root of another object")
            elif one.key.root in known:
                path = self.archive.store.local(one.key, suffix)
                assert path is not None
                held[one.path] = path
            elif one.key.root not in self.underway:
                lacking.append(one)
        if not held and (self._over() or not lacking):
            return None
        path = self.archive.releases / volume.torrent
        if not lacking and path.is_file():
            return None
        data = self._torrent(volume, path)
        torrent = checking.check_torrent(data, volume)
        try:
            checking.check_members(torrent, members)
        except ReleaseError as error:
            raise ReleaseError(f"the manifest {error}", where=volume.name) from error
        if not path.is_file():
            write_durably(path, data)
            self._spend(len(data))
        # Only now is it known what is left: the torrent counts, too.
        fresh = lacking[: choosing.fitting([one.key.size for one in lacking], self.left)]
        self._spend(sum(one.key.size for one in fresh))
        if len(fresh) < len(lacking):
            self.left = 0  # a part of this volume was the last that fits
        if not fresh:
            return None
        self.underway.update(one.key.root for one in fresh)
        job = Job(
            name=volume.name,
            torrent=path,
            held=held,
            wanted={one.path: (one.key.root, one.key.size) for one in fresh},
            folder=self.archive.folder / ARRIVING,
            web_seeds=self.sharing.web_seeds,
        )
        by_path = {one.path: one for one in fresh}
        return Wanted(
            job, by_path, said.release, torrent.name, torrent.piece_length, volume.kind == "art"
        )

    def _torrent(self, volume: feed.Volume, path: Path) -> bytes:
        """The bytes of a volume's torrent, fetched if they are not here."""
        if path.is_file():
            data = read_bounded(path, MAX_TORRENT_BYTES)
            if len(data) == volume.torrent_bytes:
                return data
            path.unlink()  # of another size: it can only be a damaged one
        return fetching.read(self.origin, volume.torrent, volume.torrent_bytes)

    def _may_be_kept(self, volume: feed.Volume, member: Member) -> bool:
        """Whether the gate, asked again, lets this file be handed on."""
        answer = gate.decide(
            (statement(member),),
            Act.RELEASE,
            clock.now(),
            subject=member.key,
            withdrawn=member.key.root in self.withdrawn,
            log_position=self._position,
        )
        if isinstance(answer, Refusal):
            self.tally.refuse(f"{volume.name}/{member.path}", answer.words)
            self.tally.withheld += 1
            return False
        return True

    def _metadata(self, said: feed.Release, volume: feed.Volume) -> None:
        """A volume of files that lie in the release's folder: they came with it."""
        path = self.archive.releases / volume.torrent
        if path.is_file() and path.stat().st_size == volume.torrent_bytes:
            return
        data = fetching.read(self.origin, volume.torrent, volume.torrent_bytes)
        for file in checking.check_torrent(data, volume).files:
            name = "/".join(file.path)
            if name not in {one.path for one in said.files}:
                raise TorrentError(f"has the file {name!r}, which the release has not")
            place = self.archive.releases / said.release / name
            if _key(place) != ObjectKey(file.root or EMPTY, file.size):
                raise TorrentError(f"is of another file {name!r} than the release")
        write_durably(path, data)


def statement(member: Member) -> Statement:
    """What the manifest states about a file, as the mirror's own ledger keeps it."""
    return Statement(f"obj{member.key.hex}", member.statement, member.evidence)


def _complete(folder: Path, said: feed.Release) -> bool:
    """Whether all files of a release lie here, by their sizes: they came whole or not at all."""
    paths = ((folder / file.path, file.bytes) for file in said.files)
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def _own(path: Path, said: feed.Release) -> bytes:
    size = next(file.bytes for file in said.files if file.path == path.name)
    return read_bounded(path, size)


def _text(document: Release) -> str:
    return json.dumps(document.document(), sort_keys=True)


def _check_table(path: Path, document: Release) -> None:
    """Raise ReleaseError unless the members are a table of as many rows as there are objects, that
    unpacks to no more than such rows take."""
    try:
        with pq.ParquetFile(path) as parquet:
            facts = parquet.metadata
            size = sum(facts.row_group(at).total_byte_size for at in range(facts.num_row_groups))
            names = set(parquet.schema_arrow.names)
    except (OSError, pa.ArrowException) as error:
        raise ReleaseError(f"cannot be read: {error}", where=str(path)) from error
    rows = facts.num_rows
    if not {"root", "size", "path", "volume"} <= names or size > MEMBER_BYTES * (rows + 1):
        raise ReleaseError("is no table of members", where=str(path))
    if rows > document.objects:
        raise ReleaseError("has more rows than the release has objects", where=str(path))


def _key(path: Path) -> ObjectKey:
    hasher = ObjectHasher(256 * 1024)
    with path.open("rb") as source:
        while data := source.read(1024 * 1024):
            hasher.update(data)
    found = hasher.finish()
    return ObjectKey(found.root, found.size)
