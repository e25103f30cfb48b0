"""Which tracks are one recording: matching, and ids that outlive it.

Tracks that share an ISRC or a MusicBrainz recording id are one recording, and so are tracks of one
artist and title whose durations form a chain of steps of at most 3 s; a chain makes the answer the
same in whatever order the sources come. Only what an import touches is matched again:

- the tracks that it brings, changes or drops, the tracks that match those, and all other members
  of their recordings: nothing outside shares a key with them, so nothing outside can change;
- of the recordings that fall together, the one minted first stays (then the smaller key), and the
  others become redirects to it; of one that falls apart, the part with more members keeps the id
  (then the one with the smallest track), and the split is recorded;
- what a curator joined is one recording, and what a curator split never is (`corrections`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue import (
    constrained,
    corrections,
    database,
    ids,
    layout,
    previous,
    schema,
    scope,
)
from longplay.catalogue.clusters import STEP_MS
from longplay.catalogue.corrections import Constraints
from longplay.catalogue.database import Connection
from longplay.catalogue.keys import Hashes
from longplay.catalogue.layout import Layer, Manifest, Part
from longplay.catalogue.numbering import Documents
from longplay.catalogue.previous import Pair

SMALL = 1_000_000
"""Tracks of a layer that are always matched one by one, however small the rest is."""

MERGE_FACTOR = 4
"""A run is merged with the one before it when that has at most this many times its rows: so runs
grow geometrically, a row is rewritten a few times in all, and a small import leaves big runs be."""

Runs = dict[str, tuple[Part, ...]]


def latest(folder: Path, name: str, runs: Sequence[Part]) -> str:
    """A query for the rows of a join table that no later run overrides."""
    columns = schema.JOINS[name]
    key = next(iter(columns))
    if not runs:
        return schema.empty(columns)
    reads = [database.parquet([folder / run.file]) for run in runs]
    if name == "splits" or len(reads) == 1:
        return " UNION ALL ".join(f"SELECT * FROM {read}" for read in reads)
    overridden = [
        "".join(f" ANTI JOIN (SELECT {key} FROM {later}) USING ({key})" for later in reads[i:])
        for i in range(1, len(reads) + 1)
    ]
    return " UNION ALL ".join(
        f"SELECT {', '.join(columns)} FROM {read}{later}"
        for read, later in zip(reads, overridden, strict=True)
    )


def concerned(current: Manifest) -> bool:
    """Whether tracks that come can be one with others, or may have been there before."""
    tracked = any(layer.rows("tracks") for layer in current.layers.values())
    return tracked or any(current.joins.values())


def update(
    connection: Connection,
    folder: Path,
    scratch: Path,
    current: Manifest,
    layers: dict[str, Layer],
    source: str,
    pair: Pair,
) -> Runs:
    """Match what the new layer of `source` touches; returns the next snapshot's runs.

    `layers` are those of the next snapshot, `pair` the tracks of the source before and after.
    """
    bound = corrections.constraints(folder, current)
    found = _scope_of(connection, folder, current, layers, bound)
    changes = pair.compare(found.overridden)
    seeds = _seeds(layers, source, changes.unsettled)
    named = np.zeros(0, np.uint64)
    if len(seeds[source]) < pair.after.count:
        # What was said of its tracks may hold of new ones, too: they stand for each other.
        named = np.concatenate([bound.forced.ravel(), bound.forbidden.ravel()])
    # Who shared a recording with a track that has gone, or for which another stands now, is looked
    # at, too: the new layer alone does not say with whom it was.
    parted = pair.before.of(np.concatenate([changes.gone, changes.moved]))
    left = found.members_of(parted["key"], parted["standing"])
    found.grow(seeds, np.concatenate([named, left]))
    touched = np.concatenate(
        [parted["key"], *(each.tracks for each in found.found.get(source, ()))]
    )
    before = pair.before.of(touched)
    had = _Left(before, pair.before.of(before["standing"]), changes.gone, changes.moved)
    _find_scope(connection, folder, current, source, had, found)
    return _matched(connection, folder, scratch, current, bound)


def reconsider(
    connection: Connection,
    folder: Path,
    scratch: Path,
    current: Manifest,
    layers: dict[str, Layer],
    tracks: Hashes,
) -> Runs:
    """Match these tracks again, since a curator said something of them; returns the next runs."""
    bound = corrections.constraints(folder, Manifest(current.number, current.made, layers))
    found = _scope_of(connection, folder, current, layers, bound)
    found.grow({}, tracks)
    _find_scope(connection, folder, current, corrections.SOURCE, _NOTHING_LEFT, found)
    return _matched(connection, folder, scratch, current, bound)


def _matched(
    connection: Connection, folder: Path, scratch: Path, current: Manifest, bound: Constraints
) -> Runs:
    """Match what is in scope; returns the next snapshot's runs."""
    number = current.number + 1
    _find_parts(connection, bound)
    _assign(connection)
    _mint(connection)
    next_runs = dict(current.joins)
    for name, query in _changes(number).items():
        connection.execute(f"CREATE TABLE next_{name} AS {query}")
        kept, merged = _next_run(connection, folder, name, current.joins[name])
        if merged:
            written = scratch / f"{name}.parquet"
            rows = database.copy(connection, merged, written)
            target = f"{layout.JOINS}/{name}-{number:06d}.parquet"
            kept = (*kept, layout.publish_part(folder, written, target, rows))
        next_runs[name] = kept
    return next_runs


