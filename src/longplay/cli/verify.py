"""`verify`, `replicate`: whether every bit is as it came in, and copies elsewhere that say so."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longplay.cli import output
from longplay.cli.options import (
    ArchiveOption,
    JsonOption,
    opened,
    parse_share,
    parse_size,
)
from longplay.errors import IntegrityFoundError, LongplayError, StoreError, UsageError

if TYPE_CHECKING:
    from longplay.model import ObjectKey
    from longplay.vault.fixity import Finding
    from longplay.workflows.repairing import Repairs
    from longplay.workflows.replicating import Copied
    from longplay.workflows.verifying import CopiesChecked, Verification

SHOWN_BLOCKS = 20
"""Damaged blocks of one object that are told to a person; `--json` tells all."""


def verify(
    sample: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Only so much, e.g. 5%, longest ago first.")
    ] = None,
    due: Annotated[
        bool,
        typer.Option("--due", help="Only what must be read today to keep to fixity.days."),
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Bring lost blocks back from whoever has them.")
    ] = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Re-read the objects and walk the log: is every bit as it came in?"""
    from longplay.workflows import verifying

    if due and sample is not None:
        raise UsageError("--due and --sample exclude each other", hint="choose one of them")
    request = verifying.Request(parse_share(sample) or 1.0, due, repair)
    with opened(archive) as it, output.progress("verify") as update:
        found = verifying.verify(it, request, progress=update)
    if as_json:
        output.document(_document(found))
    else:
        _show(found)
    if not found.sound:
        raise typer.Exit(IntegrityFoundError.exit_status)
    _refuse_unreachable([one.failed for one in found.unreachable], as_json)


