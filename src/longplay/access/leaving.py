"""An account that goes, and all that is kept of it: what is its own, and what the guard decided."""

from __future__ import annotations

from longplay.access import guarding
from longplay.access.people import accounts
from longplay.access.people.store import People
from longplay.archive import Archive
from longplay.guard import policy


def erase(archive: Archive, people: People, name: str) -> None:
    """Erase an account with everything of it: itself last, so that what is killed can be done
    again. Raises AccessError, UsageError, and ArchiveError or LedgerError before anything went."""
    found = accounts.removable(people, name)
    policy.erase(archive.folder, archive.ledger, guarding.who(found.id, ""))
    accounts.remove(people, name)