def _scope_of(
    connection: Connection,
    folder: Path,
    current: Manifest,
    layers: dict[str, Layer],
    bound: Constraints,
) -> scope.Scope:
    """An empty scope over the next snapshot's layers."""
    runs = scope.overrides(connection, latest(folder, "members", current.joins["members"]))
    return scope.Scope(connection, folder, layers, runs, bound.forced)


@dataclass(frozen=True, slots=True)
class _Left:
    """What a source had: the records `before` of the tracks in scope and of those that went, those
    of the tracks that stood for them (`standing`), and the keys of the tracks that have `gone` or
    that another stands for now (`moved`)."""

    before: previous.Records
    standing: previous.Records
    gone: Hashes
    moved: Hashes


_NONE = np.empty(0, previous.DATED)
_NOTHING_LEFT = _Left(_NONE, _NONE, _NONE["key"], _NONE["key"])


def _find_scope(
    connection: Connection,
    folder: Path,
    current: Manifest,
    source: str,
    left: _Left,
    found: scope.Scope,
) -> None:
    """`scope`: all tracks that are matched again; `scope_keys`: what they are matched by;
    `dropped`: tracks that are no more; `old_members` and `old_recordings` of all of these;
    `orphans`: recordings that dropped or moved tracks stood for, and others still have.
    """
    tracks, keys = found.tables()
    registered = {
        "found_tracks": tracks,
        "found_keys": keys,
        "before_members": pa.table(
            {"track": left.before["key"], "recording": ids.minted(left.before["standing"])}
        ),
        "before_standing": pa.table(
            {"track": left.standing["key"], "since": left.standing["since"]}
        ),
        "gone": pa.table({"track": left.gone}),
        "parted": pa.table({"track": np.concatenate([left.gone, left.moved])}),
    }
    for name, table in registered.items():
        connection.register(name, table)
    for name in ("members", "recordings", "redirects"):
        query = latest(folder, name, current.joins[name])
        connection.execute(f"CREATE TABLE run_{name} AS {query}")
    connection.execute(_OLD.replace("$source", database.quoted(source)))
    for name in registered:
        connection.unregister(name)


def _seeds(layers: dict[str, Layer], source: str, unsettled: Documents) -> dict[str, Documents]:
    """Where matching begins: with all tracks of the new layer, or, where it is the bigger side,
    with all others and with what is unsettled within it."""
    others = {name: each.rows("tracks") for name, each in layers.items() if name != source}
    count = layers[source].rows("tracks")
    if count <= max(sum(others.values()), SMALL):
        return {source: np.arange(count, dtype=np.uint32)}
    seeds = {name: np.arange(rows, dtype=np.uint32) for name, rows in others.items()}
    return {**seeds, source: unsettled}


