"""What a worker process does with one file of a folder: tell its kind, read its tags or sheet."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace

from longplay.audio import tags as audio_tags
from longplay.audio.tags import CueSheet
from longplay.errors import InputError, MediaError
from longplay.files import escape
from longplay.model import Kind, Tags
from longplay.settings import Limits

HEAD_BYTES = 4096
"""Bytes of a file's start by which its kind is told."""

MAX_CUE_BYTES = 2 * 2**20
"""A CUE sheet is some kilobytes; a longer file of that name is only kept."""


@dataclass(frozen=True, slots=True)
class Task:
    """One file to read: below which folder, and within which limits."""

    root: bytes
    path: bytes
    limits: Limits


@dataclass(frozen=True, slots=True)
class Read:
    """What was read. `tags` for sound that says anything, `sheet` for CUE sheets; `problem` says
    what went wrong, and costs only the tags."""

    kind: Kind
    tags: Tags | None = None
    sheet: CueSheet | None = None
    has_art: bool = False
    problem: str = ""


def read_file(task: Task) -> Read:
    """Read one file. Raises InputError when it is none any more, or cannot be opened."""
    whole = os.path.join(task.root, task.path)  # noqa: PTH118 - pathlib takes no bytes
    try:
        descriptor = os.open(whole, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=escape(task.path)) from error
    with open(descriptor, "rb") as source:  # noqa: PTH123 - a descriptor has no path
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise InputError("is no file any more", where=escape(task.path))
        head = source.read(HEAD_BYTES)
        source.seek(0)
        kind = audio_tags.kind_of(task.path, head)
        try:
            if kind == Kind.AUDIO:
                found = audio_tags.read_tags(source, facts.st_size, escape(task.path), task.limits)
                return Read(
                    kind,
                    replace(found, pictures=()),
                    has_art=bool(found.pictures),
                    problem="; ".join(found.problems),
                )
            if task.path.lower().endswith(b".cue") and facts.st_size <= MAX_CUE_BYTES:
                return Read(kind, sheet=audio_tags.parse_cue(source.read(MAX_CUE_BYTES)))
        except (MediaError, InputError) as error:
            return Read(kind, problem=error.message)
    return Read(kind)


def unread(path: bytes, reason: str) -> Read:
    """What is known of a file that could not be read: its kind by its name."""
    return Read(audio_tags.kind_of(path, b""), problem=reason)
