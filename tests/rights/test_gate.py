"""The gate: what opens it, what does not, and that nothing else makes a Shareable."""

from __future__ import annotations

import ast
import copy
import dataclasses
import pickle
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import longplay
from longplay.errors import RightsError
from longplay.model import ObjectKey, Statement
from longplay.rights import gate
from longplay.rights.gate import Refusal, Shareable, access_class, decide, decide_many
from longplay.rights.statements import (
    AGREEMENT,
    AMBIGUOUS,
    CC0,
    CONTRADICTORY,
    IN_COPYRIGHT,
    LEGAL_DEPOSIT,
    PDM,
    PERSONAL,
    RIGHTS_STATEMENTS,
    RS,
    TERMS,
    UNKNOWN,
    Act,
    Duty,
    Sort,
    licence_uri,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BY = licence_uri("by", "3.0") or ""
BY_SA = licence_uri("by-sa", "4.0") or ""
BY_NC = licence_uri("by-nc", "4.0") or ""
BY_ND = licence_uri("by-nd", "4.0") or ""
HANDING_ON = (Act.RELEASE, Act.STREAM, Act.DOWNLOAD)


def stated(uri: str, **more: object) -> Statement:
    return dataclasses.replace(Statement("obj1", uri, f"read for {uri}"), **more)  # type: ignore[arg-type]


def reason(*statements: Statement, act: Act = Act.RELEASE, **more: object) -> str:
    """The refusal's reason, or "" for leave."""
    found = decide(statements, act, NOW, **more)  # type: ignore[arg-type]
    return found.reason if isinstance(found, Refusal) else ""


@pytest.mark.parametrize("uri", [BY, BY_SA, BY_NC, BY_ND, CC0, PDM])
@pytest.mark.parametrize("act", list(Act))
def test_public_licences_permit_everybody_everything(uri: str, act: Act) -> None:
    assert reason(stated(uri), act=act) == ""


def test_leave_says_what_it_rests_on() -> None:
    key = ObjectKey(b"\1" * 32, 5)
    leave = decide([stated(BY), stated(BY_NC)], Act.RELEASE, NOW, subject=key, log_position=7)
    assert isinstance(leave, Shareable)
    assert (leave.subject, leave.act, leave.log_position, leave.at) == (key, Act.RELEASE, 7, NOW)
    assert leave.uris == (BY, BY_NC)
    assert leave.evidence == (f"read for {BY}", f"read for {BY_NC}")
    assert leave.duties == (Duty.ATTRIBUTION, Duty.NON_COMMERCIAL)
    assert leave.uri == BY_NC


def test_no_derivatives_covers_the_original_encoding_only() -> None:
    assert reason(stated(BY_ND), derivative=True) == "no-derivatives"
    assert reason(stated(BY_SA), derivative=True) == ""
    assert reason(stated(BY_SA), stated(BY_ND), derivative=True) == "no-derivatives"


@pytest.mark.parametrize("code", RIGHTS_STATEMENTS)
def test_descriptions_license_nothing(code: str) -> None:
    described = stated(f"{RS}{code}/1.0/")
    for act in HANDING_ON:
        assert reason(described, act=act, signed_in=True) == "no-basis"
        assert reason(stated(BY), described, act=act) == "contradictory"
    assert reason(described, act=Act.DESCRIBE) == ""


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        (UNKNOWN, "unknown"),
        (AMBIGUOUS, "ambiguous"),
        (CONTRADICTORY, "contradictory"),
        ("https://example.org/", "unknown"),
        ("", "unknown"),
        (BY.upper(), "unknown"),
        (BY.rstrip("/"), "unknown"),
    ],
)
def test_what_is_not_known_shuts_licences(uri: str, why: str) -> None:
    for act in HANDING_ON:
        assert reason(stated(uri), act=act, signed_in=True) == why
        assert reason(stated(BY), stated(uri), act=act, signed_in=True) == why
    assert reason(stated(uri), act=Act.DESCRIBE) == "unknown"


def test_own_terms_stand_beside_what_tags_say() -> None:
    own = stated(PERSONAL)
    assert reason(own) == "personal"
    assert reason(own, act=Act.STREAM) == "sign-in"
    for beside in ([], [stated(UNKNOWN)], [stated(IN_COPYRIGHT)]):
        assert reason(own, *beside, act=Act.STREAM, signed_in=True) == ""
        assert reason(own, *beside, act=Act.DOWNLOAD, signed_in=True) == ""
    assert reason(own, stated(BY)) == ""


