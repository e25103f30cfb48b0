"""The table of clients and calls in docs/opensubsonic.md, which says what really ran.

A client's test hands over what was called and what came of it, and compares that with its column;
with LONGPLAY_WRITE_TABLES set it writes the column instead.
"""

from __future__ import annotations

import os
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "opensubsonic.md"
START, END = "<!-- clients: written by the tests -->\n", "<!-- end of clients -->\n"

Column = dict[str, str]
"""What came of each call: `ok`, an error code, or both."""


def column(calls: dict[str, set[str]]) -> Column:
    """A column of what was called."""
    return {
        call: ", ".join(sorted(outcomes, key=lambda one: (one != "ok", one)))
        for call, outcomes in calls.items()
    }


def check(client: str, calls: dict[str, set[str]]) -> None:
    """Compare a client's column with the page's, or write it."""
    table = read()
    ran = column(calls)
    if os.environ.get("LONGPLAY_WRITE_TABLES"):
        write({**table, client: ran})
        return
    assert table.get(client) == ran


def read() -> dict[str, Column]:
    """The columns that stand in the page."""
    text = PAGE.read_text()
    if START not in text:
        return {}
    lines = text.partition(START)[2].partition(END)[0].splitlines()
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines if line]
    names = rows[0][1:]
    return {
        name: {row[0]: row[place] for row in rows[2:] if row[place]}
        for place, name in enumerate(names, 1)
    }


def write(table: dict[str, Column]) -> None:
    """Put a table into the page."""
    names = sorted(table, key=str.casefold)
    calls = sorted({call for one in table.values() for call in one}, key=str.casefold)
    lines = [f"| call | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
    for call in calls:
        cells = " | ".join(table[name].get(call, "") for name in names)
        lines.append(f"| `{call}` | {cells} |")
    before, _, rest = PAGE.read_text().partition(START)
    after = rest.partition(END)[2]
    PAGE.write_text(before + START + "\n".join([*lines, ""]) + END + after)
