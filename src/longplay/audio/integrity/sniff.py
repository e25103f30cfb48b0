"""Which container a file is, by its own bytes, and the reader that examines it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO

from longplay.audio.integrity import (
    chains,
    declared,
    flac,
    lossless,
    matroska,
    mp4,
    mpeg,
    ogg,
    riff,
    tags,
)
from longplay.audio.integrity.structure import Notebook, Structure, Window

Examine = Callable[[Window, int, int], Structure]

MAX_LEAD = 64 << 10
"""Bytes searched for the marks of a container whose first bytes are damaged."""

_W64 = b"riff\x2e\x91\xcf\x11"
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"uuid")
_MAGIC: tuple[tuple[bytes, Examine], ...] = (
    (b"OggS", ogg.examine),
    (b"fLaC", flac.examine),
    (b"\x1a\x45\xdf\xa3", matroska.examine),
    (b"RF64", riff.examine_wav),
    (b"BW64", riff.examine_wav),
    (_W64, riff.examine_w64),
    (b"#!AMR\n", chains.examine_amr),
    (b"#!AMR-WB\n", chains.examine_amr),
    (b"MAC ", lossless.examine_ape),
    (b"wvpk", lossless.examine_wavpack),
    (b"TTA1", lossless.examine_tta),
    (_ASF, declared.examine_asf),
    (b"DSD ", declared.examine_dsf),
    (b"FRM8", declared.examine_dsdiff),
    (b"caff", declared.examine_caf),
    (b".snd", declared.examine_au),
    (b"MPCK", declared.examine_musepack),
)


def examine(source: BinaryIO, size: int) -> Structure:
    """Read a media file of `size` bytes once, in bounded memory, and say what its bytes prove.

    Damage is a finding, never an exception; only an `OSError` of the source passes through. Bytes
    of no known container give a `Structure` whose container is "".
    """
    window = Window(source, size)
    start = tags.before(window)
    end = tags.behind(window, start)
    reader = _reader(window, start, end)
    if reader is None:
        return Structure("", notes=("the container has no proof that is known here",))
    try:
        structure = reader(window, start, end)
        return _with_pictures(window, structure, start) if start else structure
    except (ValueError, IndexError, OverflowError, struct.error, MemoryError) as error:
        # Numbers from hostile bytes that no reader foresaw: a finding like any other.
        book = Notebook(reader.__module__.rsplit(".", 1)[-1])
        book.find(f"the structure cannot be read ({type(error).__name__})")
        return book.close()


def _with_pictures(window: Window, structure: Structure, start: int) -> Structure:
    """Add what is wrong with the pictures in the tags before the sound."""
    book = Notebook(structure.container)
    tags.pictures(window, book, 0, start)
    return replace(structure, findings=structure.findings + tuple(book.findings))


def _reader(window: Window, start: int, end: int) -> Examine | None:
    head = window.read(start, 16)
    for magic, reader in _MAGIC:
        if head.startswith(magic):
            return reader
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return riff.examine_wav
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return riff.examine_aiff
    if head[4:8] in _BOXES:
        return mp4.examine
    if mpeg.looks(window, start, end):
        return mpeg.examine
    if _adts(head):
        return chains.examine_adts
    return _damaged(window, start, end)


def _adts(head: bytes) -> bool:
    return len(head) > 6 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 15 < 13


def _damaged(window: Window, start: int, end: int) -> Examine | None:
    """The container of a file whose first bytes are gone: by marks that stand further in."""
    lead = window.read(start, min(MAX_LEAD, end - start))
    if b"OggS" in lead:
        return ogg.examine
    if b"\x18\x53\x80\x67" in lead[:256]:
        return matroska.examine
    if lead[4:8] == b"\x00\x00\x00\x22":  # a STREAMINFO block behind what was fLaC
        return flac.examine
    if lead[8:16] == b"WAVEfmt ":
        return riff.examine_wav
    if lead[8:12] in (b"AIFF", b"AIFC"):
        return riff.examine_aiff
    first_box = int.from_bytes(lead[:4], "big")
    if lead[first_box + 4 : first_box + 8] in _BOXES or lead[8:12] in (b"M4A ", b"isom", b"mp42"):
        return mp4.examine
    if mpeg.find_first(window, start, end) >= 0:
        return mpeg.examine
    return None
