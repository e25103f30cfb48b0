"""Web seeds (BEP 19): a torrent's paths lead to objects of the store. No second copy exists."""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from fastapi.responses import Response

from longplay import clock
from longplay.access import answers
from longplay.access.answers import Content
from longplay.access.conditions import Conditions
from longplay.access.context import ANSWER_SECONDS, Context, Leave
from longplay.errors import LongplayError
from longplay.ledger import tables
from longplay.release.document import Release, Volume, read_release
from longplay.release.tables import MEMBERS
from longplay.rights.gate import Refusal
from longplay.rights.statements import Act
from longplay.workflows import judging
from longplay.workflows.withdrawing import Standing

PATH = "/seed/"
"""What the paths of web seeds begin with; the torrent's name and the path in it follow."""

VOLUMES_KEPT = 32
"""Volumes whose paths are kept in memory: some 10,000 paths of 100 bytes each."""

READY_KEPT = 16_384
"""Paths whose answers are known without looking: some 1,000 bytes each."""

PAD = re.compile(r"\.pad/([1-9][0-9]{0,7})")
"""The path of a padding file; none is as long as the longest piece."""

_Paths = dict[str, bytes]


@dataclass(slots=True)
class Paths:
    """The paths of volumes, read from the releases as they are asked for."""

    folder: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: OrderedDict[tuple[str, str], _Paths] = field(default_factory=OrderedDict)

    def find(self, release: Release, volume: Volume, path: str) -> bytes | None:
        """The root of the object that stands under `path` in a volume."""
        asked = (release.name, volume.name)
        with self._lock:
            found = self._known.get(asked)
            if found is None:
                found = self._known[asked] = self._read(release, volume)
            self._known.move_to_end(asked)
            while len(self._known) > VOLUMES_KEPT:
                self._known.popitem(last=False)
        return found.get(path)

    def _read(self, release: Release, volume: Volume) -> _Paths:
        source = self.folder / release.name / MEMBERS
        try:
            table = pq.read_table(
                source, columns=["path", "root"], filters=[("volume", "=", volume.name)]
            )
        except (OSError, pa.ArrowException):
            return {}
        return dict(zip(table["path"].to_pylist(), table["root"].to_pylist(), strict=True))


@dataclass(frozen=True, slots=True)
class _Alone:
    """Why a picture is not given: why the first of its music is not, or None where none of that is
    held; and by which claims that was judged, and until when it counts."""

    refusal: Refusal | None
    standing: Standing
    until: float

    def response(self) -> Response:
        if self.refusal is None:
            return answers.refuse(404, "missing", "none of the picture's music is held any more")
        return answers.withheld(self.refusal)


class Seeds:
    """The files of released torrents, by their paths there."""

    def __init__(self, here: Context) -> None:
        self._here = here
        self._paths = Paths(here.archive.releases)
        self._ready: dict[str, tuple[Leave, Content]] = {}
        self._refused: dict[bytes, _Alone] = {}

    async def answer(self, asked: Conditions, place: str) -> Response:
        """A file, or a range of it. `place` is `<torrent>/<path>`."""
        ready = self._ready.get(place)
        if ready is not None:
            leave, content = ready
            # The very same answer of the gate: all that was made of it still holds.
            if self._here.at_once(leave.key.root, Act.RELEASE) is leave:
                return answers.answer(asked, content)
        return await answers.in_thread(self._look, asked, place)

    def _look(self, asked: Conditions, place: str) -> Response:
        torrent, _, path = place.partition("/")
        pad = PAD.fullmatch(path)
        if pad is not None:
            return answers.zeros(asked, int(pad[1]))
        for release, volume in _editions(self._here, torrent):
            if volume.kind == "metadata":
                return _own_file(asked, self._here, volume, path)
            root = self._paths.find(release, volume, path)
            if root is not None:
                leave = self._here.leave(root, Act.RELEASE)
                if leave is None:
                    return answers.refuse(404, "missing", "the object is not held any more")
                if isinstance(leave.answer, Refusal):
                    return answers.withheld(leave.answer)
                refused = self._alone(root) if volume.kind == "art" else None
                if refused is not None:
                    return refused
                content = self._content(leave)
                if len(self._ready) >= READY_KEPT:
                    self._ready.clear()
                self._ready[place] = leave, content
                return answers.answer(asked, content)
        return answers.refuse(404, "unknown", "no release has such a file")

    def _alone(self, picture: bytes) -> Response | None:
        """The refusal of a picture none of whose music may be released: it goes with it. It is
        remembered as long as the gate's answers are, so that asking again costs nothing."""
        here, standing = self._here, self._here.standing()
        known = self._refused.get(picture)
        if known is not None and known.standing is standing and clock.monotonic() < known.until:
            return known.response()
        with here.archive.ledger.read() as connection:
            music = judging.music_with(here.archive, connection, [picture]).get(picture)
        if music is None:
            return None
        refusal = None
        until = clock.monotonic() + ANSWER_SECONDS
        for root in music:
            leave = here.leave(root, Act.RELEASE)
            if leave is None:
                continue
            if not isinstance(leave.answer, Refusal):
                return None
            refusal = refusal or leave.answer
            until = min(until, leave.until)
        if len(self._refused) >= READY_KEPT:
            self._refused.clear()
        known = self._refused[picture] = _Alone(refusal, standing, until)
        return known.response()

    def _content(self, leave: Leave) -> Content:
        here, root = self._here, leave.key.root
        return Content(
            here.source(leave),
            leave.key.size,
            root.hex(),
            "application/octet-stream",
            still=lambda: here.permits(root, Act.RELEASE),
            reserved=root in here.reserved().roots,
            accel=here.accel(leave),
        )


def _editions(here: Context, torrent: str) -> Iterator[tuple[Release, Volume]]:
    """Every edition of the volume whose torrent is called so, with the newest release that has it:
    a file that was withdrawn is still known by its older editions."""
    r = tables.releases.c
    stage = re.search(r"-s(\d{1,4})-[vam]\d+$", torrent)
    if stage is None:
        return
    query = sa.select(r.document).where(r.stage == int(stage[1])).order_by(r.time.desc())
    with here.archive.ledger.read() as connection:
        texts = list(connection.scalars(query))
    seen: set[str] = set()
    for text in texts:
        try:
            release = read_release(json.loads(text))
        except LongplayError:
            continue
        for volume in release.volumes:
            if volume.name not in seen and re.sub(r"-r\d+$", "", volume.name) == torrent:
                seen.add(volume.name)
                yield release, volume


def _own_file(asked: Conditions, here: Context, volume: Volume, path: str) -> Response:
    """A file of a metadata volume, which lies in the folder of the release that cut it."""
    source = here.archive.releases / volume.release / path
    if "/" in path or path.startswith(".") or not source.is_file():
        return answers.refuse(404, "unknown", "no release has such a file")
    size = source.stat().st_size
    content = Content(source, size, f"{volume.name}-{size}", "application/octet-stream")
    return answers.answer(asked, content)
