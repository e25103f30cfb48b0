"""A row of a list as an offer: what each column must be, and what is told when it is not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NoReturn

from longplay.capture.sources import kinds
from longplay.capture.sources.list_rows import Value
from longplay.catalogue import identifiers
from longplay.errors import InputError, SourceError
from longplay.model import Kind, Offer
from longplay.rights import rows as rights
from longplay.web import addresses

MAX_LETTERS = 4000
"""Letters of one cell but the address."""

MAX_VALUES = 200
"""Values of one cell that may hold several."""

_ALGORITHMS = {"md5": 32, "sha1": 40, "sha256": 64}
_BAD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_DATE = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?")


def offer(row: Mapping[str, Value], where: str) -> Offer:
    """The file that a row offers. Raises InputError with `where` (file:line) for a bad row, and
    RightsError for one whose rights cannot be read."""
    return _Row(row, where).offer()


class _Row:
    def __init__(self, row: Mapping[str, Value], where: str) -> None:
        self._row, self._where = row, where

    def offer(self) -> Offer:
        try:
            url = addresses.parsed(self._required("url"))
        except SourceError as error:
            self._refuse(f"url: {error.message}", error.hint or "correct it")
        title, artists = self._text("title"), self._several("artists", "artist")
        isrcs = tuple(map(self._isrc, self._several("isrc")))
        if not isrcs and not (title and artists):
            self._refuse(
                "says neither an isrc nor an artist and a title", "say which recording it is"
            )
        name = kinds.name_of(url)
        path = str(url).encode("ascii")
        return Offer(
            path=path,
            kind=Kind.AUDIO if kinds.sound_by_address(url) else kinds.kind_of_name(name),
            size=self._whole("bytes", 2**63 - 1),
            checksum=self._checksum(),
            own_id=self._text("id"),
            title=title,
            artists=artists,
            album=self._text("album"),
            album_artists=self._several("album_artists"),
            disc_number=self._number("disc_number"),
            track_number=self._number("track_number"),
            duration_ms=self._whole("duration_ms", 2**31 - 1) or None,
            isrcs=isrcs,
            upc=self._text("upc"),
            label=self._text("label"),
            release_date=self._date(),
            genres=self._several("genres"),
            popularity=self._amount("popularity", 100),
            listens=self._amount("listens", 1e15),
            lossless=kinds.lossless_by_name(name),
            rights=self._rights(),
        )

    def _text(self, name: str) -> str:
        value = self._row.get(name)
        if value is None or value == "":
            return ""
        if isinstance(value, bool | list | dict):
            self._refuse(f"{name} is no text", "write it in quotation marks")
        if isinstance(value, float):
            if not math.isfinite(value):
                self._refuse(f"{name} is no number", "correct it, or leave it out")
            if value.is_integer():
                value = int(value)
        text = " ".join(str(value).split())
        if len(text) > (addresses.MAX_LETTERS if name == "url" else MAX_LETTERS):
            self._refuse(f"{name} is {len(text):,} letters long", "is this the right column?")
        if _BAD.search(text):
            self._refuse(f"{name} has signs in it that are no text", "correct it")
        return text

    def _required(self, name: str) -> str:
        text = self._text(name)
        if not text:
            self._refuse(f"has no {name}", "each row needs one")
        return text

    def _several(self, *names: str) -> tuple[str, ...]:
        for name in names:
            value = self._row.get(name)
            if value is None or value == "":
                continue
            if isinstance(value, list):
                parts = [_Row({name: each}, self._where)._text(name) for each in value]  # type: ignore[dict-item]
            else:
                parts = [part.strip() for part in self._text(name).split(";")]
            found = tuple(dict.fromkeys(filter(None, parts)))
            if len(found) > MAX_VALUES:
                self._refuse(f"{name} has {len(found)} values", "is this the right column?")
            if found:
                return found
        return ()

    def _isrc(self, text: str) -> str:
        found = identifiers.isrc(text)
        if found is None:
            self._refuse(f"isrc: {text[:40]!r} is none", "it has 12 signs, as in DEA619300020")
        return found

    def _whole(self, name: str, most: int) -> int | None:
        text = self._text(name)
        if not text:
            return None
        if not re.fullmatch(r"[0-9]{1,20}", text) or int(text) > most:
            self._refuse(f"{name}: {text[:40]!r} is no whole number", "correct it, or leave it out")
        return int(text)

    def _number(self, name: str) -> int | None:
        """A number on an album, also as `3/12`."""
        text = self._text(name)
        if not text:
            return None
        if not re.fullmatch(r"[0-9]{1,5}(\s*/\s*[0-9]{1,5})?", text):
            self._refuse(f"{name}: {text[:40]!r} is no number", "correct it, or leave it out")
        return int(text.partition("/")[0]) or None

    def _amount(self, name: str, most: float) -> float | None:
        text = self._text(name)
        if not text:
            return None
        if not re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,16})?([eE]\+?[0-9]{1,2})?", text) or not (
            float(text) <= most
        ):
            self._refuse(f"{name}: {text[:40]!r} is not from 0 to {most:g}", "correct it")
        return float(text)

    def _date(self) -> str:
        text = self._text("release_date")
        if text and not _DATE.fullmatch(text):
            self._refuse(f"release_date: {text[:40]!r} is no date", "write it as 1999-05-31")
        return text

    def _checksum(self) -> str:
        text = self._text("checksum").lower()
        if not text:
            return ""
        name, colon, digits = text.rpartition(":")
        if not colon:
            name = next((each for each, n in _ALGORITHMS.items() if n == len(digits)), "")
        name = name.replace("sha-", "sha")
        if _ALGORITHMS.get(name) != len(digits) or not re.fullmatch(r"[0-9a-f]+", digits):
            self._refuse(
                f"checksum: {text[:80]!r} is none", "write md5:, sha1: or sha256: and its digits"
            )
        return f"{name}:{digits}"

    def _rights(self) -> tuple[tuple[str, str], ...]:
        """What the row says of rights. Words that are not known stay: they keep the file dark."""
        texts = [text for name in ("rights", "licence", "license") if (text := self._text(name))]
        for text in texts:
            rights.check_text(text, self._where)
        return tuple(("licence", text) for text in dict.fromkeys(texts))

    def _refuse(self, words: str, hint: str) -> NoReturn:
        raise InputError(words, where=self._where, hint=hint)
