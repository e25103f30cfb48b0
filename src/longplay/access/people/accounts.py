"""Accounts: who may log in, as what, and by which of three proofs.

- A password, hashed (argon2id). A one-time password only lets its owner choose another.
- API keys: 32 random bytes, shown once, of which the SHA-256 is kept.
- App passwords, for programs that prove that they know one without sending it (the token login of
  Subsonic): random, kept encrypted, made only by who wants one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Any

from longplay import clock
from longplay.access.people import names, passwords, throttle
from longplay.access.people.listeners import Listener, Role
from longplay.access.people.store import Connection, People
from longplay.errors import AccessError, UsageError

ROLES: tuple[Role, ...] = ("admin", "member", "guest")

KEY_PREFIX = "lp_"
"""What API keys begin with, so that one that was published by mistake is recognised."""

MOST_KEYS = 50
"""API keys, and app passwords, of one account."""

LONGEST_LABEL = 100
"""Characters of what somebody calls a key."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account as its owner and administrators see it."""

    id: int
    name: str
    role: Role
    disabled: bool
    must_change: bool
    language: str | None
    created: str


@dataclass(frozen=True, slots=True)
class Added:
    """A new account and its first API key, which is shown this once."""

    account: Account
    api_key: str


@dataclass(frozen=True, slots=True)
class Key:
    """An API key or app password, without its secret."""

    id: int
    label: str
    created: str


def add(
    people: People, name: str, role: Role, password: str | None = None, *, once: bool = False
) -> Added:
    """Make an account. Without a password it is reached by its API keys alone, until it gets one;
    `once` says that the password must be changed at the first login. Raises UsageError."""
    name = names.clean(name)
    _check_role(role)
    stored = _hashed(password, name) if password is not None else ""
    key, digest = _new_key()
    with people.write(durably=True) as connection:
        try:
            account = connection.execute(
                "INSERT INTO account (name, key, role, password, must_change, created)"
                " VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
                (name, names.key(name), role, stored, int(once), clock.timestamp()),
            ).fetchone()[0]
        except sqlite3.IntegrityError as error:
            raise UsageError(
                f"there is an account called {name}, or one that looks alike",
                hint="choose another name",
            ) from error
        _keep_key(connection, account, digest, "first")
        return Added(_by_id(connection, account), key)


def list_all(people: People) -> list[Account]:
    """Every account, by name."""
    with people.read() as connection:
        rows = connection.execute(f"SELECT {COLUMNS} FROM account ORDER BY key").fetchall()
    return [account_of(row) for row in rows]


def find(people: People, name: str) -> Account:
    """The account of that name. Raises AccessError."""
    with people.read() as connection:
        return _by_name(connection, name)


def by_id(people: People, account: int) -> Account:
    """The account with that number. Raises AccessError."""
    with people.read() as connection:
        return _by_id(connection, account)


def disable(people: People, name: str) -> Account:
    """Shut an account: its sessions end, and neither password nor key opens it."""
    with people.write(durably=True) as connection:
        found = _by_name(connection, name)
        _keep_an_admin(connection, found)
        connection.execute("UPDATE account SET disabled = 1 WHERE id = ?", (found.id,))
        _end_sessions(connection, found.id)
        return _by_id(connection, found.id)


def enable(people: People, name: str) -> Account:
    """Open an account again; its keys hold again, its sessions do not."""
    with people.write(durably=True) as connection:
        found = _by_name(connection, name)
        connection.execute("UPDATE account SET disabled = 0 WHERE id = ?", (found.id,))
        return _by_id(connection, found.id)


def set_role(people: People, name: str, role: Role) -> Account:
    """Give an account another role."""
    _check_role(role)
    with people.write(durably=True) as connection:
        found = _by_name(connection, name)
        if role != "admin":
            _keep_an_admin(connection, found)
        connection.execute("UPDATE account SET role = ? WHERE id = ?", (role, found.id))
        return _by_id(connection, found.id)


def set_password(people: People, name: str, password: str, *, once: bool = False) -> Account:
    """Give an account another password; all its sessions end."""
    known = find(people, name)
    stored = _hashed(password, known.name)
    with people.write(durably=True) as connection:
        found = _by_id(connection, known.id)
        connection.execute(
            "UPDATE account SET password = ?, must_change = ? WHERE id = ?",
            (stored, int(once), found.id),
        )
        _end_sessions(connection, found.id)
        return _by_id(connection, found.id)


def removable(people: People, name: str) -> Account:
    """An account that may be erased. Raises AccessError, UsageError."""
    with people.read() as connection:
        found = _by_name(connection, name)
        _keep_an_admin(connection, found)
        return found


def remove(people: People, name: str) -> None:
    """Erase an account and all that is its own; nothing of it stays in the file."""
    with people.write(durably=True) as connection:
        found = _by_name(connection, name)
        _keep_an_admin(connection, found)
        connection.execute("DELETE FROM account WHERE id = ?", (found.id,))
        connection.execute("DELETE FROM throttle")
    people.forget_deleted()


