"""The ledger at tens of millions of objects: its size, captures into it, `status`, what to verify.

    python benchmarks/ledger.py [--objects N] [--batches N] [--folder DIR] [--postgresql URL]

It fills a ledger with N synthetic objects: each has a path of some 60 bytes and a recording, and
twelve are an album and lie in one folder; roots, recordings, albums and hashes are random numbers,
as they are in real ones. Each 64 have an entry in the log. There are ten sources with a rights
statement each, and one album in ten has one of its own; one file in a hundred more is in
quarantine, and the plan lists one in ten more that is due. Rows are made in bulk by the database,
each table in its own order: that is the smallest size that it can have. Then:

* bytes per object, by table (SQLite: `dbstat`; PostgreSQL: `pg_total_relation_size`);
* batches of 64 files through `ledger.batches.add` and `append`, each a transaction, as a capture
  commits them, the files of as many albums in random order: into this ledger, and into an empty
  one beside it; and the bytes that an object takes in the latter;
* `status`, in the process and as a command, when nothing has changed and after those batches;
* the choice of what `verify --due` and `verify --sample` read next.

Only the filling is not how rows get there. It prints one JSON document. 20 million take 7 GB.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from longplay import clock
from longplay.archive import Archive, create, open_archive, set_ledger
from longplay.catalogue.snapshot import open_current
from longplay.ledger import batches, copies, database, naming, queries, tables, tally
from longplay.ledger.batches import Batch, File
from longplay.ledger.database import Ledger
from longplay.model import Action, ObjectKey, Role
from longplay.planning import table as plans
from longplay.vault import rounds
from longplay.workflows import listened, planning
from longplay.workflows import status as statuses
from longplay.workflows.shares import Listening

BY = "https://creativecommons.org/licenses/by/4.0/"
FILES = 64
ALBUM = 12
SOURCES = 10
CHUNK = 500_000
BEGAN_MS, SPREAD_MS = 1_767_225_600_000, 270 * 86_400_000
"""When the first batch was captured, and how long all took: nine months from January 2026 on."""
PLAN, PLACE = "00000000ledgerbm", "source-0"
REPEATS = 5


def main() -> None:
    options = _options()
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"objects": options.objects}
    place = folder / "archive"
    if not options.keep:
        shutil.rmtree(place, ignore_errors=True)
        started = time.perf_counter()
        _make(place, options.postgresql)
        _fill(place, options.objects)
        found["filled_in_s"] = round(time.perf_counter() - started, 1)
    with open_archive(place) as archive:
        found["bytes_per_object"] = _sizes(archive.ledger, place, options.objects)
        found["status_first"] = _timed(lambda: statuses.status(archive))
        found["status"] = _best(lambda: statuses.status(archive))
        found["capture"] = _captures(archive.ledger, options.batches, options.objects)
        found["status_after_captures"] = _timed(lambda: statuses.status(archive))
        found["status_command"] = _best(lambda: _command(place))
        found["verify_choice"] = _choices(archive)
    if not options.postgresql:
        found["empty_ledger"] = _empty(folder / "empty", options.batches)
    found["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(found, indent=1))


def _options() -> argparse.Namespace:
    form = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--objects", type=int, default=20_000_000)
    parser.add_argument("--batches", type=int, default=300)
    parser.add_argument("--folder", default="ledger-benchmark")
    parser.add_argument("--postgresql", default="", help="the address of an empty database")
    parser.add_argument("--keep", action="store_true", help="use the ledger that is there")
    return parser.parse_args()


def _make(place: Path, postgresql: str) -> None:
    """An archive whose ledger has no rows."""
    create(place, secrets=place.parent / "keys").ledger.close()
    if postgresql:
        set_ledger(place, postgresql)
        database.create(postgresql, place).close()


def _factor(total: int) -> int:
    """What takes recordings to their objects: anywhere in the order of capture, and each once."""
    return next(f for f in range(int(total * 0.618) | 1, 2 * total) if math.gcd(f, total) == 1)


def _path(number: int) -> bytes:
    """Some 60 bytes; in order as the numbers are."""
    album, place = divmod(number, ALBUM)
    artist = album // 8
    words = f"artist {artist:07} name/album {album:08} title/{place:02} a track's name.flac"
    return words.encode()


# Every number, hash and root is random; numbers of albums and batches are spread over 63 bits.
# Columns hold what `ledger/columns.py` says.
_OBJECT = """INSERT INTO object (number, size, batch, checked, kind, verdict, piece_length, access,
    suffix, root, sha256)
