"""Cutting a release: what is new becomes volumes, what was lost is cut anew, the rest stays.

A release is a folder that appears whole: torrents, `manifest.jsonl`, `metadata.parquet`,
`members.parquet` (what lies in which volume: the next cut reads it) and `release.json`.
Formats: docs/formats/release.md. Hashes come from evidence; no object is opened.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from longplay.errors import ReleaseError
from longplay.files import TEMPORARY, sync_folder, write_durably, write_json
from longplay.release import paths, volumes
from longplay.rights.gate import Shareable
from longplay.rights.statements import Act
from longplay.torrent import hybrid

OBJECTS = pa.schema(
    [
        ("recording", pa.string()),
        ("title", pa.string()),
        ("artists", pa.list_(pa.string())),
        ("album", pa.string()),
        ("album_artist", pa.string()),
        ("disc_number", pa.int32()),
        ("track_number", pa.int32()),
        ("isrc", pa.string()),
        ("release_date", pa.string()),
        ("duration_ms", pa.int64()),
        ("listens", pa.float64()),
        ("suffix", pa.string()),
        ("root", pa.binary()),
        ("size", pa.int64()),
        ("sha256", pa.binary()),
        ("piece_length", pa.int32()),
        ("statement", pa.string()),
        ("evidence", pa.string()),
        ("in_stage", pa.bool_()),
    ]
)
"""One row for each object that may be released, most listened-to first. `in_stage` says whether
the stage that is cut wants it; objects outside stay in the volumes that they are in."""

MEMBERS = "members.parquet"
MANIFEST = "manifest.jsonl"
METADATA = "metadata.parquet"
DOCUMENT = "release.json"

MEMORY = "2GB"
"""What DuckDB may take before it spills into the release's temporary folder."""


@dataclass(frozen=True, slots=True)
class Volume:
    """One torrent. `torrent` is its path below the releases folder; `release` cut it."""

    name: str
    number: int
    release: str
    torrent: str
    info_hash_v1: str
    info_hash_v2: str
    magnet_v2: str
    magnet: str
    objects: int
    bytes: int
    padding: int
    piece_length: int
    supersedes: str | None


@dataclass(frozen=True, slots=True)
class Release:
    """One state of a stage: all its volumes, of which `fresh` names those that it cut itself."""

    name: str
    stage: int
    volumes: tuple[Volume, ...]
    fresh: tuple[str, ...]
    objects: int
    bytes: int
    share_of_listens: float
    supersedes: str | None

    def document(self) -> dict[str, Any]:
        """As `release.json` has it."""
        return asdict(self)


def read_release(document: dict[str, Any]) -> Release:
    """A release from its document."""
    volumes = tuple(Volume(**volume) for volume in document["volumes"])
    return Release(**{**document, "volumes": volumes, "fresh": tuple(document["fresh"])})


@dataclass(frozen=True, slots=True)
class Request:
    """What to cut. `objects` has the columns of `OBJECTS` and `leave` the gate's leave for each
    row; `others` are the newest releases of the other stages, `before` of this one; `evidence`
    the files of hashes; `listens` the sum over all recordings of the catalogue."""

    prefix: str
    stage: int
    number: int
    objects: pa.Table
    leave: Sequence[Shareable]
    before: Release | None
    others: tuple[Release, ...]
    evidence: tuple[Path, ...]
    listens: float

    @property
    def name(self) -> str:
        """The release's name, e.g. `s1-0003`."""
        return f"s{self.stage}-{self.number:04}"


