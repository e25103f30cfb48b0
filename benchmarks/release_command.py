"""`longplay release cut` on an archive of a million objects, as a user runs it.

What: a synthetic archive (catalogue imported from a table, ledger rows, evidence of `release.py`;
Zipf listens, one source under CC BY-SA, one object in a hundred closed by its own tags), on which
the command itself is run in a process of its own. Not timed: making the archive. The objects do
not exist: whatever opened one would fail.

    python -m benchmarks.release_command [--objects 1000000]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.release import SEED, sizes_of, write_evidence
from longplay.archive import Archive, add_source, create, open_archive
from longplay.catalogue import ids, licences
from longplay.catalogue.importers.table import import_table
from longplay.catalogue.snapshot import open_current
from longplay.ledger import record, version_3
from longplay.ledger.database import Ledger
from longplay.ledger.record import EvidenceFile
from longplay.model import Statement
from longplay.rights.statements import licence_uri
from longplay.settings import Settings, Source
from longplay.workflows import rights

CLOSED_EVERY = 100


def table_of(generator: np.random.Generator, count: int) -> pa.Table:
    album = np.minimum(generator.zipf(1.2, count), count // 10 + 1)
    listens = np.sort(generator.pareto(1.1, count))[::-1] * 1000
    return pa.table(
        {
            "id": [f"{number}" for number in range(count)],
            "title": [f"Song of the {number}th night" for number in range(count)],
            "artists": [f"The {number % (count // 40 + 1)} Players" for number in album],
            "album": [f"Album {number}" for number in album],
            "track_number": generator.integers(1, 20, count).astype(np.int32),
            "isrc": [f"XX0{number:09d}" for number in range(count)],
            "duration_ms": generator.integers(90_000, 400_000, count),
            "listens": listens,
        }
    )


def fill(archive: Archive, folder: Path, count: int) -> None:
    generator = np.random.default_rng(SEED)
    pq.write_table(table_of(generator, count), folder / "bench.parquet")
    import_table(archive.catalogue, "bench", [folder / "bench.parquet"], licence=licences.CC0)
    sizes = sizes_of(generator, count)
    settings = Settings()
    lengths = np.array([settings.piece_length(int(size)) for size in sizes])
    roots = generator.bytes(32 * count)
    write_evidence(archive.evidence, generator, roots, sizes, lengths)
    with open_current(archive.catalogue).connect() as connection:
        members = connection.execute(
            "SELECT m.track, m.recording FROM members m JOIN tracks t USING (track)"
            " ORDER BY t.own_id::BIGINT"
        ).fetchall()
    rights.record_sources(archive)
    with archive.ledger.write() as connection:
        record.add_evidence(
            connection,
            [
                EvidenceFile(path.name, "hashes", 0, path.stat().st_size, bytes(32))
                for path in sorted(archive.evidence.iterdir())
            ],
        )
        closed = [
            Statement(ids.text("tr", track), "longplay:unknown", "benchmark")
            for track, _ in members[::CLOSED_EVERY]
        ]
        record.replace_statements(connection, "catalogue:bench", closed)
    write_rows(archive.ledger, members, roots, sizes, lengths)


def write_rows(ledger: Ledger, members: list[Any], roots: bytes, sizes: Any, lengths: Any) -> None:
    def row(name: str, at: int) -> dict[str, Any]:
        (track, recording), root, size = members[at], roots[32 * at : 32 * at + 32], int(sizes[at])
        if name == "object":
            return {"root": root, "size": size, "sha256": bytes(32), "kind": "audio",
                    "suffix": ".ogg", "piece_length": int(lengths[at]), "verdict": "whole",
                    "batch": 1}  # fmt: skip
        if name == "holding":
            return {"source": "bench", "path": root, "root": root, "size": size,
                    "source_size": size, "mtime_ns": 0, "mode": 420, "action": "original",
                    "track": track, "batch": 1, "superseded": 0}  # fmt: skip
        return {"recording": recording, "root": root, "start_ms": 0, "size": size,
                "role": "preservation", "derived_from": None}  # fmt: skip

    def rows(name: str) -> Iterator[list[dict[str, Any]]]:
        if name in ("object", "holding", "manifestation"):
            for first in range(0, len(members), version_3.ROWS):
                last = min(first + version_3.ROWS, len(members))
                yield [row(name, at) for at in range(first, last)]

    with ledger.write() as connection:
        version_3.number(connection, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--stages", action="store_true", help="all four stages, not one of all")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="longplay-bench-") as name:
        folder = Path(name)
        create(folder / "archive").ledger.close()
        by_sa = licence_uri("by-sa", "4.0") or ""
        add_source(
            folder / "archive", Source(name="bench", kind="folder", location=name, rights=by_sa)
        )
        with open_archive(folder / "archive") as archive:
            fill(archive, folder, chosen.objects)
        whole = [] if chosen.stages else ["--share", "100%"]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "longplay", "release", "cut", *whole, "--json"],
            env={**os.environ, "LONGPLAY_ARCHIVE": str(folder / "archive")},
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    cut = json.loads(done.stdout)
    print(
        f"{cut['objects']:,} objects, {cut['bytes'] / 1e12:.2f} TB, {len(cut['torrents'])} torrents"
    )
    print(f"  withheld {sum(cut['withheld'].values()):,}; {len(cut['releases'])} stages")
    print(f"  {seconds:.1f} s from the shell, peak memory {peak / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
