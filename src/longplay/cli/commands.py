"""All commands, gathered from one module a group."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from typer.main import get_group

from longplay import __version__, logs
from longplay.cli import (
    account,
    catalogue,
    claim,
    curate,
    decisions,
    duplicates,
    export,
    guard,
    guarding,
    identify,
    keep,
    lookup,
    operate,
    output,
    packages,
    preserve,
    release,
    rights,
    search,
    serve,
    share,
    source,
    status,
    verify,
    work,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="The preservation archive for music.",
)
app.add_typer(source.app, name="source")
app.add_typer(catalogue.app, name="catalogue")
for name, command in (search.COMMANDS | export.COMMANDS).items():
    catalogue.app.command(name)(command)
catalogue.app.command("explain")(curate.explain)
app.add_typer(release.app, name="release")
app.add_typer(rights.app, name="rights")
app.add_typer(claim.app, name="claim")
app.add_typer(account.app, name="account")
app.add_typer(identify.app, name="fingerprint")
app.add_typer(duplicates.app, name="duplicates")
app.add_typer(packages.app, name="export")
app.add_typer(guard.app, name="guard")
for name, action in (decisions.COMMANDS | guarding.COMMANDS).items():
    guard.app.command(name)(action)
for command in (
    *keep.COMMANDS,
    *work.COMMANDS,
    *status.COMMANDS,
    *verify.COMMANDS,
    *preserve.COMMANDS,
    *operate.COMMANDS,
    *curate.COMMANDS,
    *share.COMMANDS,
    *serve.COMMANDS,
    *lookup.COMMANDS,
    *identify.COMMANDS,
):
    app.command()(command)
NAMES = frozenset(get_group(app).commands)
"""Every command and group."""


def _version(wanted: bool) -> None:
    if wanted:
        output.line(f"longplay {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    log: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write what happens there, as JSON lines; - for standard error.",
            envvar=logs.VARIABLE,
        ),
    ] = None,
) -> None:
    """The preservation archive for music."""
    if log:
        os.environ[logs.VARIABLE] = log  # so that worker processes know it too
