"""The releases folder over HTTP: the feed with its signatures, and the files of each release."""

from __future__ import annotations

import hashlib
import re

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import Response

from longplay.access import answers
from longplay.access.context import context
from longplay.ledger import tables

router = APIRouter(prefix="/releases")

RELEASE = re.compile(r"s[1-9][0-9]{0,2}-[0-9]{4,9}")

FEED_FILES = {
    "feed.json": "application/json",
    "feed.json.minisig": "text/plain; charset=utf-8",
    "keys.json": "application/json",
    "keys.json.minisig": "text/plain; charset=utf-8",
    "feed.rss": "application/rss+xml",
    "log.jsonl": "application/jsonl",
}
"""What lies beside the releases, and is for everybody."""

MEDIA_TYPES = {
    ".torrent": "application/x-bittorrent",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet",
    ".txt": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
}


@router.api_route("/{name}", methods=["GET", "HEAD"])
def feed_file(name: str, request: Request) -> Response:
    """The feed, its signature, the keys, the log, the feed for torrent clients."""
    if name not in FEED_FILES:
        return answers.refuse(404, "unknown", "there is no such file")
    path = context(request).archive.releases / name
    try:
        data = path.read_bytes()
    except OSError:
        return answers.refuse(404, "unpublished", "nothing has been published yet")
    # It changes in place: read once, so that length and tag are of the same bytes.
    tag = f'"{hashlib.sha256(data).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=FEED_FILES[name])


@router.api_route("/{release}/{name}", methods=["GET", "HEAD"])
def release_file(release: str, name: str, request: Request) -> Response:
    """One file of a release that the ledger names, or a torrent that one has taken over: a mirror
    may never have had the release that cut it."""
    archive = context(request).archive
    r = tables.releases.c
    named = r.name == release
    if name.endswith(".torrent"):
        named = sa.or_(named, r.document.contains(f'"{release}/{name}"', autoescape=True))
    with archive.ledger.read() as connection:
        known = connection.scalar(sa.select(r.name).where(named).limit(1))
    inside = RELEASE.fullmatch(release) and "/" not in name and not name.startswith(".")
    path = archive.releases / release / name
    if known is None or not inside or not path.is_file():
        return answers.refuse(404, "unknown", "there is no such release, or no such file in it")
    media_type = MEDIA_TYPES.get(path.suffix, "application/octet-stream")
    size = path.stat().st_size
    return answers.send(request, answers.Content(path, size, f"{release}-{size}", media_type))
