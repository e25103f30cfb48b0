"""The people of an archive, opened: its file, and the secret that lies outside of it."""

from __future__ import annotations

from longplay.access.people import secrets
from longplay.access.people.store import People
from longplay.archive import PEOPLE, Archive, key_folder, make_keys


def open_people(archive: Archive) -> People:
    """The accounts of an archive; their file is made if there is none. Raises ArchiveError."""
    keys = make_keys(archive.folder, archive.settings)
    folder = key_folder(archive.settings) / keys.root.name
    return People(archive.folder / PEOPLE, secrets.load(folder))
