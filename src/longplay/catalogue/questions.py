"""Read-only SQL over a snapshot, safe to give to anybody who may read the catalogue.

- DuckDB's own parser must call the text one SELECT, or EXPLAIN of one.
- It runs as `FROM query(text)`, a subquery: since DuckDB 2 a SELECT may begin with
  `WITH x AS (COPY … TO …)`, which overwrites files, and which is refused below the top.
- No file can be reached but the snapshot's own; no setting can be changed any more; no extension
  is loaded; memory, disk and time are bounded.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from longplay.catalogue.database import Connection, path_literal, quoted
from longplay.catalogue.snapshot import Snapshot
from longplay.errors import InputError

LIMIT = 1000
"""Rows that are answered unless another limit is asked for: some pages of a terminal."""

SECONDS = 600.0
"""How long a question may run: a full scan of 256 M rows takes a minute or two."""

QUESTION_BYTES = 2**16
"""Longest question: a thousand lines."""

DEPTH = 500
"""Brackets that may be open at once. DuckDB's own limit is 1,000, but it is checked after parsing,
which takes memory by the square of brackets that nobody closes: 5 GB at 10,000."""

BATCH = 2048
"""Rows handed on at once, a vector of DuckDB's: what is shown is not held whole."""

SPILL = "50GB"
"""What a question may spill to disk."""

_EXPLAIN = re.compile(
    r"\s*EXPLAIN\s+(?P<analyse>ANALYZE\b|\(\s*ANALYZE\s*\))?(?P<rest>.*)", re.IGNORECASE | re.DOTALL
)
_COMMENTS = re.compile(r"\A(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", re.DOTALL)
_WRITING = re.compile(r".*COPY.*|(BATCH_)?(INSERT|UPDATE|DELETE|MERGE_INTO|CREATE|ATTACH|LOAD).*")
"""Operators of a plan that change something."""


@dataclass(slots=True)
class Answer:
    """What a question gives: its columns, and its rows as Arrow batches, to be read once.

    After the last batch `cut` says whether there were more rows than the limit.
    """

    columns: tuple[str, ...]
    batches: Iterator[pa.RecordBatch]
    cut: bool = field(default=False, init=False)


@contextmanager
def ask(
    snapshot: Snapshot, question: str, *, limit: int | None = LIMIT, seconds: float = SECONDS
) -> Iterator[Answer]:
    """Ask a snapshot. `limit` bounds the rows (None: all of them), `seconds` the time of it all.

    Raises InputError, also while the batches are read, for whatever is no single SELECT or
    EXPLAIN, is refused by DuckDB, or takes too long.
    """
    here = Snapshot(snapshot.folder.resolve(), snapshot.manifest)
    with here.connect() as connection, _bounded(connection, seconds), _in_one_line():
        _lock(connection, here)
        query, parameters = _checked(connection, question)
        bound = f" LIMIT {limit + 1}" if limit is not None else ""
        if query.startswith("EXPLAIN"):
            rows = connection.execute(query, parameters).fetchall()
            table = pa.table({"plan": [row[-1] for row in rows]})
            yield Answer(("plan",), iter(table.to_batches()))
            return
        relation = connection.sql(query + bound, params=parameters)
        answer = Answer(tuple(relation.columns), iter(()))
        answer.batches = _batches(answer, relation, limit)
        yield answer


