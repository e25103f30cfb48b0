"""The picture: whole, self-contained, and with the plan's figures in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from longplay.errors import PlanError
from longplay.planning import Plan, make_plan, report
from longplay.settings import Policy
from tests.planning.offers import MB, offers


def small(spread: float, budget: int | None) -> Plan:
    rows = [
        {"recording": i, "listens": spread**i, "bytes": (5 + i) * MB, "popularity": i * 3.0}
        for i in range(30)
    ]
    return make_plan(offers(*rows), Policy(), budget=budget).plan


@pytest.mark.parametrize("spread", [1.01, 3.0])
def test_svg_states_the_figures(spread: float, tmp_path: Path) -> None:
    plan = small(spread, 100 * MB)
    report.draw(plan, tmp_path / "plan.svg")
    text = (tmp_path / "plan.svg").read_text()
    for words in (f"{plan.recordings:,} recordings", "within 100 MB", "no plan can exceed", "Opus"):
        assert words in text


def test_png_and_html_need_no_network(tmp_path: Path) -> None:
    plan = small(1.5, None)
    report.draw(plan, tmp_path / "plan.PNG")
    assert (tmp_path / "plan.PNG").read_bytes().startswith(b"\x89PNG")
    html = report.render(plan, ".html").decode()
    assert "<script src=" not in html
    assert "without a budget" in html


def test_an_empty_plan_is_drawn_too(tmp_path: Path) -> None:
    report.draw(make_plan(offers().slice(0, 0), Policy()).plan, tmp_path / "e.svg")
    assert "0 recordings" in (tmp_path / "e.svg").read_text()


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"\.html"):
        report.draw(small(2.0, None), tmp_path / "plan.pdf")
