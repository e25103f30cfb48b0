"""The page of a recording."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access import answers, recordings
from longplay.access.context import context
from longplay.access.site import rendering
from longplay.rights.statements import Act

router = APIRouter()


@router.get("/recordings/{identity}")
def page(identity: str, request: Request) -> Response:
    """A recording as a page."""
    here = context(request)
    found = recordings.find(here, identity, Act.DESCRIBE)
    if isinstance(found, Response):
        if found.status_code == answers.LEGAL_REASONS:
            return rendering.refused(request, 451, "Not shown", "It has been withdrawn.")
        return rendering.refused(request, 404, "Not here", "Nothing of it is held.")
    document = recordings.document_of(here, found)
    headers = answers.mining(document["tdm_reserved"])
    return rendering.page(request, "recording.html", document, headers=headers)
