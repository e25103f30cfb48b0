"""Logging in and out, and one's own account: password, keys, and leaving."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from longplay.access import bringing, leaving, visitor
from longplay.access.bringing import Brought
from longplay.access.context import context
from longplay.access.forms import Checked, Fields, Number
from longplay.access.listener import COOKIE, session_of
from longplay.access.people import accounts, elsewhere, sessions
from longplay.access.people.accounts import Account
from longplay.access.site import rendering
from longplay.errors import AccessError, LongplayError, ThrottledError, UsageError

router = APIRouter()

LOCAL = re.compile(r"/(?![/\\])[!-~]{0,500}")
"""Where one may be sent after logging in: a page of ours, never another host's."""

SEE_OTHER = 303
"""The answer to a form that did something: the page to look at next (RFC 9110)."""


class ElsewhereError(Exception):
    """Another page comes first."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.target = target


def owner(request: Request) -> Account:
    """The account of who is logged in. Raises ElsewhereError for who is not, or has yet to choose
    a password."""
    session = session_of(request)
    if session is None:
        raise ElsewhereError(_login_first(request))
    if session.account.must_change:
        raise ElsewhereError("/account/password")
    return session.account


Owner = Annotated[Account, Depends(owner)]
"""Who is logged in; a handler that takes one is called for nobody else."""


def go_there(_: Request, error: Exception) -> Response:
    """The answer to an ElsewhereError."""
    assert isinstance(error, ElsewhereError)
    return RedirectResponse(error.target, SEE_OTHER)


def _login_first(request: Request) -> str:
    target = request.url.path if request.method == "GET" else "/account"
    return f"/login?next={target}"


@router.get("/login")
def login_page(request: Request) -> Response:
    """The form to log in with."""
    return _login(request, request.query_params.get("next", ""))


@router.post("/login")
def log_in(request: Request, said: Checked) -> Response:
    """Log in, and go where one was about to go."""
    people, name = context(request).people, said.text("name")
    try:
        password = said.text("password")
        found, proof = accounts.proved(people, name, password, address(request))
        assert found.account is not None
        cookie = sessions.begin(people, found.account, proof)
    except AccessError as error:
        return _login(request, said.text("next"), name, error)
    if found.role is None:
        return _signed_in(request, cookie, "/account/password")
    return _signed_in(request, cookie, local(said.text("next")))


@router.get("/logout")
def logout_page(request: Request) -> Response:
    """A button to log out with: following a link must not."""
    return rendering.page(request, "logout.html", {})


@router.post("/logout")
def log_out(request: Request, _: Checked) -> Response:
    """Log out."""
    session = session_of(request)
    if session is not None:
        sessions.end(context(request).people, session.token)
    gone = RedirectResponse("/", SEE_OTHER)
    gone.delete_cookie(COOKIE)
    return gone


@router.get("/account")
def own(request: Request, found: Owner) -> Response:
    """One's own account."""
    return _own(request, found)


@router.get("/account/password")
def password_page(request: Request) -> Response:
    """The form to choose another password with."""
    session = session_of(request)
    if session is None:
        return RedirectResponse(_login_first(request), SEE_OTHER)
    return _password(request, session.account)


@router.post("/account/password")
def change_password(request: Request, said: Checked) -> Response:
    """Choose another password: all sessions end, and this browser gets a new one."""
    people, session = context(request).people, session_of(request)
    if session is None:
        return RedirectResponse(_login_first(request), SEE_OTHER)
    account = session.account
    try:
        if said.text("new") != said.text("again"):
            raise UsageError("the two new passwords differ", hint="type them again")
        if not account.must_change:
            _prove(request, account, said)
        elif accounts.is_password(people, account.id, said.text("new")):
            raise UsageError("that is the one-time password", hint="choose your own")
        accounts.set_password(people, account.name, said.text("new"))
    except (UsageError, AccessError) as error:
        return _password(request, account, error)
    cookie = sessions.begin(people, account.id, accounts.proof_of(people, account.id))
    return _signed_in(request, cookie, "/account")


@router.post("/account/keys")
def add_key(request: Request, said: Checked, found: Owner) -> Response:
    """Make an API key and show it, this once."""
    try:
        key = accounts.add_key(context(request).people, found.id, said.text("label"))
    except UsageError as error:
        return _own(request, found, error=error)
    return _own(request, found, shown={"what": "API key", "secret": key})


@router.post("/account/keys/{number}/revoke")
def revoke_key(number: Number, request: Request, _: Checked, found: Owner) -> Response:
    """End an API key."""
    accounts.revoke_key(context(request).people, found.id, number)
    return RedirectResponse("/account", SEE_OTHER)


