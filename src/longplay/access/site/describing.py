"""Which recordings a page may name. What was withdrawn is named nowhere, nor is what is kept and of
which nobody said that it may even be described."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.access.context import Context
from longplay.access.known import Known
from longplay.archive import Archive
from longplay.catalogue import ids
from longplay.ledger import claims as record
from longplay.ledger import queries, tables
from longplay.model import ObjectKey
from longplay.rights.claims import Asks
from longplay.rights.gate import Shareable
from longplay.rights.statements import Act
from longplay.workflows import judging
from longplay.workflows.judging import Originated, Stated
from longplay.workflows.withdrawing import Standing

KEPT_SECONDS = 60.0
"""How long an answer counts: a statement's last day may end meanwhile."""

MOST_KEPT = 100_000
"""Objects whose answers are kept."""


@dataclass(slots=True)
class Judged:
    """Answers of the gate by the claims of one moment: whether an object may be described. `named`
    are the recordings that claims and tombstones name."""

    standing: Standing
    until: float
    named: frozenset[int]
    objects: dict[bytes, bool] = field(default_factory=dict)


_judged: WeakKeyDictionary[Archive, Judged] = WeakKeyDictionary()


def hidden(here: Context, known: Known, recordings: Iterable[int]) -> frozenset[int]:
    """Those of the recordings (ids of today) that no page may name."""
    asked = np.unique(np.array(list(recordings), np.uint64))
    if not len(asked):
        return frozenset()
    judged = _current(here)
    before = known.formerly(asked)
    today = dict(zip(before.tolist(), known.today(before).tolist(), strict=True))
    carriers: dict[int, set[bytes]] = defaultdict(set)
    with here.archive.ledger.read() as connection:
        for recording, root in queries.objects_carrying(connection, before.tolist()):
            carriers[today[recording]].add(root)
        roots = {root for some in carriers.values() for root in some}
        fresh = sorted(roots - judged.objects.keys())
        if fresh:
            judged.objects |= _describable(connection, fresh, judged.standing)
    named = {today[key] for key in before.tolist() if key in judged.named}
    return frozenset(
        key
        for key in asked.tolist()
        if not any(judged.objects[root] for root in carriers[key])
        and (carriers[key] or key in named)
    )


def _current(here: Context) -> Judged:
    standing = here.standing()
    judged = _judged.get(here.archive)
    if (
        judged is None
        or judged.standing is not standing
        or judged.until < clock.monotonic()
        or len(judged.objects) > MOST_KEPT
    ):
        named = _named(here.archive, standing.position)
        judged = Judged(standing, clock.monotonic() + KEPT_SECONDS, named)
        _judged[here.archive] = judged
    return judged


@lru_cache(2)
def _named(archive: Archive, _position: int) -> frozenset[int]:
    """The recordings that upheld claims or tombstones name, as they were called then. It is read
    again when something was decided, not with every capture."""
    with archive.ledger.read() as connection:
        texts = set(record.upheld(connection, Asks.WITHDRAW).recordings)
        for one in record.tombstones_standing(connection):
            texts.update(one.recordings)
    return frozenset(ids.parse(text)[1] for text in texts)


def _describable(
    connection: Connection, roots: list[bytes], standing: Standing
) -> dict[bytes, bool]:
    """For each object whether it may be described; what is not held any more may not."""
    answers = dict.fromkeys(roots, False)
    now = clock.now()
    for one in stated(connection, roots):
        answer = judging.judge(one, Act.DESCRIBE, now, standing)
        answers[one.key.root] = isinstance(answer, Shareable)
    return answers


def stated(connection: Connection, roots: list[bytes]) -> list[Stated]:
    """What is stated about the held ones of some objects."""
    o = tables.objects.c
    provenance = defaultdict(list)
    for row in queries.provenances(connection, roots):
        provenance[row[0]].append(row)
    rows = connection.execute(
        sa.select(o.root, o.size, o.suffix, o.kind).where(o.root.in_(roots))
    ).all()
    origins = [
        Originated(ObjectKey(row.root, row.size), row.suffix, row.kind, provenance[row.root])
        for row in rows
    ]
    return judging.stated_of_all(connection, origins)
