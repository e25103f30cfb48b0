"""What upheld claims name among what is held, and what that withdraws or reserves.

Claims name recordings, ISRCs, artists and objects. What they name is looked for anew whenever the
log or the catalogue has grown, so that files captured later and recordings joined later are found
too. A process that asks again and again keeps a `Memory`: then only recordings that were not held
before are looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from sqlalchemy.engine import Connection

from longplay.archive import Archive
from longplay.catalogue import identity, ids, tracks
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.errors import InputError
from longplay.ledger import claims as record
from longplay.ledger import origins, queries
from longplay.ledger.claims import Claim, Subjects, Tombstone
from longplay.rights.claims import Asks
from longplay.workflows import shares
from longplay.workflows.shares import Keys

_NAMED = """
SELECT DISTINCT asked.recording
FROM asked JOIN members USING (recording) JOIN tracks t USING (track)
    LEFT JOIN track_credits c USING (track)
WHERE list_has_any(coalesce(t.isrcs, []), $isrcs)
    OR list_has_any(list_transform(coalesce(c.names, []), lambda n: plain_name(n)), $names)
    OR EXISTS (SELECT 1 FROM artists r WHERE r.source = t.source
        AND list_contains(t.artists, r.artist) AND list_contains($artists, r.key))
"""

_CODES = """
SELECT asked.recording, list_sort(list_distinct(flatten(list(coalesce(t.isrcs, []))))) AS isrcs
FROM asked LEFT JOIN members USING (recording) LEFT JOIN tracks t USING (track)
GROUP BY asked.recording
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What upheld claims withdraw: the roots of objects, and the log position of the newest
    decision, by which a `Shareable` is judged to be too old."""

    roots: frozenset[bytes]
    position: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """What is reserved from text and data mining: held recordings by their ids of today, and the
    objects that carry them."""

    recordings: frozenset[int]
    roots: frozenset[bytes]


def _no_keys() -> Keys:
    return np.array([], np.uint64)


@dataclass(slots=True)
class Memory:
    """Which of the held recordings some claims name, as far as they were looked up in one
    snapshot. Another snapshot or other claims begin it anew."""

    _subject: tuple[object, ...] = ()
    _asked: Keys = field(default_factory=_no_keys)
    _named: Keys = field(default_factory=_no_keys)

    def named(self, snapshot: Snapshot, held: Keys, named: Subjects) -> Keys:
        """Those of the recordings `held` (sorted ids, as the ledger has them) that are named."""
        subject = (snapshot.folder, snapshot.number, named.recordings, named.isrcs, named.artists)
        if subject != self._subject:
            self._subject, self._asked, self._named = subject, _no_keys(), _no_keys()
        fresh = np.setdiff1d(held, self._asked, assume_unique=True)
        if len(fresh):
            self._named = np.union1d(self._named, _among(snapshot, fresh, named))
            self._asked = np.union1d(self._asked, fresh)
        return self._named


def standing(archive: Archive, memory: Memory | None = None) -> Standing:
    """What is withdrawn now, also of what came after the claim was upheld."""
    with archive.ledger.read() as connection:
        named = record.upheld(connection, Asks.WITHDRAW)
        roots = record.tombstone_roots(connection)
        found = {root for _, root in _carrying(archive, connection, named, memory)}
    return Standing(frozenset(roots | found | named.objects), named.position)


def reserved(archive: Archive, memory: Memory | None = None) -> Reserved:
    """What is reserved from text and data mining now."""
    with archive.ledger.read() as connection:
        named = record.upheld(connection, Asks.RESERVE_TDM)
        pairs = _carrying(archive, connection, named, memory)
        keys = [key for root in named.objects for key in queries.recordings_of(connection, root)]
    recordings = {recording for recording, _ in pairs}
    if keys:
        snapshot = open_current(archive.catalogue)
        recordings |= set(shares.current(snapshot, np.array(keys, np.uint64)).tolist())
    return Reserved(frozenset(recordings), frozenset({root for _, root in pairs} | named.objects))


def concerned(archive: Archive, connection: Connection, claim: Claim) -> list[Tombstone]:
    """Tombstones for the held objects that a claim is about, without time and log entry; pictures
    that lie beside music of theirs, and beside no other, go with it."""
    named = _subjects(claim)
    carried: dict[bytes, set[int]] = {root: set() for root in named.objects}
    for recording, root in _carrying(archive, connection, named, None):
        carried.setdefault(root, set()).add(recording)
    for root in named.objects:
        carried[root] |= set(queries.recordings_of(connection, root))
    for picture in origins.pictures_beside_none_but(connection, set(carried)):
        carried.setdefault(picture, set())
    codes = codes_of(archive, sorted(set().union(*carried.values())) if carried else [])
    sizes = queries.sizes_of(connection, sorted(carried))
    return [
        Tombstone(
            key=sizes[root],
            cause=claim.id,
            isrcs=tuple(sorted({code for one in recordings for code in codes.get(one, ())})),
            recordings=tuple(ids.text("rec", one) for one in sorted(recordings)),
            time="",
            log=0,
        )
        for root, recordings in sorted(carried.items())
        if root in sizes
    ]


def is_artist_id(text: str) -> bool:
    """Whether an artist is named by id rather than by name."""
    try:
        return ids.parse(text)[0] == "ar"
    except InputError:
        return False


def _carrying(
    archive: Archive, connection: Connection, named: Subjects, memory: Memory | None
) -> list[tuple[int, bytes]]:
    """(recording of today, root) of the held objects that carry what is named, pictures of theirs
    that nothing else carries included."""
    if not (named.recordings or named.isrcs or named.artists):
        return []
    snapshot = open_current(archive.catalogue)
    held = queries.held_recordings(connection).to_numpy(zero_copy_only=False)
    wanted = (memory or Memory()).named(snapshot, held, named)
    pairs = queries.objects_carrying(connection, wanted.tolist())
    today = shares.current(snapshot, np.array([key for key, _ in pairs], np.uint64)).tolist()
    pairs = [(now, root) for now, (_, root) in zip(today, pairs, strict=True)]
    pictures = queries.pictures_of_none_but(connection, {root for _, root in pairs})
    return pairs + [
        (recording, picture) for recording, root in pairs for picture in pictures.get(root, ())
    ]


def _among(snapshot: Snapshot, held: Keys, named: Subjects) -> Keys:
    """Which of some held recordings are named, by id, ISRC or artist."""
    today = shares.current(snapshot, held)
    chosen = _became(snapshot, named.recordings)
    artists = _became(snapshot, filter(is_artist_id, named.artists))
    called = [text for text in named.artists if not is_artist_id(text)]
    if named.isrcs or named.artists:
        with snapshot.connect("members", "track_credits") as connection:
            connection.register("asked", pa.table({"recording": np.union1d(held, today)}))
            query = "SELECT plain_name(unnest($names::VARCHAR[]))"
            plain = connection.execute(query, {"names": called}).fetchall()
            parameters = {
                "isrcs": sorted(named.isrcs),
                "names": [row[0] for row in plain],
                "artists": sorted(artists),
            }
            chosen |= {int(row[0]) for row in connection.execute(_NAMED, parameters).fetchall()}
            connection.unregister("asked")
    keys = np.array(sorted(chosen), np.uint64)
    return held[np.isin(held, keys) | np.isin(today, keys)]


def _became(snapshot: Snapshot, texts: Iterable[str]) -> set[int]:
    """The keys of ids, and of what they became: their successors, and what was split from them."""
    found: set[int] = set()
    texts = list(texts)
    if not texts:
        return found
    with tracks.opened(snapshot) as looked:
        for text in texts:
            prefix, key = ids.parse(text)
            became = identity.resolve_key(looked, prefix, key)
            now = () if became is None else (became.now, *became.parts)
            found |= {key, *(ids.parse(one)[1] for one in now)}
    return found


def codes_of(archive: Archive, recordings: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The ISRCs of recordings, as the catalogue has them."""
    with open_current(archive.catalogue).connect("members") as connection:
        connection.register("asked", pa.table({"recording": pa.array(recordings, pa.uint64())}))
        rows = connection.execute(_CODES).fetchall()
        connection.unregister("asked")
    return {int(recording): tuple(codes or ()) for recording, codes in rows}


def _subjects(claim: Claim) -> Subjects:
    def of(kind: str) -> frozenset[str]:
        return frozenset(value for name, value in claim.subjects if name == kind)

    return Subjects(
        of("recording"),
        of("isrc"),
        of("artist"),
        frozenset(bytes.fromhex(value) for value in of("object")),
        claim.log,
    )
