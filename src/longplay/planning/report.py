"""The plan drawn: bytes kept against share of listens, and bytes by popularity.

Altair describes the picture and vl-convert draws it: no browser and no network; the HTML file
carries its own copy of the scripts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import vl_convert as vlc

from longplay.errors import PlanError
from longplay.files import write_durably
from longplay.planning.plan import BAND_WIDTH, Plan

FORMATS = (".html", ".png", ".svg")
WIDTH, HEIGHT = 460, 320
PNG_SCALE = 2.0

_INK, _SOFT, _GRID = "#1f2a37", "#6b7280", "#e8eaee"
_HEARD, _WEIGHTED, _CHOSEN = "#2563a8", "#8fb8de", "#d9480f"
_ACTIONS = {"original": "#2563a8", "opus": "#8fb8de", "skip": "#e3e6ea"}
_LABELS = {"original": "original", "opus": "Opus", "skip": "left out"}
_BYTES = "replace(format(datum.value, '.3~s'), /([kMGTPE])?$/, ' $1B')"
_FONT = "Inter, Helvetica Neue, Helvetica, Arial, sans-serif"


def draw(plan: Plan, path: Path) -> None:
    """Write the plan's picture to `path`, in the format of its suffix (FORMATS).

    Raises PlanError for another suffix.
    """
    if path.suffix.lower() not in FORMATS:
        raise PlanError(
            f"a plan is drawn as {', '.join(FORMATS)}", where=str(path), hint="change the suffix"
        )
    write_durably(path, render(plan, path.suffix.lower()))


def render(plan: Plan, suffix: str) -> bytes:
    """The picture's bytes in one of FORMATS."""
    document = chart(plan).to_json()
    if suffix == ".png":
        png: bytes = vlc.vegalite_to_png(document, scale=PNG_SCALE)
        return png
    if suffix == ".svg":
        return str(vlc.vegalite_to_svg(document)).encode()
    html = str(vlc.vegalite_to_html(document, bundle=True, renderer="svg"))
    return html.encode()


def chart(plan: Plan) -> Any:
    """The picture as an Altair chart: the frontier beside the bands."""
    title = alt.TitleParams(
        text=_headline(plan),
        subtitle=_subtitle(plan),
        anchor="start",
        fontSize=18,
        color=_INK,
        subtitleColor=_SOFT,
        subtitleFontSize=12,
        subtitlePadding=6,
        offset=18,
    )
    both = alt.hconcat(_frontier(plan), _bands(plan), spacing=48, title=title, background="white")
    both = both.resolve_scale(color="independent").properties(bounds="flush")
    return (
        both.configure(font=_FONT, padding=24)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=_SOFT,
            titleColor=_SOFT,
            titleFontWeight="normal",
            gridColor=_GRID,
            domainColor="#b6bcc5",
            tickColor="#b6bcc5",
            labelFontSize=11,
            titleFontSize=12,
            titlePadding=10,
        )
        .configure_legend(
            labelColor=_SOFT,
            labelFontSize=12,
            symbolType="square",
            title=None,
            offset=4,
            columnPadding=18,
        )
    )


def _headline(plan: Plan) -> str:
    return (
        f"{_size(plan.bytes)} keep {_percent(plan.share_of_listens)} of all listens,"
        f" {plan.recordings:,} recordings"
    )


def _subtitle(plan: Plan) -> list[str]:
    limit = f"within {_size(plan.budget)}" if plan.budget is not None else "without a budget"
    kept = f"{plan.original:,} as original, {plan.opus:,} as Opus, {plan.skipped:,} left out"
    proof = f"weighted by quality {_percent(plan.quality_weighted_share)}"
    bound = f"no plan can exceed {_percent(plan.bound)} (gap {plan.gap:.2g})"
    return [f"{limit}: {kept}", f"{proof}; {bound}"]


