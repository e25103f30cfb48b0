"""The deliveries in a folder: which messages there are, and which one counts for each release.

Messages about one release are those that share an identifier of it; of these the one made last
counts, wholly. What a message does not bring along again lies where an earlier one brought it.

A delivery is a folder with a message and, in `resources`, its files; several of them may lie in
the folder of a batch, which counts once its manifest `BatchComplete_….xml` is there
(https://kb.ddex.net: ERN Choreography using SFTP, clauses 7 and 8).
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from longplay.capture.sources.ddex import manifests, reading
from longplay.capture.sources.ddex.contents import Message, Problem, Release
from longplay.errors import InputError, UnavailableError
from longplay.files import escape

MAX_LEVELS = 8
"""Folders within folders below the source's: label, year, batch, release, and some to spare."""

KEPT_BYTES = 32 * 1024 * 1024
"""Of messages that a survey keeps as it read them, which takes twice as much memory: some thousand
releases. The others are read again when they are asked for."""

MAX_PROBLEMS = 10_000
"""What is told of one folder: a folder in which more is amiss is all wrong."""

_BATCH = re.compile(rb"(?:[PMN]_)?(?:[A-Za-z0-9-]+_)?[0-9]{14,17}")
_MANIFEST = b"batchcomplete_"
_LEFT_OUT = (b"resources", b"acknowledgements")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one message says of one release, in short. `release` is its place among the main ones
    of the message, None where it is purged."""

    path: bytes
    created: datetime
    ids: tuple[str, ...]
    release: int | None

    @property
    def folder(self) -> bytes:
        """Where the message lies within the source."""
        return self.path.rpartition(b"/")[0]


@dataclass(frozen=True, slots=True)
class Group:
    """All that is said of one release, the newest first. `key` names it for good."""

    key: str
    entries: tuple[Entry, ...]

    @property
    def newest(self) -> Entry:
        """What counts."""
        return self.entries[0]

    @property
    def folders(self) -> tuple[bytes, ...]:
        """Where its files may lie, in the order in which they are looked for."""
        return tuple(dict.fromkeys(one.folder for one in self.entries))


@dataclass(slots=True)
class Survey:
    """What lies in a folder of deliveries."""

    root: bytes
    groups: tuple[Group, ...] = ()
    messages: int = 0
    kept: dict[bytes, Message] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def tell(self, problem: Problem) -> None:
        """Note what is amiss; of very much only the beginning, and that there is more."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        elif len(self.problems) == MAX_PROBLEMS:
            self.problems.append(
                Problem(escape(self.root), "more is amiss than is told", "", "note")
            )

    def message(self, entry: Entry) -> Message:
        """A message that was surveyed. Raises InputError for one that cannot be read any more."""
        if entry.path in self.kept:
            return self.kept[entry.path]
        return reading.read(Path(os.fsdecode(self.root + b"/" + entry.path)), escape(entry.path))

    def current(self) -> Iterator[tuple[Group, Message, Release | None]]:
        """The message that counts for each release, in the order of their paths; None for the
        release where it is purged. Raises InputError for a message that changed meanwhile."""
        last: tuple[bytes, Message] | None = None
        for group in sorted(self.groups, key=lambda one: (one.newest.path, one.key)):
            entry = group.newest
            if last is None or last[0] != entry.path:
                last = entry.path, self.message(entry)
            message = last[1]
            if entry.release is None:
                yield group, message, None
            elif entry.release < len(message.main):
                yield group, message, message.main[entry.release]


def survey(location: Path) -> Survey:
    """Read all messages below `location`. What cannot be read is a problem, not an error.

    Raises UnavailableError when the folder cannot be looked at.
    """
    found = Survey(os.fsencode(location))
    entries: list[Entry] = []
    versions: Counter[str] = Counter()
    kept = 0
    for path in _messages(found):
        where = escape(path)
        try:
            message = reading.read(Path(os.fsdecode(found.root + b"/" + path)), where)
        except reading.NoMessageError as error:
            found.tell(Problem(error.where, error.message, error.hint, "note"))
            continue
        except InputError as error:
            found.tell(Problem(error.where, error.message, error.hint, "message"))
            continue
        found.messages += 1
        kept += message.size
        if kept <= KEPT_BYTES:
            found.kept[path] = message
        for problem in message.problems:
            found.tell(problem)
        versions[message.version] += 1
        if not message.test:
            entries.extend(_entries(path, message))
    for version, count in sorted(versions.items()):
        old = reading.aging(version, count, escape(found.root))
        if old is not None:
            found.tell(old)
    found.groups = tuple(_grouped(entries))
    return found


