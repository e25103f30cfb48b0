"""Which recordings were heard: counts of listens matched to recordings, and ranked.

A row of a layer's `listens` is matched by its id in this archive, else its MBID, else its ISRC,
else its artist and title, through the look-up files of the layers that have tracks. Where a name is
that of several recordings, the most popular of them was meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longplay.catalogue import database, ids, joins, keys, layout, names, rows
from longplay.catalogue import scope as scopes
from longplay.catalogue.database import Connection
from longplay.catalogue.keys import Hashes
from longplay.catalogue.layout import Layer, Part
from longplay.catalogue.lookup import Lookup
from longplay.catalogue.numbering import Documents
from longplay.catalogue.scope import Overrides

KINDS = ("tr", "mbid", "isrc", "name")
"""By what rows are matched, the surest first: the names of the look-up files."""

_LOOKED_UP = (
    ("tr", "tr"), ("mbid", "mbid"), ("merged", "mbid"), ("isrc", "isrc"), ("name", "name"),
)  # fmt: skip
"""The hashes of a row in the order in which they are tried, each with its look-up file."""

MOST_MERGES = 10
"""Merges of a recording into another, one after the other, that are followed."""

AT_ONCE = 500_000
"""Rows that are hashed, or tracks that are read, at once."""

_COLUMNS = ["track", "mbid", "isrc", "artist", "title", "listens", "accounts"]
_LETTERS = np.full(256, 32, np.uint8)
_LETTERS[np.frombuffer(ids.ALPHABET.encode(), np.uint8)] = np.arange(32)

Places = npt.NDArray[np.int64]
POPULARITY = pa.schema(
    [
        ("recording", pa.uint64()),
        ("popularity", pa.float32()),
        ("listens", pa.float64()),
        ("accounts", pa.int32()),
        ("source", pa.string()),
    ]
)


def update(
    connection: Connection,
    folder: Path,
    scratch: Path,
    layers: Mapping[str, Layer],
    runs: joins.Runs,
    before: tuple[Part, ...],
    number: int,
) -> tuple[Part, ...]:
    """The run of `popularity` for the snapshot `number`, which has these layers and runs; `before`
    is the one of the snapshot before, and stays when nothing is different."""
    if not any(layer.rows("listens") for layer in layers.values()):
        return ()
    found = match(connection, folder, layers, runs)
    if before and found.equals(pq.read_table(folder / before[0].file)):
        return before
    written = scratch / "popularity.parquet"
    pq.write_table(found, written, compression="zstd", row_group_size=database.ROW_GROUP)
    name = f"{layout.JOINS}/popularity-{number:06d}.parquet"
    return (layout.publish_part(folder, written, name, found.num_rows),)


def match(
    connection: Connection, folder: Path, layers: Mapping[str, Layer], runs: joins.Runs
) -> pa.Table:
    """Popularity and listens by recording and source, as `schema.JOINS["popularity"]`, in the order
    of recordings. `accounts` are at least so many: the most that one row of the recording has."""
    query = joins.latest(folder, "members", runs["members"])
    overrides = scopes.overrides(connection, query)
    tracked = {name: layer for name, layer in layers.items() if layer.rows("tracks")}
    tables = [POPULARITY.empty_table()]
    for name, layer in layers.items():
        if layer.rows("listens"):
            recordings, listens, accounts = _matched(connection, folder, layer, tracked, overrides)
            tables.append(_ranked(name, recordings, listens, accounts))
    found = pa.concat_tables(tables).sort_by([("recording", "ascending"), ("source", "ascending")])
    return found.combine_chunks()


def _matched(
    connection: Connection,
    folder: Path,
    layer: Layer,
    tracked: Mapping[str, Layer],
    overrides: Overrides,
) -> tuple[Hashes, npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """The recording of each row of a layer's listens (0: none), its listens and its accounts."""
    hashes, listens, accounts = _read(connection, folder, layer)
    hashes["merged"] = _successors(folder, tracked, hashes["mbid"])
    recordings = np.zeros(len(listens), np.uint64)
    for column, kind in _LOOKED_UP:
        places = np.flatnonzero((recordings == 0) & (hashes[column] != 0))
        if len(places):
            wanted, back = np.unique(hashes[column][places], return_inverse=True)
            found = _recordings(connection, folder, tracked, overrides, kind, wanted)
            recordings[places] = found[back]
    return recordings, listens, accounts


