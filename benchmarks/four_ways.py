"""The same capture four ways, with equal results.

What: files that all differ (`benchmarks.many_files`), captured (1) by this machine alone; (2) on
a Dask cluster of three worker processes that share the archive's folder; (3) on the same with the
ledger in PostgreSQL and the objects in a real S3 server (Swift), by workers that cannot see the
archive's folder (where we are root and may hide it); (4) as the third, with a worker killed every
ten seconds. Servers, scheduler and workers are processes on loopback, started here. Then objects,
holdings, manifestations and quarantine of all four are compared row by row, and all evidence but
for times and batches; `longplay verify` must be clean. Ends with status 1 unless all is equal.

    python -m benchmarks.four_ways [--files 1000] [--audio FOLDER | --music FOLDER]
        [--kill-seconds 10]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import sqlalchemy as sa
from tests import postgres, swift
from tests.dask_cluster import DaskCluster, dask_cluster
from tests.faults.checking import check, facts, use
from tests.system.conftest import Longplay

from benchmarks.data import AUDIO
from benchmarks.many_files import make
from longplay.archive import open_archive
from longplay.ledger import tables

WORKERS = 3
VARYING = ("batch", "time", "ordinal")
"""Columns of evidence that tell when and in what batch."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way's figures: seconds of the capture and what it counted."""

    name: str
    seconds: float
    counted: dict[str, Any]
    kills: int


def evidence(archive: Longplay) -> dict[str, list[str]]:
    """All evidence of captures by kind, without batches and times. Of an object that several files
    led to (a picture in the tags of an album), its ingestion names whichever was first."""
    found: dict[str, list[str]] = {}
    with open_archive(archive.archive) as opened:
        e, h, p = tables.evidence_files.c, tables.holdings.c, tables.embedded.c
        with opened.ledger.read() as connection:
            named = connection.execute(sa.select(e.name, e.kind)).all()
            ways = Counter(
                [*connection.scalars(sa.select(h.root)), *connection.scalars(sa.select(p.picture))]
            )
        for (name, kind), path in zip(
            named, opened.evidence_files.fetch(name for name, _ in named), strict=True
        ):
            assert path.name == name
            for row in pq.read_table(path).to_pylist() if kind not in ("log", "standing") else ():
                if kind == "events" and row["type"] == "ingestion" and ways[row["root"]] > 1:
                    row["detail"] = "from one of several"
                texts = found.setdefault(kind, [])
                texts.append(repr({key: row[key] for key in row if key not in VARYING}))
    return {kind: sorted(texts) for kind, texts in found.items()}


def prepared(folder: Path, music: Path) -> Longplay:
    """An archive that has all that comes before a capture."""
    archive = Longplay(folder / "archive")
    archive.run("init", archive.archive)
    archive.run("source", "add", "music", "folder", music, "--rights", "personal")
    archive.run("catalogue", "import", music, "--format", "tags", "--name", "music")
    archive.run("plan")
    return archive


def copied(of: Longplay, folder: Path, **settings: str) -> Longplay:
    """A copy of that archive, which works elsewhere."""
    archive = Longplay(folder / "archive")
    shutil.copytree(of.archive, archive.archive)
    if ledger := settings.pop("ledger", ""):
        archive.run("move-ledger", ledger)
    use(archive, **settings)
    return archive


def captured(name: str, archive: Longplay, killing: DaskCluster | None, every: float) -> Way:
    """Capture, perhaps while workers are killed."""
    ended, kills = threading.Event(), 0
    chance = random.Random(1)

    def kill() -> None:
        nonlocal kills
        while killing is not None and not ended.wait(every):
            killing.kill(chance.choice(killing.workers))
            killing.add_worker()
            kills += 1

    thread = threading.Thread(target=kill)
    thread.start()
    started = time.perf_counter()
    try:
        done = archive.run("capture", "--workers", 2 if name == "embedded" else 1, "--json")
    finally:
        ended.set()
        thread.join()
    seconds = time.perf_counter() - started
    return Way(name, seconds, json.loads(done.out), kills)


