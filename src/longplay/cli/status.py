"""`status`: the figures once, as JSON, or as a screen that follows them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened
from longplay.errors import UsageError

if TYPE_CHECKING:
    from longplay.archive import Archive
    from longplay.workflows.status import Status

SHOWN = 12
"""Workers and hosts on the screen."""


def show_status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow it until stopped with Ctrl-C.")
    ] = False,
    every: Annotated[
        float, typer.Option(min=0.2, metavar="SECONDS", help="How often --watch looks.")
    ] = 2.0,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """What is held, due and published, and how it goes on."""
    from longplay.workflows.status import status

    if watch and as_json:
        raise UsageError("--watch and --json exclude each other", hint="choose one of them")
    with opened(archive) as it:
        if watch:
            _follow(it, every)
        elif as_json:
            output.document(status(it))
        else:
            output.facts(facts(status(it)))


show_status.__name__ = "status"

COMMANDS = (show_status,)


def facts(found: Status) -> list[tuple[str, object]]:
    """The figures for people."""
    rows: list[tuple[str, object]] = [
        ("objects", found.objects),
        ("bytes", output.size(found.bytes)),
        ("recordings", found.recordings),
        ("due", found.due),
        ("quarantined", found.quarantined),
        ("share of listens", output.percent(found.share_of_listens)),
        ("releases", found.releases),
        *((f"objects {name}", count) for name, count in found.by_access_class.items()),
        ("disk free", output.size(found.disk_free)),
    ]
    if found.postponed:
        rows.append(("waiting for their host", found.postponed))
    if found.rate.seconds:
        words = f"{found.rate.files:,.1f} files and {output.size(int(found.rate.bytes))} a second"
        rows.append(("rate", words))
    if found.next_stage is not None:
        rows.append(("next stage", _next_stage(found)))
    return rows


def _next_stage(found: Status) -> str:
    assert found.next_stage is not None
    words = f"{found.next_stage.stage}, at {output.percent(found.next_stage.share)}"
    eta = found.next_stage.eta_s
    return words if eta is None else f"{words}, in {_duration(eta)} at this rate"


def _duration(seconds: float) -> str:
    """Seconds as people say them: the two largest units."""
    rest = int(seconds)
    parts: list[str] = []
    for name, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if rest >= length or (name == "s" and not parts):
            parts.append(f"{rest // length} {name}")
            rest %= length
    return " ".join(parts[:2])


def _follow(archive: Archive, every: float) -> None:
    """Show it again and again: on a terminal in place, else as lines."""
    from longplay.workflows.status import refusals, status

    def screen() -> Group:
        return _screen(status(archive), refusals(archive))

    try:
        if not output.out.is_terminal:
            while True:
                output.facts(facts(status(archive)))
                output.line()
                output.out.file.flush()
                time.sleep(every)
        with Live(screen(), console=output.out, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(every)
                live.update(screen(), refresh=True)
    except KeyboardInterrupt:
        return


def _screen(found: Status, reasons: tuple[tuple[str, int], ...]) -> Group:
    grid = Table.grid(padding=(0, 2))
    for name, value in facts(found):
        grid.add_row(Text(name), Text(output.cell(value)))
    parts: list[Table] = [grid]
    if found.workers:
        rows = [
            (one.holder, f"{one.first:,} to {one.last:,}", "" if one.alive else "lost")
            for one in found.workers
        ]
        parts.append(output.grid("workers", ("holder", "ordinals", ""), rows[:SHOWN]))
    if found.hosts:
        hosts = [
            (one.host, one.fetching, one.postponed, one.until or "", one.reason or "")
            for one in found.hosts
        ]
        columns = ("host", "fetching", "postponed", "again", "why")
        parts.append(output.grid("hosts", columns, hosts[:SHOWN]))
    if reasons:
        parts.append(output.grid("in quarantine", ("why", "files"), reasons))
    return Group(*parts)
