"""What may be released: music and its art, judged by the gate, described by what may be told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from longplay import clock
from longplay.archive import Archive
from longplay.catalogue import describe, ids
from longplay.catalogue.describe import Permitted
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.files import escape
from longplay.ledger import log, origins, queries
from longplay.release.cut import OBJECTS
from longplay.release.describing import Credit
from longplay.rights.gate import Refusal, Shareable
from longplay.workflows import rights, shares
from longplay.workflows.claims import reserved_recordings

TAGS = "tags"
"""The format of layers that were read from the files themselves."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Releasable:
    """What may be released: `objects` as `OBJECTS` has it (music, most listened-to first, then
    art), and the gate's leave for each row.

    `begins` is where each row begins in the listens of all that may be released (0 to 1); it is
    infinite for what comes into no new volume: objects that do not stand best for their recordings
    stay in the volumes that have them. `listens` are those of the whole catalogue; `day` is that of
    the newest entry of the log.
    """

    objects: pa.Table
    begins: NDArray[np.float64]
    leave: list[Shareable]
    listens: float
    credits: tuple[Credit, ...]
    day: str
    withheld: dict[str, int]

    def between(self, low: float, high: float) -> Mask:
        """The rows of a stage, between two shares of listens. A row belongs where it begins, so the
        first is always in the first stage, and all are in the stages together."""
        below = np.isfinite(self.begins) if high >= 1.0 else self.begins < high
        return (self.begins >= low) & below


def releasable(archive: Archive) -> Releasable:
    """Every object that carries a recording, and the pictures with it, judged and described."""
    rights.catch_up(archive)
    snapshot = open_current(archive.catalogue)
    listening = shares.listening(archive, snapshot)
    with archive.ledger.read() as connection:
        held = queries.releasable(connection)
        pictures = origins.pictures(connection)
        position, day = log.head(connection), log.day(connection)
    music = _by_object(snapshot, held, listening)
    asked = pa.concat_tables([music.select(_KEY), pictures.select(_KEY)])
    verdicts = rights.judge_release(archive, asked, clock.now(), position)
    judged = pa.array([isinstance(verdict, Shareable) for verdict in verdicts], pa.bool_())
    allowed = music.filter(judged.slice(0, len(music)))
    preferred = _preferred(allowed)
    rows, holders = _with_music(pictures, allowed, preferred)
    of_art = [verdicts[len(music) + row] for row in rows.tolist()]
    told = [isinstance(verdict, Shareable) for verdict in of_art]
    rows, holders = rows[told], holders[told]
    described, credits = _described(archive, snapshot, allowed)
    art = _as_art(described.take(pa.array(holders)), pictures.take(pa.array(rows)))
    of_music = verdicts[: len(music)]
    leave = [verdict for verdict in (*of_music, *of_art) if isinstance(verdict, Shareable)]
    begins = np.where(preferred, _begins(allowed, preferred), np.inf)
    return Releasable(
        _with_leave(pa.concat_tables([described, art]), leave),
        np.concatenate([begins, begins[holders]]),
        leave,
        listening.total,
        credits,
        day,
        _withheld([*of_music, *of_art]),
    )


_KEY = ["root", "size"]


def _withheld(verdicts: list[Shareable | Refusal]) -> dict[str, int]:
    """How many objects the gate kept out, by reason."""
    counts = Counter(one.reason for one in verdicts if isinstance(one, Refusal))
    return dict(sorted(counts.items()))


def _by_object(snapshot: Snapshot, held: pa.Table, listening: shares.Listening) -> pa.Table:
    """One row per object, most listened-to first, with its most listened-to recording and the
    listens of all that it carries."""
    recordings = shares.current(snapshot, held["recording"].to_numpy())
    heard = listening.of(recordings).astype(np.float64)
    held = held.drop_columns(["recording"])
    held = held.append_column("recording", pa.array(recordings))
    held = held.append_column("listens", pa.array(heard))
    order = [("listens", "descending"), ("recording", "ascending"), ("root", "ascending")]
    held = held.sort_by(order)
    sums = held.group_by("root").aggregate([("listens", "sum")])
    held = held.filter(pa.array(_first(held["root"]))).drop_columns(["listens"])
    held = held.join(sums, "root").rename_columns({"listens_sum": "listens"})
    return held.sort_by([("listens", "descending"), ("root", "ascending")])


def _preferred(allowed: pa.Table) -> Mask:
    """Which objects stand best for their recordings: by role, then the largest."""
    order = pc.sort_indices(
        allowed,
        sort_keys=[("rank", "ascending"), ("size", "descending"), ("root", "ascending")],
    )
    best = np.zeros(allowed.num_rows, bool)
    ranked = allowed.take(order)
    parts = pc.equal(ranked["rank"], queries.PART_RANK).to_numpy(zero_copy_only=False)
    best[order.to_numpy()] = _first(ranked["recording"]) | parts
    return best


def _first(column: pa.ChunkedArray) -> Mask:
    """Whether each value stands for the first time."""
    codes = pc.dictionary_encode(column.combine_chunks()).indices.to_numpy(zero_copy_only=False)
    first = np.zeros(len(codes), bool)
    first[np.unique(codes, return_index=True)[1]] = True
    return first