def by_password(people: People, name: str, password: str, address: str) -> Listener:
    """Who logs in. Raises as `proved` does."""
    return proved(people, name, password, address)[0]


def proved(people: People, name: str, password: str, address: str) -> tuple[Listener, str]:
    """Who logs in, and the hash that proves it: what rests on the password counts only as long as
    that is the account's. Raises ThrottledError when attempts come too fast, and AccessError, the
    same for an unknown name, a wrong password and a disabled account."""
    throttle.attempt(people, name, address)
    with people.read() as connection:
        row = connection.execute(
            f"SELECT {COLUMNS}, password FROM account WHERE key = ?", (names.key(name),)
        ).fetchone()
    stored = str(row[-1]) if row else ""
    right = passwords.verify(stored or None, password)
    if not right or account_of(row[:-1]).disabled:
        raise AccessError("name or password is wrong")
    throttle.succeeded(people, name, address)
    found = account_of(row[:-1])
    if passwords.is_outdated(stored):
        stored = _hash_again(people, found.id, stored, password)
    return listener_of(found), stored


def with_hash(people: People, name: str) -> tuple[Account, str] | None:
    """An account and the hash of its password (empty where it has none); None for an unknown
    name. For those who remember that a password was right, as long as it is the one."""
    with people.read() as connection:
        row = connection.execute(
            f"SELECT {COLUMNS}, password FROM account WHERE key = ?", (names.key(name),)
        ).fetchone()
    return (account_of(row[:-1]), row[-1]) if row else None


def proof_of(people: People, account: int) -> str:
    """The hash of the password that an account has now. Raises AccessError."""
    with people.read() as connection:
        row = connection.execute("SELECT password FROM account WHERE id = ?", (account,)).fetchone()
    if row is None:
        raise AccessError("there is no such account", hint="see `longplay account list`")
    return str(row[0])


def is_password(people: People, account: int, password: str) -> bool:
    """Whether it is the account's password; for whoever has proved to be its owner."""
    with people.read() as connection:
        row = connection.execute("SELECT password FROM account WHERE id = ?", (account,)).fetchone()
    return row is not None and passwords.verify(row[0] or None, password)


def by_key(people: People, key: str) -> Listener | None:
    """Whose API key it is; None for nobody's, and that of a disabled account."""
    if not key.startswith(KEY_PREFIX) or len(key) > 100:
        return None
    digest = hashlib.sha256(key.encode(errors="replace")).digest()
    with people.read() as connection:
        row = connection.execute(
            f"SELECT {COLUMNS} FROM account WHERE disabled = 0 AND id ="
            " (SELECT account FROM api_key WHERE hash = ?)",
            (digest,),
        ).fetchone()
    return listener_of(account_of(row)) if row else None


def by_app_password(people: People, name: str, token: str, salt: str) -> Listener | None:
    """Who knows an app password: `token` is the MD5 of it and `salt`, in hexadecimal
    (http://www.subsonic.org/pages/api.jsp). None for who does not."""
    found, told = None, token[:64].lower().encode(errors="replace")
    for account, secret in _app_passwords_of(people, name):
        proof = hashlib.md5((secret + salt[:1000]).encode(errors="replace"), usedforsecurity=False)
        if hmac.compare_digest(proof.hexdigest().encode(), told):
            found = account
    return listener_of(found) if found else None


def by_plain_app_password(people: People, name: str, password: str) -> Listener | None:
    """Who sends an app password as it is. None for another one."""
    found = None
    for account, secret in _app_passwords_of(people, name):
        if hmac.compare_digest(secret.encode(), password.encode(errors="replace")):
            found = account
    return listener_of(found) if found else None


def has_app_password(people: People, name: str) -> bool:
    """Whether token login is possible; where it is not, a server answers with error 41."""
    return bool(_app_passwords_of(people, name))


def add_key(people: People, account: int, label: str) -> str:
    """Make another API key: it is shown this once. Raises UsageError when there are too many."""
    key, digest = _new_key()
    with people.write() as connection:
        _by_id(connection, account)
        _keep_key(connection, account, digest, label)
    return key


def keys(people: People, account: int) -> list[Key]:
    """The API keys of an account."""
    return _listed(people, "api_key", account)


def revoke_key(people: People, account: int, key: int) -> None:
    """End an API key. Raises AccessError when the account has none such."""
    _revoke(people, "api_key", account, key)


def add_app_password(people: People, account: int, label: str) -> str:
    """Make an app password: it is shown this once. Raises UsageError when there are too many."""
    secret = passwords.random()
    with people.write() as connection:
        _by_id(connection, account)
        _check_room(connection, "app_password", account, label)
        connection.execute(
            "INSERT INTO app_password (account, sealed, label, created) VALUES (?, ?, ?, ?)",
            (account, people.secrets.seal(secret, str(account)), label, clock.timestamp()),
        )
    return secret