_OLD = f"""
CREATE TABLE scope_keys AS FROM found_keys;
CREATE TABLE scope AS SELECT track FROM found_tracks;
CREATE TABLE dropped AS FROM gone;
CREATE TABLE default_members AS SELECT track, {ids.minted_sql("standing")} AS recording
    FROM found_tracks;
CREATE TABLE default_recordings AS SELECT {ids.minted_sql("track")} AS recording, since AS minted
    FROM found_tracks WHERE track = standing;
CREATE TABLE old_members AS
    SELECT track, recording, live FROM run_members
        WHERE track IN (FROM scope UNION ALL FROM dropped)
    UNION ALL SELECT track, recording, true FROM
        (SELECT * FROM default_members SEMI JOIN (SELECT track FROM found_tracks
            WHERE source <> $source) USING (track)
        UNION ALL SELECT * FROM before_members
            WHERE track IN (FROM scope UNION ALL FROM dropped))
        ANTI JOIN run_members USING (track);
CREATE TABLE old_recordings AS SELECT * FROM run_recordings
    UNION ALL SELECT recording, min(minted) AS minted FROM
        (SELECT r.* FROM default_recordings r JOIN found_tracks f
            ON r.recording = {ids.minted_sql("f.track")} WHERE f.source <> $source
        UNION ALL SELECT {ids.minted_sql("track")} AS recording, since FROM before_standing)
        ANTI JOIN run_recordings USING (recording) GROUP BY recording;
CREATE TABLE orphans AS SELECT {ids.minted_sql("track")} AS recording, since AS minted
    FROM before_standing SEMI JOIN parted USING (track)
    WHERE {ids.minted_sql("track")} IN (SELECT recording FROM run_members);
"""


def _find_parts(connection: Connection, bound: Constraints) -> None:
    """`parts`: each track in scope with the smallest track of its component."""
    connection.execute(
        """
        CREATE TABLE links AS SELECT track,
            dense_rank() OVER (ORDER BY exact DESC, key, chain) - 1 AS link
        FROM (SELECT *, count(*) OVER (PARTITION BY key, chain) AS members FROM
            (SELECT track, key, exact, CASE WHEN exact THEN 0 WHEN duration_ms IS NULL THEN -1 ELSE
                sum(step) OVER (PARTITION BY key ORDER BY duration_ms, track) END AS chain
            FROM (SELECT *, coalesce(duration_ms - lag(duration_ms) OVER
                (PARTITION BY key ORDER BY duration_ms, track) > $step, false)::INTEGER AS step
                FROM scope_keys SEMI JOIN (SELECT key FROM scope_keys GROUP BY key
                HAVING count(*) > 1) USING (key))))
        WHERE members > 1
        """.replace("$step", str(STEP_MS))
    )
    linked = connection.sql("SELECT track, link FROM links").to_arrow_table()
    here = connection.sql("SELECT track FROM scope").to_arrow_table()["track"].to_numpy()
    # Tracks that no source has any more wait outside, until one has them again.
    forced = bound.forced[np.isin(bound.forced, here).all(axis=1)]
    tracks, roots = _bound_components(
        linked["track"].to_numpy(), linked["link"].to_numpy(), Constraints(forced, bound.forbidden)
    )
    connection.register("component", pa.table({"track": tracks, "root": roots}))
    connection.execute(
        "CREATE TABLE parts AS SELECT track, coalesce(root, track) AS root FROM scope"
        " LEFT JOIN component USING (track)"
    )
    connection.unregister("component")


