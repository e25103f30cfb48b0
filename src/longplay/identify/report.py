"""What an audit found, as JSON for programs, CSV for spreadsheets, HTML for people.

Pure: values in, bytes out. The HTML stands alone: no script, nothing fetched, and whatever comes
from the corpus or the catalogue is escaped.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

Document = dict[str, Any]

COLUMNS = ("file", "start_s", "end_s", "recording", "isrc", "title", "artists", "rights_holders",
           "rights", "tdm_reserved", "confidence", "offset_s", "speed", "pitch",
           "object")  # fmt: skip

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula at the beginning of a cell."""

SHOWN = 2_000
"""Rows of one table of the page; CSV and JSON have all."""

AUDIO_SIZES = ((10_000, "less than 10,000 hours"), (1_000_000, "10,000 to 1 million hours"))
"""The size classes of the template for audio, as its notes give them."""


def as_json(found: Document) -> bytes:
    """The document itself."""
    return json.dumps(found, ensure_ascii=False, indent=1).encode() + b"\n"


def as_csv(found: Document) -> bytes:
    """One row a match; lists are separated by `; `."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for match in found["matches"]:
        writer.writerow([_cell(match[name]) for name in COLUMNS])
    return out.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    text = "; ".join(map(str, value)) if isinstance(value, list | tuple) else value
    if isinstance(text, str) and text.startswith(FORMULA):
        return f"'{text}"
    return text


def public_summary(found: Document) -> Document:
    """What an audit can fill in of the European Commission's template for the public summary of
    training content (Regulation (EU) 2024/1689, Article 53(1)(d); C(2025) 8311), by the headings of
    its sections; null is for the provider. `content_recognised` is what the audit adds: hours by
    right and holder, and how many recordings have a reservation that section 3.1 is about."""
    matches = found["matches"]
    hours = found["hours"]
    size = next((words for most, words in AUDIO_SIZES if hours < most), "more than 1 million hours")
    reserved = [one for one in matches if one["tdm_reserved"]]
    return {
        "1_general_information": {
            "1.1_provider_identification": None,
            "1.2_model_identification": None,
            "1.3_modalities_overall_training_data_size_and_other_characteristics": {
                "modality": "audio",
                "training_data_size": size if hours else None,
                "hours": hours or None,
                "types_of_content": "musical recordings" if matches else None,
                "latest_date_of_data_acquisition_or_collection_for_model_training": None,
                "linguistic_characteristics_of_the_overall_training_data": None,
                "other_relevant_characteristics_of_the_overall_training_data": None,
                "additional_comments": None,
            },
        },
        "2_list_of_data_sources": {
            "2.1_publicly_available_datasets": None,
            "2.2_private_non_publicly_available_datasets_obtained_from_third_parties": {
                "2.2.1_datasets_commercially_licensed_by_rightsholders"
                "_or_their_representatives": None,
                "2.2.2_private_datasets_obtained_from_other_third_parties": None,
            },
            "2.3_data_crawled_and_scraped_from_online_sources": None,
            "2.4_user_data": None,
            "2.5_synthetic_data": None,
            "2.6_other_sources_of_data": None,
        },
        "3_data_processing_aspects": {
            "3.1_respect_of_reservation_of_rights_from_text_and_data_mining"
            "_exception_or_limitation": None,
            "3.2_removal_of_illegal_content": None,
            "3.3_other_information": None,
        },
        "content_recognised": {
            "recordings": len(_recordings(matches)),
            "recordings_with_a_reservation_of_rights": len(_recordings(reserved)),
            "hours": found["matched_hours"],
            "under_rights": summed(matches, _rights),
            "of_rights_holders": summed(matches, _holders),
            "with_mining_reserved_hours": _hours(reserved),
        },
    }


def _recordings(matches: Iterable[Document]) -> set[str]:
    return {one["recording"] or one["object"] for one in matches}


def summed(
    matches: Iterable[Document], of: Callable[[Document], Sequence[str]]
) -> dict[str, float]:
    """Hours of matches by what `of` names of each, most first."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for one in matches:
        for name in of(one):
            seconds[name] += one["end_s"] - one["start_s"]
    ordered = sorted(seconds.items(), key=lambda row: (-row[1], row[0]))
    return {name: round(total / 3600, 4) for name, total in ordered}


def _rights(match: Document) -> Sequence[str]:
    return match["rights"] or ["nothing known"]


def _holders(match: Document) -> Sequence[str]:
    return match["rights_holders"] or ["nobody named"]


def _artists(match: Document) -> Sequence[str]:
    return match["artists"] or ["nobody named"]


def _hours(matches: Iterable[Document]) -> float:
    return round(sum(float(one["end_s"] - one["start_s"]) for one in matches) / 3600, 4)


