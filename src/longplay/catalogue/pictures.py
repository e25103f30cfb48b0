"""A catalogue drawn: popularity, duration, year, the long tail of listens, explicit, genres.

`figures` counts; Altair describes the picture from a few hundred counts and vl-convert draws it: no
browser and no network, and the HTML file carries its own copy of the scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert as vlc

from longplay.catalogue import figures
from longplay.catalogue.figures import GENRES, LONGEST_S, Figures, Rows
from longplay.catalogue.snapshot import Snapshot
from longplay.errors import UsageError
from longplay.files import write_durably

FORMATS = (".html", ".png", ".svg")
WIDTH, HEIGHT = 380, 220
PNG_SCALE = 2.0

_INK, _SOFT, _GRID, _BLUE, _PALE, _MARK = (
    "#1f2a37", "#6b7280", "#e8eaee", "#2563a8", "#c9d8ea", "#d9480f"
)  # fmt: skip
_FONT = "Inter, Helvetica Neue, Helvetica, Arial, sans-serif"
_COUNT = "format(datum.value, '.3~s')"


def draw(snapshot: Snapshot, path: Path) -> None:
    """Write a snapshot's pictures to `path`, in the format of its suffix (FORMATS).

    Raises UsageError for another suffix.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(
            f"pictures are drawn as {', '.join(FORMATS)}", where=str(path), hint="change the suffix"
        )
    write_durably(path, render(figures.figures(snapshot), suffix))


def render(counted: Figures, suffix: str) -> bytes:
    """The pictures' bytes in one of FORMATS."""
    document = chart(counted).to_json()
    if suffix == ".png":
        png: bytes = vlc.vegalite_to_png(document, scale=PNG_SCALE)
        return png
    if suffix == ".svg":
        return str(vlc.vegalite_to_svg(document)).encode()
    return str(vlc.vegalite_to_html(document, bundle=True, renderer="svg")).encode()


def chart(counted: Figures) -> Any:
    """The pictures as one Altair chart, two in a row."""
    title = alt.TitleParams(
        text=f"{counted.tracks:,} tracks, {counted.recordings:,} recordings",
        subtitle=f"snapshot {counted.snapshot}, {counted.sources} sources",
        anchor="start",
        fontSize=18,
        color=_INK,
        subtitleColor=_SOFT,
        subtitleFontSize=12,
        subtitlePadding=6,
        offset=18,
    )
    drawn = (_popularity, _long_tail, _durations, _years, _genres, _explicit)
    whole = alt.concat(
        *(draw_one(counted) for draw_one in drawn),
        columns=2,
        # Flush, so that plots stand in line whatever their labels; the spacing is for these.
        bounds="flush",
        spacing={"row": 120, "column": 96},
        title=title,
        background="white",
    )
    return (
        whole.resolve_scale(color="independent", x="independent", y="independent")
        .configure(font=_FONT, padding=24)
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
            titlePadding=8,
        )
    )


def _popularity(counted: Figures) -> Any:
    rows = [{**row, "high": row["low"] + 5} for row in counted.popularity]
    zero = next((row["tracks"] for row in rows if row["low"] == 0), 0)
    known = sum(row["tracks"] for row in rows)
    rest = [row for row in rows if row["low"]]
    # One bar that dwarfs all others is said in words, and the others are shown.
    dwarfed = bool(rest) and zero > 5 * max(row["tracks"] for row in rest)
    said = f"; {_percent(zero, known)} lie below 5 and are not drawn" if dwarfed else ""
    return _histogram(
        rest if dwarfed else rows,
        "popularity",
        [0, 100],
        _titled("Popularity", f"known of {_percent(known, counted.tracks)} of the tracks{said}"),
        alt.Axis(grid=False, tickCount=10),
    )


def _durations(counted: Figures) -> Any:
    rows = [{**row, "high": row["low"] + 15} for row in counted.durations]
    known = sum(row["tracks"] for row in rows)
    half, seen = 0, 0
    for row in rows:
        seen += row["tracks"]
        if 2 * seen >= known:
            half = row["low"]
            break
    minutes = f"half are shorter than {(half + 15) // 60}:{(half + 15) % 60:02d}"
    return _histogram(
        rows,
        "minutes",
        [0, LONGEST_S + 15],
        _titled("Duration", f"{minutes}; the last bar has all above {LONGEST_S // 60} minutes"),
        alt.Axis(
            grid=False,
            values=list(range(0, LONGEST_S + 1, 60)),
            labelExpr="floor(datum.value / 60)",
        ),
    )


def _histogram(rows: Rows, words: str, domain: list[int], title: Any, axis: Any) -> Any:
    base = alt.Chart(_data(rows)).mark_bar(color=_BLUE, binSpacing=1)
    return base.encode(
        x=alt.X("low:Q", title=words, axis=axis, scale=alt.Scale(domain=domain, nice=False)),
        x2=alt.X2("high:Q"),
        y=alt.Y("tracks:Q", title=None, axis=_counts()),
        y2=alt.datum(0),
        tooltip=["low:Q", "high:Q", "tracks:Q"],
    ).properties(width=WIDTH, height=HEIGHT, title=title)


