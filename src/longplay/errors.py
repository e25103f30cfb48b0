"""Everything that can be told to a user as one line: what happened, where, and what to do.

LongplayError                    exit 1
├── UsageError                   exit 2   the command was called wrongly
├── ArchiveError                          the archive folder: absent, newer, locked, half made
│   └── LockedError                       another command is writing
├── InputError                            a file or table given to us is not what it should be
│   ├── MediaError                        no sound can be got out of a media file
│   └── TorrentError                      malformed bencoding or metainfo
├── SourceError                           a source does not give a file: for good, unless it is
│   └── UnavailableError                  … not to be had for now
├── RightsError                           a rights row or statement that cannot be read
├── PlanError                             a plan that cannot be made or carried out
├── ReleaseError                          a release that cannot be cut, seeded or mirrored
│   └── FeedError                         a feed that cannot be believed
├── StoreError                            the object store refused or lost something
├── LedgerError                           the ledger refused or lost something
│   └── LeaseLostError                    somebody else captures this range by now
├── EngineError                           the cluster that work is handed to
├── AccessError                           an account, or what listeners keep: refused or not there
│   └── ThrottledError                    … too many attempts: to be tried again later
└── IntegrityFoundError          exit 3   done, and stored bits were found wrong
"""

from __future__ import annotations

import math
from typing import ClassVar


class LongplayError(Exception):
    """An expected failure: `message` says what, `where` names the file, `hint` the remedy."""

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{hint}"

    def __reduce__(self) -> tuple[object, ...]:
        # Errors travel from worker processes; the default would drop the keyword arguments.
        return (_rebuild, (type(self), self.message, self.where, self.hint))


def _rebuild(kind: type[LongplayError], message: str, where: str, hint: str) -> LongplayError:
    return kind(message, where=where, hint=hint)


class UsageError(LongplayError):
    """The command was called wrongly."""

    code = "usage"
    exit_status = 2


class ArchiveError(LongplayError):
    """The archive folder is absent, of a newer version, or half made."""

    code = "archive"


class LockedError(ArchiveError):
    """Another command holds the archive's writer lock."""

    code = "locked"


class InputError(LongplayError):
    """A file or table given to us is not what it should be."""

    code = "input"


class MediaError(InputError):
    """No sound can be got out of a media file."""

    code = "media"


class TorrentError(InputError):
    """Malformed bencoding or metainfo."""

    code = "torrent"


class SourceError(LongplayError):
    """A source does not give a file, or not what it promised: for good, unless it says that it is
    unavailable."""

    code = "source"


class UnavailableError(SourceError):
    """A source gives nothing for now: it is down, throttles, or broke off. To be tried again, not
    sooner than after `seconds` where the source said so."""

    code = "unavailable"

    def __init__(
        self, message: str, *, where: str = "", hint: str = "", seconds: float | None = None
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.seconds = seconds

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_unavailable, (self.message, self.where, self.hint, self.seconds))


def _rebuild_unavailable(
    message: str, where: str, hint: str, seconds: float | None
) -> UnavailableError:
    return UnavailableError(message, where=where, hint=hint, seconds=seconds)


class RightsError(LongplayError):
    """A rights row or statement that cannot be read."""

    code = "rights"


class PlanError(LongplayError):
    """A plan that cannot be made or carried out."""

    code = "plan"


class ReleaseError(LongplayError):
    """A release that cannot be cut."""

    code = "release"


class FeedError(ReleaseError):
    """A feed, a key or a signature that cannot be believed."""

    code = "feed"


class StoreError(LongplayError):
    """The object store refused or lost something."""

    code = "store"


class LedgerError(LongplayError):
    """The ledger refused or lost something."""

    code = "ledger"


class LeaseLostError(LedgerError):
    """Somebody else captures this range of the plan by now; what was not committed counts not."""


class EngineError(LongplayError):
    """The cluster that work is handed to cannot be reached or used."""

    code = "engine"


class AccessError(LongplayError):
    """An account, a login or something that a listener keeps: refused, or not there."""

    code = "access"


class ThrottledError(AccessError):
    """Too many attempts: to be tried again after `seconds`."""

    code = "throttled"

    def __init__(
        self, message: str, *, where: str = "", hint: str = "", seconds: float = 1.0
    ) -> None:
        super().__init__(
            message, where=where, hint=hint or f"try again in {math.ceil(seconds)} seconds"
        )
        self.seconds = seconds

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_throttled, (self.message, self.where, self.hint, self.seconds))


def _rebuild_throttled(message: str, where: str, hint: str, seconds: float) -> ThrottledError:
    return ThrottledError(message, where=where, hint=hint, seconds=seconds)


class IntegrityFoundError(LongplayError):
    """The command is done, and stored bits were found wrong."""

    code = "integrity"
    exit_status = 3