def replicate(
    limit: Annotated[
        str | None, typer.Option(metavar="SIZE", help="At most so much to each, e.g. 500GB.")
    ] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring every replica of the settings the objects that it lacks."""
    from longplay.workflows import replicating

    with opened(archive) as it, output.progress("replicate") as update:
        if not it.settings.replicas:
            raise UsageError(
                "the settings name no replicas",
                hint="add [[replicas]] with a name and a location to longplay.toml",
            )
        done = replicating.replicate(it, limit=parse_size(limit), progress=update)
    if as_json:
        output.document({"replicas": [_copied(one) for one in done]})
    else:
        output.table(
            ("replica", "copied", "bytes", "held", "lacking"),
            [(one.replica, one.copied, one.bytes, one.held, one.lacking) for one in done],
        )
        for one in done:
            _lines(f"damaged here, not copied to {one.replica}:", _roots(one.unsound))
    if any(one.unsound for one in done):
        raise typer.Exit(IntegrityFoundError.exit_status)
    _refuse_unreachable([one.failed for one in done if one.failed], as_json)


COMMANDS = (verify, replicate)


def _refuse_unreachable(reasons: list[str], as_json: bool) -> None:
    """Exit with 1 where a replica could not be used; the JSON has said so already."""
    if reasons and as_json:
        raise typer.Exit(LongplayError.exit_status)
    if reasons:
        raise StoreError("; ".join(reasons))


def _document(found: Verification) -> dict[str, Any]:
    whole = found.repairs.whole if found.repairs else frozenset()
    return {
        "checked": found.checked,
        "bytes": found.bytes,
        "damaged": _damaged(found.damaged, whole),
        "missing": _roots(found.missing),
        "restored": _roots(key for key in found.missing if key.root in whole),
        "unvouched": _roots(found.unvouched),
        "unknown_files": list(found.unknown_files),
        "damaged_evidence": list(found.damaged_evidence),
        "restored_evidence": list(found.restored_evidence),
        "log": found.log,
        "round": found.round,
        "replicas": [_copies(one) for one in found.replicas],
        "repair": _repairs(found.repairs) if found.repairs else None,
    }


def _damaged(findings: Iterable[Finding], whole: Collection[bytes]) -> list[dict[str, Any]]:
    return [
        {"object": one.key.hex, "blocks": list(one.blocks), "repaired": one.key.root in whole}
        for one in findings
    ]


def _roots(keys: Iterable[ObjectKey]) -> list[str]:
    return [key.hex for key in keys]


def _copies(one: CopiesChecked) -> dict[str, Any]:
    return {
        "replica": one.replica,
        "checked": one.checked,
        "bytes": one.bytes,
        "damaged": _damaged(one.damaged, one.renewed),
        "missing": _roots(one.missing),
        "restored": _roots(key for key in one.missing if key.root in one.renewed),
        "failed": one.failed or None,
    }


def _repairs(done: Repairs) -> dict[str, Any]:
    return {
        "bytes": done.bytes,
        "sources": done.accounts,
        "refused": done.refusals,
        "lost": [
            {
                "object": loss.key.hex,
                "size": loss.key.size,
                "blocks": list(loss.blocks),
                "ranges": loss.ranges,
                "files": loss.files,
            }
            for loss in done.lost
        ],
    }


def _copied(one: Copied) -> dict[str, Any]:
    return {
        "replica": one.replica,
        "copied": one.copied,
        "bytes": one.bytes,
        "held": one.held,
        "lacking": one.lacking,
        "unsound": _roots(one.unsound),
        "failed": one.failed or None,
    }


def _show(found: Verification) -> None:
    if found.round:
        late = f", {found.round.overdue:,} of them late" if found.round.overdue else ""
        output.line(f"{found.round.due:,} copies are due{late}")
    output.line(f"{found.checked:,} objects re-read, {output.size(found.bytes)}")
    for one in found.damaged:
        output.line(f"damaged   {one.key.hex} blocks {_some(one.blocks)}")
    _lines("missing  ", _roots(found.missing))
    for key in found.unvouched:
        output.line(f"unvouched {key.hex} has no hashes in the evidence")
    _lines("unknown  ", found.unknown_files)
    for name in found.damaged_evidence:
        back = name in found.restored_evidence
        rest = "is back from a replica" if back else "`--repair` brings it back if a replica has it"
        output.line(f"damaged evidence {name}: {rest}")
    for copies in found.replicas:
        _show_copies(copies)
    if found.log.ok:
        output.line(f"the log's {found.log.entries:,} entries follow one from another")
    else:
        output.line(f"the log is broken at entry {found.log.broken_at}")
    if found.repairs:
        _show_repairs(found.repairs)
    elif found.damaged or found.missing:
        output.line("`longplay verify --repair` brings back what other copies have")
    if found.sound and not found.unreachable:
        output.line("everything is whole")


def _show_copies(one: CopiesChecked) -> None:
    output.line(f"replica {one.replica}: {one.checked:,} copies re-read, {output.size(one.bytes)}")
    for finding in one.damaged:
        state = "written anew" if finding.key.root in one.renewed else "damaged"
        output.line(f"  {state} {finding.key.hex} blocks {_some(finding.blocks)}")
    for key in one.missing:
        state = "written anew" if key.root in one.renewed else "missing"
        output.line(f"  {state} {key.hex}")


def _show_repairs(done: Repairs) -> None:
    for one in done.accounts:
        given_up = f"; given up: {one.given_up}" if one.given_up else ""
        refused = f", {one.refused:,} refused" if one.refused else ""
        output.line(
            f"{one.name}: {one.blocks:,} blocks{refused}, {one.bytes:,} bytes in"
            f" {one.requests:,} requests{given_up}"
        )
    for refusal in done.refusals:
        output.line(f"refused   {refusal.source} {refusal.object}: {refusal.why}")
    if done.whole or done.lost:
        output.line(f"{len(done.whole):,} objects are whole again, {done.bytes:,} bytes fetched")
    for loss in done.lost:
        places = ", ".join(f"{first}-{end - 1}" for first, end in loss.ranges[:SHOWN_BLOCKS])
        more = " and more" if len(loss.ranges) > SHOWN_BLOCKS else ""
        output.line(f"LOST      {loss.key.hex} bytes {places}{more} of {loss.key.size:,}")
        for name in loss.files:
            output.line(f"          {name}")


def _lines(before: str, texts: Iterable[str]) -> None:
    for text in texts:
        output.line(f"{before} {text}")


def _some(blocks: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, blocks[:SHOWN_BLOCKS]))
    return (
        shown if len(blocks) <= SHOWN_BLOCKS else f"{shown} and {len(blocks) - SHOWN_BLOCKS:,} more"
    )
