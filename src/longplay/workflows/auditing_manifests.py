"""`audit --manifest-only`: a corpus that is known as a table alone, matched by what it says.

A table (CSV, TSV, JSON lines, Parquet) with any of the columns isrc, title, artists, sha256 and url
is matched with the catalogue by ISRC, and by title with artists; with what is held by SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from longplay import clock
from longplay.archive import Archive
from longplay.catalogue import describe, ids
from longplay.catalogue.database import identifier, opened, path_literal
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.errors import InputError
from longplay.identify import report
from longplay.ledger import queries, tables
from longplay.workflows import judging, shares, withdrawing

COLUMNS = {
    "isrc": ("isrc", "isrcs"),
    "title": ("title", "track_name", "track", "name"),
    "artists": ("artists", "artist", "artist_name", "track_artist", "performer"),
    "sha256": ("sha256", "sha_256", "hash"),
    "url": ("url", "uri", "link", "path", "file", "id"),
}
"""What a column may be called; the first that is there counts."""

READERS = {
    ".csv": "read_csv({0}, all_varchar=true)",
    ".tsv": "read_csv({0}, all_varchar=true, delim='\\t')",
    ".jsonl": "read_json({0}, format='newline_delimited')",
    ".ndjson": "read_json({0}, format='newline_delimited')",
    ".parquet": "read_parquet({0})",
}

CONFIDENCE = {"sha256": 1.0, "isrc": 0.95, "title and artists": 0.7}
"""How far a row is believed: equal bytes, a code that some misuse, names that others have."""

_BY_ISRC = """
SELECT a.row, m.recording, 'isrc' AS how
FROM asked a JOIN (SELECT track, unnest(isrcs) AS isrc FROM tracks) t
    ON t.isrc = upper(replace(replace(a.isrc, '-', ''), ' ', ''))
    JOIN members m USING (track)
"""

_BY_NAMES = """
SELECT a.row, m.recording, 'title and artists' AS how
FROM (SELECT row, plain_name(title) AS title,
        list_transform(regexp_split_to_array(artists, '\\s*[;,&]\\s*'), lambda n: plain_name(n))
        AS names FROM asked WHERE title IS NOT NULL AND artists IS NOT NULL) a
    JOIN (SELECT track, plain_name(title) AS title FROM tracks) t
    ON a.title = t.title AND a.title <> ''
    JOIN track_credits c USING (track) JOIN members m USING (track)
