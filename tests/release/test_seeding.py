"""Seeding from a store and bringing volumes to a mirror, over loopback, with real libtorrent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from longplay.errors import ReleaseError
from longplay.release import seeding
from longplay.release.downloading import Arrival, Downloader, Job
from longplay.release.seeding import Seeder, Volume
from longplay.settings import Sharing
from longplay.torrent import metainfo
from tests.release.making import PIECE, World, cut

SHARING = Sharing(listen="127.0.0.1:0", dht=False)
SECONDS = 30
SIZES = [1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7, 40, 0, 9 * PIECE]


class Store:
    """A released world whose objects lie in a folder, under other names than the torrent's."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        for number, size in enumerate(SIZES):
            self.world.add(size, title=f"T{number}")
        release = cut(self.world.request(sorted(self.world.contents)), self.world.releases)
        assert release is not None
        self.torrent = self.world.releases / release.music[0].torrent
        self.parsed = metainfo.parse(self.torrent.read_bytes())
        by_key = {(found.root, found.size): number for number, found in self.world.hashes.items()}
        empty = next(number for number, found in self.world.hashes.items() if not found.size)
        self.files: dict[str, Path] = {}
        self.wanted: dict[str, tuple[bytes, int]] = {}
        for file in self.parsed.files:
            number = by_key.get((file.root, file.size), empty)
            place = folder / "objects" / f"{number}.ogg"
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(self.world.contents[number])
            path = "/".join(file.path)
            self.files[path] = place
            self.wanted[path] = (self.world.hashes[number].root, file.size)

    def offer(self, *withheld: str) -> Volume:
        files = {path: None if path in withheld else at for path, at in self.files.items()}
        return Volume("volume", self.torrent, files)

    def job(self, folder: Path, *held: str) -> Job:
        wanted = {path: key for path, key in self.wanted.items() if path not in held}
        return Job("volume", self.torrent, {one: self.files[one] for one in held}, wanted, folder)

    def path(self, size: int) -> str:
        return next(path for path, (_, found) in self.wanted.items() if found == size)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def seeder() -> Iterator[Seeder]:
    with Seeder(SHARING) as made:
        yield made


def fetch(job: Job, seeder: Seeder, until: Callable[[Downloader], bool]) -> list[Arrival]:
    """What arrives from a seeder."""
    host, _, port = seeder.address.rpartition(":")
    arrived: list[Arrival] = []
    with Downloader(SHARING) as downloader:
        downloader.add(job)
        downloader.connect(host, int(port))
        end = time.monotonic() + SECONDS
        while not until(downloader) and time.monotonic() < end:
            arrived += downloader.poll()
            time.sleep(0.02)
        assert downloader.refused == []
    return arrived


def done(downloader: Downloader) -> bool:
    return not downloader.waiting


def test_a_volume_goes_from_store_to_mirror(store: Store, seeder: Seeder, tmp_path: Path) -> None:
    seeder.update([store.offer()])
    arrived = fetch(store.job(tmp_path / "in"), seeder, done)
    assert {one.path: (one.hashes.root, one.hashes.size) for one in arrived} == store.wanted
    for one in arrived:
        assert one.file.read_bytes() == store.files[one.path].read_bytes()


def test_only_the_difference_travels(store: Store, seeder: Seeder, tmp_path: Path) -> None:
    missing = store.path(40)
    seeder.update([store.offer()])
    travelled = []

    def until(downloader: Downloader) -> bool:
        travelled.append(downloader.downloaded())
        return done(downloader)

    held = [path for path in store.wanted if path != missing]
    arrived = fetch(store.job(tmp_path / "in", *held), seeder, until)
    assert [one.path for one in arrived] == [missing]
    assert travelled[-1] <= PIECE
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == [arrived[0].file.name]


def test_what_an_interrupted_run_left_is_used(store: Store, seeder: Seeder, tmp_path: Path) -> None:
    seeder.update([store.offer()])
    for one in fetch(store.job(tmp_path / "in"), seeder, done):
        if one.hashes.size == 9 * PIECE:
            half = bytearray(one.file.read_bytes())
            half[2 * PIECE : 3 * PIECE] = bytes(PIECE)
            one.file.write_bytes(half)
    travelled = []

    def until(downloader: Downloader) -> bool:
        travelled.append(downloader.downloaded())
        return done(downloader)

    arrived = fetch(store.job(tmp_path / "in"), seeder, until)
    assert {one.path for one in arrived} == set(store.wanted)
    assert travelled[-1] <= PIECE


def test_a_withheld_file_is_out_of_reach_and_the_others_are_not(
    store: Store, seeder: Seeder, tmp_path: Path
) -> None:
    withheld = store.path(5 * PIECE + 7)
    assert seeder.update([store.offer()]) == 1
    assert seeder.update([store.offer()]) == 0
    assert seeder.update([store.offer(withheld)]) == 1
    patience = time.monotonic() + 5

    def until(downloader: Downloader) -> bool:
        return downloader.waiting == 1 and time.monotonic() > patience

    arrived = fetch(store.job(tmp_path / "in"), seeder, until)
    assert {one.path for one in arrived} == set(store.wanted) - {withheld}
    seeder.update([store.offer()])
    back = fetch(store.job(tmp_path / "again"), seeder, done)
    assert {one.path for one in back} == set(store.wanted)


def test_a_seeder_never_writes_to_the_store(store: Store, seeder: Seeder, tmp_path: Path) -> None:
    before = {path: (at.stat().st_mtime_ns, at.read_bytes()) for path, at in store.files.items()}
    seeder.update([store.offer(store.path(40))])
    fetch(store.job(tmp_path / "in", store.path(40)), seeder, done)
    after = {path: (at.stat().st_mtime_ns, at.read_bytes()) for path, at in store.files.items()}
    assert after == before


def test_what_is_not_the_object_that_was_named_is_refused(
    store: Store, seeder: Seeder, tmp_path: Path
) -> None:
    path = store.path(40)
    job = store.job(tmp_path / "in")
    job = Job(job.name, job.torrent, {}, {path: (bytes(32), 40)}, job.folder)
    seeder.update([store.offer()])
    host, _, port = seeder.address.rpartition(":")
    with Downloader(SHARING) as downloader:
        downloader.add(job)
        downloader.connect(host, int(port))
        end = time.monotonic() + SECONDS
        while not downloader.stalled(SECONDS) and time.monotonic() < end:
            assert list(downloader.poll()) == []
            time.sleep(0.02)
        why = "is not the object that the feed names"
        assert downloader.stalled(SECONDS) == {"volume": why}
        assert downloader.give_up("volume", why) == {path: (bytes(32), 40)}
        assert [one.what for one in downloader.refused] == [f"volume/{path}"]


def test_a_job_must_name_files_of_its_torrent(store: Store, tmp_path: Path) -> None:
    job = store.job(tmp_path / "in")
    strange = Job(job.name, job.torrent, {}, {"../../x": (bytes(32), 1)}, job.folder)
    with Downloader(SHARING) as downloader, pytest.raises(ReleaseError, match="has no file"):
        downloader.add(strange)


def test_more_torrents_than_one_process_takes_are_refused(
    store: Store, seeder: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "MOST_TORRENTS", 0)
    with pytest.raises(ReleaseError, match="--part"):
        seeder.update([store.offer()])