def test_legal_deposit_is_kept_and_never_served() -> None:
    assert {reason(stated(LEGAL_DEPOSIT), act=act, signed_in=True) for act in HANDING_ON} == {
        "legal-deposit"
    }
    assert reason(stated(LEGAL_DEPOSIT), act=Act.DESCRIBE) == ""


def test_an_agreement_releases_only_where_it_says_so_for_the_world_and_for_ever() -> None:
    assert reason(stated(AGREEMENT)) == "agreement"
    assert reason(stated(AGREEMENT, uses=("release",))) == ""
    assert reason(stated(AGREEMENT, uses=("release",)), act=Act.STREAM) == ""
    assert reason(stated(AGREEMENT, uses=("stream",))) == "agreement"
    for bound in ({"end": "2030-12-31"}, {"territories": ("DE",)}):
        deal = stated(AGREEMENT, uses=("release", "download", "stream"), **bound)
        assert reason(deal) == "bounded"
        assert reason(deal, act=Act.DOWNLOAD, signed_in=True, territory="DE") == "bounded"
        assert reason(deal, act=Act.STREAM, signed_in=True, territory="DE") == ""


def test_even_a_licence_with_an_end_or_a_border_is_not_released() -> None:
    assert reason(stated(BY, end="2090-01-01")) == "bounded"
    assert reason(stated(BY, territories=("DE", "FR"))) == "bounded"
    assert reason(stated(CC0), stated(BY, end="2020-01-01")) == "not-in-force"


def test_borders() -> None:
    deal = stated(AGREEMENT, territories=("DE", "FR"))
    assert reason(deal, act=Act.STREAM, signed_in=True, territory="FR") == ""
    assert reason(deal, act=Act.STREAM, signed_in=True, territory="US") == "territory"
    assert reason(deal, act=Act.STREAM, signed_in=True) == "territory"


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        ("2026-11-23", "", ""),
        ("2026-11-24", "", "not-in-force"),
        ("", "2026-11-23", ""),
        ("", "2026-11-22", "not-in-force"),
        ("soon", "", "malformed"),
        ("", "31.12.2030", "malformed"),
    ],
)
def test_the_first_and_the_last_day_count(start: str, end: str, why: str) -> None:
    deal = stated(AGREEMENT, start=start, end=end)
    assert reason(deal, act=Act.STREAM, signed_in=True) == why


def test_days_are_days_in_utc() -> None:
    deal = stated(AGREEMENT, end="2026-11-22")
    early = datetime(2026, 11, 23, 3, tzinfo=timezone(timedelta(hours=9)))
    assert not isinstance(decide([deal], Act.STREAM, early, signed_in=True), Refusal)


def test_uses_narrow_a_licence() -> None:
    assert reason(stated(BY, uses=("stream",))) == "uses"
    assert reason(stated(BY, uses=("stream",)), act=Act.STREAM) == ""
    assert reason(stated(BY, uses=("junk",)), act=Act.STREAM) == "uses"


def test_an_upheld_claim_shuts_everything() -> None:
    for act in Act:
        assert reason(stated(CC0), act=act, withdrawn=True) == "withdrawn"


def test_leave_is_refused_for_another_act_and_after_a_newer_claim() -> None:
    leave = decide([stated(BY)], Act.RELEASE, NOW, log_position=10)
    assert isinstance(leave, Shareable)
    leave.require(Act.RELEASE, newest_upheld=10)
    with pytest.raises(RightsError, match="no leave to stream"):
        leave.require(Act.STREAM)
    with pytest.raises(RightsError, match="11 was upheld"):
        leave.require(Act.RELEASE, newest_upheld=11)


def test_a_time_needs_its_zone() -> None:
    with pytest.raises(RightsError, match="time zone"):
        decide([stated(BY)], Act.RELEASE, NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], "dark"),
        ([stated(BY)], "open"),
        ([stated(BY), stated(UNKNOWN)], "dark"),
        ([stated(PERSONAL)], "restricted"),
        ([stated(PERSONAL), stated(BY)], "open"),
        ([stated(AGREEMENT, territories=("DE",))], "restricted"),
        ([stated(AGREEMENT, end="2020-01-01")], "dark"),
        ([stated(AGREEMENT, uses=("release",))], "open"),
        ([stated(LEGAL_DEPOSIT)], "dark"),
        ([stated(IN_COPYRIGHT)], "dark"),
    ],
)
def test_access_classes(statements: list[Statement], expected: str) -> None:
    assert access_class(statements, NOW) == expected


