"""From a file's first bytes to the readers of its tags, most trusted first."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO

from longplay.audio.tags import clean
from longplay.audio.tags.bounded import FRAMING_BYTES, MUTAGEN_FAILS, Bounded
from longplay.audio.tags.container import read_container
from longplay.audio.tags.cue import parse_cue
from longplay.audio.tags.gather import Gather, Sound
from longplay.audio.tags.id3 import id3v2_size, read_id3_tag, read_id3v1
from longplay.audio.tags.others import (
    ADTS,
    MP3,
    STREAMS,
    Stream,
    read_ape_tag,
    read_asf,
    read_mp4,
    stream_sound,
)
from longplay.audio.tags.riff import read_aiff, read_dsdiff, read_dsf, read_wave
from longplay.audio.tags.vorbis import read_flac, read_ogg
from longplay.errors import InputError, MediaError
from longplay.model import Tags
from longplay.settings import Limits

ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
MAX_ID3_TAGS = 8
"""ID3v2 tags in a row; careless taggers leave two or three."""


def read_tags(source: BinaryIO, size: int, name: str, limits: Limits) -> Tags:
    """What the media file in `source` (`size` bytes) says about itself, without decoding it.

    `name` only helps to tell formats apart that have no magic, and stands in error messages.
    Damage is told in `problems`; values are cut to `limits`. Raises MediaError when this is no
    media file at all.
    """
    file = Bounded(source, size, limits.tag_bytes + FRAMING_BYTES)
    gather = Gather(limits)
    try:
        sound = _read(file, name, gather)
        if sound is None:
            gather.next_reader()
            sound = read_container(source, gather)
    except MediaError as error:
        raise MediaError(error.message, where=name, hint=error.hint) from error
    except MUTAGEN_FAILS as error:
        gather.problem(f"tags cannot be read to the end: {error}")
        sound = Sound("")
    return _with_cue_sheet(gather.finish(sound), gather, sound)


def _read(file: Bounded, name: str, gather: Gather) -> Sound | None:
    """Run the readers that fit; None when only FFmpeg may know the format."""
    start, tagged = _after_id3(file)
    head = file.at(start, 64)
    for fits, reader in _CHUNKED:
        if fits(head):
            sound = reader(file, start, gather)
            if sound is not None:
                _id3_at_start(file, start, gather)
            return sound
    stream = _bare_stream(head, tagged or name.lower().endswith((".mp3", ".mp2", ".mp1")))
    return None if stream is None else _with_ape(stream, file, start, gather)


def _bare_stream(head: bytes, otherwise_mp3: bool) -> Stream | None:
    for stream in STREAMS:
        if head.startswith(stream.magic):
            return stream
    if head[:1] == b"\xff" and head[1:2] and head[1] & 0xF6 == 0xF0:
        return ADTS
    sync = head[:1] == b"\xff" and head[1:2] and head[1] & 0xE0 == 0xE0
    return MP3 if sync or otherwise_mp3 else None


def _after_id3(file: Bounded) -> tuple[int, bool]:
    """Where the file goes on after the ID3v2 tags at its start, and whether there were any."""
    position = 0
    for _ in range(MAX_ID3_TAGS):
        claimed = id3v2_size(file.at(position, 10))
        if claimed is None:
            break
        position = min(position + claimed, file.size)
    tagged = position > 0
    # Some writers pad between tag and sound; a run of zeros is no format's magic.
    padding = len(re.match(b"\x00*", file.at(position, 4096))[0]) if tagged else 0  # type: ignore[index]  # it always matches
    return position + padding, tagged


def _id3_at_start(file: Bounded, start: int, gather: Gather) -> None:
    position = 0
    gather.next_reader()
    while position < start:
        used = read_id3_tag(file, position, file.size - position, gather)
        if not used:
            break
        position += used


def _with_ape(stream: Stream, file: Bounded, start: int, gather: Gather) -> Sound:
    """A bare stream's tags: ID3v2 before it, APEv2 and ID3v1 behind it."""
    _id3_at_start(file, start, gather)
    gather.next_reader()
    read_ape_tag(file, gather)
    gather.next_reader()
    read_id3v1(file, gather)
    return stream_sound(stream, file, start, gather)


def _is_wave(head: bytes) -> bool:
    plain = head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE"
    return plain or (head[:4] == b"riff" and head[4:16] == _WAVE64_RIFF)


def _is_mp4(head: bytes) -> bool:
    return head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")


_WAVE64_RIFF = bytes.fromhex("2e91cf11a5d628db04c10000")
"""The rest of Wave64's GUID for `riff`, which differs from that of its other chunks."""

_Fits = Callable[[bytes], bool]
_Reader = Callable[[Bounded, int, Gather], Sound | None]

_CHUNKED: tuple[tuple[_Fits, _Reader], ...] = (
    (lambda head: head[:4] == b"fLaC", read_flac),
    (lambda head: head[:4] == b"OggS", read_ogg),
    (_is_wave, lambda file, start, gather: read_wave(file, gather)),
    (
        lambda head: head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"),
        lambda file, start, gather: read_aiff(file, gather),
    ),
    (
        lambda head: head[:4] == b"FRM8" and head[12:16] == b"DSD ",
        lambda file, start, gather: read_dsdiff(file, gather),
    ),
    (lambda head: head[:4] == b"DSD ", lambda file, start, gather: read_dsf(file, gather)),
    (_is_mp4, lambda file, start, gather: read_mp4(file, gather)),
    (lambda head: head[:16] == ASF_HEADER, lambda file, start, gather: read_asf(file, gather)),
)


def _with_cue_sheet(tags: Tags, gather: Gather, sound: Sound) -> Tags:
    """Marks from a CUE sheet that lies in the tags, as rippers put it there."""
    sheet = next((value for key, value in tags.raw if key.upper() == "CUESHEET"), "")
    if not sheet or tags.cues:
        return tags
    try:
        parsed = parse_cue(sheet.encode())
    except InputError as error:
        gather.problem(f"CUESHEET: {error.message}")
    else:
        gather.cues += [
            (track.start_ms, clean.clean(track.title, 1_000))
            for file in parsed.files
            for track in file.tracks
        ]
    return gather.finish(sound)
