"""The one way to print: JSON documents, tables for people, progress for long work."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from longplay import clock

PLAIN_SECONDS = 5.0
"""Seconds between two lines of progress where the output is no terminal."""

CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "\N{REPLACEMENT CHARACTER}")
"""Control characters, as they are shown in tables."""

LINES = {code: sign for code, sign in CONTROLS.items() if chr(code) not in "\n\t"}
"""The same in texts of several lines."""

ESCAPES = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}
"""Those that JSON does not escape by itself."""

err = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True)


def document(value: Any) -> None:
    """Print one JSON document on standard output."""
    text = json.dumps(value, ensure_ascii=False, indent=1, default=_plain)
    sys.stdout.write(text.translate(ESCAPES) + "\n")


def documents(values: Iterable[Any]) -> None:
    """Print a list as one JSON document, each of its values as it comes."""
    before = "["
    for value in values:
        text = json.dumps(value, ensure_ascii=False, default=_plain)
        sys.stdout.write(f"{before}\n {text.translate(ESCAPES)}")
        before = ","
    sys.stdout.write("[]\n" if before == "[" else "\n]\n")


def pieces(texts: Iterable[str]) -> None:
    """Print one JSON document that comes in pieces."""
    for text in texts:
        sys.stdout.write(text.translate(ESCAPES))
    sys.stdout.write("\n")


def line(text: str = "") -> None:
    """Print a line for people, or several; without what a terminal obeys."""
    out.print(text.translate(LINES), markup=False)


def complaint(problem: object) -> None:
    """Say on standard error what is amiss."""
    err.print(f"longplay: {problem}".translate(LINES), markup=False)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows for people; numbers stand to the right."""
    out.print(grid(None, columns, rows))


def grid(title: str | None, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Rows for people, to be printed or put on a screen."""
    named = (Column(Text(_visible(column))) for column in columns)
    view = Table(*named, box=None, pad_edge=False, header_style="bold", title=title)
    view.title_justify = "left"
    for at, column in enumerate(view.columns):
        if rows and all(isinstance(row[at], int | float) or row[at] is None for row in rows):
            column.justify = "right"
    for row in rows:
        view.add_row(*(Text(_visible(cell(value))) for value in row))
    return view


def facts(rows: Sequence[tuple[str, object]]) -> None:
    """Print names with their values, one a line."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        line(f"{name:<{width}}  {cell(value)}")


def size(count: int) -> str:
    """Bytes as people say them, in powers of 1000."""
    number, unit = float(count), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):  # noqa: B007 - the one it ends with
        if number < 1000:
            break
        number /= 1000
    return f"{number:,.0f} {unit}" if unit == "bytes" else f"{number:,.1f} {unit}"


def percent(share: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * share:.1f} %"


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show long work. Yields `update(done, total, words)`; on a terminal a bar, else lines."""
    if err.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[words]}"),
        )
        with Progress(*columns, console=err, transient=True) as bar:
            task = bar.add_task(what, total=None, words="")
            yield lambda done, total, words: bar.update(
                task, completed=done, total=total, words=words
            )
        return
    said = clock.monotonic()

    def update(done: int, total: int, words: str) -> None:
        nonlocal said
        if words.startswith("read "):  # who feeds us files waits for this
            err.print(words, markup=False, highlight=False, soft_wrap=True)
        elif clock.monotonic() - said >= PLAIN_SECONDS:
            said = clock.monotonic()
            err.print(f"{what}: {done:,} of {total:,} {words}".rstrip(), markup=False)

    yield update


def _visible(text: str) -> str:
    """A text without what a terminal obeys: names come from strangers, and may have anything."""
    return text.translate(CONTROLS)


def cell(value: object) -> str:
    """A value as it stands in a table."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}"
        case _:
            return str(value)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not for JSON")
