"""The ledger is deleted, damaged or too old, and made again from what lies beside it."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from longplay.archive import open_archive
from longplay.capture import crew, pipeline
from longplay.capture.tidying import sweep
from longplay.errors import LockedError
from longplay.ledger import claims, log, tables
from longplay.rights.claims import Step
from longplay.vault import standing
from longplay.workflows import backups, keeping, rebuilding, releasing, verifying
from longplay.workflows import claims as deciding
from longplay.workflows.claims import Request
from longplay.workflows.rebuilding import Rebuilt
from longplay.workflows.tallying import totals
from tests.ledger.aging import contents
from tests.postgres import Server
from tests.system.conftest import song
from tests.system.state import timeless
from tests.workflows.conftest import quiet

WORKING = {"lease", "tally", "recording_change"}
"""Tables of work that is under way, and of sums; a rebuilt ledger begins without them."""

LEFT_OUT = {
    "object": {"checked", "access"},  # the time of the capture, never newer; judged when asked
    "person": {"salt", "name", "contact", "erased"},  # erasable, so in no evidence
}


def content(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every table of the ledger but for what docs/backup.md says may differ."""
    found = {}
    with open_archive(folder) as archive, archive.ledger.read() as connection:
        for name, facts in contents(connection).items():  # numbers may be others
            out = LEFT_OUT.get(name, ())
            kept = [{key: row[key] for key in row if key not in out} for row in facts]
            found[name] = sorted((tuple(row.values()) for row in kept), key=repr)
        for name, table in tables.metadata.tables.items():
            if name in found or table in (tables.sources, tables.folders):
                continue
            keep = [c for c in table.c if c.name not in LEFT_OUT.get(name, ())]
            rows = [tuple(row) for row in connection.execute(sa.select(*keep))]
            if name == "rights_statement":  # its evidence tells when it was read
                rows = [tuple(timeless(value) for value in row) for row in rows]
            if name == "evidence_file":  # `standing` is written anew by each event
                rows = [row for row in rows if row[1] != standing.STANDING]
            if name not in WORKING:
                found[name] = sorted(rows, key=repr)
    return found


def rebuild(folder: Path, *, again: bool = False) -> Rebuilt:
    return rebuilding.rebuild(folder, again=again, progress=quiet)


def delete(folder: Path) -> None:
    for path in folder.glob("ledger.sqlite3*"):
        path.unlink()


def check_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    """All is as it was, and the log goes on with what the rebuild itself did."""
    entries = before.pop("log"), after.pop("log")
    assert {name for name in before if before[name] != after[name]} == set()
    assert entries[1][: len(entries[0])] != []
    by_number = [sorted(rows) for rows in entries]
    assert by_number[1][: len(by_number[0])] == by_number[0]
    assert {row[2] for row in by_number[1][len(by_number[0]) :]} <= {"rebuild", "rights"}


def test_a_deleted_ledger_comes_back_row_by_row(copied: Path, tmp_path: Path) -> None:
    before = content(copied)
    with open_archive(copied) as archive:
        figures = totals(archive)
    delete(copied)
    done = rebuild(copied)
    assert (done.ledger, done.old, done.lost) == ("missing", None, ())
    check_same(before, content(copied))
    with open_archive(copied) as archive:
        assert totals(archive) == figures
        found = verifying.verify(archive, progress=quiet)
        assert found.sound, found
        assert releasing.cut(archive, stage=None, share=None).releases == ()
        restored = keeping.restore(archive, tmp_path / "out", None, [], progress=quiet)
        assert [one.lost for one in restored] == [()]
        with archive.ledger.read() as connection:
            named = [claim.person for claim in claims.list_all(connection)]
    assert [(one.name, one.contact) for one in named] == [(None, None)] * 2


def test_a_damaged_ledger_stays_beside_the_new_one(copied: Path) -> None:
    before = content(copied)
    path = copied / "ledger.sqlite3"
    data = bytearray(path.read_bytes())
    data[4096 : len(data) - 8192] = b"\xa5" * (len(data) - 12288)
    path.write_bytes(data)
    done = rebuild(copied)
    assert done.ledger == "damaged"
    assert done.old is not None and Path(done.old).read_bytes() == data
    check_same(before, content(copied))


def test_a_ledger_from_a_backup_catches_up_and_keeps_its_names(copied: Path, past: Path) -> None:
    with (
        closing(sqlite3.connect(copied / "ledger.sqlite3")) as ledger,
        closing(sqlite3.connect(copied / "yesterday")) as backup,
    ):
        ledger.backup(backup)
    with open_archive(copied) as archive:
        with archive.ledger.read() as connection:
            claim = next(one for one in claims.list_all(connection) if one.state == "upheld")
        deciding.decide(archive, claim.id, Step.RESTORE, "it was not hers")
    before = content(copied)
    delete(copied)
    (copied / "yesterday").rename(copied / "ledger.sqlite3")
    done = rebuild(copied)
    assert (done.ledger, done.lost) == ("behind", ())
    check_same(before, content(copied))
    with open_archive(copied) as archive, archive.ledger.read() as connection:
        found = claims.find(connection, claim.id)
    assert (found.state, found.person.name) == ("restored", "Claire Mant")


