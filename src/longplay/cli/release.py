"""`longplay release`: what is handed on."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened, parse_share
from longplay.errors import IntegrityFoundError, LongplayError, ReleaseError

if TYPE_CHECKING:
    from longplay.workflows.publishing import KeyFacts, Published
    from longplay.workflows.releasing import Cut
    from longplay.workflows.webseeds import Checked

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
    from longplay.workflows import publishing, releasing

    with opened(archive) as it:
        done = releasing.cut(it, stage=stage, share=parse_share(share))
        told = publishing.renew(it)
    if as_json:
        output.document(done.document())
    else:
        show_cut(done)
    warn_unpublished(told)


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


@app.command()
def publish(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Sign the feed of what is released and withdrawn now, for mirrors and torrent clients."""
    from longplay.workflows import publishing

    with opened(archive) as it:
        done = publishing.publish(it)
    if as_json:
        output.document(done)
        return
    output.line(
        f"feed {done.feed}: {done.releases:,} releases, {done.volumes:,} volumes,"
        f" {done.tombstones:,} tombstones; expires {done.expires[:10]}"
    )
    output.line(f"key for mirrors: {done.key}")


@app.command("check-webseeds")
def check_webseeds(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Prove that every web seed serves the releases: one piece of each volume, by its hash."""
    from longplay.workflows import webseeds

    with opened(archive) as it, output.progress("web seeds") as update:
        found = webseeds.check(it, update)
    if as_json:
        output.document({**dataclasses.asdict(found), "wrong": found.wrong, "good": found.good})
    else:
        _show_webseeds(found)
    if found.wrong:
        raise typer.Exit(IntegrityFoundError.exit_status)
    if not found.good:
        output.err.print("no web seed proved anything: is `longplay serve` running, and in reach?")
        raise typer.Exit(ReleaseError.exit_status)


@app.command()
def keys(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Show the archive's keys, and where the secret halves should lie."""
    from longplay.workflows import publishing

    with opened(archive) as it:
        _show_keys(publishing.facts(it), as_json)


@app.command("rotate-key")
def rotate_key(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """Replace the key that signs feeds; needs the root key."""
    from longplay.workflows import publishing

    with opened(archive) as it:
        _show_keys(publishing.rotate_key(it), as_json)


def warn_unpublished(told: Published | LongplayError | None) -> None:
    """Say that a change holds here but could not be told to mirrors."""
    if isinstance(told, Exception):
        output.err.print(
            f"the feed was not renewed: {told}; then run `longplay release publish`", markup=False
        )


def _show_webseeds(found: Checked) -> None:
    for one in found.seeds:
        output.line(
            f"{one.seed}: {one.good:,} volumes proved, {one.wrong:,} wrong, {one.silent:,} not"
            f" served, {one.not_asked:,} not asked for"
        )
        for trouble in one.troubles:
            output.line(f"  {trouble.verdict}: {trouble.volume}/{trouble.path}: {trouble.why}")


def _show_keys(found: KeyFacts, as_json: bool) -> None:
    if as_json:
        output.document(found)
        return
    output.line(f"key for mirrors: {found.key}")
    output.line(f"feed keys, version {found.version}: {', '.join(found.feed_keys)}")
    for name, at_hand in (("root key", found.root_at_hand), ("feed key", found.feed_at_hand)):
        output.line(f"{name}: {'in ' + found.folder if at_hand else 'not at hand'}")


def show_cut(done: Cut) -> None:
    """Print what was cut for people."""
    for release in done.releases:
        output.line(f"{release.name}:")
        for volume in release.volumes:
            share = volume.padding / max(1, volume.bytes + volume.padding)
            output.line(
                f"  {volume.torrent}: {volume.objects:,} files of {volume.kind},"
                f" {output.size(volume.bytes)}, "
                f"padding {output.percent(share)} of the v1 view"
            )
    if not done.releases:
        output.line("nothing new to release")
    output.line(f"share of listens: {output.percent(done.share_of_listens)}")
    for reason, count in sorted(done.withheld.items()):
        output.line(f"withheld: {count:,} {reason}")
