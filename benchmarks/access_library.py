"""A library of a million held tracks: how long it takes to build, and each of its calls.

What: N tracks of N/11 albums by N/16 artists; a tenth is heard by members alone; one in a hundred
is from another source than the rest. Names are made of 30,000 words, the common ones far more often
than the rest; popularity falls off steeply. How: a
table of tracks is imported as any other is; what is held, and what was measured, is written into
ledger and evidence as a capture would have, without files. Then the real builder builds, in the
process that it takes for it, and each call is timed over and over with other values.

    python -m benchmarks.access_library [--tracks 1000000] [--folder DIR] [--json FILE]

A folder that is there already is used again.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.catalogue_latency import summary
from benchmarks.watching import Watch, own_memory
from longplay import archive as archives
from longplay import clock
from longplay.access.library import apart, building
from longplay.access.library.library import Library
from longplay.access.library.view import View
from longplay.archive import Archive, open_archive
from longplay.catalogue import ids
from longplay.ledger import log, record, tally, version_3
from longplay.ledger.record import EvidenceFile
from longplay.vault import evidence
from longplay.workflows.importing import Request, import_paths
from longplay.workflows.withdrawing import Standing

SOURCE, SMALL_SOURCE = "label", "tape"
REPEATS = 200

NAMES = """
CREATE MACRO syllable(i) AS ['ba','ko','mi','ra','ten','lo','sha','ri','dor','an','el','su','vi',
    'ka','nor','ep','ul','zi','fa','me','gro','ta','lin','os','pe','wan','ye','ju','hal','ce','di',
    'mo'][1 + (i % 32)::INTEGER];
