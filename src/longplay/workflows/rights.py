"""Rights around the parts: from settings and tags into the ledger, from there to the gate."""

from __future__ import annotations

from collections import defaultdict
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
from longplay.workflows import withdrawing
from longplay.workflows.withdrawing import Standing

SETTINGS = "settings"
"""Origin of the statements that the settings make about sources."""

COPYRIGHT_FIELDS = ("copyright", "phonographic")
"""Fields whose lines mostly state nothing of use; every other is meant for licences."""


def record_sources(archive: Archive) -> None:
    """Write what the settings say of each source into the ledger."""
    statements = [
        Statement(
            f"source:{source.name}", source.rights, source.evidence or "the archive's settings"
        )
        for source in archive.settings.sources
    ]
    with archive.ledger.read() as connection:
        if record.states(connection, SETTINGS, statements):
            return
    with archive.ledger.write() as connection:
        record.replace_statements(connection, SETTINGS, statements)


def catch_up(archive: Archive) -> None:
    """Write what settings and layers say of rights, where an import was cut short before it could.

    Whoever judges or plans calls this first: a file must not pass by its source's right alone
    because what its tags say was not written down yet.
    """
    record_sources(archive)
    snapshot = open_current(archive.catalogue)
    with archive.ledger.read() as connection:
        recorded = record.recorded_layers(connection)
    for source, layer in snapshot.manifest.layers.items():
        stated = layer.tables.get("rights")  # a curator's layer says nothing of rights
        if stated and recorded.get(source) != stated[0].file:
            record_layer(archive, source)


def record_layer(archive: Archive, source: str) -> None:
    """Write what the layer of `source` says of rights into the ledger."""
    when = clock.timestamp()
    snapshot = open_current(archive.catalogue)
    with snapshot.connect("rights") as connection:
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
        layer = snapshot.manifest.layers[source]
        record.note_layer(connection, source, layer.tables["rights"][0].file)


def judge_release(
    archive: Archive,
    held: pa.Table,
    at: datetime,
    position: int,
    standing: Standing | None = None,
) -> list[Shareable | Refusal]:
    """The gate's answer for each row of `held` (columns `root`, `size`): may it be released?

    `standing` is what is withdrawn, where the caller has asked already."""
    chains = _chains(archive)
    nothing: tuple[tuple[Statement, ...], bool] = ((), False)
    keys = zip(held["root"].to_pylist(), held["size"].to_pylist(), strict=True)
    asked = [(ObjectKey(root, size), *chains.get(root, nothing)) for root, size in keys]
    roots = (standing or withdrawing.standing(archive)).roots
    withdrawn = {key for key, _, _ in asked if key.root in roots} if roots else set()
    return list(
        gate.decide_many(asked, Act.RELEASE, at, withdrawn=withdrawn, log_position=position)
    )


def _chains(archive: Archive) -> dict[bytes, tuple[tuple[Statement, ...], bool]]:
    """For each object the statements in force, by all the files that led to it, and whether it is
    a copy in another encoding than its source's."""
    with archive.ledger.read() as connection:
        said = _by_level(queries.statements(connection))
        chains: dict[bytes, tuple[tuple[Statement, ...], bool]] = {}
        sources, albums, tracks, files = said
        memory: dict[tuple[int, ...], tuple[Statement, ...]] = {}
        for root, source, track, album, action in queries.provenance(connection):
            found = (
                sources.get(source, NOTHING),
                albums.get(album, NOTHING),
                tracks.get(track, NOTHING),
                files.get(root, NOTHING),
            )
            # `said` holds these tuples, so their ids stand for them, and cost no hashing.
            same = (id(found[0]), id(found[1]), id(found[2]), id(found[3]))
            if same not in memory:
                levels = zip(inheritance.LEVELS, found, strict=True)
                memory[same] = inheritance.resolve([Level(*level) for level in levels])
            statements, derivative = memory[same], action == Action.OPUS
            before = chains.get(root)
            if before is not None:
                statements = inheritance.together([before[0], statements])
                derivative = derivative or before[1]
            chains[root] = (statements, derivative)
    return chains


NOTHING: tuple[Statement, ...] = ()
ByKey = dict[object, tuple[Statement, ...]]


def _by_level(found: Iterator[Statement]) -> tuple[ByKey, ByKey, ByKey, ByKey]:
    """Statements by what they are about: a source's name, an album's or a track's key, a root."""
    levels: dict[str, dict[object, list[Statement]]] = {
        level: defaultdict(list) for level in inheritance.LEVELS
    }
    for one in found:
        kind, _, name = one.subject.partition(":")
        if kind == "source":
            levels["source"][name].append(one)
        elif one.subject.startswith("obj"):
            levels["file"][bytes.fromhex(one.subject[3:])].append(one)
        else:
            prefix, key = ids.parse(one.subject)
            levels["album" if prefix == "al" else "track"][key].append(one)
    source, album, track, file = (
        {key: tuple(statements) for key, statements in levels[level].items()}
        for level in inheritance.LEVELS
    )
    return source, album, track, file
