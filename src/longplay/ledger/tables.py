"""The ledger's tables. One row per object and per file held; bulkier facts are evidence.

Objects have numbers here, four bytes where a root takes 32. Who reads asks `objects`, `holdings`,
`manifestations`, `embedded` and `copies`, which have roots; who writes has the rows (`…_rows`) and
the numbers (`naming.py`).

Ids of tracks, albums and recordings are the catalogue's 64-bit keys; subjects of rights
statements are its text ids, because they name things of several kinds.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

from longplay.ledger.columns import Key, Moment, Power, Root, Word, beginning, joined
from longplay.model import Action, Kind, Role, Verdict

VERSION = 4
"""Version of these tables; a ledger of a newer one is refused untouched."""

metadata = MetaData()

Number = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database gives: SQLite does that for what it calls INTEGER alone."""


def _table(name: str, *columns: Column[Any] | Index) -> Table:
    # Without rowids SQLite keeps a row inside its primary key's tree: one copy instead of two.
    return Table(name, metadata, *columns, sqlite_with_rowid=False)


meta = _table(
    "meta",
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
)

object_rows = Table(
    "object",
    metadata,
    Column("number", Number, primary_key=True),
    Column("size", BigInteger),
    Column("batch", BigInteger),
    Column("checked", Moment),
    Column("kind", Word(Kind)),
    Column("verdict", Word(Verdict)),
    Column("piece_length", Power),
    Column("access", SmallInteger),
    Column("suffix", String),
    Column("root", Root(32), nullable=False),
    Column("sha256", LargeBinary(32)),
)
"""Objects, each with the number that other tables name it by. A row with a `size` is an object
that is stored: `verdict` is the integrity verdict of audio, `checked` the last fixity check,
`access` its access class as it was judged last (an index of `tally.ACCESS`; null: not yet). A row
without one is but a name: nothing is stored any more, or not yet. Rows stay, so that no number
comes again."""

Index("object_by_root", beginning(object_rows.c.root)).ddl_if(dialect="sqlite")
Index("object_root", object_rows.c.root, unique=True).ddl_if(dialect="postgresql")
Index("object_by_check", object_rows.c.checked)
Index(
    "object_unjudged",
    object_rows.c.number,
    sqlite_where=sa.and_(object_rows.c.access.is_(None), object_rows.c.size.is_not(None)),
    postgresql_where=sa.and_(object_rows.c.access.is_(None), object_rows.c.size.is_not(None)),
)

sources = Table(
    "source",
    metadata,
    Column("number", Number, primary_key=True),
    Column("name", String, nullable=False, unique=True),
)
"""The sources that files came from, by number."""

