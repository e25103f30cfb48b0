"""Statements from the rows of a rights table, and from texts found in tags, with their evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date

from longplay.errors import RightsError
from longplay.model import Statement
from longplay.rights.reading import looks_like_uri, read_statement
from longplay.rights.statements import Act
from longplay.rights.territories import read_territories

EXCERPT_CHARACTERS = 120
"""Characters of the text that stand in its evidence, for people; the hash covers all of it."""

COLUMNS = ("subject", "statement", "evidence", "from", "until", "territories", "uses")
"""Columns of a rights table; all but the first two may be missing."""

_WEB = ("http://", "https://")


def evidence(where: str, when: str, text: str) -> str:
    """Where a text was read, when (ISO 8601), its SHA-256, and its beginning."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    line = " ".join(text.split())
    excerpt = line if len(line) <= EXCERPT_CHARACTERS else f"{line[: EXCERPT_CHARACTERS - 1]}…"
    return f"{where}; read {when}; sha256:{digest}; “{excerpt}”"


def statement(
    subject: str, text: str, *, place: str, field: str, when: str, licence: bool
) -> Statement | None:
    """The statement that a text found in a tag or a table makes about `subject`, or None.

    `field` and `place` (a file, a table's line) say where it stood. `licence` says that the field
    is meant for a licence (LICENSE, WCOP, dcterms:license): then any text in it is a statement, if
    only of something unknown. In other fields (copyright, ℗) a text without terms says nothing;
    a licence there that is ambiguous or contradictory does. Never raises: what a file says of
    itself stops no import.
    """
    read = read_statement(text)
    said = evidence(f"{field} in {place}", when, text)
    if isinstance(read, str):
        return Statement(subject, read, said)
    if read.reason == "nothing" or (not licence and read.reason in ("notice", "unknown")):
        return None
    return Statement(subject, read.uri, said)


def check_text(text: str, where: str) -> None:
    """Raise RightsError for a licence cell that means to be a URI and names no statement.

    Words that are not known pass: their subject stays dark.
    """
    read = read_statement(text)
    if isinstance(read, str):
        return
    broken = looks_like_uri(text) and not text.strip().casefold().startswith(_WEB)
    if read.reason == "no-such" or broken:
        raise RightsError(
            f"{text[:EXCERPT_CHARACTERS]!r} is no statement: {read.words}",
            where=where,
            hint="correct the row, or leave the statement out",
        )


def read_row(row: Mapping[str, str], where: str, when: str) -> Statement | None:
    """One row of a rights table (COLUMNS; `licence` is read as `statement`), or None without one.

    A statement in words that is not known makes the subject dark; a row that is malformed raises
    RightsError with `where` (file:line): no subject, a URI that names no statement, dates that are
    none or end before they begin, unknown territories or uses, columns of another kind.
    """
    text = _cell(row, "statement") or _cell(row, "licence")
    subject = _cell(row, "subject")
    if not text and not any(_cell(row, name) for name in COLUMNS[3:]):
        return None
    if not subject or not text:
        raise RightsError(f"has no {'statement' if subject else 'subject'}", where=where)
    first, last = (_date(_cell(row, name), name, where) for name in ("from", "until"))
    if first and last and first > last:
        raise RightsError(f"ends on {last}, before it begins on {first}", where=where)
    said = _cell(row, "evidence")
    return Statement(
        subject=subject,
        uri=_uri(text, where),
        evidence=evidence(f"{where} ({said})" if said else where, when, text),
        start=first,
        end=last,
        territories=read_territories(_cell(row, "territories"), where),
        uses=_uses(_cell(row, "uses"), where),
    )


def _cell(row: Mapping[str, str], name: str) -> str:
    return (row.get(name) or "").strip()


def _uri(text: str, where: str) -> str:
    check_text(text, where)
    read = read_statement(text)
    return read if isinstance(read, str) else read.uri


def _date(text: str, name: str, where: str) -> str:
    if not text:
        return ""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise RightsError(
            f"{name}: {text[:EXCERPT_CHARACTERS]!r} is no date",
            where=where,
            hint="write it as 2027-12-31",
        ) from error


def _uses(text: str, where: str) -> tuple[str, ...]:
    words = set(text.casefold().replace(",", " ").replace(";", " ").split())
    strange = sorted(words - {act.value for act in Act})
    if strange:
        raise RightsError(
            f"uses: {strange[0]!r} is none of {', '.join(Act)}",
            where=where,
            hint="separate several with spaces",
        )
    return tuple(sorted(words))
