"""`rights import`: statements from a rights table, or from the deals of a DDEX message."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from longplay import clock
from longplay.archive import Archive
from longplay.capture.sources.ddex import offering, reading
from longplay.catalogue import identifiers, ids
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError, RightsError
from longplay.files import read_bounded
from longplay.ledger import record
from longplay.model import Statement
from longplay.rights import ddex, rows
from longplay.rights.statements import AGREEMENT

MAX_BYTES = 256 * 1024 * 1024
"""Of a rights table: some million rows."""

ORIGIN = "rights:"
"""What stands before a file's name as the origin of its statements: importing a file of the same
name again replaces them."""

_BY_CODE = """
SELECT name, code.track FROM asked
JOIN (SELECT track, unnest(isrcs) AS isrc FROM tracks) code ON code.isrc = asked.key
"""

_BY_RECORDING = """
SELECT name, track FROM asked JOIN members ON recording = asked.key::UBIGINT
"""


@dataclass(frozen=True, slots=True)
class Stated:
    """What an import of rights brought: statements written, subjects they are about, and what they
    name that the catalogue does not have."""

    origin: str
    statements: int
    subjects: int
    unmatched: tuple[str, ...]


def import_rights(archive: Archive, path: Path) -> Stated:
    """Write the statements of a file into the ledger, in place of those that a file of its name
    made before. Raises RightsError with the line, InputError for a file that is not there."""
    if not path.is_file():
        raise InputError(
            "is not a file", where=str(path), hint="name a .csv table or a .xml message"
        )
    read = _message if path.suffix.lower() == ".xml" else _table
    said = list(read(path, clock.timestamp()))
    subjects, unmatched = _resolved(archive, {one.subject for one in said})
    statements = {
        (subject, one.uri, one.evidence): replace(one, subject=subject)
        for one in said
        for subject in subjects[one.subject]
    }
    origin = f"{ORIGIN}{path.name}"
    with archive.ledger.write() as connection:
        record.replace_statements(connection, origin, statements.values())
    return Stated(
        origin, len(statements), len({one.subject for one in statements.values()}), unmatched
    )


def _table(path: Path, when: str) -> Iterator[Statement]:
    try:
        text = read_bounded(path, MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RightsError("is not UTF-8", where=str(path), hint="save it as UTF-8") from error
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    strange = sorted(set(reader.fieldnames or ()) - {*rows.COLUMNS, "licence"})
    if strange or "subject" not in (reader.fieldnames or ()):
        raise RightsError(
            f"has no column {strange[0]!r}" if strange else "has no column subject",
            where=str(path),
            hint=f"a rights table has {', '.join(rows.COLUMNS)}",
        )
    try:
        for row in reader:
            found = rows.read_row(
                {name: value for name, value in row.items() if isinstance(name, str)},
                f"{path.name}:{reader.line_num}",
                when,
            )
            if found is not None:
                yield found
    except csv.Error as error:
        raise RightsError(f"is no CSV: {error}", where=f"{path}:{reader.line_num}") from error


def _message(path: Path, when: str) -> Iterator[Statement]:
    message = reading.read(path, str(path))
    for release in message.main:
        for track in offering.tracks(release.ids[0], message, release):
            if not track.edition.isrc:
                continue
            deals = message.deals_for(release, track.place.resource)
            for one in ddex.permissions(deals) if deals else ():
                said = rows.evidence(f"deals in {path.name}", when, one.words)
                yield Statement(
                    track.edition.isrc, AGREEMENT, said, one.start, one.end, one.territories,
                    one.uses,
                )  # fmt: skip


def _resolved(
    archive: Archive, named: Iterable[str]
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """For each subject of a file those that statements in the ledger are about: ISRCs and
    recordings stand for their tracks."""
    found: dict[str, list[str]] = defaultdict(list)
    codes: dict[str, str] = {}
    recordings: dict[str, int] = {}
    for subject in named:
        if subject.startswith("source:") or _is_object(subject):
            found[subject] = [subject]
        elif (code := identifiers.isrc(subject)) is not None:
            codes[subject] = code
        else:
            prefix, key = ids.parse(subject)
            if prefix in ("tr", "al"):
                found[subject] = [ids.text(prefix, key)]
            elif prefix == "rec":
                recordings[subject] = key
            else:
                raise RightsError(
                    "is nothing that a statement can be about",
                    where=subject[:60],
                    hint="an ISRC, rec…, tr…, al…, obj… or source:NAME",
                )
    _look_up(archive, codes, recordings, found)
    unmatched = sorted({*codes, *recordings} - found.keys())
    return found, tuple(unmatched)


def _look_up(
    archive: Archive,
    codes: Mapping[str, str],
    recordings: Mapping[str, int],
    found: dict[str, list[str]],
) -> None:
    if not codes and not recordings:
        return
    with open_current(archive.catalogue).connect("members") as connection:
        for query, asked in ((_BY_CODE, codes), (_BY_RECORDING, recordings)):
            texts = [str(key) for key in asked.values()]
            connection.register("asked", pa.table({"name": list(asked), "key": texts}))
            if asked:
                for name, track in connection.execute(query).fetchall():
                    found[name].append(ids.text("tr", int(track)))
            connection.unregister("asked")


def _is_object(subject: str) -> bool:
    digits = subject.removeprefix("obj")
    return (
        len(digits) == 64 and subject != digits and all(one in "0123456789abcdef" for one in digits)
    )
