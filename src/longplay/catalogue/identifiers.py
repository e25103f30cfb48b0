"""ISRC, GTIN, ISWC and MBID: one place where they are normalised and checked.

Of each there is a form for one text (`isrc(text)`, None where it is none) and one for a column
(`isrcs(column)`, null where it is none). Both take what people and systems write: any case, spaces
and hyphens, the name in front (`ISRC DE-A61-93-00020`), URNs and web addresses that hold it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Literal

import pyarrow as pa

Kind = Literal["isrc", "gtin", "iswc", "mbid"]

MAX_TEXT = 300
"""Characters of a text that is looked at: web addresses of identifiers are under 100. What is
longer is none."""

_SEPARATORS = re.compile(r"[\s\-\u00ad\u2010-\u2015\u2212\u200b\ufeff]+")
_LABEL = re.compile(
    r"(?:isrc|iswc|mbid|uuid|urn|info|(?:gtin|ean|upc|jan)(?:[ -]?(?:8|12|13|14|a|e)(?![0-9]))?)"
    r"(?:code)?[\s:]*",
    re.IGNORECASE | re.ASCII,
)
_ADDRESS = re.compile(r"[/?#=&:]")
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_ISWC = re.compile(r"T[0-9]{10}")
_MBID = re.compile(r"[0-9a-f]{32}")
_GTIN = re.compile(r"[0-9]{8}|[0-9]{12,14}")
_NO_MBID = "0" * 32


def isrc(text: str) -> str | None:
    """An International Standard Recording Code in 12 signs, e.g. `DEA619300020`.

    ISO 3901:2019: a prefix of two letters and three letters or digits, two digits of the year, five
    of the designation; no check digit. Hyphens and `ISRC` are for the eye only
    (https://isrc.ifpi.org/en/isrc-standard/structure).
    """
    return _found(text, _isrc)


def gtin(text: str) -> str | None:
    """A Global Trade Item Number (UPC-A, EAN-8, EAN-13, GTIN-14) in 14 digits, zeros in front.

    GS1 General Specifications, 7.9: the last digit makes the sum of all, weighted 3 and 1 in turn
    from the right (the check digit 1), a multiple of 10. Eight digits that are no EAN-8 may be a
    UPC-E (7.10 there: zeros suppressed), which is expanded; what can be read as both is none.
    """
    return _found(text, _gtin)


def iswc(text: str) -> str | None:
    """An International Standard Musical Work Code, e.g. `T-034.524.680-1`.

    ISO 15707: `T`, nine digits, and a check digit that makes 1 + 1·d1 + 2·d2 + … + 9·d9 + check a
    multiple of 10 (https://www.iswc.org).
    """
    return _found(text, _iswc)


def mbid(text: str) -> str | None:
    """A MusicBrainz identifier: a UUID in lower case with hyphens; the UUID of zeros is none.

    https://musicbrainz.org/doc/MusicBrainz_Identifier, RFC 9562.
    """
    return _found(text, _mbid)


def kind_of(text: str) -> Kind | None:
    """Which identifier a text is, if it is one."""
    for kind, check in _CHECKS.items():
        if _found(text, check) is not None:
            return kind
    return None


def isrcs(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """`isrc` of each text of a column; null where it is none."""
    return _column("isrc", column)


def gtins(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """`gtin` of each text of a column; null where it is none."""
    return _column("gtin", column)


def iswcs(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """`iswc` of each text of a column; null where it is none."""
    return _column("iswc", column)


def mbids(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """`mbid` of each text of a column; null where it is none."""
    return _column("mbid", column)


def isrc_lists(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """`isrc` in lists: each once, in their order, without those that are none. Null stays null."""
    from longplay.catalogue import identifier_columns

    return identifier_columns.lists("isrc", column, isrc)


def iswc_lists(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """`iswc` in lists: each once, in their order, without those that are none. Null stays null."""
    from longplay.catalogue import identifier_columns

    return identifier_columns.lists("iswc", column, iswc)


def _column(kind: Kind, column: pa.Array | pa.ChunkedArray) -> pa.Array:
    # Here and not on top: one text needs no compiler.
    from longplay.catalogue import identifier_columns

    return identifier_columns.normalised(kind, column, SCALARS[kind])


def _found(text: str, check: Callable[[str], str | None]) -> str | None:
    """The identifier in a text: the whole of it, or the only one among an address's parts."""
    if not text or len(text) > MAX_TEXT:
        return None
    text = unicodedata.normalize("NFKC", text).strip().strip("{}<>()[]\"'").strip()
    whole = check(text)
    if whole is None and (label := _LABEL.match(text)):
        text = text[label.end() :]
        whole = check(text)
    if whole is not None:
        return whole
    parts = {found for part in _ADDRESS.split(text) if (found := check(part)) is not None}
    return parts.pop() if len(parts) == 1 else None


def _isrc(text: str) -> str | None:
    plain = _SEPARATORS.sub("", text).upper()
    return plain if _ISRC.fullmatch(plain) else None


def _mbid(text: str) -> str | None:
    plain = _SEPARATORS.sub("", text).lower()
    if not _MBID.fullmatch(plain) or plain == _NO_MBID:
        return None
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))


def _iswc(text: str) -> str | None:
    plain = _SEPARATORS.sub("", text).upper().replace(".", "")
    if not _ISWC.fullmatch(plain):
        return None
    total = 1 + sum(place * int(digit) for place, digit in enumerate(plain[1:10], start=1))
    if (total + int(plain[10])) % 10:
        return None
    return f"T-{plain[1:4]}.{plain[4:7]}.{plain[7:10]}-{plain[10]}"


def _gtin(text: str) -> str | None:
    plain = _SEPARATORS.sub("", text)
    if not _GTIN.fullmatch(plain):
        return None
    readings = [plain, _upc_e(plain)] if len(plain) == 8 and plain[0] in "01" else [plain]
    good = [each.zfill(14) for each in readings if int(each) and _gs1_check(each)]
    return good[0] if len(good) == 1 else None


def _upc_e(code: str) -> str:
    """The UPC-A of a UPC-E: number system, six digits of which the last says how, check digit."""
    system, a, b, c, d, e, how, check = tuple(code)
    if how in "012":
        middle = f"{a}{b}{how}0000{c}{d}{e}"
    elif how == "3":
        middle = f"{a}{b}{c}00000{d}{e}"
    elif how == "4":
        middle = f"{a}{b}{c}{d}00000{e}"
    else:
        middle = f"{a}{b}{c}{d}{e}0000{how}"
    return f"{system}{middle}{check}"


def _gs1_check(digits: str) -> bool:
    return (
        sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
        % 10
        == 0
    )


_CHECKS: dict[Kind, Callable[[str], str | None]] = {
    "mbid": _mbid,
    "isrc": _isrc,
    "iswc": _iswc,
    "gtin": _gtin,
}
SCALARS: dict[Kind, Callable[[str], str | None]] = {
    "isrc": isrc,
    "gtin": gtin,
    "iswc": iswc,
    "mbid": mbid,
}
"""The form for one text, by kind."""