CREATE MACRO word(i) AS syllable(hash(i)) || syllable(hash(i) // 32) ||
    CASE WHEN i % 3 = 0 THEN '' ELSE syllable(hash(i) // 1024) END;
CREATE MACRO chance(i, salt) AS (hash(i * 131 + salt) % 1000003) / 1000003.0;
CREATE MACRO said(i, salt) AS word((30000 * pow(chance(i, salt), 3))::BIGINT);
CREATE MACRO name(i, salt, most) AS array_to_string(list_transform(
    range(0, 1 + (hash(i + salt) % most)::BIGINT), lambda k: said(i, salt + k)), ' ');
"""

TRACKS = """
SELECT 't' || n AS id, name(n, 11, 5) AS title, 'The ' || name(artist, 77, 3) AS artists,
    name(album, 33, 4) AS album, 'The ' || name(artist, 77, 3) AS album_artists,
    1 AS disc_number, n % 11 + 1 AS track_number, 120000 + hash(n) % 200000 AS duration_ms,
    (1960 + hash(album) % 65) || '-05-01' AS release_date, word(hash(artist) % 40) AS genres,
    floor(100 * pow(chance(n, 5), 4)) AS popularity
FROM (SELECT range AS n, range // 11 AS album, (hash(range // 11) % {artists})::BIGINT AS artist
    FROM range({tracks}))
"""


def make(folder: Path, tracks: int) -> Archive:
    """An archive whose ledger says that it holds so many tracks."""
    archive = archives.create(folder, secrets=folder / "secrets")
    table = folder / "tracks.parquet"
    with duckdb.connect() as connection:
        connection.execute(NAMES)
        query = TRACKS.format(tracks=tracks, artists=max(tracks // 16, 1))
        connection.execute(f"COPY ({query}) TO '{table}' (FORMAT parquet)")
    request = Request(paths=(str(table),), name=SOURCE)
    import_paths(archive, request, progress=lambda *_: None)
    table.unlink()
    _hold(archive, tracks)
    return archive


def _object(n: int, root: bytes, _: int) -> dict[str, Any]:
    return {"root": root, "size": 4_000_000 + n, "sha256": root, "kind": "audio", "suffix": ".ogg",
            "piece_length": 262_144, "batch": 1, "access": int(n % 10 == 9)}  # fmt: skip


def _holding(n: int, root: bytes, key: int) -> dict[str, Any]:
    source = SMALL_SOURCE if n // 1100 % 100 == 7 else SOURCE
    path = b"%d/%d/%d.ogg" % (n // 1100, n // 11, n)
    size = 4_000_000 + n
    return {"source": source, "path": path, "root": root, "size": size, "source_size": size,
            "mtime_ns": 0, "mode": 0, "action": "original", "track": key, "batch": 1,
            "superseded": 0}  # fmt: skip


def _manifestation(_: int, root: bytes, key: int) -> dict[str, Any]:
    return {"recording": key ^ ids.RECORDING, "root": root, "start_ms": 0, "size": 4_000_000,
            "role": "preservation", "derived_from": None}  # fmt: skip


def _hold(archive: Archive, tracks: int) -> None:
    numbers = range(tracks)
    roots = [hashlib.sha256(b"%d" % n).digest() for n in numbers]
    keys = [ids.row_key("tr", SOURCE, f"t{n}") for n in numbers]

    def rows(name: str) -> Iterator[list[dict[str, Any]]]:
        facts = enumerate(zip(roots, keys, strict=True))
        made = {"object": _object, "holding": _holding, "manifestation": _manifestation}.get(name)
        while made is not None and (some := list(itertools.islice(facts, version_3.ROWS))):
            yield [made(n, root, key) for n, (root, key) in some]

    with archive.ledger.write() as connection:
        version_3.number(connection, rows)
        record.add_evidence(connection, [_sounds(archive, roots)])
        rights = tally.read(connection).get(tally.RIGHTS, 0)
        tally.put(connection, tally.OBJECTS, tracks)
        tally.put(connection, tally.JUDGED, rights)
        tally.put(connection, tally.JUDGED_DAY, clock.now().date().toordinal())
        log.append(connection, "capture", "", {"batch": 1})


def _sounds(archive: Archive, roots: list[bytes]) -> EvidenceFile:
    count = len(roots)
    chance = np.random.default_rng(1)
    known: dict[str, Any] = {
        "batch": np.ones(count, np.int64),
        "root": pa.array(roots, pa.binary(32)),
        "size": np.arange(count) + 4_000_000,
        "codec": ["vorbis"] * count,
        "sample_rate": np.full(count, 44100, np.int32),
        "channels": np.full(count, 2, np.int16),
        "bit_rate": np.full(count, 160_000, np.int64),
        "duration_ms": chance.integers(120_000, 320_000, count),
        "integrated_lufs": chance.normal(-12, 3, count).astype(np.float32),
        "true_peak_dbtp": chance.normal(-1, 0.5, count).astype(np.float32),
    }
    schema = evidence.SCHEMAS["sounds"]
    table = pa.table(
        [pa.array(known[f.name], f.type) if f.name in known else pa.nulls(count, f.type)
         for f in schema],
        schema=schema,
    )  # fmt: skip
    path = archive.evidence / f"sounds-{'0' * 32}.parquet"
    pq.write_table(table, path, compression="zstd", row_group_size=evidence.ROW_GROUP)
    return EvidenceFile(path.name, "sounds", count, path.stat().st_size, bytes(32))


def calls(view: View, whole: View) -> dict[str, Callable[[], Any]]:
    """Each call with other values every time; what is searched for is in the whole."""
    chance = random.Random(7)
    counts = view.counts
    titles = [t.title for t in whole.random(500)]
    artists = [t.artist for t in whole.random(500)]
    albums = [album.id for album in view.albums("random", 500)]
    genres = [genre.name for genre in view.genres()]
    some = [t.id for t in view.random(500)]
    people = [t.artists[0][0] for t in view.random(500)]

    def typed() -> str:
        title = chance.choice(titles)
        return title[: chance.randint(1, len(title))]

    def both() -> str:
        track = view.track(chance.choice(some))
        assert track is not None
        return f"{track.artist.split()[-1]} {track.title.split()[0][:3]}"

    def page(kind: int) -> int:
        return chance.randrange(max(kind - 500, 1))

    none = (0, 0)
    return {
        "search3, a title as it is typed": lambda: view.search(typed()),
        "search3, artist and title": lambda: view.search(both()),
        "search3, one letter": lambda: view.search(chance.choice("abdefghijklmnoprstuvwyz")),
        "search3, a whole name": lambda: view.search(chance.choice(artists)),
        "search3, empty, 500 tracks from 0": lambda: view.search("", none, none, (500, 0)),
        "search3, empty, 500 tracks near the end": lambda: view.search(
            "", none, none, (500, counts.tracks - 500 - chance.randrange(1000))
        ),
        "getAlbumList2 newest, 500": lambda: view.albums("newest", 500, page(counts.albums)),
        "getAlbumList2 byName, 500": lambda: view.albums(
            "alphabeticalByName", 500, page(counts.albums)
        ),
        "getAlbumList2 byGenre, 500": lambda: view.albums(
            "alphabeticalByArtist", 500, chance.randrange(500), genre=chance.choice(genres)
        ),
        "getAlbumList2 byYear, 500": lambda: view.albums(
            "byYear", 500, from_year=chance.randint(1960, 2024), to_year=1990
        ),
        "getAlbumList2 random, 500": lambda: view.albums("random", 500),
        "getRandomSongs, 500": lambda: view.random(500),
        "getRandomSongs of a genre, 500": lambda: view.random(500, genre=chance.choice(genres)),
        "getSongsByGenre, 500": lambda: view.tracks_by_genre(chance.choice(genres), 500, 9000),
        "getAlbum": lambda: view.tracks_of_album(chance.choice(albums)),
        "getArtist": lambda: view.albums_of_artist(chance.choice(people)),
        "getSong": lambda: view.track(chance.choice(some)),
        "500 tracks by id": lambda: view.tracks(some),
        "getTopSongs": lambda: view.top_tracks(chance.choice(people), 50),
        "getGenres": view.genres,
        "getArtists, made before": lambda: view.cached("index", index),
    }


def index(view: View) -> bytes:
    """Something like the answer of getArtists."""
    return json.dumps(
        [[letter, [[a.id, a.name, a.albums] for a in some]] for letter, some in view.index()]
    ).encode()


CONFINED = ("search3", "getAlbumList2", "getRandomSongs", "getSongsByGenre", "getArtists")
"""Calls that may be confined to a source."""


def measure(view: View, whole: View) -> dict[str, dict[str, float]]:
    """Milliseconds of each call, of the whole or of a source in it."""
    found = {}
    for name, call in calls(view, whole).items():
        if view is not whole and not name.startswith(CONFINED):
            continue
        call()
        times = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            call()
            times.append((time.perf_counter() - began) * 1000)
        found[name] = summary(times)
    return found


def run(folder: Path, tracks: int) -> dict[str, Any]:
    """Make, build and ask; returns all figures."""
    report: dict[str, Any] = {"tracks": tracks}
    if (folder / "longplay.toml").exists():
        archive = open_archive(folder)
    else:
        began = time.monotonic()
        archive = make(folder, tracks)
        report["made_s"] = round(time.monotonic() - began, 1)
    cache = building.folder_of(archive)
    shutil.rmtree(cache, ignore_errors=True)
    before = own_memory(os.getpid())
    began = time.monotonic()
    with Watch(os.getpid(), [archive.folder]) as watch:
        apart.build(archive)
    report["build_s"] = round(time.monotonic() - began, 1)
    report["build_peak_mb"] = round((watch.own - before) / 1e6)
    built = building.current(cache)
    assert built is not None
    report["file_mb"] = round((cache / built.file).stat().st_size / 1e6)
    nothing = Standing(frozenset(), 0)
    for who, signed_in in (("members", True), ("guests", False)):
        view = Library(archive).view(signed_in, nothing)
        began = time.perf_counter()
        made = view.cached("index", index)
        report[f"getArtists for {who}, made anew, ms"] = round((time.perf_counter() - began) * 1000)
        report[f"getArtists for {who}, bytes"] = len(made)
        report[who] = measure(view, view)
        for source in view.folders():
            began = time.perf_counter()
            part = view.within(source.id)
            part.albums("newest", 500)
            first = round((time.perf_counter() - began) * 1000, 1)
            report[f"{source.name} for {who}, first getAlbumList2, ms"] = first
            began = time.perf_counter()
            part.cached("index", index)
            first = round((time.perf_counter() - began) * 1000)
            report[f"{source.name} for {who}, getArtists made anew, ms"] = first
            report[f"{who}, {source.name}"] = measure(part, view)
    report["private_mb"] = round(own_memory(os.getpid()) / 1e6)
    archive.ledger.close()
    return report


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="longplay-library-") as scratch:
        report = run(given.folder or Path(scratch) / "archive", given.tracks)
    if given.json:
        given.json.write_text(json.dumps(report, indent=1))
    for name, value in report.items():
        if not isinstance(value, dict):
            print(f"{name:45} {value:,}")
    for who, measured in report.items():
        if not isinstance(measured, dict):
            continue
        print(f"\n{who:45} {'p50':>8} {'p95':>8} {'max':>8} ms")
        for call, figures in measured.items():
            print(f"{call:45} {figures['p50']:8.2f} {figures['p95']:8.2f} {figures['max']:8.2f}")


if __name__ == "__main__":
    main()