def _read(
    connection: Connection, folder: Path, layer: Layer
) -> tuple[dict[str, Hashes], npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """The listens of a layer: what each row is matched by (0: nothing), listens, accounts."""
    count = layer.rows("listens")
    hashes = {kind: np.zeros(count, np.uint64) for kind in KINDS}
    listens, accounts = np.zeros(count), np.zeros(count, np.int32)
    start = 0
    for batch in _batches(folder, layer):
        here = slice(start, start + batch.num_rows)
        hashes["tr"][here] = track_keys(batch["track"])
        hashes["mbid"][here] = keys.text_hashes(batch["mbid"])
        hashes["isrc"][here] = keys.text_hashes(batch["isrc"])
        hashes["name"][here] = name_hashes(connection, batch["artist"], batch["title"])
        listens[here] = batch["listens"].to_numpy()
        accounts[here] = batch["accounts"].to_numpy()
        start += batch.num_rows
    return hashes, listens, accounts


def _successors(folder: Path, layers: Mapping[str, Layer], mbids: Hashes) -> Hashes:
    """MBIDs of recordings as they are now, where a source merged them into others; else 0."""
    olds, news = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    for layer in layers.values():
        for part in layer.tables.get("aliases", ()):
            rows = pq.read_table(folder / part.file, filters=[("kind", "=", "recording")])
            olds.append(keys.text_hashes(rows["old"].combine_chunks()))
            news.append(keys.text_hashes(rows["new"].combine_chunks()))
    old, new = np.concatenate(olds), np.concatenate(news)
    order = np.argsort(old, kind="stable")
    old, new = old[order], new[order]
    if not len(old):
        return np.zeros_like(mbids)
    now = mbids
    for _ in range(MOST_MERGES):
        places = np.minimum(np.searchsorted(old, now), len(old) - 1)
        merged = (old[places] == now) & (now != 0)
        if not merged.any():
            break
        now = np.where(merged, new[places], now)
    return np.where(now != mbids, now, np.uint64(0))


def _batches(folder: Path, layer: Layer) -> Iterator[pa.RecordBatch]:
    for part in layer.tables["listens"]:
        with pq.ParquetFile(folder / part.file) as file:
            yield from file.iter_batches(AT_ONCE, columns=_COLUMNS)


def name_hashes(connection: Connection, artists: pa.Array, titles: pa.Array) -> Hashes:
    """What rows are matched by artist and title: 0 where either is missing or a placeholder."""
    artist = keys.name_hashes(
        artists, lambda texts: names.plain(connection, texts, "placeholder_artist")
    )
    title = keys.name_hashes(
        titles, lambda texts: names.plain(connection, texts, "placeholder_title")
    )
    return keys.paired(artist, title)


def track_keys(texts: pa.Array) -> Hashes:
    """The keys of ids of tracks (`tr0123…`), 0 for texts that are none."""
    found = np.zeros(len(texts), np.uint64)
    wide = np.array([len("tr") + ids.LETTERS], np.int32)
    lengths = pc.utf8_length(texts).fill_null(0).to_numpy(zero_copy_only=False)
    octets = pc.binary_length(texts).fill_null(0).to_numpy(zero_copy_only=False)
    places = np.flatnonzero((lengths == wide) & (octets == wide))
    if not len(places):
        return found
    chosen = texts.take(pa.array(places)).to_numpy(zero_copy_only=False).astype(f"S{wide[0]}")
    letters = chosen.view(np.uint8).reshape(len(places), wide[0])
    values = _LETTERS[letters[:, 2:]].astype(np.uint64)
    good = (letters[:, 0] == ord("t")) & (letters[:, 1] == ord("r")) & (values < 32).all(axis=1)
    good &= values[:, 0] < 16
    number = np.zeros(len(places), np.uint64)
    for place in range(ids.LETTERS):
        number = number << np.uint64(5) | values[:, place] & np.uint64(31)
    found[places[good]] = number[good]
    return found


def _recordings(
    connection: Connection,
    folder: Path,
    tracked: Mapping[str, Layer],
    overrides: Overrides,
    kind: str,
    wanted: Hashes,
) -> Hashes:
    """The recording that each hash of one kind means, 0 for none; `wanted` are distinct and in
    ascending order. Of several, that of the most popular track; of equals the one that stands first
    in its layer, then in the first layer."""
    best = np.full(len(wanted), -np.inf)
    recordings = np.zeros(len(wanted), np.uint64)
    for layer in tracked.values():
        path = folder / layer.tables["tracks"][0].file
        lookup = Lookup.open(path.parent / layout.INDEX / f"{kind}.lookup")
        reader = rows.Reader.open(connection, folder, layer)
        places, documents = lookup.find(wanted)
        # In the order of the tracks, so that the layer is read from its start to its end once.
        order = np.argsort(documents, kind="stable")
        places, documents = places[order], documents[order]
        for start in range(0, len(documents), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            where, which, whose = _verified(
                reader, overrides, kind, wanted, places[some], documents[some]
            )
            # Tracks come in ascending order, and of one place the first counts.
            once, firsts = np.unique(where, return_index=True)
            liked = reader.store.popularity(which[firsts])
            better = liked > best[once]
            best[once[better]] = liked[better]
            recordings[once[better]] = whose[firsts][better]
    return recordings


def _verified(
    reader: rows.Reader,
    overrides: Overrides,
    kind: str,
    wanted: Hashes,
    places: Places,
    documents: Documents,
) -> tuple[Places, Documents, Hashes]:
    """Of tracks that may have the hashes at `places`, those that do: place, document, recording."""
    once, back = np.unique(documents, return_inverse=True)
    found = reader.matched(once)
    recordings = overrides.of(found.tracks, found.standing)
    right = rows.bear(found, kind, back, wanted[places])
    return places[right], documents[right], recordings[back][right]


def _ranked(
    source: str,
    recordings: Hashes,
    listens: npt.NDArray[np.float64],
    accounts: npt.NDArray[np.int32],
) -> pa.Table:
    """One row for each recording heard: its rows' listens together, ranked."""
    order = np.argsort(recordings, kind="stable")
    order = order[recordings[order] != 0]
    once, starts = np.unique(recordings[order], return_index=True)
    heard = np.add.reduceat(listens[order], starts) if len(once) else np.zeros(0)
    most = np.maximum.reduceat(accounts[order], starts) if len(once) else np.zeros(0, np.int32)
    columns = [once, by_rank(heard), heard, most, pa.array([source] * len(once), pa.string())]
    return pa.table(columns, schema=POPULARITY)


def by_rank(listens: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Popularity from 0 to 100 out of the ranks of listens.

    100 · (1 - ln r / ln (n + 1)), where r is 1 + how many of the n have more listens: the most
    listened-to has 100, equals have the same, and each doubling of the rank costs the same, as
    listening itself falls with rank (Zipf's law).
    """
    if not len(listens):
        return np.zeros(0, np.float32)
    ascending = np.sort(listens)
    rank = 1 + len(listens) - np.searchsorted(ascending, listens, side="right")
    found: npt.NDArray[np.float32] = (100 * (1 - np.log(rank) / np.log(len(listens) + 1))).astype(
        np.float32
    )
    return found


def share(
    connection: Connection, folder: Path, layer: Layer, popularity: tuple[Part, ...]
) -> float:
    """The share of a layer's listens that is of recordings in the catalogue."""
    if not layer.rows("listens") or not popularity:
        return 0.0
    run, listens = (
        database.parquet([folder / part.file for part in parts])
        for parts in (popularity, layer.tables["listens"])
    )
    found = connection.execute(
        f"SELECT (SELECT sum(listens) FROM {run} WHERE source = {database.quoted(layer.source)})"
        f" / (SELECT nullif(sum(listens), 0) FROM {listens})"
    ).fetchall()
    return float(found[0][0] or 0.0)


def look_up(folder: Path, parts: tuple[Part, ...], recordings: Hashes) -> npt.NDArray[np.float32]:
    """The popularity of some recordings by a run: the highest of its sources', NaN for none."""
    found = np.full(len(recordings), np.nan, np.float32)
    order = np.argsort(recordings, kind="stable")
    wanted = recordings[order]
    for part in parts:
        with pq.ParquetFile(folder / part.file) as file:
            for group in range(file.num_row_groups):
                known = file.metadata.row_group(group).column(0).statistics
                low, high = np.searchsorted(wanted, np.array([known.min, known.max], np.uint64))
                inside = order[low : high + 1]
                if not len(inside):
                    continue
                table = file.read_row_group(group, columns=["recording", "popularity"])
                _best_of(table, recordings, inside, found)
    return found


def _best_of(
    table: pa.Table, recordings: Hashes, inside: Places, found: npt.NDArray[np.float32]
) -> None:
    """Put the highest popularity of each of the recordings `inside` into `found`."""
    once, starts = np.unique(table["recording"].to_numpy(), return_index=True)
    best = np.maximum.reduceat(table["popularity"].to_numpy(), starts)
    at = np.minimum(np.searchsorted(once, recordings[inside]), len(once) - 1)
    hit = once[at] == recordings[inside]
    found[inside[hit]] = np.fmax(found[inside[hit]], best[at[hit]])