WHERE list_has_any(list_transform(c.names, lambda n: plain_name(n)), a.names)
"""


def audit(archive: Archive, table: Path) -> dict[str, Any]:
    """What of a table's rows the archive or its catalogue knows, as `audit --json` prints it.
    Raises InputError for what is no such table."""
    asked = _read(table)
    snapshot = open_current(archive.catalogue)
    found = [*_by_catalogue(snapshot, asked), *_by_hash(archive, asked)]
    matches = _matches(archive, snapshot, asked.to_pylist(), found)
    document: dict[str, Any] = {
        "corpus": str(table.absolute()),
        "files": asked.num_rows,
        "hours": 0.0,
        "matched_files": len({one["row"] for one in matches}),
        "matched_hours": 0.0,
        "matches": matches,
        "unreadable": [],
        "ignored": 0,
        "resumed": 0,
        "statement": {
            "method": "identifiers and names",
            "index": f"catalogue snapshot {snapshot.number}",
            "confidence_of": CONFIDENCE,
            "self_test": None,
            "time": clock.timestamp(),
        },
    }
    document["public_summary"] = report.public_summary(document)
    return document


def _read(table: Path) -> pa.Table:
    """The rows of a table as (row, isrc, title, artists, sha256, url), all of them text."""
    reader = READERS.get(table.suffix.lower())
    if reader is None or not table.is_file():
        raise InputError(
            "is no table that is read" if table.exists() else "is not there",
            where=str(table),
            hint=f"give a file of {', '.join(READERS)}",
        )
    source = reader.format(path_literal(table))
    try:
        with opened() as connection:
            there = connection.sql(f"SELECT * FROM {source} LIMIT 0").columns
            own = _columns(there, table)
            chosen = ", ".join(
                f"CAST({identifier(own[name]) if name in own else 'NULL'} AS VARCHAR) AS {name}"
                for name in COLUMNS
            )
            query = f"SELECT row_number() OVER () AS row, {chosen} FROM {source}"
            return connection.sql(query).to_arrow_table()
    except duckdb.Error as error:
        words = str(error).splitlines()[0][:200]
        raise InputError(f"cannot be read: {words}", where=str(table)) from error


def _columns(there: Sequence[str], table: Path) -> dict[str, str]:
    """What each of COLUMNS is called in this table."""
    lower = {name.lower(): name for name in there}
    own = {
        column: next(lower[name] for name in names if name in lower)
        for column, names in COLUMNS.items()
        if any(name in lower for name in names)
    }
    if not own.keys() & {"isrc", "sha256"} and not own.keys() >= {"title", "artists"}:
        raise InputError(
            "has neither ISRCs, nor SHA-256, nor titles with artists",
            where=str(table),
            hint=f"its columns are {', '.join(there)[:200]}",
        )
    return own


def _by_catalogue(snapshot: Snapshot, asked: pa.Table) -> Iterator[tuple[int, int, str]]:
    """(row, recording, how) by names, then by ISRC: what comes later is the better reason."""
    with snapshot.connect("members", "track_credits") as connection:
        connection.register("asked", asked)
        for query in (_BY_NAMES, _BY_ISRC):
            for row, recording, how in connection.execute(query).fetchall():
                yield int(row), int(recording), str(how)
        connection.unregister("asked")


def _by_hash(archive: Archive, asked: pa.Table) -> Iterator[tuple[int, int, str]]:
    """(row, recording, how) of rows that have the SHA-256 of a stored object."""
    rows: dict[bytes, list[int]] = {}
    for row, text in zip(asked["row"].to_pylist(), asked["sha256"].to_pylist(), strict=True):
        with suppress(ValueError):
            rows.setdefault(bytes.fromhex((text or "").removeprefix("sha256:")), []).append(row)
    digests = sorted(rows.keys() - {b""})
    o = tables.objects.c
    with archive.ledger.read() as connection:
        known = {
            root: sha256
            for some in queries.in_parts(digests)
            for root, sha256 in connection.execute(
                sa.select(o.root, o.sha256).where(o.sha256.in_(some))
            )
        }
        carried = queries.carried_by(connection, sorted(known))
    for root, carries in carried.items():
        for row in rows[known[root]]:
            for recording, _, _ in carries:
                yield row, recording, "sha256"


def _matches(
    archive: Archive,
    snapshot: Snapshot,
    rows: Sequence[dict[str, Any]],
    found: Sequence[tuple[int, int, str]],
) -> list[dict[str, Any]]:
    old = np.array(sorted({recording for _, recording, _ in found}), np.uint64)
    now = dict(zip(old.tolist(), shares.current(snapshot, old).tolist(), strict=True))
    how = {(row, now[recording]): why for row, recording, why in found}
    keys = np.array(sorted(set(now.values())), np.uint64)
    shown = {one["recording"]: one for one in describe.display(snapshot, keys).to_pylist()}
    rights, roots = _held(archive, snapshot, keys)
    reserved = withdrawing.reserved(archive).recordings
    matches = []
    for (row, recording), why in sorted(how.items()):
        asked, known = rows[row - 1], shown.get(recording, {})
        matches.append(
            {
                "file": asked["url"] or asked["isrc"] or f"row {row}",
                "file_s": 0.0,
                "start_s": 0.0,
                "end_s": 0.0,
                "offset_s": 0.0,
                "speed": 1.0,
                "pitch": 1.0,
                "row": row,
                "by": why,
                "object": roots.get(recording),
                "recording": ids.text("rec", recording),
                "isrc": known.get("isrc"),
                "title": known.get("title"),
                "artists": list(known.get("artists") or ()),
                "rights": rights.get(recording, []),
                "tdm_reserved": recording in reserved,
                "rights_holders": [known["label"]] if known.get("label") else [],
                "confidence": CONFIDENCE[why],
            }
        )
    return matches


def _held(
    archive: Archive, snapshot: Snapshot, keys: shares.Keys
) -> tuple[dict[int, list[str]], dict[int, str]]:
    """Statements in force about recordings that are held, and the root of an object of each."""
    rights: dict[int, list[str]] = {}
    roots: dict[int, str] = {}
    with archive.ledger.read() as connection:
        known = shares.formerly(snapshot, keys).tolist()
        pairs = queries.objects_carrying(connection, known)
        today = shares.current(snapshot, np.array([one for one, _ in pairs], np.uint64)).tolist()
        for recording, (_, root) in zip(today, pairs, strict=True):
            stated = judging.stated(connection, root)
            if recording not in roots and stated is not None:
                roots[recording] = root.hex()
                rights[recording] = sorted({one.uri for one in stated.in_force})
    return rights, roots
