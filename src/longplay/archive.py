"""Archive: opens an archive folder and hands out its parts; the only place they meet."""

from __future__ import annotations

import os
import re
from pathlib import Path

import tomlkit
from tomlkit.items import AoT

from longplay import settings as settings_room
from longplay.capture.places import Places
from longplay.errors import ArchiveError, UsageError
from longplay.files import TEMPORARY, read_bounded, write_durably, writer_lock
from longplay.ledger import database, log, upgrading
from longplay.ledger.database import Ledger
from longplay.release import keys
from longplay.release.keys import Keys
from longplay.settings import MAX_SETTINGS_BYTES, SETTINGS_FILE, Settings, Source
from longplay.vault import standing
from longplay.vault.bucket import SCHEME, Patience, open_bucket
from longplay.vault.objects import ObjectStore
from longplay.vault.replicas import ReplicaStore, open_replica
from longplay.vault.s3store import S3Store
from longplay.vault.shelves import Shelf
from longplay.vault.store import FolderStore

SETTINGS_LOCK = "settings.lock"

PEOPLE = "people.sqlite3"
"""The file of an archive that has its accounts, and what listeners keep."""

KEYS = "keys"
"""The folder of an archive that has the public halves of its keys."""

FRESH_SETTINGS = """\
# The settings of a Longplay archive. What is not written here has its default; docs/settings.md
# lists all of them.
version = 1

# name = "longplay"        what the torrents of its releases are called after
# ledger = "sqlite:///ledger.sqlite3"
# objects = "objects"
# engine = "tcp://host:8786"   a Dask cluster that captures; without it this machine does

[policy]
# What to keep at best, by popularity (0-100): "original", "opus" or "skip"; highest band first.
# quality = [{ popularity = 20, keep = "original" }, { popularity = 0, keep = "opus" }]
# opus_quality = 0.9       what a listen of an Opus copy is worth beside the original
# opus_bit_rate = 75000
# near_duplicates = "confirmed"   which count once; else "certain" (too), or "apart" (none)
# stages = [0.5, 0.8, 0.95, 1.0]   shares of listens at which the archive is cut for release
"""


class Archive:
    """An opened archive: its settings, its folders, its ledger and its object store.

    Use it as a context manager; leaving it closes the ledger.
    """

    def __init__(self, folder: Path, settings: Settings, ledger: Ledger) -> None:
        self.folder = folder
        self.settings = settings
        self.ledger = ledger
        self.store = open_store(folder, settings)
        self.catalogue = folder / "catalogue"
        self.evidence = folder / "evidence"
        self.plans = folder / "plans"
        self.listings = folder / "listings"
        self.releases = folder / "releases"
        self.quarantine = folder / "quarantine"
        ledger.witness = standing.Witness(self.evidence_files)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()

    def folder_store(self, hint: str) -> FolderStore:
        """The store, for what works with files of this machine alone. Raises ArchiveError with
        this hint when it is a bucket."""
        if not isinstance(self.store, FolderStore):
            raise ArchiveError(
                "the objects lie in a bucket, and this needs them in a folder",
                where=self.settings.objects,
                hint=hint,
            )
        return self.store

    @property
    def evidence_files(self) -> Shelf:
        """The evidence, wherever the archive keeps it; `evidence` is its local folder."""
        return self.places.evidence_files

    @property
    def quarantined(self) -> Shelf:
        """What is in quarantine, wherever the archive keeps it."""
        return self.places.quarantined

    @property
    def places(self) -> Places:
        """Where a capture writes."""
        return Places(self.ledger, self.store, self.evidence, self.quarantine)

    def replicas(self) -> list[ReplicaStore]:
        """The further stores that the settings name. Raises StoreError for an impossible one."""
        return [open_replica(one, self.folder) for one in self.settings.replicas]


def open_store(folder: Path, settings: Settings) -> ObjectStore:
    """The store of the archive in `folder`: a folder, or a bucket, of which nothing is asked yet.
    Raises StoreError for an address that no bucket can have."""
    if not settings.objects.startswith(SCHEME):
        return FolderStore(folder / settings.objects)
    bucket = open_bucket(settings.objects, "the object store", Patience())
    return S3Store(bucket, settings.objects, folder / (settings.spool or "spool"))


def open_archive(folder: Path) -> Archive:
    """Open the archive in `folder`. Raises ArchiveError when there is none, or a newer one."""
    settings = settings_room.load(folder)
    ledger = database.open_ledger(settings.ledger, folder)
    return Archive(folder, settings, ledger)


def upgrade(folder: Path) -> tuple[int, int]:
    """Bring the archive in `folder` to this version; the version its ledger had, and has."""
    return upgrading.upgrade(settings_room.load(folder).ledger, folder)


def key_folder(settings: Settings) -> Path:
    """Where the secret keys of archives lie, each archive's in a folder named by its root key: as
    the settings say, or among the user's own settings."""
    if settings.keys:
        return Path(settings.keys)
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "longplay"


