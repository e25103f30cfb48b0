"""The ledger's tables. One row per object and per file held; bulkier facts are evidence.

Ids of tracks, albums and recordings are the catalogue's 64-bit keys; subjects of rights
statements are its text ids, because they name things of several kinds.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

VERSION = 3
"""Version of these tables; a ledger of a newer one is refused untouched."""

metadata = MetaData()


class Key(TypeDecorator[int]):
    """An unsigned 64-bit id in the signed integers that SQL has."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """To SQL: the same 64 bits, read as signed."""
        return value if value is None or value < 2**63 else value - 2**64

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:
        """From SQL: the same 64 bits, read as unsigned."""
        return value if value is None or value >= 0 else value + 2**64


def _table(name: str, *columns: Column[Any] | Index) -> Table:
    # Without rowids SQLite keeps a row inside its primary key's tree: one copy instead of two.
    return Table(name, metadata, *columns, sqlite_with_rowid=False)


meta = _table(
    "meta",
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
)

objects = _table(
    "object",
    Column("root", LargeBinary(32), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("kind", String, nullable=False),
    Column("suffix", String, nullable=False),
    Column("piece_length", Integer, nullable=False),
    Column("verdict", String),
    Column("batch", BigInteger, nullable=False),
    Column("checked", String),
    Column("access", Integer),
    Index("object_by_check", "checked", "root"),
)
"""What is stored. `verdict` is the integrity verdict of audio; `checked` the last fixity check;
`access` its access class as it was judged last (an index of `tally.ACCESS`; null: not yet)."""

Index(
    "object_unjudged",
    objects.c.root,
    sqlite_where=objects.c.access.is_(None),
    postgresql_where=objects.c.access.is_(None),
)

holdings = _table(
    "holding",
    Column("source", String, primary_key=True),
    Column("path", LargeBinary, primary_key=True),
    Column("root", LargeBinary(32), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("source_size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("mode", Integer, nullable=False),
    Column("action", String, nullable=False),
    Column("track", Key),
    Column("album", Key),
    Column("batch", BigInteger, nullable=False),
    Column("superseded", Integer, nullable=False),
    Column("version", String),
    Index("holding_by_object", "root", "track", "album", "source", "action"),
)
"""Every path that led to an object. `action` says whether the object is the file's own bytes;
`superseded` that the path leads to another one since: the file changed, or the original came;
`version` what its source says tells this state of the file from another, beside size and time."""

manifestations = _table(
    "manifestation",
    Column("recording", Key, primary_key=True),
    Column("root", LargeBinary(32), primary_key=True),
    Column("start_ms", BigInteger, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("end_ms", BigInteger),
    Column("role", String, nullable=False),
    Column("derived_from", LargeBinary(32)),
    Index("manifestation_by_object", "root", "role"),
)
"""Which recordings an object carries, and where; `start_ms` is 0 for a whole object."""

embedded = _table(
    "embedded",
    Column("root", LargeBinary(32), primary_key=True),
    Column("picture", LargeBinary(32), primary_key=True),
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

copies = _table(
    "copy",
    Column("root", LargeBinary(32), primary_key=True),
    Column("replica", String, primary_key=True),
    Column("checked", String),
    Index("copy_by_check", "replica", "checked", "root"),
)
"""Which replica stores hold an object, and when it was last read there."""
