"""`longplay release`: what is handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened, parse_share

if TYPE_CHECKING:
    from longplay.workflows.releasing import Cut

app = typer.Typer(no_args_is_help=True, help="Releases: what is handed on, by stages.")


@app.command()
def cut(
    stage: Annotated[int | None, typer.Option(min=1, help="Only this stage.")] = None,
    share: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="The most listened-to, up to this share, e.g. 90%."),
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cut a release: torrents from stored hashes, a manifest, the metadata."""
    from longplay.workflows import releasing

    with opened(archive) as it:
        done = releasing.cut(it, stage=stage, share=parse_share(share))
    if as_json:
        output.document(done.document())
    else:
        show_cut(done)


@app.command("list")
def list_releases(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """List the releases, newest last."""
    from longplay.workflows import releasing

    with opened(archive) as it:
        rows = releasing.list_releases(it)
    if as_json:
        output.document(rows)
        return
    for row in rows:
        output.line(f"{row['release']}: {row['objects']:,} objects, {output.size(row['bytes'])}")
        for magnet in row["magnets"]:
            output.line(f"  {magnet}")


def show_cut(done: Cut) -> None:
    """Print what was cut for people."""
    for release in done.releases:
        output.line(f"{release.name}:")
        for volume in release.volumes:
            share = volume.padding / max(1, volume.bytes + volume.padding)
            output.line(
                f"  {volume.torrent}: {volume.objects:,} objects, {output.size(volume.bytes)}, "
                f"padding {output.percent(share)} of the v1 view"
            )
    if not done.releases:
        output.line("nothing new to release")
    output.line(f"share of listens: {output.percent(done.share_of_listens)}")
    for reason, count in sorted(done.withheld.items()):
        output.line(f"withheld: {count:,} {reason}")
