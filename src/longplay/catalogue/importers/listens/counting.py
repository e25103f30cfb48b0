"""From plays to counts: how often each recording was heard, and by how many accounts.

Accounts are hashed with a salt that lives as long as the import, and the hashes lie in its scratch
folder alone: what is written are sums.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longplay.catalogue import identifiers, keys, names
from longplay.catalogue.compiled import compiled
from longplay.catalogue.database import Connection, one, quoted
from longplay.catalogue.importers.listens.forms import Form
from longplay.catalogue.staging import Staging
from longplay.errors import InputError

LISTEN_MS = 30_000
"""A play counts as a listen from here on (milliseconds): streaming services count and pay so, and
the rule of scrobbling, half of a track or four minutes of it, starts at tracks of this length."""

FEW_ACCOUNTS = 20
"""Rows made from fewer accounts stay in this archive: they may be somebody's own taste."""

MAX_NAME = 1000
"""Letters of an artist's or track's name; a longer one is no name."""

TIMES = ("%d %b %Y %H:%M", "%d %b %Y, %H:%M", "%d %b %Y", "%d/%m/%Y %H:%M", "%d %B %Y %H:%M")
"""How exporters write times, beside ISO 8601 and seconds since 1970."""

KINDS = ("id", "mbid", "isrc", "name")
"""What a row is known by, the surest first."""

SHORT = f"was played for less than {LISTEN_MS // 1000} s"
NAMELESS = "says neither which recording it was nor artist and title"

MAX_REJECTED = 10_000_000
"""Rejected rows after which, if more than `MAX_REJECTED_SHARE` of all are, it is no history: each
is kept with its reason, and a small archive can hold any number of them."""

MAX_REJECTED_SHARE = 0.99
"""Of the rows of an access log or a service's export most may be short; not all but a hundredth."""

SPARE_SPELLINGS = 4_000_000
"""Rows of spellings beside twice the distinct ones that may pile up before they are cleared."""

_SECONDS = f"""CASE WHEN number IS NOT NULL THEN number / CASE WHEN number >= 1e17 THEN 1e9
    WHEN number >= 1e14 THEN 1e6 WHEN number >= 1e11 THEN 1e3 ELSE 1 END
    ELSE coalesce(epoch(try_cast(time AS TIMESTAMP)),
        epoch(try_strptime(time, [{", ".join(map(quoted, TIMES))}]))) END"""

_PLAYS = """
SELECT row, CASE WHEN problem IS NOT NULL THEN problem
        WHEN played_ms::BIGINT < $listen THEN '$short'
        WHEN time IS NULL AND $timed THEN 'has no time'
        WHEN time IS NOT NULL AND coalesce(isnan(seconds), true)
            THEN 'has a time that cannot be read'
        WHEN seconds NOT BETWEEN 0 AND 4294967295 THEN 'has a time outside of 1970 to 2106'
        WHEN length(artist) > $name OR length(title) > $name OR length(track) > $name
            THEN 'has a name of more than $name letters' END AS problem,
    CASE WHEN seconds BETWEEN 0 AND 4294967295 THEN seconds::UINTEGER END AS time,
    hash($salt || coalesce(account, '')) AS account, coalesce(played_ms::BIGINT, 0) AS played_ms,
    mbid, isrc, nullif(trim(artist), '') AS artist, nullif(trim(title), '') AS title,
    nullif(trim(track), '') AS track
FROM (SELECT *, $seconds AS seconds FROM (SELECT *, try_cast(time AS DOUBLE) AS number
    FROM ($query)))
"""


