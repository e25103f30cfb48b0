"""Popularity and listens of recordings, and what is offered of each: what the planner reads.

What listening histories say of a recording stands before what sources of tracks say: it was counted
here, by one rule for all recordings, and it changes with what people listen to. A recording that no
history heard keeps its sources' own popularity.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue import counting, heard, ids, keys, weights
from longplay.catalogue.database import Connection
from longplay.catalogue.search.rowstore import RowStore
from longplay.catalogue.snapshot import Snapshot

_HEARD = """
SELECT recording, max(popularity) AS popularity, sum(listens) AS listens
FROM popularity GROUP BY recording
"""

_CANDIDATES = """
SELECT recording, track, album, source, path, kind, bytes, duration_ms, codec, bit_rate, lossless,
    popularity, listens
FROM (SELECT o.*, m.recording, p.popularity,
        sum(p.listens) OVER (PARTITION BY source, path) AS listens,
        row_number() OVER (PARTITION BY source, path
            ORDER BY p.popularity DESC NULLS LAST, start_ms NULLS LAST) AS place,
        max(o.bytes) OVER (PARTITION BY source, path) AS whole
    FROM offers o LEFT JOIN offered m USING (track) LEFT JOIN complete p USING (recording)
    WHERE kind NOT IN ('folder', 'symlink'))
WHERE place = 1 ORDER BY source, path
"""

_OFFERED = "SELECT DISTINCT track FROM offers WHERE track IS NOT NULL"

_DIVIDED = "SELECT DISTINCT track FROM offers WHERE track IS NOT NULL AND start_ms IS NOT NULL"

_PARTS = """
SELECT source, path, recording, track, start_ms, end_ms FROM offers JOIN offered USING (track)
WHERE start_ms IS NOT NULL ORDER BY source, path, start_ms
"""

Recordings = npt.NDArray[np.uint64]


def popularity_table(snapshot: Snapshot) -> pa.Table:
    """Every recording of the catalogue, offered or not: `recording` uint64, `popularity` float32
    and `listens` float64; null where no source says.

    Of a recording that a listening history has: the highest popularity by rank, and the listens of
    all histories. Of others: the highest popularity and the sum of the listens of its tracks.

    Where histories are known, a recording that they have not heard and whose listens no source
    counts has as many as those that were heard and are as popular (0 without popularity): a curve
    made for other numbers would put it before what was heard.
    """
    weighed = weights.weigh(snapshot)
    order = np.argsort(weighed.recordings)
    recordings, popularity = weighed.recordings[order], weighed.popularity[order]
    listens = np.full(len(order), np.nan)
    if len(weighed.listens):
        listens = weighed.listens[order]
    del weighed, order
    with snapshot.connect("popularity") as connection:
        heard_of = connection.sql(f"{_HEARD} ORDER BY recording").to_arrow_table()
        curve = connection.sql(
            f"SELECT popularity, avg(listens) AS listens FROM ({_HEARD}) GROUP BY popularity"
            " ORDER BY popularity"
        ).to_arrow_table()
    places, known = keys.find(recordings, heard_of["recording"].to_numpy())
    for column, name in ((popularity, "popularity"), (listens, "listens")):
        said = heard_of[name].to_numpy()
        column[places[known]] = np.where(np.isnan(said), column[places], said)[known]
    if curve.num_rows:
        _complete(popularity, listens, curve)
    return pa.table(
        {
            "recording": recordings,
            "popularity": pa.array(popularity, mask=np.isnan(popularity)),
            "listens": pa.array(listens, mask=np.isnan(listens)),
        }
    )


def _complete(
    popularity: npt.NDArray[np.float32], listens: npt.NDArray[np.float64], curve: pa.Table
) -> None:
    """Put into `listens`, where they are not known, those of others that are as popular."""
    unheard = np.isnan(listens)
    # From nothing at popularity 0 to the least of those heard.
    points = (
        np.concatenate([[0.0], curve["popularity"].to_numpy()]),
        np.concatenate([[0.0], curve["listens"].to_numpy()]),
    )
    listens[unheard] = np.interp(np.nan_to_num(popularity[unheard]), *points)


def of(snapshot: Snapshot, recordings: Recordings) -> npt.NDArray[np.float32]:
    """What listening histories say of the popularity of some recordings, in their order; NaN for
    those that none has. In milliseconds for a page of them: only what is near them is read."""
    return heard.look_up(snapshot.folder, snapshot.manifest.joins["popularity"], recordings)


def candidates(snapshot: Snapshot) -> pa.Table:
    """One row for each offered file, by source and path: `recording`, `track`, `album` (uint64,
    null where it carries none), `source`, `path` (bytes), `kind`, `bytes`, `duration_ms`, `codec`,
    `bit_rate`, `lossless`, `popularity`, `listens`.

    A file that a CUE sheet divides stands with its most popular part and with the listens of all
    its parts, which `parts` lists.
    """
    complete = popularity_table(snapshot)
    with snapshot.connect("offers") as connection:
        offered = _recordings(snapshot, connection, _OFFERED)
        chosen, known = keys.find(complete["recording"].to_numpy(), offered["recording"].to_numpy())
        connection.register("complete", complete.take(pa.array(np.unique(chosen[known]))))
        connection.register("offered", offered)
        return connection.sql(_CANDIDATES).to_arrow_table()


def _recordings(snapshot: Snapshot, connection: Connection, tracks: str) -> pa.Table:
    """The recordings of the tracks that a query names: `track`, `recording`. A few tracks beside
    many are looked up; a join would read them all."""
    offered = np.sort(connection.sql(tracks).to_arrow_table()["track"].to_numpy())
    if not len(offered):  # look-ups take half a second to load
        return pa.table({"track": offered, "recording": offered})
    recordings = np.zeros(len(offered), np.uint64)
    for layer in snapshot.manifest.layers.values():
        if layer.rows("tracks"):
            store = RowStore.open(counting.index_of(snapshot.folder, layer))
            places, documents = counting.located(snapshot.folder, layer, store, offered)
            recordings[places] = ids.minted(store.standing(documents))
    moved, to = counting.moves(snapshot)
    places, known = keys.find(offered, moved)
    recordings[places[known]] = to[known]
    here = recordings != 0
    return pa.table({"track": offered[here], "recording": recordings[here]})


def parts(snapshot: Snapshot) -> pa.Table:
    """The recordings that are parts of one file: `source`, `path`, `recording`, `track`,
    `start_ms` and `end_ms` (null: to the end of the file)."""
    with snapshot.connect("offers") as connection:
        connection.register("offered", _recordings(snapshot, connection, _DIVIDED))
        return connection.sql(_PARTS).to_arrow_table()