def test_a_whole_ledger_is_left_alone_unless_it_shall_be_made_again(copied: Path) -> None:
    before = content(copied)
    done = rebuild(copied)
    assert (done.ledger, done.old, done.entries) == ("whole", None, 0)
    assert content(copied) == before
    assert rebuild(copied, again=True).old is not None
    check_same(before, content(copied))


def test_batches_that_the_logs_evidence_lacks_get_their_entries_again(copied: Path) -> None:
    """A capture that was killed has not closed its stretch of the log."""
    before = content(copied)
    with open_archive(copied) as archive, archive.ledger.read() as connection:
        last = log.head(connection)
        rows = connection.execute(sa.select(tables.evidence_files)).mappings().all()
    for row in rows:
        if row["kind"] in ("log", "standing"):
            (copied / "evidence" / row["name"]).unlink()
    delete(copied)
    done = rebuild(copied)
    assert any("log" in words for words in done.lost)
    assert any("claims" in words for words in done.lost)
    after = content(copied)
    for name in ("object", "holding", "manifestation", "embedded", "quarantine"):
        assert after[name] == before[name], name
    assert [row[:2] + row[3:] for row in after["release"]] == [
        row[:2] + row[3:] for row in before["release"]
    ]
    assert 0 < done.entries < last
    assert any("mirrors will see" in words for words in done.lost)
    with open_archive(copied) as archive:
        found = verifying.verify(archive, progress=quiet)
    assert (found.damaged, found.missing, found.unvouched) == ((), (), ())
    assert not found.log.ok  # a feed was signed that vouches for the entries that are lost


def test_old_evidence_gives_the_objects_back_and_says_what_is_lost(copied: Path) -> None:
    before = content(copied)
    for path in (copied / "evidence").iterdir():
        if path.name.startswith(("holdings", "log", "standing")):
            path.unlink()
    delete(copied)
    done = rebuild(copied)
    assert any("capture their sources again" in words for words in done.lost)
    after = content(copied)
    assert {row[:3] for row in after["object"]} == {row[:3] for row in before["object"]}
    assert {row[:3] for row in after["holding"]} <= {row[:3] for row in before["holding"]}
    assert after["release"] == before["release"] or len(after["release"]) == len(before["release"])
    with open_archive(copied) as archive:
        assert verifying.verify(archive, progress=quiet).missing == ()


def test_damaged_evidence_is_told_and_merged_leftovers_count_once(copied: Path) -> None:
    before = content(copied)
    evidence = copied / "evidence"
    hashes = next(evidence.glob("hashes-*"))
    part = pq.read_table(hashes).slice(0, 0)
    pq.write_table(part, evidence / f"hashes-{'0' * 32}.parquet")
    shutil.copy(hashes, evidence / f"hashes-{'1' * 32}.parquet")
    delete(copied)
    done = rebuild(copied)
    assert [words.split()[1] for words in done.lost] == [
        f"hashes-{'0' * 32}.parquet",
        f"hashes-{'1' * 32}.parquet",
    ]
    check_same(before, content(copied))


def test_nothing_is_made_again_while_somebody_captures(copied: Path) -> None:
    delete_me = copied / "ledger.sqlite3"
    with open_archive(copied) as archive, archive.places.sharing():
        delete_me.rename(copied / "aside")
        with pytest.raises(LockedError, match="wait until that has ended"):
            rebuild(copied)
        (copied / "aside").rename(delete_me)


@pytest.mark.parametrize("step", ["refill", "publish"])
def test_cut_short_the_same_command_begins_anew(
    copied: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = content(copied)
    (copied / "ledger.sqlite3").write_bytes(b"no ledger" * 1000)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rebuilding.refilling if step == "refill" else rebuilding, step, die)
        with pytest.raises(KeyboardInterrupt):
            rebuild(copied)
    assert rebuild(copied).ledger == ("damaged" if step == "refill" else "missing")
    check_same(before, content(copied))


