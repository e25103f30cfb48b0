"""CUE sheets: which files they divide, and into which parts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from longplay.audio.tags import CueSheet, CueTrack


@dataclass(frozen=True, slots=True)
class Part:
    """One track of a sheet, with the sheet that says so."""

    sheet: CueSheet
    track: CueTrack


def divide(
    path: bytes, sheet: CueSheet, present: Collection[bytes], divided: dict[bytes, list[Part]]
) -> None:
    """Note in `divided` which files of its folder the sheet at `path` divides.

    A file with one track is not divided, and one that another sheet divided stays as it is.
    """
    for file in sheet.files:
        audio = [track for track in file.tracks if track.kind in ("AUDIO", "")]
        if len(audio) < 2:
            continue
        found = _find(path, file.name, present)
        if found is not None and found not in divided:
            divided[found] = [Part(sheet, track) for track in audio]


def _find(sheet: bytes, name: str, present: Collection[bytes]) -> bytes | None:
    """The file that a sheet means: people convert files, and rename them, without their sheets."""
    folder, slash, own = sheet.rpartition(b"/")
    wanted = name.replace("\\", "/").rpartition("/")[2].encode("utf-8", "replace")
    exact = folder + slash + wanted
    if exact in present:
        return exact
    beside = sorted(
        path for path in present if path.rpartition(b"/")[0] == folder and path != sheet
    )
    for stem in (wanted.rpartition(b".")[0], own.rpartition(b".")[0]):
        for path in beside:
            other = path.rpartition(b"/")[2]
            if other.lower() == wanted.lower() or (
                other.rpartition(b".")[0].lower() == stem.lower()
                and other.rpartition(b".")[2].lower() in _SOUND
            ):
                return path
    return None


_SOUND = {b"flac", b"wav", b"ape", b"wv", b"mp3", b"ogg", b"opus", b"m4a", b"tta", b"aiff", b"aif"}