SELECT n + 1, {size}, (n / {FILES} + 1) * {batch_step}, {BEGAN_MS} + n / {FILES} * {time_step},
    0, 0, 18, 0, '.flac', {root}, {digest} FROM {series}"""

_FOLDER = """INSERT INTO folder (number, place, source, path)
SELECT n / {ALBUM} + 1, {place}, n * {SOURCES} / {total} + 1, {folder} FROM {series}
    WHERE n % {ALBUM} = 0"""

_HOLDING = """INSERT INTO holding (object, place, source_size, mtime_ns, track, album, folder, mode,
    action, superseded, name)
SELECT n + 1, {place}, {size}, 1700000000000000000 + n, {track}, n / {ALBUM} * {album_step},
    n / {ALBUM} + 1, 420, 0, 0, {name} FROM {series}"""

_MANIFESTATION = """INSERT INTO manifestation (recording, object, start_ms, role)
SELECT (n - {total} / 2) * {recording_step}, (n * {factor}) % {total} + 1, 0, 0
    FROM {series}"""

_LOG = """INSERT INTO log (number, time, event, subject, detail, evidence_root, previous, hash)
SELECT n / {FILES} + 100, '2026-06-01T00:00:00.000Z', 'capture', '{PLAN}',
    '{{"batch": 3559594761161985581, "bytes": 331201234, "evidence": {{"events": "{hex}",'
    || ' "holdings": "{hex}", "sounds": "{hex}"}}, "files": 64, "objects": 64, "quarantined": 0}}',
    {root}, {digest}, {root} FROM {series} WHERE n % {FILES} = 0"""

_SQLITE = {
    "series": "s",
    "root": "randomblob(32)",
    "digest": "randomblob(32)",
    "place": "random()",
    "track": "random()",
    "folder": "CAST(printf('artist %07d name/album %08d title/', n / 96, n / 12) AS BLOB)",
    "name": "CAST(printf('%02d a track''s name.flac', n % 12) AS BLOB)",
}

_POSTGRESQL = {
    "series": "generate_series({first}::bigint, {last}::bigint - 1) AS s (n)",
    "root": "sha256(int8send(n))",
    "digest": "sha256(int8send(-n - 1))",
    "place": "hashint8extended(n, 1)",
    "track": "hashint8extended(n, 2)",
    "folder": "convert_to(format('artist %s name/album %s title/',"
    " lpad((n / 96)::text, 7, '0'), lpad((n / 12)::text, 8, '0')), 'UTF8')",
    "name": "convert_to(format('%s a track''s name.flac', lpad((n % 12)::text, 2, '0')), 'UTF8')",
}


def _bulk(ledger: Ledger, total: int) -> None:
    """Objects, holdings and recordings, made by the database itself, each in the order of its
    table."""
    facts: dict[str, Any] = {
        "FILES": FILES, "ALBUM": ALBUM, "SOURCES": SOURCES, "BEGAN_MS": BEGAN_MS, "total": total,
        "size": "2000000 + (n * 7919) % 7000000", "batch_step": 2**63 // (total // FILES + 2),
        "time_step": SPREAD_MS // (total // FILES + 1), "album_step": _album_step(total),
        "recording_step": 2**64 // total, "factor": _factor(total), "PLAN": PLAN, "hex": "0a" * 32,
    }  # fmt: skip
    texts = {"object": _OBJECT, "folder": _FOLDER, "holding": _HOLDING,
             "manifestation": _MANIFESTATION, "log": _LOG}  # fmt: skip
    for name, text in texts.items():
        started = time.perf_counter()
        for first in range(0, total, CHUNK):
            last = min(first + CHUNK, total)
            own = _SQLITE if ledger.is_sqlite else _POSTGRESQL
            own = {key: one.format(first=first, last=last) for key, one in own.items()}
            sql = text.format(**facts, **own)
            if ledger.is_sqlite:
                series = f"SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n + 1 < {last}"
                sql = f"WITH RECURSIVE s(n) AS ({series}) {sql}"
            with ledger.write() as connection:
                connection.connection.cursor().execute(sql)
        print(f"{name} filled in {time.perf_counter() - started:.0f} s", file=sys.stderr)


def _album_step(total: int) -> int:
    return 2**63 // (total // ALBUM + 2)


def _source_rows(_: int) -> Iterator[list[tuple[Any, ...]]]:
    yield [(number + 1, f"source-{number}") for number in range(SOURCES)]


def _recordings(rows: NDArray[np.uint64], total: int) -> NDArray[np.uint64]:
    """The recordings of files; in the order of signed numbers."""
    return (rows - np.uint64(total // 2)) * np.uint64(2**64 // total)


def _statement_rows(total: int) -> Iterator[list[tuple[Any, ...]]]:
    nothing = ("", "", "", "")
    said = [
        (f"source:source-{n}", BY, "the settings", *nothing, "settings") for n in range(SOURCES)
    ]
    albums = [n * _album_step(total) for n in range(0, total // ALBUM, 10)]
    words = "LICENSE in a file; read 2026-11-28; sha256:" + "0" * 64
    said += [(f"al{number:016x}", BY, words, *nothing, "catalogue:all") for number in albums]
    yield sorted(said)


def _quarantine_rows(total: int) -> Iterator[list[tuple[Any, ...]]]:
    reason = "it is damaged: frame 17 of 4,012 has a wrong CRC"
    yield [
        (f"source-{n % SOURCES}", b"broken/" + _path(n), reason, None, 100, 5, 0o644, "2026", None)
        for n in range(total // 100)
    ]


ROWS: dict[str, Callable[[int], Iterator[list[tuple[Any, ...]]]]] = {
    "source": _source_rows,
    "rights_statement": _statement_rows,
    "quarantine": _quarantine_rows,
}


FILLED = (*ROWS, "object", "folder", "holding", "manifestation")


def _fill(place: Path, total: int) -> None:
    """Fill the tables, then make their indexes; at last the totals, the plan and the listens."""
    with open_archive(place) as archive:
        ledger = archive.ledger
        others = "object_root" if ledger.is_sqlite else "object_by_root"
        every = [index for name in FILLED for index in tables.metadata.tables[name].indexes]
        indexes = [index for index in every if index.name != others]
        with ledger.write() as connection:
            for index in indexes:
                index.drop(connection)
        for name, make in ROWS.items():
            _insert(ledger, place, name, make(total))
        _bulk(ledger, total)
        with ledger.write() as connection:
            naming.go_on(connection)
        for index in indexes:
            with ledger.write() as connection:
                index.create(connection)
            print(f"{index.name} made", file=sys.stderr)
        with ledger.write() as connection:
            tally.recount(connection)
            tally.put(connection, tally.JUDGED, 0)
            tally.put(connection, tally.JUDGED_DAY, clock.now().toordinal())
            if not ledger.is_sqlite:
                connection.exec_driver_sql("ANALYZE")
        _plan(archive, total)
        _listens(archive, total)


def _insert(ledger: Ledger, place: Path, name: str, rows: Iterator[list[tuple[Any, ...]]]) -> None:
    names = ", ".join(f'"{column.name}"' for column in tables.metadata.tables[name].c)
    started = time.perf_counter()
    if ledger.is_sqlite:
        with closing(sqlite3.connect(place / "ledger.sqlite3", isolation_level=None)) as raw:
            raw.execute("PRAGMA synchronous = OFF")
            marks = ", ".join("?" * len(tables.metadata.tables[name].c))
            for some in rows:
                raw.execute("BEGIN")
                raw.executemany(f"INSERT INTO {name} ({names}) VALUES ({marks})", some)
                raw.execute("COMMIT")
    else:
        for some in rows:
            with ledger.write() as connection:
                cursor: Any = connection.connection.cursor()
                with cursor, cursor.copy(f"COPY {name} ({names}) FROM STDIN") as out:
                    for row in some:
                        out.write_row(row)
    print(f"{name} filled in {time.perf_counter() - started:.0f} s", file=sys.stderr)


def _plan(archive: Archive, total: int) -> None:
    """The plan that all of it came from, and its row in the ledger. What is due is known, as it is
    after the first `status` with a plan."""
    due = total // 10
    schema = plans.SCHEMA
    document = {
        "version": 1, "id": PLAN, "snapshot": "000000", "budget": None, "entries": total + due,
        "recordings": total + due, "bytes": 0, "original": 0, "opus": 0, "skipped": 0,
        "share_of_listens": 1.0, "quality_weighted_share": 1.0, "bound": 1.0, "gap": 0.0,
        "others": 0, "total_listens": float(total + due),
        "figures": {"frontier": [], "bands": []},
    }  # fmt: skip
    meta = {b"longplay.plan": json.dumps(document).encode()}
    path = planning.plan_path(archive, PLAN)
    with pq.ParquetWriter(path, schema.with_metadata(meta), compression="zstd") as out:
        for first in range(0, total + due, plans.SLICE):
            rows = np.arange(first, min(first + plans.SLICE, total + due))
            columns = {"ordinal": rows, "listens": np.float32(1e6) / (rows + 1).astype(np.float32)}
            arrays = [
                pa.array(columns[field.name]).cast(field.type)
                if field.name in columns
                else pa.nulls(len(rows), field.type)
                for field in schema
            ]
            out.write_table(pa.table(arrays, schema=schema), row_group_size=plans.ROW_GROUP)
    named = {"plan": PLAN, "entries": total + due, "bytes": 0}
    with archive.ledger.write() as connection:
        connection.execute(
            tables.plans.insert().values(
                id=PLAN, number=1, time=clock.timestamp(), document=json.dumps(named)
            )
        )
        tally.put(connection, tally.DUE + PLAN, 0)
        tally.put(connection, tally.DUE_FROM + PLAN, due)


def _listens(archive: Archive, total: int) -> None:
    """Listens at hand, as they are after the first `status` with a snapshot."""
    rows = np.arange(total, dtype=np.uint64)
    recordings = np.sort(_recordings(rows, total))
    heard = Listening(recordings, np.ones(total, np.float32), True)
    key = listened.key(archive, open_current(archive.catalogue))
    listened.write(archive, key, heard)
    with archive.ledger.write() as connection:
        tally.put(connection, tally.LISTENS + key, float(total))
        tally.put(connection, tally.ALL_LISTENS + key, float(2 * total))


def _sizes(ledger: Ledger, place: Path, total: int) -> dict[str, float]:
    """Bytes per object, in all and by table and index."""
    if ledger.is_sqlite:
        file = place / "ledger.sqlite3"
        with closing(sqlite3.connect(file)) as raw:
            query = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 10"
            parts = raw.execute(query).fetchall()
        size = file.stat().st_size
    else:
        query = "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relkind IN ('r', 'i')"
        with ledger.read() as connection:
            parts = [
                tuple(r) for r in connection.exec_driver_sql(f"{query} ORDER BY 2 DESC LIMIT 12")
            ]
            whole = "SELECT pg_database_size(current_database())"
            size = connection.exec_driver_sql(whole).scalar() or 0
    return {"all": round(size / total, 1), **{name: round(n / total, 1) for name, n in parts}}


def _captures(ledger: Ledger, count: int, known: int) -> dict[str, float]:
    """Batches as a capture commits them: new objects, paths and recordings, in random order."""
    chance = np.random.default_rng()
    seconds, spent = [], 0.0
    files = chance.permutation(count * FILES).reshape(count, FILES) + known
    for numbers in files.tolist():
        batch = _batch(chance, numbers)
        started, before = time.perf_counter(), time.process_time()
        with ledger.write(alone=False) as connection:
            batches.add(connection, batch)
            batches.append(connection, batch, bytes(32), {"sounds": "00" * 32})
        seconds.append(time.perf_counter() - started)
        spent += time.process_time() - before
    return {
        "known": known,
        "batch_cpu_ms": round(1000 * spent / count, 2),
        "files_per_s": round(FILES * count / sum(seconds), 1),
        "batch_ms_median": round(1000 * statistics.median(seconds), 2),
        "batch_ms_95": round(1000 * sorted(seconds)[int(0.95 * count)], 2),
    }


def _batch(chance: np.random.Generator, numbers: list[int]) -> Batch:
    keys = [ObjectKey(chance.bytes(32), int(chance.integers(2**21, 2**23))) for _ in range(FILES)]
    files = []
    for key, number in zip(keys, numbers, strict=True):
        mtime, track, album, recording = (int(chance.integers(2**62)) for _ in range(4))
        path = _path(number)
        carried = ((recording, 0, None, Role.PRESERVATION.value),)
        files.append(
            File(PLACE, path, key, key.size, mtime, 0o644, Action.ORIGINAL, track, album, "audio",
                 ".flac", "whole", carried, (), None)
        )  # fmt: skip
    time_ = clock.timestamp()
    new = {key: (bytes(32), 262_144) for key in keys}
    return Batch(batches.number_of(files, new, time_), PLAN, time_, files, new)


def _choices(archive: Archive) -> dict[str, Any]:
    """What `verify --due` and `verify --sample` choose: only the choice, nothing is read."""

    def due() -> int:
        with archive.ledger.read() as connection:
            every = copies.by_age(connection, [])
            found = rounds.plan(
                (rounds.Copy(root, size, replica, _moment(when))
                 for root, size, replica, when in every),
                copies.total_bytes(connection, []) // 1000,
                now=clock.now(), last=None, period=rounds.USUAL * 365,
            )  # fmt: skip
            return len(found.copies)

    def sample() -> int:
        with archive.ledger.read() as connection:
            return len(queries.oldest_checked(connection, 10_000))

    return {
        "due": _timed(due),
        "due_objects": due(),
        "sample_of_10000": _timed(sample),
    }


def _moment(text: str | None) -> Any:
    return None if text is None else datetime.fromisoformat(text)


def _empty(place: Path, count: int) -> dict[str, Any]:
    """The same batches into a ledger that begins empty, and what its rows take."""
    shutil.rmtree(place, ignore_errors=True)
    _make(place, "")
    with open_archive(place) as archive:
        found: dict[str, Any] = _captures(archive.ledger, count, 0)
        archive.ledger.scrub()
        found["bytes_per_object"] = _sizes(archive.ledger, place, FILES * count)
    return found


def _timed(what: Callable[[], Any]) -> dict[str, float]:
    """Seconds by the clock, and of CPU, of this process and of those that it waited for."""
    started, before = time.perf_counter(), sum(os.times()[:4])
    what()
    spent = sum(os.times()[:4]) - before
    return {"s": round(time.perf_counter() - started, 4), "cpu_s": round(spent, 4)}


def _best(what: Callable[[], Any]) -> dict[str, float]:
    return min((_timed(what) for _ in range(REPEATS)), key=lambda one: one["s"])


def _command(place: Path) -> None:
    words = [sys.executable, "-m", "longplay", "status", "--json", "--archive", str(place)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))


if __name__ == "__main__":
    main()
