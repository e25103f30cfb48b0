"""Running totals against counting: the same after whatever was done to the archive."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.archive import Archive, open_archive, upgrade
from longplay.catalogue import ids
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.ledger import batches, database, queries, record, tables, tally
from longplay.ledger.batches import Batch, File, Inside
from longplay.model import Action, ObjectKey, Role, Statement
from longplay.planning import table
from longplay.rights import gate
from longplay.rights.claims import Step
from longplay.workflows import (
    claims,
    forgetting,
    judging,
    planning,
    shares,
    tallying,
    withdrawing,
)
from longplay.workflows.claims import Request
from longplay.workflows.tallying import Totals
from tests.ledger.aging import to_version_3
from tests.workflows.archives import BY, Made, made

NO = "https://example.org/terms"
PLAN = "feedfacefeedface"
TRACKS, FILES = 6, 8


@pytest.fixture(autouse=True)
def _waits_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a lock here waits for a test that does not go on meanwhile."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 1)


def counted(archive: Archive) -> Totals:
    """Everything counted one by one."""
    roots = withdrawing.standing(archive).roots
    classes = dict.fromkeys(tally.ACCESS, 0)
    with archive.ledger.read() as connection:
        rows = connection.execute(sa.select(tables.objects.c.root, tables.objects.c.size)).all()
        for root, _ in rows:
            found = judging.stated(connection, root)
            assert found is not None
            access = gate.access_class(found.in_force, clock.now())
            classes["dark" if root in roots else access] += 1
        held = np.array(queries.held_recordings(connection), np.uint64)
        known = set(zip(*queries.held_paths(connection).to_pydict().values(), strict=True))
        plan = queries.latest_plan(connection)
    due = 0
    if plan is not None:
        path = planning.plan_path(archive, plan["plan"])
        listed = table.read_range(path, 0, 10**6)
        due = len(
            set(zip(*(listed[n].to_pylist() for n in ("source", "path")), strict=True)) - known
        )
    snapshot = open_current(archive.catalogue)
    return Totals(
        objects=len(rows),
        bytes=sum(size for _, size in rows),
        recordings=len(held),
        due=due,
        listens=shares.listening(archive, snapshot).share(shares.current(snapshot, held)),
        all_listens=1.0,
        by_access_class=classes,
    )


def check(archive: Archive) -> None:
    found, right = tallying.totals(archive), counted(archive)
    assert found.share_of_listens == pytest.approx(right.listens, abs=1e-6)
    for name in ("objects", "bytes", "recordings", "due", "by_access_class"):
        assert getattr(found, name) == getattr(right, name), name
    with archive.ledger.read() as connection:
        kept, anew = tally.read(connection), tally.counted(connection)
        assert {name: kept.get(name, 0) for name in anew} == anew


class Doing:
    """What may happen to an archive. Every step is repeatable with other numbers."""

    def __init__(self, songs: Made) -> None:
        self.songs, self.archive = songs, songs.archive
        self.time = 0

    def key(self, number: int) -> ObjectKey:
        return ObjectKey(bytes([number + 1]) * 32, 100 + number)

    def file(self, number: int, track: int, *, refused: bool, picture: bool) -> File:
        recording = ids.parse(self.songs.recording(track))[1]
        inside = Inside(self.key(200), "front", "image", ".png")
        return File(
            "songs", f"file {number}".encode(), self.key(number % 5 * 10 + track), 9, 9, 0o644,
            Action.ORIGINAL, self.songs.track(track), None, "audio", ".ogg", "whole",
            () if refused else ((recording, 0, None, Role.PRESERVATION),),
            (inside,) if picture and not refused else (), "no music" if refused else None,
        )  # fmt: skip

    def capture(self, numbers: list[tuple[int, int, bool, bool]], plan: str) -> None:
        first = 0 if plan == PLAN else int(plan)  # a capture takes what its plan lists
        paths = {number: (number, *rest) for number, *rest in numbers if number >= first}
        files = [
            self.file(n, track, refused=refused, picture=picture)
            for n, track, refused, picture in paths.values()
        ]
        with self.archive.ledger.write(alone=False) as connection:
            keys = {one.key for one in files if one.key and not one.refusal}
            keys |= {inside.key for one in files for inside in one.pictures}
            gone = connection.scalars(sa.select(tables.forgotten.c.root)).all()
            known = record.known_sizes(connection, [key.root for key in keys])
            new = {key: (bytes(32), 1) for key in keys if key.root not in (*known, *gone)}
            self.time += 1
            batch = Batch(self.time, plan, clock.timestamp(), files, new)
            batches.add(connection, batch)
            batches.append(connection, batch, bytes(32), {})

    def state(self, subject: str, uris: list[str], origin: str) -> None:
        said = [Statement(subject, uri, "test", "2020-01-01", "2030-01-01") for uri in uris]
        with self.archive.ledger.write() as connection:
            record.replace_statements(connection, origin, said)

    def some_root(self, number: int) -> bytes | None:
        with self.archive.ledger.read() as connection:
            roots = connection.scalars(sa.select(tables.objects.c.root)).all()
        return sorted(roots)[number % len(roots)] if roots else None

    def forget(self, number: int) -> None:
        root = self.some_root(number)
        if root is not None:
            forgetting.forget(self.archive, f"obj{root.hex()}", "test")

    def drop(self, number: int) -> None:
        root = self.some_root(number)
        if root is not None:
            with self.archive.ledger.write() as connection:
                record.drop_objects(connection, [ObjectKey(root, 1)])

    def claim(self, track: int, uphold: bool) -> None:
        ask = Request("Ann", "a@example.org", "mine", isrcs=(f"QZTST26{track:05}",))
        one = claims.add(self.archive, ask)
        if uphold:
            claims.decide(self.archive, one.id, Step.UPHOLD, "it is")

    def join(self, track: int) -> None:
        """The next import says that a track is the same recording as the first."""
        rows = self.songs.rows
        rows[track] = {**rows[0], "id": f"t{track}"}
        for number, row in enumerate(rows):
            row["popularity"] = str(5 * number + 10 * track)
        self.songs.write()

    def plan(self, first: int) -> None:
        plan_of(self.archive, f"{first:016}", [f"file {n}".encode() for n in range(first, FILES)])


def plan_of(archive: Archive, identity: str, paths: list[bytes]) -> None:
    """Make a plan that lists these files of `songs`."""
    columns = {"source": ["songs"] * len(paths), "path": paths, "ordinal": list(range(len(paths)))}
    types = {field.name: field.type for field in table.SCHEMA}
    arrays = {
        name: pa.array(
            columns.get(name, [None] * len(paths)), pa.string() if name == "source" else kind
        )
        for name, kind in types.items()
    }
    rows = pa.table({**arrays, "source": arrays["source"].dictionary_encode()}).cast(table.SCHEMA)
    document = {
        "version": 1, "id": identity, "snapshot": "000001", "budget": None, "entries": len(paths),
        "recordings": 0, "bytes": 0, "original": 0, "opus": 0, "skipped": 0,
        "share_of_listens": 0.0, "quality_weighted_share": 0.0, "bound": 0.0, "gap": 0.0,
        "others": 0, "total_listens": 0.0, "figures": {"frontier": [], "bands": []},
    }  # fmt: skip
    meta = {b"longplay.plan": json.dumps(document).encode()}
    archive.plans.mkdir(exist_ok=True)
    pq.write_table(rows.replace_schema_metadata(meta), planning.plan_path(archive, identity))
    with archive.ledger.write() as connection:
        newest = connection.scalar(sa.select(sa.func.max(tables.plans.c.number))) or 0
        connection.execute(tables.plans.delete().where(tables.plans.c.id == identity))
        row = {"id": identity, "number": newest + 1, "time": ""}
        connection.execute(
            tables.plans.insert().values(**row, document=json.dumps({"plan": identity}))
        )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive that knows some tracks and holds nothing."""
    folder = tmp_path_factory.mktemp("songs")
    songs = made(folder, TRACKS)
    songs.archive.ledger.close()
    return folder


