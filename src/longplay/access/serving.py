"""Running the web application on Granian, in one process or several."""

from __future__ import annotations

import os
from pathlib import Path

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from longplay.access.app import create_app
from longplay.archive import open_archive

FOLDER = "LONGPLAY_SERVED"
"""Environment variable by which worker processes learn which archive they serve."""

BACKLOG = 1024
"""Connections that wait for a free worker."""


def serve(folder: Path, *, host: str, port: int, workers: int) -> None:
    """Serve the archive in `folder` until the process is told to stop. Raises ArchiveError."""
    open_archive(folder).ledger.close()  # told here, in one line, rather than by each worker
    os.environ[FOLDER] = str(folder.resolve())
    Server(
        f"{__name__}:application",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        factory=True,
        backlog=BACKLOG,
        log_level=LogLevels.warning,
    ).serve()


def application() -> object:
    """The application of a worker process."""
    return create_app(Path(os.environ[FOLDER]))