def _frontier(plan: Plan) -> Any:
    names = {1: "share of listens", 2: "weighted by quality"}
    steep = _steep(plan)
    rows = [
        {"bytes": row[0], "share": min(row[index], 1.0), "line": name}
        for row in plan.figures.frontier
        for index, name in names.items()
        if row[0] > 0 or not steep
    ]
    colours = alt.Scale(domain=list(names.values()), range=[_HEARD, _WEIGHTED])
    ticks: dict[str, Any] = (
        {"values": [10**power for power in range(19)]} if steep else {"tickCount": 6}
    )
    axis = alt.Axis(grid=False, labelExpr=_BYTES, **ticks)
    scale = alt.Scale(type="log" if steep else "linear", nice=False)
    x = alt.X("bytes:Q", title="bytes kept", axis=axis, scale=scale)
    y = alt.Y(
        "share:Q",
        title=None,
        axis=alt.Axis(labelExpr="format(datum.value * 100, 'd') + ' %'", tickCount=5),
        scale=alt.Scale(domain=[0, 1]),
    )
    legend = alt.Legend(orient="top", symbolType="stroke", symbolStrokeWidth=3)
    lines = (
        alt.Chart(_data(rows))
        .mark_line(strokeWidth=2.5, interpolate="monotone")
        .encode(x=x, y=y, color=alt.Color("line:N", scale=colours, legend=legend))
    )
    return alt.layer(lines, *_chosen(plan)).properties(
        width=WIDTH, height=HEIGHT, title=_small("What bytes buy")
    )


def _steep(plan: Plan) -> bool:
    """Whether half of the listens take so few of the bytes that only a log axis shows it."""
    rows = plan.figures.frontier
    half = next((row[0] for row in rows if row[1] >= rows[-1][1] / 2 and row[0] > 0), 0.0)
    return bool(rows) and 0 < half < rows[-1][0] / 20


def _chosen(plan: Plan) -> list[Any]:
    """The point that the plan is, with a line down to its bytes."""
    here = [{"bytes": max(plan.bytes, 1), "share": plan.share_of_listens, "floor": 0.0}]
    base = alt.Chart(_data(here)).encode(x="bytes:Q", y="share:Q")
    largest = max((row[0] for row in plan.figures.frontier), default=1.0)
    right = plan.bytes > (0.01 if _steep(plan) else 0.6) * largest
    label = base.mark_text(
        align="right" if right else "left",
        dx=-12 if right else 12,
        dy=22,
        fontSize=13,
        fontWeight="bold",
        color=_CHOSEN,
    ).encode(text=alt.value(f"{_size(plan.bytes)} · {_percent(plan.share_of_listens)}"))
    rule = base.mark_rule(color=_CHOSEN, strokeDash=[3, 4], opacity=0.7).encode(
        y=alt.Y("floor:Q"), y2=alt.Y2("share:Q")
    )
    return [rule, base.mark_point(size=110, filled=True, color=_CHOSEN, opacity=1), label]


def _bands(plan: Plan) -> Any:
    order = {"original": 0, "opus": 1, "skip": 2}
    rows: list[dict[str, Any]] = [
        {
            "band": f"{band.low}–{band.low + BAND_WIDTH}",
            "what": _LABELS[band.action],
            "bytes": band.bytes,
            "recordings": band.recordings,
            "order": order[band.action],
        }
        for band in plan.figures.bands
    ]
    names = [f"{low}–{low + BAND_WIDTH}" for low in range(0, 100, BAND_WIDTH)]
    colours = alt.Scale(domain=list(_LABELS.values()), range=list(_ACTIONS.values()))
    x_axis = alt.Axis(labelAngle=0, grid=False, ticks=False, labelPadding=6, labelFontSize=10)
    y_axis = alt.Axis(tickCount=5, labelExpr=_BYTES, domain=False, ticks=False)
    return (
        alt.Chart(_data(rows))
        .mark_bar(cornerRadius=1)
        .encode(
            x=alt.X(
                "band:N",
                title="popularity",
                scale=alt.Scale(domain=names, paddingInner=0.18),
                axis=x_axis,
            ),
            y=alt.Y("bytes:Q", title=None, stack="zero", axis=y_axis),
            color=alt.Color("what:N", scale=colours, legend=alt.Legend(orient="top")),
            order=alt.Order("order:Q"),
            tooltip=["band:N", "what:N", "bytes:Q", "recordings:Q"],
        )
        .properties(width=WIDTH, height=HEIGHT, title=_small("Where the bytes go"))
    )


def _data(rows: list[dict[str, Any]]) -> Any:
    return alt.Data(values=rows)  # type: ignore[no-untyped-call] # Altair's own schema classes


def _small(text: str) -> alt.TitleParams:
    return alt.TitleParams(
        text=text, anchor="start", fontSize=13, fontWeight="bold", color=_INK, offset=12
    )


def _size(count: float) -> str:
    """Bytes in the decimal unit in which they read best."""
    for unit, factor in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:,.3g} {unit}"
    return f"{count / 1e3:,.3g} kB"


def _percent(share: float) -> str:
    # Only the whole is 100 %: a rounded one would hide what is left out.
    if share >= 1:
        return "100 %"
    return f"{min(int(share * 10_000) / 100, 99.99):.4g} %"
