"""Rights around the parts: from settings and tags into the ledger, from there to the gate."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa

from longplay import clock
from longplay.archive import Archive
from longplay.catalogue import ids
from longplay.catalogue.snapshot import open_current
from longplay.ledger import queries, record
from longplay.model import Action, ObjectKey, Statement
from longplay.rights import gate, inheritance, rows
from longplay.rights.gate import Refusal, Shareable
from longplay.rights.inheritance import Level
from longplay.rights.statements import Act

SETTINGS = "settings"
"""Origin of the statements that the settings make about sources."""

COPYRIGHT_FIELDS = ("copyright", "phonographic")
"""Fields whose lines mostly state nothing of use; every other is meant for licences."""

Subjects = dict[str, tuple[Statement, ...]]


def record_sources(archive: Archive) -> None:
    """Write what the settings say of each source into the ledger."""
    statements = [
        Statement(
            f"source:{source.name}", source.rights, source.evidence or "the archive's settings"
        )
        for source in archive.settings.sources
    ]
    with archive.ledger.write() as connection:
        record.replace_statements(connection, SETTINGS, statements)


def record_layer(archive: Archive, source: str) -> None:
    """Write what the layer of `source` says of rights into the ledger."""
    when = clock.timestamp()
    with open_current(archive.catalogue).connect() as connection:
        texts = connection.execute(
            "SELECT subject, text, field, place FROM rights WHERE source = ? ORDER BY ALL", [source]
        ).fetchall()
    found = (
        rows.statement(
            subject,
            text,
            place=place,
            field=field,
            when=when,
            licence=field not in COPYRIGHT_FIELDS,
        )
        for subject, text, field, place in texts
    )
    statements = [statement for statement in found if statement is not None]
    with archive.ledger.write() as connection:
        record.replace_statements(connection, f"catalogue:{source}", statements)


def judge_release(
    archive: Archive, held: pa.Table, at: datetime, position: int
) -> list[Shareable | Refusal]:
    """The gate's answer for each row of `held` (columns `root`, `size`): may it be released?"""
    chains = _chains(archive)
    nothing: tuple[tuple[Statement, ...], bool] = ((), False)
    verdicts = []
    for root, size in zip(held["root"].to_pylist(), held["size"].to_pylist(), strict=True):
        statements, derivative = chains.get(root, nothing)
        verdicts.append(
            gate.decide(
                statements,
                Act.RELEASE,
                at,
                subject=ObjectKey(root, size),
                derivative=derivative,
                log_position=position,
            )
        )
    return verdicts


def count_by_access_class(archive: Archive) -> dict[str, int]:
    """How many objects anybody may listen to, signed-in users may, or nobody."""
    now = clock.now()
    classes = Counter(
        gate.access_class(statements, now) for statements, _ in _chains(archive).values()
    )
    return {name: classes[name] for name in ("open", "restricted", "dark")}


def _chains(archive: Archive) -> dict[bytes, tuple[tuple[Statement, ...], bool]]:
    """For each object the statements in force, by all the files that led to it, and whether it is
    a copy in another encoding than its source's."""
    with archive.ledger.read() as connection:
        subjects = _by_subject(queries.statements(connection))
        held = list(queries.provenance(connection))
    files: dict[bytes, list[tuple[Statement, ...]]] = defaultdict(list)
    derivatives = set()
    memory: dict[tuple[str, ...], tuple[Statement, ...]] = {}
    for root, source, track, album, action in held:
        names = _subjects(root, source, track, album)
        if names not in memory:
            levels = [
                Level(level, subjects[name])
                for level, name in zip(inheritance.LEVELS, names, strict=True)
                if name in subjects
            ]
            memory[names] = inheritance.resolve(levels)
        files[root].append(memory[names])
        if action == Action.OPUS:
            derivatives.add(root)
    return {
        root: (inheritance.together(found) if len(found) > 1 else found[0], root in derivatives)
        for root, found in files.items()
    }


def _subjects(root: bytes, source: str, track: int | None, album: int | None) -> tuple[str, ...]:
    """What may have been stated about, from the source to the file itself."""
    return (
        f"source:{source}",
        "" if album is None else ids.text("al", album),
        "" if track is None else ids.text("tr", track),
        f"obj{root.hex()}",
    )


def _by_subject(found: Iterator[Statement]) -> Subjects:
    subjects: dict[str, list[Statement]] = defaultdict(list)
    for statement in found:
        subjects[statement.subject].append(statement)
    return {subject: tuple(statements) for subject, statements in subjects.items()}