def cut(request: Request, folder: Path) -> Release | None:
    """Write the release below `folder` and return it; None when the stage has nothing new.

    Raises ReleaseError when an object has no hashes in the evidence, RightsError when one has no
    leave to be released.
    """
    for leave in request.leave:
        leave.require(Act.RELEASE)
    if len(request.leave) != request.objects.num_rows:
        raise ReleaseError("every object needs its own leave")
    temporary = folder / f".{request.name}{TEMPORARY}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        with duckdb.connect() as connection:
            _open(connection, request, folder, temporary)
            release = _cut(connection, request, temporary)
        if release is None:
            shutil.rmtree(temporary)
            return None
        sync_folder(temporary)
        shutil.rmtree(folder / request.name, ignore_errors=True)
        temporary.rename(folder / request.name)
        sync_folder(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return release


def sweep(folder: Path, named: set[str]) -> None:
    """Remove release folders that no transaction names; the caller holds the release lock."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_dir() and path.name not in named:
            shutil.rmtree(path)


def _open(
    connection: duckdb.DuckDBPyConnection, request: Request, folder: Path, temporary: Path
) -> None:
    """Make the tables `objects`, `members` (of current volumes) and the view `hashes`."""
    connection.execute(
        f"SET memory_limit='{MEMORY}'; SET threads=2; SET preserve_insertion_order=true"
    )
    connection.execute("SET temp_directory=?", [str(temporary / "spill")])
    numbered = request.objects.append_column(
        "rank", pa.array(np.arange(request.objects.num_rows, dtype=np.int64))
    )
    connection.register("given", numbered)
    connection.execute("CREATE TABLE objects AS SELECT * FROM given")
    connection.unregister("given")
    connection.execute(
        "CREATE TABLE members (root BLOB, size BIGINT, path VARCHAR, volume VARCHAR, stage INTEGER)"
    )
    for release in (request.before, *request.others):
        if release is not None:
            connection.execute(
                "INSERT INTO members SELECT root, size, path, volume, ? FROM read_parquet(?)",
                [release.stage, str(folder / release.name / MEMBERS)],
            )
    connection.execute(
        "CREATE TABLE lost AS SELECT * FROM members ANTI JOIN objects USING (root, size)"
        " WHERE stage = ?",
        [request.stage],
    )


def _cut(
    connection: duckdb.DuckDBPyConnection, request: Request, temporary: Path
) -> Release | None:
    _place_new(connection, request)
    recut = _place_recut(connection, request)
    if connection.execute("SELECT count(*) FROM placed").fetchall()[0][0] == 0 and not recut:
        return None
    fresh = _write_torrents(connection, request, temporary, recut)
    kept = [
        volume
        for volume in (request.before.volumes if request.before else ())
        if volume.name not in recut
    ]
    connection.execute(
        "CREATE TABLE state AS SELECT root, size, path, volume FROM placed UNION ALL"
        " SELECT root, size, path, volume FROM members WHERE stage = ? AND volume NOT IN"
        " (SELECT unnest(?::VARCHAR[]))",
        [request.stage, list(recut)],
    )
    listens = _write_tables(connection, temporary)
    current = sorted((*kept, *fresh), key=lambda volume: volume.number)
    release = Release(
        name=request.name,
        stage=request.stage,
        volumes=tuple(current),
        fresh=tuple(volume.name for volume in fresh),
        objects=sum(volume.objects for volume in current),
        bytes=sum(volume.bytes for volume in current),
        share_of_listens=listens / request.listens if request.listens else 0.0,
        supersedes=request.before.name if request.before else None,
    )
    shutil.rmtree(temporary / "spill", ignore_errors=True)
    write_json(temporary / DOCUMENT, release.document())
    return release


def _place_new(connection: duckdb.DuckDBPyConnection, request: Request) -> None:
    """`placed`: objects that no volume has yet, with their paths and new volumes."""
    new = connection.sql(
        "SELECT album_artist, artists, album, disc_number, track_number, title, root, suffix,"
        " size, piece_length FROM objects ANTI JOIN members USING (root, size)"
        " WHERE in_stage ORDER BY rank"
    ).to_arrow_table()
    names = new.column_names[:8]
    columns = [new[name].to_pylist() for name in names]
    texts = [b"/".join(path) for path in paths.paths(zip(*columns, strict=True))]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    numbers = volumes.divide(lengths, new["size"].to_numpy(), new["piece_length"].to_numpy())
    first = 1 + max((v.number for v in request.before.volumes), default=0) if request.before else 1
    placed = pa.table(
        {
            "root": new["root"],
            "size": new["size"],
            "path": pa.array(texts, pa.binary()).cast(pa.string()),
            "volume": pa.array(
                [_volume_name(request, first + int(number)) for number in numbers], pa.string()
            ),
            "number": pa.array(numbers + first, pa.int64()),
            "piece_length": new["piece_length"].cast(pa.int64()),
        }
    )
    connection.register("fresh", placed)
    connection.execute("CREATE TABLE placed AS SELECT * FROM fresh")
    connection.unregister("fresh")


def _volume_name(request: Request, number: int) -> str:
    return f"{request.prefix}-s{request.stage}-v{number:04}"


def _place_recut(connection: duckdb.DuckDBPyConnection, request: Request) -> dict[str, str]:
    """Add to `placed` what remains of volumes that lost something; old names to new ones."""
    names = connection.execute("SELECT DISTINCT volume FROM lost ORDER BY volume").fetchall()
    renamed = {}
    for (old,) in names:
        base, _, edition = old.partition("-r")
        renamed[old] = f"{base}-r{int(edition or 1) + 1}"
        number = int(base.rpartition("-v")[2])
        connection.execute(
            "INSERT INTO placed SELECT m.root, m.size, m.path, ?, ?, o.piece_length"
            " FROM members m JOIN objects o USING (root, size) WHERE volume = ?",
            [renamed[old], number, old],
        )
    return renamed


def _write_torrents(
    connection: duckdb.DuckDBPyConnection,
    request: Request,
    temporary: Path,
    recut: dict[str, str],
) -> list[Volume]:
    """Assemble a torrent of each volume in `placed` from stored hashes."""
    connection.execute(
        "CREATE VIEW hashes AS SELECT root, size, piece_layer, v1_pieces, v1_last_bare"
        " FROM read_parquet(?)".replace("?", _list(request.evidence))
    )
    rows = connection.execute(
        "SELECT volume, number, piece_length, path, size, root, piece_layer, v1_pieces,"
        " v1_last_bare FROM placed LEFT JOIN hashes USING (root, size) ORDER BY volume, path"
    ).to_arrow_reader(10_000)
    older = {new: old for old, new in recut.items()}
    fresh = []
    for (name, number, piece_length), members in groupby(_rows(rows), key=lambda row: row[:3]):
        files = list(_files(members))
        metainfo = hybrid.assemble(name, files, piece_length)
        write_durably(temporary / f"{name}.torrent", metainfo.data)
        magnet_v2, magnet = hybrid.magnets(metainfo, name)
        fresh.append(
            Volume(
                name=name,
                number=number,
                release=request.name,
                torrent=f"{request.name}/{name}.torrent",
                info_hash_v1=metainfo.info_hash_v1.hex(),
                info_hash_v2=metainfo.info_hash_v2.hex(),
                magnet_v2=magnet_v2,
                magnet=magnet,
                objects=len(files),
                bytes=metainfo.bytes,
                padding=metainfo.padding,
                piece_length=piece_length,
                supersedes=older.get(name),
            )
        )
    return fresh


def _rows(reader: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    for batch in reader:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _files(rows: Iterable[tuple[Any, ...]]) -> Iterator[hybrid.File]:
    previous = None
    for _, _, _, path, size, root, layer, pieces, bare in rows:
        if path == previous:
            continue  # captured by two processes at once, so that evidence has it twice
        previous = path
        if pieces is None:
            raise ReleaseError(
                "has no hashes in the evidence", where=root.hex(), hint="run `longplay verify`"
            )
        yield hybrid.File(tuple(path.encode().split(b"/")), size, root, layer, pieces, bare)


def _write_tables(connection: duckdb.DuckDBPyConnection, temporary: Path) -> float:
    """Write manifest, metadata and members of the whole state; returns its listens."""
    connection.execute(
        "CREATE TABLE described AS SELECT s.volume, s.path, o.* EXCLUDE (in_stage, rank)"
        " FROM state s JOIN objects o USING (root, size)"
    )
    manifest = (
        "SELECT path, lower(hex(root)) AS root, size, lower(hex(sha256)) AS sha256, isrc, title,"
        " artists, album, recording, statement, evidence, volume FROM described"
        " ORDER BY volume, path"
    )
    metadata = (
        "SELECT recording, title, artists, album, album_artist, disc_number, track_number, isrc,"
        " release_date, duration_ms, root, size FROM described ORDER BY recording, root"
    )
    members = "SELECT root, size, path, volume FROM state ORDER BY root, size"
    parquet = "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536)"
    for query, name, form in (
        (manifest, MANIFEST, "(FORMAT json)"),
        (metadata, METADATA, parquet),
        (members, MEMBERS, parquet),
    ):
        target = temporary / name
        connection.execute(f"COPY ({query}) TO '{_quote(target)}' {form}")
        with target.open("rb") as written:
            os.fsync(written.fileno())
    query = "SELECT sum(listens) FROM (SELECT DISTINCT recording, listens FROM described)"
    return float(connection.execute(query).fetchall()[0][0] or 0.0)


def _list(files: Sequence[Path]) -> str:
    return "[" + ", ".join(f"'{_quote(path)}'" for path in files) + "]"


def _quote(path: Path) -> str:
    return str(path).replace("'", "''")
