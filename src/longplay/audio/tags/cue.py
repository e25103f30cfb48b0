"""CUE sheets: which stretches of which files are which tracks.

The form is that of CDRWIN's user's guide, appendix A; real sheets come from EAC, XLD, cueripper
and people, in the encoding of whoever's computer wrote them. Times are minutes, seconds and
frames of 1/75 second.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from longplay.audio.tags import clean
from longplay.errors import InputError

FRAMES = 75
"""Frames in a second of CD audio."""

MAX_BYTES = 2 * 2**20
"""Bytes of a sheet; 99 tracks with every field filled take under 50 kB."""

MAX_TRACKS = 999
"""Tracks of one sheet; a CD has at most 99, sheets for radio shows sometimes more."""

MAX_VALUE = 4_000
"""Characters of one value."""


@dataclass(frozen=True, slots=True)
class CueTrack:
    """One track: `start_ms` to `end_ms` of its file (None: to the file's end).

    `pregap_ms` is where its pregap starts in the file (INDEX 00), None if it has none there;
    `silence_ms` is silence to be played before it that lies in no file (PREGAP).
    """

    number: int
    kind: str
    title: str = ""
    performer: str = ""
    songwriter: str = ""
    isrc: str = ""
    start_ms: int = 0
    end_ms: int | None = None
    pregap_ms: int | None = None
    silence_ms: int = 0
    remarks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CueFile:
    """One file that the sheet cuts, with its tracks in order."""

    name: str
    kind: str
    tracks: tuple[CueTrack, ...] = ()


@dataclass(frozen=True, slots=True)
class CueSheet:
    """A whole sheet. `remarks` are its REM lines as (KEY, value)."""

    title: str = ""
    performer: str = ""
    songwriter: str = ""
    catalog: str = ""
    genre: str = ""
    date: str = ""
    disc_id: str = ""
    remarks: tuple[tuple[str, str], ...] = ()
    files: tuple[CueFile, ...] = ()
    encoding: str = "utf-8"


def parse_cue(data: bytes) -> CueSheet:
    """Read a CUE sheet. Raises InputError with the line number for what is malformed."""
    if len(data) > MAX_BYTES:
        raise InputError(f"CUE sheet is longer than {MAX_BYTES} bytes", hint="is it one?")
    text, encoding = decode_sheet(data)
    parser = _Parser()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip().strip("\x00\x1a")
        if not words:
            continue
        command, _, rest = words.partition(" ")
        try:
            parser.take(command.upper(), rest.strip())
        except ValueError as error:
            raise InputError(f"line {number}: {error}", hint="correct the CUE sheet") from error
    try:
        return replace(parser.finish(), encoding=encoding)
    except ValueError as error:
        raise InputError(str(error), hint="is this a CUE sheet?") from error


def decode_sheet(data: bytes) -> tuple[str, str]:
    """A sheet's text and encoding: a byte order mark, UTF-8, Shift-JIS if clearly so, else 1252."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace"), encoding
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    if _looks_japanese(data):
        return data.decode("cp932"), "cp932"
    return clean.decode(data), "cp1252"


_KANA = re.compile("[\u3041-\u30fe]")
_RARE = re.compile("[\uff61-\uff9f\ue000-\uf8ff]")


def _looks_japanese(data: bytes) -> bool:
    """Whether bytes are surely Shift-JIS: they decode, and most of what is foreign are kana.

    Accented Latin text decodes to half-width kana and rare ideographs instead.
    """
    try:
        text = data.decode("cp932")
    except UnicodeDecodeError:
        return False
    foreign = sum(not character.isascii() for character in text)
    return len(_KANA.findall(text)) * 4 >= foreign > 0 and len(_RARE.findall(text)) * 10 < foreign


def _milliseconds(text: str) -> int:
    match = re.fullmatch(r"(\d{1,5}):(\d{1,2}):(\d{1,2})", text.strip())
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a time (mm:ss:ff)")
    minutes, seconds, frames = (int(part) for part in match.groups())
    if seconds > 59 or frames >= FRAMES:
        raise ValueError(f"{text!r} is not a time: 59 seconds and 74 frames are the most")
    return round((minutes * 60 + seconds) * 1000 + frames * 1000 / FRAMES)


def _value(text: str) -> str:
    """A value with or without quotes; a quote that nobody closed is forgiven."""
    text = text.strip()
    if text.startswith('"'):
        text = text[1:].rsplit('"', 1)[0] if '"' in text[1:] else text[1:]
    return clean.clean(text, MAX_VALUE)


@dataclass(slots=True)
class _Parser:
    """The sheet so far. INDEX 01 of a track ends the one before it, if both lie in one file."""

    sheet: CueSheet = field(default_factory=CueSheet)
    files: list[CueFile] = field(default_factory=list)
    tracks: list[tuple[int, CueTrack]] = field(default_factory=list)
    started: set[int] = field(default_factory=set)

    def take(self, command: str, rest: str) -> None:
        """One line. Raises ValueError for what it cannot mean."""
        if command == "FILE":
            self._file(rest)
        elif command == "TRACK":
            self._track(rest)
        elif command == "INDEX":
            self._index(rest)
        elif command == "REM":
            key, _, value = rest.partition(" ")
            self._remark(key.upper(), _value(value))
        elif command in ("PREGAP", "POSTGAP"):
            gap = _milliseconds(rest)
            if command == "PREGAP":
                self._change(silence_ms=gap)
        elif command == "CATALOG":
            self.sheet = replace(self.sheet, catalog=clean.upc(_value(rest)) or "")
        elif command == "ISRC":
            self._change(isrc=clean.isrc(_value(rest)) or "")
        elif command in ("TITLE", "PERFORMER", "SONGWRITER"):
            self._text(command.lower(), _value(rest))
        elif command not in ("FLAGS", "CDTEXTFILE", "MESSAGE", "ARRANGER", "COMPOSER", "GENRE"):
            raise ValueError(f"{command[:40]!r} is no command of CUE sheets")

    def _file(self, rest: str) -> None:
        match = re.fullmatch(r'(?:"([^"]*)"|(.*?))(?:\s+([A-Za-z0-9]+))?\s*', rest)
        name = (match[1] or match[2] or "") if match else ""
        if not name:
            raise ValueError("FILE names no file")
        kind = (match[3] or "").upper() if match else ""
        self.files.append(CueFile(clean.clean(name, MAX_VALUE), kind))

    def _track(self, rest: str) -> None:
        number, _, kind = rest.partition(" ")
        if not number.isdecimal() or not 0 < int(number) <= MAX_TRACKS:
            raise ValueError(f"{number[:40]!r} is not a track number")
        if not self.files:
            raise ValueError("TRACK stands before any FILE")
        if len(self.tracks) >= MAX_TRACKS:
            raise ValueError(f"more than {MAX_TRACKS} tracks")
        self.tracks.append((len(self.files) - 1, CueTrack(int(number), kind.strip().upper())))

    def _index(self, rest: str) -> None:
        number, _, time = rest.partition(" ")
        if not number.isdecimal() or not self.tracks:
            raise ValueError("INDEX needs a number, a time and a TRACK before it")
        at = _milliseconds(time)
        here = len(self.files) - 1
        position = len(self.tracks) - 1
        file, track = self.tracks[position]
        if int(number) == 0 and file == here:
            self.tracks[position] = (file, replace(track, pregap_ms=at))
        elif int(number) == 1:
            # A FILE line between INDEX 00 and 01 (pregap at the end of the file before) moves it.
            pregap = track.pregap_ms if file == here else None
            self.tracks[position] = (here, replace(track, start_ms=at, pregap_ms=pregap))
            self.started.add(position)
            self._end_previous(position, here, at)

    def _end_previous(self, position: int, here: int, at: int) -> None:
        if position == 0 or self.tracks[position - 1][0] != here:
            return
        file, before = self.tracks[position - 1]
        if before.start_ms > at:
            raise ValueError("this track starts before the one before it")
        self.tracks[position - 1] = (file, replace(before, end_ms=at))

    def _change(self, **values: str | int) -> None:
        if not self.tracks:
            raise ValueError("this line belongs to a TRACK, and none has begun")
        file, track = self.tracks[-1]
        self.tracks[-1] = (file, replace(track, **values))  # type: ignore[arg-type]  # named above

    def _text(self, name: str, value: str) -> None:
        if self.tracks:
            self._change(**{name: value})
        else:
            self.sheet = replace(self.sheet, **{name: value})  # type: ignore[arg-type]

    def _remark(self, key: str, value: str) -> None:
        if self.tracks:
            file, track = self.tracks[-1]
            self.tracks[-1] = (file, replace(track, remarks=(*track.remarks, (key, value))))
            return
        known = {"GENRE": "genre", "DATE": "date", "DISCID": "disc_id"}.get(key)
        changes: dict[str, str] = {known: value} if known else {}
        remarks = (*self.sheet.remarks, (key, value))
        self.sheet = replace(self.sheet, remarks=remarks, **changes)  # type: ignore[arg-type]

    def finish(self) -> CueSheet:
        """The whole sheet. Raises ValueError when it cuts nothing."""
        if not self.tracks:
            raise ValueError("names no track")
        for position, (_, track) in enumerate(self.tracks):
            if position not in self.started:
                raise ValueError(f"track {track.number} has no INDEX 01")
        files = tuple(
            replace(file, tracks=tuple(track for at, track in self.tracks if at == number))
            for number, file in enumerate(self.files)
        )
        return replace(self.sheet, files=files)