def make_keys(folder: Path, settings: Settings) -> Keys:
    """The keys of the archive in `folder`; made if it has none yet."""
    return keys.make(key_folder(settings), folder / KEYS)


def create(folder: Path, *, secrets: Path | None = None) -> Archive:
    """Make an archive in `folder`, or finish making one; one that is there stays as it is.

    `secrets` is where its secret keys shall lie, if not where `key_folder` says.
    """
    path = folder / SETTINGS_FILE
    if path.exists():
        return open_archive(folder)
    if not is_fresh(folder):
        raise ArchiveError(
            "is not empty and not an archive",
            where=str(folder),
            hint="name an empty or a new folder",
        )
    for name in ("catalogue", "evidence", "plans", "releases", "quarantine"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    settings = Settings(keys=str(secrets.absolute()) if secrets else "")
    make_keys(folder, settings)
    archive = Archive(folder, settings, database.create(settings.ledger, folder))
    with archive.ledger.write() as connection:
        if log.head(connection) == 0:
            log.append(connection, "init", "archive", {})
    archive.store.prepare()
    with writer_lock(folder / SETTINGS_LOCK, "settings"):
        _sweep_settings(folder)
        write_durably(path, _fresh_settings(settings).encode())
    return archive


def _fresh_settings(settings: Settings) -> str:
    """What stands in the settings of a new archive."""
    document = tomlkit.parse(FRESH_SETTINGS)
    if settings.keys:
        document["keys"] = settings.keys
    return tomlkit.dumps(document)


def is_fresh(folder: Path) -> bool:
    """Whether nothing is there but what `create` itself makes, if it was cut short."""
    names = [path.name for path in folder.iterdir()] if folder.exists() else []
    leftover = re.compile(rf"{re.escape(SETTINGS_FILE)}\.[0-9]+{re.escape(TEMPORARY)}")
    return all(name in OWN_NAMES or leftover.fullmatch(name) for name in names)


def _sweep_settings(folder: Path) -> None:
    for path in folder.glob(f"{SETTINGS_FILE}.*{TEMPORARY}"):
        path.unlink(missing_ok=True)


OWN_NAMES = {
    SETTINGS_LOCK,
    *("catalogue", "evidence", "plans", "releases", "quarantine", "objects", KEYS),
    *(f"ledger.sqlite3{end}" for end in ("", "-wal", "-shm", "-journal")),
    SETTINGS_FILE,
}
"""What `create` itself makes: a folder holding nothing else is one whose making was cut short."""


def add_source(folder: Path, source: Source) -> Settings:
    """Write a source into the archive's settings, leaving the rest of the file as it is.

    Adding the same source again changes nothing; another of the same name raises UsageError.
    """
    settings_room.load(folder)
    with writer_lock(folder / SETTINGS_LOCK, "settings"):
        return _add_source(folder, source)


def set_sharing(folder: Path, **values: str | bool | float) -> Settings:
    """Write values of `[sharing]` into the archive's settings, leaving the rest of the file."""
    settings_room.load(folder)
    with writer_lock(folder / SETTINGS_LOCK, "settings"):
        _sweep_settings(folder)
        path = folder / SETTINGS_FILE
        document = tomlkit.parse(read_bounded(path, MAX_SETTINGS_BYTES).decode())
        document.setdefault("sharing", tomlkit.table()).update(values)
        write_durably(path, tomlkit.dumps(document).encode())
        return settings_room.load(folder)


def set_ledger(folder: Path, url: str) -> Settings:
    """Write where the ledger lies into the archive's settings, leaving the rest of the file."""
    return _set(folder, "ledger", url)


def set_objects(folder: Path, place: str) -> Settings:
    """Write where the objects lie into the archive's settings, leaving the rest of the file."""
    return _set(folder, "objects", place)


def _set(folder: Path, key: str, value: str) -> Settings:
    with writer_lock(folder / SETTINGS_LOCK, "settings"):
        _sweep_settings(folder)
        path = folder / SETTINGS_FILE
        document = tomlkit.parse(read_bounded(path, MAX_SETTINGS_BYTES).decode())
        document[key] = value
        write_durably(path, tomlkit.dumps(document).encode())
        return settings_room.load(folder)


def _add_source(folder: Path, source: Source) -> Settings:
    _sweep_settings(folder)
    settings = settings_room.load(folder)
    known = settings.source(source.name)
    if known == source:
        return settings
    if known is not None:
        raise UsageError(
            f"there is another source named {source.name}: {known.location}",
            where=str(folder / SETTINGS_FILE),
            hint="choose another name, or correct the settings by hand",
        )
    path = folder / SETTINGS_FILE
    document = tomlkit.parse(read_bounded(path, MAX_SETTINGS_BYTES).decode())
    entry = tomlkit.table()
    entry.update(source.model_dump(exclude_defaults=True))
    sources = document.setdefault("sources", tomlkit.aot())
    assert isinstance(sources, AoT)
    sources.append(entry)
    write_durably(path, tomlkit.dumps(document).encode())
    return settings_room.load(folder)
