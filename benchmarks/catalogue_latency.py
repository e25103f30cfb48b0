"""Latencies of the Python API in a fresh process: what `benchmarks.catalogue` runs as its child.

Warm: the indexes are read into memory, and every kind of query is asked after others. Cold: the
first query of a process, after the archive's files were dropped from the page cache; once with
nothing loaded, as on the command line, and once with the code loaded by asking a small archive, as
in a server.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.catalogue_queries import KINDS, WHOLE, Questions, load
from benchmarks.watching import own_memory, shared_memory
from longplay.catalogue import ids
from longplay.catalogue.search import finding, opening, showing
from longplay.catalogue.search.query import parse
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError

SOURCE = "reference"

MOST_SECONDS = 60.0
"""Of one kind of query: what is so slow that they do not suffice is told by fewer queries."""

Ask = Callable[[str], list[Any]]


def summary(milliseconds: Sequence[float]) -> dict[str, float]:
    """Percentiles, as the tables of the documentation show them."""
    values = np.array(milliseconds)
    found = {f"p{share}": float(np.percentile(values, share)) for share in (50, 95, 99)}
    return {"queries": len(values), **found, "max": float(values.max())}


def drop(archive: Path) -> None:
    """Take the archive's files out of the page cache; nobody may have them mapped."""
    os.sync()
    for path in (archive / "catalogue").rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def read_bytes() -> int:
    """Bytes that this process has had fetched from the disk."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def opened(archive: Path) -> dict[str, Ask]:
    """How each kind of query is asked of the archive."""
    snapshot = open_current(archive / "catalogue")

    def search(text: str, typing: bool = True) -> list[Any]:
        asked = parse(text, typing=typing)
        return list(finding.find(opening.layers(snapshot), asked, limit=10).hits)

    def by_id(own_id: str) -> list[Any]:
        return show(ids.text("tr", ids.row_key("tr", SOURCE, own_id)))

    def show(text: str) -> list[Any]:
        try:
            return list(showing.show(snapshot, text).found)
        except InputError:
            return []

    asks = dict.fromkeys(KINDS, search)
    asks |= dict.fromkeys(WHOLE, partial(search, typing=False))
    return {**asks, "id": by_id, "ISRC": show}


def measured(ask: Ask, made: Questions) -> dict[str, Any]:
    """One kind of query, warm."""
    started = time.monotonic()
    for question in made.before:
        ask(question.text)
        if time.monotonic() > started + MOST_SECONDS / 2:
            break
    times: dict[str, list[float]] = {}
    answered = 0
    slowest = (0.0, "")
    for question in made.asked:
        start = time.perf_counter_ns()
        hits = ask(question.text)
        spent = (time.perf_counter_ns() - start) / 1e6
        times.setdefault(question.drawn, []).append(spent)
        slowest = max(slowest, (spent, question.text))
        answered += bool(hits)
        if time.monotonic() > started + MOST_SECONDS:
            break
    whole = [spent for each in times.values() for spent in each]
    return {
        **summary(whole),
        "answered": answered / len(whole),
        "slowest": slowest[1],
        "drawn": {drawn: summary(each) for drawn, each in times.items()},
    }


def warm(archive: Path, asked: dict[str, Questions]) -> dict[str, Any]:
    """All kinds of query, one after the other, and the memory of the process at the end."""
    opening.warm(open_current(archive / "catalogue"))
    asks = opened(archive)
    found = {kind: measured(asks[kind], made) for kind, made in asked.items()}
    share, own = shared_memory(os.getpid()), own_memory(os.getpid())
    return {"kinds": found, "memory": {"pss": share, "own": own}}


def cold(archive: Path, kind: str, text: str, small: Path | None) -> dict[str, float]:
    """Opening the archive and asking once; before that, the small archive if there is one."""
    if small:
        loaded = opened(small)
        for word in ("the", "love you", text):
            loaded["two words"](word)
        loaded[kind](text)
    drop(archive)
    before = read_bytes()
    start = time.perf_counter_ns()
    ask = opened(archive)[kind]
    ready = time.perf_counter_ns()
    ask(text)
    done = time.perf_counter_ns()
    return {
        "open": (ready - start) / 1e6,
        "query": (done - ready) / 1e6,
        "both": (done - start) / 1e6,
        "read": read_bytes() - before,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--warm", type=Path, metavar="QUESTIONS")
    asked.add_argument("--cold", nargs=2, metavar=("KIND", "QUERY"))
    parser.add_argument("--small", type=Path, help="an archive that is asked before the cold query")
    chosen = parser.parse_args(arguments)
    if chosen.cold:
        kind, text = chosen.cold
        found: Any = cold(chosen.archive, kind, text, chosen.small)
    else:
        found = warm(chosen.archive, load(chosen.warm))
    print(json.dumps(found, ensure_ascii=False))


if __name__ == "__main__":
    main()
