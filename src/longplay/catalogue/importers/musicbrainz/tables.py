"""The dumps' tables that are read: where in a row each needed column stands, and what it holds.

Positions follow the order of columns in MusicBrainz's CreateTables.sql, in which the dumps are
written (https://musicbrainz.org/doc/MusicBrainz_Database/Schema).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Kind = Literal["int", "text", "uuid", "bool"]

SCHEMAS = range(24, 32)
"""Schema sequence numbers whose tables have these columns. Columns added since stand at the end."""

TYPES: dict[Kind, pa.DataType] = {
    "int": pa.int64(),
    "text": pa.string(),
    "uuid": pa.string(),
    "bool": pa.bool_(),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, its position from 0, what it holds, and whether it may be unknown."""

    name: str
    position: int
    kind: Kind
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table: how many columns its rows may have (several: as the schema grew), and those read."""

    widths: tuple[int, ...]
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """As Arrow holds its rows."""
        return pa.schema([(column.name, TYPES[column.kind]) for column in self.columns])


def _int(name: str, position: int) -> Column:
    return Column(name, position, "int")


def _maybe(name: str, position: int) -> Column:
    return Column(name, position, "int", nullable=True)


def _text(name: str, position: int) -> Column:
    return Column(name, position, "text")


def _gid(position: int) -> Column:
    return Column("gid", position, "uuid")


def _date(first: int) -> tuple[Column, Column, Column]:
    return _maybe("year", first), _maybe("month", first + 1), _maybe("day", first + 2)


_LINKED = Table((7, 9), (_int("id", 0), _int("link", 1), _int("entity0", 2), _int("entity1", 3)))
_REDIRECT = Table((3,), (_gid(0), _int("new_id", 1)))
_TAGGED = (_int("tag", 1), _int("count", 2))

REDIRECTS = ("artist", "recording", "release", "track")
"""What has a table `…_gid_redirect` of merged ids that we keep."""

TABLES: dict[str, Table] = {
    "artist": Table((19,), (_int("id", 0), _gid(1), _text("name", 2))),
    "artist_credit_name": Table(
        (5,), (_int("artist_credit", 0), _int("position", 1), _int("artist", 2), _text("name", 3))
    ),
    "release_group": Table((8,), (_int("id", 0),)),
    "release": Table(
        (14,),
        (
            *(_int("id", 0), _gid(1), _text("name", 2), _int("artist_credit", 3)),
            *(_int("release_group", 4), Column("barcode", 9, "text", nullable=True)),
        ),
    ),
    "release_country": Table((5,), (_int("release", 0), *_date(2))),
    "release_unknown_country": Table((4,), (_int("release", 0), *_date(1))),
    "release_label": Table((5,), (_int("id", 0), _int("release", 1), _maybe("label", 2))),
    "label": Table((16,), (_int("id", 0), _text("name", 2))),
    "medium": Table(
        (8, 9), (_int("id", 0), _int("release", 1), _int("position", 2), _int("track_count", 7))
    ),
    "track": Table(
        (12,),
        (
            *(_gid(1), _int("recording", 2), _int("medium", 3), _int("position", 4)),
            *(_text("name", 6), _int("artist_credit", 7), _maybe("length", 8)),
        ),
    ),
    "recording": Table(
        (9,),
        (
            *(_int("id", 0), _gid(1), _text("name", 2), _int("artist_credit", 3)),
            _maybe("length", 4),
        ),
    ),
    "isrc": Table((5, 6), (_int("recording", 1), _text("isrc", 2))),
    "iswc": Table((5, 6), (_int("work", 1), Column("iswc", 2, "text", nullable=True))),
    "l_recording_work": _LINKED,
    "l_recording_url": _LINKED,
    "l_release_url": _LINKED,
    "link": Table((11,), (_int("id", 0), _int("link_type", 1), Column("ended", 10, "bool"))),
    "link_type": Table((16, 17), (_int("id", 0), _text("name", 6))),
    "url": Table((5,), (_int("id", 0), _text("url", 2))),
    "recording_tag": Table((4,), (_int("recording", 0), *_TAGGED)),
    "release_group_tag": Table((4,), (_int("release_group", 0), *_TAGGED)),
    "tag": Table((3,), (_int("id", 0), _text("name", 1))),
    "genre": Table((6,), (_int("id", 0), _text("name", 2))),
    **{f"{kind}_gid_redirect": _REDIRECT for kind in REDIRECTS},
}
