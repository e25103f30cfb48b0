"""Who may log in: names, passwords, keys, sessions, and guessing."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from longplay import clock
from longplay.access.people import accounts, names, passwords, secrets, sessions, throttle
from longplay.access.people.store import People
from longplay.archive import PEOPLE
from longplay.errors import AccessError, ArchiveError, ThrottledError, UsageError
from tests.access.people.conftest import PASSWORD

HERE = "192.0.2.1"


class Clock:
    """The time as a test wants it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = timedelta()
        real = clock.now
        monkeypatch.setattr(clock, "now", lambda: real() + self.ahead)

    def pass_by(self, **span: float) -> None:
        self.ahead += timedelta(**span)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_password_is_kept_as_argon2id_alone(people: People) -> None:
    accounts.add(people, "Ann", "member", PASSWORD)
    people.close()
    data = people.path.read_bytes()
    assert b"$argon2id$v=19$" in data
    assert PASSWORD.encode() not in data


def test_the_cost_of_a_hash_is_what_owasp_asks_for() -> None:
    """https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html"""
    assert passwords.MEMORY_KIB >= 46 * 1024
    assert passwords.PASSES >= 1


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("", "is empty"),
        (" \t ", "is empty"),
        ("a" * 65, "is longer than 64 characters"),
        ("a" * 10_000_000, "is longer than 64 characters"),
        ("a\x00b", "has U+0000 in it"),
        ("a/b", "has U+002F in it"),
        ("a\u200bb", "has U+200B in it"),
        ("\u202eadmin", "has U+202E in it"),
        (".hidden", "begins with no letter or digit"),
        ("\u0430dmin", "mixes letters of scripts that look alike"),
    ],
)
def test_what_is_no_name_is_refused(people: People, name: str, word: str) -> None:
    with pytest.raises(UsageError) as refused:
        accounts.add(people, name, "member", PASSWORD)
    assert str(refused.value).startswith(f"a name that {word} is no name of an account")
    assert accounts.list_all(people) == []


@pytest.mark.parametrize(
    "other", ["ANN SMITH", "ann  smith", "Ａｎｎ Smith", "𝔄nn smith", " Ann Smith "]
)
def test_two_accounts_cannot_look_alike(people: People, other: str) -> None:
    accounts.add(people, "Ann Smith", "member", PASSWORD)
    with pytest.raises(UsageError, match="or one that looks alike"):
        accounts.add(people, other, "member", PASSWORD)
    assert accounts.find(people, other).name == "Ann Smith"


@pytest.mark.parametrize("name", ["Анна", "王小明", "やまだ 太郎", "Łukasz", "o'neill_2@home.org"])
def test_names_of_the_world_are_names(name: str) -> None:
    assert names.clean(name) == name


@pytest.mark.parametrize("bad", ["short", "x" * 1025, "ö" * 600, "Ann Smith", "ANN SMITH"])
def test_what_shall_be_nobodys_password(people: People, bad: str) -> None:
    with pytest.raises(UsageError, match="password"):
        accounts.add(people, "Ann Smith", "member", bad)


