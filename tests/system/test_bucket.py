"""An archive whose objects lie in a bucket: the same archive, whatever the server does."""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
import tomlkit
from obstore.store import from_url

from longplay.archive import open_archive
from longplay.ledger import tables
from longplay.vault.bucket import Bucket
from tests.faulty import Deed, Faults, proxy
from tests.swift import Swift
from tests.system import state
from tests.system.conftest import Longplay, song

pytestmark = pytest.mark.real

NUMBERS = count()


class InBucket(Longplay):
    """The command line on an archive that keeps its objects in a bucket of its own."""

    def __init__(self, archive: Path, server: Swift, endpoint: str | None = None) -> None:
        super().__init__(archive)
        self.location = f"s3://archive-{next(NUMBERS)}/music"
        server.make_bucket(self.location.split("/")[2])
        self.server = server
        self.endpoint = endpoint
        self.run("init", archive)
        settings = archive / "longplay.toml"
        document = tomlkit.parse(settings.read_text())
        document["objects"] = self.location
        settings.write_text(tomlkit.dumps(document))

    def environment(self) -> dict[str, str]:
        return super().environment() | self.server.environment(self.endpoint)

    def bucket(self) -> Bucket:
        """The bucket itself, past every proxy."""
        environment = self.server.environment().items()
        config = {name.removeprefix("AWS_").lower(): value for name, value in environment}
        store = from_url(self.location, config=config, client_options={"allow_http": True})
        return Bucket("the bucket", store)

    def content(self, folder: str) -> dict[str, str]:
        """Everything below a prefix with its digest."""
        bucket = self.bucket()
        return {
            one.path: hashlib.sha256(bucket.read(one.path, 0, one.size) or b"").hexdigest()
            for one in bucket.walk(folder)
        }


@pytest.fixture
def faults(swift: Swift) -> Iterator[Faults]:
    with proxy(swift.port) as found:
        yield found


def objects(archive: Path) -> dict[str, str]:
    """The objects of an archive that has them in a folder."""
    found = state.files(archive, "objects")
    return {path: digest for path, digest in found.items() if "spool" not in path}


def named(archive: Path, table: str) -> set[str]:
    with sqlite3.connect(archive / "ledger.sqlite3") as ledger:
        if table == "evidence_file":
            return {row[0] for row in ledger.execute("SELECT name FROM evidence_file")}
        rows = ledger.execute("SELECT root, size FROM quarantine WHERE root IS NOT NULL")
        return {f"{root.hex()}-{size}" for root, size in rows}


def assert_nothing_is_left_over(longplay: InBucket) -> None:
    """What the ledger names is there, and nothing else."""
    bucket = longplay.bucket()
    assert bucket.names("incoming") == []
    assert set(bucket.names("evidence")) == named(longplay.archive, "evidence_file")
    assert set(bucket.names("quarantine")) == named(longplay.archive, "quarantine")
    found = longplay.json("verify")
    assert (found["damaged"], found["missing"], found["unknown_files"]) == ([], [], [])
    assert found["damaged_evidence"] == []
    assert found["log"]["ok"]


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for each in (one, other):  # how often a bucket was swept is no matter of what is in it
        each["meta"] = [row for row in each["meta"] if row[0] != "sweeps"]
    for table in (*state.TABLES, "evidence", "plans"):
        assert one[table] == other[table], table


@pytest.mark.long
def test_a_bucket_holds_what_a_folder_would(
    longplay: Longplay, music: Path, swift: Swift, tmp_path: Path
) -> None:
    longplay.run("keep", music)
    far = InBucket(tmp_path / "far", swift)
    far.run("keep", music)
    assert_same(state.state(longplay.archive), state.state(far.archive))
    assert far.content("objects") == objects(longplay.archive)
    assert far.content("quarantine") == state.files(longplay.archive, "quarantine")
    assert list((far.archive / "quarantine").iterdir()) == []
    assert_nothing_is_left_over(far)
    assert far.json("keep", music)["capture"]["captured"] == 0

    # Another machine has the settings and the ledger, and fills its caches as it needs them.
    shutil.rmtree(far.archive / "evidence")
    (far.archive / "evidence").mkdir()
    far.run("restore", tmp_path / "back")
    assert filecmp.dircmp(music, tmp_path / "back").diff_files == []
    assert (tmp_path / "back" / "no sound.mp3").read_bytes() == (
        music / "no sound.mp3"
    ).read_bytes()
    assert_nothing_is_left_over(far)
    assert set((far.archive / "evidence").iterdir()) != set()