folders = Table(
    "folder",
    metadata,
    Column("number", Number, primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("source", Integer, nullable=False),
    Column("path", LargeBinary, nullable=False),
    Index("folder_by_place", "place"),
)
"""Where paths of a source lie, by number: all up to the last slash, and that; `place` is the hash
of source and path. Two captures at once may each have given one a number."""

holding_rows = _table(
    "holding",
    Column("object", BigInteger, primary_key=True, autoincrement=False),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("source_size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("track", Key),
    Column("album", Key),
    Column("batch", BigInteger),
    Column("folder", BigInteger, nullable=False),
    Column("mode", Integer, nullable=False),
    Column("action", Word(Action), nullable=False),
    Column("superseded", SmallInteger, nullable=False),
    Column("name", LargeBinary, nullable=False),
    Column("version", String),
    Index("holding_by_place", "place"),
)
"""Every path that led to an object: its folder's, and its `name` there. `place` is the hash of
source and path (`naming.place`), which the index has instead of them; `action` says whether the
object is the file's own bytes; `superseded` that the path leads to another one since: the file
changed, or the original came; `version` what its source says tells this state of the file from
another, beside size and time; `batch` is null where it is the batch that brought the object."""

manifestation_rows = _table(
    "manifestation",
    Column("recording", Key, primary_key=True),
    Column("object", BigInteger, primary_key=True),
    Column("start_ms", BigInteger, primary_key=True),
    Column("end_ms", BigInteger),
    Column("derived_from", BigInteger),
    Column("role", Word(Role), nullable=False),
    Index("manifestation_by_object", "object"),
)
"""Which recordings an object carries, and where; `start_ms` is 0 for a whole object;
`derived_from` is the number of the object that it is a copy of."""

embedded_rows = _table(
    "embedded",
    Column("object", BigInteger, primary_key=True),
    Column("picture", BigInteger, primary_key=True),
    Column("role", String, primary_key=True),
    Index("embedded_by_picture", "picture"),
)
"""Pictures found inside an object's tags, each an object of its own."""

tallies = _table(
    "tally",
    Column("name", String, primary_key=True),
    Column("value", Float, nullable=False),
)
"""Running totals, which the transactions that change them keep (`tally.py`)."""

recording_changes = _table(
    "recording_change",
    Column("recording", Key, primary_key=True),
    Column("counted", Integer, nullable=False),
)
"""Recordings that came or went since listens were last summed up; `counted` says whether that sum
has them."""

rights_statements = _table(
    "rights_statement",
    Column("subject", String, primary_key=True),
    Column("uri", String, primary_key=True),
    Column("evidence", Text, primary_key=True),
    Column("start", String, nullable=False),
    Column("end", String, nullable=False),
    Column("territories", String, nullable=False),
    Column("uses", String, nullable=False),
    Column("origin", String, nullable=False, index=True),
)
"""`origin` is the source whose import stated it: a re-import replaces its own statements."""

for _date in (rights_statements.c.start, rights_statements.c.end):
    # Most statements have no dates; the few that do change what may be heard from day to day.
    Index(
        f"rights_statement_{_date.name}",
        _date,
        sqlite_where=_date != "",
        postgresql_where=_date != "",
    )

quarantine = _table(
    "quarantine",
    Column("source", String, primary_key=True),
    Column("path", LargeBinary, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("root", LargeBinary(32)),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("mode", Integer, nullable=False),
    Column("time", String, nullable=False),
    Column("version", String),
)
"""What was offered and could not be kept. With a `root`, its bytes lie in the quarantine folder."""

evidence_files = _table(
    "evidence_file",
    Column("name", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
)

log = _table(
    "log",
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time", String, nullable=False),
    Column("event", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("evidence_root", LargeBinary(32)),
    Column("previous", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)

plans = _table(
    "plan",
    Column("id", String, primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("time", String, nullable=False),
    Column("document", Text, nullable=False),
)

leases = _table(
    "lease",
    Column("plan", String, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("holder", String, nullable=False),
    Column("granter", String, nullable=False, server_default=""),
    Column("expires", String, nullable=False),
    Column("done", Integer, nullable=False),
)
"""Ranges of plan ordinals, both ends included, that somebody captures or has captured: `holder`
does it, `granter` handed it out, and is the same where that is one process."""

postponed = _table(
    "postponed",
    Column("plan", String, primary_key=True),
    Column("ordinal", BigInteger, primary_key=True),
    Column("host", String, nullable=False),
    Column("until", String, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("holder", String),
)
"""Ordinals of ranges that are done which are still due: their host was busy, down or throttling.
They may be tried again after `until`; `tries` counts those that failed. With a `holder` somebody
tries now, and is believed to be alive until then."""

host_slots = _table(
    "host_slot",
    Column("host", String, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("holder", String, nullable=False),
    Column("expires", String, nullable=False),
)
"""Who may fetch from a host now: one row for each file at a time that the host is asked for."""

releases = _table(
    "release",
    Column("name", String, primary_key=True),
    Column("stage", Integer, nullable=False),
    Column("time", String, nullable=False),
    Column("objects", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("share_of_listens", Float, nullable=False),
    Column("supersedes", String),
    Column("document", Text, nullable=False),
)

persons = _table(
    "person",
    Column("id", String, primary_key=True),
    Column("salt", LargeBinary(32), nullable=False),
    Column("name", Text),
    Column("contact", Text),
    Column("erased", String),
)
"""Who made or answered claims: the only table with personal data, and the log has but its salted
hash, so that `name` and `contact` can be erased and the chain still verifies."""

claims = _table(
    "claim",
    Column("id", String, primary_key=True),
    Column("time", String, nullable=False),
    Column("state", String, nullable=False),
    Column("asks", String, nullable=False),
    Column("ground", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("person", String, nullable=False),
    Column("log", BigInteger, nullable=False),
)
"""`asks` is `withdraw` or `reserve-tdm`; `log` the entry of the newest step."""

claim_subjects = _table(
    "claim_subject",
    Column("claim", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("value", String, primary_key=True),
)
"""What a claim is about: a `recording`, an `isrc`, an `artist` (id or name) or an `object`."""

claim_steps = _table(
    "claim_step",
    Column("claim", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("time", String, nullable=False),
    Column("step", String, nullable=False),
    Column("person", String),
    Column("words", Text, nullable=False),
    Column("log", BigInteger, nullable=False),
)

tombstones = _table(
    "tombstone",
    Column("root", LargeBinary(32), primary_key=True),
    Column("cause", String, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("isrcs", Text, nullable=False),
    Column("recordings", Text, nullable=False),
    Column("time", String, nullable=False),
    Column("log", BigInteger, nullable=False),
)
"""Objects that are withdrawn: `cause` is the claim, `forget`, or on a mirror the feed that said so.
A claim that is restored takes its rows back; the log keeps both."""

forgotten = _table(
    "forgotten",
    Column("root", LargeBinary(32), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("time", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("log", BigInteger, nullable=False),
)
"""Objects whose bits were destroyed on purpose."""

feed_heads = _table(
    "feed_head",
    Column("serial", BigInteger, primary_key=True, autoincrement=False),
    Column("time", String, nullable=False),
    Column("expires", String, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
)
"""Every feed that was signed: its number, the head of the log that it vouches for, its digest."""

copy_rows = _table(
    "copy",
    Column("object", BigInteger, primary_key=True),
    Column("replica", String, primary_key=True),
    Column("checked", Moment),
    Index("copy_by_check", "replica", "checked", "object"),
)
"""Which replica stores hold an object, and when it was last read there."""

# What readers ask: the same rows with roots and names in place of numbers. Each database reads them
# as if its tables stood there.


def _named(select: sa.Select[Any], name: str) -> sa.Subquery:
    return select.subquery(name)


objects = _named(sa.select(object_rows).where(object_rows.c.size.is_not(None)), "objects")
"""What is stored, by `root`."""

holdings = _named(
    sa.select(
        holding_rows.c.object,
        holding_rows.c.place,
        object_rows.c.root,
        object_rows.c.size,
        sources.c.name.label("source"),
        joined(folders.c.path, holding_rows.c.name).label("path"),
        *(
            holding_rows.c[name]
            for name in ("source_size", "mtime_ns", "mode", "action", "track", "album")
        ),
        sa.func.coalesce(holding_rows.c.batch, object_rows.c.batch).label("batch"),
        holding_rows.c.superseded,
        holding_rows.c.version,
    )
    # Objects last: SQLite goes through all paths by the index that has what the first join asks
    # for, and numbers of objects are in one that is in the order of hashes.
    .join(folders, folders.c.number == holding_rows.c.folder)
    .join(sources, sources.c.number == folders.c.source)
    .join(object_rows, object_rows.c.number == holding_rows.c.object),
    "holdings",
)
"""Every path that led to an object, with the object's `root`."""

_originals = object_rows.alias("originals")

manifestations = _named(
    sa.select(
        manifestation_rows.c.recording,
        manifestation_rows.c.object,
        object_rows.c.root,
        *(manifestation_rows.c[name] for name in ("start_ms", "end_ms", "role")),
        sa.select(_originals.c.root)
        .where(_originals.c.number == manifestation_rows.c.derived_from)
        .scalar_subquery()
        .label("derived_from"),
    ).join(object_rows, object_rows.c.number == manifestation_rows.c.object),
    "manifestations",
)
"""What objects carry, with the object's `root`."""

_pictures = object_rows.alias("pictures")

embedded = _named(
    sa.select(
        embedded_rows.c.object,
        object_rows.c.root,
        embedded_rows.c.picture.label("picture_object"),
        _pictures.c.root.label("picture"),
        embedded_rows.c.role,
    )
    .join(object_rows, object_rows.c.number == embedded_rows.c.object)
    .join(_pictures, _pictures.c.number == embedded_rows.c.picture),
    "inside",
)
"""Pictures in objects, with the roots of both."""

copies = _named(
    sa.select(
        copy_rows.c.object, object_rows.c.root, copy_rows.c.replica, copy_rows.c.checked
    ).join(object_rows, object_rows.c.number == copy_rows.c.object),
    "copies",
)
"""Copies in replica stores, with the object's `root`."""
