"""Which files of a range are due: the rest are held, in quarantine, forgotten or gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from longplay.capture.batch import Carried
from longplay.capture.fetching import Listed
from longplay.capture.held import Original
from longplay.capture.totals import Totals
from longplay.files import escape, inside, mtime_ns
from longplay.ledger import forgetting, naming, tables
from longplay.ledger.database import Ledger
from longplay.ledger.writing import parts
from longplay.model import Action, Kind, ObjectKey

State = tuple[int | None, int | None, str | None]
"""Size, modification time and version of a file; None for what nobody says."""

Name = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Item:
    """One file of the plan, with what the catalogue says of it; `listed` is what its source
    listed, None for the files of a folder."""

    ordinal: int
    path: bytes
    action: Action
    expected_bytes: int
    carried: Carried
    listed: Listed | None = None
    kind: Kind | None = None

    @property
    def name(self) -> Name:
        """Source and path."""
        return self.carried.source, self.path


@dataclass(frozen=True, slots=True)
class DueItem:
    """An item that is due, with the state of its file; with `original` a copy of what is held is to
    be made, and nothing to be fetched."""

    item: Item
    state: State
    original: Original | None = None


@dataclass(slots=True)
class _Known:
    held: dict[Name, tuple[State, str]] = field(default_factory=dict)
    originals: dict[Name, Original] = field(default_factory=dict)
    copied: dict[Name, list[State]] = field(default_factory=dict)
    refused: dict[Name, State] = field(default_factory=dict)
    forgotten: dict[Name, list[tuple[int, int, str]]] = field(default_factory=dict)


def sort_out(
    ledger: Ledger, folders: dict[str, str], items: Iterable[Item], retry: bool = False
) -> tuple[list[DueItem], Totals]:
    """The items that are due; the others are counted. With `retry` those are due, too, which their
    source refused."""
    items = list(items)
    known = _known(ledger, items, retry)
    missing = {name for name, place in folders.items() if not Path(place).is_dir()}
    due, totals, told = [], Totals(), set()
    for item in items:
        source = item.carried.source
        if source in missing:
            words = () if source in told else (f"{folders[source]}: is not there",)
            told.add(source)
            totals += Totals(offered=1, failed=1, failures=words)
            continue
        state = _state(folders, item)
        if state is None:
            why = "is gone" if source in folders else "is offered no longer"
            totals += Totals(offered=1, failed=1, failures=(f"{escape(item.path)}: {why}",))
            continue
        counted = _counted(item, state, known)
        if counted is None:
            held, _ = known.held.get(item.name, (None, ""))
            same = held is not None and is_same(state, held)
            due.append(DueItem(item, state, _to_copy(item, known) if same else None))
        else:
            totals += counted
    return due, totals


def _state(folders: dict[str, str], item: Item) -> State | None:
    """The state of the file now, as far as it is known; None where it is not there."""
    place = folders.get(item.carried.source)
    if place is None:
        listed = item.listed
        return (listed.size, listed.mtime_ns, listed.token) if listed else None
    try:
        facts = inside(Path(place), item.path).lstat()
    except OSError:
        return None
    return facts.st_size, mtime_ns(facts), None


def _counted(item: Item, state: State, known: _Known) -> Totals | None:
    """How an item counts that is not due; None for one that is."""
    held, action = known.held.get(item.name, (None, ""))
    forgotten = [
        why
        for size, time, why in known.forgotten.get(item.name, ())
        if is_same(state, (size, time, None))
    ]
    if forgotten:
        words = f"{escape(item.path)}: was forgotten: {forgotten[0]}"
        return Totals(offered=1, skipped=1, reasons=(words,))
    better = item.action == Action.ORIGINAL and action == Action.OPUS
    if held is not None and is_same(state, held) and not better and not _to_copy(item, known):
        return Totals(offered=1, already_held=1)
    refused = known.refused.get(item.name)
    # What is told anew of a file that was refused is worth a try.
    told = refused is not None and state[2] is not None and state[2] != refused[2]
    if refused is not None and is_same(state, refused) and not told:
        return Totals(offered=1, quarantined=1)
    return None


def _to_copy(item: Item, known: _Known) -> Original | None:
    """The held original of which the plan now wants a copy that is not there yet."""
    if item.action != Action.OPUS or item.name not in known.originals:
        return None
    state, _ = known.held[item.name]
    there = any(is_same(state, copied) for copied in known.copied.get(item.name, ()))
    return None if there else known.originals[item.name]


def is_same(now: State, then: State) -> bool:
    """Whether a file is as it was then, as far as both are known."""
    return all(a is None or b is None or a == b for a, b in zip(now, then, strict=True))


def _known(ledger: Ledger, items: Iterable[Item], retry: bool) -> _Known:
    """What is held, in quarantine, and forgotten, of the items' paths."""
    by_source: dict[str, list[bytes]] = {}
    for item in items:
        by_source.setdefault(item.carried.source, []).append(item.path)
    known = _Known()
    h, o, q = tables.holdings.c, tables.objects.c, tables.quarantine.c
    with ledger.read() as connection:
        for source, paths in by_source.items():
            for chunk in parts(paths):
                for row in connection.execute(
                    sa.select(h.path, h.source_size, h.mtime_ns, h.version, h.action, h.superseded,
                              o.root, o.size, o.suffix, o.sha256, o.kind)
                    .outerjoin_from(tables.holdings, tables.objects, o.number == h.object)
                    .where(naming.at(h, source, chunk))
                ):  # fmt: skip
                    _note(known, (source, row.path), row)
                for path, *state in connection.execute(
                    sa.select(q.path, q.size, q.mtime_ns, q.version).where(
                        q.source == source,
                        q.path.in_(chunk),
                        q.root.is_not(None) if retry else sa.true(),
                    )
                ):
                    known.refused[source, path] = (state[0], state[1], state[2])
                for path, then in forgetting.reasons(connection, source, chunk).items():
                    known.forgotten[source, path] = then
    return known


def _note(known: _Known, name: Name, row: Any) -> None:
    """Take a row of the holdings into account, joined with its object."""
    state: State = (row.source_size, row.mtime_ns, row.version)
    if row.action == Action.OPUS:
        known.copied.setdefault(name, []).append(state)
    if row.superseded:
        return
    known.held[name] = (state, row.action)
    if row.action == Action.ORIGINAL and row.kind == Kind.AUDIO:
        known.originals[name] = Original(ObjectKey(row.root, row.size), row.suffix, row.sha256)
