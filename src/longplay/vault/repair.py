"""Repair: a damaged object gets back exactly the blocks that it lost, each one proved.

1. A block counts when its SHA-256 is the leaf that the evidence has, and the evidence counts when
   its leaves prove themselves against (root, size). Without such leaves an object is brought whole
   from one source, and counts when its root is right.
2. The repaired file is written beside, synced, read again, and takes the damaged one's place in
   one step. Until then the damaged one stays; nothing else is touched.
3. What no source has stays lost, and is said; what could be had is written all the same.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import IO

from longplay.files import TEMPORARY
from longplay.model import BLOCK, ObjectKey
from longplay.torrent import merkle
from longplay.vault import fixity
from longplay.vault.blocks import Watched
from longplay.vault.fixity import Finding
from longplay.vault.objects import ObjectStore

RUN_BLOCKS = 64
"""Neighbouring blocks that are asked for at once: a megabyte, which is held in memory."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of one object: `blocks` were brought, by the source that gave them; `lost` are
    those that no source has. `whole` says that it is now as it came in."""

    key: ObjectKey
    found: Finding
    blocks: dict[str, int] = field(default_factory=dict)
    lost: tuple[int, ...] = ()
    whole: bool = False
    changed: bool = False


Approve = Callable[[Mended], bool]
"""Asked when the repaired file is ready, before it takes its place; False leaves all as it is."""


def mend(
    store: ObjectStore,
    suffix: str,
    finding: Finding,
    sources: Sequence[Watched],
    approve: Approve,
) -> Mended:
    """Repair one object from the first sources that have what it lost.

    Raises OSError when the repaired file cannot be written; the damaged one is then as it was.
    """
    staged = store.staging / f"repair-{finding.key.hex}.{os.getpid()}{TEMPORARY}"
    try:
        if finding.leaves is None:
            mended = _bring_whole(staged, finding, sources)
        else:
            with _opened(store, finding.key, suffix) as damaged:
                mended = _bring_blocks(damaged, staged, finding, sources)
        if not mended.changed or not approve(mended):
            return Mended(finding.key, finding, lost=_wanted(finding))
        store.replace(staged, finding.key, suffix)
        return mended
    finally:
        staged.unlink(missing_ok=True)


def _bring_blocks(
    old: IO[bytes], staged: Path, finding: Finding, sources: Sequence[Watched]
) -> Mended:
    """Write the object with the damaged blocks in place of which proved ones came."""
    key, leaves = finding.key, finding.leaves or b""
    wanted = set(_wanted(finding))
    given: dict[str, int] = {}
    lost: list[int] = []
    with staged.open("wb") as out:
        for blocks in _runs(range(merkle.blocks_of(key.size)), wanted):
            start, length = _span(key, blocks)
            out.seek(start)
            if blocks[0] not in wanted:
                _copy(old, out, start, length)
                continue
            found = _ask(key, leaves, blocks, sources, given)
            for block in blocks:
                place, size = _span(key, [block])
                out.seek(place)
                if block in found:
                    out.write(found[block])
                else:
                    lost.append(block)
                    _copy(old, out, place, size)
        out.truncate(key.size)
        out.flush()
        os.fsync(out.fileno())
    reading = fixity.read_file(staged, key.size)
    after = fixity.judge(key, leaves, reading)
    # The damaged file may rot on while it is copied: then nothing is changed, and all is said.
    as_meant = set(after.blocks) <= set(lost) and not after.missing
    changed = as_meant and (len(lost) < len(wanted) or not wanted)
    return Mended(key, finding, given, tuple(lost), after.sound, changed)


def _bring_whole(staged: Path, finding: Finding, sources: Sequence[Watched]) -> Mended:
    """Write the object as one source has it, if that is what it should be."""
    key = finding.key
    every = range(merkle.blocks_of(key.size))
    for source in sources:
        with staged.open("wb") as out:
            came = _download(key, source, every, out)
            out.flush()
            os.fsync(out.fileno())
        if not came:
            continue
        reading = fixity.read_file(staged, key.size)
        if reading is not None and reading.root == key.root and not reading.longer:
            source.prove(len(every))
            return Mended(key, finding, {source.name: len(every)}, (), True, True)
        source.refuse(key, 0)
    return Mended(key, finding, lost=tuple(every))


def _download(key: ObjectKey, source: Watched, every: range, out: IO[bytes]) -> bool:
    for blocks in _runs(every, set()):
        start, length = _span(key, blocks)
        data = source.read(key, start, length)
        if data is None or len(data) != length:
            return False
        out.write(data)
    return True


def _ask(
    key: ObjectKey,
    leaves: bytes,
    blocks: Sequence[int],
    sources: Sequence[Watched],
    given: dict[str, int],
) -> dict[int, bytes]:
    """Neighbouring blocks from whoever has them, each one proved."""
    found: dict[int, bytes] = {}
    for source in sources:
        missing = {block for block in blocks if block not in found}
        if not missing:
            break
        for run in _runs(range(blocks[0], blocks[-1] + 1), missing):
            if run[0] not in missing:
                continue
            data = source.read(key, *_span(key, run))
            if data is None:
                continue
            good = _proved(key, leaves, run, data, source)
            found |= good
            if good:
                source.prove(len(good))
                given[source.name] = given.get(source.name, 0) + len(good)
    return found


def _proved(
    key: ObjectKey, leaves: bytes, blocks: Sequence[int], data: bytes, source: Watched
) -> dict[int, bytes]:
    good = {}
    for number, block in enumerate(blocks):
        part = data[number * BLOCK : number * BLOCK + _span(key, [block])[1]]
        expected = leaves[block * merkle.DIGEST : (block + 1) * merkle.DIGEST]
        if part and hashlib.sha256(part).digest() == expected:
            good[block] = part
        else:
            source.refuse(key, block)
    return good


def _wanted(finding: Finding) -> tuple[int, ...]:
    """The blocks to bring: of an object that is too long none, it has but to be cut."""
    count = merkle.blocks_of(finding.key.size)
    if finding.missing:
        return tuple(range(count))
    return tuple(block for block in finding.blocks if block < count)


def _runs(every: range, wanted: set[int]) -> Iterator[Sequence[int]]:
    """Neighbours that are alike in being wanted or not, a megabyte at most."""
    for _, group in groupby(every, lambda block: block in wanted):
        blocks = list(group)
        for start in range(0, len(blocks), RUN_BLOCKS):
            yield blocks[start : start + RUN_BLOCKS]


def _span(key: ObjectKey, blocks: Sequence[int]) -> tuple[int, int]:
    """Where neighbouring blocks lie in the object: first byte, and number of bytes."""
    start = blocks[0] * BLOCK
    return start, min((blocks[-1] + 1) * BLOCK, key.size) - start


def _opened(store: ObjectStore, key: ObjectKey, suffix: str) -> IO[bytes]:
    """The damaged file; where there is none, nothing."""
    path = store.local(key, suffix)
    if path is None and store.size(key, suffix) is not None:
        return store.open(key, suffix)
    try:
        return (path or Path(os.devnull)).open("rb", buffering=0)
    except OSError:
        return Path(os.devnull).open("rb", buffering=0)


def _copy(old: IO[bytes], out: IO[bytes], start: int, length: int) -> None:
    """Copy what can be read of the old file; what cannot stays empty."""
    try:
        old.seek(start)
        out.write(old.read(length) or b"")
    except OSError:
        return
