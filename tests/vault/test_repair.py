"""Repair: a table of damages, each with what must come back and what must stay lost.

Of every case three things are asserted: the damage is gone, what was good is untouched, and the
loss is exactly what was predicted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from longplay.errors import StoreError
from longplay.model import BLOCK, ObjectKey
from longplay.vault import fixity, repair
from longplay.vault.blocks import PATIENCE, Watched
from longplay.vault.repair import Mended
from longplay.vault.store import FolderStore
from tests.torrent.making import content, hashed

SIZE = 150 * BLOCK + 77
COUNT = 151
DATA = content(SIZE, 1)
HASHES = hashed(DATA, 256 * 1024)
KEY, LEAVES = HASHES.key, HASHES.leaves
OTHER = content(3 * BLOCK, 2)
OTHER_KEY = hashed(OTHER, 256 * 1024).key

Change = Callable[[bytearray], None]


class Source:
    """A source in memory, with what is wrong with it."""

    def __init__(self, name: str, data: bytes | None, failing: bool = False) -> None:
        self.name = name
        self.data = data
        self.failing = failing
        self.received = 0
        self.asked: list[tuple[int, int]] = []

    def read(self, key: ObjectKey, start: int, length: int) -> bytes | None:
        self.asked.append((start, length))
        if self.failing:
            raise StoreError("does not answer", where=self.name)
        if self.data is None or key != KEY:
            return None
        part = self.data[start : start + length]
        self.received += len(part)
        return part


def zero(*blocks: int) -> Change:
    def change(data: bytearray) -> None:
        for block in blocks:
            end = min((block + 1) * BLOCK, len(data))
            data[block * BLOCK : end] = bytes(end - block * BLOCK)

    return change


def flip(*places: int) -> Change:
    def change(data: bytearray) -> None:
        for place in places:
            data[place] ^= 1

    return change


def cut(size: int) -> Change:
    def change(data: bytearray) -> None:
        del data[size:]

    return change


def longer(data: bytearray) -> None:
    data += b"more" * BLOCK


def swap(data: bytearray) -> None:
    one, two = slice(BLOCK, 2 * BLOCK), slice(9 * BLOCK, 10 * BLOCK)
    data[one], data[two] = data[two], data[one]


def whole(_data: bytearray) -> None:
    """No damage."""


@dataclass(frozen=True)
class Case:
    """`change` is what happened to the object (None: it is gone), `sources` what happened to the
    copies elsewhere (None: they have none); `fetched` is the most that may travel."""

    name: str
    change: Change | None
    sources: tuple[Change | None, ...]
    found: tuple[int, ...]
    lost: tuple[int, ...] = ()
    given: dict[str, int] = field(default_factory=dict)


EVERY = tuple(range(COUNT))
CASES = [
    Case("one bit", flip(5 * BLOCK + 3), (whole,), (5,), given={"s0": 1}),
    Case("a zeroed block", zero(17), (whole,), (17,), given={"s0": 1}),
    Case("the short last block", zero(150), (whole,), (150,), given={"s0": 1}),
    Case("neighbours", zero(3, 4, 5), (whole,), (3, 4, 5), given={"s0": 3}),
    Case("far apart", flip(0, SIZE - 1), (whole,), (0, 150), given={"s0": 2}),
    Case("truncated", cut(148 * BLOCK + 9), (whole,), (148, 149, 150), given={"s0": 3}),
    Case("emptied", cut(0), (whole,), EVERY, given={"s0": COUNT}),
    Case("too long", longer, (), (COUNT,)),
    Case("swapped blocks", swap, (whole,), (1, 9), given={"s0": 2}),
    Case("missing", None, (whole,), EVERY, given={"s0": COUNT}),
    Case("all of it", zero(*EVERY), (whole,), EVERY, given={"s0": COUNT}),
    Case("the copy damaged elsewhere", zero(7), (zero(8),), (7,), given={"s0": 1}),
    Case("the copy damaged in the same block", zero(7), (zero(7),), (7,), (7,)),
    Case("two copies, each with its own hole", zero(1, 2), (zero(1), zero(2)), (1, 2),
         given={"s0": 1, "s1": 1}),
    Case("two copies, one hole in common", zero(1, 2, 9), (zero(1, 9), zero(9)), (1, 2, 9), (9,),
         given={"s0": 1, "s1": 1}),
    Case("a copy that ends before", zero(2, 149), (cut(140 * BLOCK),), (2, 149), (149,),
         given={"s0": 1}),
    Case("missing, and the copy has a hole", None, (zero(70),), EVERY, (70,),
         given={"s0": COUNT - 1}),
    Case("a lying source before an honest one", zero(4), (zero(*EVERY), whole), (4,),
         given={"s1": 1}),
    Case("nobody has it", zero(4), (None, None), (4,), (4,)),
    Case("no source at all", zero(4, 6), (), (4, 6), (4, 6)),
    Case("missing, with no source", None, (), EVERY, EVERY),
]  # fmt: skip


def changed(data: bytes, change: Change | None) -> bytes | None:
    if change is None:
        return None
    copy = bytearray(data)
    change(copy)
    return bytes(copy)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    made = FolderStore(tmp_path / "objects")
    made.prepare()
    neighbour = made.path(OTHER_KEY, ".ogg")
    neighbour.parent.mkdir(parents=True)
    neighbour.write_bytes(OTHER)
    return made


def mend(store: FolderStore, sources: list[Source], leaves: bytes = LEAVES) -> Mended:
    reading = fixity.read_file(store.path(KEY, ".ogg"), KEY.size)
    watched = [Watched(source) for source in sources]
    finding = fixity.judge(KEY, leaves, reading)
    return repair.mend(store, ".ogg", finding, watched, lambda _ready: True)


def put(store: FolderStore, data: bytes | None) -> Path:
    path = store.path(KEY, ".ogg")
    path.parent.mkdir(parents=True, exist_ok=True)
    if data is not None:
        path.write_bytes(data)
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_damage_goes_good_stays_and_the_loss_is_as_predicted(
    store: FolderStore, case: Case
) -> None:
    path = put(store, changed(DATA, case.change))
    neighbour = store.path(OTHER_KEY, ".ogg")
    before = neighbour.stat()
    kept = path.stat() if path.exists() else None
    sources = [Source(f"s{n}", changed(DATA, one)) for n, one in enumerate(case.sources)]
    done = mend(store, sources)

    found = done.found.blocks if case.change else EVERY
    assert found == case.found
    assert (done.lost, done.blocks) == (case.lost, case.given)
    assert done.whole == (not case.lost)

    after = fixity.read_file(path, KEY.size)
    if case.given or not case.lost:
        assert path.stat().st_size == SIZE
        assert fixity.judge(KEY, LEAVES, after).blocks == case.lost
    elif kept is None:
        assert not path.exists()
    else:
        now = path.stat()
        assert (now.st_ino, now.st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)

    now = neighbour.stat()
    assert (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert neighbour.read_bytes() == OTHER
    assert list(store.incoming.iterdir()) == []
    wanted = [block for block in case.found if block < COUNT]
    for source in sources:
        assert source.received <= len(wanted) * BLOCK


def test_a_source_that_hangs_is_given_up_and_the_next_is_asked(store: FolderStore) -> None:
    put(store, changed(DATA, zero(*range(0, 100, 2))))
    failing, honest = Source("failing", DATA, failing=True), Source("honest", DATA)
    done = mend(store, [failing, honest])
    assert done.whole
    assert done.blocks == {"honest": 50}
    assert len(failing.asked) == PATIENCE


def test_lies_are_told_with_their_source(store: FolderStore) -> None:
    put(store, changed(DATA, zero(4, 8)))
    liar = Watched(Source("liar", bytes(SIZE)))
    finding = fixity.judge(KEY, LEAVES, fixity.read_file(store.path(KEY, ".ogg"), KEY.size))
    repair.mend(store, ".ogg", finding, [liar], lambda _ready: True)
    assert liar.account().refused == 2
    assert [(one.source, one.object, one.why) for one in liar.refusals] == [
        ("liar", KEY.hex, "block 4 is not the object's"),
        ("liar", KEY.hex, "block 8 is not the object's"),
    ]


@pytest.mark.parametrize("leaves", [b"", bytes(len(LEAVES)), LEAVES[:-32]])
def test_without_leaves_that_prove_themselves_an_object_is_brought_whole(
    store: FolderStore, leaves: bytes
) -> None:
    path = put(store, changed(DATA, zero(4)))
    sources = [Source("torn", changed(DATA, zero(9))), Source("none", None), Source("good", DATA)]
    done = mend(store, sources, leaves)
    assert done.whole
    assert done.blocks == {"good": COUNT}
    assert path.read_bytes() == DATA


def test_without_leaves_and_without_a_whole_copy_all_is_lost(store: FolderStore) -> None:
    torn = changed(DATA, zero(4))
    path = put(store, torn)
    done = mend(store, [Source("torn", changed(DATA, zero(9)))], b"")
    assert (done.whole, done.lost) == (False, EVERY)
    assert path.read_bytes() == torn


def test_what_is_not_approved_stays_as_it_is(store: FolderStore) -> None:
    torn = changed(DATA, zero(4))
    path = put(store, torn)
    finding = fixity.judge(KEY, LEAVES, fixity.read_file(path, KEY.size))
    source = Watched(Source("good", DATA))
    done = repair.mend(store, ".ogg", finding, [source], lambda _ready: False)
    assert not done.whole
    assert path.read_bytes() == torn
    assert list(store.incoming.iterdir()) == []


def test_an_interruption_leaves_the_damaged_file_as_it_was(store: FolderStore) -> None:
    torn = changed(DATA, zero(4, 90))
    path = put(store, torn)

    class Interrupted(Source):
        def read(self, key: ObjectKey, start: int, length: int) -> bytes | None:
            if start > 50 * BLOCK:
                raise KeyboardInterrupt
            return super().read(key, start, length)

    with pytest.raises(KeyboardInterrupt):
        mend(store, [Interrupted("s", DATA)])
    assert path.read_bytes() == torn
    assert list(store.incoming.iterdir()) == []
    assert mend(store, [Source("s", DATA)]).whole


def test_an_object_without_bytes_needs_no_source(store: FolderStore) -> None:
    empty = ObjectKey(bytes(32), 0)
    finding = fixity.judge(empty, b"", fixity.read_file(store.path(empty, ""), 0))
    assert finding.missing
    assert repair.mend(store, "", finding, [], lambda _ready: True).whole
    assert store.path(empty, "").read_bytes() == b""
