"""`longplay catalogue search` and `show`: finding tracks, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from longplay.cli import output
from longplay.cli.options import ArchiveOption, JsonOption, opened

if TYPE_CHECKING:
    from longplay.catalogue.search.facets import Facets
    from longplay.catalogue.search.finding import Found
    from longplay.catalogue.search.showing import Thing

LINES = 25
"""Tracks of an album or artist that are printed; --json has more."""


def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS…", help="Words and filters.")],
    limit: Annotated[int, typer.Option(min=1, help="Hits to print.")] = 10,
    offset: Annotated[int, typer.Option(min=0, help="Hits to leave out before them.")] = 0,
    exact: Annotated[
        bool, typer.Option("--exact", help="The last word is whole, not the beginning of one.")
    ] = False,
    facets: Annotated[
        bool, typer.Option("--facets", help="Count by year, by genre, and what is held.")
    ] = False,
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find tracks by the words of title, artist and album, and by filters."""
    from longplay.workflows import searching

    request = searching.Request(" ".join(words), limit, offset, exact, facets)
    with opened(archive) as it:
        answer = searching.search(it, request)
    if as_json:
        output.document(answer.document())
        return
    _print_found(answer.found)
    if answer.facets:
        _print_facets(answer.facets)


def _print_found(found: Found) -> None:
    if found.meant:
        output.line(f"nothing has these words; found instead: {found.meant}")
    for hit in found.hits:
        known = [*([str(hit.year)] if hit.year else []), *(["held"] if hit.held else [])]
        _print_line(hit.id, hit.title, hit.artists, hit.album, known)
    total = "many" if found.total is None else f"{found.total:,}"
    output.line(f"{len(found.hits):,} of {total} in {found.ms:,.1f} ms")
    for note in found.notes:
        output.line(note)


def _print_facets(counted: Facets) -> None:
    whole = "all" if counted.exact else "the most popular"
    output.line(f"of {whole} {counted.of:,}:")
    for name, pairs in (
        ("years", counted.years),
        ("genres", counted.genres),
        ("held", counted.held or ()),
    ):
        if pairs:
            output.line()
            output.table((name, "recordings"), pairs)


def show(
    identity: Annotated[
        str, typer.Argument(metavar="ID|ISRC|UPC|MBID", help="An id, or an identifier.")
    ],
    archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything that is known of a track, album, artist or recording."""
    from longplay.workflows import searching

    with opened(archive) as it:
        shown = searching.show(it, identity)
    if as_json:
        output.document(shown)
        return
    for number, thing in enumerate(shown.found):
        if number:
            output.line()
        _print_thing(thing)


def _print_thing(thing: Thing) -> None:
    output.line(f"{thing.kind} {thing.id}")
    if thing.was:
        output.line(f"{thing.was} has become this one")
    if thing.gone:
        output.line("no source has it any more")
    for part in thing.parts:
        output.line(f"{part} was split from it")
    if thing.recording:
        output.line(f"recording {thing.recording}")
    if thing.facts:
        facts = [(fact.field, _words(fact.value), fact.source) for fact in thing.facts]
        output.table(("field", "value", "source"), facts)
    if thing.tracks:
        output.line()
        for line in thing.tracks[:LINES]:
            _print_line(line.id, line.title, line.artists, line.album, [line.source])
    if thing.track_count > LINES:
        output.line(f"and {thing.track_count - LINES:,} more")


def _print_line(
    identity: str, title: str | None, artists: Sequence[str], album: str | None, more: Sequence[str]
) -> None:
    """A track on one line, its id first: a table would cut ids on narrow terminals."""
    parts = [title or "-", ", ".join(artists) or "-", album or "-"]
    notes = f" ({', '.join(more)})" if more else ""
    output.line(f"{identity}  {' · '.join(parts)}{notes}")


def _words(value: object) -> str:
    """A value as people read it; numbers of years and durations without separators."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


COMMANDS: dict[str, Callable[..., None]] = {"search": search, "show": show}
