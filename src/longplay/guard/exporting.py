"""Decisions in the forms that other programs take: tables of a spreadsheet, CrowdSec, fail2ban.

Who is meant stands there under a pseudonym, but for programs that block: those need the address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from longplay.guard.record import GUARD, SEVERITY, Act, Decision, who_of
from longplay.guard.stream import Change
from longplay.guard.verdict import Judged

Called = Callable[[str], str]
"""What somebody (`account:7`) is called in an export."""

PERSON = "person"
"""Who decided, where an export must not say which person."""

COLUMNS = (
    *("who", "act", "since", "by", "verdict", "probability", "tracks", "hours", "group"),
    "reasons",
)

CHANGE_COLUMNS = (
    *("id", "time", "who", "act", "by", "verdict", "probability", "tracks", "group"),
    "reasons",
)

CROWDSEC_TYPES = {Act.SLOW: "throttle", Act.CAP: "throttle", Act.HOLD: "throttle",
                  Act.DISABLE: "ban"}  # fmt: skip
"""What CrowdSec's bouncers know, of what we do. Only who is disabled is shut out."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is calculated by spreadsheets; names come from strangers."""


def at_least(decisions: Iterable[Decision], act: Act) -> list[Decision]:
    """Those that are as grave, or graver; the newest first."""
    found = [one for one in decisions if SEVERITY[one.act] >= SEVERITY[act]]
    return sorted(found, key=lambda one: (one.since, one.who), reverse=True)


def decision_row(one: Decision, called: Called, *, known: bool) -> dict[str, Any]:
    """A decision by COLUMNS; `known`: the person who decided is named."""
    return {
        "who": called(one.who),
        "act": one.act.value,
        "since": one.since,
        "by": _by(one.by, known),
        "verdict": one.verdict,
        "probability": round(one.probability, 6),
        "tracks": one.tracks,
        "hours": one.hours,
        "group": one.group,
        "reasons": list(one.reasons),
    }


def change_row(one: Change, called: Called, *, known: bool) -> dict[str, Any]:
    """A change by CHANGE_COLUMNS."""
    told = one.detail
    reasons = told.get("reasons") or [why for why in (told.get("reason"),) if why]
    return {
        "id": one.id,
        "time": one.time,
        "who": called(one.who),
        "act": one.act,
        "by": _by(told["by"], known) if "by" in told else None,
        "verdict": told.get("verdict"),
        "probability": told.get("probability"),
        "tracks": told.get("tracks"),
        "group": told.get("group"),
        "reasons": reasons,
    }


def _by(who: str, known: bool) -> str:
    return who if known or who == GUARD else PERSON


def cells(row: dict[str, Any]) -> list[object]:
    """A row as a spreadsheet may have it: several reasons in one cell, and nothing that would be
    calculated."""
    return [_cell(value) for value in row.values()]


def _cell(value: object) -> object:
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def hidden(verdicts: Iterable[Judged], called: Called) -> list[Judged]:
    """Verdicts of a scan without names."""
    return [replace(one, account=called(who_of(one.account))) for one in verdicts]


def crowdsec(decisions: Iterable[Decision], called: Called, hours: int) -> list[dict[str, str]]:
    """What `cscli decisions import` reads. Addresses have the scope that CrowdSec gives them,
    accounts the one that its documentation names for them."""
    found = []
    for one in decisions:
        kind, _, value = one.who.partition(":")
        found.append(
            {
                "duration": f"{hours}h",
                "scope": "Ip" if kind == "address" else "username",
                "type": CROWDSEC_TYPES[one.act],
                "value": value if kind == "address" else called(one.who),
                "reason": f"longplay/guard-{one.verdict.replace(' ', '-')}",
            }
        )
    return found


def addresses(decisions: Iterable[Decision]) -> list[str]:
    """Those of them that are addresses: what `fail2ban-client set JAIL banip` takes."""
    found = (one.who.partition(":") for one in decisions)
    return sorted(value for kind, _, value in found if kind == "address")
