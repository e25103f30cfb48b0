"""What is told of held recordings: facts that may leave, rights, access class, sets."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from longplay.archive import Archive
from longplay.catalogue import describe, ids
from longplay.catalogue.describe import Permitted
from longplay.catalogue.search import opening
from longplay.catalogue.search.candidates import Keys
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.ledger import claims, log, queries, tables
from longplay.release.tables import MEMBERS
from longplay.workflows import kept, seeding
from longplay.workflows.kept import Kept
from longplay.workflows.withdrawing import Standing

CHUNK = 50_000
"""Recordings that are described together: a page of the catalogue's tables is read for each."""

_FACTS = (
    "title", "artists", "album", "album_artists", "track_number", "isrc", "release_date",
    "duration_ms", "genres", "label", "upc",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """A recording as it stands now: its facts as canonical JSON, the sets that it is in, and the
    batch that brought the newest of its objects."""

    recording: int
    facts: str
    sets: tuple[str, ...]
    batch: int


def gather(archive: Archive, claimed: Standing) -> Iterator[Told]:
    """Every held recording that may be spoken of and has a title that may, in no order."""
    snapshot = open_current(archive.catalogue)
    permitted = describe.permitted(snapshot)
    stages = _stages(archive)
    with archive.ledger.read() as connection:
        held = queries.held_recordings(connection).to_numpy(zero_copy_only=False)
    today = sorted(set(_today(archive, held)))
    for at in range(0, len(today), CHUNK):
        yield from _chunk(archive, snapshot, permitted, claimed, stages, today[at : at + CHUNK])


def gone(archive: Archive) -> set[int]:
    """Recordings that tombstones name: they were told of before."""
    with archive.ledger.read() as connection:
        stones = claims.tombstones_standing(connection)
    return {ids.parse(name)[1] for stone in stones for name in stone.recordings}


def captured(archive: Archive) -> dict[int, str]:
    """When each batch came in."""
    e = tables.log.c
    query = sa.select(e.time, e.detail).where(e.event == "capture")
    with archive.ledger.read() as connection:
        return {queries.batch_of(row.detail): row.time for row in connection.execute(query)}


def decided(archive: Archive) -> str:
    """When something last happened that may change what is told of anything: an entry of the log
    that brought no objects, or a snapshot."""
    e = tables.log.c
    query = sa.select(sa.func.max(e.time)).where(e.event != "capture")
    with archive.ledger.read() as connection:
        entry = connection.scalar(query) or ""
    return max(entry, open_current(archive.catalogue).manifest.made)


def seen(archive: Archive, day: str) -> str:
    """What all of this depends on, as one text."""
    with archive.ledger.read() as connection:
        head = log.head(connection)
    return f"{head} {open_current(archive.catalogue).number} {day}"


def _today(archive: Archive, held: Keys) -> list[int]:
    redirects = opening.opened(open_current(archive.catalogue)).told.redirects
    found: list[int] = redirects.over(held, held).tolist() if len(held) else []
    return found


def _chunk(
    archive: Archive,
    snapshot: Snapshot,
    permitted: dict[str, frozenset[str]],
    claimed: Standing,
    stages: dict[bytes, int],
    recordings: list[int],
) -> Iterator[Told]:
    objects: dict[int, list[Kept]] = defaultdict(list)
    for one in kept.kept(archive, claimed, recordings):
        if one.described and one.key is not None:
            objects[one.recording].append(one)
    own = kept.own_tracks(archive, [one for some in objects.values() for one in some])
    keys = np.array(sorted(ids.parse(one)[1] for one in own), np.uint64)
    asked = np.array(sorted(objects), np.uint64)
    shown = describe.display_permitted(snapshot, asked, Permitted(permitted, keys))
    roots = [one.key.root for some in objects.values() for one in some if one.key]
    origins = _origins(archive, roots)
    for row in shown.to_pylist():
        if not row["title"]:
            continue
        mine = objects[row["recording"]]
        facts = {name: row[name] for name in _FACTS if row[name] not in (None, [])}
        access = min((one.access for one in mine), key=_ORDER.index)
        facts["access"] = access
        facts["rights"] = list(dict.fromkeys(uri for one in mine for uri in one.uris))
        found = [origins[one.key.root] for one in mine if one.key and one.key.root in origins]
        facts["suffixes"] = sorted({suffix for _, suffix, _ in found})
        sets = {f"access:{access}"} | {f"source:{name}" for names, _, _ in found for name in names}
        numbers = {stages[one.key.root] for one in mine if one.key and one.key.root in stages}
        sets |= {name for number in numbers for name in ("stage", f"stage:{number}")}
        text = json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        batch = max((number for _, _, number in found), default=0)
        yield Told(row["recording"], text, tuple(sorted(sets)), batch)


_ORDER = ("open", "restricted", "dark")


def _origins(archive: Archive, roots: list[bytes]) -> dict[bytes, tuple[set[str], str, int]]:
    """Of each object the sources that it came from, its suffix, and its batch."""
    h, o = tables.holdings.c, tables.objects.c
    found: dict[bytes, tuple[set[str], str, int]] = {}
    with archive.ledger.read() as connection:
        for some in queries.in_parts(roots):
            query = (
                sa.select(o.root, h.source, o.suffix, o.batch)
                .join(tables.holdings, h.object == o.number)
                .where(o.root.in_(some))
            )
            for root, source, suffix, batch in connection.execute(query):
                found.setdefault(root, (set(), suffix, batch))[0].add(source)
    return found


def _stages(archive: Archive) -> dict[bytes, int]:
    """The stage in which each object was released."""
    found: dict[bytes, int] = {}
    for release in seeding.current(archive):
        try:
            members = pq.read_table(archive.releases / release.name / MEMBERS, columns=["root"])
        except (OSError, pa.ArrowException):
            continue
        roots = pc.unique(members["root"].combine_chunks()).to_pylist()
        found.update((bytes(root), release.stage) for root in roots)
    return found
