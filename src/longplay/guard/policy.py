"""What persons decide: an operator's actions, for one or for a whole group, and appeals."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from longplay import clock
from longplay.errors import InputError, UsageError
from longplay.files import read_bounded, write_json
from longplay.guard import record
from longplay.guard.record import Act, Decision, Record
from longplay.ledger.database import Ledger

BY_HAND = "by hand"
"""The verdict of a decision that a person made without the guard's."""

LONGEST_REASON = 2000

APPEALS = "appeals"
"""The folder of appeals: one file for each who appeals, the newest text in it. They are nobody's
but the two parties', so they can be erased, and the log has only that there was one."""

LONGEST_APPEAL = 4000
"""Characters of what an accused listener writes."""

MOST_APPEAL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Appeal:
    """What somebody wrote against a decision; `answer` is the operator's."""

    who: str
    time: str
    words: str
    answer: str = ""
    answered: str = ""


def act_on(
    folder: Path, ledger: Ledger, whom: Iterable[str], act: Act, by: str, why: str
) -> list[Decision]:
    """Do something about them, whatever the guard thinks. Raises UsageError."""
    reason = _reason(why)
    made = []
    with record.changing(folder, ledger) as now:
        for who in whom:
            if who in now.excluded:
                raise UsageError(
                    f"{who} is excluded by an agreement", hint="end that with `guard include` first"
                )
            before = now.decisions.get(who)
            decision = replace(
                before or Decision(who, act, "", by, BY_HAND, 1.0, 0, 0.0, None, ()),
                act=act,
                since=clock.timestamp(),
                by=by,
            )
            if reason:
                kept = () if before is None else before.reasons
                decision = replace(decision, reasons=(reason, *kept))
            now.decide(decision)
            made.append(decision)
    return made


def release(folder: Path, ledger: Ledger, whom: Iterable[str], by: str, why: str) -> list[str]:
    """Take decisions back; answers for whom there was one."""
    reason = _reason(why)
    with record.changing(folder, ledger) as now:
        return [who for who in whom if now.release(who, by, reason)]


def exclude(folder: Path, ledger: Ledger, whom: Iterable[str], by: str, why: str) -> None:
    """Leave somebody out, by an agreement. Raises UsageError where none is named."""
    reason = _reason(why)
    if not reason:
        raise UsageError("an exclusion needs a reason", hint="name the agreement with --reason")
    with record.changing(folder, ledger) as now:
        for who in whom:
            now.exclude(who, by, reason)


def include(folder: Path, ledger: Ledger, whom: Iterable[str], by: str) -> list[str]:
    """End exclusions; answers for whom there was one."""
    with record.changing(folder, ledger) as now:
        return [who for who in whom if now.include(who, by)]


def members(now: Record, group: int) -> list[str]:
    """Everybody of a group. Raises UsageError where there is none."""
    found = [who for who, one in now.decisions.items() if one.group == group]
    if not found:
        raise UsageError(f"there is no group {group}", hint="see `longplay guard decisions`")
    return sorted(found)


def _reason(why: str) -> str:
    text = " ".join(why.split())
    if len(text) > LONGEST_REASON:
        raise UsageError(f"a reason has at most {LONGEST_REASON} characters")
    return text


def appeal(folder: Path, ledger: Ledger, who: str, words: str) -> Appeal:
    """Take in what an accused listener writes; a later text takes the place of an earlier one.
    Raises UsageError where nothing is decided about him, or nothing is said."""
    text = words.strip()
    if not text:
        raise UsageError("an appeal needs words", hint="say what you did, and why it is no copying")
    if len(text) > LONGEST_APPEAL:
        raise UsageError(f"an appeal has at most {LONGEST_APPEAL} characters", hint="shorten it")
    made = Appeal(who, clock.timestamp(), text)
    with record.changing(folder, ledger) as now:
        if who not in now.decisions:
            raise UsageError("nothing is decided about you", hint="there is nothing to appeal")
        write_json(_path(folder, who), asdict(made))
        now.note("guard appeal", who, {})
    return made


def answer(folder: Path, ledger: Ledger, who: str, words: str) -> Appeal:
    """Answer an appeal; the accused reads it where he wrote. Raises UsageError."""
    with record.changing(folder, ledger) as now:
        found = appeal_of(folder, who)
        if found is None:
            raise UsageError(f"{who} has not appealed")
        made = replace(found, answer=words.strip()[:LONGEST_APPEAL], answered=clock.timestamp())
        write_json(_path(folder, who), asdict(made))
        now.note("guard answer", who, {})
    return made


def erase(folder: Path, ledger: Ledger, who: str) -> None:
    """Forget what was decided about somebody who is erased, and what he wrote."""
    if not (folder / record.FOLDER).exists():
        return
    with record.changing(folder, ledger) as now:
        now.release(who, BY_HAND, "erased")
        now.include(who, BY_HAND)
        _path(folder, who).unlink(missing_ok=True)


def appeal_of(folder: Path, who: str) -> Appeal | None:
    """What somebody wrote, if he did."""
    path = _path(folder, who)
    return _read(path) if path.exists() else None


def appeals(folder: Path) -> list[Appeal]:
    """All appeals, those without an answer first, each the oldest first."""
    found = [_read(path) for path in (folder / record.FOLDER / APPEALS).glob("*.json")]
    return sorted(found, key=lambda one: (bool(one.answered), one.time))


def _read(path: Path) -> Appeal:
    try:
        row: dict[str, Any] = json.loads(read_bounded(path, MOST_APPEAL_BYTES))
        return Appeal(**row)
    except (ValueError, TypeError) as error:
        raise InputError("is no appeal", where=str(path), hint="delete it") from error


def _path(folder: Path, who: str) -> Path:
    name = record.pseudonyms(folder)(who).replace(":", "-")
    return folder / record.FOLDER / APPEALS / f"{name}.json"
