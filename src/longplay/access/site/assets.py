"""Styles, scripts and signs: small files of our own, under names that change with them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access import answers

router = APIRouter()

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, and what stands for its content."""

    data: bytes
    tag: str
    media_type: str


@cache
def _assets() -> dict[str, Asset]:
    found = {}
    for path in sorted(Path(__file__).with_name("static").iterdir()):
        if path.suffix in MEDIA_TYPES:
            data = path.read_bytes()
            tag = hashlib.sha256(data).hexdigest()[:16]
            found[path.name] = Asset(data, tag, MEDIA_TYPES[path.suffix])
    return found


def address(name: str) -> str:
    """Where a file is had. It may be kept for ever there: another content has another address."""
    return f"/static/{name}?v={_assets()[name].tag}"


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
def asset(name: str, request: Request) -> Response:
    """One of the files."""
    found = _assets().get(name)
    if found is None:
        return answers.refuse(404, "unknown", "there is no such file")
    kept = FOR_EVER if request.query_params.get("v") == found.tag else "no-cache"
    headers = {"ETag": f'"{found.tag}"', "Cache-Control": kept}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    data = found.data if request.method == "GET" else b""
    return Response(data, headers=headers, media_type=found.media_type)
