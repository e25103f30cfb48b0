"""`lookup`: which of many ISRCs the archive holds, under which rights, by which ids.

Lines come as they are in the file, and answers in their order, a batch at a time: a million lines
need no more memory than a thousand.
"""

from __future__ import annotations

import csv
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from longplay.archive import Archive
from longplay.catalogue import identifiers, ids, keys
from longplay.catalogue.search import opening
from longplay.catalogue.snapshot import open_current
from longplay.rights.gate import AccessClass
from longplay.workflows import kept, withdrawing
from longplay.workflows.kept import Kept
from longplay.workflows.withdrawing import Standing

BATCH = 1_000
"""Lines that are looked up together."""

MAX_LINE = 10_000
"""Bytes of a line; what is longer is no list of codes."""

MOST_RECORDINGS = 100
"""Recordings told of one code: a code that more share is misused."""

NAMES = ("isrc", "isrcs", "isrc code", "isrc_code")
"""What the column of ISRCs is called in tables with a head; without one it is the first."""

EMPTY, TOO_LONG, MALFORMED = "is empty", "is too long", "is no ISRC"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a list: what stands in it, and why that is nothing that can be looked up."""

    number: int
    asked: str
    isrc: str | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """The answer to one line: the recordings that have the code, which of them are held, by which
    objects, who may hear them at best, and under which statements."""

    line: int
    asked: str
    isrc: str | None
    problem: str | None
    recordings: tuple[str, ...]
    held: tuple[str, ...]
    access: AccessClass | None
    rights: tuple[str, ...]
    objects: tuple[str, ...]


COLUMNS = ("line", "asked", "isrc", "problem", "held", "access", "rights", "recordings", "objects")
"""The columns of answers as CSV; in the last three, several stand with a space between."""


def cells(row: Row) -> tuple[object, ...]:
    """An answer as a row of `COLUMNS`."""
    return (
        row.line,
        row.asked,
        row.isrc or "",
        row.problem or "",
        "yes" if row.held else "no",
        row.access or "",
        " ".join(row.rights),
        " ".join(row.recordings),
        " ".join(row.objects),
    )


def lines(file: BinaryIO) -> Iterator[Line]:
    """The lines of a list, or of a table with a column of ISRCs (comma, semicolon or tab)."""
    column, delimiter = 0, ","
    for number, text in enumerate(_texts(file), 1):
        if text is None:
            yield Line(number, "", None, TOO_LONG)
            continue
        if number == 1:
            delimiter = next((one for one in "\t;," if one in text), ",")
        cells = next(csv.reader([text], delimiter=delimiter), [])
        if number == 1:
            named = [at for at, cell in enumerate(cells) if cell.strip().lower() in NAMES]
            if named:
                column = named[0]
                continue
        asked = cells[column].strip() if column < len(cells) else ""
        isrc = identifiers.isrc(asked)
        problem = None if isrc else MALFORMED if asked else EMPTY
        yield Line(number, asked, isrc, problem)


def _texts(file: BinaryIO) -> Iterator[str | None]:
    """Lines as text; None for one that is too long, whose rest is not kept."""
    first = True
    while data := file.readline(MAX_LINE):
        long = False
        while not data.endswith(b"\n") and (more := file.readline(MAX_LINE)):
            data, long = more, True
        text = data.decode("utf-8", "replace").rstrip("\r\n").replace("\x00", "\ufffd")
        text = text.replace("\r", " ")  # within a line it means nothing, and no CSV may have it
        yield None if long else text.removeprefix("\ufeff") if first else text
        first = False


def look_up(
    archive: Archive, asked: Iterable[Line], *, claimed: Standing | None = None, told: bool = False
) -> Iterator[Row]:
    """The answer to each line, in their order. With `told` to anybody: what may not be spoken of is
    not held then. `claimed` is what is withdrawn, where the caller knows it."""
    claimed = claimed or withdrawing.standing(archive)
    rest = iter(asked)
    while batch := list(itertools.islice(rest, BATCH)):
        yield from _answers(archive, batch, claimed, told)


def _answers(
    archive: Archive, batch: Sequence[Line], claimed: Standing, told: bool
) -> Iterator[Row]:
    codes = sorted({line.isrc for line in batch if line.isrc})
    having = _having(archive, codes)
    of: dict[int, list[Kept]] = defaultdict(list)
    known = {recording for some in having.values() for recording in some}
    for one in kept.kept(archive, claimed, known) if known else ():
        if one.key is not None and (one.described or not told):
            of[one.recording].append(one)
    for line in batch:
        recordings = having.get(line.isrc or "", [])
        objects = [one for recording in recordings for one in of.get(recording, ())]
        best = min((_ORDER.index(one.access) for one in objects), default=None)
        yield Row(
            line.number,
            line.asked,
            line.isrc,
            line.problem,
            tuple(ids.text("rec", one) for one in recordings),
            tuple(ids.text("rec", one) for one in recordings if of.get(one)),
            None if best is None else _ORDER[best],
            tuple(dict.fromkeys(uri for one in objects for uri in one.uris)),
            tuple(dict.fromkeys(f"obj{one.key.hex}" for one in objects if one.key)),
        )


_ORDER: tuple[AccessClass, ...] = ("open", "restricted", "dark")


def _having(archive: Archive, codes: Sequence[str]) -> dict[str, list[int]]:
    """The recordings that have each of these codes, in any source."""
    found: dict[str, dict[int, None]] = defaultdict(dict)
    if not codes:
        return {}
    hashes = keys.text_hashes(pa.array(codes, pa.string()))
    for index in opening.opened(open_current(archive.catalogue)).indexes:
        lookup = index.lookups.get("isrc")
        if lookup is None:
            continue
        places, documents = lookup.find(hashes)
        once, back = np.unique(documents, return_inverse=True)
        if not len(once):
            continue
        have = index.index.store.evidence(once)["isrcs"].to_pylist()
        recordings = index.recordings(once).tolist()
        for place, row in zip(places.tolist(), back.tolist(), strict=True):
            code = codes[place]
            if code in (have[row] or ()) and len(found[code]) < MOST_RECORDINGS:
                found[code][recordings[row]] = None
    return {code: list(some) for code, some in found.items()}
