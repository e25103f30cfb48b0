"""Reading a catalogue: one snapshot that stays as it is, however many imports come after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from longplay.catalogue import database, joins, layout, schema
from longplay.catalogue.database import Connection, quoted
from longplay.catalogue.layout import Manifest
from longplay.errors import ArchiveError


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An open snapshot: where the catalogue lies, and which files it consists of."""

    folder: Path
    manifest: Manifest

    @property
    def number(self) -> int:
        """The snapshot's number; 0 is the catalogue with nothing in it."""
        return self.manifest.number

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A DuckDB connection with the snapshot's tables as views, closed at the end.

        `tracks`, `albums`, `artists`, `track_artists`, `offers`, `rights` and `rejects` as in
        `schema.LAYER`, each row with its `source`; `members(track, recording)` and
        `recordings(recording, minted)` of what is in the catalogue now; `redirects(recording,
        successor)` with the id that stands now; `splits(recording, part, snapshot)`; and
        `all_members`, `all_recordings`, which also have what has gone.
        """
        with database.opened() as connection:
            for table, columns in schema.LAYER.items():
                connection.execute(f"CREATE VIEW {table} AS {self._layers(table, columns)}")
            for name, runs in self.manifest.joins.items():
                query = joins.latest(self.folder, name, runs)
                connection.execute(f"CREATE VIEW {_VIEWS.get(name, name)} AS {query}")
            connection.execute(_DERIVED)
            yield connection

    def _layers(self, table: str, columns: schema.Columns) -> str:
        selects = [
            f"SELECT {quoted(name)} AS source, * FROM"
            f" {database.parquet([self.folder / layer.tables[table].file])}"
            for name, layer in self.manifest.layers.items()
        ]
        return " UNION ALL ".join(selects) or schema.empty({"source": "VARCHAR", **columns})


_VIEWS = {"members": "all_members", "recordings": "all_recordings", "redirects": "all_redirects"}

_DERIVED = """
CREATE VIEW members AS SELECT track, recording FROM all_members WHERE live;
CREATE VIEW recordings AS SELECT recording, minted FROM all_recordings SEMI JOIN members
    USING (recording);
CREATE VIEW redirects AS WITH RECURSIVE steps AS (
    SELECT recording, successor FROM all_redirects
    UNION ALL SELECT s.recording, r.successor FROM steps s JOIN all_redirects r
        ON s.successor = r.recording)
    SELECT * FROM steps ANTI JOIN (SELECT recording AS successor FROM all_redirects)
        USING (successor);
"""


def open_current(folder: Path) -> Snapshot:
    """Open the current snapshot of the catalogue at `folder`; one without imports is empty.

    Raises ArchiveError when a file of it is missing or of another length.
    """
    return open_number(folder, layout.current_number(folder))


def open_number(folder: Path, number: int) -> Snapshot:
    """Open the snapshot of that number. Raises ArchiveError."""
    manifest = layout.read(folder, number)
    for part in manifest.parts():
        path = folder / part.file
        if not path.is_file() or path.stat().st_size != part.bytes:
            raise ArchiveError(
                "a file of the catalogue is missing or damaged",
                where=str(path),
                hint="import its source again, or bring the file back from a backup",
            )
    return Snapshot(folder, manifest)
