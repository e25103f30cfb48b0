"""The servers that are told what the guard decides, with the secret that is shared with each."""

from __future__ import annotations

from dataclasses import dataclass

from longplay.archive import Archive, key_folder, make_keys
from longplay.errors import UsageError
from longplay.files import secret
from longplay.guard import posting, record, signing
from longplay.guard.posting import Endpoint, Posted
from longplay.web.addresses import parsed

SECRETS = "webhooks"
"""The folder of the secrets, among the archive's secret keys: a file a server."""


@dataclass(frozen=True, slots=True)
class State:
    """What came of posting to a server, how many changes wait, and the secret as it is told."""

    posted: Posted
    waiting: int
    secret: str


def endpoints(archive: Archive) -> list[Endpoint]:
    """The servers that the settings name; a secret is drawn for each that has none. Raises
    ArchiveError, SourceError, UsageError."""
    hooks = archive.settings.guard.webhooks
    if len({one.address for one in hooks}) < len(hooks):
        raise UsageError("an address stands twice among guard.webhooks", hint="take one away")
    if not hooks:
        return []
    keys = make_keys(archive.folder, archive.settings)
    folder = key_folder(archive.settings) / keys.root.name / SECRETS
    hint = "bring it back from a backup of the keys, or delete it and give the server the new one"
    found = []
    for one in hooks:
        parsed(one.address)
        path = folder / f"{posting.digest(one.address)}.key"
        found.append(Endpoint(one, secret(path, "the secret of a webhook", hint=hint)))
    return found


def states(archive: Archive) -> list[State]:
    """What came of posting so far. Raises ArchiveError, SourceError, UsageError."""
    folder = archive.folder / record.FOLDER
    found = []
    for one in endpoints(archive):
        known = posting.load(folder, one.hook.address)
        waits = 0 if known is None else len(posting.waiting(folder, known))
        posted = known or Posted(one.hook.address, "")
        found.append(State(posted, waits, signing.secret_text(one.secret)))
    return found
