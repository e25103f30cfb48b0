"""Login attempts, counted per account and per address, for all workers together.

An attempt is counted before the password is looked at, so that a hundred at once are a hundred; one
that succeeds is taken back. Beyond what people mistype, each further attempt has to wait twice as
long as the one before.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass

from longplay import clock
from longplay.access.people import names
from longplay.access.people.store import Connection, People
from longplay.errors import ThrottledError

MOST_ROWS = 20_000
"""Accounts and addresses that are remembered; the ones that tried longest ago go first."""

FORGET_SECONDS = 24 * 3600.0
"""After so long without an attempt all is forgotten."""


@dataclass(frozen=True, slots=True)
class Rule:
    """So many failures are free; then waits double, from a second up to `longest` seconds."""

    free: int
    longest: float


ACCOUNT = Rule(5, 300.0)
"""Of one account, wherever the attempts come from: three hundred guesses a day, and its owner waits
five minutes at most for somebody else's guessing."""

ADDRESS = Rule(20, 900.0)
"""From one address, whatever accounts are tried: many people may share one."""


def attempt(people: People, name: str, address: str) -> None:
    """Count an attempt. Raises ThrottledError when it comes too soon; then it must not be made."""
    now = clock.now().timestamp()
    with people.write() as connection:
        connection.execute("DELETE FROM throttle WHERE seen < ?", (now - FORGET_SECONDS,))
        keys = _keys(name, address)
        waits = [_wait(connection, key, now) for key, _ in keys]
        if max(waits) > 0:
            raise ThrottledError("too many attempts to log in", seconds=max(waits))
        for key, rule in keys:
            _count(connection, key, rule, now)
        _bound(connection)


def succeeded(people: People, name: str, address: str) -> None:
    """Take back an attempt: the account's slate is clean, the address has one attempt less, or
    whoever has one account could guess at the others for ever."""
    (account, _), (place, _) = _keys(name, address)
    with people.write() as connection:
        connection.execute("DELETE FROM throttle WHERE key = ?", (account,))
        connection.execute(
            "UPDATE throttle SET failures = max(failures - 1, 0), until = 0 WHERE key = ?", (place,)
        )


def _keys(name: str, address: str) -> tuple[tuple[bytes, Rule], tuple[bytes, Rule]]:
    account = f"account {names.key(name)}"
    return (_digest(account), ACCOUNT), (_digest(f"address {_network(address)}"), ADDRESS)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()[:16]


def _network(address: str) -> str:
    """An address; of IPv6 the network of 64 bits, all of which one subscriber has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _wait(connection: Connection, key: bytes, now: float) -> float:
    row = connection.execute("SELECT until FROM throttle WHERE key = ?", (key,)).fetchone()
    return max(0.0, float(row[0]) - now) if row else 0.0


def _count(connection: Connection, key: bytes, rule: Rule, now: float) -> None:
    row = connection.execute("SELECT failures FROM throttle WHERE key = ?", (key,)).fetchone()
    failures = (int(row[0]) if row else 0) + 1
    beyond = failures - rule.free
    wait = min(rule.longest, 2.0 ** min(beyond, 20)) if beyond > 0 else 0.0
    connection.execute(
        "INSERT OR REPLACE INTO throttle VALUES (?, ?, ?, ?)", (key, failures, now + wait, now)
    )


def _bound(connection: Connection) -> None:
    count = connection.execute("SELECT count(*) FROM throttle").fetchone()[0]
    if count > MOST_ROWS:
        connection.execute(
            "DELETE FROM throttle WHERE key IN"
            " (SELECT key FROM throttle ORDER BY seen LIMIT ?)", (count - MOST_ROWS,),
        )  # fmt: skip