def _bound_components(
    tracks: npt.NDArray[np.uint64], links: npt.NDArray[np.int64], bound: Constraints
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """`components` as a curator's word allows; links with smaller numbers are stronger."""
    forced = bound.forced
    more = int(links.max()) + 1 if len(links) else 0
    names, roots = components(
        np.concatenate([tracks, forced.ravel()]),
        np.concatenate([links, more + np.repeat(np.arange(len(forced)), 2)]),
    )
    again = np.isin(roots, constrained.torn(names, roots, bound.forbidden))
    if again.any():
        inside = np.isin(tracks, names[again])
        order = np.argsort(links[inside], kind="stable")
        cuts = np.flatnonzero(np.diff(links[inside][order])) + 1
        groups = [group.tolist() for group in np.split(tracks[inside][order], cuts)]
        apart = constrained.components(names[again].tolist(), groups, bound)
        roots[again] = [apart[track] for track in names[again].tolist()]
    return names, roots


def components(
    tracks: npt.NDArray[np.uint64], links: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Connected components of tracks over links: each track, and its component's smallest track."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, places = np.unique(tracks, return_inverse=True)
    if not len(names):
        return names, names
    size = len(names) + int(links.max()) + 1
    graph = coo_array(
        (np.ones(len(links), np.int8), (places, links + len(names))), shape=(size, size)
    )
    _, labels = connected_components(graph, directed=False)
    mine = labels[: len(names)]
    # np.unique sorts, so the first track of a label is its smallest.
    _, first = np.unique(mine, return_index=True)
    smallest = np.zeros(int(labels.max()) + 1, np.uint64)
    smallest[mine[first]] = names[first]
    return names, smallest[mine]


def _assign(connection: Connection) -> None:
    """`given`: the old id that each part keeps, if any; `joined` and `parted` on the way."""
    connection.execute("""
        CREATE TABLE votes AS SELECT recording, root, count(*) AS members FROM parts
            JOIN old_members USING (track) ANTI JOIN run_redirects USING (recording) GROUP BY ALL;
        CREATE TABLE claims AS SELECT recording, arg_max(root, (members, -root::HUGEINT)) AS root
            FROM votes GROUP BY recording;
        CREATE TABLE given AS SELECT root, arg_min(recording, (minted, recording)) AS recording
            FROM claims JOIN old_recordings USING (recording) GROUP BY root;
    """)


def _mint(connection: Connection) -> None:
    """`minted`: a new id for each part that keeps none; never one that ever existed."""
    connection.execute(
        "CREATE TABLE minted (root UBIGINT, recording UBIGINT);"
        "CREATE TABLE unnamed AS SELECT DISTINCT root FROM parts ANTI JOIN given USING (root)"
    )
    salt = 0
    while database.one(connection, "SELECT count(*) FROM unnamed"):
        connection.execute(
            "INSERT INTO minted SELECT min(root), recording FROM"
            f" (SELECT root, {ids.minted_sql('root', salt)} AS recording FROM unnamed)"
            " ANTI JOIN old_recordings USING (recording) ANTI JOIN run_redirects USING (recording)"
            " ANTI JOIN minted USING (recording)"
            " GROUP BY recording;"
            "DELETE FROM unnamed WHERE root IN (SELECT root FROM minted)"
        )
        salt += 1


def _changes(number: int) -> dict[str, str]:
    """What the next run of each join table holds: what the layers alone do not say."""
    named = "(SELECT root, recording FROM given UNION ALL SELECT root, recording FROM minted)"
    return {
        "members": f"SELECT track, n.recording, true AS live FROM parts JOIN {named} n USING (root)"
        " LEFT JOIN run_members r USING (track) LEFT JOIN default_members d USING (track)"
        " WHERE coalesce(r.recording, d.recording) <> n.recording OR NOT coalesce(r.live, true)"
        " UNION ALL SELECT track, recording, false FROM old_members"
        " SEMI JOIN dropped USING (track) WHERE live",
        "recordings": "SELECT recording, minted FROM"
        f" (SELECT recording, {number}::UINTEGER AS minted FROM minted"
        " UNION FROM orphans"
        " UNION SELECT recording, o.minted FROM old_recordings o"
        " SEMI JOIN (SELECT recording FROM old_members) USING (recording))"
        " ANTI JOIN run_recordings USING (recording)"
        " ANTI JOIN default_recordings d USING (recording, minted)",
        "redirects": "SELECT c.recording, g.recording AS successor,"
        f" {number}::UINTEGER AS snapshot FROM claims c JOIN given g USING (root)"
        " WHERE c.recording <> g.recording",
        "splits": f"SELECT v.recording, n.recording AS part, {number}::UINTEGER AS snapshot"
        f" FROM votes v JOIN claims c USING (recording) JOIN {named} n ON v.root = n.root"
        " WHERE v.root <> c.root",
    }


def _next_run(
    connection: Connection, folder: Path, name: str, runs: tuple[Part, ...]
) -> tuple[tuple[Part, ...], str]:
    """The runs that stay, and the query for the one after them: the new rows (`next_<name>`), with
    the runs before them as long as those are small. No query where nothing is new."""
    columns = ", ".join(schema.JOINS[name])
    key = next(iter(schema.JOINS[name]))
    rows = database.one(connection, f"SELECT count(*) FROM next_{name}")
    if not rows:
        return runs, ""
    kept = list(runs)
    while kept and kept[-1].rows <= MERGE_FACTOR * rows:
        last = kept.pop()
        # The later rows, which are there already, override those of the earlier runs.
        override = "" if name == "splits" else f" ANTI JOIN next_{name} USING ({key})"
        read = database.parquet([folder / last.file])
        connection.execute(f"INSERT INTO next_{name} SELECT {columns} FROM {read}{override}")
        rows += last.rows
    return tuple(kept), f"SELECT {columns} FROM next_{name} ORDER BY {columns}"
