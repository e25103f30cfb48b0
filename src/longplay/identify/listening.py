"""What a worker does with one piece of sound: decode it, and tell its landmarks.

Runs confined (`longplay.engine`): strangers' bytes are decoded here and nowhere else.
"""

from __future__ import annotations

import io
import math
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from longplay.audio.decode import decode, decoder_name
from longplay.audio.fingerprint import DensePrinter, Fingerprinter
from longplay.audio.landmarks import ASKED, INDEXED, Lander, Landmarks
from longplay.audio.resample import FINGERPRINT_RATE, Stretch
from longplay.errors import InputError
from longplay.settings import Limits


@dataclass(frozen=True, slots=True)
class Sound:
    """Sound to listen to: a file, or a part of one (`start`, `length`), or bytes in hand.

    `name` is what it is called for people. `indexed` asks for what the index has: few landmarks,
    and the fingerprint, which `chromaprint` asks for by itself. A question has its items dense;
    where it is longer than `printed_s`, it has none.
    """

    name: str
    path: Path | None
    limits: Limits
    start: int = 0
    length: int | None = None
    data: bytes | None = None
    indexed: bool = False
    chromaprint: bool = False
    printed_s: float = math.inf

    @property
    def size(self) -> int:
        """Bytes of it, as far as they are known before it is opened."""
        if self.data is not None:
            return len(self.data)
        if self.length is not None:
            return self.length
        try:
            return self.path.stat().st_size if self.path else 0
        except OSError:
            return 0


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard: seconds of sound, frames and landmarks, and by which decoder; the fingerprint
    as evidence has it, and the items of a question (32 bits each)."""

    seconds: float
    frames: int
    landmarks: Landmarks
    decoder: str
    chromaprint: bytes = b""
    items: bytes = b""


def listen(sound: Sound) -> Heard:
    """Decode and describe one piece of sound. Raises InputError for what cannot be read, MediaError
    for what is no sound."""
    if sound.data is not None:
        return _hear(io.BytesIO(sound.data), len(sound.data), sound)
    assert sound.path is not None
    try:
        # Neither a pipe that nobody writes to nor a device may hold a worker up.
        descriptor = os.open(sound.path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(sound.path)) from error
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise InputError("is not a regular file", where=str(sound.path))
    with open(descriptor, "rb") as source:  # noqa: PTH123 - a descriptor
        if sound.length is None:
            return _hear(source, facts.st_size, sound)
        source.seek(sound.start)
        data = source.read(sound.length)
        return _hear(io.BytesIO(data), len(data), sound)


def _hear(source: BinaryIO, size: int, sound: Sound) -> Heard:
    lander = Lander(INDEXED if sound.indexed else ASKED)
    whole = sound.indexed or sound.chromaprint
    printer = Fingerprinter()
    dense = _Dense(sound.printed_s)
    samples = 0

    def hear(stretch: Stretch) -> None:
        nonlocal samples
        samples += len(stretch.mono)
        lander.feed(stretch.mono)
        if whole:
            printer.feed(stretch.mono)
        else:
            dense.feed(stretch.mono)

    decode(source, size, sound.limits, hear, mono_only=True)
    return Heard(
        seconds=samples / FINGERPRINT_RATE,
        frames=lander.frames,
        landmarks=lander.result(),
        decoder=decoder_name(),
        chromaprint=printer.result().astype("<u4").tobytes() if whole else b"",
        items=dense.result().tobytes(),
    )


class _Dense:
    """The items of a question that lasts so many seconds at most, and none of a longer one. Where
    there is such a limit, its sound waits to be fingerprinted until it has ended."""

    def __init__(self, most_s: float) -> None:
        self._most = most_s * FINGERPRINT_RATE
        self._printer = DensePrinter()
        self._waiting: list[NDArray[np.int16]] = []
        self._count = 0

    def feed(self, mono: NDArray[np.int16]) -> None:
        """Take the next samples."""
        self._count += len(mono)
        if self._count > self._most:
            self._waiting.clear()
        elif math.isinf(self._most):
            self._printer.feed(mono)
        else:
            self._waiting.append(mono)

    def result(self) -> NDArray[np.uint32]:
        """The items of all that was fed."""
        for mono in self._waiting:
            self._printer.feed(mono)
        if self._count > self._most:
            return np.empty(0, np.uint32)
        return self._printer.result()
