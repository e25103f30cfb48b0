"""Captures of thirty small files from a source that a test makes."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from longplay.archive import Archive
from longplay.capture.batch import Carried
from longplay.capture.due import Item
from longplay.capture.fetching import Listed
from longplay.capture.pipeline import Job
from longplay.ledger import tables
from longplay.model import Action, Kind
from longplay.settings import Politeness, Source
from longplay.workflows.verifying import verify

NAMES = [f"{number:03}.txt".encode() for number in range(30)]


def job(archive: Archive, names: list[bytes], listed: Listed | None = None, **more: object) -> Job:
    carried = Carried("web", None, None, ())
    items = [
        Item(at, name, Action.ORIGINAL, 0, carried, listed or Listed(), Kind.TEXT)
        for at, name in enumerate(names)
    ]
    source = Source(name="web", kind="http", location="x", rights="y", politeness=Politeness())
    settings = archive.settings.model_copy(update={"sources": (source,)})
    fresh = Job(
        plan="p",
        total=len(items),
        load=lambda ordinals: [items[ordinal] for ordinal in ordinals],
        folders={},
        settings=settings,
        workers=2,
    )
    return replace(fresh, **more)  # type: ignore[arg-type]


def held(archive: Archive) -> set[bytes]:
    with archive.ledger.read() as connection:
        return set(connection.scalars(sa.select(tables.holdings.c.path)))


def reasons(archive: Archive) -> dict[bytes, str]:
    with archive.ledger.read() as connection:
        q = tables.quarantine.c
        return {row.path: row.reason for row in connection.execute(sa.select(q.path, q.reason))}


def is_clean(archive: Archive) -> bool:
    spool = [path.name for path in archive.store.spool.iterdir()]
    return spool == [] and verify(archive, progress=lambda *_: None).sound