def test_a_huge_password_is_not_even_hashed(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.add(people, "Ann", "member", PASSWORD)

    def never(*_: object) -> None:
        raise AssertionError("hashed")

    monkeypatch.setattr(PasswordHasher, "verify", never)
    with pytest.raises(AccessError, match="name or password is wrong"):
        accounts.by_password(people, "Ann", "x" * 50_000_000, HERE)


def test_who_knows_the_password_logs_in(people: People) -> None:
    accounts.add(people, "Ann", "admin", PASSWORD)
    found = accounts.by_password(people, "ann", PASSWORD, HERE)
    assert (found.name, found.role, found.signed_in, found.is_admin) == (
        "Ann", "admin", True, True)  # fmt: skip


def test_a_password_counts_however_its_letters_are_composed(people: People) -> None:
    accounts.add(people, "Ann", "member", "passw\u00f6rd")
    assert accounts.by_password(people, "Ann", "passwo\u0308rd", HERE).account


def test_a_guest_is_not_signed_in_for_restricted_music(people: People) -> None:
    accounts.add(people, "Guest", "guest", PASSWORD)
    found = accounts.by_password(people, "Guest", PASSWORD, HERE)
    assert found.account is not None
    assert not found.signed_in


def test_unknown_wrong_and_disabled_are_told_alike_and_all_hash_once(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.add(people, "Ann", "member", PASSWORD)
    accounts.add(people, "Off", "member", PASSWORD)
    accounts.add(people, "Keys", "member")
    accounts.disable(people, "Off")
    passwords.verify(None, "x")  # the hash that unknown names are compared with is made
    hashed: list[str] = []
    real = PasswordHasher.verify

    def counted(self: PasswordHasher, stored: str, given: bytes) -> bool:
        hashed.append(stored)
        return real(self, stored, given)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    said = set()
    for name, password in (
        ("Nobody", PASSWORD), ("Ann", "wrong password"), ("Off", PASSWORD), ("Keys", ""),
    ):  # fmt: skip
        with pytest.raises(AccessError) as refused:
            accounts.by_password(people, name, password, HERE)
        said.add(str(refused.value))
    assert said == {"name or password is wrong"}
    assert len(hashed) == 4
    assert len({stored.rpartition("$")[0].split("$", 4)[3] for stored in hashed}) == 1


def test_guessing_is_throttled_from_everywhere(people: People, time: Clock) -> None:
    accounts.add(people, "Ann", "member", PASSWORD)
    tried = throttled = 0
    for number in range(50):
        try:
            accounts.by_password(people, "ANN", "wrong password", f"198.51.100.{number}")
        except ThrottledError as error:
            assert error.seconds > 0
            throttled += 1
        except AccessError:
            tried += 1
    assert (tried, throttled) == (throttle.ACCOUNT.free + 1, 50 - throttle.ACCOUNT.free - 1)
    with pytest.raises(ThrottledError, match="too many attempts"):
        accounts.by_password(people, "Ann", PASSWORD, HERE)  # not even the right one
    time.pass_by(seconds=throttle.ACCOUNT.longest + 1)
    assert accounts.by_password(people, "Ann", PASSWORD, HERE).account


def test_many_names_from_one_address_are_throttled(people: People) -> None:
    tried = 0
    for number in range(60):
        try:
            accounts.by_password(people, f"name{number}", "wrong password", HERE)
        except ThrottledError:
            continue
        except AccessError:
            tried += 1
    assert tried == throttle.ADDRESS.free + 1


def test_who_has_an_account_cannot_guess_at_others_for_ever(people: People) -> None:
    accounts.add(people, "Mallory", "member", PASSWORD)
    guesses = 0
    for number in range(200):
        try:
            accounts.by_password(people, "Mallory", PASSWORD, HERE)
            accounts.by_password(people, f"name{number}", "wrong password", HERE)
        except ThrottledError:
            continue
        except AccessError:
            guesses += 1
    assert guesses <= throttle.ADDRESS.free + 1


def test_a_network_of_ipv6_is_one_address(people: People) -> None:
    tried = 0
    for number in range(60):
        try:
            accounts.by_password(people, f"name{number}", "wrong one", f"2001:db8::{number:x}")
        except ThrottledError:
            continue
        except AccessError:
            tried += 1
    assert tried == throttle.ADDRESS.free + 1


def test_waits_grow_to_their_longest_and_are_forgotten(people: People, time: Clock) -> None:
    waits = []
    for number in range(40):
        try:
            throttle.attempt(people, "ann", f"198.51.100.{number}")
        except ThrottledError as error:
            waits.append(round(error.seconds))
            time.pass_by(seconds=error.seconds + 0.1)
    assert waits[:4] == [2, 4, 8, 16]
    assert max(waits) == throttle.ACCOUNT.longest
    time.pass_by(seconds=throttle.FORGET_SECONDS + 1)
    for _ in range(throttle.ACCOUNT.free):
        throttle.attempt(people, "ann", HERE)


def test_what_is_remembered_of_guessing_is_bounded(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "MOST_ROWS", 50)
    for number in range(200):
        throttle.attempt(people, f"name{number}", f"198.51.100.{number}")
    with people.read() as connection:
        assert connection.execute("SELECT count(*) FROM throttle").fetchone()[0] == 50


def test_an_api_key_opens_until_it_is_revoked(people: People) -> None:
    made = accounts.add(people, "Ann", "member", PASSWORD)
    found = accounts.by_key(people, made.api_key)
    assert found is not None and found.name == "Ann"
    for wrong in (
        "",
        "lp_",
        made.api_key[:-1],
        made.api_key + "x",
        "lp_" + "x" * 10**6,
        "lp_\udc80",
    ):
        assert accounts.by_key(people, wrong) is None
    second = accounts.add_key(people, made.account.id, "phone")
    first = accounts.keys(people, made.account.id)[0]
    accounts.revoke_key(people, made.account.id, first.id)
    assert accounts.by_key(people, made.api_key) is None
    assert accounts.by_key(people, second) is not None
    with pytest.raises(AccessError, match="no such key"):
        accounts.revoke_key(people, made.account.id, first.id)


def test_an_api_key_is_kept_as_a_hash_of_32_random_bytes(people: People) -> None:
    made = accounts.add(people, "Ann", "member", PASSWORD)
    people.close()
    data = people.path.read_bytes()
    assert len(made.api_key) == len("lp_") + 43
    assert made.api_key.encode() not in data
    assert hashlib.sha256(made.api_key.encode()).digest() in data


def test_nobody_revokes_the_keys_of_others(people: People, ann: int, bob: int) -> None:
    (key,) = accounts.keys(people, ann)
    with pytest.raises(AccessError):
        accounts.revoke_key(people, bob, key.id)
    assert accounts.keys(people, ann) == [key]


def token(secret: str, salt: str) -> str:
    return hashlib.md5((secret + salt).encode()).hexdigest()


def test_token_login_needs_an_app_password(people: People) -> None:
    account = accounts.add(people, "Ann", "member", PASSWORD).account.id
    assert not accounts.has_app_password(people, "Ann")
    assert accounts.by_app_password(people, "Ann", token(PASSWORD, "abc"), "abc") is None
    first = accounts.add_app_password(people, account, "phone")
    second = accounts.add_app_password(people, account, "car")
    assert accounts.has_app_password(people, "ann")
    for secret in (first, second):
        found = accounts.by_app_password(people, "ann", token(secret, "s1"), "s1")
        assert found is not None and found.name == "Ann"
        assert accounts.by_plain_app_password(people, "Ann", secret) is not None
    assert accounts.by_app_password(people, "Ann", token(first, "s1"), "s2") is None
    assert accounts.by_plain_app_password(people, "Ann", PASSWORD) is None
    with pytest.raises(AccessError):
        accounts.by_password(people, "Ann", first, HERE)  # it changes nothing of the account
    accounts.revoke_app_password(people, account, accounts.app_passwords(people, account)[0].id)
    assert accounts.by_app_password(people, "Ann", token(first, "s1"), "s1") is None
    assert accounts.by_app_password(people, "Ann", token(second, "s1"), "s1") is not None
    accounts.disable(people, "Ann")
    assert accounts.by_app_password(people, "Ann", token(second, "s1"), "s1") is None


def test_app_passwords_open_with_this_archives_secret_alone(
    people: People, tmp_path: Path, ann: int, bob: int
) -> None:
    secret = accounts.add_app_password(people, ann, "phone")
    people.close()
    assert secret.encode() not in people.path.read_bytes()
    with People(people.path, secrets.load(tmp_path / "other")) as stranger:
        assert not accounts.has_app_password(stranger, "Ann")
    with sqlite3.connect(people.path) as raw:  # sealed for Ann, put under Bob's name
        raw.execute("UPDATE app_password SET account = ?", (bob,))
    raw.close()
    with People(people.path, people.secrets) as again:
        assert not accounts.has_app_password(again, "Bob")


def test_the_secret_lies_outside_and_is_its_owners_alone(tmp_path: Path) -> None:
    first = secrets.load(tmp_path / "keys")
    assert secrets.load(tmp_path / "keys") == first
    path = tmp_path / "keys" / secrets.FILE
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("garbage")
    with pytest.raises(ArchiveError, match="does not hold the secret of the accounts"):
        secrets.load(tmp_path / "keys")


def test_a_session_is_what_its_cookie_proves(people: People, ann: int, time: Clock) -> None:
    cookie = sessions.begin(people, ann, accounts.proof_of(people, ann))
    found = sessions.of_cookie(people, cookie)
    assert found is not None and found.account.name == "Ann"
    value, _, signature = cookie.rpartition(".")
    for forged in (
        "", ".", value, cookie[:-1], cookie + "A", f"{value[:-1]}A.{signature}", "x" * 10**6,
        "\x00.\x00", f"{value}.{'A' * len(signature)}",
    ):  # fmt: skip
        assert sessions.of_cookie(people, forged) is None
    time.pass_by(days=31)
    assert sessions.of_cookie(people, cookie) is None


def test_a_cookie_signed_by_another_archive_is_worth_nothing(
    people: People, ann: int, tmp_path: Path
) -> None:
    with People(tmp_path / "other.sqlite3", secrets.load(tmp_path / "other")) as other:
        accounts.add(other, "Ann", "admin", PASSWORD)
        assert (
            sessions.of_cookie(people, sessions.begin(other, 1, accounts.proof_of(other, 1)))
            is None
        )


def test_a_session_ends_with_logout_password_and_account(people: People, ann: int) -> None:
    def begun() -> str:
        return sessions.begin(people, ann, accounts.proof_of(people, ann))

    cookie = begun()
    found = sessions.of_cookie(people, cookie)
    assert found is not None
    sessions.end(people, found.token)
    assert sessions.of_cookie(people, cookie) is None
    cookie = begun()
    accounts.set_password(people, "Ann", "another password")
    assert sessions.of_cookie(people, cookie) is None
    cookie = begun()
    accounts.disable(people, "Ann")
    assert sessions.of_cookie(people, cookie) is None
    accounts.enable(people, "Ann")
    assert sessions.of_cookie(people, cookie) is None
    cookie = begun()
    accounts.remove(people, "Ann")
    assert sessions.of_cookie(people, cookie) is None


def test_a_key_of_a_disabled_account_is_worth_nothing_at_once(people: People) -> None:
    made = accounts.add(people, "Ann", "member", PASSWORD)
    accounts.disable(people, "Ann")
    assert accounts.by_key(people, made.api_key) is None
    accounts.enable(people, "Ann")
    assert accounts.by_key(people, made.api_key) is not None


@pytest.mark.parametrize("seconds", [1, 0, -1])
def test_sessions_of_one_account_are_bounded_and_the_oldest_end(
    people: People, ann: int, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """However the clock is set between them."""
    moments = [clock.now() + timedelta(seconds=seconds * n) for n in range(sessions.MOST + 5)]
    cookies = []
    for moment in moments:
        monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
        cookies.append(sessions.begin(people, ann, accounts.proof_of(people, ann)))
    alive = [sessions.of_cookie(people, cookie) is not None for cookie in cookies]
    assert alive == [False] * 5 + [True] * sessions.MOST


def test_a_one_time_password_opens_nothing_but_the_choice_of_another(people: People) -> None:
    made = accounts.add(people, "Ann", "admin", PASSWORD, once=True)
    found = accounts.by_password(people, "Ann", PASSWORD, HERE)
    assert found.role is None and not found.signed_in and not found.is_admin
    known = accounts.by_key(people, made.api_key)
    assert known is not None and known.role is None
    accounts.set_password(people, "Ann", "another password")
    assert accounts.by_password(people, "Ann", "another password", HERE).is_admin


@pytest.mark.parametrize("change", ["disable", "remove", "role"])
def test_the_last_administrator_stays(people: People, change: str) -> None:
    accounts.add(people, "Ann", "admin", PASSWORD)

    def leave() -> None:
        if change == "role":
            accounts.set_role(people, "Ann", "member")
        else:
            getattr(accounts, change)(people, "Ann")

    with pytest.raises(UsageError, match="Ann is the only administrator"):
        leave()
    accounts.add(people, "Bob", "admin", PASSWORD)
    leave()
    assert [one.name for one in accounts.list_all(people) if one.role == "admin"][-1] == "Bob"


def test_what_is_erased_is_not_in_the_file(people: People) -> None:
    made = accounts.add(people, "Unmistakable", "member", PASSWORD)
    accounts.add_app_password(people, made.account.id, "Telltale label")
    with people.write() as connection:
        connection.execute("INSERT INTO star VALUES (?, 'trtelltale', '2026')", (made.account.id,))
    accounts.remove(people, "Unmistakable")
    left = b"".join(one.read_bytes() for one in people.path.parent.glob(f"{PEOPLE}*"))
    for word in (b"Unmistakable", b"unmistakable", b"Telltale", b"trtelltale"):
        assert word not in left


def test_a_number_is_never_given_to_another_account(people: People) -> None:
    first = accounts.add(people, "Ann", "member", PASSWORD).account.id
    accounts.remove(people, "Ann")
    assert accounts.add(people, "Bob", "member", PASSWORD).account.id > first


def test_a_password_hashed_at_another_cost_is_hashed_again(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.add(people, "Ann", "member", PASSWORD)
    dearer = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", dearer)
    assert accounts.by_password(people, "Ann", PASSWORD, HERE).account
    with people.read() as connection:
        stored = connection.execute("SELECT password FROM account").fetchone()[0]
    assert "t=2" in stored
    assert accounts.by_password(people, "Ann", PASSWORD, HERE).account
