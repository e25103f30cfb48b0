"""The matcher's reasons: they say match exactly where it joins."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from longplay.catalogue import curation, explain, ids
from longplay.catalogue.curation import Hand
from longplay.catalogue.importers import columns
from longplay.catalogue.importers.table import import_table
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.errors import InputError, UsageError
from tests.catalogue.conftest import Write
from tests.catalogue.test_corrections import tr
from tests.catalogue.test_real import MAPS

HAND = Hand("ann")


def row(own_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": own_id, "title": "Song", "artists": "Who", "duration_ms": 200_000, **fields}


ROWS = [
    row("0"),
    row("near", duration_ms=203_000),
    row("chain", duration_ms=205_000),
    row("far", duration_ms=260_000),
    row("live", title="Song (Live)"),
    row("guest", title="Song feat. X"),
    row("other", title="Else"),
    row("artist", artists="Whom"),
    row("second", artists="Whom; Who"),
    row("unknown", duration_ms=""),
    row("isrc", title="Quite other", artists="Nobody", duration_ms=9, isrc="USABC0000001"),
    row("isrc2", title="Elsewhere", artists="Him", duration_ms=900_000, isrc="USABC0000001"),
    row("isrc3", isrc="USABC0000002"),
    row("placeholder", title="Track 01", artists="Unknown artist"),
    row("placeholder2", title="Track 01", artists="Unknown artist"),
]


def agree(snapshot: Snapshot, pairs: list[tuple[int, int]]) -> None:
    with snapshot.connect() as connection:
        recording = dict(connection.execute("SELECT track, recording FROM members").fetchall())
    asked = [(ids.text("tr", one), ids.text("tr", two)) for one, two in pairs]
    for (one, two), found in zip(pairs, explain.explanations(snapshot, asked), strict=True):
        assert (found.verdict == "match") == (recording[one] == recording[two]), found


def test_it_agrees_with_what_is_joined(catalogue: Path, bring: Write) -> None:
    bring("a", ROWS)
    keys = [ids.row_key("tr", "a", each["id"]) for each in ROWS]
    agree(open_current(catalogue), [(one, two) for one in keys for two in keys if one < two])


def test_each_piece_has_its_weight(catalogue: Path, bring: Write) -> None:
    bring("a", ROWS)
    snapshot = open_current(catalogue)

    def kinds(one: str, two: str) -> tuple[str, list[str]]:
        found = explain.explain(snapshot, tr("a", one), tr("a", two))
        assert found.total == sum(each.weight for each in found.evidence)
        assert all(each.weight == explain.WEIGHTS[each.kind] for each in found.evidence)
        return found.verdict, [each.kind for each in found.evidence]

    assert kinds("0", "near") == ("match", ["same first artist", "same title", "same duration"])
    assert kinds("0", "live") == (
        "unsure",
        ["same first artist", "same title but for the version", "same duration"],
    )
    assert kinds("isrc", "isrc2")[0] == "match"
    assert kinds("isrc", "isrc3")[1][0] == "other ISRCs"
    assert kinds("0", "other")[0] == "no match"
    assert kinds("placeholder", "placeholder2") == ("unsure", ["same duration"])


def test_a_chain_is_told(catalogue: Path, bring: Write) -> None:
    bring("a", [row("0"), row("1", duration_ms=203_000), row("2", duration_ms=206_000)])
    found = explain.explain(open_current(catalogue), tr("a", "0"), tr("a", "2"))
    assert found.verdict == "match"
    assert [(each.one, each.other) for each in found.steps] == [
        (tr("a", "0"), tr("a", "1")),
        (tr("a", "1"), tr("a", "2")),
    ]


def test_the_curators_word_is_told(catalogue: Path, bring: Write) -> None:
    bring("a", ROWS)
    curation.split(catalogue, [tr("a", "isrc"), tr("a", "isrc2")], HAND)
    curation.join(catalogue, [tr("a", "0"), tr("a", "other")], HAND)
    snapshot = open_current(catalogue)
    apart = explain.explain(snapshot, tr("a", "isrc"), tr("a", "isrc2"))
    assert (apart.verdict, apart.evidence[0].kind) == ("no match", "split by a curator")
    one = explain.explain(snapshot, tr("a", "0"), tr("a", "other"))
    assert (one.verdict, one.evidence[0].kind) == ("match", "joined by a curator")
    keys = [ids.row_key("tr", "a", name) for name in ("0", "near", "other", "isrc", "isrc2")]
    agree(snapshot, [(x, y) for x in keys for y in keys if x < y])


def test_candidates_come_with_reasons(catalogue: Path, bring: Write) -> None:
    bring("a", ROWS)
    found = explain.candidates(open_current(catalogue), tr("a", "0"))
    verdicts = {each.other: each.verdict for each in found}
    assert verdicts[tr("a", "near")] == "match"
    assert verdicts[tr("a", "far")] == "no match"
    assert tr("a", "other") not in verdicts
    assert [each.total for each in found] == sorted((e.total for e in found), reverse=True)


def test_what_is_no_track_is_refused(catalogue: Path, bring: Write) -> None:
    bring("a", ROWS)
    snapshot = open_current(catalogue)
    with pytest.raises(InputError):
        explain.explain(snapshot, tr("a", "0"), "tr0000000000000")
    with pytest.raises(UsageError):
        explain.candidates(snapshot, "al0000000000000")


@pytest.mark.real
def test_it_agrees_on_a_real_catalogue(tmp_path: Path, data: Path) -> None:
    catalogue = tmp_path / "catalogue"
    maps = {path.stem: columns.load(path) for path in MAPS}
    for name in ("spotify_songs", "liked_tracks"):
        (path,) = (data / "catalogues").glob(f"{name}*.csv.zst")
        import_table(catalogue, name.replace("_", "-"), [path], table_map=maps[name])
    snapshot = open_current(catalogue)
    with snapshot.connect() as connection:
        joined = connection.execute(
            "SELECT min(track), max(track) FROM members GROUP BY recording HAVING count(*) > 1"
            " ORDER BY hash(recording) LIMIT 25"
        ).fetchall()
        near = connection.execute(
            "WITH t AS (SELECT track, plain_title(title) AS title FROM tracks)"
            " SELECT a.track, b.track FROM t a JOIN t b USING (title) WHERE a.track < b.track"
            " ORDER BY hash(a.track, b.track) LIMIT 25"
        ).fetchall()
        every = [each[0] for each in connection.execute("SELECT track FROM members").fetchall()]
    chance = random.Random(1)
    agree(snapshot, [*joined, *near, *(tuple(chance.sample(every, 2)) for _ in range(10))])
