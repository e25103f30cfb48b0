"""Collects what the readers find, within limits, and makes `model.Tags` of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from longplay.audio.tags import clean
from longplay.audio.tags.names import canonical
from longplay.model import Picture, Tags
from longplay.settings import Limits

MAX_ENTRIES = 5_000
"""Tags of one file; a box set's liner notes have some hundred."""

MAX_VALUES = 200
"""Values of one key; an orchestra named player by player is the longest list known."""

MAX_TEXT = 4 * 2**20
"""Bytes of text kept of one file's tags, all values together."""

MAX_PICTURES = 64
"""Pictures of one file; scanned booklets have some dozen."""

MAX_PROBLEMS = 32
"""Problems told of one file; beyond that nobody reads them."""


MAX_SECONDS = 3_600_000
"""Seconds that a header may claim (1,000 hours); more is a wrong number, not a long piece."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What the headers say of the sound: times in ms, rates in bit/s; None where they do not."""

    container: str
    duration_ms: int | None = None
    bit_rate: int | None = None
    lossless: bool | None = None


class Gather:
    """The tags of one file while its readers run, most trusted reader first."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._raw: list[tuple[str, str]] = []
        self._counts: dict[str, int] = {}
        self._values: dict[str, list[str]] = {}
        self._closed: frozenset[str] = frozenset()
        self._pictures: list[Picture] = []
        self._picture_room = limits.tag_bytes
        self._text_room = MAX_TEXT
        self._problems: dict[str, None] = {}
        self.cues: list[tuple[int, str]] = []

    def next_reader(self) -> None:
        """What earlier readers said stands; the next one only fills gaps."""
        self._closed = frozenset(self._values)

    def add(self, key: str, value: str) -> None:
        """Note one value under its native key."""
        key = clean.clean(key, 200)
        text = clean.clean(value, self.limits.text_bytes)
        if len(value) > self.limits.text_bytes:
            self.problem(f"{key}: longer than {self.limits.text_bytes} bytes, cut")
        if not text:
            return
        count = self._counts[key] = self._counts.get(key, 0) + 1
        if count > MAX_VALUES:
            self.problem(f"{key}: more than {MAX_VALUES} values")
            return
        if len(self._raw) >= MAX_ENTRIES or len(text) > self._text_room:
            self.problem("more tags than are looked at")
            return
        self._text_room -= len(text)
        self._raw.append((key, text))
        name = canonical(key)
        if name not in self._closed:
            self._values.setdefault(name, []).append(text)

    def problem(self, text: str) -> None:
        """Note something wrong with the tags, once."""
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.setdefault(clean.clean(text, 500))

    def picture(self, picture: Picture) -> None:
        """Note an embedded picture unless it is too large or was there already."""
        size = len(picture.data)
        if size > self.limits.picture_bytes:
            self.problem(f"picture of {size} bytes left out: the limit is its size")
        elif len(self._pictures) >= MAX_PICTURES or size > self._picture_room:
            self.problem("more pictures than are extracted")
        elif size and all(picture.data != other.data for other in self._pictures):
            self._picture_room -= size
            limit = self.limits.text_bytes
            self._pictures.append(
                replace(
                    picture,
                    mime=clean.clean(picture.mime, 100),
                    description=clean.clean(picture.description, limit),
                )
            )

    def finish(self, sound: Sound) -> Tags:
        """Everything found, in the fields of `model.Tags`."""
        track, tracks = self._numbers("TRACKNUMBER", "TRACKTOTAL")
        disc, discs = self._numbers("DISCNUMBER", "DISCTOTAL")
        copyrights, phonographic = self._lines()
        return Tags(
            title=self._first("TITLE"),
            artists=self._all("ARTISTS") or self._all("ARTIST"),
            album=self._first("ALBUM"),
            album_artists=self._all("ALBUMARTISTS") or self._all("ALBUMARTIST"),
            composers=self._all("COMPOSER"),
            track_number=track,
            track_total=tracks,
            disc_number=disc,
            disc_total=discs,
            date=self._date(),
            genres=_distinct(
                part.strip() for value in self._all("GENRE") for part in value.split(";")
            ),
            isrcs=self._checked("ISRC", clean.isrc),
            recording_mbid=self._identifier("MUSICBRAINZ_TRACKID"),
            track_mbid=self._identifier("MUSICBRAINZ_RELEASETRACKID"),
            album_mbid=self._identifier("MUSICBRAINZ_ALBUMID"),
            artist_mbids=self._checked("MUSICBRAINZ_ARTISTID", clean.mbid),
            upc=next(iter(self._checked("BARCODE", clean.upc)), ""),
            label=self._first("LABEL"),
            licences=self._licences(),
            copyrights=copyrights,
            phonographic=phonographic,
            replaygain=tuple(
                (name, values[0])
                for name, values in self._values.items()
                if name.startswith(("REPLAYGAIN_", "R128_"))
            ),
            raw=tuple(self._raw),
            cues=tuple(sorted(self.cues)),
            pictures=tuple(self._pictures),
            container=sound.container,
            duration_ms=sound.duration_ms,
            bit_rate=sound.bit_rate,
            lossless=sound.lossless,
            problems=tuple(self._problems),
        )

    def _all(self, name: str) -> tuple[str, ...]:
        return _distinct(self._values.get(name, ()))

    def _first(self, name: str) -> str:
        return next(iter(self._values.get(name, ())), "")

    def _date(self) -> str:
        """The date as it stands; all zeros are how some taggers write that there is none."""
        date = self._first("DATE")
        return date if date.strip("0-/. :T") else ""

    def _numbers(self, name: str, total: str) -> tuple[int | None, int | None]:
        number, of = clean.number_of(self._first(name))
        return number, clean.number_of(self._first(total))[0] or of

    def _checked(self, name: str, check: Callable[[str], str | None]) -> tuple[str, ...]:
        """Values that pass `check`, several of which may share one field; others are problems."""
        good = []
        for value in self._all(name):
            for part in value.replace(",", ";").replace("/", ";").split(";"):
                found = check(part)
                if found is not None:
                    good.append(found)
                elif part.strip():
                    self.problem(f"{name}: {part.strip()[:80]!r} is not one")
        return _distinct(good)

    def _identifier(self, name: str) -> str:
        return next(iter(self._checked(name, clean.mbid)), "")

    def _lines(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """© lines and ℗ lines; one tag often holds both kinds, and one line can be both."""
        copyrights, phonographic = [], list(self._all("PHONOGRAPHIC"))
        for line in self._all("COPYRIGHT"):
            folded = line.casefold()
            recording = "℗" in line or folded.startswith(("(p)", "ⓟ"))
            if recording:
                phonographic.append(line)
            if not recording or "©" in line or "(c)" in folded:
                copyrights.append(line)
        return _distinct(copyrights), _distinct(phonographic)

    def _licences(self) -> tuple[str, ...]:
        links = [link for line in self._all("COPYRIGHT") for link in clean.cc_links(line)]
        return _distinct([*self._all("LICENSE"), *links])


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))
