"""The operator's page of the guard, and the page of who is accused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from longplay.access import leaving
from longplay.access.context import Context
from longplay.access.people import accounts
from longplay.errors import ArchiveError, UsageError
from longplay.guard import policy, record, running
from longplay.guard.record import Act
from tests.access.conftest import Served

PASSWORD = "a long enough password"
NASTY = "<script>alert(1)</script>"


def here(served: Served) -> Context:
    found: Context = served.web.app.state.context  # type: ignore[attr-defined]
    return found


def log_in(served: Served, name: str, role: Any) -> int:
    made = accounts.add(here(served).people, name, role, PASSWORD)
    send(served, "/login", name=name, password=PASSWORD)
    return made.account.id


def send(served: Served, path: str, form: str = "", **fields: str) -> Any:
    page = served.web.get(form or path)
    token = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert token, page.text
    return served.web.post(path, data={"form_token": token[1], **fields}, follow_redirects=True)


def decide(served: Served, who: str, act: Act, why: str) -> None:
    archive = here(served).archive
    policy.act_on(archive.folder, archive.ledger, [who], act, "operator", why)


def test_the_page_is_for_administrators_alone(served: Served) -> None:
    assert served.web.get("/admin/guard", follow_redirects=False).status_code == 303
    log_in(served, "ann", "member")
    assert served.web.get("/admin/guard").status_code == 403
    assert served.web.post("/admin/guard", data={"act": "release"}).status_code == 403


def test_an_operator_sees_evidence_and_acts(served: Served) -> None:
    log_in(served, "root", "admin")
    other = accounts.add(here(served).people, "bob", "member").account.id
    assert "No guard has run" in served.web.get("/admin/guard").text
    decide(served, f"account:{other}", Act.OBSERVE, f"900 tracks {NASTY}")
    archive = here(served).archive
    (archive.folder / "access.log.jsonl").write_text(
        f'{{"time":1750032000,"account":{other},"track":"tr1","listened_s":99}}\n'
    )
    with running.opened(archive.folder, archive.settings.guard, archive.ledger) as guard:
        guard.step()
    page = served.web.get("/admin/guard").text
    assert "bob: observe" in page
    assert "900 tracks &lt;script&gt;" in page
    assert NASTY not in page
    assert "<circle" in page
    who = f"account:{other}"
    assert "bob: hold" in send(served, "/admin/guard", who=who, act="hold", reason="looks odd").text
    assert send(served, "/admin/guard", who="account:99", act="hold").status_code == 400
    wrong = send(served, "/admin/guard", who=who, act="exclude")
    assert "an exclusion needs a reason" in wrong.text.lower()
    page = send(served, "/admin/guard", who=who, act="exclude", reason="agreement 7").text
    assert "agreement 7" in page
    assert "Nothing is suspected of anybody" in page
    assert send(served, "/admin/guard", who=who, act="include").status_code == 200
    assert not here(served).guarded.now().excluded


def test_an_accused_listener_appeals_and_is_answered(served: Served) -> None:
    assert "Nothing restricts" in served.web.get("/appeal").text
    number = log_in(served, "ann", "member")
    decide(served, f"account:{number}", Act.HOLD, "900 tracks in a night")
    page = served.web.get("/appeal").text
    assert "900 tracks in a night" in page
    assert "100 tracks a day" in page
    page = send(served, "/appeal", words=f"A party. {NASTY}").text
    assert "A party. &lt;script&gt;" in page
    assert "waits for an answer" in page
    archive = here(served).archive
    policy.answer(archive.folder, archive.ledger, f"account:{number}", "Sorry.")
    assert "Sorry." in served.web.get("/appeal").text
    page = send(served, "/account/delete", "/account", password=PASSWORD).text
    assert "Your account and all of it is gone" in page
    assert not here(served).guarded.now().decisions
    assert not policy.appeals(archive.folder)


def test_an_appeal_is_answered_though_its_decision_was_taken_back(served: Served) -> None:
    log_in(served, "root", "admin")
    other = accounts.add(here(served).people, "bob", "member").account.id
    who, archive = f"account:{other}", here(served).archive
    decide(served, who, Act.HOLD, "odd")
    policy.appeal(archive.folder, archive.ledger, who, "A party.")
    policy.release(archive.folder, archive.ledger, [who], "root", "")
    assert send(served, "/admin/guard", who=who, act="answer", reason="Sorry.").status_code == 200
    assert policy.appeals(archive.folder)[0].answer == "Sorry."


def test_an_account_goes_last_of_all(served: Served) -> None:
    people, archive = here(served).people, here(served).archive
    for name, role in (("root", "admin"), ("bob", "member")):
        accounts.add(people, name, role, PASSWORD)  # type: ignore[arg-type]
    who = f"account:{accounts.find(people, 'bob').id}"
    decide(served, who, Act.HOLD, "odd")
    path = record.path_of(archive.folder)
    kept = path.read_bytes()
    path.write_text("{")
    with pytest.raises(ArchiveError):
        leaving.erase(archive, people, "bob")
    path.write_bytes(kept)
    with pytest.raises(UsageError, match="only administrator"):
        leaving.erase(archive, people, "root")
    leaving.erase(archive, people, "bob")
    assert [one.name for one in accounts.list_all(people)] == ["root"]
    assert not record.load(path).decisions