@pytest.mark.long
def test_damage_in_a_bucket_is_found_and_repaired(
    music: Path, swift: Swift, tmp_path: Path
) -> None:
    far = InBucket(tmp_path / "far", swift)
    (tmp_path / "second").mkdir()
    settings = far.archive / "longplay.toml"
    text = f'\n[[replicas]]\nname = "second"\nlocation = "{tmp_path / "second"}"\n'
    settings.write_text(settings.read_text() + text)
    far.run("keep", music)
    far.run("replicate")
    before = far.content("objects") | far.content("evidence")
    bucket = far.bucket()
    rotten, gone, *_ = sorted(bucket.walk("objects"), key=lambda one: -one.size)
    data = bucket.read(rotten.path, 0, rotten.size) or b""
    bucket.put(rotten.path, data[:20_000] + bytes([data[20_000] ^ 1]) + data[20_001:])
    bucket.remove(gone.path)
    facts = next(name for name in bucket.names("evidence") if name.startswith("sounds"))
    bucket.put(f"evidence/{facts}", b"rotten")
    found = far.json("verify", expect=3)
    assert [one["blocks"] for one in found["damaged"]] == [[1]]
    assert [one in gone.path for one in found["missing"]] == [True]
    assert found["damaged_evidence"] == [facts]
    far.run("verify", "--repair", expect=3)
    after = far.content("objects") | far.content("evidence")
    lasting = {path for path in before if "standing" not in path}
    assert {path: after.get(path) for path in lasting} == {path: before[path] for path in lasting}
    assert_nothing_is_left_over(far)


@pytest.mark.long
def test_forgetting_takes_the_bits_out_of_the_bucket(
    music: Path, swift: Swift, tmp_path: Path
) -> None:
    far = InBucket(tmp_path / "far", swift)
    far.run("keep", music)
    root = next(iter(far.bucket().walk("objects"))).path.rpartition("/")[2][:64]
    aside = next(iter(named(far.archive, "quarantine"))).partition("-")[0]
    for one in (root, aside):
        far.run("forget", f"obj{one}", "--reason", "a test")
    assert not any(root in path for path in far.content("objects"))
    assert far.content("quarantine") == {}


@pytest.mark.long
def test_a_faulty_server_costs_time_and_nothing_else(
    music: Path, swift: Swift, faults: Faults, longplay: Longplay, tmp_path: Path
) -> None:
    longplay.run("keep", music)
    far = InBucket(tmp_path / "far", swift, faults.endpoint)
    chance = Random(8)
    deeds: list[Deed] = ["500", "503", "hang up", "lost answer", "cut", "wrong request"]

    def sometimes(method: str, path: str) -> Deed | None:
        deed = chance.choice(deeds) if chance.random() < 0.15 else None
        return None if deed == "cut" and method != "GET" else deed

    faults.always = sometimes
    far.run("keep", music)
    faults.always = lambda _method, _path: None
    assert len(faults.done) > 5
    assert_same(state.state(longplay.archive), state.state(far.archive))
    assert far.content("objects") == objects(longplay.archive)
    assert_nothing_is_left_over(far)


