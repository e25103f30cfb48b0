"""The forms that histories come in, each as a query from texts to plays.

A form's query reads `batch` (`row`, `line`, `problem`) and gives `row`, `problem`, `time` (as the
form has it), `account`, `played_ms` (null where every row is a listen already), `mbid`, `isrc`,
`artist`, `title` and `track` (a Longplay id), all but the first and `played_ms` as text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from longplay.catalogue.database import quoted
from longplay.errors import InputError

Unit = Literal["line", "document"]

FIRST_LINES = 50
"""Lines by which a form is told: broken ones may stand before the first good one."""

NO_LENGTH = "says how long it was played, but not in numbers"

COLUMNS = ("time", "account", "played_ms", "mbid", "isrc", "artist", "title", "track")


@dataclass(frozen=True, slots=True)
class Form:
    """One form: its name for people, what a batch of it is cut from, its query, and whether each of
    its rows must say when it was."""

    name: str
    unit: Unit
    query: str
    timed: bool = True


def recognise(start: bytes, where: str) -> Form:
    """The form of a history, by its first bytes. Raises InputError for what is none."""
    text = start.decode("utf-8", errors="replace").lstrip()
    if text.startswith("["):
        return STREAMING_HISTORY
    lines = [line for line in text.splitlines()[:FIRST_LINES] if line.strip()]
    if text.startswith("{"):
        found = next((form for line in lines if (form := _json_form(line))), None)
    else:
        found = _table(lines) if lines and "\0" not in lines[0] else None
    if found is None:
        raise InputError(
            "is no listening history of a known form",
            where=where,
            hint="docs/importers/listens.md lists the forms",
        )
    return found


def _json_form(line: str) -> Form | None:
    try:
        keys = set(json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    if "track_metadata" in keys:
        return LISTENBRAINZ
    return ACCESS_LOG if {"account", "track"} <= keys else None


def _whole(text: str, times: int = 1) -> str:
    """A number that a text says, in whole milliseconds; null for what is none, or beyond all time
    (1e300)."""
    return f"try_cast(try_cast({text} AS DOUBLE) * {times} AS BIGINT)"


def _unread(text: str, times: int = 1) -> str:
    """The problem of a text that should be a number of `_whole`, and is none."""
    whole = _whole(text, times)
    return f"CASE WHEN {text} IS NOT NULL AND {whole} IS NULL THEN {quoted(NO_LENGTH)} END"


# JSON


def _json_query(paths: dict[str, str], **columns: str) -> str:
    """Columns by their expressions over `p['name']`, the texts that stand at the paths."""
    names = list(paths)
    wanted = "[" + ", ".join(quoted(path) for path in paths.values()) + "]"

    def placed(expression: str) -> str:
        return re.sub(r"\b(\w+)@", lambda m: f"p[{names.index(m[1]) + 1}]", expression)

    chosen = {name: columns.get(name, "NULL::VARCHAR") for name in COLUMNS}
    listed = ", ".join(f"{placed(sql)} AS {name}" for name, sql in chosen.items())
    problem = placed(columns.get("problem", "NULL"))
    return (
        f"SELECT row, coalesce(problem, CASE WHEN p IS NULL THEN 'is not JSON' ELSE {problem} END)"
        f" AS problem, {listed} FROM (SELECT row, problem,"
        f" TRY(json_extract_string(line, {wanted})) AS p FROM batch)"
    )


LISTENBRAINZ = Form(
    "ListenBrainz",
    "line",
    _json_query(
        {
            "id": "$.user_id",
            "user": "$.user_name",
            "stamp": "$.timestamp",
            "at": "$.listened_at",
            "mapped": "$.track_metadata.mbid_mapping.recording_mbid",
            "sent": "$.track_metadata.additional_info.recording_mbid",
            "isrc": "$.track_metadata.additional_info.isrc",
            "artist": "$.track_metadata.artist_name",
            "title": "$.track_metadata.track_name",
        },
        time="coalesce(stamp@, at@)",
        account="coalesce(id@, user@)",
        mbid="coalesce(mapped@, sent@)",
        isrc="isrc@",
        artist="artist@",
        title="title@",
    ),
)
"""Lines of the dumps and of an account's export: every line was scrobbled, so each is a listen.
https://listenbrainz.readthedocs.io/en/latest/users/listenbrainz-dumps.html"""