@contextmanager
def hidden(folder: Path) -> Iterator[tuple[str, ...]]:
    """What stands before a command that shall not see a folder; nothing where that cannot be."""
    words = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {folder} && exec "$@"', "sh")
    works = (
        shutil.which("unshare")
        and not subprocess.run([*words, "true"], check=False, capture_output=True).returncode
    )
    yield words if works else ()


def run(music: Path, kill_seconds: float, top: Path) -> int:
    os.environ["XDG_CONFIG_HOME"] = str(top / "keys")
    ways: list[Way] = []
    results: dict[str, Any] = {}

    def note(way: Way, archive: Longplay) -> None:
        ways.append(way)
        use(archive, engine="")
        again = archive.json("capture")
        assert again["captured"] == 0, again
        check(archive)
        results[way.name] = {"rows": facts(archive), "evidence": evidence(archive)}
        print(f"{way.name}: {way.seconds:.1f} s, {way.kills} kills, {way.counted}", flush=True)

    with ExitStack() as stack:
        fresh = prepared(top / "fresh", music)
        one = copied(fresh, top / "embedded")
        note(captured("embedded", one, None, 0), one)

        with dask_cluster(top / "cluster-2", workers=WORKERS) as cluster:
            two = copied(fresh, top / "dask", engine=cluster.address)
            note(captured("Dask", two, None, 0), two)

        server = stack.enter_context(postgres.running())
        store = stack.enter_context(swift.running())
        os.environ |= store.environment()
        for name, every in (
            ("PostgreSQL + S3 + Dask", 0.0),
            ("the same, a worker killed", kill_seconds),
        ):
            place = top / f"servers-{bool(every)}"
            place.mkdir()
            bucket = f"music-{int(bool(every))}"
            store.make_bucket(bucket)
            with (
                hidden(place) as prefix,
                dask_cluster(
                    top / f"cluster-{bool(every)}",
                    **store.environment(),
                    XDG_CACHE_HOME=str(top / f"cache-{bool(every)}"),
                ) as cluster,
            ):
                cluster.prefix = prefix
                for _ in range(WORKERS):
                    cluster.add_worker()
                archive = copied(
                    fresh,
                    place,
                    ledger=server.fresh(),
                    objects=f"s3://{bucket}/archive",
                    engine=cluster.address,
                )
                note(captured(name, archive, cluster if every else None, every), archive)
    return told(ways, results)


def told(ways: list[Way], results: dict[str, Any]) -> int:
    """Print the table; the exit status."""
    first = results[ways[0].name]
    status = 0
    print("\n| way | s | files/s | workers killed | captured | quarantined | as the first |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for way in ways:
        mine = results[way.name]
        for name in first["evidence"]:
            theirs = Counter(mine["evidence"].get(name, ()))
            lacking = Counter(first["evidence"][name])
            for text in [*(lacking - theirs), *(theirs - lacking)][:4]:
                print(f"{way.name}: {name}: {text[:300]}")
        differs = [
            f"{part}.{name}"
            for part in first
            for name in first[part]
            if first[part][name] != mine[part].get(name)
        ]
        status |= bool(differs)
        counted = way.counted
        print(
            f"| {way.name} | {way.seconds:.1f} | {counted['offered'] / way.seconds:.1f} |"
            f" {way.kills} | {counted['captured']} | {counted['quarantined']} |"
            f" {', '.join(differs) or 'equal'} |"
        )
    rows = sum(len(part) for part in first["rows"].values())
    facts_ = sum(len(part) for part in first["evidence"].values())
    print(f"\nCompared: {rows:,} rows of the ledger, {facts_:,} rows of evidence.")
    return int(status)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--audio", type=Path, default=AUDIO)
    parser.add_argument("--music", type=Path, help="files that `many_files` has made already")
    parser.add_argument("--kill-seconds", type=float, default=10)
    options = parser.parse_args()
    top = Path(tempfile.mkdtemp(prefix="longplay-four-ways-"))
    try:
        music = options.music or top / "music"
        if options.music is None:
            make(music, options.files, options.audio.resolve())
        sys.exit(run(music.resolve(), options.kill_seconds, top))
    finally:
        with suppress(OSError):
            shutil.rmtree(top)


if __name__ == "__main__":
    main()
