"""`longplay serve`: the archive over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, archive_folder, opened


def serve(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on.")] = 8440,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    archive: ArchiveOption = None,
) -> None:
    """Serve releases, web seeds, a tracker and recordings, until stopped."""
    from longplay.access import serving
    from longplay.access.people import first

    folder = archive_folder(archive)
    with opened(archive) as it:
        password = first.administrator(it)
    named = f"[{host}]" if ":" in host else host
    output.line(f"serving {folder} at http://{named}:{port}")
    if password is not None:
        output.line(
            f"log in as {first.NAME} with the one-time password {password} (shown this once; lost?"
            f" `longplay account password {first.NAME}` gives another)"
        )
    serving.serve(folder, host=host, port=port, workers=workers)


COMMANDS = (serve,)