STREAMING_HISTORY = Form(
    "streaming history",
    "document",
    _json_query(
        {
            "ts": "$.ts",
            "ended": "$.endTime",
            "ms": "$.ms_played",
            "length": "$.msPlayed",
            "title": "$.master_metadata_track_name",
            "name": "$.trackName",
            "artist": "$.master_metadata_album_artist_name",
            "by": "$.artistName",
            "episode": "$.episode_name",
            "show": "$.episode_show_name",
            "uri": "$.spotify_episode_uri",
            "podcast": "$.podcastName",
            "book": "$.audiobook_title",
            "chapter": "$.audiobook_uri",
        },
        problem="CASE WHEN coalesce(title@, name@) IS NOT NULL THEN"
        f" {_unread('coalesce(ms@, length@)')}"
        " WHEN coalesce(episode@, show@, uri@, podcast@) IS NOT NULL THEN 'is a podcast'"
        " WHEN coalesce(book@, chapter@) IS NOT NULL THEN 'is an audiobook' END",
        time="coalesce(ts@, ended@)",
        played_ms=_whole("coalesce(ms@, length@, '0')"),
        artist="coalesce(artist@, by@)",
        title="coalesce(title@, name@)",
    ),
)
"""What a streaming service sends a person of their own data: JSON lists of all that was started,
however shortly. One account, whatever names the rows have: one person asked for it."""

ACCESS_LOG = Form(
    "access log",
    "line",
    _json_query(
        {
            "time": "$.time",
            "account": "$.account",
            "track": "$.track",
            "listened": "$.listened_s",
            "action": "$.action",
        },
        problem="CASE WHEN action@ NOT IN ('play', 'skip') THEN 'is not a play'"
        f" ELSE {_unread('listened@', 1000)} END",
        time="time@",
        account="account@",
        played_ms=_whole("listened@", 1000),
        track="track@",
    ),
)


# Tables

NAMES = {
    "account": ("user", "username", "user_id", "userid", "account", "listener"),
    "time": ("timestamp", "uts", "listened_at", "played_at", "utc_time", "datetime", "date"),
    "clock": ("time",),
    "mbid": ("track_mbid", "recording_mbid", "traid", "track_id_mb", "mbid"),
    "isrc": ("isrc",),
    "artist": ("artist", "artist_name", "artname"),
    "title": ("track", "track_name", "traname", "title", "song", "song_name"),
    "played_ms": ("ms_played", "played_ms"),
}
"""What columns of tables are called, in lower case with `_` for what is no letter or digit."""

HEADLESS = {
    6: ("account", "time", "artist_mbid", "artist", "mbid", "title"),
    5: ("account", "artist", "title", "album", "time"),
    4: ("artist", "album", "title", "time"),
}
"""Tables without a header, by their number of columns: as the published research sets of Last.fm
listeners have them, and as exporters of one's own scrobbles write them (4)."""


def _table(lines: list[str]) -> Form | None:
    delimiter = max("\t,;", key=lines[0].count)
    first = [cell.strip().strip('"') for cell in lines[0].split(delimiter)]
    named = _named(first)
    if {"artist", "title"} <= set(named):
        return _table_form(named, len(first), delimiter, header=1)
    columns = HEADLESS.get(len(first))
    if columns is None or not any(_like_time(line, delimiter, columns) for line in lines):
        return None
    return _table_form(
        {name: place for place, name in enumerate(columns, 1)}, len(first), delimiter, header=0
    )


def _named(cells: list[str]) -> dict[str, int]:
    """Which column has what, by the names in the header; the first name that is known counts."""
    known = [re.sub(r"[^a-z0-9]+", "_", cell.lower()).strip("_") for cell in cells]
    found = {}
    for column, names in NAMES.items():
        place = next((known.index(name) + 1 for name in names if name in known), None)
        if place:
            found[column] = place
    if "time" not in found and "clock" in found:
        found["time"] = found.pop("clock")
    return found


def _like_time(line: str, delimiter: str, columns: tuple[str, ...]) -> bool:
    cells = line.split(delimiter)
    place = columns.index("time")
    return len(cells) == len(columns) and bool(re.search(r"\d{4}", cells[place]))


def _table_form(places: dict[str, int], width: int, delimiter: str, *, header: int) -> Form:
    plain = "rtrim(line, chr(13) || chr(10))"
    if delimiter == "\t":
        cells = f"string_split({plain}, chr(9))"
    else:
        cell = f'("(?:[^"]|"")*"|[^"{delimiter}]*){delimiter}'
        cells = (
            f"list_transform(regexp_extract_all({plain} || {quoted(delimiter)}, {quoted(cell)}, 1),"
            " lambda c: CASE WHEN c[1] = '\"' THEN replace(c[2:-2], '\"\"', '\"') ELSE c END)"
        )
    columns: dict[str, Any] = {
        name: f"nullif(trim(p[{places[name]}]), '')" if name in places else "NULL::VARCHAR"
        for name in COLUMNS
    }
    if "clock" in places:
        columns["time"] = f"concat_ws(' ', {columns['time']}, trim(p[{places['clock']}]))"
    unread = _unread(columns["played_ms"])
    columns["played_ms"] = _whole(columns["played_ms"])
    listed = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    return Form(
        "table of plays",
        "line",
        f"SELECT row, coalesce(problem, CASE WHEN len(p) <> {width} THEN 'has ' || len(p) ||"
        f" ' cells, not {width}' ELSE {unread} END) AS problem, {listed}"
        f" FROM (SELECT row, problem, {cells} AS p FROM batch WHERE row > {header})",
        timed="time" in places,
    )
