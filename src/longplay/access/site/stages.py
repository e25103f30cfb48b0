"""The stages: what of the archive was handed on, and how to get it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access.api.published import stages_of
from longplay.access.context import context
from longplay.access.releases import FEED_FILES
from longplay.access.site import rendering
from longplay.workflows import status

router = APIRouter()


@router.get("/stages")
def page(request: Request) -> Response:
    """Each stage with its newest release: size, share of listens, torrents."""
    archive = context(request).archive
    published = {name for name in FEED_FILES if (archive.releases / name).is_file()}
    values = {
        "stages": stages_of(archive),
        "held": status.status(archive),
        "published": published,
    }
    return rendering.page(request, "stages.html", values)