def test_what_a_killed_capture_brought_after_a_backup_is_there_again(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A capture tells of itself by its batches alone until it ends."""
    music, taken, commit = tmp_path / "more", [], crew.commit
    music.mkdir()
    (music / "new.txt").write_text("new words")

    def backed_up(*given: Any, **named: Any) -> Any:
        with open_archive(copied) as archive:
            taken.append(backups.backup(archive, tmp_path / "backups", progress=quiet).folder)
        return commit(*given, **named)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(crew, "commit", backed_up)
        patch.setattr(pipeline, "merge_evidence", die)
        keeping.keep(music, copied, workers=1, progress=quiet)
    before = content(copied)
    delete(copied)
    done = rebuilding.rebuild(copied, backup=Path(taken[0]), progress=quiet)
    assert done.ledger == "behind"
    assert content(copied)["object"] == before["object"]


def test_who_writes_while_the_ledger_is_made_again_loses_nothing(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refill, others = rebuilding.refilling.refill, []

    def claim() -> None:
        with open_archive(copied) as archive:
            ask = Request("Zoe", "z@example.org", "late", artists=("Late",))
            others.append(deciding.add(archive, ask).id)

    def beside(*given: Any) -> Any:
        thread.start()
        thread.join(0.3)
        return refill(*given)

    thread = threading.Thread(target=claim)
    monkeypatch.setattr(rebuilding.refilling, "refill", beside)
    rebuild(copied, again=True)
    thread.join()
    with open_archive(copied) as archive, archive.ledger.read() as connection:
        assert claims.find(connection, others[0]).person.name == "Zoe"
    assert rebuild(copied).ledger == "whole"


@pytest.mark.parametrize("name", ["releases/s1-0001/release.json", "releases/feed.json"])
def test_a_rotten_document_costs_what_it_says_and_no_more(copied: Path, name: str) -> None:
    before = content(copied)
    path = copied / name
    path.write_bytes(path.read_bytes()[:100])
    for stands in copied.glob("evidence/standing*"):
        stands.unlink()
    delete(copied)
    done = rebuild(copied)
    assert any(f"{path.name} is damaged, a backup has another" in words for words in done.lost)
    assert content(copied)["object"] == before["object"]


def test_files_whose_hashes_are_lost_are_captured_again(copied: Path, past: Path) -> None:
    before = content(copied)
    for path in copied.glob("evidence/hashes*"):
        path.unlink()
    delete(copied)
    done = rebuild(copied)
    assert any("no evidence has their hashes" in words for words in done.lost)
    assert content(copied)["object"] == []
    keeping.keep(past / "music", copied, workers=1, progress=quiet)
    now = {row[0] for row in content(copied)["object"]}
    assert now and now <= {row[0] for row in before["object"]}


def test_damaged_evidence_comes_back_from_a_replica(copied: Path, tmp_path: Path) -> None:
    before, second = content(copied), tmp_path / "second"
    shutil.copytree(copied / "evidence", second / "evidence")
    settings = copied / "longplay.toml"
    settings.write_text(
        f'{settings.read_text()}\n[[replicas]]\nname = "second"\nlocation = "{second}"\n'
    )
    for path in copied.glob("evidence/holdings*"):
        path.write_bytes(b"rotten")
    delete(copied)
    assert rebuild(copied).lost == ()
    check_same(before, content(copied))


def test_a_lost_ledgers_write_ahead_log_is_not_taken_for_the_new_ones(copied: Path) -> None:
    before = content(copied)
    delete(copied)
    (copied / "ledger.sqlite3-wal").write_bytes(b"of the lost one")
    rebuild(copied)
    assert (copied / "ledger.sqlite3.old-1-wal").read_bytes() == b"of the lost one"
    check_same(before, content(copied))


@pytest.mark.real
def test_an_archive_moves_to_postgresql_by_its_evidence(copied: Path, postgres: Server) -> None:
    before = content(copied)
    settings = copied / "longplay.toml"
    settings.write_text(f'ledger = "{postgres.fresh()}"\n{settings.read_text()}')
    assert (rebuild(copied).ledger, rebuild(copied).ledger) == ("missing", "whole")
    check_same(before, content(copied))
    delete(copied)
    with open_archive(copied) as archive:
        assert verifying.verify(archive, progress=quiet).sound
    assert rebuild(copied, again=True).lost == ()
    with open_archive(copied) as archive:
        assert verifying.verify(archive, progress=quiet).sound


def test_an_older_ledger_sweeps_nothing_that_it_does_not_know(copied: Path, past: Path) -> None:
    with (
        closing(sqlite3.connect(copied / "ledger.sqlite3")) as ledger,
        closing(sqlite3.connect(copied / "yesterday")) as backup,
    ):
        ledger.backup(backup)
    later = song(past / "music" / "later.flac", "flac", pitch=991, title="Later")
    keeping.keep(past / "music", copied, workers=1, progress=quiet)
    later.unlink()  # the other tests have this music, too
    before = content(copied)
    files = {path.name for path in (copied / "evidence").iterdir()}
    delete(copied)
    (copied / "yesterday").rename(copied / "ledger.sqlite3")
    with open_archive(copied) as archive:
        sweep(archive.places)
    assert {path.name for path in (copied / "evidence").iterdir()} == files
    assert rebuild(copied).ledger == "behind"
    check_same(before, content(copied))


def test_what_rotted_and_was_left_out_stays_until_it_is_brought_back(copied: Path) -> None:
    rotten = next(copied.glob("evidence/events*"))
    rotten.write_bytes(b"rotten")
    (copied / "evidence" / f"events-{'0' * 32}.parquet.7.tmp").write_bytes(b"half")
    delete(copied)
    rebuild(copied)
    with open_archive(copied) as archive:
        assert sweep(archive.places) >= 1
    assert rotten.read_bytes() == b"rotten"
    assert not list(copied.glob("evidence/*.tmp"))
