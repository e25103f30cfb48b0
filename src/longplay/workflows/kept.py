"""What the archive keeps of recordings, and of which it may speak: for pages of them at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.archive import Archive
from longplay.catalogue import ids
from longplay.catalogue.search import opening
from longplay.catalogue.snapshot import open_current
from longplay.ledger import queries, tables
from longplay.model import ObjectKey
from longplay.rights import gate
from longplay.rights.gate import AccessClass, Shareable
from longplay.rights.statements import Act
from longplay.workflows import judging
from longplay.workflows.judging import Originated
from longplay.workflows.releasable import TAGS
from longplay.workflows.withdrawing import Standing


@dataclass(frozen=True, slots=True)
class Kept:
    """One object of a recording: its key (None: its bits are gone), whether it may be spoken of,
    who may hear it, and the statements that are in force."""

    recording: int
    key: ObjectKey | None
    described: bool
    access: AccessClass
    uris: tuple[str, ...]


def formerly(archive: Archive, recordings: Iterable[int]) -> dict[int, int]:
    """These recordings by all the ids that they ever had: the ledger keeps those of its time."""
    now = sorted(set(recordings))
    redirects = opening.opened(open_current(archive.catalogue)).told.redirects
    mine = np.isin(redirects.values, np.array(now, np.uint64))
    old = dict(zip(redirects.keys[mine].tolist(), redirects.values[mine].tolist(), strict=True))
    return old | {one: one for one in now}


def kept(archive: Archive, claimed: Standing, recordings: Iterable[int]) -> list[Kept]:
    """Every object that the archive has, or had, of some recordings of today, with what the gate
    says of it now by the claims that `claimed` knows. Preservation copies come first."""
    known, at = formerly(archive, recordings), clock.now()
    with archive.ledger.read() as connection:
        carried = queries.objects_carrying(connection, sorted(known))
        roots = sorted({root for _, root in carried})
        stated = judging.stated_of_all(connection, _originated(connection, roots))
    judged: dict[bytes, tuple[ObjectKey | None, bool, AccessClass, tuple[str, ...]]] = {
        one.key.root: (
            one.key,
            isinstance(judging.judge(one, Act.DESCRIBE, at, claimed), Shareable),
            "dark" if one.key.root in claimed.roots else gate.access_class(one.in_force, at),
            tuple(dict.fromkeys(each.uri for each in one.in_force)),
        )
        for one in stated
    }
    return [Kept(known[one], *judged.get(root, _GONE)) for one, root in carried]


_GONE: tuple[None, bool, AccessClass, tuple[str, ...]] = (None, False, "dark", ())


def hidden(found: Iterable[Kept]) -> frozenset[int]:
    """The recordings of which nothing may be said: the archive has, or had, objects of them, and
    the gate lets none of these be described. Of what was never held the catalogue speaks freely."""
    told: dict[int, bool] = defaultdict(bool)
    for one in found:
        told[one.recording] |= one.described
    return frozenset(recording for recording, some in told.items() if not some)


def own_tracks(archive: Archive, found: Iterable[Kept]) -> frozenset[str]:
    """The tracks (`tr…`) whose tags are in objects that may be spoken of."""
    roots = {one.key.root for one in found if one.key is not None and one.described}
    layers = open_current(archive.catalogue).manifest.layers
    sources = [source for source, layer in layers.items() if layer.format == TAGS]
    if not sources or not roots:
        return frozenset()
    h = tables.holdings.c
    query = sa.select(h.track).where(h.source.in_(sources), h.track.is_not(None))
    with archive.ledger.read() as connection:
        return frozenset(
            ids.text("tr", track)
            for some in queries.in_parts(sorted(roots))
            for track in connection.scalars(query.where(h.root.in_(some)))
        )


def _originated(connection: Connection, roots: Sequence[bytes]) -> list[Originated]:
    """Those of some objects that are stored, with the files that led to each."""
    o = tables.objects.c
    paths: dict[bytes, list[queries.Provenance]] = defaultdict(list)
    for row in queries.provenances(connection, roots):
        paths[row[0]].append(row)
    return [
        Originated(ObjectKey(row.root, row.size), row.suffix, row.kind, paths[row.root])
        for some in queries.in_parts(roots)
        for row in connection.execute(
            sa.select(o.root, o.size, o.suffix, o.kind).where(o.root.in_(some))
        )
    ]
