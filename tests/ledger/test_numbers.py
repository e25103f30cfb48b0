"""Objects, folders and paths are found by little of what they are called, and never confused."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from longplay.errors import LedgerError
from longplay.ledger import forgetting, log, naming, origins, queries, record, tables, tally
from longplay.ledger.claims import Tombstone
from longplay.ledger.columns import Moment, Power, by_root
from longplay.ledger.database import Ledger, create
from longplay.model import Action, Kind, ObjectKey, Role, Verdict

ROOTS = sorted([*(b"same.." + bytes([n]) * 26 for n in range(6)), bytes(32), b"\xff" * 32])
FORMAT = Path(__file__).parents[2] / "docs" / "formats" / "ledger.md"
SQLITE = sqlite.dialect()
TIME = "2026-11-29T12:34:56.789Z"


def holds(connection: sa.Connection, *keys: ObjectKey, batch: int = 1) -> None:
    rows = [record.ObjectRow(key, bytes(32), "audio", ".ogg", 16384, None) for key in keys]
    record.add_objects(connection, rows, batch, TIME)


def leads(source: str, path: bytes, key: ObjectKey) -> record.HoldingRow:
    return record.HoldingRow(source, path, key, key.size, 0, 0o644, Action.ORIGINAL, None, None)


def test_roots_that_begin_alike_are_told_apart(ledger: Ledger) -> None:
    with ledger.write() as connection:
        holds(connection, *(ObjectKey(root, at + 1) for at, root in enumerate(ROOTS)))
        holds(connection, ObjectKey(ROOTS[2], 99))  # it is there
    o = tables.objects.c
    with ledger.read() as connection:
        for at, root in enumerate(ROOTS):
            assert queries.object_of(connection, root) == (ObjectKey(root, at + 1), ".ogg", "audio")
            for test, right in (
                (o.root > root, ROOTS[at + 1 :]),
                (o.root >= root, ROOTS[at:]),
                (o.root < root, ROOTS[:at]),
                (o.root <= root, ROOTS[: at + 1]),
                (o.root.in_([root, b"no"]), [root]),
            ):
                found = connection.scalars(sa.select(o.root).where(test).order_by(by_root(o.root)))
                assert list(found) == right
        assert [key.root for key, _ in queries.stored(connection)] == ROOTS
        assert tally.read(connection)["objects"] == len(ROOTS)


def test_paths_with_one_hash_are_told_apart(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(naming, "place", lambda *_: -5)
    keys = [ObjectKey(bytes([n]) * 32, n) for n in range(1, 4)]
    paths = [b"a/one", b"a/two", b"b/one"]
    with ledger.write() as connection:
        holds(connection, *keys)
        rows = [leads("s", path, key) for path, key in zip(paths, keys, strict=True)]
        record.add_holdings(connection, rows, 1)
        asked = [("s", b"a/one"), ("s", b"a/three"), ("t", b"a/two"), ("s", b"one")]
        assert record.known_paths(connection, asked) == {("s", b"a/one")}
        record.add_holdings(connection, [leads("s", b"a/one", keys[2])], 2)
        h = tables.holdings.c
        left = sa.select(h.path).where(h.superseded == 1)
        assert list(connection.scalars(left)) == [b"a/one"]
        again = naming.folders(connection, [("s", b"a/x"), ("s", b"b/x"), ("s", b"x")])
        assert len(set(again.values())) == 3


@given(source=st.text(st.characters(exclude_categories=["Cs"]), max_size=9), path=st.binary())
def test_a_path_is_its_folder_and_its_name(source: str, path: bytes) -> None:
    folder, name = naming.split(path)
    assert folder + name == path
    assert b"/" not in name
    assert folder == b"" or folder.endswith(b"/")
    assert -(2**63) <= naming.place(source, path) < 2**63


def test_hashes_of_paths_stay_what_they_are() -> None:
    assert naming.place("music", b"a/b.flac") == -1231717743287448475


def test_what_two_captures_both_gave_a_number_is_one_folder(ledger: Ledger) -> None:
    key = ObjectKey(bytes(32), 1)
    with ledger.write() as connection:
        holds(connection, key)
        (number,) = naming.folders(connection, [("s", b"a/x")]).values()
        twin = connection.execute(sa.select(tables.folders)).one()._asdict()
        connection.execute(tables.folders.insert().values(twin | {"number": number + 7}))
        record.add_holdings(connection, [leads("s", b"a/x", key)], 1)
        h = tables.holding_rows
        connection.execute(h.update().values(folder=number + 7))
        record.add_holdings(connection, [leads("s", b"a/x", key)], 2)
        assert connection.execute(sa.select(tables.holdings.c.path)).all() == [(b"a/x",)]
        assert record.known_paths(connection, [("s", b"a/x")]) == {("s", b"a/x")}


def test_what_was_only_named_is_stored_later(ledger: Ledger) -> None:
    whole, picture = ObjectKey(b"w" * 32, 3), ObjectKey(b"p" * 32, 4)
    with ledger.write() as connection:
        holds(connection, whole)
        record.add_embedded(connection, [(whole, picture, "front")])
        assert queries.object_of(connection, picture.root) is None
        assert queries.count_objects(connection) == (1, 3)
    with ledger.write() as connection:
        holds(connection, picture)
        holds(connection, picture)
    with ledger.read() as connection:
        assert queries.object_of(connection, picture.root) == (picture, ".ogg", "audio")
        assert {n: tally.read(connection)[n] for n in ("objects", "bytes")} == {
            "objects": 2, "bytes": 7,
        }  # fmt: skip


def test_what_is_forgotten_keeps_its_paths_and_no_recording(ledger: Ledger) -> None:
    key, other = ObjectKey(b"g" * 32, 3), ObjectKey(b"o" * 32, 5)
    with ledger.write() as connection:
        holds(connection, key, other, batch=2**62)
        record.add_holdings(connection, [leads("s", b"a/x", key)], 2**62)
        carried = [record.ManifestationRow(at, key, 0, None, Role.PART) for at in (7, 8)]
        carried.append(record.ManifestationRow(8, other, 0, None, Role.PART))
        record.add_manifestations(connection, carried)
    with ledger.write() as connection:
        stone = Tombstone(key, "forget", (), (), TIME, log.head(connection))
        # One that no row names any more, as in a ledger that was made again without its evidence.
        lost = Tombstone(ObjectKey(b"l" * 32, 1), "forget", (), (), TIME, 1)
        forgetting.forget(connection, "it", "a mistake", [stone, lost])
    with ledger.read() as connection:
        assert queries.held_recordings(connection).to_pylist() == [8]
        h = tables.holdings.c
        row = connection.execute(sa.select(h.root, h.path, h.batch)).one()
        assert tuple(row) == (key.root, b"a/x", 2**62)
        assert tally.read(connection)["recordings"] == 1
        assert forgetting.reasons(connection, "s", [b"a/x"]) == {b"a/x": [(3, 0, "a mistake")]}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (record.ObjectRow(ObjectKey(bytes(32), 1), b"", "wine", "", 1, None), "'wine' is none of"),
        (record.ObjectRow(ObjectKey(bytes(32), 1), b"", "audio", "", 3, None), "3 is no power of"),
    ],
)
def test_what_has_no_place_in_its_column_is_refused(
    ledger: Ledger, row: record.ObjectRow, words: str
) -> None:
    with pytest.raises(LedgerError, match=words), ledger.write() as connection:
        record.add_objects(connection, [row], 1)


@given(st.dates(), st.integers(0, 15))
def test_moments_and_powers_come_back(day: date, exponent: int) -> None:
    text = f"{day.isoformat()}T12:34:56.789Z"
    number = Moment().process_bind_param(text, SQLITE)
    assert Moment().process_result_value(number, SQLITE) == text
    assert Power().process_bind_param(1 << exponent, SQLITE) == exponent


@pytest.mark.parametrize(("name", "kind"), [("kind", Kind), ("verdict", Verdict),
                                            ("action", Action), ("role", Role)])  # fmt: skip
def test_the_number_of_each_word_is_written_down(name: str, kind: type[StrEnum]) -> None:
    told = ", ".join(f"{number} `{word.value}`" for number, word in enumerate(kind))
    assert f"{name} {told}" in FORMAT.read_text().replace("\n", " ")


def test_all_paths_are_gone_through_in_the_order_in_which_they_lie(tmp_path: Path) -> None:
    """Not in that of their hashes, which would be a read of the disk for each."""
    ledger = create("sqlite:///ledger.sqlite3", tmp_path)
    asked: list[tuple[str, Any]] = []
    with ledger.read() as connection:

        def note(*given: Any) -> None:
            asked.append((given[2], given[3]))

        sa.event.listen(connection, "before_cursor_execute", note)
        queries.held_paths(connection)
        list(queries.provenance(connection))
        origins.tracks(connection, ["somebody"])
        sa.event.remove(connection, "before_cursor_execute", note)
        for words, values in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", values).all()
            assert not [row for row in plan if "SCAN" in row[3] and "by_place" in row[3]], words
    ledger.close()
    assert len(asked) >= 3