def _entries(path: bytes, message: Message) -> Iterator[Entry]:
    for ids in message.purged:
        yield Entry(path, message.created, ids, None)
    for number, release in enumerate(message.main):
        yield Entry(path, message.created, release.ids, number)


def _grouped(entries: Iterable[Entry]) -> Iterator[Group]:
    """Entries that share an identifier, directly or over others."""
    ordered = sorted(entries, key=lambda one: (one.created, one.path, one.release or 0))
    leader: dict[str, str] = {}

    def root(one: str) -> str:
        while leader.setdefault(one, one) != one:
            leader[one] = leader[leader[one]]
            one = leader[one]
        return one

    for entry in ordered:
        first = root(entry.ids[0])
        for one in entry.ids[1:]:
            leader[root(one)] = first
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in ordered:
        groups[root(entry.ids[0])].append(entry)
    for alike in groups.values():
        yield Group(alike[0].ids[0], tuple(reversed(alike)))


def _messages(found: Survey) -> Iterator[bytes]:
    """The XML files that may be messages, in the order of their paths."""
    yield from _below(found, b"", 0)


def _below(found: Survey, folder: bytes, level: int) -> Iterator[bytes]:
    here = found.root + b"/" + folder if folder else found.root
    try:
        listed = sorted(os.scandir(here), key=lambda one: one.name)
    except OSError as error:
        if level:
            found.tell(
                Problem(escape(folder), f"cannot be looked at: {error.strerror}", "", "message")
            )
            return
        raise UnavailableError(
            f"cannot be looked at: {error.strerror}",
            where=escape(found.root),
            hint="is it mounted, and may this user read it?",
        ) from error
    inside: list[bytes] = []
    for one in listed:
        path = folder + b"/" + one.name if folder else one.name
        hidden = one.name.startswith(b".")
        if one.is_symlink():
            if not hidden:
                note = Problem(escape(path), "is a link, and not followed", "send what it leads to",
                               "note")  # fmt: skip
                found.tell(note)
        elif one.is_dir(follow_symlinks=False):
            if not hidden and one.name.lower() not in _LEFT_OUT:
                inside.append(path)
        elif one.name.lower().endswith(b".xml") and not hidden and not _is_manifest(one.name):
            yield path
    if level >= MAX_LEVELS and inside:
        found.tell(
            Problem(
                escape(folder),
                "has folders too deep within each other",
                "put deliveries higher up",
                "message",
            )
        )
        return
    for path in _complete(found, inside):
        yield from _below(found, path, level + 1)


def _complete(found: Survey, folders: list[bytes]) -> Iterator[bytes]:
    """The folders among these that are no batch, or a whole one.

    A batch is known by its name, or by its neighbours' manifests.
    """
    with_manifests = {one: _manifest(found.root, one) for one in folders}
    any_batch = any(with_manifests.values())
    for folder, manifest in with_manifests.items():
        name = folder.rpartition(b"/")[2]
        if manifest is None and (any_batch or _BATCH.fullmatch(name)) and _holds_folders(
            found.root + b"/" + folder
        ):  # fmt: skip
            found.tell(
                Problem(
                    escape(folder),
                    "is a batch without its BatchComplete file: nothing in it is read yet",
                    f"send BatchComplete_{escape(name)}.xml when all of it is there",
                    "message",
                )
            )
            continue
        if manifest is not None:
            problems = manifests.check(found.root, folder, manifest)
            for one in problems:
                found.tell(one)
            if any(one.grave == "message" for one in problems):
                continue
        yield folder


def _manifest(root: bytes, folder: bytes) -> bytes | None:
    try:
        with os.scandir(root + b"/" + folder) as listed:
            found = sorted(one.name for one in listed if _is_manifest(one.name))
    except OSError:
        return None
    return found[-1] if found else None


def _is_manifest(name: bytes) -> bool:
    return name.lower().startswith((_MANIFEST, b"batchcomplete."))


def _holds_folders(folder: bytes) -> bool:
    """Whether there are deliveries in a folder: folders, and no message beside them."""
    try:
        with os.scandir(folder) as listed:
            names = [(one.name.lower(), one.is_dir(follow_symlinks=False)) for one in listed]
    except OSError:
        return False
    return any(is_dir and name not in _LEFT_OUT for name, is_dir in names) and not any(
        name.endswith(b".xml") for name, is_dir in names if not is_dir
    )
