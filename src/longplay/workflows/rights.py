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
from longplay.rights import gate, reading
from longplay.rights.gate import Refusal, Shareable
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
        rows = connection.execute(
            "SELECT subject, text, field, place FROM rights WHERE source = ? ORDER BY ALL", [source]
        ).fetchall()
    found = (
        reading.statement(
            subject,
            text,
            place=place,
            field=field,
            when=when,
            licence=field not in COPYRIGHT_FIELDS,
        )
        for subject, text, field, place in rows
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
    """For each object the statements of its tracks, albums and sources, narrowest subject first,
    and whether it is a copy in another encoding than its source's."""
    with archive.ledger.read() as connection:
        subjects = _by_subject(queries.statements(connection))
        held = list(queries.provenance(connection))
    chains: dict[bytes, tuple[tuple[Statement, ...], bool]] = {}
    memory: dict[tuple[str, ...], tuple[Statement, ...]] = {}
    for root, source, track, album, action in held:
        names = tuple(name for name in _subjects(root, source, track, album) if name in subjects)
        if names not in memory:
            memory[names] = tuple(one for name in names for one in subjects[name])
        statements, derivative = chains.get(root, ((), False))
        if memory[names] != statements:
            statements = tuple(dict.fromkeys((*statements, *memory[names])))
        chains[root] = (statements, derivative or action == Action.OPUS)
    return chains


def _subjects(root: bytes, source: str, track: int | None, album: int | None) -> Iterator[str]:
    yield f"obj{root.hex()}"
    if track is not None:
        yield ids.text("tr", track)
    if album is not None:
        yield ids.text("al", album)
    yield f"source:{source}"


def _by_subject(rows: Iterator[Statement]) -> Subjects:
    found: dict[str, list[Statement]] = defaultdict(list)
    for statement in rows:
        found[statement.subject].append(statement)
    return {subject: tuple(statements) for subject, statements in found.items()}
