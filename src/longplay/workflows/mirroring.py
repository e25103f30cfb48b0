"""`mirror`: what an archive releases is brought here and kept, as far as a budget goes; the mirror
is an archive itself, which verifies, serves and seeds.

A pass follows one feed: its tombstones first, then stage by stage and volume by volume what is not
here yet. A newer feed that comes meanwhile ends the pass, and the next goes on with what there is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from longplay import archive as archives
from longplay import clock
from longplay.archive import Archive
from longplay.capture.tidying import merge_evidence
from longplay.capture.tidying import sweep as sweep_batches
from longplay.errors import ArchiveError, FeedError, LongplayError
from longplay.files import write_durably, writer_lock
from longplay.ledger import queries, tables
from longplay.release import fetching, following, keys, minisign
from longplay.release.fetching import Origin
from longplay.release.following import News
from longplay.settings import SETTINGS_FILE
from longplay.workflows import bringing, followed, resting
from longplay.workflows.followed import Followed
from longplay.workflows.taking import Choice, Tally

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asks for: bytes to keep to (None: no bound), the root key to trust, and leave
    for what else waits."""

    feed: str
    budget: int | None = None
    key: str | None = None
    accept_expired: bool = False
    accept_withdrawals: bool = False


@dataclass(slots=True)
class Mirrored:
    """What a run did, and what is held now. `expired` says that the feed was no news; `offered` are
    the objects of all its releases."""

    feed_version: int
    archive: str
    expired: bool
    objects: int
    bytes: int
    tombstones: int
    deleted: int
    offered: int
    tally: Tally

    def document(self) -> dict[str, Any]:
        """As `mirror --json` prints it."""
        names = ("verified", "downloaded", "missing", "missing_bytes", "withheld", "refused")
        return {
            name: getattr(self, name)
            for name in ("feed_version", "archive", "expired", "objects", "bytes", "tombstones")
        } | {"deleted": self.deleted, **{name: getattr(self.tally, name) for name in names}}


def mirror(folder: Path, options: Options, progress: Progress) -> Mirrored:
    """Bring the mirror in `folder` up to the feed; make it if there is none.

    Raises FeedError for a feed that cannot be believed: nothing is changed then. Safe to kill and
    to repeat.
    """
    origin = fetching.opened(options.feed)
    root = minisign.read_public(options.key, "--key") if options.key else None
    news = _believe(origin, folder, root, accept_expired=options.accept_expired)
    with _opened(folder, options.feed, news) as archive:
        with writer_lock(archive.folder / "mirror.lock", "mirror"), archive.places.sharing() as use:
            archive.folder_store(bringing.MIRRORS)
            archive.places.prepare()
            if use.alone():
                sweep_batches(archive.places)
                use.share()
            done = _follow(archive, origin, news, options, progress)
            if use.alone():
                merge_evidence(archive.places)
        return done


def _follow(
    archive: Archive, origin: Origin, news: News, options: Options, progress: Progress
) -> Mirrored:
    """Pass after pass, until one ends with the feed that is there."""
    tally, deleted = Tally(), 0
    while True:
        if not news.stale:
            _take_news(archive, news, options)
            deleted += resting.let_go(archive, news.feed.archive)
        elif not (archive.releases / followed.FEED).exists():
            _keep_feed(archive, news)  # a mirror of a mirror may ask for it
        tally.begin()
        choice = Choice(archive, origin, news.feed, options.budget, tally)
        newer = bringing.bring(choice, _Asking(archive, origin, news, options), progress)
        if newer is None:
            break
        news = newer
    with archive.ledger.read() as connection:
        objects, size = queries.count_objects(connection)
    return Mirrored(
        news.feed.serial,
        news.feed.archive,
        news.stale,
        objects,
        size,
        resting.standing(archive, news.feed.archive),
        deleted,
        sum(release.objects for release in news.feed.current),
        tally,
    )


def _take_news(archive: Archive, news: News, options: Options) -> None:
    """Act on what a feed withdraws and restores, remember it, and hand it on."""
    if not options.accept_withdrawals:
        resting.check(archive, news)
    resting.take(archive, news)
    news.remembered.write(archive.folder / followed.REMEMBERED)
    _keep_feed(archive, news)


@dataclass(slots=True)
class _Asking:
    """Asks now and then whether there is a newer feed."""

    archive: Archive
    origin: Origin
    news: News
    options: Options
    _last: float = field(default_factory=clock.monotonic)

    def __call__(self) -> News | None:
        """A newer feed that can be believed and acted on, if there is one and it is time to ask."""
        if clock.monotonic() - self._last < self.archive.settings.sharing.follow_seconds:
            return None
        self._last = clock.monotonic()
        try:
            known = self.archive.releases / followed.SIGNATURE
            if fetching.signature(self.origin).encode() == known.read_bytes():
                return None
            newer = _believe(self.origin, self.archive.folder, None, accept_expired=False)
            if newer.feed.serial == self.news.feed.serial:
                return None
            if not self.options.accept_withdrawals:
                resting.check(self.archive, newer)
            return newer
        except (LongplayError, OSError):
            return None  # what is known is gone on with; the next run says what is wrong


def _believe(
    origin: Origin, folder: Path, root: minisign.PublicKey | None, *, accept_expired: bool
) -> News:
    """The feed that is there, if it may be believed."""
    known = following.recall(folder / followed.REMEMBERED)
    for attempt in range(fetching.SIGNING_READS):
        try:
            return following.accept(
                fetching.deliver(origin),
                known,
                root=root,
                at=clock.now(),
                accept_expired=accept_expired,
            )
        except LongplayError as error:
            # Between a feed and its signature somebody may have looked: that is over in a moment.
            if "signature is wrong" not in error.message or attempt + 1 == fetching.SIGNING_READS:
                raise
            Event().wait(fetching.SIGNING_PAUSE)
    raise AssertionError("the last attempt returns or raises")


def _opened(folder: Path, feed: str, news: News) -> Archive:
    """The mirror in `folder`. Raises ArchiveError for an archive that is somebody's own."""
    known = followed.followed(folder) if (folder / SETTINGS_FILE).exists() else None
    if known is not None and known.archive != news.feed.archive:
        raise FeedError(
            f"this mirror follows the archive {known.archive}, not {news.feed.archive}", where=feed
        )
    archive = archives.create(folder)
    try:
        if known is None:
            with archive.ledger.read() as connection:
                count, _ = queries.count_objects(connection)
                released = queries.count(connection, tables.releases)
            if count or released:
                raise ArchiveError(
                    "is an archive of its own, not a mirror",
                    where=str(folder),
                    hint="name a new folder",
                )
        now = Followed(feed, news.feed.archive)
        if now != known:
            now.write(archive.folder)
    except BaseException:
        archive.ledger.close()
        raise
    return archive


def _keep_feed(archive: Archive, news: News) -> None:
    """Keep the feed as its archive signed it: the mirror serves it on."""
    delivery = news.delivery
    for name, data in (
        (keys.DOCUMENT, delivery.keys),
        (keys.SIGNATURE, delivery.keys_signature.encode()),
        (followed.FEED, delivery.feed),
        (followed.SIGNATURE, delivery.signature.encode()),
    ):
        path = archive.releases / name
        if not path.exists() or path.read_bytes() != data:
            write_durably(path, data)
