"""A password that is changed while the old one is proved leaves nothing open to the old one."""

from __future__ import annotations

import pytest

from longplay.access.people import accounts, passwords, sessions
from longplay.access.people.store import People
from longplay.errors import AccessError

OLD, NEW = "an-old-password-41", "a-newer-password-42"


def changed_meanwhile(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the next password is looked at, its owner chooses another one."""
    verify = passwords.verify

    def slow(stored: str | None, password: str) -> bool:
        right = verify(stored, password)
        monkeypatch.setattr(passwords, "verify", verify)
        accounts.set_password(people, "ann", NEW)
        return right

    monkeypatch.setattr(passwords, "verify", slow)


def test_no_session_begins_by_a_password_that_was_changed_meanwhile(
    people: People, ann: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.set_password(people, "ann", OLD)
    changed_meanwhile(people, monkeypatch)
    found, proof = accounts.proved(people, "ann", OLD, "192.0.2.1")
    assert found.account == ann
    with pytest.raises(AccessError, match="changed meanwhile"):
        sessions.begin(people, ann, proof)
    _, proof = accounts.proved(people, "ann", NEW, "192.0.2.1")
    assert sessions.of_cookie(people, sessions.begin(people, ann, proof))


def test_what_proves_a_password_is_the_hash_that_it_was_compared_with(
    people: People, ann: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.set_password(people, "ann", OLD)
    changed_meanwhile(people, monkeypatch)
    _, proof = accounts.proved(people, "ann", OLD, "192.0.2.1")
    assert proof != accounts.proof_of(people, ann)
