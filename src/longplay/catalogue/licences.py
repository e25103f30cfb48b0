"""Under which licence each part of the metadata stands, and what of it may leave this machine.

A source's layer has one licence; some tables and columns have another one, which their importer
knows. What has none, or one that is not in the table below, stays here. That is about facts on
music; what may be done with the music itself is another matter (`longplay rights explain`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from longplay.catalogue import schema
from longplay.errors import UsageError

MAX_TEXT = 500
"""Characters of a licence's name or address; what is longer is prose, and names none for sure."""


class Permission(StrEnum):
    """What a licence lets us do with the metadata."""

    SHARE = "share"
    NON_COMMERCIAL = "share non-commercially"
    LOCAL = "local only"


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence of metadata: its address, its short name, and what it asks of those who share."""

    uri: str
    name: str
    permits: Permission
    attribution: bool = True
    share_alike: bool = False


_CC = "https://creativecommons.org/"
CC0 = f"{_CC}publicdomain/zero/1.0/"
CC_BY_NC_SA_3 = f"{_CC}licenses/by-nc-sa/3.0/"


def _creative_commons() -> Iterable[Licence]:
    """https://creativecommons.org/licenses/list.en. No-derivatives licences permit the whole of a
    work only; a catalogue joins, corrects and selects, so under them nothing leaves."""
    yield Licence(CC0, "CC0 1.0", Permission.SHARE, attribution=False)
    mark = f"{_CC}publicdomain/mark/1.0/"
    yield Licence(mark, "Public Domain Mark 1.0", Permission.SHARE, attribution=False)
    for version in ("1.0", "2.0", "2.5", "3.0", "4.0"):
        for code in ("by", "by-sa", "by-nc", "by-nc-sa", "by-nd", "by-nc-nd"):
            permits = Permission.NON_COMMERCIAL if "-nc" in code else Permission.SHARE
            if "-nd" in code:
                permits = Permission.LOCAL
            yield Licence(
                f"{_CC}licenses/{code}/{version}/",
                f"CC {code.upper()} {version}",
                permits,
                share_alike=code.endswith("-sa"),
            )


_OTHERS = (
    # https://opendatacommons.org/licenses/
    Licence("https://opendatacommons.org/licenses/pddl/1-0/", "PDDL 1.0", Permission.SHARE, False),
    Licence("https://opendatacommons.org/licenses/by/1-0/", "ODC-By 1.0", Permission.SHARE),
    Licence(
        "https://opendatacommons.org/licenses/odbl/1-0/", "ODbL 1.0", Permission.SHARE, True, True
    ),
    # https://spdx.org/licenses/: licences of programs, under which tables are published, too
    Licence("https://spdx.org/licenses/MIT", "MIT", Permission.SHARE),
    Licence("https://spdx.org/licenses/ISC", "ISC", Permission.SHARE),
    Licence("https://spdx.org/licenses/Apache-2.0", "Apache-2.0", Permission.SHARE),
    Licence("https://spdx.org/licenses/BSD-3-Clause", "BSD-3-Clause", Permission.SHARE),
    Licence("https://spdx.org/licenses/Unlicense", "Unlicense", Permission.SHARE, False),
)

LICENCES = {licence.uri: licence for licence in (*_creative_commons(), *_OTHERS)}
"""All that are known, by address. Any other text is kept as it is, and permits nothing."""

DEFAULTS = {"musicbrainz": CC0, "discogs": CC0}
"""What sources of these formats stand under: https://musicbrainz.org/doc/About/Data_License (its
core data), https://data.discogs.com. No other format says anything of its content's licence."""

COUNTED = "counted table"
"""The format of a table whose rows are plays, and were counted here: its `listens` may be one
person's, and there are no accounts by which that could be told."""

LISTENING = "counted plays, which stay here"
"""No licence: what stands under it leaves under no terms, whatever the source's own is."""

EXCEPTIONS = {
    ("musicbrainz", "tracks", "genres"): CC_BY_NC_SA_3,
    (COUNTED, "tracks", "listens"): LISTENING,
}
"""Columns with another licence than their source's: MusicBrainz' genres are its users' tags, which
are supplementary data; plays that were counted are no metadata at all."""

