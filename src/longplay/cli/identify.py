"""`identify`, `fingerprint`: whose music is that?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, WorkersOption, opened
from longplay.errors import UsageError

if TYPE_CHECKING:
    from longplay.workflows.identifying import Index, Listened, Match

ClusterOption = Annotated[
    bool, typer.Option("--cluster", help="Ask the index on the Dask cluster of the settings.")
]

SHOWN = 50
"""Matches of an audit that are told on a terminal; reports and `--json` have all."""

app = typer.Typer(no_args_is_help=True, help="Fingerprints of what is held.")


def identify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Sound files.")],
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Only files that are whole tracks, by their own small index."),
    ] = False,
    on_cluster: ClusterOption = False,
    workers: WorkersOption = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which archived recordings are in some files, and where."""
    from longplay.workflows import identifying, spreading

    if whole and on_cluster:
        raise UsageError(
            "--whole asks a small index, and asks it here", hint="omit --cluster or --whole"
        )
    with (
        opened(archive) as it,
        spreading.cluster_of(it, on_cluster) as cluster,
        output.progress("identify") as update,
    ):
        index, found = identifying.identify(
            it, files, workers=workers, whole=whole, cluster=cluster, progress=update
        )
        _warn(index)
        results = list(found)
    unreadable = [{"file": one.file, "why": one.why} for one in results if one.why]
    if as_json:
        output.document(
            {
                "files": [_document(one) for one in results if not one.why],
                "unreadable": unreadable,
                "index": index.version,
            }
        )
        return
    for one in results:
        _show(one)
    if unreadable:
        output.line(f"{len(unreadable):,} of {len(results):,} files could not be heard")