def test_only_the_gate_makes_leave() -> None:
    leave = decide([stated(BY)], Act.RELEASE, NOW)
    assert isinstance(leave, Shareable)
    with pytest.raises(RightsError, match="only the gate"):
        Shareable("x", Act.RELEASE, (BY,), ("",), (), NOW, 0, object())
    with pytest.raises((RightsError, ValueError, TypeError)):
        dataclasses.replace(leave, subject="y")  # type: ignore[call-arg]
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(RightsError):
            duplicate(leave)
    with pytest.raises(dataclasses.FrozenInstanceError):
        leave.subject = "y"  # type: ignore[misc]


def constructions(source: str) -> list[int]:
    """Lines that call Shareable under any name it was imported by, or reach for the seal."""
    tree = ast.parse(source)
    names = {"Shareable"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {a.asname for a in node.names if a.name == "Shareable" and a.asname}
    found = []
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        name = getattr(called, "attr", getattr(called, "id", None))
        arguments = (
            {getattr(a, "id", None) for a in node.args} if isinstance(node, ast.Call) else ()
        )
        new = name == "__new__" and names & set(arguments)
        seal = getattr(node, "attr", getattr(node, "id", None)) == "_SEAL"
        if name in names or new or seal:
            found.append(getattr(node, "lineno", 0))
    return found


def test_the_source_makes_leave_in_the_gate_alone() -> None:
    root = Path(longplay.__file__).parent
    makers = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if constructions(path.read_text())
    }
    assert makers == {"rights/gate.py"}


@pytest.mark.parametrize(
    "source",
    [
        "from longplay.rights.gate import Shareable as S\nS()",
        "import longplay.rights.gate as g\ng.Shareable()",
        "object.__new__(Shareable)",
        "gate._SEAL",
    ],
)
def test_that_test_would_notice(source: str) -> None:
    assert constructions(source)


texts = st.one_of(st.text(max_size=20), st.sampled_from([*TERMS, "release", "DE", "2026-01-01"]))
several = st.lists(texts, max_size=3).map(tuple)
junk = st.builds(
    Statement,
    subject=st.text(max_size=5),
    uri=texts.filter(lambda uri: uri not in TERMS or TERMS[uri].sort is not Sort.PUBLIC),
    evidence=st.text(max_size=5),
    start=texts,
    end=texts,
    territories=several,
    uses=several,
).filter(lambda one: one.uri != AGREEMENT)


@given(st.lists(junk, max_size=4), st.booleans(), st.booleans(), texts)
@example([Statement("", PERSONAL, "", uses=("release",))], True, False, "DE")
def test_junk_never_opens_a_release(
    statements: list[Statement], signed_in: bool, derivative: bool, territory: str
) -> None:
    found = decide(
        statements,
        Act.RELEASE,
        NOW,
        territory,
        signed_in=signed_in,
        derivative=derivative,
    )
    assert isinstance(found, Refusal)


@given(st.lists(junk, max_size=3), st.lists(junk, max_size=3), st.sampled_from(HANDING_ON))
def test_junk_beside_a_licence_only_shuts(
    before: list[Statement], after: list[Statement], act: Act
) -> None:
    with_junk = decide([*before, stated(BY), *after], act, NOW)
    if isinstance(with_junk, Shareable):
        assert with_junk.uris == (BY,)
        assert all(TERMS[one.uri].sort is Sort.OWN for one in before + after)


@given(st.lists(st.one_of(junk, st.sampled_from([stated(BY), stated(CC0)])), max_size=5))
def test_streaming_is_never_harder_than_releasing(statements: list[Statement]) -> None:
    if isinstance(decide(statements, Act.RELEASE, NOW), Shareable):
        assert access_class(statements, NOW) == "open"


def test_many_are_judged_as_one_by_one() -> None:
    sets = [(stated(BY),), (stated(BY_ND),), (), (stated(PERSONAL), stated(BY_NC))]
    rows = [(f"obj{n}", sets[n % 4], n % 3 == 0) for n in range(40)]
    one_by_one = [
        decide(statements, Act.RELEASE, NOW, subject=subject, derivative=derivative, log_position=3)
        for subject, statements, derivative in rows
    ]
    assert list(decide_many(rows, Act.RELEASE, NOW, log_position=3)) == one_by_one


def test_judgements_are_remembered_without_their_evidence() -> None:
    gate._judge.cache_clear()
    for index in range(50):
        decide([Statement("obj", BY, f"evidence {index}")], Act.RELEASE, NOW, subject=str(index))
    assert gate._judge.cache_info().misses == 1
