"""`init`, `keep`, `restore`, `demo`: whole jobs in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, WorkersOption, begin_workers, opened
from longplay.cli.work import refuse_failures, show_capture, show_plan
from longplay.errors import LongplayError

if TYPE_CHECKING:
    from longplay.workflows.demo import DemoStory
    from longplay.workflows.importing import ImportReport
    from longplay.workflows.restoring import Restored


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the archive shall be.")],
    keys: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where its secret keys shall lie; else in the settings."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an empty archive."""
    from longplay import archive

    archive.create(folder, secrets=keys).ledger.close()
    if as_json:
        output.document({"archive": str(folder)})
    else:
        output.line(f"{folder} is an archive. Next: `longplay source add`, or `longplay keep`.")


def keep(
    folder: Annotated[Path, typer.Argument(help="A folder of your own music.")],
    workers: WorkersOption = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Preserve a folder of your own music: every file, checked, hashed and described."""
    begin_workers()
    from longplay.workflows import keeping

    place = keeping.choose_archive(folder, archive)
    with output.progress("keep") as update:
        kept = keeping.keep(folder, place, workers=workers, progress=update)
    if as_json:
        output.document(
            {
                "archive": str(place),
                "import": kept.imported.document(),
                "plan": kept.plan.document(),
                "capture": kept.captured.document(),
            }
        )
    else:
        output.line(f"archive {place}")
        show_import(kept.imported)
        show_plan(kept.plan)
        show_capture(kept.captured)
    refuse_failures(kept.captured.totals, as_json)


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write the files.")],
    words: Annotated[
        list[str] | None, typer.Argument(help="Only files whose path or tags have these words.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="The source whose files to write.")] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the files back as they were: names, bytes, times and modes."""
    from longplay.workflows import keeping

    with opened(archive) as it, output.progress("restore") as update:
        done = keeping.restore(it, folder, source, words or [], progress=update)
    if as_json:
        output.document({"restored": done})
    else:
        for one in done:
            _print_restored(one)
    lost = [words for one in done for words in one.lost]
    if lost and as_json:
        raise typer.Exit(LongplayError.exit_status)
    if lost:
        raise LongplayError(
            f"{len(lost)} files could not be written, first {lost[0]}",
            hint="`longplay verify` tells what is missing from the archive",
        )


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where the demo's archive shall be.")
    ] = Path("demo-archive"),
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """A small archive from music that Longplay itself makes; every step, start to end."""
    from longplay.access import serving
    from longplay.workflows.demo import run_demo

    say = (lambda _: None) if as_json else output.line
    story = run_demo(
        folder, workers=workers, say=say, serve=serving.in_background, port=serving.free_port()
    )
    if as_json:
        output.document(story.document())
    else:
        _print_story(story)


COMMANDS = (init, keep, restore, demo)


def show_import(report: ImportReport) -> None:
    """Print what an import brought for people."""
    rows = ", ".join(f"{count:,} {name}" for name, count in report.rows.items())
    output.line(f"imported {report.source}: {rows}; {report.rejected:,} rejected")


def _print_restored(one: Restored) -> None:
    output.line(f"{one.source}: {one.files:,} files, {output.size(one.bytes)} written")
    if one.transcoded:
        output.line(f"{one.transcoded:,} of them as the Opus copies that were kept")
    if one.quarantined:
        output.line(f"{one.quarantined:,} of them from quarantine")


def _print_story(story: DemoStory) -> None:
    output.line()
    output.facts(story.figures())