@router.post("/account/app-passwords")
def add_app_password(request: Request, said: Checked, found: Owner) -> Response:
    """Make an app password and show it, this once."""
    try:
        secret = accounts.add_app_password(context(request).people, found.id, said.text("label"))
    except UsageError as error:
        return _own(request, found, error=error)
    return _own(request, found, shown={"what": "app password", "secret": secret})


@router.post("/account/app-passwords/{number}/revoke")
def revoke_app_password(number: Number, request: Request, _: Checked, found: Owner) -> Response:
    """End an app password."""
    accounts.revoke_app_password(context(request).people, found.id, number)
    return RedirectResponse("/account", SEE_OTHER)


@router.get("/account/export")
def export(request: Request, found: Owner) -> Response:
    """All that is kept of one, as one JSON document."""
    pieces = bringing.export(context(request), accounts.listener_of(found))
    return StreamingResponse(
        pieces,
        media_type="application/json",
        headers={
            "Content-Disposition": 'attachment; filename="longplay-account.json"',
            "Cache-Control": "private, no-store",
        },
    )


@router.post("/account/import")
def bring(request: Request, said: Checked, found: Owner) -> Response:
    """Take in a playlist, or stars and ratings, out of a file or from another server."""
    here, listener = context(request), accounts.listener_of(found)
    chosen = said.file("file")
    try:
        if chosen is not None and chosen[1]:
            done = bringing.file(here, listener, chosen[1], chosen[0][-200:])
        elif said.text("address"):
            server = elsewhere.Server(
                said.text("address")[:500],
                said.text("user")[:200],
                said.text("secret")[:1000],
                is_key=not said.text("user"),
            )
            done = bringing.liked(here, listener, elsewhere.liked(server))
        else:
            raise UsageError("neither a file nor a server was named")
    except LongplayError as error:
        return _own(request, found, error=error)
    return _own(request, found, brought=done)


@router.post("/account/delete")
def delete(request: Request, said: Checked, found: Owner) -> Response:
    """Erase one's own account with all that belongs to it."""
    try:
        _prove(request, found, said)
        here = context(request)
        leaving.erase(here.archive, here.people, found.name)
    except (UsageError, AccessError) as error:
        return _own(request, found, error=error)
    gone = rendering.refused(request, 200, "Erased", "Your account and all of it is gone.")
    gone.delete_cookie(COOKIE)
    return gone


def address(request: Request) -> str:
    """The address that a request comes from."""
    proxies = context(request).archive.settings.access.proxies
    return visitor.address(request.scope, proxies)


def local(target: str) -> str:
    """Where to go after logging in."""
    return target if LOCAL.fullmatch(target) else "/"


def status_of(error: LongplayError) -> int:
    """The status of a page that shows why something was not done."""
    if isinstance(error, ThrottledError):
        return 429
    return 403 if isinstance(error, AccessError) else 400


def _prove(request: Request, account: Account, said: Fields) -> None:
    """Who changes what matters types the password again. Raises AccessError."""
    people, password = context(request).people, said.text("password")
    try:
        accounts.by_password(people, account.name, password, address(request))
    except ThrottledError:
        raise
    except AccessError as error:
        raise AccessError("the password is wrong") from error


def _signed_in(request: Request, cookie: str, target: str) -> Response:
    response = RedirectResponse(target, SEE_OTHER)
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=round(sessions.LASTS.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=visitor.is_encrypted(request.scope),
    )
    return response


def _login(
    request: Request, target: str, name: str = "", error: AccessError | None = None
) -> Response:
    values = {"next": local(target), "name": name[:200], "error": error}
    status = status_of(error) if error else 200
    headers = {}
    if isinstance(error, ThrottledError):
        headers["Retry-After"] = str(round(error.seconds) + 1)
    return rendering.page(request, "login.html", values, status=status, headers=headers)


def _password(request: Request, account: Account, error: LongplayError | None = None) -> Response:
    values = {"account": account, "error": error}
    return rendering.page(
        request, "password.html", values, status=status_of(error) if error else 200
    )


def _own(
    request: Request,
    account: Account,
    *,
    shown: Mapping[str, str] | None = None,
    brought: Brought | None = None,
    error: LongplayError | None = None,
) -> Response:
    people = context(request).people
    values: dict[str, Any] = {
        "account": account,
        "keys": accounts.keys(people, account.id),
        "app_passwords": accounts.app_passwords(people, account.id),
        "shown": shown,
        "brought": brought,
        "error": error,
    }
    return rendering.page(
        request, "account.html", values, status=status_of(error) if error else 200
    )
