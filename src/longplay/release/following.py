"""Following a feed: what must hold before a mirror believes it. Rules alone, after TUF's client
workflow (https://theupdateframework.github.io/specification/latest/, section 5): no network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Set
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from longplay.errors import FeedError
from longplay.files import read_bounded, write_durably
from longplay.release import feed as feeds
from longplay.release import keys as key_files
from longplay.release import minisign
from longplay.release.feed import Feed
from longplay.release.minisign import PublicKey

MAX_MEMORY_BYTES = 64 * 1024
"""Of the file in which a mirror remembers: half a kilobyte is what it has."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The four files as they came; `where` names the feed in what is said of it."""

    feed: bytes
    signature: str
    keys: bytes
    keys_signature: str
    where: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a mirror keeps of the newest feed that it took news from: whose it was, so that nobody
    else can speak for that archive, and how far, so that nobody can turn time back."""

    root: str
    keys_version: int
    serial: int
    sha256: str
    entries: int
    hash: str

    def write(self, path: Path) -> None:
        """Keep it."""
        write_durably(path, json.dumps(asdict(self), indent=1).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class News:
    """A feed that may be believed. One that is `stale` has expired: what it lists may be fetched,
    but it withdraws nothing that is held and nothing of it is remembered."""

    feed: Feed
    remembered: Remembered
    stale: bool
    delivery: Delivery


def recall(path: Path) -> Remembered | None:
    """What is remembered, None where nothing ever was. Raises FeedError for a damaged file, which
    must not pass for a first visit."""
    if not path.exists():
        return None
    try:
        said = json.loads(read_bounded(path, MAX_MEMORY_BYTES))
        found = Remembered(**said)
        well = all(isinstance(one, str) for one in (found.root, found.sha256, found.hash))
        counts = (found.keys_version, found.serial, found.entries)
        if not well or not all(type(one) is int for one in counts):
            raise ValueError("wrong types")
    except (ValueError, TypeError, RecursionError) as error:
        raise FeedError(
            "what was remembered of the feed is damaged",
            where=str(path),
            hint="restore it from a backup; without it an old feed could pass for a new one",
        ) from error
    return found


def accept(
    delivery: Delivery,
    known: Remembered | None,
    *,
    root: PublicKey | None,
    at: datetime,
    accept_expired: bool,
) -> News:
    """Believe a feed, or raise FeedError with the reason.

    The root key must be the one remembered, or `root`, or on a first visit without either the one
    that comes: who hands on an archive's address should hand on its key as well.
    """
    where = delivery.where
    keys = key_files.parse(delivery.keys, delivery.keys_signature, f"{where}: its keys")
    expected = minisign.read_public(known.root, where) if known else root
    if root is not None and expected != root:
        raise FeedError(
            f"this mirror follows the archive {_name(expected)}, not {root.name}", where=where
        )
    if expected is not None and keys.root != expected:
        raise FeedError(
            f"its keys are signed by {keys.root.name}, not by the archive's root key"
            f" {expected.name}",
            where=where,
            hint="somebody else speaks for the archive; ask it by another way",
        )
    if known and keys.version < known.keys_version:
        raise FeedError(
            f"its keys are of version {keys.version}, and {known.keys_version} is known",
            where=where,
            hint="an old list of keys, perhaps of one that was stolen",
        )
    check_signature(delivery, keys.feed)
    said = feeds.parse(delivery.feed, where)
    if said.archive != keys.root.name:
        raise FeedError(f"is of the archive {said.archive}, not {keys.root.name}", where=where)
    digest = hashlib.sha256(delivery.feed).hexdigest()
    if known:
        _check_grows(said, digest, known, where)
    stale = said.expired(at)
    if stale and not accept_expired:
        raise FeedError(
            f"expired on {said.expires[:10]}",
            where=where,
            hint="if the archive is gone, --accept-expired still mirrors what it released",
        )
    now = Remembered(
        keys.root.line, keys.version, said.serial, digest, said.log.entries, said.log.hash
    )
    return News(said, now, stale, delivery)


def withdraws_too_much(news: News, held: Set[bytes], withdrawn: Set[bytes], most: float) -> int:
    """How many of the held objects that still stand here the feed withdraws, if that is more than
    `most`; 0 when it is not, and the feed may act at once. All are roots: a tombstone shuts
    whatever has its root, also one that says another size."""
    told = {bytes.fromhex(one.root) for one in news.feed.tombstones}
    fresh = len((told & held) - withdrawn)
    # One object of a small mirror is more than any share, and still only one.
    return fresh if fresh > max(1, most) else 0


def check_signature(delivery: Delivery, keys: tuple[PublicKey, ...]) -> None:
    """Raise FeedError unless one of the keys has signed the feed."""
    where = f"{delivery.where}: its signature"
    by = minisign.signer(delivery.signature, where)
    key = next((one for one in keys if one.id == by), None)
    if key is None:
        raise FeedError("is by no key that the archive's root key names", where=where)
    minisign.verify(key, delivery.feed, delivery.signature, where)


def _check_grows(said: Feed, digest: str, known: Remembered, where: str) -> None:
    """Serial and log only grow, and what was once vouched for is still vouched for."""
    if said.serial < known.serial:
        raise FeedError(
            f"is number {said.serial}, and number {known.serial} is known: it was rolled back",
            where=where,
        )
    if said.serial == known.serial and digest != known.sha256:
        raise FeedError(
            f"is another number {said.serial} than the one that is known", where=where,
            hint="two feeds with one number: the archive, or who answers for it, is lying",
        )  # fmt: skip
    heads = {(entries, hashed) for _, entries, hashed in said.log.heads}
    heads.add((said.log.entries, said.log.hash))
    if said.log.entries < known.entries or (known.entries, known.hash) not in heads:
        raise FeedError(
            f"its log does not continue the one of feed {known.serial}: the past was rewritten",
            where=where,
            hint="ask the archive what happened; nothing was changed here",
        )


def _name(key: PublicKey | None) -> str:
    return key.name if key else "?"