_TABLES = ("tracks", "albums", "artists", "aliases")
"""What of a layer is metadata. Offers and rejected rows are about this archive's own files and
somebody's mistakes, listens about people: no licence makes them leave."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """What is owed for a source: its licence, and the column that it is for (else all of it)."""

    source: str
    licence: str
    name: str
    covers: str
    share_alike: bool


def known(text: str | None) -> Licence | None:
    """The licence that a text names, in whatever spelling: address, SPDX id, or short name."""
    return LICENCES.get(normalise(text)) if text else None


def normalise(text: str) -> str:
    """The address of the licence that a text names; a text that names none as it is, trimmed."""
    trimmed = text.strip()
    if len(trimmed) > MAX_TEXT:
        return trimmed
    plain = unicodedata.normalize("NFKC", trimmed).casefold().strip("<>\"' ")
    if address := re.fullmatch(r"(?:https?://)?(?:www\.)?([^\s?#]+)(?:[?#]\S*)?", plain):
        found = _BY_ADDRESS.get(_path(address[1]))
        if found:
            return found
    return _BY_NAME.get(_letters(plain), trimmed)


def stated(licence: str | None, form: str) -> str | None:
    """The licence that a layer gets: the one the user states, else what its format's is.

    Raises UsageError for a text that is no licence's name or address at all.
    """
    if licence is None:
        return DEFAULTS.get(form)
    if not licence.strip() or len(licence) > MAX_TEXT or not licence.isprintable():
        raise UsageError(
            "is no licence",
            where=licence[:60],
            hint="name it by its address, such as https://creativecommons.org/licenses/by/4.0/",
        )
    return normalise(licence)


def permits(licence: str | None) -> Permission:
    """What may be done with metadata under a licence; unknown means that it stays here."""
    found = known(licence)
    return found.permits if found else Permission.LOCAL


def licence_of(layer: str | None, form: str, table: str, column: str = "") -> str | None:
    """The licence of a column of a layer whose own licence is `layer` and whose format is `form`.

    An exception only ever takes away: where the layer itself permits less, that holds.
    """
    exception = EXCEPTIONS.get((form, table, column))
    if exception is None or _ORDER[permits(layer)] < _ORDER[permits(exception)]:
        return layer
    return exception


def exceptions(layer: str | None, form: str) -> dict[str, str]:
    """The columns of a layer that stand under another licence than the layer: `table.column`."""
    return {
        f"{table}.{column}": licence
        for (of, table, column), licence in EXCEPTIONS.items()
        if of == form and licence_of(layer, form, table, column) == licence
    }


def exportable_columns(
    layer: str | None, form: str, *, commercial: bool = True
) -> dict[str, frozenset[str]]:
    """What of each table of a layer may leave, by table; tables of which nothing may are absent.

    `commercial`: whoever receives it may use it for anything, so what is for non-commercial use
    only stays here.
    """
    permitted = {Permission.SHARE} if commercial else {Permission.SHARE, Permission.NON_COMMERCIAL}
    found = {
        table: frozenset(
            name
            for name in schema.LAYER[table]
            if permits(licence_of(layer, form, table, name)) in permitted
        )
        for table in _TABLES
    }
    return {table: columns for table, columns in found.items() if columns}


def attributions(source: str, layer: str | None, form: str) -> tuple[Attribution, ...]:
    """What is owed when all that may leave of a source does: one for each licence that asks."""
    parts = {"": layer} | exceptions(layer, form)
    owed = []
    for covers, licence in parts.items():
        found = known(licence)
        if found and found.attribution and found.permits is not Permission.LOCAL:
            owed.append(Attribution(source, found.uri, found.name, covers, found.share_alike))
    return tuple(owed)


_ORDER = {Permission.LOCAL: 0, Permission.NON_COMMERCIAL: 1, Permission.SHARE: 2}


def _path(address: str) -> str:
    """An address without what varies: the deed or legal code, its language, the last slash."""
    return re.sub(r"(/(deed|legalcode)(\.[\w-]+)?|\.html?|\.txt)?/*$", "", address)


def _letters(name: str) -> str:
    """A name's letters and digits, without the words that come and go."""
    words = re.sub(
        r"\b(the|licen[cs]ed?|under|international|unported|generic|universal)\b", "", name
    )
    return re.sub(r"[^a-z0-9.]", "", words)


_BY_ADDRESS = {_path(uri.removeprefix("https://")): uri for uri in LICENCES} | {
    "opensource.org/licenses/mit": "https://spdx.org/licenses/MIT",
    "opensource.org/licenses/isc": "https://spdx.org/licenses/ISC",
    "www.apache.org/licenses/license-2.0": "https://spdx.org/licenses/Apache-2.0",
    "apache.org/licenses/license-2.0": "https://spdx.org/licenses/Apache-2.0",
}

_LONG = {"by": "attribution", "nc": "noncommercial", "sa": "sharealike", "nd": "noderivatives"}


def _names() -> Iterable[tuple[str, str]]:
    for uri, licence in LICENCES.items():
        yield _letters(licence.name.casefold()), uri
        if "/licenses/by" in uri and uri.startswith(_CC):
            code, version = uri.split("/")[-3:-1]
            long = "".join(_LONG[part] for part in code.split("-"))
            yield f"creativecommons{long}{version}", uri
    yield from (
        ("cc0", CC0), ("cczero", CC0), ("creativecommonszero1.0", CC0), ("cc01.0", CC0),
        ("apache2.0", "https://spdx.org/licenses/Apache-2.0"),
        ("odcby1.0", "https://opendatacommons.org/licenses/by/1-0/"),
    )  # fmt: skip


_BY_NAME = dict(_names())
