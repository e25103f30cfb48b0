"""Archives for claims and rights: a small catalogue of a table, and objects that are rows of the
ledger and a few bytes in the store."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from longplay.archive import Archive, create
from longplay.catalogue import ids
from longplay.catalogue.snapshot import open_current
from longplay.ledger import log, record, tables
from longplay.ledger.record import HoldingRow, ManifestationRow, ObjectRow
from longplay.model import Action, ObjectKey, Role
from longplay.workflows import importing

BY = "https://creativecommons.org/licenses/by/4.0/"


@dataclass
class Made:
    """An archive with the tracks `t0`, `t1`, … of a table called `songs`."""

    archive: Archive
    folder: Path
    rows: list[dict[str, str]]
    objects: list[ObjectKey] = field(default_factory=list)

    def write(self) -> None:
        """Import the table as it is now."""
        path = self.folder / "songs.csv"
        with path.open("w", newline="") as out:
            writer = csv.DictWriter(out, self.rows[0])
            writer.writeheader()
            writer.writerows(self.rows)
        request = importing.Request((str(path),), name="songs")
        importing.import_paths(self.archive, request, progress=lambda *_: None)

    def track(self, number: int) -> int:
        """The key of a track."""
        return ids.row_key("tr", "songs", f"t{number}")

    def recording(self, number: int) -> str:
        """The recording that a track stands for today."""
        with open_current(self.archive.catalogue).connect() as connection:
            query = "SELECT recording FROM members WHERE track = ?"
            found = connection.execute(query, [self.track(number)]).fetchone()
        assert found is not None
        return ids.text("rec", int(found[0]))

    def hold(
        self, number: int, *, source: str = "songs", action: str = Action.ORIGINAL
    ) -> ObjectKey:
        """Hold one more object that carries the recording of a track."""
        body = f"object {len(self.objects)}".encode()
        key = ObjectKey(hashlib.sha256(body).digest(), len(body))
        self.objects.append(key)
        recording = ids.parse(self.recording(number))[1]
        path = str(len(self.objects)).encode()
        holding = HoldingRow(
            source, path, key, key.size, 0, 0o644, action, self.track(number), None
        )
        with self.archive.ledger.write() as connection:
            batch = log.head(connection) + 1
            row = ObjectRow(key, key.root, "audio", ".ogg", 262_144, "whole")
            record.add_objects(connection, [row], batch)
            record.add_holdings(connection, [holding], batch)
            manifestation = ManifestationRow(recording, key, 0, None, Role.PRESERVATION)
            record.add_manifestations(connection, [manifestation])
            log.append(connection, "capture", "test", {"batch": batch})
        return key

    def picture(self, *holders: ObjectKey) -> ObjectKey:
        """Hold a picture that lies in the tags of these objects."""
        body = f"picture {len(self.objects)}".encode()
        key = ObjectKey(hashlib.sha256(body).digest(), len(body))
        self.objects.append(key)
        with self.archive.ledger.write() as connection:
            row = ObjectRow(key, key.root, "image", ".png", 262_144, None)
            record.add_objects(connection, [row], 1)
            record.add_embedded(connection, [(one, key, "front") for one in holders])
            log.append(connection, "capture", "test", {"batch": 1})
        return key

    def log_size(self) -> int:
        with self.archive.ledger.read() as connection:
            return log.head(connection)


def made(folder: Path, tracks: int, *, artists: int = 3) -> Made:
    """A new archive: track n is by artist n modulo `artists`, each with an ISRC of its own."""
    rows = [
        {
            "id": f"t{number}",
            "title": f"Song {number} {chr(65 + number % 26) * 3}",
            "artists": f"Artist {number % artists}",
            "album": f"Album {number % artists}",
            "isrc": f"QZTST26{number:05}",
            "duration_ms": str(60_000 + 7_000 * number),
        }
        for number in range(tracks)
    ]
    one = Made(create(folder / "archive"), folder, rows)
    one.write()
    return one


def tombstones(archive: Archive) -> dict[bytes, set[str]]:
    """The causes of the tombstones on each object."""
    found: dict[bytes, set[str]] = {}
    with archive.ledger.read() as connection:
        for row in connection.execute(tables.tombstones.select()):
            found.setdefault(row.root, set()).add(row.cause)
    return found
