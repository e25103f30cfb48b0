"""What FFmpeg knows of a container that has no reader of its own here: WebM, AMR, CAF, ..."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

import av

from longplay.audio.decode import LOSSLESS, open_media
from longplay.audio.tags.gather import MAX_SECONDS, Gather, Sound

_TAGS = {"album_artist": "ALBUMARTIST", "track": "TRACKNUMBER", "disc": "DISCNUMBER"}
"""FFmpeg's own names for tags, where they differ from Vorbis comments."""

_NOT_TAGS = frozenset(("encoder", "major_brand", "minor_version", "compatible_brands", "duration"))


def read_container(source: BinaryIO, gather: Gather) -> Sound:
    """Tags and header facts through FFmpeg, which decodes nothing but what it needs to tell them.

    Raises MediaError when none of the allowed demuxers takes it.
    """
    source.seek(0)
    with open_media(source) as (container, stream):
        _note(container.metadata, gather)
        _note(stream.metadata, gather)
        microseconds = container.duration or 0
        seconds = microseconds / av.time_base
        return Sound(
            container.format.name.split(",")[0],
            round(seconds * 1000) if 0 < seconds < MAX_SECONDS else None,
            container.bit_rate or None,
            stream.codec_context.codec.name in LOSSLESS.split(","),
        )


def _note(metadata: Mapping[str, str], gather: Gather) -> None:
    for key, value in metadata.items():
        if key.lower() not in _NOT_TAGS:
            gather.add(f"CONTAINER:{_TAGS.get(key.lower(), key)}", value)