def audit(
    corpus: Annotated[Path, typer.Argument(metavar="FOLDER|MANIFEST|SHARDS")],
    manifest_only: Annotated[
        bool,
        typer.Option("--manifest-only", help="A table of identifiers and names; no sound is read."),
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a report: .html, .json or .csv.")
    ] = None,
    self_test: Annotated[
        int, typer.Option(min=0, max=10_000, metavar="N", help="Objects to cut test clips from.")
    ] = 50,
    thorough: Annotated[
        bool,
        typer.Option("--thorough", help="Ask every second in full, which takes many times longer."),
    ] = False,
    on_cluster: ClusterOption = False,
    workers: WorkersOption = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which archived recordings are in a corpus. Nothing of it is kept."""
    from longplay.engine import default_workers
    from longplay.workflows import audit_report, auditing, spreading, testing_index

    if report is not None:
        audit_report.check(report)
    if manifest_only:
        _manifest(corpus, report, archive, as_json)
        return
    with (
        opened(archive) as it,
        spreading.cluster_of(it, on_cluster) as cluster,
        output.progress("audit") as update,
    ):
        index, done = auditing.audit(
            it, corpus, workers=workers, thorough=thorough, cluster=cluster, progress=update
        )
        _warn(index)
        tested = None
        if self_test:
            count = workers or default_workers()
            tested = testing_index.run(it, index, self_test, workers=count)
        found = audit_report.document(index, done, tested)
        unsigned = audit_report.write(it, report, found) if report else ""
    if unsigned:
        output.err.print(f"the report is not signed: {unsigned}", markup=False)
    if as_json:
        output.document(found)
    else:
        _show_audit(found, report)


@app.command()
def update(
    anew: Annotated[
        bool, typer.Option("--anew", help="Make the whole index again, from the objects.")
    ] = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="The small index, of whole tracks only.")
    ] = False,
    workers: WorkersOption = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the fingerprint index up to date with what is held."""
    from longplay.workflows import indexing

    with opened(archive) as it, output.progress("fingerprint") as update:
        done = indexing.update(it, workers=workers, progress=update, anew=anew, whole=whole)
    if as_json:
        failed = [{"object": root, "why": why} for root, why in done.failed]
        fields = (
            "objects",
            "added",
            "decoded",
            "renewed",
            "removed",
            "shards",
            "postings",
            "bytes",
            "version",
        )
        facts = {name: getattr(done, name) for name in fields}
        output.document({**facts, "failed": failed, "seconds": done.seconds})
        return
    output.facts(
        [
            ("objects", done.objects),
            ("added", done.added),
            ("decoded for it", done.decoded),
            ("renewed", done.renewed),
            ("removed", done.removed),
            ("cannot be heard", len(done.failed)),
            ("shards", done.shards),
            ("bytes", output.size(done.bytes)),
            ("version", done.version),
        ]
    )


@app.command()
def export(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The list that is written.")],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the fingerprints of what is held as a list that can be handed on; no sound."""
    from longplay.workflows import handing_prints

    with opened(archive) as it:
        count = handing_prints.export(it, path)
    if as_json:
        output.document({"file": str(path), "entries": count})
    else:
        output.line(f"{count:,} fingerprints are in {path}")


@app.command()
def check(
    listing: Annotated[Path, typer.Argument(metavar="LIST", help="As `export` writes it.")],
    corpus: Annotated[Path, typer.Argument(metavar="FOLDER|MANIFEST|SHARDS")],
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a corpus with a list of fingerprints. No archive is needed."""
    from longplay.workflows import handing_prints

    with output.progress("check") as update:
        found = handing_prints.check(listing, corpus, workers=workers, progress=update)
    if as_json:
        output.document(found)
        return
    rows = [
        (one["file"], one["start_s"], one["end_s"], one["title"], ", ".join(one["artists"]),
         one["differing"])
        for one in found["matches"]
    ]  # fmt: skip
    if rows:
        output.table(("file", "from", "to", "title", "artists", "differing bits"), rows)
    output.line(f"{len(rows):,} matches in {found['files']:,} files")
    for one in found["unreadable"]:
        output.line(f"{one['file']}: {one['why']}")


COMMANDS = (identify, audit)


def _manifest(corpus: Path, report: Path | None, archive: Path | None, as_json: bool) -> None:
    from longplay.workflows import audit_report, auditing_manifests

    with opened(archive) as it:
        found = auditing_manifests.audit(it, corpus)
        unsigned = audit_report.write(it, report, found) if report else ""
    if unsigned:
        output.err.print(f"the report is not signed: {unsigned}", markup=False)
    if as_json:
        output.document(found)
    else:
        _show_audit(found, report)


def _show_audit(found: dict[str, Any], report: Path | None) -> None:
    output.facts(
        [
            ("files", found["files"]),
            ("hours", found["hours"]),
            ("files with recordings of the archive", found["matched_files"]),
            ("hours of them", found["matched_hours"]),
            ("recordings", found["public_summary"]["content_recognised"]["recordings"]),
            ("could not be heard", len(found["unreadable"])),
            ("no sound", found["ignored"]),
        ]
    )
    rows = [
        (one["file"], one["start_s"], one["end_s"], one["title"], ", ".join(one["artists"]),
         one["confidence"])
        for one in found["matches"][:SHOWN]
    ]  # fmt: skip
    if rows:
        output.table(("file", "from", "to", "title", "artists", "confidence"), rows)
    if len(found["matches"]) > SHOWN:
        output.line(f"and {len(found['matches']) - SHOWN:,} more")
    if report:
        output.line(f"the report is {report}")


def _warn(index: Index) -> None:
    if index.lacking:
        output.err.print(
            f"{index.lacking:,} held objects are not in the index yet: "
            f"`longplay fingerprint update{' --whole' if index.whole else ''}`",
            markup=False,
        )
    if index.older:
        output.err.print(
            f"{index.older:,} objects are in the index as an older version of Longplay wrote it, "
            "and are found less well in noise and rooms: `longplay fingerprint update`",
            markup=False,
        )


def _document(one: Listened) -> dict[str, Any]:
    return {"file": one.file, "seconds": round(one.seconds, 2), "matches": list(one.matches)}


def _show(one: Listened) -> None:
    if one.why:
        output.line(f"{one.file}: cannot be heard: {one.why}")
        return
    if not one.matches:
        output.line(f"{one.file}: nothing of the archive")
        return
    output.line(one.file)
    for match in one.matches:
        output.line(f"  {_words(match)}")


def _words(match: Match) -> str:
    title = match.title or f"object {match.object[:16]}"
    by = f" by {', '.join(match.artists)}" if match.artists else ""
    changed = []
    if match.speed != 1:
        changed.append(f"at {100 * match.speed:.0f} % of its speed")
    if match.pitch != match.speed:
        changed.append(f"at {100 * match.pitch:.0f} % of its pitch")
    return (
        f"{match.start_s:.1f}-{match.end_s:.1f} s: {title}{by}, from {match.offset_s:.1f} s"
        f"{', ' + ', '.join(changed) if changed else ''} (confidence {match.confidence:.3f})"
    )
