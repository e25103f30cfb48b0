"""The accounts of an archive, for those who administer it."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from longplay.access.context import context
from longplay.access.forms import Checked, Number
from longplay.access.listener import session_of
from longplay.access.people import accounts, passwords
from longplay.access.people.listeners import Role
from longplay.access.site import rendering
from longplay.access.site.account import SEE_OTHER, status_of
from longplay.errors import AccessError, LongplayError, UsageError

router = APIRouter(prefix="/admin/accounts")


@router.get("")
def listing(request: Request) -> Response:
    """All accounts."""
    return _refused(request) or _page(request)


@router.post("")
def add(request: Request, said: Checked) -> Response:
    """Make an account, and show its one-time password."""
    refused = _refused(request)
    if refused:
        return refused
    password = passwords.random()
    try:
        made = accounts.add(
            context(request).people,
            said.text("name"),
            _role(said.text("role")),
            password,
            once=True,
        )
    except UsageError as error:
        return _page(request, error=error)
    return _page(request, shown={"name": made.account.name, "password": password})


@router.post("/{number}/{action}")
def change(number: Number, action: str, request: Request, said: Checked) -> Response:
    """Disable or enable an account, change its role, or give it a one-time password."""
    refused = _refused(request)
    if refused:
        return refused
    people = context(request).people
    try:
        name = accounts.by_id(people, number).name
        if action == "password":
            password = passwords.random()
            accounts.set_password(people, name, password, once=True)
            return _page(request, shown={"name": name, "password": password})
        if action == "role":
            accounts.set_role(people, name, _role(said.text("role")))
        elif action == "disable":
            accounts.disable(people, name)
        elif action == "enable":
            accounts.enable(people, name)
        else:
            return rendering.unknown(request)
    except (UsageError, AccessError) as error:
        return _page(request, error=error)
    return RedirectResponse("/admin/accounts", SEE_OTHER)


def _role(text: str) -> Role:
    for role in accounts.ROLES:
        if role == text:
            return role
    raise UsageError("is no role", where=text[:40])


def _refused(request: Request) -> Response | None:
    """What those see who administer nothing."""
    session = session_of(request)
    if session is None:
        return RedirectResponse("/login?next=/admin/accounts", SEE_OTHER)
    if session.account.must_change:
        return RedirectResponse("/account/password", SEE_OTHER)
    if session.account.role != "admin":
        words = "This page is for those who look after the archive."
        return rendering.refused(request, 403, "Not for you", words)
    return None


def _page(
    request: Request,
    *,
    shown: Mapping[str, str] | None = None,
    error: LongplayError | None = None,
) -> Response:
    values = {
        "accounts": accounts.list_all(context(request).people),
        "roles": accounts.ROLES,
        "shown": shown,
        "error": error,
    }
    return rendering.page(
        request, "accounts.html", values, status=status_of(error) if error else 200
    )
