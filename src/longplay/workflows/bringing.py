"""Bringing what a mirror has chosen: from peers and web seeds, or from a disk that lies beside the
feed; each object is proved, and counts from the transaction of its batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

from longplay import clock
from longplay.errors import ReleaseError
from longplay.files import require_free
from longplay.ledger import record
from longplay.model import Kind, ObjectHashes
from longplay.release import arriving
from longplay.release.arriving import BATCH_FILES, BATCH_SECONDS, Arrived, Mirror
from longplay.release.downloading import Arrival, Downloader
from longplay.release.fetching import Folder
from longplay.release.following import News
from longplay.torrent.merkle import ObjectHasher
from longplay.workflows.taking import ARRIVING, Choice, Wanted, statement

VOLUMES_AT_ONCE = 8
"""Volumes that are asked for at once: some 8 MB of memory each, and more connections each."""

VOLUMES_OFFERED = 32
"""Volumes that are here in all: those that have come are given to others until more come."""

LOOK_SECONDS = 0.2
"""How often arrivals are looked for."""

READ_BYTES = 1024 * 1024


def bring(
    choice: Choice,
    newer: Callable[[], News | None],
    progress: Callable[[int, int, str], None],
) -> News | None:
    """Bring all that is wanted; returns a newer feed as soon as `newer` gives one.

    What does not come is counted in the choice's tally, and what came of it is kept for later.
    """
    folder = choice.archive.folder / ARRIVING
    folder.mkdir(exist_ok=True)
    _sweep(choice, folder)
    with contextlib.closing(choice.wanted()) as wanted, Downloader(choice.sharing) as downloader:
        bringing = _Bringing(choice, downloader, progress)
        try:
            while bringing.step(wanted):
                found = newer()
                if found is not None:
                    bringing.commit()
                    return found
                Event().wait(LOOK_SECONDS)
        finally:
            choice.tally.downloaded += downloader.downloaded()
            for one in downloader.refused:
                choice.tally.refuse(one.what, one.why)
    for path in folder.iterdir():
        if path.name not in bringing.missing:
            path.unlink()
    return None


MIRRORS = "keep a mirror's objects in a folder, and its copies elsewhere: [[replicas]]"


class _Bringing:
    """Volumes on their way, and arrivals that no transaction has named yet."""

    def __init__(
        self, choice: Choice, downloader: Downloader, progress: Callable[[int, int, str], None]
    ) -> None:
        self._choice = choice
        self._downloader = downloader
        self._progress = progress
        self._coming: dict[str, Wanted] = {}
        self._arrived: list[tuple[str, Arrived]] = []
        self._since = clock.monotonic()
        self._ended = False
        self._asked = 0
        self.missing: set[str] = set()
        archive = choice.archive
        self._mirror = Mirror(
            archive.ledger, archive.folder_store(MIRRORS), archive.evidence, choice.source
        )

    def step(self, wanted: Iterator[Wanted]) -> bool:
        """Look once at what came; whether there is more to wait for."""
        self._fill(wanted)
        for arrival in self._downloader.poll():
            one = self._coming[arrival.job]
            self._take(one, arrival.path, arrival)
        patience = self._choice.archive.settings.sharing.patience_seconds
        for name, why in self._downloader.stalled(patience).items():
            self._miss(name, why)
        late = clock.monotonic() - self._since >= BATCH_SECONDS
        if self._arrived and late:
            self.commit()
        came = self._choice.tally.verified
        words = f"objects, {self._downloader.downloaded():,} bytes"
        self._progress(came, self._asked, words)
        if self._ended and not self._downloader.waiting:
            self.commit()
            return False
        return True

    def commit(self) -> None:
        """Make what arrived exist."""
        releases = {release for release, _ in self._arrived}
        for release in sorted(releases):
            rows = [one for name, one in self._arrived if name == release]
            refused = arriving.commit(self._mirror, rows, release)
            for one in refused:
                self._choice.tally.refuse(one.path, "has the root of another object")
            self._choice.tally.verified += len(rows) - len(refused)
        self._arrived.clear()
        self._since = clock.monotonic()

    def _fill(self, wanted: Iterator[Wanted]) -> None:
        """Ask for further volumes while there is room."""
        while not self._ended and self._busy() < VOLUMES_AT_ONCE:
            one = next(wanted, None)
            if one is None:
                self._ended = True
                return
            self._asked += len(one.members)
            require_free(self._choice.archive.folder, sum(m.key.size for m in one.members.values()))
            one = self._from_disk(one)
            if not one.job.wanted:
                continue
            self._make_room()
            self._coming[one.job.name] = one
            try:
                self._downloader.add(one.job)
            except ReleaseError as error:
                self._choice.tally.refuse(one.job.name, str(error))
                self._choice.tally.miss(
                    len(one.job.wanted), sum(size for _, size in one.job.wanted.values())
                )

    def _busy(self) -> int:
        return sum(1 for left in self._downloader.jobs().values() if left)

    def _make_room(self) -> None:
        """Offer no longer what came first."""
        jobs = self._downloader.jobs()
        for name in [name for name, left in jobs.items() if not left]:
            if len(self._downloader.jobs()) < VOLUMES_OFFERED:
                return
            self.commit()
            self._downloader.remove(name)
            self._coming.pop(name).forget()

    def _take(self, one: Wanted, path: str, arrival: Arrival) -> None:
        member = one.members[path]
        arrived = Arrived(
            path=f"{one.torrent}/{path}",
            file=arrival.file,
            hashes=arrival.hashes,
            kind=Kind.IMAGE if one.art else Kind.AUDIO,
            recording=member.recording,
            statement=statement(member),
        )
        if not self._arrived:
            self._since = clock.monotonic()
        self._arrived.append((one.release, arrived))
        if len(self._arrived) >= BATCH_FILES:
            self.commit()

    def _miss(self, name: str, why: str) -> None:
        """A volume does not go on: what has not come of it is missing, and kept as it is."""
        left = self._downloader.give_up(name, why)
        self._choice.tally.miss(len(left), sum(size for _, size in left.values()))
        self.missing.update(root.hex() for root, _ in left.values())
        self.commit()
        self._downloader.remove(name)
        self._coming.pop(name)

    def _from_disk(self, one: Wanted) -> Wanted:
        """Take what lies as objects on the disk that the feed came on; what is left to fetch."""
        origin = self._choice.origin
        store = origin.folder.parent / "objects" if isinstance(origin, Folder) else None
        if store is None or not store.is_dir():
            return one
        left, held = dict(one.job.wanted), dict(one.job.held)
        for path, (root, size) in one.job.wanted.items():
            name = root.hex()
            found = (store / name[:2] / name[2:4]).glob(f"{name}*")
            places = sorted(path for path in found if path.is_file())  # a pipe would never end
            target = one.job.place(path)
            hashes = _copied(places[0], target, size, one) if places else None
            if hashes is None:
                continue
            if (hashes.root, hashes.size) != (root, size):
                target.unlink()
                self._choice.tally.refuse(str(places[0]), "is not the object that its name says")
                continue
            del left[path]
            held[path] = target
            self._take(one, path, Arrival(one.job.name, path, target, hashes))
        return replace(one, job=replace(one.job, wanted=left, held=held))


def _copied(source: Path, target: Path, size: int, one: Wanted) -> ObjectHashes | None:
    """Copy at most `size` bytes and one; None where nothing can be read."""
    hasher = ObjectHasher(one.piece_length)
    count = 0
    try:
        with source.open("rb") as data, target.open("wb") as out:
            while count <= size and (chunk := data.read(min(READ_BYTES, size + 1 - count))):
                count += len(chunk)
                hasher.update(chunk)
                out.write(chunk)
    except OSError:
        return None
    return hasher.finish()


def _sweep(choice: Choice, folder: Path) -> None:
    """Remove what arrived and is named by the ledger, and what may not be kept any longer."""
    names = {path.name: path for path in folder.iterdir()}
    roots = {name: _root(name) for name in names}
    with choice.archive.ledger.read() as connection:
        known = record.known_sizes(connection, [root for root in roots.values() if root])
    for name, path in names.items():
        root = roots[name]
        if root is None or root in known or root in choice.withdrawn:
            path.unlink()


def _root(name: str) -> bytes | None:
    try:
        root = bytes.fromhex(name)
    except ValueError:
        return None
    return root if len(root) == 32 else None
