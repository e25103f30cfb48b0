"""The releases folder over HTTP: the feed with its signatures, and the files of each release."""

from __future__ import annotations

import hashlib
import re

import sqlalchemy as sa
from fastapi.responses import Response

from longplay.access import answers
from longplay.access.conditions import Conditions
from longplay.archive import Archive
from longplay.ledger import tables

PATH = "/releases/"
"""What the paths of these files begin with."""

RELEASE = re.compile(r"s[1-9][0-9]{0,2}-[0-9]{4,9}")

FEED_FILES = {
    "feed.json": "application/json",
    "feed.json.minisig": "text/plain; charset=utf-8",
    "keys.json": "application/json",
    "keys.json.minisig": "text/plain; charset=utf-8",
    "feed.rss": "application/rss+xml",
    "rss.xml": "application/rss+xml",
    "log.jsonl": "application/jsonl",
}
"""What lies beside the releases, and is for everybody."""

LIKE = {"rss.xml": "feed.rss"}
"""Names that lead to another file: readers look for RSS in files that end so."""

MEDIA_TYPES = {
    ".torrent": "application/x-bittorrent",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet",
    ".txt": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
}


def answer(asked: Conditions, archive: Archive, place: str) -> Response:
    """What lies at `place` below the releases: `<name>` or `<release>/<name>`."""
    release, slash, name = place.rpartition("/")
    return (
        _release_file(asked, archive, release, name) if slash else _feed_file(asked, archive, name)
    )


def _feed_file(asked: Conditions, archive: Archive, name: str) -> Response:
    """The feed, its signature, the keys, the log, the feed for torrent clients."""
    if name not in FEED_FILES:
        return answers.refuse(404, "unknown", "there is no such file")
    try:
        data = (archive.releases / LIKE.get(name, name)).read_bytes()
    except OSError:
        return answers.refuse(404, "unpublished", "nothing has been published yet")
    # It changes in place: read once, so that length and tag are of the same bytes.
    return answers.whole(
        asked,
        data,
        hashlib.sha256(data).hexdigest(),
        FEED_FILES[name],
        [(b"cache-control", b"no-cache")],
    )


def _release_file(asked: Conditions, archive: Archive, release: str, name: str) -> Response:
    """One file of a release that the ledger names, or a torrent that one has taken over: a mirror
    may never have had the release that cut it."""
    inside = RELEASE.fullmatch(release) and not name.startswith(".")
    path = archive.releases / release / name
    is_ours = inside and path.is_file() and not path.is_symlink()
    if not is_ours or not _is_known(archive, release, name):
        return answers.refuse(404, "unknown", "there is no such release, or no such file in it")
    media_type = MEDIA_TYPES.get(path.suffix, "application/octet-stream")
    size = path.stat().st_size
    return answers.answer(asked, answers.Content(path, size, f"{release}-{size}", media_type))


def _is_known(archive: Archive, release: str, name: str) -> bool:
    r = tables.releases.c
    named = r.name == release
    if name.endswith(".torrent"):
        named = sa.or_(named, r.document.contains(f'"{release}/{name}"', autoescape=True))
    with archive.ledger.read() as connection:
        return connection.scalar(sa.select(r.name).where(named).limit(1)) is not None
