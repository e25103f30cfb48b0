"""Random statements at every level, through the ledger, against a plain model of the rules."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from longplay.archive import open_archive
from longplay.catalogue import ids
from longplay.ledger import record, tables
from longplay.model import Action, Statement
from longplay.rights.gate import Refusal, Shareable
from longplay.rights.statements import (
    AGREEMENT,
    AMBIGUOUS,
    CC0,
    IN_COPYRIGHT,
    LEGAL_DEPOSIT,
    PERSONAL,
    UNKNOWN,
    Act,
    licence_uri,
)
from longplay.workflows import judging, rights
from longplay.workflows.withdrawing import Standing
from tests.workflows.archives import Made, made

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
BY, BY_NC, BY_ND = (licence_uri(code, "4.0") or "" for code in ("by", "by-nc", "by-nd"))
PUBLIC = {BY, BY_NC, BY_ND, CC0}
OWN = {PERSONAL, AGREEMENT, LEGAL_DEPOSIT}

statement = st.builds(
    Statement,
    subject=st.just(""),
    uri=st.sampled_from(
        [*PUBLIC, *OWN, IN_COPYRIGHT, UNKNOWN, AMBIGUOUS, "https://example.org/terms"]
    ),
    evidence=st.sampled_from(["a", "b"]),
    start=st.sampled_from(["", "", "2026-11-28", "2026-11-29", "soon"]),
    end=st.sampled_from(["", "", "", "2026-11-28", "2026-11-27", "2030-01-01"]),
    territories=st.sampled_from([(), (), ("DE",), ("DE", "FR")]),
    uses=st.sampled_from([(), (), ("stream",), ("release",), ("download", "stream")]),
)
level = st.lists(statement, max_size=2)


def in_force(levels: Sequence[Sequence[Statement]]) -> list[Statement]:
    """The rules of docs/rights.md, in the plainest words."""
    own: list[Statement] = []
    said: list[Statement] = []
    for nearer in levels:
        mine = [one for one in nearer if one.uri in OWN]
        public = [one for one in nearer if one.uri not in OWN]
        if mine:
            own, said = mine, public
        elif public:
            said = public
    return [*own, *said]


def alone(one: Statement, act: Act, territory: str | None, signed_in: bool, copy: bool) -> bool:
    """Whether a statement permits an act if nothing else were said."""
    for day, inside in ((one.start, date.fromisoformat), (one.end, date.fromisoformat)):
        try:
            inside(day or "2026-11-28")
        except ValueError:
            return False
    if (one.start or "0") > "2026-11-28" or (one.end or "9") < "2026-11-28":
        return False
    bounded = bool(one.end or one.territories)
    if bounded and act in (Act.RELEASE, Act.DOWNLOAD):
        return False
    if one.territories and territory not in one.territories:
        return False
    may_release = not one.uses or "release" in one.uses
    if one.uri in PUBLIC:
        if one.uri == BY_ND and copy:
            return False
        named = act.value in one.uses or not one.uses
        return named or (may_release and (not bounded or act is Act.STREAM))
    if one.uri == PERSONAL:
        return (
            signed_in
            and act in (Act.STREAM, Act.DOWNLOAD)
            and (not one.uses or act.value in one.uses)
        )
    if one.uri == AGREEMENT:
        if "release" in one.uses:
            return True if not bounded else act is Act.STREAM and signed_in
        permitted = act is Act.STREAM if not one.uses else act.value in one.uses
        return permitted and signed_in
    return False


def permitted(
    files: Sequence[Sequence[Sequence[Statement]]],
    act: Act,
    *,
    territory: str | None,
    signed_in: bool,
    copy: bool,
    withdrawn: bool,
) -> bool:
    """Whether the gate should give leave."""
    said = [one for levels in files for one in in_force(levels)]
    if withdrawn or not said:
        return False
    known = [one for one in said if one.uri in PUBLIC | OWN | {IN_COPYRIGHT}]
    if act is Act.DESCRIBE:
        return bool(known)
    public = [one for one in said if one.uri in PUBLIC]
    others = [one for one in said if one.uri not in PUBLIC | OWN]
    if public and not others and all(alone(one, act, territory, signed_in, copy) for one in public):
        return True
    mine = [one for one in said if one.uri in OWN]
    return any(alone(one, act, territory, signed_in, copy) for one in mine)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("judging"), 2)


@given(
    files=st.lists(st.lists(level, min_size=4, max_size=4), min_size=1, max_size=2),
    territory=st.sampled_from([None, "DE", "US"]),
    signed_in=st.booleans(),
    copy=st.booleans(),
    withdrawn=st.booleans(),
)
@example([[[Statement("", BY, "a")], [], [], []]], None, False, False, False)
@example([[[Statement("", BY, "a")], [], [], [Statement("", IN_COPYRIGHT, "a")]]], None, True,
         False, False)  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_gate_says_what_the_rules_say(
    world: Made,
    files: list[list[list[Statement]]],
    territory: str | None,
    signed_in: bool,
    copy: bool,
    withdrawn: bool,
) -> None:
    archive = world.archive
    with archive.ledger.write() as connection:
        for table in ("object", "manifestation", "holding", "rights_statement"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    world.objects.clear()
    action = Action.OPUS if copy else Action.ORIGINAL
    key = world.hold(0, source="one", action=action)
    with archive.ledger.write() as connection:
        if len(files) == 2:
            h = tables.holdings.c
            row = connection.execute(sa.select(h.root, h.path, h.batch)).one()
            again = record.HoldingRow("two", row.path, key, key.size, 0, 0o644, action, None, 7)
            record.add_holdings(connection, [again], row.batch)
            assert row.root == key.root
        track, album = ids.text("tr", world.track(0)), ids.text("al", 7)
        subjects = [["source:one", "", track, f"obj{key.hex}"],
                    ["source:two", album, "", f"obj{key.hex}"]]  # fmt: skip
        said = [
            Statement(subject, s.uri, s.evidence, s.start, s.end, s.territories, s.uses)
            for levels, names in zip(files, subjects, strict=False)
            for statements, subject in zip(levels, names, strict=True)
            for s in statements
            if subject
        ]
        record.replace_statements(connection, "test", list({
            (s.subject, s.uri, s.evidence): s for s in said
        }.values()))  # fmt: skip
    about = list({(s.subject, s.uri, s.evidence): s for s in said}.values())
    expected_files = [
        [[s for s in about if name and s.subject == name] for name in names]
        for _, names in zip(files, subjects, strict=False)
    ]
    standing = Standing(frozenset({key.root} if withdrawn else ()), 0)
    with archive.ledger.read() as connection:
        stated = judging.stated(connection, key.root)
    assert stated is not None
    for act in Act:
        answer = judging.judge(stated, act, NOW, standing, territory=territory, signed_in=signed_in)
        expected = permitted(expected_files, act, territory=territory, signed_in=signed_in,
                             copy=copy, withdrawn=withdrawn)  # fmt: skip
        assert isinstance(answer, Shareable) == expected, (act, answer)
    table = pa.table({"root": [key.root], "size": [key.size]})
    (released,) = rights.judge_release(archive, table, NOW, 0, standing)
    expected = permitted(expected_files, Act.RELEASE, territory=None, signed_in=False, copy=copy,
                         withdrawn=withdrawn)  # fmt: skip
    assert isinstance(released, Shareable) == expected


def test_an_object_without_any_path_is_dark(world: Made) -> None:
    key = world.hold(1)
    table = pa.table({"root": [key.root, bytes(32)], "size": [key.size, 5]})
    for answer in rights.judge_release(world.archive, table, NOW, 0):
        assert isinstance(answer, Refusal)
        assert answer.reason == "no-statement"


def test_statements_are_in_the_log_when_they_change(world: Made, tmp_path: Path) -> None:
    shutil.copytree(world.folder / "archive", tmp_path / "archive")
    with open_archive(tmp_path / "archive") as archive:
        one = [Statement("source:x", BY, "told")]
        sizes = []
        for statements in (one, one, [], []):
            with archive.ledger.write() as connection:
                record.replace_statements(connection, "somebody", statements)
            with archive.ledger.read() as connection:
                sizes.append(connection.exec_driver_sql("SELECT max(number) FROM log").scalar())
    assert [size - sizes[0] for size in sizes] == [0, 0, 1, 1]
