"""An account that goes, and all that is kept of it: what is its own, and what the guard decided."""

from __future__ import annotations

from longplay.access import guarding
from longplay.access.people import accounts
from longplay.access.people.store import People
from longplay.archive import Archive
from longplay.guard import policy


def erase(archive: Archive, people: People, name: str) -> None:
    """Erase an account with everything of it. Raises AccessError, UsageError."""
    found = accounts.find(people, name)
    accounts.remove(people, name)
    policy.erase(archive.folder, archive.ledger, guarding.who(found.id, ""))
