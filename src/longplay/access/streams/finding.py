"""Which object carries what is asked for, and where in it: the first that the gate lets go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.access.context import Context, Leave
from longplay.access.library.things import Track
from longplay.access.people.listeners import Listener
from longplay.catalogue import ids
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError
from longplay.ledger import queries, tables
from longplay.rights.gate import Refusal
from longplay.rights.statements import Act
from longplay.workflows import shares

MOST = 100
"""Objects of one recording that are looked at."""


_EVERYBODY = Listener(None, "", "member")
"""Who sees all that is held: what may be heard of it is for the gate to say."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """An object, and from where to where in it (ms) the recording goes; None: to its end. `track`
    is the track's id, `duration_ms` how long it plays, `kbit` its bit rate: empty and 0 where that
    is not known."""

    root: bytes
    start_ms: int = 0
    end_ms: int | None = None
    track: str = ""
    duration_ms: int = 0
    kbit: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What may be sent, with leave for it."""

    leave: Leave
    stretch: Stretch


def find(here: Context, identity: str, act: Act, *, signed_in: bool) -> Found | Refusal | None:
    """What carries the track or recording with this id, or why it may not be had; None where
    nothing does."""
    refusal: Refusal | None = None
    for stretch in _stretches(here, identity):
        leave = here.leave(stretch.root, act, signed_in=signed_in)
        if leave is None:
            continue
        if not isinstance(leave.answer, Refusal):
            return Found(leave, stretch)
        refusal = refusal or leave.answer
    return refusal


def _stretches(here: Context, identity: str) -> list[Stretch]:
    try:
        prefix, key = ids.parse(identity)
    except InputError:
        return []
    if prefix == "tr":
        track = here.library(_EVERYBODY).track(identity)
        if track is not None:
            return [_of(track)]
        key = int(ids.minted(np.array([key], np.uint64))[0])
    elif prefix == "rec":
        tracks = here.library(_EVERYBODY).recording(identity)
        if tracks:
            return [_of(track) for track in tracks]
    else:
        return []
    snapshot = open_current(here.archive.catalogue)
    now = shares.current(snapshot, np.array([key], np.uint64))
    with here.archive.ledger.read() as connection:
        return _of_recordings(connection, shares.formerly(snapshot, now).tolist())


def _of(track: Track) -> Stretch:
    return Stretch(
        track.root,
        track.start_ms,
        track.end_ms,
        track.id,
        track.duration_ms,
        track.bit_rate or 0,
    )


def _of_recordings(connection: Connection, recordings: list[int]) -> list[Stretch]:
    """What carries a recording under any id that it had, preservation copies first."""
    m = tables.manifestations.c
    rows = connection.execute(
        sa.select(m.root, m.start_ms, m.end_ms)
        .where(m.recording.in_(recordings[: queries.QUERY_VALUES]))
        .order_by(queries.rank_of(m.role), m.root, m.start_ms)
        .limit(MOST)
    )
    return [Stretch(root, start, end) for root, start, end in rows]
