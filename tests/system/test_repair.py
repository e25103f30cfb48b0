"""Repair and replicas as their user meets them: through the command line."""

from __future__ import annotations

import random
import sqlite3
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.system.conftest import Longplay
from tests.system.test_kill import wait_for_workers

BLOCK = 16 * 1024


def objects(archive: Path) -> dict[str, Path]:
    return {
        path.name[:64]: path for path in (archive / "objects").glob("??/??/*") if path.is_file()
    }


def state(paths: dict[str, Path]) -> dict[str, tuple[int, int]]:
    facts = {name: path.stat() for name, path in paths.items()}
    return {name: (one.st_ino, one.st_mtime_ns) for name, one in facts.items()}


def damage(chance: random.Random, paths: list[Path], blocks: int) -> dict[str, list[int]]:
    """Change `blocks` random blocks of these files, at least one of each."""
    places = [(path, at) for path in paths for at in range(-(-path.stat().st_size // BLOCK))]
    first = [chance.choice([place for place in places if place[0] == path]) for path in paths]
    rest = chance.sample(sorted(set(places) - set(first)), blocks - len(first))
    expected: dict[str, list[int]] = {}
    for path, at in (*first, *rest):
        data = bytearray(path.read_bytes())
        data[chance.randrange(at * BLOCK, min((at + 1) * BLOCK, len(data)))] ^= 1
        path.write_bytes(data)
        expected.setdefault(path.name[:64], []).append(at)
    return {name: sorted(blocks) for name, blocks in expected.items()}


def files(folder: Path, count: int, blocks: int, seed: int) -> Path:
    chance = random.Random(seed)
    folder.mkdir()
    for number in range(count):
        size = blocks * BLOCK - chance.randrange(BLOCK)
        (folder / f"{number:03}.log").write_bytes(chance.randbytes(size))
    return folder


def name_replicas(longplay: Longplay, *places: Path) -> None:
    settings = longplay.archive / "longplay.toml"
    text = settings.read_text()
    for number, place in enumerate(places):
        place.mkdir(exist_ok=True)
        text += f'\n[[replicas]]\nname = "r{number}"\nlocation = "{place}"\n'
    settings.write_text(text)


def run_until(longplay: Longplay, words: list[str], seconds: float) -> None:
    """Run a command, and kill it with its workers after some seconds."""
    with subprocess.Popen(
        longplay.arguments(*words),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=longplay.environment(),
    ) as process:
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            wait_for_workers(process.pid)


@pytest.fixture
def kept(longplay: Longplay, tmp_path: Path) -> Longplay:
    """An archive of eight files of five blocks."""
    longplay.run("keep", files(tmp_path / "music", 8, 5, 1), "--archive", longplay.archive)
    return longplay


def damaged(found: Any) -> dict[str, list[int]]:
    return {one["object"]: one["blocks"] for one in found["damaged"]}


def test_200_blocks_of_100_objects_come_back_and_no_more_travels(
    longplay: Longplay, tmp_path: Path
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    folder = files(tmp_path / "music", 120, 6, seed)
    longplay.run("keep", folder, "--archive", longplay.archive)
    name_replicas(longplay, tmp_path / "second")
    copied = longplay.json("replicate")["replicas"]
    assert [(one["copied"], one["lacking"], one["failed"]) for one in copied] == [(120, 0, None)]
    held = objects(longplay.archive)
    whole = {name: path.read_bytes() for name, path in held.items()}
    chosen = chance.sample(sorted(held), 100)
    expected = damage(chance, [held[name] for name in chosen], 200)
    good = state({name: held[name] for name in held if name not in chosen})

    found = longplay.json("verify", "--repair", expect=3)
    assert damaged(found) == expected
    assert all(one["repaired"] for one in found["damaged"])
    assert found["repair"]["lost"] == found["repair"]["refused"] == []
    (source,) = found["repair"]["sources"]
    assert (source["name"], source["blocks"]) == ("replica r0", 200)
    print(f"200 blocks: {source['bytes']:,} bytes in {source['requests']} requests")
    assert source["bytes"] <= 200 * BLOCK
    assert {name: path.read_bytes() for name, path in held.items()} == whole
    assert state({name: held[name] for name in good}) == good
    assert longplay.json("verify")["damaged"] == []


def test_with_no_source_left_what_is_lost_is_said_exactly(
    longplay: Longplay, tmp_path: Path
) -> None:
    folder = files(tmp_path / "music", 100, 4, 3)
    longplay.run("keep", folder, "--archive", longplay.archive)
    names = {}
    with sqlite3.connect(longplay.archive / "ledger.sqlite3") as ledger:
        for root, source, path in ledger.execute(
            "SELECT root, source.name, CAST(path || holding.name AS BLOB) FROM holding"
            " JOIN object ON object.number = object JOIN folder ON folder.number = folder"
            " JOIN source ON source.number = source"
        ):
            names[root.hex()] = f"{source}:{path.decode()}"
    ledger.close()
    held = objects(longplay.archive)
    expected = damage(random.Random(4), list(held.values()), 200)
    before = state(held)
    found = longplay.json("verify", "--repair", expect=3)
    assert damaged(found) == expected
    lost = found["repair"]["lost"]
    assert {one["object"]: one["blocks"] for one in lost} == expected
    assert found["repair"]["bytes"] == 0
    for one in lost:
        assert one["files"] == [names[one["object"]]]
        covered = {at for first, end in one["ranges"] for at in range(first, end)}
        size = one["size"]
        blocks = (range(b * BLOCK, min((b + 1) * BLOCK, size)) for b in one["blocks"])
        assert covered == {at for block in blocks for at in block}
    assert state(held) == before
    told = longplay.run("verify", "--repair", expect=3).out
    assert told.count("LOST ") == 100
    assert names[lost[0]["object"]] in told


def test_a_missing_object_comes_back_whole_and_the_log_says_so(
    kept: Longplay, tmp_path: Path
) -> None:
    name_replicas(kept, tmp_path / "second")
    kept.run("replicate")
    name, path = next(iter(objects(kept.archive).items()))
    data = path.read_bytes()
    path.unlink()
    found = kept.json("verify", "--repair", expect=3)
    assert found["missing"] == found["restored"] == [name]
    assert path.read_bytes() == data
    assert kept.json("verify")["log"]["ok"]
    with sqlite3.connect(kept.archive / "ledger.sqlite3") as ledger:
        entries = ledger.execute("SELECT subject FROM log WHERE event = 'repair'").fetchall()
    ledger.close()
    assert entries == [(f"obj{name}",)]


def test_a_damaged_replica_is_found_and_written_anew(kept: Longplay, tmp_path: Path) -> None:
    second = tmp_path / "second"
    name_replicas(kept, second)
    kept.run("replicate")
    copies = objects(second)
    (torn, *_), (gone, *_) = sorted(copies), sorted(copies, reverse=True)
    expected = damage(random.Random(5), [copies[torn]], 1)
    copies[gone].unlink()
    found = kept.json("verify", expect=3)
    (replica,) = found["replicas"]
    assert found["damaged"] == found["missing"] == []
    assert (damaged(replica), replica["missing"]) == (expected, [gone])
    (replica,) = kept.json("verify", "--repair", expect=3)["replicas"]
    assert replica["damaged"][0]["repaired"]
    assert replica["restored"] == [gone]
    assert kept.json("verify")["replicas"][0]["checked"] == 8


def test_two_damaged_copies_make_one_whole(kept: Longplay, tmp_path: Path) -> None:
    second = tmp_path / "second"
    name_replicas(kept, second)
    kept.run("replicate")
    name, path = sorted(objects(kept.archive).items())[0]
    whole = path.read_bytes()
    for place, at in ((path, 1), (objects(second)[name], 3)):
        data = bytearray(whole)
        data[at * BLOCK] ^= 1
        place.write_bytes(data)
    found = kept.json("verify", "--repair", expect=3)
    assert found["damaged"] == [{"object": name, "blocks": [1], "repaired": True}]
    assert found["replicas"][0]["damaged"] == [{"object": name, "blocks": [3], "repaired": True}]
    assert path.read_bytes() == objects(second)[name].read_bytes() == whole


@pytest.mark.long
def test_rotten_evidence_comes_back_from_a_replica(kept: Longplay, tmp_path: Path) -> None:
    name_replicas(kept, tmp_path / "second")
    kept.run("replicate")
    evidence = {path: path.read_bytes() for path in (kept.archive / "evidence").iterdir()}
    hashes = next(path for path in evidence if path.name.startswith("hashes-"))
    other = next(path for path in evidence if path.name.startswith("events-"))
    stands = next(path for path in evidence if path.name.startswith("standing-"))
    hashes.unlink()
    stands.unlink()
    other.write_bytes(bytes(len(evidence[other])))
    name, path = sorted(objects(kept.archive).items())[0]
    expected = damage(random.Random(8), [path], 2)
    alone = kept.json("verify", expect=3)
    assert alone["unvouched"] == sorted(objects(kept.archive))
    assert [one["object"] for one in alone["damaged"]] == [name]
    found = kept.json("verify", "--repair", expect=3)
    assert found["restored_evidence"] == sorted([hashes.name, other.name, stands.name])
    assert (damaged(found), found["unvouched"]) == (expected, [])
    assert found["repair"]["bytes"] <= 2 * BLOCK
    for path in (hashes, other):
        assert path.read_bytes() == evidence[path]
    again = kept.json("verify")
    assert again["log"]["ok"]
    assert again["damaged_evidence"] == []


@pytest.mark.long
def test_evidence_that_rots_is_not_merged_until_it_looks_sound(
    kept: Longplay, tmp_path: Path
) -> None:
    path = next((kept.archive / "evidence").glob("hashes-*"))
    data = bytearray(path.read_bytes())
    sound = pq.read_table(path)
    for place in range(4, len(data)):  # a bit that can be read all the same
        data[place] ^= 1
        path.write_bytes(data)
        with suppress(pa.ArrowException, OSError):
            if pq.read_table(path, schema=sound.schema) != sound:
                break
        data[place] ^= 1
    else:
        raise AssertionError("no such bit")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "words.txt").write_text("words")
    kept.run("keep", str(tmp_path / "more"))
    assert kept.json("verify", expect=3)["damaged_evidence"] == [path.name]


@pytest.mark.long
def test_every_repair_is_in_the_evidence_of_a_rebuilt_ledger(
    kept: Longplay, tmp_path: Path
) -> None:
    name_replicas(kept, tmp_path / "second")
    kept.run("replicate")
    path = max(objects(kept.archive).values(), key=lambda one: one.stat().st_size)
    for seed in (1, 2):
        damage(random.Random(seed), [path], 1)
        kept.run("verify", "--repair", expect=3)
    before = _events(kept)
    assert sum(row["type"] == "recovery" for row in before) == 2
    kept.run("rebuild", "--ledger")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "words.txt").write_text("words")
    kept.run("keep", str(tmp_path / "more"))  # sweeps what no ledger names
    assert [row for row in before if row not in _events(kept)] == []


def _events(kept: Longplay) -> list[dict[str, object]]:
    paths = sorted((kept.archive / "evidence").glob("events-*"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


@pytest.mark.long
def test_killed_repairs_leave_each_object_old_or_new(kept: Longplay, tmp_path: Path) -> None:
    name_replicas(kept, tmp_path / "second")
    kept.run("replicate")
    held = objects(kept.archive)
    whole = {name: path.read_bytes() for name, path in held.items()}
    damage(random.Random(9), list(held.values()), 20)
    torn = {name: path.read_bytes() for name, path in held.items()}
    chance = random.Random(10)
    for _ in range(3):
        run_until(kept, ["verify", "--repair"], chance.uniform(0.5, 3))
        for name, path in held.items():
            assert path.read_bytes() in (whole[name], torn[name])
    kept.run("verify", "--repair", expect=None)
    assert {name: path.read_bytes() for name, path in held.items()} == whole
    assert kept.json("verify")["log"]["ok"]


def test_a_replica_that_is_not_there_is_told_and_stops_no_other(
    kept: Longplay, tmp_path: Path
) -> None:
    name_replicas(kept, tmp_path / "away", tmp_path / "second")
    kept.run("replicate")
    (tmp_path / "away").rename(tmp_path / "moved")
    told = kept.run("verify", expect=1)
    assert "the replica r0 is not there" in told.err
    assert told.err.count("\n") == 1
    assert kept.json("verify", expect=1)["replicas"][0]["checked"] == 8
    _, path = sorted(objects(kept.archive).items())[0]
    damage(random.Random(6), [path], 2)
    found = kept.json("verify", "--repair", expect=3)
    assert found["damaged"][0]["repaired"]
    assert not (tmp_path / "away").exists()
    assert kept.json("replicate", expect=1)["replicas"][0]["failed"]


def test_what_is_damaged_here_is_not_copied(kept: Longplay, tmp_path: Path) -> None:
    name_replicas(kept, tmp_path / "second")
    name, path = sorted(objects(kept.archive).items())[0]
    damage(random.Random(7), [path], 1)
    done = kept.json("replicate", expect=3)["replicas"][0]
    assert (done["copied"], done["lacking"], done["unsound"]) == (7, 1, [name])
    assert name not in objects(tmp_path / "second")


@pytest.mark.long
def test_replication_goes_on_where_its_limit_stopped_it(kept: Longplay, tmp_path: Path) -> None:
    name_replicas(kept, tmp_path / "second")
    first = kept.json("replicate", "--limit", "200kB")["replicas"][0]
    assert (first["copied"], first["lacking"]) == (2, 6)
    assert kept.json("replicate")["replicas"][0]["copied"] == 6
    assert kept.json("replicate")["replicas"][0]["copied"] == 0
    here = {name: path.read_bytes() for name, path in objects(kept.archive).items()}
    there = {name: path.read_bytes() for name, path in objects(tmp_path / "second").items()}
    assert here == there
    evidence = {path.name for path in (kept.archive / "evidence").iterdir()}
    assert {path.name for path in (tmp_path / "second" / "evidence").iterdir()} == evidence


def test_due_reads_a_day_s_share_and_all_within_the_period(kept: Longplay, tmp_path: Path) -> None:
    name_replicas(kept, tmp_path / "second")
    kept.run("replicate")
    found = kept.json("verify", "--due")
    assert 1 <= found["round"]["due"] < 4
    assert found["round"]["overdue"] == 0
    assert found["round"]["days"] == 90
    old = 1_577_836_800_000  # 2020-01-01
    with sqlite3.connect(kept.archive / "ledger.sqlite3") as ledger:
        ledger.execute("UPDATE copy SET checked = ?", [old])
        ledger.execute("UPDATE object SET checked = ? WHERE number <= 3", [old])
    ledger.close()
    found = kept.json("verify", "--due")
    assert (found["checked"], found["replicas"][0]["checked"]) == (3, 8)
    assert found["round"]["overdue"] == 11
    assert kept.json("verify", "--due")["round"]["overdue"] == 0
    assert "exclude each other" in kept.run("verify", "--due", "--sample", "5%", expect=2).err


def test_replicate_without_replicas_says_what_to_write(kept: Longplay) -> None:
    assert "[[replicas]]" in kept.run("replicate", expect=2).err
