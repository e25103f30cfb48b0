"""Formats that mutagen reads whole: MP4, ASF, APEv2, and the headers of bare streams."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mutagen import ac3, monkeysaudio, mp3, musepack, optimfrog, tak, trueaudio, wavpack
from mutagen.aac import AACInfo
from mutagen.apev2 import BINARY, EXTERNAL, APENoHeaderError, APEv2
from mutagen.asf import ASF
from mutagen.mp4 import MP4

from longplay.audio.tags import clean
from longplay.audio.tags.bounded import MUTAGEN_FAILS, Bounded
from longplay.audio.tags.gather import MAX_ENTRIES, MAX_SECONDS, Gather, Sound
from longplay.audio.tags.pictures import picture

LYRICS3 = 1_000_064
"""Bytes before an ID3v1 tag that a Lyrics3 block and the APE footer before it can take."""


def read_mp4(file: Bounded, gather: Gather) -> Sound:
    """Tags and `moov` facts of an MP4, M4A or QuickTime file."""
    file.seek(0)
    try:
        found = MP4(file)
    except MUTAGEN_FAILS as error:
        gather.problem(f"MP4 atoms cannot be read: {error}")
        return Sound("mp4")
    for key, values in (found.tags or {}).items():
        if key == "covr":
            for cover in values:
                gather.picture(picture(bytes(cover)))
        else:
            for value in values if isinstance(values, list) else [values]:
                gather.add(key, _mp4_text(value))
    codec = str(getattr(found.info, "codec", ""))
    return _sound("mp4", found.info, codec.startswith(_MP4_LOSSLESS))


_MP4_LOSSLESS = ("alac", "fLaC", "lpcm", "sowt", "twos", "mp4a.40.36")
"""Sample entries of lossless codecs; 36 is MPEG-4 ALS."""


def _mp4_text(value: Any) -> str:
    if isinstance(value, tuple):
        return "/".join(str(part) for part in value)
    return clean.decode(bytes(value)) if isinstance(value, bytes) else str(value)


def read_asf(file: Bounded, gather: Gather) -> Sound:
    """Tags and header facts of a Windows Media file."""
    file.seek(0)
    try:
        found = ASF(file)
    except MUTAGEN_FAILS as error:
        gather.problem(f"ASF header cannot be read: {error}")
        return Sound("asf")
    for key, attribute in found.tags or []:
        if key == "WM/Picture":
            _asf_picture(bytes(attribute.value), gather)
        elif not isinstance(attribute.value, bytes):
            gather.add(key, str(attribute.value))
    return _sound("asf", found.info, "lossless" in str(found.info.codec_name).lower())


def _asf_picture(data: bytes, gather: Gather) -> None:
    """WM/Picture: type, length, then media type and description in UTF-16, each ended by 0."""
    try:
        role, length = struct.unpack_from("<BI", data)
        texts, position = [], 5
        for _ in range(2):
            end = position
            while data[end : end + 2] not in (b"\x00\x00", b""):
                end += 2
            texts.append(data[position:end].decode("utf-16-le", "replace"))
            position = end + 2
    except struct.error:
        gather.problem("WM/Picture cannot be read")
        return
    gather.picture(picture(data[position : position + length], texts[0], role, texts[1]))


def read_ape_tag(file: Bounded, gather: Gather) -> None:
    """The APEv2 tag of a file, where it has one at its end or start."""
    claims = list(_ape_claims(file))
    for items, size in claims:
        if items > MAX_ENTRIES or size > gather.limits.tag_bytes:
            gather.problem(f"APE tag claims {items} items in {size} bytes: left out")
            return
    if not claims:
        return
    file.seek(0)
    try:
        found = APEv2(file)
    except APENoHeaderError:
        return
    except MUTAGEN_FAILS as error:
        gather.problem(f"APE tag cannot be read: {error}")
        return
    for key, value in found.items():
        if value.kind == BINARY:
            if key.lower().startswith("cover art"):
                name, _, data = bytes(value.value).partition(b"\x00")
                role = 4 if "back" in key.lower() else 3 if "front" in key.lower() else 0
                gather.picture(picture(data, "", role, clean.decode(name)))
        elif value.kind == EXTERNAL:
            gather.add(key, str(value))
        else:
            for text in value:
                gather.add(key, text)


def _ape_claims(file: Bounded) -> Iterator[tuple[int, int]]:
    """Items and bytes that each APE tag header or footer within mutagen's reach claims."""
    reach = 512
    tail = file.at(max(file.size - reach, 0), reach)
    if b"LYRICS200" in tail:
        tail = file.at(max(file.size - LYRICS3, 0), LYRICS3)
    for block in (tail, file.at(0, 32)):
        at = block.find(b"APETAGEX")
        while at >= 0 and len(block) >= at + 20:
            size, items = struct.unpack_from("<II", block, at + 12)
            yield items, size
            at = block.find(b"APETAGEX", at + 8)


@dataclass(frozen=True, slots=True)
class Stream:
    """A bare stream: its magic, our name for it, mutagen's header reader, whether it is exact."""

    magic: tuple[bytes, ...]
    container: str
    info: Any
    lossless: bool | None


STREAMS = (
    Stream((b"MAC ",), "ape", monkeysaudio.MonkeysAudioInfo, True),
    Stream((b"MPCK", b"MP+"), "mpc", musepack.MusepackInfo, False),
    Stream((b"wvpk",), "wavpack", wavpack.WavPackInfo, True),
    Stream((b"TTA1", b"TTA2"), "tta", trueaudio.TrueAudioInfo, True),
    Stream((b"tBaK",), "tak", tak.TAKInfo, True),
    Stream((b"OFR ",), "optimfrog", optimfrog.OptimFROGInfo, None),
    Stream((b"\x0b\x77",), "ac3", ac3.AC3Info, False),
    Stream((b"ADIF",), "aac", AACInfo, False),
)


def stream_sound(stream: Stream, file: Bounded, start: int, gather: Gather) -> Sound:
    """What the header of a bare stream at `start` says."""
    file.seek(start)
    try:
        info = (
            stream.info(file, start)
            if stream.info in (trueaudio.TrueAudioInfo, mp3.MPEGInfo)
            else stream.info(file)
        )
    except MUTAGEN_FAILS as error:
        gather.problem(f"{stream.container} header cannot be read: {error}")
        return Sound(stream.container, lossless=stream.lossless)
    sound = _sound(stream.container, info, stream.lossless)
    if sound.bit_rate is None and sound.duration_ms:
        return Sound(
            sound.container,
            sound.duration_ms,
            round((file.size - start) * 8000 / sound.duration_ms) or None,
            sound.lossless,
        )
    return sound


MP3 = Stream((), "mp3", mp3.MPEGInfo, False)
ADTS = Stream((), "aac", AACInfo, False)


def _sound(container: str, info: Any, lossless: bool | None) -> Sound:
    length = getattr(info, "length", 0) or 0
    bit_rate = int(getattr(info, "bitrate", 0) or 0)
    milliseconds = round(length * 1000) if 0 < length < MAX_SECONDS else None
    return Sound(container, milliseconds, bit_rate if bit_rate > 0 else None, lossless)
