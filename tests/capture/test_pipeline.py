"""The pipeline: every file ends held, in quarantine, or failed and due; nothing is left over."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from longplay.archive import Archive, create
from longplay.capture import pipeline
from longplay.capture.batch import Carried
from longplay.capture.due import Item
from longplay.capture.orders import Order, Taken
from longplay.capture.pipeline import Job, capture
from longplay.capture.totals import Totals
from longplay.ledger import log, tables
from longplay.model import Action
from longplay.settings import Limits
from longplay.workflows.verifying import verify
from tests.capture.test_intake import tone

TEXTS = {f"{number}.txt".encode(): f"text {number}".encode() for number in range(20)}


def misbehave(order: Order) -> Taken:
    """A worker in which some files hang or crash it while they are decoded."""
    from longplay.capture.intake import take

    if order.listen and b"hang" in order.path:
        time.sleep(60)
    if order.listen and b"crash" in order.path:
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"always" in order.path:
        os.kill(os.getpid(), signal.SIGKILL)
    return take(order)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with create(tmp_path / "archive") as made:
        yield made


def job(archive: Archive, folder: Path, names: list[bytes], **more: object) -> Job:
    carried = Carried("m", None, None, ())
    items = [Item(at, name, Action.ORIGINAL, 0, carried) for at, name in enumerate(names)]
    limits = Limits(file_seconds=10, file_seconds_per_mb=0)
    fresh = Job(
        plan="p",
        total=len(items),
        load=lambda ordinals: [items[ordinal] for ordinal in ordinals],
        folders={"m": str(folder)},
        settings=archive.settings.model_copy(update={"limits": limits}),
        workers=2,
    )
    return replace(fresh, **more)  # type: ignore[arg-type]


def folder_of(tmp_path: Path, files: dict[bytes, bytes]) -> Path:
    folder = tmp_path / "m"
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / os.fsdecode(name)).write_bytes(data)
    return folder


def leftovers(archive: Archive) -> list[str]:
    return [path.name for path in archive.store.incoming.iterdir()]


def test_the_counts_add_up_and_nothing_is_left_over(archive: Archive, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, TEXTS)
    totals = capture(archive.places, job(archive, folder, [*TEXTS, b"absent.txt"]))
    assert (totals.offered, totals.captured, totals.failed) == (21, 20, 1)
    assert leftovers(archive) == []
    with archive.ledger.read() as connection:
        assert log.walk(connection).ok
        names = set(connection.scalars(sa.select(tables.evidence_files.c.name)))
    assert {path.name for path in archive.evidence.iterdir()} == names


def test_a_file_that_breaks_its_worker_goes_to_quarantine_with_its_bytes(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "take", misbehave)
    files = {**TEXTS, b"hang.txt": b"h", b"crash.txt": b"c", b"always.txt": b"a"}
    totals = capture(archive.places, job(archive, folder_of(tmp_path, files), list(files)))
    assert (totals.captured, totals.quarantined, totals.failed) == (20, 2, 1)
    with archive.ledger.read() as connection:
        rows = connection.execute(sa.select(tables.quarantine)).mappings().all()
    reasons = {row["path"]: row["reason"] for row in rows}
    assert "longer than 10 seconds" in reasons[b"hang.txt"]
    assert "crashed" in reasons[b"crash.txt"]
    for row in rows:
        assert (archive.quarantine / f"{row['root'].hex()}-{row['size']}").read_bytes() == files[
            row["path"]
        ]


def test_a_second_run_finds_everything_held_and_retries_what_failed(
    archive: Archive, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, TEXTS)
    names = [*TEXTS, b"late.txt"]
    capture(archive.places, job(archive, folder, names))
    folder_of(tmp_path, {b"late.txt": b"here now"})
    totals = capture(archive.places, job(archive, folder, names))
    assert (totals.already_held, totals.captured, totals.failed) == (20, 1, 0)


def test_a_changed_file_is_captured_anew_and_its_old_bytes_stay(
    archive: Archive, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, {b"a.txt": b"first"})
    capture(archive.places, job(archive, folder, [b"a.txt"]))
    folder_of(tmp_path, {b"a.txt": b"second, longer"})
    assert capture(archive.places, job(archive, folder, [b"a.txt"])).captured == 1
    with archive.ledger.read() as connection:
        held = connection.execute(
            sa.select(tables.holdings.c.size, tables.holdings.c.superseded).order_by("size")
        ).all()
    assert [tuple(row) for row in held] == [(5, 1), (14, 0)]


def test_stopping_early_commits_what_was_taken(archive: Archive, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, TEXTS)

    def interrupt(totals: Totals) -> None:
        if totals.captured >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capture(archive.places, job(archive, folder, list(TEXTS), progress=interrupt))
    totals = capture(archive.places, job(archive, folder, list(TEXTS)))
    assert totals.already_held >= 5
    assert totals.already_held + totals.captured == 20
    assert leftovers(archive) == []


def test_strays_of_a_dead_capture_are_swept(archive: Archive, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, TEXTS)
    archive.store.prepare()
    (archive.store.incoming / "999-1-main.part").write_bytes(b"half")
    (archive.evidence / "hashes-dead.parquet").write_bytes(b"never named")
    (archive.quarantine / ("ab" * 32)).write_bytes(b"never named")
    capture(archive.places, job(archive, folder, list(TEXTS)))
    assert leftovers(archive) == []
    assert not (archive.evidence / "hashes-dead.parquet").exists()
    assert list(archive.quarantine.iterdir()) == []


def colliding() -> dict[bytes, bytes]:
    """A file of 32 KiB, and the 64 bytes that are its two leaf hashes: both have one root."""
    big = os.urandom(16 * 1024) + os.urandom(16 * 1024)
    halves = (big[: 16 * 1024], big[16 * 1024 :])
    return {b"big": big, b"small": b"".join(hashlib.sha256(half).digest() for half in halves)}


@pytest.mark.parametrize("together", [True, False])
def test_a_file_made_to_collide_goes_to_quarantine_alone(
    archive: Archive, tmp_path: Path, together: bool
) -> None:
    files = {**colliding(), b"z.txt": b"innocent"}
    folder = folder_of(tmp_path, files)
    if not together:
        capture(archive.places, job(archive, folder, [b"big"]))
    totals = capture(archive.places, job(archive, folder, list(files), plan="q"))
    assert totals.quarantined == 1
    assert totals.captured + totals.already_held == 2
    with archive.ledger.read() as connection:
        [row] = connection.execute(sa.select(tables.quarantine)).mappings().all()
        assert log.walk(connection).ok
    assert "merkle root" in row["reason"]


def test_the_same_file_back_again_leaves_a_log_that_verifies(
    archive: Archive, tmp_path: Path
) -> None:
    for data, when in ((b"first", 1), (b"second", 2), (b"first", 1)):
        folder = folder_of(tmp_path, {b"n.txt": data})
        os.utime(folder / "n.txt", (when, when))
        capture(archive.places, job(archive, folder, [b"n.txt"]))
    assert verify(archive, progress=lambda *_: None).sound


def test_two_captures_share_a_plan_and_lose_nothing(archive: Archive, tmp_path: Path) -> None:
    names = {f"{number}.txt".encode(): str(number // 2).encode() for number in range(60)}
    folder = folder_of(tmp_path, names)
    with archive.places.sharing() as other:
        totals = capture(archive.places, job(archive, folder, list(names)))
        assert not other.alone() or totals.captured == 60
    assert totals.captured == 60
    assert verify(archive, progress=lambda *_: None).sound


def test_a_lost_place_is_filled_from_what_a_dead_capture_left(
    archive: Archive, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, {b"a.txt": b"held"})
    capture(archive.places, job(archive, folder, [b"a.txt"]))
    [lying] = list(archive.store.walk())
    assert lying.root
    place = archive.folder / lying.path
    place.rename(archive.store.incoming / f"{place.name}+999")
    capture(archive.places, job(archive, folder, [b"a.txt"]))
    assert place.read_bytes() == b"held"
    assert leftovers(archive) == []


def sounding(archive: Archive, folder: Path, action: Action, plan: str) -> Job:
    items = [Item(0, b"a.flac", action, 0, Carried("m", 7, 8, ((9, 0, None, "derivative"),)))]
    whole = job(archive, folder, [], plan=plan, total=1, load=lambda _: items)
    return replace(whole, settings=archive.settings)


def test_a_copy_that_a_later_plan_wants_is_made_of_what_is_held(
    archive: Archive, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    path = tone(folder / "a.flac", seconds=3)
    assert capture(archive.places, sounding(archive, folder, Action.ORIGINAL, "p")).captured == 1
    facts = path.stat()
    path.write_bytes(bytes(facts.st_size))  # the source is not read again: what is held counts
    os.utime(path, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
    totals = capture(archive.places, sounding(archive, folder, Action.OPUS, "q"))
    assert (totals.captured, totals.fetched) == (1, 0)
    h, m = tables.holdings.c, tables.manifestations.c
    with archive.ledger.read() as connection:
        rows = connection.execute(sa.select(h.action, h.superseded).order_by(h.action.desc())).all()
        made = connection.execute(
            sa.select(m.root, m.derived_from).where(m.derived_from.is_not(None))
        ).all()
        original = connection.scalar(sa.select(h.root).where(h.action == "original"))
    assert [tuple(row) for row in rows] == [("opus", 1), ("original", 0)]
    assert [row.derived_from for row in made] == [original]
    again = capture(archive.places, sounding(archive, folder, Action.OPUS, "q"))
    assert (again.already_held, again.captured) == (1, 0)
    assert verify(archive, progress=lambda *_: None).sound
    assert leftovers(archive) == []


def test_a_copy_gives_way_to_the_original_that_a_later_plan_affords(
    archive: Archive, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    tone(folder / "a.flac", seconds=3)
    for action, plan in ((Action.OPUS, "p"), (Action.ORIGINAL, "q"), (Action.OPUS, "r")):
        totals = capture(archive.places, sounding(archive, folder, action, plan))
        assert totals.captured + totals.already_held == 1
    h = tables.holdings.c
    with archive.ledger.read() as connection:
        rows = connection.execute(sa.select(h.action, h.superseded).order_by(h.action.desc())).all()
    assert [tuple(row) for row in rows] == [("opus", 1), ("original", 0)]
    assert totals.already_held == 1
