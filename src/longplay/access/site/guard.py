"""What the guard thinks of whom, for those who administer the archive; and the page where an
accused listener reads why, and answers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from longplay.access import guarding
from longplay.access.context import context
from longplay.access.forms import Checked
from longplay.access.listener import listener, session_of
from longplay.access.people import accounts, throttle
from longplay.access.site import drawing, rendering
from longplay.access.site.account import SEE_OTHER, address, status_of
from longplay.access.site.drawing import Mark
from longplay.errors import AccessError, LongplayError, UsageError
from longplay.files import read_bounded
from longplay.guard import policy, record, running
from longplay.guard.record import Act, Decision, Record

router = APIRouter()

PAGE = "/admin/guard"

MOST_SHOWN = 200
"""Decisions on the page, the newest first; the command lists all."""

MOST_PICTURE = 1024 * 1024
"""Bytes of the picture's file: 500 accounts take 50,000."""


@dataclass(frozen=True, slots=True)
class Dot:
    """An account in the picture: across, how long it was seen; upward, its different tracks."""

    x: float
    y: float
    name: str
    accused: bool


@dataclass(frozen=True, slots=True)
class Cloud:
    """Accounts as breadth against time, both axes by powers of ten."""

    dots: tuple[Dot, ...]
    below: tuple[Mark, ...]
    beside: tuple[Mark, ...]


def cloud(rows: list[dict[str, Any]], names: Mapping[str, str], now: Record) -> Cloud | None:
    """The picture of these accounts; None where there are none."""
    if not rows:
        return None
    far = max(math.ceil(math.log10(max(1 + one["hours"] for one in rows))), 1)
    high = max(math.ceil(math.log10(max(1 + one["tracks"] for one in rows))), 1)
    wide = drawing.WIDTH - drawing.LEFT - 10
    room = drawing.HEIGHT - drawing.TOP - drawing.BOTTOM

    def across(hours: float) -> float:
        return round(drawing.LEFT + math.log10(1 + hours) / far * wide, 2)

    def upward(tracks: float) -> float:
        return round(drawing.TOP + room - math.log10(1 + tracks) / high * room, 2)

    dots = tuple(
        Dot(
            across(one["hours"]),
            upward(one["tracks"]),
            names.get(one["who"], one["who"]),
            one["who"] in now.decisions,
        )
        for one in rows
    )
    times = [(1, "1 h"), (24, "1 day"), (24 * 7, "1 week"), (24 * 30, "1 month"), (8760, "1 year")]
    below = tuple(Mark(across(hours), text) for hours, text in times if hours < 10**far)
    beside = tuple(Mark(upward(10**at), drawing.short(10**at)) for at in range(high + 1))
    return Cloud(dots, below, beside)


@router.get(PAGE)
def overview(request: Request) -> Response:
    """Accounts, alerts with their evidence, groups, exclusions and appeals."""
    return _refused(request) or _page(request)


@router.post(PAGE)
def act(request: Request, said: Checked) -> Response:
    """Do something about one listener, or about a whole group."""
    refused = _refused(request)
    if refused:
        return refused
    here, by = context(request), listener(request).name
    folder, ledger = here.archive.folder, here.archive.ledger
    try:
        wanted, why = said.text("act"), said.text("reason")
        if wanted == "answer":
            policy.answer(folder, ledger, said.text("who"), why)
            return RedirectResponse(PAGE, SEE_OTHER)
        whom = _whom(here.guarded.now(), said.text("who"), said.text("group"))
        if wanted == "release":
            policy.release(folder, ledger, whom, by, why)
        elif wanted == "exclude":
            policy.exclude(folder, ledger, whom, by, why)
        elif wanted == "include":
            policy.include(folder, ledger, whom, by)
        elif wanted in set(Act):
            policy.act_on(folder, ledger, whom, Act(wanted), by, why)
        else:
            raise UsageError("choose what is to be done")
    except LongplayError as error:
        return _page(request, error)
    return RedirectResponse(PAGE, SEE_OTHER)


def _whom(now: Record, who: str, group: str) -> list[str]:
    """Whom a form means: only those who stand on the page. Raises UsageError."""
    if group:
        if not group.isdecimal():
            raise UsageError("there is no such group")
        return policy.members(now, int(group[:9]))
    if who not in now.decisions and who not in now.excluded:
        raise UsageError("nothing is decided about them any more", hint="look at the page again")
    return [who]


def _refused(request: Request) -> Response | None:
    """What those see who administer nothing."""
    session = session_of(request)
    if session is None:
        return RedirectResponse(f"/login?next={PAGE}", SEE_OTHER)
    if session.account.must_change:
        return RedirectResponse("/account/password", SEE_OTHER)
    if session.account.role != "admin":
        words = "This page is for those who look after the archive."
        return rendering.refused(request, 403, "Not for you", words)
    return None


def _page(request: Request, error: LongplayError | None = None) -> Response:
    here = context(request)
    folder, now = here.archive.folder, here.guarded.now()
    names = {f"account:{one.id}": one.name for one in accounts.list_all(here.people)}
    picture = _picture(request)
    rows = sorted(now.decisions.values(), key=lambda one: (one.since, one.who), reverse=True)
    groups: dict[int, list[Decision]] = {}
    for one in rows:
        if one.group is not None:
            groups.setdefault(one.group, []).append(one)
    values = {
        "error": error,
        "names": names,
        "decisions": rows[:MOST_SHOWN],
        "more": max(len(rows) - MOST_SHOWN, 0),
        "groups": groups,
        "excluded": now.excluded,
        "appeals": policy.appeals(folder)[:MOST_SHOWN],
        "acts": [one.value for one in Act],
        "policy": here.archive.settings.guard,
        "facts": picture,
        "cloud": cloud(picture["shown"], names, now) if picture else None,
        "left": drawing.LEFT,
        "width": drawing.WIDTH,
        "height": drawing.HEIGHT,
    }
    status = status_of(error) if error else 200
    return rendering.page(request, "guard.html", values, status=status)


def _picture(request: Request) -> dict[str, Any] | None:
    """What the guard process told last; None where it never ran."""
    path = context(request).archive.folder / record.FOLDER / running.PICTURE
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(read_bounded(path, MOST_PICTURE))
    return found


@router.get(guarding.APPEAL)
def appeal_page(request: Request) -> Response:
    """What is decided about the one who asks, why, and what he wrote."""
    return _appeal(request)


@router.post(guarding.APPEAL)
def appeal(request: Request, said: Checked) -> Response:
    """Take in what an accused listener writes."""
    here, who = context(request), _asker(request)
    try:
        throttle.attempt(here.people, f"appeals of {who}", address(request))
        policy.appeal(here.archive.folder, here.archive.ledger, who, said.text("words"))
    except (UsageError, AccessError) as error:
        return _appeal(request, error)
    return RedirectResponse(guarding.APPEAL, SEE_OTHER)


def _asker(request: Request) -> str:
    return guarding.who(listener(request).account, address(request))


def _appeal(request: Request, error: LongplayError | None = None) -> Response:
    here, who = context(request), _asker(request)
    found = here.guarded.now().decisions.get(who)
    values = {
        "error": error,
        "decision": found,
        "words": guarding.words(found, here.archive.settings.guard) if found else "",
        "written": policy.appeal_of(here.archive.folder, who) if found else None,
        "longest": policy.LONGEST_APPEAL,
    }
    status = status_of(error) if error else 200
    return rendering.page(request, "appeal.html", values, status=status)
