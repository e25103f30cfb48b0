"""The first run of `longplay serve`: somebody must be able to log in."""

from __future__ import annotations

from longplay.access.people import accounts, passwords
from longplay.access.people.opening import open_people
from longplay.archive import Archive

NAME = "admin"
"""What the first administrator is called."""


def administrator(archive: Archive) -> str | None:
    """Make an administrator where there is no account yet; its one-time password, which is to be
    shown and is not to be had again. None where there are accounts. Raises ArchiveError."""
    with open_people(archive) as people:
        if accounts.list_all(people):
            return None
        password = passwords.random()
        accounts.add(people, NAME, "admin", password, once=True)
        return password
