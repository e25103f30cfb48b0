"""What is drawn of a catalogue: a few hundred counts, made in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longplay.catalogue import counting, weights
from longplay.catalogue.database import Connection
from longplay.catalogue.layout import Layer
from longplay.catalogue.snapshot import Snapshot

GENRES = 15
"""Genres that are drawn: as many bars as stand readable in one picture."""

RANKS = 200
"""Points of the long tail's line."""

LONGEST_S = 600
"""Durations above ten minutes share the last bar."""

FIRST_YEAR, LAST_YEAR = 1890, 2100
"""Years that recordings can be of; what lies outside is a slip of the pen."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Figures:
    """What is drawn: a few hundred counts, however large the catalogue.

    `tail` has the share of all listens (else, where no source counts listens, of popularity) that
    the most listened-to share of recordings has; `heard` says which.
    """

    snapshot: int
    sources: int
    tracks: int
    recordings: int
    popularity: Rows
    durations: Rows
    years: Rows
    explicit: Rows
    genres: Rows
    tail: Rows
    heard: str


def figures(snapshot: Snapshot) -> Figures:
    """Count a snapshot for its pictures: one pass over the tracks for each."""
    layers = [layer for layer in snapshot.manifest.layers.values() if layer.rows("tracks")]
    tail, heard, recordings = _tail(weights.weigh(snapshot))
    with snapshot.connect("tracks") as connection:
        return Figures(
            snapshot.number,
            len(snapshot.manifest.layers),
            sum(layer.rows("tracks") for layer in layers),
            recordings,
            _rows(connection, _POPULARITY),
            _rows(connection, _DURATIONS),
            _years(snapshot.folder, layers),
            _rows(connection, _EXPLICIT),
            _rows(connection, _GENRES),
            tail,
            heard,
        )


_POPULARITY = """
SELECT least(floor(popularity / 5) * 5, 95)::INTEGER AS low, count(*) AS tracks FROM tracks
WHERE popularity IS NOT NULL GROUP BY low ORDER BY low
"""
_DURATIONS = f"""
SELECT least(duration_ms // 15000 * 15, {LONGEST_S}) AS low, count(*) AS tracks FROM tracks
WHERE duration_ms > 0 GROUP BY low ORDER BY low
"""
_EXPLICIT = """
SELECT CASE explicit WHEN true THEN 'explicit' WHEN false THEN 'not explicit' ELSE 'not said' END
    AS what, count(*) AS tracks FROM tracks GROUP BY what ORDER BY what
"""
_GENRES = f"""
SELECT lower(genre) AS genre, count(*) AS tracks FROM
    (SELECT unnest(genres) AS genre FROM tracks WHERE genres IS NOT NULL)
GROUP BY lower(genre) ORDER BY tracks DESC, genre LIMIT {GENRES}
"""


def _rows(connection: Connection, query: str) -> Rows:
    found: Rows = connection.sql(query).to_arrow_table().to_pylist()
    return found


def _years(folder: Path, layers: Iterable[Layer]) -> Rows:
    """How many tracks are of each year: their own, else their album's."""
    total = np.zeros(LAST_YEAR + 1, np.int64)
    for layer in layers:
        albums = [np.zeros(0, np.int16)]
        for part in layer.tables.get("albums", ()):
            with pq.ParquetFile(folder / part.file) as file:
                batches = file.iter_batches(counting.BATCH, columns=["release_date"])
                albums += [_year(batch["release_date"]) for batch in batches]
        of_album = np.concatenate(albums)
        for batch in counting.batches(folder, layer, "release_date", "album"):
            years = _year(batch["release_date"])
            asked = pc.and_(batch["release_date"].is_null(), batch["album"].is_valid())
            places = np.flatnonzero(asked.to_numpy(zero_copy_only=False))
            years[places] = of_album[batch["album"].take(pa.array(places)).to_numpy()]
            total += np.bincount(years, minlength=len(total))
    known = range(FIRST_YEAR, LAST_YEAR + 1)
    return [{"year": year, "tracks": int(total[year])} for year in known if total[year]]


def _year(dates: pa.Array) -> npt.NDArray[np.int16]:
    """The year of each date, 0 where it has none that can be."""
    texts = pc.utf8_slice_codeunits(dates, 0, 4)
    good = pc.fill_null(pc.match_substring_regex(texts, "^[0-9]{4}$"), False)
    years = pc.if_else(good, texts, "0").cast(pa.int16()).to_numpy(zero_copy_only=False)
    return np.where((years >= FIRST_YEAR) & (years <= LAST_YEAR), years, 0).astype(np.int16)


def _tail(weighed: weights.Weights) -> tuple[Rows, str, int]:
    """The long tail as some points of a line, what was counted, and how many recordings there are.

    Ranks are cut evenly on a logarithmic scale, since a few recordings have most of the listens.
    """
    count = len(weighed.recordings)
    listens = np.nan_to_num(weighed.listens, copy=False)
    heard = "listens" if listens.sum() else "popularity"
    amounts = listens if listens.sum() else np.nan_to_num(weighed.popularity, copy=False)
    whole = float(amounts.sum(dtype=np.float64))
    if not whole:
        return [], heard, count
    amounts.sort()
    cuts = np.exp(np.arange(1, RANKS + 1) * np.log(max(count, 2)) / RANKS)
    ends = np.unique(np.concatenate([[1], np.floor(cuts + 1e-9).astype(np.int64), [count]]))
    ends = ends[ends <= count]
    # The greatest stand last.
    starts = (count - ends)[::-1]
    shares = np.cumsum(np.add.reduceat(amounts, starts, dtype=np.float64)[::-1]) / whole
    rows = [
        {"recordings": end / count, "share": min(share, 1.0)}
        for end, share in zip(ends.tolist(), shares.tolist(), strict=True)
    ]
    return rows, heard, count
