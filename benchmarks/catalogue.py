"""The catalogue at scale: import, size and latencies, beside their goals, and beside peers.

What: a synthetic catalogue of N tracks in the reference release's SQLite schema
(`catalogue_synthesis`), imported by `longplay catalogue import` in a process of its own, then asked
through the Python API in fresh processes (`catalogue_latency`), warm and cold, with queries drawn
from its own rows (`catalogue_queries`). With `--peers` the same work in DuckDB and SQLite FTS5.
Not timed: making the catalogue. Goals of time and size are the ones for 256 million tracks, in
proportion; those of latency hold at any size. What was measured is added to the JSON file
`--results`, by size, and sizes measured before are shown beside it as growth.

    python -m benchmarks.catalogue --tracks 1M|16M|256M [--peers] [--results FILE]
        [--source DIR]    where the SQLite files are, or are made
        [--keep]          do not delete each when it has been read
        [--archive DIR]   the archive; one that has a catalogue already is not imported again
"""

import argparse
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.catalogue_latency import SOURCE, summary
from benchmarks.catalogue_peers import PEERS
from benchmarks.catalogue_queries import Questions, load, questions, save
from benchmarks.catalogue_synthesis import Shape, write
from benchmarks.watching import Watch
from longplay.archive import create
from longplay.catalogue.layout import current_number

MAP = "reference"
"""The map of the reference release, which ships."""
REFERENCE = 256_000_000
SHARD = 16_000_000
"""Tracks in one SQLite file."""
COLD = 40
"""Fresh processes for each kind of cold query."""
FRESH = 10
"""Of them, those that have not even loaded their code."""
SMALL = 2_000
"""Tracks of the archive that is asked so that code is loaded."""
MOST_SECONDS_COLD = 180.0
"""For all of them of one kind."""
COLD_KINDS = ("two words", "id", "ISRC")
GIGABYTE = 1e9
MINUTES, MEMORY, PARQUET, INDEX = 15.0, 8e9, 12e9, 14e9
"""Goals at REFERENCE tracks: import, its peak memory, Parquet, and all that is derived."""
WARM_GOALS = {"two words": 10.0, "as you type": 25.0, "id": 5.0, "ISRC": 5.0}
"""Milliseconds, p95."""
COLD_GOAL = 200.0


def child(module: str, *arguments: object) -> Any:
    """What a module of these benchmarks prints as JSON, run in a fresh process."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    home = Path(__file__).parents[1]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=home)
    return json.loads(done.stdout)


def sweep(process: subprocess.Popen[str], shards: Sequence[Path], keep: bool) -> list[str]:
    """Deletes each shard when the import says that it is read; what it said, at the end."""
    said: list[str] = []
    assert process.stderr is not None
    for line in process.stderr:
        said = [*said[-20:], line.rstrip()]
        for shard in shards:
            if line.startswith("read ") and line.rstrip().endswith(shard.name) and not keep:
                shard.unlink()
    return said


def imported(archive: Path, shards: Sequence[Path], keep: bool) -> dict[str, Any]:
    """Runs the import as a user does: wall clock, CPU, peak memory and disk, and its answer."""
    command = [sys.executable, "-m", "longplay", "catalogue", "import", *map(str, shards)]
    command += ["--map", MAP, "--name", SOURCE, "--json", "--archive", str(archive)]
    size = sum(path.stat().st_size for path in shards)
    used = shutil.disk_usage(archive).used - size
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+") as answer,
        subprocess.Popen(command, stdout=answer, stderr=subprocess.PIPE, text=True) as process,
        Watch(process.pid, [archive, shards[0].parent]) as watch,
    ):
        said = sweep(process, shards, keep)
        process.wait()
        seconds = time.perf_counter() - start
        answer.seek(0)
        told = answer.read()
    if process.returncode:
        raise SystemExit("\n".join([*said, told]))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": seconds,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "pss": watch.pss,
        "own": watch.own,
        "disk": watch.disk - used,
        "disk_in_folders": watch.disk_in_folders,
        "sqlite": size,
        "answer": json.loads(told),
        "samples": watch.samples[:: max(1, len(watch.samples) // 200)],
    }


def sizes(archive: Path) -> dict[str, dict[str, int]]:
    """Bytes of each Parquet table, and of each file of what is derived."""
    found: dict[str, dict[str, int]] = {"parquet": {}, "derived": {}}
    root = archive / "catalogue"
    for path in sorted(root.rglob("*")):
        if path.is_file():
            derived = "index" in path.relative_to(root).parts
            kind = "derived" if derived or path.suffix != ".parquet" else "parquet"
            held = found[kind]
            held[path.name] = held.get(path.name, 0) + path.stat().st_size
    return found


def cold(archive: Path, made: Questions, count: int, small: Sequence[object]) -> dict[str, Any]:
    """One kind of query, each question in a fresh process with the archive's files on the disk."""
    runs: list[dict[str, float]] = []
    until = time.monotonic() + MOST_SECONDS_COLD
    for question in made.asked[:count]:
        asked = ("--cold", made.kind, question.text)
        runs.append(child("catalogue_latency", archive, *asked, *small))
        if time.monotonic() > until:
            break
    parts = {part: summary([run[part] for run in runs]) for part in ("open", "query", "both")}
    return {**parts, "read": sum(run["read"] for run in runs) / len(runs)}