def app_passwords(people: People, account: int) -> list[Key]:
    """The app passwords of an account, without their secrets."""
    return _listed(people, "app_password", account)


def revoke_app_password(people: People, account: int, password: int) -> None:
    """End an app password. Raises AccessError when the account has none such."""
    _revoke(people, "app_password", account, password)


def listener_of(account: Account) -> Listener:
    """What an account may hear. Who has yet to choose a password may hear what anybody may."""
    role = None if account.must_change else account.role
    return Listener(account.id, account.name, role, account.language)


COLUMNS = "id, name, role, disabled, must_change, language, created"


def account_of(row: tuple[Any, ...]) -> Account:
    """A row of `COLUMNS`."""
    number, name, role, disabled, must_change, language, created = row
    return Account(number, name, role, bool(disabled), bool(must_change), language, created)


def _by_name(connection: Connection, name: str) -> Account:
    row = connection.execute(
        f"SELECT {COLUMNS} FROM account WHERE key = ?", (names.key(name),)
    ).fetchone()
    if row is None:
        raise AccessError(
            "there is no such account", where=name[:100], hint="see `longplay account list`"
        )
    return account_of(row)


def _by_id(connection: Connection, account: int) -> Account:
    row = connection.execute(f"SELECT {COLUMNS} FROM account WHERE id = ?", (account,)).fetchone()
    if row is None:
        raise AccessError("there is no such account", hint="see `longplay account list`")
    return account_of(row)


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise UsageError(f"is no role: {', '.join(ROLES)}", where=role[:40])


def _keep_an_admin(connection: Connection, leaving: Account) -> None:
    """Raise UsageError when nobody would be left to administer the archive."""
    if leaving.role != "admin" or leaving.disabled:
        return
    others = connection.execute(
        "SELECT count(*) FROM account WHERE role = 'admin' AND NOT disabled AND id <> ?",
        (leaving.id,),
    ).fetchone()[0]
    if not others:
        raise UsageError(f"{leaving.name} is the only administrator", hint="make another one first")


def _end_sessions(connection: Connection, account: int) -> None:
    connection.execute("DELETE FROM session WHERE account = ?", (account,))


def _hashed(password: str, name: str) -> str:
    passwords.check(password, name)
    return passwords.hashed(password)


def _hash_again(people: People, account: int, stored: str, password: str) -> str:
    fresh = passwords.hashed(password)
    with people.write() as connection:
        connection.execute(
            "UPDATE account SET password = ? WHERE id = ? AND password = ?",
            (fresh, account, stored),
        )
    return fresh


def _new_key() -> tuple[str, bytes]:
    text = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    key = f"{KEY_PREFIX}{text}"
    return key, hashlib.sha256(key.encode()).digest()


def _keep_key(connection: Connection, account: int, digest: bytes, label: str) -> None:
    _check_room(connection, "api_key", account, label)
    connection.execute(
        "INSERT INTO api_key (account, hash, label, created) VALUES (?, ?, ?, ?)",
        (account, digest, label, clock.timestamp()),
    )


def _check_room(connection: Connection, table: str, account: int, label: str) -> None:
    if len(label) > LONGEST_LABEL:
        raise UsageError(f"a label has at most {LONGEST_LABEL} characters")
    count = connection.execute(
        f"SELECT count(*) FROM {table} WHERE account = ?", (account,)
    ).fetchone()[0]
    if count >= MOST_KEYS:
        raise UsageError(f"an account has at most {MOST_KEYS} of them", hint="revoke one first")


def _listed(people: People, table: str, account: int) -> list[Key]:
    with people.read() as connection:
        rows = connection.execute(
            f"SELECT id, label, created FROM {table} WHERE account = ? ORDER BY id", (account,)
        ).fetchall()
    return [Key(*row) for row in rows]


def _revoke(people: People, table: str, account: int, one: int) -> None:
    with people.write(durably=True) as connection:
        done = connection.execute(
            f"DELETE FROM {table} WHERE account = ? AND id = ?", (account, one)
        )
        if not done.rowcount:
            raise AccessError("there is no such key", where=str(one))


def _app_passwords_of(people: People, name: str) -> list[tuple[Account, str]]:
    with people.read() as connection:
        row = connection.execute(
            f"SELECT {COLUMNS} FROM account WHERE key = ? AND NOT disabled", (names.key(name),)
        ).fetchone()
        if row is None:
            return []
        sealed = connection.execute(
            "SELECT sealed FROM app_password WHERE account = ? ORDER BY id", (row[0],)
        ).fetchall()
    opened = (people.secrets.opened(one[0], str(row[0])) for one in sealed)
    return [(account_of(row), secret) for secret in opened if secret is not None]
