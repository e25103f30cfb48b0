"""What a file is by its name alone, before any of its bytes are here."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import httpx

from longplay.audio.tags import kind_of
from longplay.model import Kind

_LOSSLESS = frozenset(
    b"flac wav wave w64 rf64 bwf aif aiff aifc ape wv tta tak ofr dsf dff alac shn".split()
)
_LOSSY = frozenset(b"mp3 mp2 mp1 mpga ogg oga opus spx aac wma mpc ac3 amr m4b ra rm".split())


def kind_of_name(name: bytes) -> Kind:
    """The kind of thing that a name's suffix tells; OTHER where it tells none."""
    return kind_of(name, b"")


def lossless_by_name(name: bytes) -> bool | None:
    """Whether sound of this name is compressed without loss; None where the name does not tell
    (an `m4a` may be either)."""
    suffix = name.rpartition(b".")[2].lower()
    return True if suffix in _LOSSLESS else False if suffix in _LOSSY else None


def name_of(url: httpx.URL) -> bytes:
    """The file's name in a web address."""
    return unquote_to_bytes(url.raw_path.partition(b"?")[0]).rpartition(b"/")[2]


def sound_by_address(url: httpx.URL) -> bool:
    """Whether a web address is offered as sound: its name says so, or nothing else."""
    return kind_of_name(name_of(url)) in (Kind.AUDIO, Kind.OTHER)