@contextmanager
def copy_of(template: Path, place: Path) -> Iterator[Doing]:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(template, place)
    with (place / "songs.csv").open(newline="") as source:
        rows = list(csv.DictReader(source))
    with open_archive(place / "archive") as archive:
        yield Doing(Made(archive, place, rows))


number, track = st.integers(0, FILES - 1), st.integers(0, TRACKS - 1)
file = st.tuples(number, track, st.booleans(), st.booleans())
step = st.one_of(
    st.tuples(st.just("capture"), st.lists(file, max_size=4), st.sampled_from([PLAN, f"{0:016}"])),
    st.tuples(st.just("capture"), st.lists(file, max_size=4), st.just(f"{1:016}")),
    st.tuples(st.just("forget"), number),
    st.tuples(st.just("drop"), number),
    st.tuples(st.just("claim"), track, st.booleans()),
    st.tuples(
        st.just("state"), st.sampled_from(["source:songs", "track", "object"]),
        st.lists(st.sampled_from([BY, NO]), max_size=2), st.sampled_from(["one", "two"]),
    ),
    st.tuples(st.just("plan"), st.integers(0, 2)),
    st.just(("check",)),
)  # fmt: skip


def do(doing: Doing, steps: list[tuple[Any, ...]]) -> None:
    for name, *words in steps:
        if name == "check":
            check(doing.archive)
        elif name == "state":
            subject, uris, origin = words
            root = doing.some_root(0)
            named = {
                "track": ids.text("tr", doing.songs.track(1)),
                "object": f"obj{(root or b'').hex()}",
            }
            doing.state(named.get(str(subject), str(subject)), uris, str(origin))  # type: ignore[arg-type]
        else:
            getattr(doing, str(name))(*words)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(step, max_size=12))