@pytest.mark.long
def test_a_server_that_stays_away_ends_in_one_line_and_the_next_run_goes_on(
    music: Path, swift: Swift, faults: Faults, longplay: Longplay, tmp_path: Path
) -> None:
    longplay.run("keep", music)
    far = InBucket(tmp_path / "far", swift, faults.endpoint)
    puts = count()

    def away(method: str, path: str) -> Deed | None:
        return "hang up" if "objects/" in path and next(puts) > 3 else None

    faults.always = away
    told = far.run("keep", music, expect=1).err
    last = told.strip().splitlines()[-1]
    assert "the object store cannot be used" in last
    faults.always = lambda _method, _path: None
    far.run("keep", music)
    assert_same(state.state(longplay.archive), state.state(far.archive))
    assert_nothing_is_left_over(far)


@pytest.mark.long
def test_killed_again_and_again_it_is_the_same_archive(
    swift: Swift, longplay: Longplay, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    for number in range(12):
        song(music / f"{number:02}.flac", "flac", pitch=150 + 45 * number, title=f"Piece {number}")
    longplay.run("keep", music)
    far = InBucket(tmp_path / "far", swift)
    chance = Random(11)
    for _ in range(4):
        with subprocess.Popen(
            far.arguments("keep", music),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=far.environment(),
        ) as process:
            wait_for_notes(far, process, chance)
            os.killpg(process.pid, signal.SIGKILL)
    far.run("keep", music)
    assert_same(state.state(longplay.archive), state.state(far.archive))
    assert far.content("objects") == objects(longplay.archive)
    assert_nothing_is_left_over(far)


def wait_for_notes(far: InBucket, process: subprocess.Popen[bytes], chance: Random) -> None:
    """Until a batch is on its way, or all is done."""
    bucket = far.bucket()
    while process.poll() is None and not bucket.names("incoming"):
        time.sleep(0.01)
    time.sleep(chance.random() * 0.05)


@pytest.mark.long
def test_objects_move_into_a_bucket_and_out_of_it_again(
    longplay: Longplay, music: Path, swift: Swift, faults: Faults, tmp_path: Path
) -> None:
    longplay.run("keep", music)
    before = state.state(longplay.archive)
    stored = objects(longplay.archive)
    far = InBucket(tmp_path / "far", swift, faults.endpoint)  # its bucket is what we want
    far.archive = longplay.archive
    puts = count()
    faults.always = lambda method, path: (
        "hang up" if method == "PUT" and "/objects/" in path and next(puts) > 2 else None
    )
    told = far.run("move-objects", far.location, expect=1).err
    assert "the object store cannot be used" in told.strip().splitlines()[-1]
    faults.always = lambda _method, _path: None
    brought = len(far.content("objects"))
    assert 0 < brought < len(stored)
    done = far.json("move-objects", far.location)
    assert (done["held"], done["copied"]) == (brought, len(stored) - brought)
    assert done["unsound"] == []
    assert far.content("objects") == stored
    assert far.json("move-objects", far.location)["already"]
    assert objects(longplay.archive) == stored  # the old store is as it was
    shutil.rmtree(longplay.archive / "objects")
    shutil.rmtree(longplay.archive / "quarantine")
    (longplay.archive / "quarantine").mkdir()
    assert_nothing_is_left_over(far)

    for path in (longplay.archive / "evidence").iterdir():  # a cache now, which rots
        path.write_bytes(b"rotten")
    done = far.json("move-objects", "objects")
    assert done["copied"] == len(stored)
    assert objects(longplay.archive) == stored
    longplay.run("verify")
    after = state.state(longplay.archive)
    for table in ("object", "holding", "manifestation", "quarantine", "quarantine folder"):
        assert after[table] == before[table], table


@pytest.mark.long
def test_what_is_not_whole_moves_nowhere(longplay: Longplay, music: Path, swift: Swift) -> None:
    longplay.run("keep", music)
    path = longplay.archive / next(iter(objects(longplay.archive)))
    path.write_bytes(b"rotten")
    done = longplay.json("move-objects", "elsewhere", expect=3)
    assert done["unsound"] == [path.name[:64]]
    assert 'objects = "elsewhere"' not in (longplay.archive / "longplay.toml").read_text()


@pytest.mark.parametrize(
    "place",
    [
        *("", ".", "..", "evidence", "gs://bucket", "keys", "listings", "listings/deep"),
        *("releases/objects", "objects/more", "catalogue/x/../y", "longplay.toml"),
    ],
)
def test_objects_do_not_move_where_something_else_lies(longplay: Longplay, place: str) -> None:
    longplay.run("init", longplay.archive)
    before = folders(longplay.archive)
    told = longplay.run("move-objects", place, expect=2).err
    assert "name " in told
    assert folders(longplay.archive) == before


def folders(archive: Path) -> list[Path]:
    return sorted(path for path in archive.rglob("*") if path.is_dir())


def test_objects_do_not_move_beside_a_capture_of_another_machine(longplay: Longplay) -> None:
    longplay.run("init", longplay.archive)
    lease = {"plan": "p", "first": 0, "last": 9, "holder": "elsewhere:1:1", "done": 0}
    with open_archive(longplay.archive) as archive, archive.ledger.write() as connection:
        connection.execute(tables.leases.insert().values(**lease, expires="2999"))
    told = longplay.run("move-objects", "other", expect=1).err
    assert "a capture is at work: elsewhere:1:1" in told
    assert not (longplay.archive / "other").exists()


def test_what_needs_files_of_this_machine_says_so(
    music: Path, swift: Swift, tmp_path: Path
) -> None:
    far = InBucket(tmp_path / "far", swift)
    far.run("keep", music)
    far.run("release", "cut", "--share", "100%")
    told = far.run("seed", expect=1).err.strip().splitlines()[-1]
    assert "the objects lie in a bucket, and this needs them in a folder" in told
    assert "longplay serve" in told


@pytest.mark.long
def test_a_lost_ledger_is_made_again_from_the_bucket(
    music: Path, swift: Swift, tmp_path: Path
) -> None:
    far = InBucket(tmp_path / "far", swift)
    far.run("keep", music)
    before = state.state(far.archive)
    for path in (*far.archive.glob("ledger.sqlite3*"), *(far.archive / "evidence").iterdir()):
        path.unlink()
    assert far.json("rebuild")["ledger"] == "missing"
    after = state.state(far.archive)
    for table in ("object", "holding", "manifestation", "quarantine"):
        assert after[table] == before[table], table
    assert_nothing_is_left_over(far)


@pytest.mark.long
def test_packages_come_out_of_a_bucket_and_doctor_is_content(
    music: Path, swift: Swift, tmp_path: Path
) -> None:
    far = InBucket(tmp_path / "far", swift)
    far.run("keep", music)
    found = far.json("doctor", expect=None)
    assert {one["check"] for one in found["findings"]} & {"store", "evidence", "uploads"} == set()
    assert_nothing_is_left_over(far)
    far.bucket().put("incoming/probe", b"probe")
    found = far.json("doctor", expect=1)
    (told,) = (one for one in found["findings"] if one["check"] == "store")
    assert told["where"] == f"{far.location}/incoming/probe"
    (music / "more.txt").write_text("comes although somebody left something there")
    assert far.json("keep", music)["capture"]["captured"] == 1
    far.run("export", "bagit", tmp_path / "bag")
    assert len(list((tmp_path / "bag" / "data").iterdir())) == len(far.content("objects"))


@pytest.mark.long
def test_plans_and_releases_come_to_a_machine_that_lacks_them(
    music: Path, swift: Swift, tmp_path: Path
) -> None:
    far = InBucket(tmp_path / "far", swift)
    far.run("keep", music)
    cut = far.json("release", "cut", "--share", "100%")
    assert cut["objects"]
    kept = {
        path: (far.archive / path).read_bytes()
        for folder in ("plans", "releases")
        for path in far.content(folder)
    }
    assert any(path.endswith("release.json") for path in kept)
    for path in kept:
        (far.archive / path).unlink()
    for path in (far.archive / "plans").glob("listens-*"):
        path.unlink()
    assert far.json("status")["due"] == 0
    assert far.json("capture")["already_held"]
    far.run("release", "cut", "--share", "100%")
    assert {path: (far.archive / path).read_bytes() for path in kept} == kept