def _begins(allowed: pa.Table, preferred: Mask) -> NDArray[np.float64]:
    """Where each row begins in the listens of those that are preferred."""
    listens = np.where(preferred, allowed["listens"].to_numpy(), 0.0)
    begins = (np.cumsum(listens) - listens) / (listens.sum() or 1.0)
    return np.maximum(begins, 0.0)


def _with_music(
    pictures: pa.Table, allowed: pa.Table, preferred: Mask
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each picture that is with music that may be released: its row in `pictures`, and the row in
    `allowed` of the music that it goes with, which stands best and is listened to most."""
    at = pc.index_in(pictures["holder"], allowed["root"]).combine_chunks()
    rows = np.flatnonzero(at.is_valid())
    holders = at.drop_null().to_numpy().astype(np.int64)
    roots = pictures["root"].combine_chunks().dictionary_encode().indices.to_numpy()[rows]
    order = np.lexsort((rows, holders, ~preferred[holders], roots))
    first = order[np.unique(roots[order], return_index=True)[1]]
    first = first[np.lexsort((rows[first], holders[first]))]
    return rows[first], holders[first]


def _described(
    archive: Archive, snapshot: Snapshot, allowed: pa.Table
) -> tuple[pa.Table, tuple[Credit, ...]]:
    """The columns of `OBJECTS` but for leave, and the sources of what they tell."""
    recordings = allowed["recording"].to_numpy()
    leave = Permitted(describe.permitted(snapshot), _own_tracks(archive, snapshot, allowed))
    known = describe.display_permitted(snapshot, recordings, leave)
    keys = known["recording"].to_numpy()
    at = np.searchsorted(keys, recordings).clip(0, max(len(keys) - 1, 0))
    absent = keys[at] != recordings if len(keys) else np.ones(len(recordings), bool)
    described = known.take(pa.array(at, mask=absent))
    columns = {name: described[name] for name in described.column_names}
    columns |= {name: allowed[name] for name in allowed.column_names}
    reserved = np.array(sorted(reserved_recordings(archive)), np.uint64)
    columns["kind"] = pa.array(["audio"]).take(pa.array(np.zeros(len(recordings), np.int8)))
    columns["recording"] = pa.array(ids.texts("rec", recordings), pa.string())
    columns["album_artist"] = _first_of(described["album_artists"].combine_chunks())
    columns["tdm_reserved"] = pa.array(np.isin(recordings, reserved))
    told = [field for field in OBJECTS if field.name not in _LEAVE]
    credits = describe.credits(snapshot, described["source"].drop_null().unique().to_pylist())
    return (
        pa.table({field.name: columns[field.name].cast(field.type) for field in told}),
        tuple(Credit(*credit) for credit in credits),
    )


def _first_of(lists: pa.Array) -> pa.Array:
    """The first of each list, null where there is none."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    starts = lists.offsets.to_numpy()[:-1]
    return lists.values.take(pa.array(starts, mask=lengths == 0))


_LEAVE = ("statement", "evidence")


def _own_tracks(archive: Archive, snapshot: Snapshot, allowed: pa.Table) -> NDArray[np.uint64]:
    """The tracks whose tags are in objects that may be released: they go with them."""
    sources = [source for source, layer in snapshot.manifest.layers.items() if layer.format == TAGS]
    if not sources:
        return np.empty(0, np.uint64)
    with archive.ledger.read() as connection:
        tracks = origins.tracks(connection, sources)
    inside = pc.is_in(tracks["root"], allowed["root"])
    return np.unique(tracks["track"].filter(inside).to_numpy())


def _as_art(described: pa.Table, pictures: pa.Table) -> pa.Table:
    """Rows of pictures, named like the music that they are with."""
    count = pictures.num_rows
    columns = {name: described[name] for name in described.column_names}
    for name in ("recording", "disc_number", "track_number", "isrc", "release_date", "duration_ms"):
        columns[name] = pa.nulls(count, described.schema.field(name).type)
    for name in ("root", "size", "sha256", "suffix", "piece_length"):
        columns[name] = pictures[name]
    columns["kind"] = pa.array(["art"] * count, pa.string()).cast(OBJECTS.field("kind").type)
    paths = zip(pictures["role"].to_pylist(), pictures["path"].to_pylist(), strict=True)
    titles = [role if path is None else _stem(path) for role, path in paths]
    columns["title"] = pa.array(titles, pa.string())
    return pa.table(columns, schema=described.schema)


def _stem(path: bytes) -> str:
    return PurePosixPath(escape(path)).stem


def _with_leave(objects: pa.Table, leave: list[Shareable]) -> pa.Table:
    """The rows with the statements that they may be released under, as `OBJECTS` has them."""
    said = {
        "statement": pa.array([one.uri for one in leave], pa.string()),
        "evidence": pa.array(["; ".join(one.evidence) for one in leave], pa.string()),
    }
    for name, texts in said.items():
        objects = objects.append_column(name, texts.dictionary_encode())
    return objects.select(OBJECTS.names).cast(OBJECTS).unify_dictionaries().combine_chunks()