def small_archive(folder: Path) -> Path:
    """An archive that is asked only so that all code is loaded."""
    source = folder / "small-source"
    source.mkdir()
    create(folder / "small").ledger.close()
    imported(folder / "small", write(source, SMALL, 1), keep=False)
    return folder / "small"


def rows_of(shards: Sequence[Path]) -> int:
    """Tracks of a whole catalogue in files made before; less when some are missing."""
    total = 0
    for path in shards:
        with closing(sqlite3.connect(path)) as connection:
            total += connection.execute(
                "SELECT (SELECT max(rowid) FROM tracks) - (SELECT min(rowid) FROM tracks) + 1"
            ).fetchone()[0]
    return total


def measure(chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything about one size."""
    archive = (chosen.archive or folder / "archive").resolve()
    source = (chosen.source or folder / "source").resolve()
    found: dict[str, Any] = {"tracks": chosen.tracks, "load": os.getloadavg()[0]}
    asked = folder / "questions.json"
    save(asked, questions(Shape(chosen.tracks)))
    paths: list[Path] = sorted(source.glob("*.sqlite"))
    present = (archive / "catalogue").exists() and current_number(archive / "catalogue") > 0
    if rows_of(paths) != chosen.tracks and (chosen.peers or not present):
        source.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        paths = write(source, chosen.tracks, -(-chosen.tracks // SHARD))
        found["synthesis"] = time.perf_counter() - start
    if not present:
        create(archive).ledger.close()
        found["import"] = imported(archive, paths, keep=chosen.keep or chosen.peers)
        remember(chosen, found)
    found["sizes"] = sizes(archive)
    found["warm"] = child("catalogue_latency", archive, "--warm", asked)
    made = load(asked)
    small = ("--small", small_archive(folder))
    found["cold"] = {kind: cold(archive, made[kind], COLD, small) for kind in COLD_KINDS}
    found["fresh"] = {kind: cold(archive, made[kind], FRESH, ()) for kind in COLD_KINDS}
    if chosen.peers:
        arguments = ["--folder", folder, "--questions", asked, *paths]
        found["peers"] = {name: child("catalogue_peers", name, *arguments) for name in PEERS}
    return found


def remember(chosen: argparse.Namespace, found: dict[str, Any]) -> dict[str, Any]:
    """Adds what was measured to the results so far, by size; all of them."""
    results: dict[str, Any] = {}
    if chosen.results and chosen.results.exists():
        results = json.loads(chosen.results.read_text())
    size = str(chosen.tracks)
    results[size] = {**results.get(size, {}), **found}
    if chosen.results:
        chosen.results.write_text(json.dumps(results, indent=1, ensure_ascii=False))
    return results


def against(value: float, goal: float, unit: str) -> str:
    """A figure, its goal, and how much of the goal it takes."""
    return f"{value:,.2f} {unit} (goal {goal:,.2f}: {value / goal:.2f} of it)"


def told(found: dict[str, Any]) -> Iterator[str]:
    """The figures of one size, for people."""
    tracks = found["tracks"]
    part = tracks / REFERENCE
    yield f"{tracks:,} tracks; load before {found['load']:.1f}"
    if "import" in found:
        run = found["import"]
        rows = run["answer"]["rows"]
        yield f"  import: {against(run['seconds'] / 60, MINUTES * part, 'minutes')}"
        yield f"    {run['seconds']:.1f} s, {run['cpu']:.1f} s of CPU,"
        yield f"    {run['seconds'] / tracks * 1e6:.2f} µs a track; {rows}"
        memory = against(run["own"] / GIGABYTE, MEMORY / GIGABYTE, "GB")
        yield f"    peak memory of its own: {memory},"
        yield f"    {run['pss'] / GIGABYTE:.2f} GB with the files that it maps"
        yield f"    SQLite {run['sqlite'] / GIGABYTE:.2f} GB,"
        yield f"    peak of disk {run['disk'] / GIGABYTE:.2f} GB,"
        yield f"    {run['disk_in_folders'] / GIGABYTE:.2f} GB of it in the archive and the source"
    for kind, goal in (("parquet", PARQUET), ("derived", INDEX)):
        files = found["sizes"][kind]
        total = sum(files.values())
        yield f"  {kind}: {against(total / GIGABYTE, goal / GIGABYTE * part, 'GB')}"
        yield f"    {total / tracks:.2f} bytes a track"
        for name, size in sorted(files.items(), key=lambda one: -one[1]):
            if size > total / 1000:
                yield f"      {name}: {size / GIGABYTE:.3f} GB, {size / tracks:.2f} bytes a track"
    yield from latencies(found)


def latencies(found: dict[str, Any]) -> Iterator[str]:
    yield "  warm, ms:"
    for kind, row in found["warm"]["kinds"].items():
        goal = WARM_GOALS.get(kind)
        aim = f"; p95 goal {goal:g}: {row['p95'] / goal:.2f} of it" if goal else ""
        yield f"    {kind}: {percentiles(row)}, {row['answered']:.1%} answered{aim}"
        for drawn, each in row["drawn"].items():
            yield f"      {drawn}: {percentiles(each)}"
        yield f"      slowest: {row['slowest']!r}"
    held = found["warm"]["memory"]
    own, whole = held["own"] / GIGABYTE, held["pss"] / GIGABYTE
    yield f"    process: {own:.2f} GB of its own, {whole:.2f} with the files that it maps"
    for how, says in (("cold", "code loaded"), ("fresh", "no code loaded")):
        yield f"  cold, ms, archive opened and asked once, {says} (p95 goal {COLD_GOAL:g}):"
        for kind, row in found[how].items():
            ratio = row["both"]["p95"] / COLD_GOAL
            yield f"    {kind}: {percentiles(row['both'])}: {ratio:.2f} of the goal"
            yield f"      {row['read'] / 1e6:.1f} MB read"
    for name, peer in found.get("peers", {}).items():
        yield from beside(name, peer, found)


def percentiles(row: dict[str, float]) -> str:
    names = ("p50", "p95", "p99", "max")
    return ", ".join(f"{name} {row[name]:.2f}" for name in names) + f" ({row['queries']})"


def beside(name: str, peer: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    """A peer's figures, and how many times ours they are."""
    size = sum(sum(files.values()) for files in found["sizes"].values())
    yield f"  {name}: {peer['bytes'] / GIGABYTE:.2f} GB, {peer['bytes'] / size:.2f} x ours"
    if "import" in found:
        ratio = peer["seconds"] / found["import"]["seconds"]
        yield f"    built in {peer['seconds']:.1f} s ({peer['cpu']:.1f} of CPU), {ratio:.2f} x ours"
    for how in ("kinds", "sorted"):
        for kind, row in peer.get(how, {}).items():
            ours = found["warm"]["kinds"][kind]
            ratios = ", ".join(f"{p} {row[p] / ours[p]:.2f} x" for p in ("p50", "p95"))
            note = " ORDER BY popularity" if how == "sorted" else ""
            yield f"    {kind}{note}: {percentiles(row)}, {row['answered']:.1%} answered;"
            yield f"      {ratios} ours"


def growth(results: dict[str, Any]) -> Iterator[str]:
    """How time grows with the number of tracks, over all sizes measured so far."""
    yield "growth:"
    for found in sorted(results.values(), key=lambda one: int(one["tracks"])):
        kinds = found["warm"]["kinds"]
        spent = ", ".join(f"{kind} p95 {row['p95']:.2f} ms" for kind, row in kinds.items())
        run = found.get("import")
        import_ = f"import {run['seconds'] / found['tracks'] * 1e6:.2f} µs a track, " if run else ""
        yield f"  {found['tracks']:,}: {import_}{spent}"


def tracks_of(text: str) -> int:
    """`16M` and the like as a number."""
    return int(float(text[:-1]) * 1e6) if text.upper().endswith("M") else int(text)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=tracks_of, default=1_000_000)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--source", type=Path)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--scratch", type=Path, help="else the system's temporary folder")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="longplay-bench-", dir=chosen.scratch) as name:
        found = measure(chosen, Path(name))
    results = remember(chosen, found)
    for line in [*told(results[str(chosen.tracks)]), *growth(results)]:
        print(line)


if __name__ == "__main__":
    main()
