"""One recording: its facts as JSON, its sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access import answers, ark
from longplay.access.api import documents, models
from longplay.access.context import Context, Leave, context
from longplay.catalogue import ids
from longplay.catalogue.describe import display
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError
from longplay.ledger import queries
from longplay.rights.gate import Refusal
from longplay.rights.statements import TERMS, Act
from longplay.workflows import shares

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Found:
    """A recording that is held: its key of today, and leave to do what was asked, with the object
    that stands for it."""

    recording: int
    leave: Leave


@router.get(
    "/api/recordings/{identity}",
    tags=["held"],
    response_model=models.Recording,
    responses=documents.documented(404, 451, 500),
)
def facts(identity: str, request: Request) -> Response:
    """A recording that is held, and by which statements it may be heard."""
    here = context(request)
    found = find(here, identity, Act.DESCRIBE)
    if isinstance(found, Response):
        return found
    document = models.Recording.model_validate(document_of(here, found))
    return documents.tell(request, document, reserved=document.tdm_reserved, catalogue=True)


def find(here: Context, identity: str, act: Act) -> Found | Response:
    """The first object of a recording with which `act` is permitted, or a refusal as an answer."""
    try:
        prefix, key = ids.parse(identity)
    except InputError as error:
        return answers.refuse(404, "unknown", str(error))
    if prefix != "rec":
        return answers.refuse(404, "unknown", "recordings have ids that begin with rec")
    snapshot = open_current(here.archive.catalogue)
    now = int(shares.current(snapshot, np.array([key], np.uint64))[0])
    known = shares.formerly(snapshot, np.array([now], np.uint64)).tolist()
    with here.archive.ledger.read() as connection:
        roots = [root for _, root in queries.objects_carrying(connection, known)]
    refusal: Refusal | None = None
    for root in roots:
        leave = here.leave(root, act)
        if leave is not None and not isinstance(leave.answer, Refusal):
            return Found(now, leave)
        if leave is not None and isinstance(leave.answer, Refusal):
            refusal = refusal or leave.answer
    if refusal is not None:
        return answers.withheld(refusal)
    return answers.refuse(404, "unknown", "nothing of it is held")


def document_of(here: Context, found: Found) -> dict[str, Any]:
    """What is told of a recording."""
    snapshot = open_current(here.archive.catalogue)
    rows = display(snapshot, np.array([found.recording], np.uint64)).to_pylist()
    row = rows[0] if rows else {}
    identity = ids.text("rec", found.recording)
    streaming = here.leave(found.leave.key.root, Act.STREAM)
    may_stream = streaming is not None and not isinstance(streaming.answer, Refusal)
    uris = getattr(streaming.answer, "uris", ()) if streaming is not None else ()
    return {
        "id": identity,
        "ark": ark.of_archive(here, found.recording),
        "title": row.get("title"),
        "artists": row.get("artists") or [],
        "album": row.get("album"),
        "release_date": row.get("release_date"),
        "duration_ms": row.get("duration_ms"),
        "isrc": row.get("isrc"),
        "object": found.leave.key.hex,
        "bytes": found.leave.key.size,
        "rights": [{"uri": uri, "name": TERMS[uri].name} for uri in uris],
        "tdm_reserved": found.recording in here.reserved().recordings,
        "stream": f"/api/recordings/{identity}/stream" if may_stream else None,
    }