@dataclass(slots=True)
class Counter:
    """The plays of one import, as they come: rows read, and rows of them that were rejected."""

    stage: Staging
    timed: bool
    rows: int = 0
    rejected: int = 0
    _salt: str = field(default_factory=lambda: secrets.token_hex(16))
    _firsts: int = 0
    _order: int = 0

    def __post_init__(self) -> None:
        self.stage.connection.execute(
            "CREATE TABLE plays (key UBIGINT, name UINTEGER, account UBIGINT, time UINTEGER,"
            " place BIGINT);"
            "CREATE TABLE spellings (key UBIGINT, kind UTINYINT, track VARCHAR, mbid VARCHAR,"
            " isrc VARCHAR, artist VARCHAR, title VARCHAR, place BIGINT)"
        )

    def add(self, batch: pa.Table, form: Form, name: str) -> None:
        """Count the rows of one batch of the history `name`. Raises InputError for what cannot be
        read at all, and where nearly nothing is a listen."""
        connection = self.stage.connection
        connection.register("batch", batch)
        with _told(name):
            found = connection.sql(self._query(form)).to_arrow_table()
        connection.unregister("batch")
        plays = _keyed(found, connection)
        self.rows += plays.num_rows
        connection.register("found", plays)
        self._reject(plays, name)
        connection.execute(
            "INSERT INTO plays SELECT key, name, account, time,"
            # A row without a time cannot be told from a second play: it counts by itself. Of times
            # in minutes, two lengths tell two plays: one that was stopped, one from the start.
            f" CASE WHEN time IS NULL THEN {self._order} + row"
            " WHEN time % 60 = 0 THEN -1 - played_ms // 1000 END"
            " FROM found WHERE problem IS NULL"
        )
        connection.execute(
            "INSERT INTO spellings SELECT key, min(kind), min(track), min(mbid),"
            " arg_min(isrc, row), arg_min(artist, row), arg_min(title, row),"
            f" min(row) + {self._order} FROM found WHERE problem IS NULL GROUP BY key"
        )
        connection.unregister("found")
        self._order += int(pc.max(plays["row"]).as_py() or 0)
        self._clear_spellings()

    def _query(self, form: Form) -> str:
        timed = form.timed or self.timed
        values = {
            "listen": str(LISTEN_MS), "short": SHORT, "timed": str(timed).lower(),
            "name": str(MAX_NAME), "salt": quoted(self._salt), "seconds": _SECONDS,
            "query": form.query,
        }  # fmt: skip
        text = _PLAYS
        for name, value in values.items():
            text = text.replace(f"${name}", value)
        return text

    def _reject(self, plays: pa.Table, name: str) -> None:
        """Keep where each row that does not count stands, and why; not what it says."""
        refused = plays.filter(pc.is_valid(plays["problem"]))
        if not refused.num_rows:
            return
        rows = refused["row"].cast(pa.string())
        places = pc.binary_join_element_wise(name, rows, ":")
        self.rejected += refused.num_rows
        self.stage.rejects(pa.table({"place": places, "reason": refused["problem"]}))
        if self.rejected > max(MAX_REJECTED, MAX_REJECTED_SHARE * self.rows):
            raise InputError(
                f"of the first {self.rows} rows only {self.rows - self.rejected} are listens:"
                f" {refused['problem'][0]}",
                where=name,
                hint="is this the right file? nothing was imported",
            )

    def _clear_spellings(self) -> None:
        connection = self.stage.connection
        if one(connection, "SELECT count(*) FROM spellings") > 3 * self._firsts + SPARE_SPELLINGS:
            connection.execute(f"CREATE TABLE cleared AS {_FIRSTS}")
            connection.execute("DROP TABLE spellings; ALTER TABLE cleared RENAME TO spellings")
            self._firsts = one(connection, "SELECT count(*) FROM spellings")

    def finish(self, half_life_days: float | None) -> tuple[int, int]:
        """Stage the counts; returns the plays that they are made from, and the rows that repeated
        a play: same account and time, and the same recording, or artist and title (of these the one
        whose recording is known the surest is kept)."""
        connection = self.stage.connection
        connection.execute(
            "CREATE TABLE once AS SELECT DISTINCT key, account, time, place FROM"
            " (SELECT min(key) AS key, account, time, place FROM plays"
            " GROUP BY name, account, time, place)"
        )
        plays = one(connection, "SELECT count(*) FROM plays")
        kept = one(connection, "SELECT count(*) FROM once")
        connection.execute("DROP TABLE plays")
        connection.execute(_counted(half_life_days))
        cursor = connection.cursor()
        reader = cursor.sql(_LISTENS).to_arrow_reader(500_000)
        for batch in reader:
            self.stage.listens(batch)
        cursor.close()
        return kept, plays - kept


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Tell DuckDB's errors about the history `name` as one line."""
    try:
        yield
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException):
        raise  # our own SQL is wrong, not the file
    except duckdb.Error as error:
        line = str(error).strip().splitlines()[0][:300]
        raise InputError(line, where=name, hint="is it whole?") from error


