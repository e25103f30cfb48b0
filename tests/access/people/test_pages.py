"""Logging in and looking after accounts in a browser; what strangers and other sites try."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from longplay.access.app import create_app
from longplay.access.people import accounts, first, stars, throttle
from longplay.access.people.opening import open_people
from longplay.access.people.store import People
from longplay.archive import create, open_archive
from tests.access.people.conftest import PASSWORD
from tests.system.conftest import Longplay


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    create(tmp_path / "archive", secrets=tmp_path / "secret").ledger.close()
    return tmp_path / "archive"


@pytest.fixture
def people(archive: Path) -> Iterator[People]:
    with open_archive(archive) as opened, open_people(opened) as found:
        yield found


@pytest.fixture
def web(archive: Path, people: People) -> Iterator[TestClient]:
    accounts.add(people, "Ann", "admin", PASSWORD)
    accounts.add(people, "Bob", "member", PASSWORD)
    with TestClient(create_app(archive), follow_redirects=False) as found:
        yield found


def token(page: str) -> str:
    return re.findall(r'name="form_token" value="([0-9a-f]{64})"', page)[0]


def post(web: TestClient, path: str, form: str = "/account", **fields: str) -> object:
    """Fill in the form of a page, as a browser does."""
    known = token(web.get(form).text)
    return web.post(path, data={"form_token": known, **fields})


def log_in(web: TestClient, name: str = "Ann", password: str = PASSWORD, to: str = "") -> object:
    return post(web, "/login", "/login", name=name, password=password, next=to)


def test_logging_in_and_out(web: TestClient) -> None:
    assert web.get("/account").headers["location"] == "/login?next=/account"
    answer = log_in(web, to="/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    page = web.get("/account")
    assert page.status_code == 200
    assert "<h1>Ann</h1>" in page.text
    assert page.headers["cache-control"] == "private, no-store"
    cookie = dict(web.cookies)
    assert post(web, "/logout").headers["location"] == "/"
    assert web.get("/account").status_code == 303
    web.cookies.update(cookie)  # it was kept, and is worth nothing
    assert web.get("/account").status_code == 303


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookie_is_for_servers_alone(web: TestClient, scheme: str) -> None:
    web.base_url = f"{scheme}://testserver"
    said = log_in(web).headers["set-cookie"]
    assert "HttpOnly" in said
    assert "SameSite=lax" in said
    assert "Path=/" in said
    assert ("Secure" in said) == (scheme == "https")


def test_a_proxy_that_was_asked_by_https_makes_cookies_secure(web: TestClient) -> None:
    web.headers["x-forwarded-proto"] = "https"
    page = web.get("/login")
    assert "Secure" in page.headers["set-cookie"]


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\nb",
        "\x00",
    ],
)
def test_nobody_is_sent_elsewhere_after_logging_in(web: TestClient, target: str) -> None:
    assert log_in(web, to=target).headers["location"] == "/"
    assert "evil" not in web.get("/login", params={"next": target}).text


def test_a_wrong_password_says_no_more_than_that(web: TestClient) -> None:
    wrong = log_in(web, password="wrong password")
    unknown = log_in(web, name="Nobody")
    assert wrong.status_code == unknown.status_code == 403
    assert "Name or password is wrong" in wrong.text
    strip = lambda page: re.sub(r'value="[^"]*"', "", page)  # noqa: E731
    assert strip(wrong.text) == strip(unknown.text)


def test_guessing_in_the_form_is_throttled(web: TestClient) -> None:
    statuses = [log_in(web, password=f"wrong password {n}").status_code for n in range(12)]
    free = throttle.ACCOUNT.free + 1
    assert statuses == [403] * free + [429] * (12 - free)
    answer = log_in(web)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_behind_a_proxy_each_address_counts_for_itself(archive: Path, people: People) -> None:
    settings = archive / "longplay.toml"
    settings.write_text(f'{settings.read_text()}\n[access]\nproxies = ["testclient"]\n')
    with TestClient(create_app(archive)) as web:
        for number in range(throttle.ADDRESS.free + 10):
            web.headers["x-forwarded-for"] = f"203.0.113.9, 198.51.100.{number}"
            assert log_in(web, name=f"name{number}").status_code == 403


def test_what_a_stranger_says_of_his_address_is_not_believed(web: TestClient) -> None:
    statuses = []
    for number in range(throttle.ADDRESS.free + 10):
        web.headers["x-forwarded-for"] = f"198.51.100.{number}"
        statuses.append(log_in(web, name=f"name{number}").status_code)
    assert statuses[-1] == 429


FORMS = (
    "/login", "/logout", "/account/password", "/account/keys", "/account/keys/1/revoke",
    "/account/app-passwords", "/account/app-passwords/1/revoke", "/account/delete",
    "/account/import",
    "/admin/accounts", "/admin/accounts/2/disable", "/admin/accounts/2/role",
)  # fmt: skip


@pytest.mark.parametrize("told", ["", "0" * 64, "a visitor's", "x" * 100_000, "ÿ"])
def test_a_form_of_another_site_does_nothing(web: TestClient, people: People, told: str) -> None:
    visitors = token(web.get("/login").text)
    log_in(web)
    told = visitors if told == "a visitor's" else told

    def kept() -> object:
        keys = accounts.keys(people, 1), accounts.app_passwords(people, 1)
        return accounts.list_all(people), *keys

    before = kept()
    for path in FORMS:
        answer = web.post(path, data={"form_token": told, "name": "Eve", "password": PASSWORD})
        assert answer.status_code == 403, path
        assert answer.json()["error"]["message"] == "the form is too old, or came from elsewhere"
    assert kept() == before
    assert web.get("/account").status_code == 200


def test_nobody_is_logged_in_by_another_site(web: TestClient) -> None:
    """Else a victim would listen, and pay with his history, as somebody else."""
    theirs = token(web.get("/login").text)
    web.cookies.clear()
    answer = web.post("/login", data={"form_token": theirs, "name": "Bob", "password": PASSWORD})
    assert answer.status_code == 403
    assert "longplay_session" not in web.cookies


def test_a_browser_that_says_where_it_comes_from_is_believed(web: TestClient) -> None:
    known = token(web.get("/login").text)
    answer = web.post(
        "/login",
        data={"form_token": known, "name": "Bob", "password": PASSWORD},
        headers={"sec-fetch-site": "cross-site"},
    )
    assert answer.status_code == 403


def test_a_script_of_ours_sends_the_token_in_a_header(web: TestClient) -> None:
    log_in(web)
    known = re.findall(
        r'<meta name="form-token" content="([0-9a-f]{64})">', web.get("/account").text
    )
    assert web.post("/logout", headers={"x-form-token": known[0]}).status_code == 303


def test_a_form_is_bounded(web: TestClient) -> None:
    answer = web.post("/login", data={"form_token": "x", "name": "y" * (9 * 1024 * 1024)})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "a form has at most 8,388,608 bytes"
    many = {f"f{number}": "1" for number in range(2000)}
    assert web.post("/login", data=many).status_code == 400
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert web.post("/login", content=b"--x\r\nnonsense", headers=broken).status_code in (400, 403)
    assert web.post("/login", files={str(n): b"x" for n in range(5)}).status_code == 400


def test_changing_the_password_ends_other_sessions(web: TestClient, archive: Path) -> None:
    log_in(web)
    with TestClient(create_app(archive), follow_redirects=False) as elsewhere:
        log_in(elsewhere)
        fields = {"password": PASSWORD, "new": "another password", "again": "another password"}
        assert post(web, "/account/password", "/account/password", **fields).status_code == 303
        assert web.get("/account").status_code == 200
        assert elsewhere.get("/account").status_code == 303
        assert log_in(elsewhere).status_code == 403
        assert log_in(elsewhere, password="another password").status_code == 303


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"password": "wrong one", "new": "another password", "again": "another password"}, 403,
         "The password is wrong"),
        ({"password": PASSWORD, "new": "another password", "again": "a third password"}, 400,
         "The two new passwords differ"),
        ({"password": PASSWORD, "new": "short", "again": "short"}, 400, "at least 8 characters"),
        ({"password": PASSWORD, "new": "x" * 2000, "again": "x" * 2000}, 400, "at most 1024 bytes"),
    ],
)  # fmt: skip
def test_a_password_that_cannot_be_changed_so(
    web: TestClient, fields: dict[str, str], status: int, words: str
) -> None:
    log_in(web)
    answer = post(web, "/account/password", "/account/password", **fields)
    assert answer.status_code == status
    assert words in answer.text
    web.cookies.clear()
    assert log_in(web).status_code == 303


def test_a_one_time_password_leads_to_the_choice_of_another(
    web: TestClient, people: People
) -> None:
    accounts.add(people, "New", "member", PASSWORD, once=True)
    assert log_in(web, "New", to="/account").headers["location"] == "/account/password"
    assert web.get("/account").headers["location"] == "/account/password"
    assert web.get("/account/export").headers["location"] == "/account/password"
    form = "/account/password"
    same = post(web, form, form, new=PASSWORD, again=PASSWORD)
    assert "That is the one-time password" in same.text
    done = post(web, form, form, new="another password", again="another password")
    assert done.headers["location"] == "/account"
    assert "<h1>New</h1>" in web.get("/account").text


def test_a_session_of_a_disabled_account_is_worth_nothing_at_once(
    web: TestClient, people: People
) -> None:
    log_in(web, "Bob")
    key = accounts.add_key(people, 2, "")
    assert "<h1>Bob</h1>" in web.get("/account").text
    accounts.disable(people, "Bob")
    assert web.get("/account").status_code == 303
    assert accounts.by_key(people, key) is None
    assert log_in(web, "Bob").status_code == 403


def test_keys_are_shown_once_and_revoked(web: TestClient, people: People) -> None:
    log_in(web)
    page = post(web, "/account/keys", label="<script>alert(1)</script>")
    key = re.findall(r"<code>(lp_[\w-]{43})</code>", page.text)[0]
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text
    assert accounts.by_key(people, key) is not None
    assert key not in web.get("/account").text
    number = accounts.keys(people, 1)[-1].id
    assert post(web, f"/account/keys/{number}/revoke").status_code == 303
    assert accounts.by_key(people, key) is None
    page = post(web, "/account/app-passwords", label="phone")
    secret = re.findall(r"<code>([a-z2-9]{5}(?:-[a-z2-9]{5}){3})</code>", page.text)[0]
    assert accounts.by_plain_app_password(people, "Ann", secret) is not None
    number = accounts.app_passwords(people, 1)[0].id
    post(web, f"/account/app-passwords/{number}/revoke")
    assert not accounts.has_app_password(people, "Ann")
    assert "at most 100 characters" in post(web, "/account/keys", label="x" * 101).text


def test_nobody_revokes_what_is_not_theirs(web: TestClient, people: People) -> None:
    log_in(web, "Bob")
    anns = accounts.keys(people, 1)[0].id
    assert post(web, f"/account/keys/{anns}/revoke").status_code == 403
    assert len(accounts.keys(people, 1)) == 1


def test_taking_ones_data_along(web: TestClient, people: People) -> None:
    log_in(web, "Bob")
    post(web, "/account/app-passwords", label="phone")
    stars.star(people, 2, ["tr1"])
    stars.star(people, 1, ["tr-of-ann"])
    answer = web.get("/account/export")
    assert answer.headers["content-disposition"].startswith("attachment")
    found = answer.json()
    assert (found["format"], found["account"]["name"]) == ("longplay-account", "Bob")
    assert [one["id"] for one in found["stars"]] == ["tr1"]
    assert "tr-of-ann" not in answer.text
    assert "argon2" not in answer.text


def test_leaving_erases_the_account(web: TestClient, people: People) -> None:
    log_in(web, "Bob")
    assert post(web, "/account/delete", password="wrong password").status_code == 403
    assert [one.name for one in accounts.list_all(people)] == ["Ann", "Bob"]
    answer = post(web, "/account/delete", password=PASSWORD)
    assert answer.status_code == 200
    assert [one.name for one in accounts.list_all(people)] == ["Ann"]
    assert web.get("/account").status_code == 303


def test_the_only_administrator_does_not_leave(web: TestClient) -> None:
    log_in(web)
    answer = post(web, "/account/delete", password=PASSWORD)
    assert answer.status_code == 400
    assert "Ann is the only administrator" in answer.text


def test_accounts_are_looked_after_by_administrators_alone(web: TestClient) -> None:
    assert web.get("/admin/accounts").headers["location"] == "/login?next=/admin/accounts"
    log_in(web, "Bob")
    assert web.get("/admin/accounts").status_code == 403
    for path in ("/admin/accounts", "/admin/accounts/1/disable", "/admin/accounts/2/role"):
        assert post(web, path, role="admin", name="Eve").status_code == 403


def test_an_administrator_looks_after_accounts(web: TestClient, people: People) -> None:
    log_in(web)
    page = post(web, "/admin/accounts", name="Cid", role="guest")
    password = re.findall(r"<code>([a-z2-9-]+)</code>", page.text)[0]
    assert accounts.by_password(people, "Cid", password, "192.0.2.7").role is None
    assert post(web, "/admin/accounts/2/disable").status_code == 303
    assert accounts.find(people, "Bob").disabled
    post(web, "/admin/accounts/2/enable")
    post(web, "/admin/accounts/2/role", role="guest")
    found = accounts.find(people, "Bob")
    assert (found.disabled, found.role) == (False, "guest")
    assert "One-time password of Bob" in post(web, "/admin/accounts/2/password").text
    assert "looks alike" in post(web, "/admin/accounts", name="BOB", role="guest").text
    assert post(web, "/admin/accounts/2/role", role="emperor").status_code == 400
    assert post(web, "/admin/accounts/99/disable").status_code == 403
    assert post(web, "/admin/accounts/2/explode").status_code == 404
    assert "only administrator" in post(web, "/admin/accounts/1/disable").text


def test_the_first_run_makes_an_administrator_once(archive: Path, people: People) -> None:
    with open_archive(archive) as opened:
        password = first.administrator(opened)
        assert password is not None
        assert first.administrator(opened) is None
    (made,) = accounts.list_all(people)
    assert (made.name, made.role, made.must_change) == ("admin", "admin", True)
    assert accounts.by_password(people, "admin", password, "192.0.2.7").account == made.id


def test_accounts_from_the_command_line(archive: Path, people: People) -> None:
    longplay = Longplay(archive)
    made = longplay.json("account", "add", "Ann", "--role", "admin")
    assert (made["account"], made["role"]) == ("Ann", "admin")
    found = accounts.by_key(people, made["api_key"])
    assert found is not None and found.name == "Ann"
    assert "looks alike" in longplay.run("account", "add", "ANN", expect=2).err
    assert longplay.json("account", "list")[0]["must_change_password"]
    assert "only administrator" in longplay.run("account", "disable", "ann", expect=2).err
    assert "no such account" in longplay.run("account", "disable", "Bob", expect=1).err


def test_garbage_in_the_cookie_is_nobody(web: TestClient) -> None:
    for cookie in ("x", "=;=;", "longplay_session=", "longplay_session=a.b; " * 100, "\xff" * 500):
        headers = [(b"cookie", cookie.encode("latin-1"))]
        assert web.get("/account", headers=headers).status_code == 303
        assert web.get("/login", headers=headers).status_code == 200
