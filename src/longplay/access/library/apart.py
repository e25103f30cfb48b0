"""Building a library apart from what answers requests, where it takes more than a moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from longplay.access.library import building
from longplay.archive import Archive, open_archive
from longplay.catalogue.snapshot import open_current
from longplay.engine.confinement import die_with_parent
from longplay.errors import ArchiveError, LongplayError
from longplay.ledger import tally

SMALL = 50_000
"""Objects, and tracks of the catalogue, up to which this process builds itself, in a second or two.
Beyond that another one does, at low priority, whose memory is given back when it ends."""

NICE = 10


def build(archive: Archive) -> None:
    """`building.build`, wherever it is best done. Raises what that raises, and ArchiveError when
    the process that builds is killed."""
    if _size(archive) <= SMALL:
        building.build(archive)
        return
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_build, args=(archive.folder, there), daemon=True)
    process.start()
    there.close()
    try:
        failed = here.recv()
    except EOFError:
        failed = ArchiveError(
            "the library's build was killed",
            where=str(building.folder_of(archive)),
            hint="is there memory for it? It is begun again",
        )
    process.join()
    if failed is not None:
        raise failed


def _size(archive: Archive) -> int:
    with archive.ledger.read() as connection:
        objects = int(tally.read(connection).get(tally.OBJECTS, 0))
    layers = open_current(archive.catalogue).manifest.layers.values()
    return max(objects, sum(layer.rows("tracks") for layer in layers))


def _build(folder: Path, told: Connection) -> None:
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    try:
        with open_archive(folder) as archive:
            building.build(archive)
        told.send(None)
    except LongplayError as error:
        told.send(error)