def _lock(connection: Connection, snapshot: Snapshot) -> None:
    """Shut every door but the one to the snapshot's files; from here on none can be opened."""
    paths = [snapshot.folder / part.file for part in snapshot.manifest.parts()]
    # As they are, and as the views name them where a path has signs that patterns are made of.
    named = {say(path) for path in paths for say in (lambda p: quoted(str(p)), path_literal)}
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET python_scan_all_frames = false")
    connection.execute("SET allow_community_extensions = false")
    connection.execute(f"SET max_temp_directory_size = '{SPILL}'")
    connection.execute(f"SET allowed_paths = [{', '.join(sorted(named))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _checked(connection: Connection, question: str) -> tuple[str, list[str]]:
    """The statement that runs, with its one parameter: the question."""
    text, explain = question, ""
    if len(question.encode()) > QUESTION_BYTES or "\0" in question:
        raise InputError("the question is too long, or has a zero byte in it")
    if _depth(question) > DEPTH:
        raise InputError(f"the question has more than {DEPTH} brackets open at once")
    kind = _kind(connection, text)
    if kind == "EXPLAIN":
        match = _EXPLAIN.fullmatch(_COMMENTS.sub("", text))
        if match is None:
            raise _refusal("this EXPLAIN")
        text = match["rest"]
        explain = "EXPLAIN ANALYZE " if match["analyse"] else "EXPLAIN "
        kind = _kind(connection, text)
    if kind != "SELECT":
        raise _refusal(kind)
    _check_plan(connection, text)
    return f"{explain}FROM query(?)", [text]


def _depth(text: str) -> int:
    """The most brackets of a text that are open at once; those in quotes count as well."""
    steps = ((letter == "(") - (letter == ")") for letter in text)
    return max(itertools.accumulate(steps), default=0)


def _kind(connection: Connection, text: str) -> str:
    """What DuckDB's parser calls the only statement of a text."""
    statements = connection.extract_statements(text)
    if len(statements) != 1:
        raise InputError(
            f"{len(statements)} statements were given", hint="ask one question at a time"
        )
    if statements[0].named_parameters:
        raise InputError("a question has no parameters", hint="write the values into it")
    try:
        return statements[0].type.name
    except ValueError:  # a kind that DuckDB's Python package has no name for
        return "this statement"


def _refusal(kind: str) -> InputError:
    return InputError(
        f"{kind} is not allowed: the catalogue is only read here",
        hint="ask with SELECT, or EXPLAIN of one; `longplay catalogue export` writes copies",
    )


def _check_plan(connection: Connection, text: str) -> None:
    """Refuse a plan that would write: a second fence, should a later DuckDB find ways below the
    top of a query, too."""
    row = connection.execute("EXPLAIN (FORMAT json) FROM query(?)", [text]).fetchone()
    for name in _operators(json.loads(row[1]) if row else []):
        if _WRITING.fullmatch(name):
            raise _refusal(name)


def _operators(node: Any) -> Iterator[str]:
    below = node if isinstance(node, list) else node.get("children", [])
    if isinstance(node, dict):
        yield str(node.get("name", "")).upper()
    for child in below:
        yield from _operators(child)


def _batches(
    answer: Answer, relation: duckdb.DuckDBPyRelation, limit: int | None
) -> Iterator[pa.RecordBatch]:
    left = limit
    with _in_one_line():
        for batch in relation.to_arrow_reader(BATCH):
            if left is not None and batch.num_rows > left:
                answer.cut = True
                batch = batch.slice(0, left)  # noqa: PLW2901 - the rest is not asked for
            if left is not None:
                left -= batch.num_rows
            if batch.num_rows:
                yield batch


@contextmanager
def _bounded(connection: Connection, seconds: float) -> Iterator[None]:
    """Interrupt whatever runs on the connection after so many seconds."""
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _in_one_line() -> Iterator[None]:
    """DuckDB's and Arrow's errors as one of ours."""
    try:
        yield
    except duckdb.InterruptException as error:
        raise InputError(
            "the question took too long", hint="narrow it down, or allow more with --seconds"
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise InputError(
            "the question needs more memory or disk than it may have", hint="narrow it down"
        ) from error
    except (duckdb.Error, pa.ArrowException, MemoryError, UnicodeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        words = re.sub(r"^[A-Za-z ]*Error: ", "", lines[0] if lines else type(error).__name__)
        words = words.split(" - file system operations are disabled", 1)[0]
        near = next((line for line in lines[1:] if line.startswith(("Did you mean", "Cand"))), "")
        hint = near or "docs/catalogue.md has the tables and their columns"
        raise InputError(words, hint=hint) from error
