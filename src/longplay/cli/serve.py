"""`longplay serve`: the archive over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, archive_folder


def serve(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on.")] = 8440,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    archive: ArchiveOption = None,
) -> None:
    """Serve releases, web seeds, a tracker and recordings, until stopped."""
    from longplay.access import serving

    folder = archive_folder(archive)
    output.line(f"serving {folder} at http://{host}:{port}")
    serving.serve(folder, host=host, port=port, workers=workers)


COMMANDS = (serve,)
