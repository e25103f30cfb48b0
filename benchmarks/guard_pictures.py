"""The pictures of docs/guard.md, from what `benchmarks.guard service` found.

python -m benchmarks.guard_pictures FOLDER
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa

from longplay.guard.verdict import SCRAPER

FOUND = Path(tempfile.gettempdir(), "guard_service.json")
WIDTH, HEIGHT = 560, 320


def roc(told: dict[str, Any]) -> alt.Chart:
    """Share of scrapers stopped against share of listeners stopped, for every threshold."""
    honest = np.array(told["honest"])
    floor = 0.5 / len(honest)
    rows = []
    for name, kind in told["kinds"].items():
        odds = np.array(kind["odds"])
        for at in np.unique(np.concatenate([honest, odds, [SCRAPER]])):
            stopped = max(float((honest >= at).mean()), floor)
            rows.append({"kind": name, "honest": stopped, "caught": float((odds >= at).mean())})
    table = pa.Table.from_pylist(rows)
    scale = alt.Scale(type="log", domain=[floor, 1])
    return (
        alt.Chart(table)
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("honest:Q", scale=scale, title="listeners called scrapers (left edge: none)"),
            y=alt.Y("caught:Q", title="scrapers found", axis=alt.Axis(format="%")),
            color=alt.Color("kind:N", title=None, scale=alt.Scale(scheme="tableau20")),
        )
        .properties(width=WIDTH, height=HEIGHT)
    )


def leaks(told: dict[str, Any]) -> alt.Chart:
    """How many tracks each scraper had when it was stopped, or at the end."""
    rows = [
        {"kind": name, "tracks": max(leak, 1), "stopped": "stopped" if caught else "not stopped"}
        for name, kind in told["kinds"].items()
        for leak, caught in zip(kind["leaks"], kind["caught"], strict=True)
    ]
    return (
        alt.Chart(pa.Table.from_pylist(rows))
        .mark_tick(thickness=2, opacity=0.5)
        .encode(
            x=alt.X("tracks:Q", scale=alt.Scale(type="log"), title="tracks before the stop"),
            y=alt.Y("kind:N", sort=list(told["kinds"]), title=None, axis=alt.Axis(labelLimit=260)),
            color=alt.Color("stopped:N", title=None),
        )
        .properties(width=WIDTH, height=HEIGHT)
    )


def main() -> None:
    told = json.loads(FOUND.read_text())
    folder = Path(sys.argv[1])
    roc(told).save(folder / "guard-roc.png", ppi=110)
    leaks(told).save(folder / "guard-leaks.png", ppi=110)


if __name__ == "__main__":
    main()