def _years(counted: Figures) -> Any:
    known = sum(row["tracks"] for row in counted.years)
    return (
        alt.Chart(_data(counted.years))
        .mark_area(color=_PALE, line={"color": _BLUE, "strokeWidth": 2}, interpolate="monotone")
        .encode(
            x=alt.X(
                "year:Q",
                title="year of release",
                axis=alt.Axis(grid=False, format="d", tickCount=8),
                scale=alt.Scale(zero=False, nice=False),
            ),
            y=alt.Y("tracks:Q", title=None, axis=_counts()),
            tooltip=["year:Q", "tracks:Q"],
        )
        .properties(
            width=WIDTH,
            height=HEIGHT,
            title=_titled("Release year", f"known of {_percent(known, counted.tracks)}"),
        )
    )


def _long_tail(counted: Figures) -> Any:
    words = f"share of {counted.heard} that the most {_MOST[counted.heard]} recordings have"
    share = "format(datum.value * 100, '.3~g') + ' %'"
    fewest = min((row["recordings"] for row in counted.tail), default=1.0)
    ticks = [10.0**-n for n in range(10) if 10.0**-n >= fewest * 0.999]
    lines = (
        alt.Chart(_data(counted.tail))
        .mark_line(color=_BLUE, strokeWidth=2.5)
        .encode(
            x=alt.X(
                "recordings:Q",
                title="recordings, most heard first",
                axis=alt.Axis(grid=False, labelExpr=share, values=ticks, labelOverlap="greedy"),
                scale=alt.Scale(type="log", nice=False),
            ),
            y=alt.Y(
                "share:Q",
                title=None,
                axis=alt.Axis(labelExpr=share, tickCount=5, domain=False, ticks=False),
                scale=alt.Scale(domain=[0, 1]),
            ),
            tooltip=["recordings:Q", "share:Q"],
        )
    )
    return alt.layer(lines, *_half(counted.tail)).properties(
        width=WIDTH, height=HEIGHT, title=_titled("The long tail", words)
    )


_MOST = {"listens": "listened-to", "popularity": "popular"}


def _half(tail: Rows) -> Sequence[Any]:
    """Where half of everything is reached."""
    point = next((row for row in tail if row["share"] >= 0.5), None)
    if point is None:
        return ()
    said = f"{_percent(point['recordings'], 1)} have half"
    base = alt.Chart(_data([{**point, "said": said}])).encode(x="recordings:Q", y="share:Q")
    right = point["recordings"] > 0.02
    label = base.mark_text(
        align="right" if right else "left", dx=-10 if right else 10, fontSize=12,
        fontWeight="bold", color=_MARK,
    )  # fmt: skip
    return (
        base.mark_point(size=90, filled=True, color=_MARK, opacity=1),
        label.encode(text="said:N"),
    )


def _genres(counted: Figures) -> Any:
    return (
        alt.Chart(_data(counted.genres))
        .mark_bar(color=_BLUE, cornerRadius=1)
        .encode(
            x=alt.X("tracks:Q", title="tracks", axis=_counts()),
            y=alt.Y(
                "genre:N",
                title=None,
                sort="-x",
                axis=alt.Axis(ticks=False, domain=False, labelLimit=130, labelPadding=6),
            ),
            tooltip=["genre:N", "tracks:Q"],
        )
        .properties(
            width=WIDTH,
            height=HEIGHT,
            title=_titled(
                "Genres", f"the {GENRES} that most tracks have; a track may have several"
            ),
        )
    )


def _explicit(counted: Figures) -> Any:
    names = ["explicit", "not explicit", "not said"]
    total = max(counted.tracks, 1)
    rows = [
        {**row, "said": f"{_percent(row['tracks'], total)}", "share": row["tracks"] / total}
        for row in counted.explicit
    ]
    base = alt.Chart(_data(rows)).encode(
        y=alt.Y(
            "what:N",
            title=None,
            sort=names,
            scale=alt.Scale(domain=names, paddingInner=0.4),
            axis=alt.Axis(ticks=False, domain=False, labelPadding=6),
        ),
        x=alt.X(
            "share:Q",
            title="share of tracks",
            scale=alt.Scale(domain=[0, 1.12], nice=False),
            axis=alt.Axis(
                values=[0, 0.25, 0.5, 0.75, 1], labelExpr="format(datum.value * 100, 'd') + ' %'"
            ),
        ),
    )
    bars = base.mark_bar(color=_BLUE, cornerRadius=1)
    words = base.mark_text(align="left", dx=6, color=_INK, fontSize=12).encode(text="said:N")
    return alt.layer(bars, words).properties(
        width=WIDTH, height=HEIGHT, title=_titled("Explicit", "as the sources say")
    )


def _counts() -> Any:
    return alt.Axis(labelExpr=_COUNT, tickCount=5, domain=False, ticks=False)


def _titled(words: str, below: str) -> alt.TitleParams:
    return alt.TitleParams(
        text=words,
        subtitle=below,
        anchor="start",
        fontSize=13,
        fontWeight="bold",
        color=_INK,
        subtitleColor=_SOFT,
        subtitleFontSize=11,
        subtitlePadding=4,
        offset=12,
        frame="group",
    )


def _data(rows: Rows) -> Any:
    return alt.Data(values=rows)  # type: ignore[no-untyped-call] # Altair's own schema classes


def _percent(part: float, whole: float) -> str:
    share = 100 * part / whole if whole else 0.0
    return f"{share:.3g} %" if share < 99.95 or part == whole else "99.9 %"