def test_after_any_steps_the_totals_are_those_of_the_rows(
    template: Path, tmp_path: Path, steps: list[tuple[Any, ...]]
) -> None:
    with copy_of(template, tmp_path / "copy") as doing:
        do(doing, steps)
        check(doing.archive)


def everything(doing: Doing) -> None:
    doing.plan(0)
    check(doing.archive)
    doing.capture([(0, 0, False, True), (1, 1, False, True), (2, 2, True, False)], f"{0:016}")
    doing.state("source:songs", [BY], "settings")
    check(doing.archive)
    doing.capture([(3, 3, False, True), (2, 2, False, False), (0, 4, False, False)], f"{0:016}")
    doing.claim(3, True)


def test_totals_come_back_with_a_ledger_that_is_made_again(template: Path, tmp_path: Path) -> None:
    with copy_of(template, tmp_path / "copy") as doing:
        everything(doing)
        check(doing.archive)
        with doing.archive.ledger.write() as connection:
            tally.recount(connection)
        check(doing.archive)


def test_recordings_that_became_one_count_once(template: Path, tmp_path: Path) -> None:
    with copy_of(template, tmp_path / "copy") as doing:
        everything(doing)
        check(doing.archive)
        old = ids.parse(doing.songs.recording(4))[1]
        doing.join(4)
        doing.join(3)
        check(doing.archive)
        doing.capture([(6, 0, False, False), (7, 4, False, False)], PLAN)
        with doing.archive.ledger.write() as connection:  # an old plan still has the old id
            record.add_manifestations(
                connection, [record.ManifestationRow(old, doing.key(4), 0, None, "part")]
            )
        check(doing.archive)
        doing.forget(0)
        doing.forget(1)
        check(doing.archive)


