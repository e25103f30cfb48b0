"""`longplay claim`: rights holders' requests, from the first letter to the decision and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened
from longplay.cli.release import warn_unpublished
from longplay.rights.claims import Asks, Step

if TYPE_CHECKING:
    from longplay.ledger.claims import Claim
    from longplay.workflows.claims import Decision

app = typer.Typer(no_args_is_help=True, help="Claims of rights holders.")

IdArgument = Annotated[str, typer.Argument(metavar="CLAIM", help="The claim, e.g. cl01ab….")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]


@app.command()
def add(
    who: Annotated[str, typer.Option(metavar="NAME", help="Who claims.")],
    contact: Annotated[str, typer.Option(metavar="TEXT", help="How to reach them.")],
    ground: Annotated[str, typer.Option(metavar="TEXT", help="On what ground.")],
    evidence: Annotated[str, typer.Option(metavar="TEXT", help="What proves it.")] = "",
    asks: Annotated[Asks, typer.Option(help="What is asked for.")] = Asks.WITHDRAW,
    recording: Annotated[list[str] | None, typer.Option(metavar="ID")] = None,
    isrc: Annotated[list[str] | None, typer.Option(metavar="CODE")] = None,
    artist: Annotated[
        list[str] | None, typer.Option(metavar="ID|NAME", help="All that is or will be theirs.")
    ] = None,
    object_: Annotated[list[str] | None, typer.Option("--object", metavar="ID")] = None,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in a claim. Nothing changes until it is upheld."""
    from longplay.workflows import claims

    request = claims.Request(
        who=who,
        contact=contact,
        ground=ground,
        evidence=evidence,
        asks=asks,
        recordings=tuple(recording or ()),
        isrcs=tuple(isrc or ()),
        artists=tuple(artist or ()),
        objects=tuple(object_ or ()),
    )
    with opened(archive) as it:
        made = claims.add(it, request)
    if as_json:
        output.document(_document(made))
    else:
        output.line(f"{made.id} is {made.state}")


@app.command("list")
def list_claims(archive: ArchiveOption = None, as_json: JsonOption = False) -> None:
    """List the claims with all that was done about them, oldest first."""
    from longplay.workflows import claims

    with opened(archive) as it:
        found = claims.list_all(it)
    if as_json:
        output.document([_document(one) for one in found])
        return
    for one in found:
        _show(one)


@app.command()
def answer(
    claim: IdArgument,
    who: Annotated[str, typer.Option(metavar="NAME", help="Who answers.")],
    words: Annotated[str, typer.Option(metavar="TEXT", help="What they say.")],
    contact: Annotated[str, typer.Option(metavar="TEXT", help="How to reach them.")] = "",
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Note what somebody answers to a claim."""
    from longplay.workflows import claims

    with opened(archive) as it:
        done = claims.answer(it, claim, who, contact, words)
    _tell(done, as_json)


@app.command()
def uphold(
    claim: IdArgument,
    reason: ReasonOption = "",
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Uphold a claim: it takes effect at once."""
    _decide(claim, Step.UPHOLD, reason, archive, as_json)


@app.command()
def reject(
    claim: IdArgument,
    reason: ReasonOption,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reject a claim."""
    _decide(claim, Step.REJECT, reason, archive, as_json)


@app.command()
def restore(
    claim: IdArgument,
    reason: ReasonOption,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take back what an upheld claim withdrew or reserved."""
    _decide(claim, Step.RESTORE, reason, archive, as_json)


@app.command("erase-person")
def erase_person(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="As `claim list` names them.")],
    words: Annotated[
        bool, typer.Option("--words", help="Also what they wrote in claims and answers.")
    ] = False,
    archive: ArchiveOption = None,
) -> None:
    """Erase a claimant's name and contact; claims and log stay."""
    from longplay.workflows import claims

    with opened(archive) as it:
        claims.erase_person(it, person, words=words)
    output.line(f"{person} is erased")


def _decide(claim: str, step: Step, reason: str, archive: ArchiveOption, as_json: bool) -> None:
    from longplay.workflows import claims, publishing

    with opened(archive) as it:
        done = claims.decide(it, claim, step, reason)
        told = publishing.renew(it)
    _tell(done, as_json)
    warn_unpublished(told)


def _tell(done: Decision, as_json: bool) -> None:
    if as_json:
        output.document(done)
        return
    output.line(f"{done.claim} is {done.state}; objects concerned: {done.objects:,}")
    if done.reasons:
        output.line()
        output.line(done.reasons)


def _document(one: Claim) -> dict[str, Any]:
    from longplay.workflows.claims import statement

    return {
        "claim": one.id,
        "time": one.time,
        "state": one.state,
        "asks": one.asks,
        "ground": one.ground,
        "evidence": one.evidence,
        "person": one.person,
        "subjects": [{"kind": kind, "value": value} for kind, value in one.subjects],
        "steps": [
            {
                "time": step.time,
                "step": step.step,
                "person": step.person,
                "words": step.words,
                "log": step.log,
                "reasons": statement(one, index),
            }
            for index, step in enumerate(one.steps)
        ],
        "log": one.log,
    }


def _show(one: Claim) -> None:
    about = ", ".join(f"{kind} {value}" for kind, value in one.subjects)
    output.line(f"{one.id} {one.state}, asks to {one.asks}: {about}")
    output.line(f"  by {one.person.name or 'erased'} ({one.person.id}), {one.time}")
    for step in one.steps:
        output.line(f"  {step.time} {step.step}: {step.words}")
