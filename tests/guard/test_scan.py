"""Scrapers are told from listeners, and every verdict has its reasons."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from longplay.cli.commands import app
from longplay.errors import InputError
from longplay.guard import crowd as sketching
from longplay.guard import scan as scanning
from longplay.guard import spill
from longplay.guard.baseline import Baseline, drift, load, save_text
from longplay.guard.judging import Accounts, joined
from longplay.guard.reading.reader import Counts, read
from longplay.guard.scan import Kept, Options, Scanned
from longplay.guard.verdict import Judged, Verdict
from tests.guard.made import MONDAY, Row, copier, listener, row, write

SMALL = Options(cells=1 << 16)


def scanned(path: Path, rows: list[Row], options: Options = SMALL) -> Scanned:
    return scanning.scan([write(path / "log", rows)], options)


def by_name(found: Scanned) -> dict[str, Judged]:
    return {one.account: one for one in found.verdicts}


def shuffled(count: int, seed: int = 3) -> list[str]:
    return [f"x{at}q" for at in random.Random(seed).sample(range(10**6), count)]


@pytest.fixture(scope="module")
def crowd() -> list[Row]:
    return [one for at in range(12) for one in listener(f"l{at}", days=15)]


def test_listeners_are_honest_and_need_no_reason(tmp_path: Path, crowd: list[Row]) -> None:
    found = scanned(tmp_path, list(crowd))
    assert found.accounts == 12
    assert found.counts.events == len(crowd)
    assert {one.verdict for one in found.verdicts} == {Verdict.HONEST}
    assert all(one.reasons == () and one.decided_at is None for one in found.verdicts)


@pytest.mark.parametrize(
    ("gap", "most", "word"),
    [(1.0, 200, "hours of music"), (200.0, 900, "different tracks"), (600.0, 900, "different")],
)
def test_a_copier_is_stopped_and_told_why(
    tmp_path: Path, crowd: list[Row], gap: float, most: int, word: str
) -> None:
    found = scanned(tmp_path, [*crowd, *copier("thief", shuffled(2000), gap=gap)])
    one = by_name(found)["thief"]
    assert one.verdict is Verdict.SCRAPER
    assert one.probability > 0.95
    assert one.tracks < most
    assert one.decided_at is not None and one.decided_at <= MONDAY + gap * most
    assert word in " ".join(one.reasons)
    assert found.verdicts[0] is one
    assert {v.verdict for v in found.verdicts[1:]} == {Verdict.HONEST}


def test_the_order_of_ids_gives_a_slow_copier_away(tmp_path: Path) -> None:
    slow = [f"t{at}" for at in range(5000, 5400)]
    found = scanned(tmp_path, list(copier("thief", slow, gap=900)))
    one = by_name(found)["thief"]
    assert one.tracks < 300
    assert any("in a row" in reason for reason in one.reasons)


def test_a_program_that_only_looks_is_found(tmp_path: Path) -> None:
    rows = [row(MONDAY + at, "reader", f"t{at}", 0, "browse") for at in range(9000)]
    one = by_name(scanned(tmp_path, rows))["reader"]
    assert one.verdict is Verdict.SCRAPER
    assert "searches and pages" in one.reasons[0]


def test_a_stolen_account_is_found_by_its_nights(tmp_path: Path) -> None:
    rows = list(listener("ann", days=60))
    for night in range(20, 60):
        start = MONDAY + night * 86400 + 2 * 3600
        tracks = shuffled(60, seed=night)
        rows += copier("ann", tracks, start=start)
    one = by_name(scanned(tmp_path, rows))["ann"]
    assert one.verdict is Verdict.SCRAPER
    assert one.decided_at is not None and one.decided_at > MONDAY + 20 * 86400


def test_an_account_with_an_agreement_is_left_out(tmp_path: Path) -> None:
    rows = list(copier("lab", shuffled(2000)))
    found = scanned(tmp_path, rows, replace(SMALL, trusted=frozenset({"lab"})))
    assert found.accounts == 1
    assert found.verdicts == []


def test_accounts_that_share_a_chart_by_turns_are_one_group(tmp_path: Path) -> None:
    rows: list[Row] = []
    for at in range(150):
        rows += listener(f"l{at}", days=8)
    chart = [f"t{at}" for at in range(1, 2001)]
    dice = random.Random(5)
    for account in range(40):
        part = chart[account::40]
        part += [f"u{at}x" for at in range(account * 1000, account * 1000 + 60)]
        dice.shuffle(part)
        for at, track in enumerate(part):
            time = MONDAY + at * 5000 + dice.randrange(4000)
            rows.append(row(time, f"bot{account}", track, dice.randrange(60, 300), "play"))
    found = scanned(tmp_path, rows)
    named = by_name(found)
    bots = [named[f"bot{at}"] for at in range(40)]
    grouped = [one for one in bots if one.group is not None]
    assert len(grouped) >= 30
    assert {one.verdict for one in grouped} == {Verdict.SCRAPER}
    assert "avoid each other's tracks" in grouped[0].reasons[0]
    assert not [one for one in found.verdicts if one.account.startswith("l") and one.group]


def test_what_does_not_fit_into_memory_gives_the_same_verdicts(
    tmp_path: Path, crowd: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*crowd, *copier("thief", shuffled(900))]
    whole = scanned(tmp_path, rows)
    monkeypatch.setattr(spill, "HELD_BYTES", 10_000)
    monkeypatch.setattr(spill, "CHUNK", 500)
    monkeypatch.setattr(spill, "DEALT", 700)
    pieces = scanned(tmp_path, rows)
    assert pieces.verdicts == whole.verdicts


def kept(log: Path) -> Kept:
    with spill.Spill() as held:
        sketch = sketching.empty(1 << 16)
        for one in read(log, {}, Counts()):
            sketching.count_in(sketch, one.events)
            held.add(one.events)
        return scanning.judged(held, sketch, Baseline(), SMALL)


def test_of_too_many_candidates_those_are_kept_that_look_most_like_copying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        one for at in range(12) for one in copier(f"c{at}", shuffled(80 + 10 * at, at), gap=200)
    ]
    log = write(tmp_path / "log", rows)
    everybody = kept(log).candidates
    assert len(everybody) == 12
    monkeypatch.setattr(scanning, "CANDIDATES", 3)
    monkeypatch.setattr(spill, "LOT", 1)
    sizes: list[int] = []

    def noting(parts: list[Accounts]) -> Accounts:
        sizes.append(sum(map(len, parts)))
        return joined(parts)

    monkeypatch.setattr(scanning, "joined", noting)
    few = kept(log).candidates
    assert sorted(few.odds) == sorted(everybody.odds)[-3:]
    *of_candidates, shown, drawn = sorted(sizes)
    assert (shown, drawn) == (12, 12)
    assert 3 < max(of_candidates) < 12  # they are bounded on the way, not at the end alone


def test_time_that_runs_backwards_stands_still(tmp_path: Path) -> None:
    rows = [row(MONDAY - at * 3600, "odd", "t1", 100, "play") for at in range(200)]
    path = tmp_path / "log"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    found = scanning.scan([path], SMALL)
    assert [one.verdict for one in found.verdicts] == [Verdict.HONEST]


def test_forged_accounts_are_counted_and_not_listed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    lines = (
        f'{{"time":{MONDAY + at},"account":"f{at}","track":"t{at}"}}\n' for at in range(12_000)
    )
    path.write_text("".join(lines))
    found = scanning.scan([path], SMALL)
    assert (found.accounts, found.verdicts) == (12_000, [])
    assert len(scanning.scan([path], replace(SMALL, everyone=True)).verdicts) == 12_000


def test_a_baseline_is_learned_written_and_read(tmp_path: Path, crowd: list[Row]) -> None:
    found = scanned(tmp_path, list(crowd))
    assert found.learned != Baseline()
    file = tmp_path / "baseline.toml"
    file.write_text(save_text(found.learned))
    again = load(file)
    assert drift(again, found.learned) < 1e-3
    assert drift(again, Baseline()) > 0


@pytest.mark.parametrize(
    "text", ["repeats_a = [1]", "month_median = 'x'", "colour = 3", "month_spread = -1", "x ="]
)
def test_a_file_that_is_no_baseline_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "baseline.toml"
    file.write_text(text)
    with pytest.raises(InputError, match="not a baseline"):
        load(file)


def test_the_command_prints_one_document(tmp_path: Path, crowd: list[Row]) -> None:
    log = write(tmp_path / "log", [*crowd, *copier("thief", shuffled(900))])
    answer = CliRunner().invoke(app, ["guard", "scan", str(log), "--json"])
    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    assert document["accounts"] == 13
    first = document["verdicts"][0]
    assert set(first) == {
        *("account", "verdict", "probability", "first_seen", "decided_at"),
        *("tracks_before_decision", "group", "reasons"),
    }
    assert (first["account"], first["verdict"]) == ("thief", "scraper")
    assert first["first_seen"] == "2025-06-16T00:00:00.000Z"
    shown = CliRunner().invoke(app, ["guard", "scan", str(log), "--trust", "thief"])
    assert "thief" not in shown.stdout


@pytest.mark.real
def test_fourteen_people_are_honest(data: Path) -> None:
    log = data / "listening" / "honest_listeners.jsonl.zst"
    found = scanning.scan([log], Options())
    assert (found.accounts, found.counts.events) == (14, 280_139)
    assert {one.verdict for one in found.verdicts} == {Verdict.HONEST}


@pytest.mark.real
def test_web_servers_logs_are_read_whole(data: Path) -> None:
    found = scanning.scan([data / "weblogs" / "elastic_apache_combined_2015.log"], Options())
    assert found.counts.lines == 10_000
    assert found.counts.events >= 9_990