@contextmanager
def in_the_middle(monkeypatch: pytest.MonkeyPatch, deed: Callable[[], None]) -> Iterator[None]:
    """Do something when the listens of all that is held are being added up."""
    current, left = shares.current, [deed]

    def then(snapshot: Snapshot, recordings: shares.Keys) -> shares.Keys:
        if left:
            left.pop()()
        return current(snapshot, recordings)

    with monkeypatch.context() as patch:
        patch.setattr(shares, "current", then)
        yield
    assert not left


def test_what_changes_while_all_is_summed_up_is_in_the_sum(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallying, "PAGE", 1)
    with copy_of(template, tmp_path / "copy") as doing:
        everything(doing)

        def change() -> None:
            doing.capture([(6, 0, False, False), (7, 5, False, False)], PLAN)
            doing.forget(1)

        with in_the_middle(monkeypatch, change):
            tallying.totals(doing.archive)
        check(doing.archive)


def test_two_that_sum_up_at_once_agree(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with copy_of(template, tmp_path / "copy") as doing:
        everything(doing)

        def another() -> None:
            doing.capture([(6, 0, False, False), (7, 5, False, False)], PLAN)
            with open_archive(doing.archive.folder) as archive:
                tallying.totals(archive)
            doing.forget(1)
            with open_archive(doing.archive.folder) as archive:
                tallying.totals(archive)
            doing.capture([(6, 5, False, False)], PLAN)

        doing.join(4)  # a new snapshot: everything is summed up
        with in_the_middle(monkeypatch, another):
            tallying.totals(doing.archive)
        check(doing.archive)


def test_one_that_is_killed_while_it_sums_up_leaves_no_sum(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with copy_of(template, tmp_path / "copy") as doing:
        everything(doing)

        def die() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), in_the_middle(monkeypatch, die):
            doing.join(4)
            tallying.totals(doing.archive)
        doing.capture([(6, 0, False, False), (7, 5, False, False)], PLAN)
        check(doing.archive)


def test_a_sum_of_many_changes_lets_others_write_in_between(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallying, "PAGE", 2)
    asked: list[int] = []
    held_of = tally.held_of

    def watched(connection: Connection, recordings: Sequence[int]) -> set[int]:
        asked.append(len(recordings))
        return held_of(connection, recordings)

    monkeypatch.setattr(tally, "held_of", watched)
    with copy_of(template, tmp_path / "copy") as doing:
        doing.capture([(number, number, False, False) for number in range(5)], PLAN)
        check(doing.archive)
    assert asked == [2, 2, 1]


def test_the_day_on_which_a_licence_ends_changes_the_class(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with copy_of(template, tmp_path / "copy") as doing:
        doing.capture([(0, 0, False, False)], PLAN)
        doing.state("source:songs", [BY], "settings")
        for year, access in ((2019, "dark"), (2025, "open"), (2031, "dark")):
            moment = datetime(year, 6, 1, tzinfo=UTC)
            monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
            check(doing.archive)
            assert tallying.totals(doing.archive).by_access_class[access] == 1


def test_an_older_ledger_is_counted_when_it_is_upgraded(template: Path, tmp_path: Path) -> None:
    with copy_of(template, tmp_path / "copy") as doing:
        everything(doing)
        right = counted(doing.archive)
        with doing.archive.ledger.write() as connection:
            to_version_3(connection)
            for name in ("object_by_check", "object_unjudged", "embedded_by_picture"):
                connection.exec_driver_sql(f"DROP INDEX {name}")
            for name in ("tally", "recording_change", "postponed", "host_slot"):
                connection.exec_driver_sql(f"DROP TABLE {name}")
            connection.exec_driver_sql("ALTER TABLE object DROP COLUMN access")
            connection.exec_driver_sql("UPDATE meta SET value = '2' WHERE key = 'version'")
            closing = connection.get_execution_options()["longplay_closing"]
            closing.clear()
        doing.archive.ledger.close()
    assert upgrade(tmp_path / "copy" / "archive") == (2, tables.VERSION)
    with open_archive(tmp_path / "copy" / "archive") as archive:
        check(archive)
        assert tallying.totals(archive).by_access_class == right.by_access_class
