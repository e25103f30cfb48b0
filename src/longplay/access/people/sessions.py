"""Sessions: what a browser's cookie proves.

The cookie is a random token, signed (itsdangerous), so that a forged one costs no look-up. Its hash
stands in a table: a session ends when it is too old, its account is disabled or gets another
password, or somebody logs out; from that moment the cookie is worth nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from itsdangerous import BadSignature, Signer

from longplay import clock
from longplay.access.people import accounts
from longplay.access.people.accounts import Account
from longplay.access.people.store import People
from longplay.errors import AccessError

LASTS = timedelta(days=30)
"""After which one logs in again, however often one came."""

MOST = 50
"""Sessions of one account at a time; the oldest end."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session and its account as it is now."""

    token: str
    account: Account


def begin(people: People, account: int, proof: str) -> str:
    """A new session of an account whose password has the hash `proof`; its cookie's value. Raises
    AccessError when it has another one by now."""
    token = secrets.token_urlsafe(24)
    now = clock.now()
    with people.write() as connection:
        connection.execute("DELETE FROM session WHERE expires <= ?", (clock.text_of(now),))
        newest = connection.execute(
            "SELECT max(created) FROM session WHERE account = ?", (account,)
        ).fetchone()[0]
        created = now
        if newest is not None:  # later than all before, also where the clock was set back
            created = max(now, datetime.fromisoformat(newest) + timedelta(milliseconds=1))
        begun = connection.execute(
            "INSERT INTO session SELECT ?, id, ?, ? FROM account"
            " WHERE id = ? AND password = ? AND NOT disabled",
            (_digest(token), clock.text_of(created), clock.text_of(now + LASTS), account, proof),
        )
        if not begun.rowcount:
            raise AccessError("the password has been changed meanwhile", hint="log in again")
        connection.execute(
            "DELETE FROM session WHERE account = ?1 AND hash NOT IN (SELECT hash FROM session"
            " WHERE account = ?1 ORDER BY created DESC LIMIT ?2)",
            (account, MOST),
        )
    return _signer(people).sign(token).decode()


def of_cookie(people: People, cookie: str) -> Session | None:
    """The session that a cookie proves; None for a forged, ended or disabled one."""
    try:
        token = _signer(people).unsign(cookie[:300]).decode()
    except BadSignature:
        return None
    with people.read() as connection:
        row = connection.execute(
            "SELECT id, name, role, disabled, must_change, language, account.created"
            " FROM session JOIN account ON account.id = session.account"
            " WHERE hash = ? AND expires > ? AND NOT disabled",
            (_digest(token), clock.timestamp()),
        ).fetchone()
    return Session(token, accounts.account_of(row)) if row else None


def end(people: People, token: str) -> None:
    """Log out."""
    with people.write(durably=True) as connection:
        connection.execute("DELETE FROM session WHERE hash = ?", (_digest(token),))


def _signer(people: People) -> Signer:
    return Signer(people.secrets.derived("sessions"), digest_method=hashlib.sha256)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