_FIRSTS = """SELECT key, min(kind) AS kind, min(track) AS track, min(mbid) AS mbid,
    arg_min(isrc, place) AS isrc, arg_min(artist, place) AS artist, arg_min(title, place) AS title,
    min(place) AS place FROM spellings GROUP BY key"""

_LISTENS = f"""
SELECT [{", ".join(map(quoted, KINDS))}][kind + 1] AS kind, track, mbid, isrc, artist, title,
    listens, accounts, accounts < {FEW_ACCOUNTS} AS local_only
FROM counted JOIN ({_FIRSTS}) USING (key)
ORDER BY listens DESC, accounts DESC, kind, track, mbid, isrc, artist, title
"""


def _counted(half_life_days: float | None) -> str:
    """Listens and accounts by key. With a half-life a play weighs 2^(-age / half-life), its age
    taken from the newest play of all."""
    weight, rounded = "1.0::DOUBLE", "sum(listens)"
    if half_life_days is not None:
        newest = "(SELECT max(time) FROM once)"
        weight = f"pow(0.5, ({newest} - time) / {half_life_days * 86400.0!r})"
        # Threads add in any order; what is left after rounding is the same each time.
        rounded = "sum(listens)::FLOAT::DOUBLE"
    return (
        f"CREATE TABLE counted AS SELECT key, {rounded} AS listens, count(*)::INTEGER AS accounts"
        f" FROM (SELECT key, account, sum({weight}) AS listens FROM once GROUP BY key, account)"
        " GROUP BY key"
    )


def _keyed(found: pa.Table, connection: Connection) -> pa.Table:
    """The plays with normalised identifiers, their `key`, its `kind`, and their `name`; those that
    cannot be told what they are of get a problem."""
    plays = found.combine_chunks()
    mbid, isrc = identifiers.mbids(plays["mbid"]), identifiers.isrcs(plays["isrc"])
    ids = [keys.text_hashes(_one(column)) for column in (plays["track"], mbid, isrc)]
    artist = keys.name_hashes(
        _one(plays["artist"]), lambda texts: names.plain(connection, texts, "placeholder_artist")
    )
    title = keys.name_hashes(
        _one(plays["title"]), lambda texts: names.plain(connection, texts, "placeholder_title")
    )
    key, kind, named = combined(ids[0], ids[1], ids[2], artist, title)
    nameless = pc.if_else(pa.array(kind == len(KINDS)), NAMELESS, None)
    problem = pc.coalesce(plays["problem"], nameless)
    for name, column in (("mbid", mbid), ("isrc", isrc), ("problem", problem)):
        plays = plays.set_column(plays.schema.get_field_index(name), name, column)
    for name, values in (("key", key), ("kind", kind), ("name", named)):
        plays = plays.append_column(name, pa.array(values))
    return plays


Hashes = npt.NDArray[np.uint64]

_KIND_BITS = 62
"""Where the kind stands in a key, above its hash: of two keys the smaller is the surer one."""


@compiled
def combined(
    track: Hashes, mbid: Hashes, isrc: Hashes, artist: Hashes, title: Hashes
) -> tuple[Hashes, npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """The key of each play by the surest thing that it says; which that was (`KINDS`; 4: no such
    thing); and 32 bits of its artist and title, else of its key."""
    key = np.zeros(len(track), np.uint64)
    kind = np.full(len(track), 4, np.uint8)
    name = np.zeros(len(track), np.uint32)
    for row in range(len(track)):
        said = artist[row] and title[row]
        named = keys.mixed(keys.mixed(artist[row]) + title[row])
        if track[row]:
            key[row], kind[row] = track[row], 0
        elif mbid[row]:
            key[row], kind[row] = keys.mixed(mbid[row] + np.uint64(1)), 1
        elif isrc[row]:
            key[row], kind[row] = keys.mixed(isrc[row] + np.uint64(2)), 2
        elif said:
            key[row], kind[row] = named, 3
        name[row] = np.uint32((named if said else key[row]) & np.uint64(2**32 - 1))
        key[row] = np.uint64(kind[row]) << np.uint64(_KIND_BITS) | key[row] >> np.uint64(2)
    return key, kind, name


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
