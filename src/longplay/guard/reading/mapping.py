"""Which field of a log says what: known names, the user's map, and how a log's first lines decide.

A map names, for each of FIELDS, the log's own field. `track` may go on after a bar with how the
track stands in a URL: `path|/stream/` (what follows the prefix, up to the next `/`, `?` or `.`) or
`request|?id` (the parameter `id` of the query).
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import orjson

from longplay.errors import InputError, UsageError

FIELDS = (
    *("time", "account", "address", "track", "bytes", "listened_s", "action"),
    *("part", "whole"),
)

KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "time": (
        *("time", "timestamp", "@timestamp", "ts", "start_time", "time_iso8601"),
        *("msec", "time_local", "date"),
    ),
    "account": (
        *("account", "user", "user_id", "username", "remote_user", "api_key"),
        *("address", "remote_addr", "client_ip", "downstream_remote_address", "host"),
    ),
    "address": (
        *("address", "remote_addr", "client_ip", "x_forwarded_for"),
        *("downstream_remote_address", "ip", "host"),
    ),
    "track": ("track", "track_id", "path", "request_uri", "uri", "url", "request", "item"),
    "bytes": ("bytes", "bytes_sent", "body_bytes_sent", "size"),
    "listened_s": ("listened_s", "listened", "seconds_played"),
    "action": ("action", "event", "type"),
    "part": ("part", "content_range", "sent_http_content_range"),
    "whole": ("whole", "object_size", "file_size"),
}
"""Names by which services, nginx and Envoy call the fields, the likeliest first. Where a log has no
accounts, addresses stand for them."""

URL_FIELDS = frozenset({"path", "request_uri", "uri", "url", "request"})
"""Fields whose value is a URL or a request line, of which the path is the track."""

LOG_FORMAT = ("host", "ident", "user", "time", "request", "status", "bytes", "referer", "agent")
"""The fields of the Common Log Format, and the two that the Combined one adds."""

LOG_LINE = re.compile(rb'\S+ \S+ .*?\[[^\]]{10,40}\] "')

MOST_FIELDS = 4096
"""Columns of a CSV table that are looked at; more are no access log."""


class Format(Enum):
    """How a log's lines are written."""

    JSON = "json"
    CSV = "csv"
    COMMON = "common"


class TrackKind(Enum):
    """How a field tells the track."""

    PLAIN = 0
    PATH = 1
    PREFIX = 2
    QUERY = 3


@dataclass(frozen=True, slots=True)
class Mapping:
    """How to read one log. `names` has a field's own name for each of FIELDS, "" if there is none;
    `columns` the same as places in a line, for CSV and the log formats (-1: none)."""

    format: Format
    names: tuple[str, ...]
    columns: tuple[int, ...] = ()
    separator: str = ","
    track_kind: TrackKind = TrackKind.PLAIN
    track_word: str = ""

    @property
    def nested(self) -> bool:
        """Whether a name is a path into nested objects (`user.id`)."""
        return self.format is Format.JSON and any("." in name for name in self.names)


def wanted(file: Path | None, options: Iterable[str]) -> dict[str, str]:
    """The user's map, from a TOML file and from `field=name` options. Raises InputError,
    UsageError."""
    found: dict[str, str] = {}
    if file is not None:
        found |= _from_file(file)
    for option in options:
        field, sign, name = option.partition("=")
        if not sign or field not in FIELDS or not name:
            raise UsageError(
                f"{option!r} maps no field", hint=f"write field=name; fields: {', '.join(FIELDS)}"
            )
        found[field] = name
    return found


def wishes_of(options: Iterable[str]) -> dict[str, str]:
    """The user's map, from arguments that are `field=name` or name a TOML file; the former count
    more. Raises InputError, UsageError."""
    found: dict[str, str] = {}
    pairs = []
    for option in options:
        if "=" in option:
            pairs.append(option)
        else:
            found |= wanted(Path(option), [])
    return found | wanted(None, pairs)


def _from_file(file: Path) -> dict[str, str]:
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"not a map: {error}", where=str(file), hint='write lines like account = "user"'
        ) from error
    for field, name in table.items():
        if field not in FIELDS or not isinstance(name, str):
            raise InputError(
                f"{field!r} maps no field", where=str(file), hint=f"fields: {', '.join(FIELDS)}"
            )
    return table


def recognise(head: list[bytes], wishes: dict[str, str], where: str) -> Mapping:
    """How to read a log that begins with these lines. Raises InputError if that cannot be told."""
    full = [line for line in head if line.strip()]
    if not full:
        return Mapping(Format.JSON, FIELDS)  # an empty log has no events, whatever its format
    for line in full:
        if line.lstrip().startswith(b"{"):
            return _json(full, wishes, where)
        if LOG_LINE.match(line):
            return _placed(Format.COMMON, list(LOG_FORMAT), wishes, where)
    return _table(full[0], wishes, where)


def _json(head: list[bytes], wishes: dict[str, str], where: str) -> Mapping:
    present: set[str] = set()
    for line in head:
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(row, dict):
            present |= {name for name, value in row.items() if value is not None}
    return _named(Format.JSON, present, wishes, where)


def _table(line: bytes, wishes: dict[str, str], where: str) -> Mapping:
    header = line.decode("utf-8-sig", "replace").strip()
    separator = max(",;\t", key=header.count)
    try:
        columns = next(csv.reader([header], delimiter=separator), [])[:MOST_FIELDS]
    except csv.Error as error:
        raise InputError(
            "is no access log: lines of JSON, a web server's, or a table with a header",
            where=where,
            hint="name a log, plain or packed by gzip or zstd",
        ) from error
    return _placed(Format.CSV, [name.strip() for name in columns], wishes, where, separator)


def _placed(
    form: Format, columns: list[str], wishes: dict[str, str], where: str, separator: str = ","
) -> Mapping:
    if form is Format.COMMON:  # the user where one signed in, or else the address
        wishes = {"account": "user", "address": "host"} | wishes
    one = _named(form, set(columns), wishes, where)
    places = tuple(columns.index(name) if name in columns else -1 for name in one.names)
    return Mapping(form, one.names, places, separator, one.track_kind, one.track_word)


def _named(form: Format, present: set[str], wishes: dict[str, str], where: str) -> Mapping:
    names = []
    kind, word = TrackKind.PLAIN, ""
    for field in FIELDS:
        name = wishes.get(field, "")
        if field == "track" and "|" in name:
            name, _, word = name.partition("|")
            kind = TrackKind.QUERY if word.startswith("?") else TrackKind.PREFIX
            word = word.removeprefix("?")
        if not name:
            name = next((known for known in KNOWN_NAMES[field] if known in present), "")
        if not name and field == "part" and form is Format.JSON:
            name = field  # lines that only look have none, and a log may begin with those
        if field == "track" and kind is TrackKind.PLAIN and name in URL_FIELDS:
            kind = TrackKind.PATH
        if form is not Format.JSON and name and name not in present:
            raise InputError(f"no column {name!r}", where=where, hint="name another with --map")
        names.append(name)
    for field, name in zip(FIELDS, names, strict=True):
        if field in ("time", "account", "track") and not name:
            raise InputError(
                f"no field of this log is known to tell the {field}",
                where=where,
                hint=f"name it with --map {field}=NAME",
            )
    return Mapping(form, tuple(names), track_kind=kind, track_word=word)
