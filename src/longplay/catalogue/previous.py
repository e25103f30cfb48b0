"""A source's tracks before and after an import: which came, which went, and for which another
track stands now.

Both are records on disk in parts by key, and are compared part by part: of a layer of 256 M tracks
some gigabytes of disk, and in memory the keys while they are put there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longplay.catalogue import keys, parted
from longplay.catalogue.keys import Hashes
from longplay.catalogue.layout import Layer
from longplay.catalogue.numbering import Documents
from longplay.catalogue.parted import Parted

DATED = np.dtype([("key", "<u8"), ("standing", "<u8"), ("since", "<u4")])
"""A track of the layer before: its key, that of the track that stands for its recording there, and
the first snapshot that had it."""

PLACED = np.dtype([("key", "<u8"), ("standing", "<u8"), ("document", "<u4")])
"""A track of the new layer: its key, that of the one that stands for it, and its number."""

AT_ONCE = 1 << 18
"""Tracks that are read, and made records of, at once."""

Records = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Tracks:
    """The tracks of one layer, `count` of them, in parts by key."""

    count: int
    parted: Parted

    def parts(self) -> Iterator[Records]:
        """The records of each part, by key: together all, in order."""
        for part in range(len(self.parted)):
            records = self.parted.part(part)
            yield records[np.argsort(records["key"])]

    def of(self, wanted: Hashes) -> Records:
        """The records of these keys, as far as there are any."""
        found = [self.parted.part(0)[:0]]
        wanted = np.unique(wanted)
        if len(wanted):
            found += [records[_among(records["key"], wanted)] for records in self.parts()]
        return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class Changes:
    """How a layer differs from the one before: the keys of the tracks that it has no more (`gone`),
    those of the tracks for which another stands than did (`moved`), and the documents that must be
    looked at again (`unsettled`, ascending; see `compare`)."""

    gone: Hashes
    moved: Hashes
    unsettled: Documents


@dataclass(frozen=True, slots=True)
class Pair:
    """The tracks of a source `before` (`DATED`) and `after` (`PLACED`) an import, cut alike."""

    before: Tracks
    after: Tracks

    def _parts(self) -> Iterator[tuple[Records, Records]]:
        return zip(self.before.parts(), self.after.parts(), strict=True)

    def since(self, number: int) -> Documents:
        """By document which snapshot had each track first: this one, of that `number`, those that
        were not there before."""
        if not self.before.count:
            return np.broadcast_to(np.uint32(number), self.after.count)
        found = np.full(self.after.count, number, np.uint32)
        for was, now in self._parts():
            places, known = keys.find(was["key"], now["key"])
            found[now["document"][known]] = was["since"][places[known]]
        return found

    def compare(self, overridden: Callable[[Hashes], npt.NDArray[np.bool_]]) -> Changes:
        """What changed; `overridden` tells of which tracks the runs of `members` say something.

        A track of the new layer is settled, unless another layer has to do with it, when

        - it and all that stand with it are new, and nothing was ever said of them: they get the id
          that their layer alone says, which nobody ever had;
        - or they stand with the track that all of them stood with before, and so does every other
          that stood with it; who is new beside them must be new to the runs, too, and so must the
          one that stands for them: all had one recording, and have it still.

        All others are unsettled. So matching a layer without its settled tracks gives what matching
        it as a whole does.
        """
        gone, moved, left, unsettled = ([np.zeros(0, np.uint64)] for _ in range(4))
        for was, now in self._parts():
            places, known = keys.find(was["key"], now["key"])
            stayed, kept = was[places[known]], now[known]
            parting = stayed["standing"] != kept["standing"]
            went = was[~_among(was["key"], now["key"])]
            came = now[~known]
            said = overridden(came["key"]) | overridden(came["standing"])
            gone.append(went["key"])
            moved.append(stayed["key"][parting])
            left += [went["standing"], stayed["standing"][parting]]
            unsettled += [kept["document"][parting], came["document"][said]]
        # A recording that lost a track is looked at as a whole: what is left must have its say.
        lost = np.unique(np.concatenate(left))
        if len(lost):
            for was, now in self._parts():
                broken = was["key"][_among(was["standing"], lost)]
                unsettled.append(now["document"][_among(now["key"], broken)])
        together = np.unique(np.concatenate(unsettled)).astype(np.uint32)
        return Changes(np.concatenate(gone), np.concatenate(moved), together)


def read(folder: Path, layer: Layer | None, scratch: Path) -> Tracks:
    """The tracks of a layer before an import (`DATED`), in files below `scratch`; None has none."""
    count = layer.rows("tracks") if layer else 0
    found = Parted(scratch, "before", DATED, parted.bits_for(count))
    if not layer:
        return Tracks(0, found)
    own_keys = np.empty(count, np.uint64)
    done = 0
    for batch in _batches(folder, layer, "own_id"):
        own_keys[done : done + len(batch)] = keys.row_keys("tr", layer.source, batch["own_id"])
        done += len(batch)
    done = 0
    for batch in _batches(folder, layer, "same_as", "since"):
        itself = pa.array(np.arange(done, done + len(batch), dtype=np.uint32))
        records = np.empty(len(batch), DATED)
        records["key"] = own_keys[done : done + len(batch)]
        records["standing"] = own_keys[pc.coalesce(batch["same_as"], itself).to_numpy()]
        records["since"] = batch["since"].to_numpy()
        found.add(records, records["key"])
        done += len(batch)
    return Tracks(count, found)


def follow(before: Tracks, own_keys: Hashes, same: Documents, scratch: Path) -> Pair:
    """The tracks of a layer and of the one that is to follow it, of which these are by document the
    keys, and the documents that stand for them."""
    bits = parted.bits_for(max(before.count, len(own_keys)))
    if bits != before.parted.bits:
        again = Parted(scratch, "before-again", DATED, bits)
        for records in before.parts():
            again.add(records, records["key"])
        before = Tracks(before.count, again)
    after = Parted(scratch, "after", PLACED, bits)
    for start in range(0, len(own_keys), AT_ONCE):
        here = slice(start, start + AT_ONCE)
        records = np.empty(len(own_keys[here]), PLACED)
        records["key"], records["standing"] = own_keys[here], own_keys[same[here]]
        records["document"] = np.arange(start, start + len(records), dtype=np.uint32)
        after.add(records, records["key"])
    return Pair(before, Tracks(len(own_keys), after))


def _among(some: Hashes, ordered: Hashes) -> npt.NDArray[np.bool_]:
    """Which of `some` are among the ordered ones."""
    return keys.find(ordered, some)[1]


def _batches(folder: Path, layer: Layer, *columns: str) -> Iterator[pa.RecordBatch]:
    for part in layer.tables["tracks"]:
        with pq.ParquetFile(folder / part.file) as file:
            # One group of rows after the other: at once, all of the file's are held.
            for group in range(file.num_row_groups):
                yield from file.iter_batches(AT_ONCE, row_groups=[group], columns=list(columns))
