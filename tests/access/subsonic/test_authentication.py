"""Who may call, by which proof, and what everybody else is told."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from longplay.access.people import accounts, passwords
from longplay.access.subsonic import authentication
from tests.access.subsonic.conftest import PASSWORDS, Caller, Rest


@pytest.fixture(autouse=True)
def _clean_slate(rest: Rest) -> Iterator[None]:
    yield
    with rest.here.people.write() as connection:
        connection.execute("DELETE FROM throttle")


def calling(rest: Rest, **proof: str) -> Caller:
    return Caller(rest.web, "", proof)


def token(secret: str, salt: str = "c19b2d") -> dict[str, str]:
    return {"t": hashlib.md5((secret + salt).encode()).hexdigest(), "s": salt}


def test_a_password_plain_and_in_hexadecimal(rest: Rest) -> None:
    password = PASSWORDS["member"]
    calling(rest, u="member", p=password).ok("ping")
    calling(rest, u="MEMBER", p=f"enc:{password.encode().hex()}").ok("ping")


def test_passwords_that_look_like_hexadecimal(rest: Rest) -> None:
    accounts.add(rest.here.people, "odd", "member", "enc:nohexatall")
    calling(rest, u="odd", p="enc:nohexatall").ok("ping")
    accounts.add(rest.here.people, "umlaut", "member", "größe größe")
    for written in ("größe größe".encode(), "größe größe".encode("latin-1")):
        calling(rest, u="umlaut", p=f"enc:{written.hex()}").ok("ping")


def test_wrong_password_unknown_name_and_disabled_account_are_told_alike(rest: Rest) -> None:
    accounts.add(rest.here.people, "gone", "member", "a password for a while")
    calling(rest, u="gone", p="a password for a while").ok("ping")
    accounts.disable(rest.here.people, "gone")
    told = [
        calling(rest, u=name, p=password).whole("ping")
        for name, password in (
            ("gone", "a password for a while"),
            ("member", "wrong"),
            ("nobody", "wrong"),
            ("member", ""),
        )
    ]
    assert all(one == told[0] for one in told)
    error = told[0]["subsonic-response"]["error"]
    assert error == {"code": 40, "message": "wrong username or password"}


def test_a_password_that_was_changed_counts_no_more(rest: Rest) -> None:
    accounts.add(rest.here.people, "fickle", "member", "the first password")
    first = calling(rest, u="fickle", p="the first password")
    first.ok("ping")
    accounts.set_password(rest.here.people, "fickle", "the second password")
    assert first.code("ping") == 40
    calling(rest, u="fickle", p="the second password").ok("ping")


def test_a_right_password_is_hashed_once(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = calling(rest, u="member", p=PASSWORDS["member"])
    caller.ok("ping")
    hashed: list[str] = []
    monkeypatch.setattr(passwords, "verify", lambda _, password: hashed.append(password))
    caller.ok("ping")
    assert hashed == []
    assert calling(rest, u="member", p="another password").code("ping") == 40
    assert hashed == ["another password"]


def test_a_one_time_password_opens_nothing_here(rest: Rest) -> None:
    accounts.add(rest.here.people, "fresh", "member", "for one login only", once=True)
    assert calling(rest, u="fresh", p="for one login only").code("ping") == 40


def test_tokens_need_an_app_password(rest: Rest) -> None:
    for name in ("member", "nobody"):
        answer = calling(rest, u=name, **token(PASSWORDS["member"])).whole("ping")
        error = answer["subsonic-response"]["error"]
        assert error["code"] == 41
        assert error["helpUrl"] == "http://testserver/account"


def test_an_app_password_as_token_and_plain_until_it_is_revoked(rest: Rest) -> None:
    people = rest.here.people
    account = accounts.add(people, "apps", "member", "a long password").account.id
    secret = accounts.add_app_password(people, account, "phone")
    calling(rest, u="apps", **token(secret)).ok("ping")
    calling(rest, u="apps", p=secret).ok("ping")
    assert calling(rest, u="apps", **token(secret + "x")).code("ping") == 40
    assert calling(rest, u="apps", **token("a long password")).code("ping") == 40
    accounts.revoke_app_password(people, account, accounts.app_passwords(people, account)[0].id)
    assert calling(rest, u="apps", **token(secret)).code("ping") == 41
    assert calling(rest, u="apps", p=secret).code("ping") == 40


def test_keys_come_alone(rest: Rest) -> None:
    key = rest.keys["member"]
    assert calling(rest, apiKey=key).ok("tokenInfo")["tokenInfo"] == {"username": "member"}
    for more in ({"u": "member"}, {"p": "x"}, {"t": "x"}, {"s": "x"}, {"u": ""}):
        assert calling(rest, apiKey=key, **more).code("ping") == 43
    for wrong in ("", "lp_", key + "x", key[:-1], "lp_\0", "x" * 3000):
        assert calling(rest, apiKey=wrong).code("ping") == 44


def test_a_key_that_is_revoked_or_of_a_disabled_account(rest: Rest) -> None:
    people = rest.here.people
    added = accounts.add(people, "keyed", "member")
    caller = calling(rest, apiKey=added.api_key)
    caller.ok("ping")
    accounts.disable(people, "keyed")
    assert caller.code("ping") == 44
    accounts.enable(people, "keyed")
    caller.ok("ping")
    accounts.revoke_key(people, added.account.id, accounts.keys(people, added.account.id)[0].id)
    assert caller.code("ping") == 44


def test_whose_key_it_is_needs_a_key(member: Caller) -> None:
    assert member.code("tokenInfo") == 44


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        ({}, 10),
        ({"u": "member"}, 10),
        ({"u": "", "p": "x"}, 10),
        ({"p": "x"}, 10),
        ({"u": "member", "t": "x"}, 10),
        ({"u": "member", "s": "x"}, 10),
        ({"u": "member", "p": "x", "t": "y", "s": "z"}, 43),
    ],
)
def test_half_a_proof(rest: Rest, proof: dict[str, str], code: int) -> None:
    assert calling(rest, **proof).code("ping") == code


def test_headers_and_cookies_prove_nothing_here(rest: Rest) -> None:
    for header in ("Basic bWVtYmVyOng=", f"Bearer {rest.keys['member']}"):
        answer = calling(rest).raw("ping", headers={"Authorization": header}).json()
        assert answer["subsonic-response"]["error"]["code"] == 42
        assert answer["subsonic-response"]["error"]["helpUrl"]
    answer = calling(rest).raw("ping", headers={"Cookie": "longplay_session=x"}).json()
    assert answer["subsonic-response"]["error"]["code"] == 10


def test_guessing_is_slowed_down_and_hinders_nobody_who_knows(rest: Rest) -> None:
    right = calling(rest, u="guest", p=PASSWORDS["guest"])
    right.ok("ping")
    answers = [calling(rest, u="guest", p=f"guess {n}").raw("ping") for n in range(8)]
    assert all(one.json()["subsonic-response"]["error"]["code"] == 40 for one in answers)
    assert "Retry-After" not in answers[0].headers
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert "too many attempts" in answers[-1].text
    right.ok("ping")
    calling(rest, apiKey=rest.keys["guest"]).ok("ping")


@pytest.mark.parametrize("wrong", [{"apiKey": "lp_wrong"}, {"u": "guest", "t": "x", "s": "y"}])
def test_guessing_keys_and_tokens_is_slowed_down(rest: Rest, wrong: dict[str, str]) -> None:
    answers = [calling(rest, **wrong).raw("ping") for _ in range(30)]
    assert "Retry-After" in answers[-1].headers


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("1.16.1", None), ("1.16.9", None), ("1.0.0", None), ("1.16", None), ("1", None),
        ("0.9.0", 20), ("1.17.0", 30), ("2.0.0", 30), ("999999999999.0.0", 30),
        ("", 10), ("x", 10), ("1.x", 10), ("1..1", 10), ("1.2.3.4", 10), ("-1.0", 10),
        ("١.١٦.١", 10),
    ],
)  # fmt: skip
def test_versions(rest: Rest, member: Caller, version: str, code: int | None) -> None:
    member.told = {"v": version, "c": "tests", "f": "json"}
    if code is None:
        member.ok("ping")
    else:
        assert member.code("ping") == code


@pytest.mark.parametrize("left", ["v", "c"])
def test_a_client_says_what_it_is(member: Caller, left: str) -> None:
    member.told = {name: text for name, text in member.told.items() if name != left}
    answer = member.whole("ping")["subsonic-response"]["error"]
    assert answer == {"code": 10, "message": f"the parameter {left} is missing"}


def test_extensions_are_told_to_anybody(rest: Rest) -> None:
    answer = rest.web.get("/rest/getOpenSubsonicExtensions?f=json").json()["subsonic-response"]
    names = {one["name"]: one["versions"] for one in answer["openSubsonicExtensions"]}
    assert set(names) == {
        "apiKeyAuthentication", "formPost", "indexBasedQueue", "playbackReport", "songLyrics",
        "topSongsByArtistId", "transcodeOffset", "transcoding",
    }  # fmt: skip
    assert "sonicSimilarity" not in names


def test_the_memory_of_passwords_is_bounded(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "REMEMBERED", 2)
    memory = authentication._Memory()
    for number in range(3):
        memory.remember(rest.here.people, f"password {number}", "hash")
    known = [memory.knows(rest.here.people, f"password {n}", "hash") for n in range(3)]
    assert known == [False, True, True]
    assert not memory.knows(rest.here.people, "password 2", "another hash")
