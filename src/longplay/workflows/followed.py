"""What an archive that is a mirror follows, and what it therefore leaves to others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from longplay.archive import Archive
from longplay.errors import ArchiveError, FeedError, LongplayError
from longplay.files import read_bounded, write_json
from longplay.release import feed as feeds
from longplay.release import fetching
from longplay.release.feed import Feed
from longplay.settings import Sharing

MIRROR = "mirror.json"
"""Says which feed an archive follows."""

REMEMBERED = "following.json"
"""What it remembers of the newest feed that it took news from."""

FEED, SIGNATURE = "feed.json", "feed.json.minisig"

MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Followed:
    """A feed's address or path as the user named it, and the id of the archive that signs it."""

    feed: str
    archive: str

    def write(self, folder: Path) -> None:
        """Keep it."""
        write_json(folder / MIRROR, {"version": 1, "feed": self.feed, "archive": self.archive})


def followed(folder: Path) -> Followed | None:
    """What the archive in `folder` follows; None for one that publishes itself."""
    path = folder / MIRROR
    if not path.exists():
        return None
    try:
        said = json.loads(read_bounded(path, MAX_BYTES))
        return Followed(str(said["feed"]), str(said["archive"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(
            "what the mirror follows is damaged",
            where=str(path),
            hint="run `longplay mirror` again",
        ) from error


def refuse_mirror(archive: Archive) -> None:
    """Raise FeedError for an archive that is a mirror: what it hands on, its origin has signed."""
    known = followed(archive.folder)
    if known is not None:
        raise FeedError(
            f"is a mirror of the archive {known.archive} and releases nothing of its own",
            where=str(archive.folder),
            hint="cut and publish in the archive that it mirrors",
        )


def current_feed(archive: Archive) -> Feed | None:
    """The feed that a mirror acted on last; None for another archive, or before the first."""
    path = archive.releases / FEED
    if followed(archive.folder) is None or not path.exists():
        return None
    return feeds.parse(read_bounded(path, feeds.MAX_FEED_BYTES), str(path))


def sharing(archive: Archive, feed: Feed | None = None) -> Sharing:
    """How this archive takes part in swarms: as its settings say, and on a mirror with the trackers
    and web seeds of the feed, as far as they may be asked."""
    mine = archive.settings.sharing
    known = followed(archive.folder)
    try:
        feed = feed or current_feed(archive)
    except LongplayError:
        feed = None
    if known is None or feed is None:
        return mine

    def allowed(addresses: list[str]) -> list[str]:
        return [one for one in addresses if fetching.may_be_asked(one, known.feed)]

    return mine.model_copy(
        update={
            "trackers": tuple(dict.fromkeys([*mine.trackers, *allowed(feed.sharing.trackers)])),
            "web_seeds": tuple(dict.fromkeys([*mine.web_seeds, *allowed(feed.sharing.web_seeds)])),
            "dht": mine.dht and feed.sharing.dht,
        }
    )
