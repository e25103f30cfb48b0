"""The archive in pictures: drawn without scripts or styles, each with its table; counted once."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from longplay.access import preserved
from longplay.access.app import create_app
from longplay.access.preserved import Bar, Growth
from longplay.access.site import drawing
from longplay.archive import create
from tests.access.conftest import Served


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine counts slowly."""
    monkeypatch.setattr(preserved, "WAIT_SECONDS", 60.0)


def pictures(page: str) -> list[ET.Element]:
    return [ET.fromstring(one) for one in re.findall(r"<svg viewBox.*?</svg>", page, re.DOTALL)
            if "role=" in one]  # fmt: skip


def test_every_picture_has_a_caption_and_a_table(served: Served) -> None:
    page = served.web.get("/archive").text
    main = page[page.index("<main") : page.index("</main>")]
    for heading in ("listening", "popularity", "coverage", "growth"):
        assert f'id="{heading}"' in main
    count = main.count("<figure>")
    assert (
        count == len(pictures(main)) == main.count("<figcaption>") == main.count("<details>") == 4
    )
    assert all(one.get("aria-label") for one in pictures(main))
    assert "style=" not in main
    assert "<script" not in main
    status = served.longplay.json("status")
    assert f"{status['objects']} objects" in main
    assert f"{100 * status['share_of_listens']:.1f} %" in main
    assert 'href="/archive"' in served.web.get("/").text


def test_the_figures_are_those_of_the_ledger(served: Served) -> None:
    found = served.web.app.state.context.preserved()  # type: ignore[attr-defined]
    status = served.longplay.json("status")
    assert (found.growth[-1].objects, found.growth[-1].bytes) == (
        status["objects"], status["bytes"],
    )  # fmt: skip
    assert sum(bar.held for bar in found.heard) == status["recordings"]
    stats = served.longplay.json("catalogue", "stats")
    told = {one["name"]: one["coverage"] for one in stats["sources"]}
    assert {one.source: one.share for one in found.sources} == told


def test_what_was_counted_is_not_counted_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = served.web.get("/archive").text

    def never(*_: object) -> None:
        raise AssertionError("counted again")

    monkeypatch.setattr(preserved, "_heard", never)
    assert served.web.get("/archive").text == first


def test_an_empty_archive_has_a_page(tmp_path: Path) -> None:
    create(tmp_path / "archive", secrets=tmp_path / "secret").ledger.close()
    with TestClient(create_app(tmp_path / "archive")) as web:
        answer = web.get("/archive")
        assert answer.status_code == 200
        assert "0 recordings in 0 objects" in answer.text


def test_figures_that_take_long_are_waited_for_elsewhere(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preserved, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(preserved.Counting, "_count", lambda *_: None)
    assert "being counted" in served.web.get("/archive").text


def test_growth_is_a_bounded_line_that_ends_at_now() -> None:
    growth = Growth()
    for number in range(10_001):
        growth.add(f"2026-01-01T00:00:{number % 60:02}Z", 1, 10)
        assert len(growth.line()) <= preserved.MOST_POINTS + 1
    line = growth.line()
    assert (line[-1].objects, line[-1].bytes) == (10_001, 100_010)
    assert [one.objects for one in line] == sorted({one.objects for one in line})
    assert len(line) > preserved.MOST_POINTS // 2


@pytest.mark.parametrize("most", [1, 7, 200, 201, 300_000_000])
def test_bars_stay_within_their_picture(most: int) -> None:
    bars = [Bar(low, max(1, most // (at + 1)), min(most, at)) for at, low in enumerate((0, 1, 2))]
    drawn = drawing.histogram(bars)
    assert drawn.logarithmic == (most > drawing.LINEAR)
    for one in drawn.columns:
        assert drawing.TOP <= one.y <= one.y + one.height <= drawing.HEIGHT
        assert one.x + one.width <= drawing.WIDTH
    assert len(drawn.beside) <= 6


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (5, "5"), (2000, "2k"), (1.5e6, "1.5M"), (3e12, "3T")]
)
def test_counts_are_told_in_few_letters(number: float, text: str) -> None:
    assert drawing.short(number) == text
