"""Running the web application on Granian, in one process or several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server

from longplay.access import warming
from longplay.access.app import create_app
from longplay.archive import open_archive
from longplay.engine.confinement import die_with_parent
from longplay.errors import ArchiveError

FOLDER = "LONGPLAY_SERVED"
"""Environment variable by which worker processes learn which archive they serve."""

WARM = "LONGPLAY_WARM"
"""Environment variable by which they learn whether listeners are to come."""

BACKLOG = 1024
"""Connections that wait for a free worker."""


LOOPBACK = "127.0.0.1"

START_SECONDS, STOP_SECONDS, TRY_SECONDS = 60.0, 10.0, 0.1
"""Longest waits for a server in the background to answer and to end; the pause between looks."""


def serve(folder: Path, *, host: str, port: int, workers: int, warm: bool = True) -> None:
    """Serve the archive in `folder` until the process is told to stop; `warm` says that it gets
    ready for listeners first. Raises ArchiveError."""
    open_archive(folder).ledger.close()  # told here, in one line, rather than by each worker
    os.environ[FOLDER] = str(folder.resolve())
    os.environ[WARM] = "1" if warm else ""
    Server(
        f"{__name__}:application",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=workers,
        factory=True,
        backlog=BACKLOG,
        log_level=LogLevels.warning,
    ).serve()


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextmanager
def in_background(folder: Path, port: int) -> Iterator[None]:
    """Serve the archive in `folder` on the loopback address, in a process that ends with the block
    or with this process. Raises ArchiveError when it does not come up."""
    server = multiprocessing.get_context("spawn").Process(target=_serve_alone, args=(folder, port))
    server.start()
    try:
        for _ in range(round(START_SECONDS / TRY_SECONDS)):
            server.join(TRY_SECONDS)
            if server.exitcode is not None or _answers(port):
                break
        if server.exitcode is not None or not _answers(port):
            raise ArchiveError("cannot be served", where=f"{folder} on port {port}")
        yield
    finally:
        server.terminate()
        server.join(STOP_SECONDS)
        if server.exitcode is None:
            server.kill()
            server.join()


def _serve_alone(folder: Path, port: int) -> None:
    die_with_parent(signal.SIGTERM)
    serve(folder, host=LOOPBACK, port=port, workers=1, warm=False)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((LOOPBACK, port), TRY_SECONDS):
        return True
    return False


def application() -> object:
    """The application of a worker process."""
    die_with_parent(signal.SIGTERM)
    made = create_app(Path(os.environ[FOLDER]))
    if os.environ.get(WARM):
        here = made.state.context
        here.beside.begin(partial(warming.warm, here))
    return made
