"""A stereo recording without what both sides share, and that alone: a stand-in for karaoke versions
and for separated voices.

In most songs the voice is in the middle. One side less the other has no middle at all, as the
karaoke button of a player does it; and what both sides have with the same phase, bin by bin, is
nearly the middle alone. A separator that was trained does it better; what is left for a
fingerprint, another mix of the same sounds, is much the same.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from longplay.audio.resample import FINGERPRINT_RATE as RATE

FRAME = 1024
LEAST_SIDE = 0.1
"""Level of the sides' difference, as a share of their sum's, below which sound is no stereo."""

Sound = NDArray[np.int16]


def parted(path: Path) -> dict[str, Sound]:
    """A file as mono 11,025 Hz without its centre, and as its centre alone; nothing where it has
    one channel or might as well."""
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        path,
        "-vn",
        "-f",
        "s16le",
        "-ac",
        "2",
        "-ar",
        str(RATE),
    ]
    raw = subprocess.run([*command, "-"], check=True, capture_output=True).stdout
    left, right = np.frombuffer(raw, np.int16).reshape(-1, 2).astype(np.float32).T
    side, middle = (left - right) / 2, (left + right) / 2
    if side.std() < LEAST_SIDE * middle.std():
        return {}
    return {"without its centre": _words(side), "its centre alone": _words(_centre(left, right))}


def _centre(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    one, other = (scipy.signal.stft(each, RATE, nperseg=FRAME)[2] for each in (left, right))
    apart = np.abs(one - other) / (np.abs(one) + np.abs(other) + 1e-3)
    _, found = scipy.signal.istft((one + other) / 2 * np.square(1 - apart), RATE, nperseg=FRAME)
    return found[: len(left)]


def _words(sound: NDArray[np.float32]) -> Sound:
    return np.clip(np.round(sound), -32768, 32767).astype(np.int16)
