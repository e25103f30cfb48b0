"""Persistent names: their form, their check character, where they lead."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.access import ark
from longplay.archive import open_archive
from longplay.catalogue import ids
from longplay.errors import InputError
from longplay.rights.claims import Step
from longplay.workflows import claims
from tests.access.conftest import Served

KEYS = st.integers(0, 2**64 - 1)


def parts(name: str) -> tuple[str, str]:
    found = re.fullmatch(r"ark:([^/]+)/(.+)", name)
    assert found
    return found[1], found[2]


def test_check_characters_are_those_of_noid() -> None:
    # The example in the documentation of NOID: 13030/xf93gt2q9 has the check character at its end.
    assert ark.check_character("13030/xf93gt2") == "q"


@given(KEYS)
def test_a_name_gives_its_key_back(key: int) -> None:
    naan, name = parts(ark.of("99999", key))
    assert ark.parse(naan, name) == (naan, key)
    assert ark.parse(naan, f"{name[:4]}-{name[4:].upper()}/") == (naan, key)


@given(KEYS, st.data())
def test_one_wrong_sign_or_two_that_were_swapped_are_seen(key: int, data: st.DataObject) -> None:
    naan, name = parts(ark.of("99999", key))
    at = data.draw(st.integers(2, len(name) - 1))
    other = data.draw(st.sampled_from([sign for sign in ark.ALPHABET if sign != name[at]]))
    with pytest.raises(InputError, match="mistyped"):
        ark.parse(naan, name[:at] + other + name[at + 1 :])
    swapped = name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :]
    if swapped != name:
        with pytest.raises(InputError):
            ark.parse(naan, swapped)


@pytest.mark.parametrize(
    "text",
    ["", "r1", "r2" + "0" * 15, "r1" + "0" * 16, "r1" + "a" * 15, "../../etc", "r1" + "z" * 14],
)
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        ark.parse("99999", text)


@pytest.fixture
def named(served: Served) -> Served:
    """An archive that names its recordings."""
    settings = open_archive(served.longplay.archive).settings
    serving = settings.serving.model_copy(update={"naan": "99999"})
    archive = served.web.app.state.context.archive  # type: ignore[attr-defined]
    archive.settings = settings.model_copy(update={"serving": serving})
    return served


def test_names_lead_to_the_page_in_both_forms(named: Served) -> None:
    recording = named.manifest()[0]["recording"]
    name = named.web.get(f"/api/recordings/{recording}").json()["ark"]
    for path in (f"/{name}", "/" + name.replace("ark:", "ark:/")):
        got = named.web.get(path, follow_redirects=False)
        assert (got.status_code, got.headers["location"]) == (302, f"/recordings/{recording}")
    assert named.web.get(f"/{name}").status_code == 200


def test_info_tells_about_a_recording(named: Served) -> None:
    line = next(line for line in named.manifest() if line["title"] == "Piece 1")
    name = named.web.get(f"/api/recordings/{line['recording']}").json()["ark"]
    for inflection in ("?info", "??"):
        text = named.web.get(f"/{name}{inflection}").text
        assert text.splitlines()[:3] == ["erc:", "who: Ann", "what: Piece 1"]
        assert f"where: {name}" in text


def test_what_is_withdrawn_keeps_its_name_and_says_no_more(named: Served) -> None:
    line = next(line for line in named.manifest() if line["title"] == "Piece 1")
    name = named.web.get(f"/api/recordings/{line['recording']}").json()["ark"]
    archive = open_archive(named.longplay.archive)
    request = claims.Request("Me", "me@example.org", "mine", recordings=(line["recording"],))
    claims.decide(archive, claims.add(archive, request).id, Step.UPHOLD, "shown")
    text = named.web.get(f"/{name}?info").text
    assert "Piece 1" not in text and "Ann" not in text and "withdrawn" in text
    assert named.web.get(f"/{name}").status_code == 451


def test_what_was_never_named_leads_nowhere(named: Served) -> None:
    recording = ids.parse(named.manifest()[0]["recording"])[1]
    name = ark.of("99999", recording)
    wrong = {
        "/ark:12345/" + name.partition("/")[2]: "under that number",
        f"/{ark.of('99999', 12345)}": "not in the catalogue",
        f"/{name[:-1]}{'0' if name[-1] != '0' else '1'}": "mistyped",
        f"/{name}/page2": "is no name",
        "/ark:99999/%2e%2e%2f%2e%2e%2fetc%2fpasswd": "is no name",
    }
    for path, words in wrong.items():
        got = named.web.get(path)
        assert got.status_code == 404 and words in got.json()["error"]["message"], path


def test_without_a_number_nothing_is_named(served: Served) -> None:
    recording = served.manifest()[0]["recording"]
    assert served.web.get(f"/api/recordings/{recording}").json()["ark"] is None
    assert served.web.get(f"/{ark.of('99999', 5)}").status_code == 404