def as_html(found: Document) -> bytes:
    """A page for people, with bars for hours and lines for where in each file matches lie."""
    matches = found["matches"]
    share = found["matched_hours"] / found["hours"] if found["hours"] else 0.0
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width,initial-scale=1'>",
        "<title>Audit</title>",
        f"<style>{_STYLE}</style><main><h1>Whose music is in {_text(found['corpus'])}?</h1>",
        f"<p class=lead>{found['matched_files']:,} of {found['files']:,} files hold recordings of"
        f" the archive: {found['matched_hours']:,.2f} of {found['hours']:,.2f} hours"
        f" ({100 * share:.1f} %).</p>",
        _bars("Hours by artist", summed(matches, _artists)),
        _bars("Hours by rights holder", summed(matches, _holders)),
        _bars("Hours by rights statement", summed(matches, _rights)),
        _matches(matches),
        _rows(
            "What could not be heard",
            ("file", "why"),
            [(one["file"], one["why"]) for one in found["unreadable"]],
        ),
        "<h2>For the public summary of training content</h2><p>Regulation (EU) 2024/1689,"
        " Article 53(1)(d): what an audit can say. What is empty is for the provider.</p>",
        _facts(found["public_summary"]),
        "<h2>Statement</h2><p>The signature beside this file is over all of its bytes"
        " (minisign).</p>",
        _facts(found["statement"]),
        "</main></html>",
    ]
    return "\n".join(parts).encode("utf-8", "replace")


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    return escape("" if value is None else str(value))


def _bars(title: str, hours: Mapping[str, float]) -> str:
    if not hours:
        return ""
    most = max(hours.values()) or 1
    rows = [
        f"<tr><td>{_text(name)}<td><svg width=300 height=14 role=img aria-label='{value} hours'>"
        f"<rect width='{300 * value / most:.1f}' height=14 rx=2 /></svg><td class=n>{value:,.2f}"
        for name, value in list(hours.items())[:40]
    ]
    return f"<h2>{title}</h2><table>{''.join(rows)}</table>"


def _matches(matches: Sequence[Document]) -> str:
    rows = []
    for one in matches[:SHOWN]:
        whole = max(one["file_s"], one["end_s"], 0.1)
        start, end = (120 * one[name] / whole for name in ("start_s", "end_s"))
        rows.append(
            f"<tr><td>{_text(one['file'])}<td class=n>{one['start_s']:,.1f}-{one['end_s']:,.1f}"
            f"<td><svg width=120 height=10><rect class=all width=120 height=10 />"
            f"<rect x='{start:.1f}' width='{max(end - start, 1):.1f}' height=10 /></svg>"
            f"<td>{_text(one['title'])}<td>{_text(one['artists'])}<td>{_text(one['isrc'])}"
            f"<td>{_text(one['rights_holders'])}<td>{_text(one['rights'])}"
            f"<td>{'reserved' if one['tdm_reserved'] else ''}"
            f"<td class=n>{one['offset_s']:,.1f}<td class=n>{one['confidence']:.3f}"
        )
    head = ("file", "seconds", "", "title", "artists", "ISRC", "holder", "rights", "mining", "from",
            "conf.")  # fmt: skip
    more = f"<p>{len(matches) - SHOWN:,} more: see CSV or JSON.</p>" if len(matches) > SHOWN else ""
    titles = "".join(f"<th>{one}" for one in head)
    return f"<h2>Matches</h2><table><tr>{titles}{''.join(rows)}</table>{more}"


def _rows(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return ""
    body = "".join("<tr>" + "".join(f"<td>{_text(one)}" for one in row) for row in rows[:SHOWN])
    titles = "".join(f"<th>{one}" for one in head)
    return f"<h2>{title}</h2><table><tr>{titles}{body}</table>"


def _facts(facts: Mapping[str, Any]) -> str:
    rows = []
    for name, value in facts.items():
        shown = _facts(value) if isinstance(value, dict) else _text(value)
        rows.append(f"<tr><th>{_text(name.replace('_', ' '))}<td>{shown}")
    return f"<table>{''.join(rows)}</table>"


_STYLE = """
body{font:16px/1.5 Inter,system-ui,sans-serif;color:#1e1b17;background:#faf8f3;margin:0}
main{max-width:70rem;margin:auto;padding:2rem}h1,h2{font-family:Palatino,Georgia,serif}
.lead{font-size:1.2rem}table{border-collapse:collapse;margin:.5rem 0 1.5rem;display:block;
overflow-x:auto}td,th{padding:.25rem .6rem;border-bottom:1px solid #e3ddd1;text-align:left;
vertical-align:top}.n{text-align:right;font-variant-numeric:tabular-nums}rect{fill:#a8351a}
rect.all{fill:#e3ddd1}
""".replace("\n", "")
