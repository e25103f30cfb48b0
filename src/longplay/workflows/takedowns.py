"""Takedowns of a label as claims: purged releases, and recordings of which no deal stands.

A takedown ends what this label delivered: the claim names the objects that its files led to, not
their recordings wherever else they came from; who claims those, too, says so in a claim of their
own. What another source led to as well stays under that source's right, and is counted.

The claim is upheld at once, since it is the label's own instruction, and restored when a later
message gives a deal again. A person's decision about it stands: the same message claims nothing
twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from longplay import clock
from longplay.archive import Archive
from longplay.capture.sources.ddex import offering, whole_survey
from longplay.capture.sources.ddex.contents import Message, Release
from longplay.capture.sources.ddex.deliveries import Group, Survey
from longplay.capture.sources.ddex.offering import Track
from longplay.catalogue import ids
from longplay.errors import InputError
from longplay.files import escape
from longplay.ledger import claims as record
from longplay.ledger import queries
from longplay.ledger.claims import Claim
from longplay.rights.claims import BY_MESSAGE, State, Step
from longplay.settings import Source
from longplay.workflows import claims
from longplay.workflows.claims import MAX_CHARACTERS, MAX_SUBJECTS, Request

BACK = f"{BY_MESSAGE}: it stands again"
"""How the words begin by which a takedown is taken back here, not by a person."""

Keys = frozenset[int]


@dataclass(frozen=True, slots=True)
class _Held:
    """What files of the source led to: objects by the track that they carry or, where they carry
    none, by their album; and the other way round. `shared` are those that others led to as well."""

    by_track: dict[int, set[bytes]]
    by_album: dict[int, set[bytes]]
    keys: dict[bytes, set[int]]
    shared: frozenset[bytes]

    @staticmethod
    def of(table: pa.Table) -> _Held:
        """From the table that `queries.held_from` gives."""
        held = _Held(defaultdict(set), defaultdict(set), defaultdict(set), frozenset(
            table.filter(pc.greater(table["others"], 0))["root"].to_pylist()
        ))  # fmt: skip
        columns = (table[name].to_pylist() for name in ("root", "track", "album"))
        for root, track, album in zip(*columns, strict=True):
            key = track if track is not None else album
            if key is not None:
                by = held.by_track if track is not None else held.by_album
                by[key].add(root)
                held.keys[root].add(key)
        return held

    def led_to(self, tracks: Iterable[int], albums: Iterable[int]) -> set[bytes]:
        """The objects of these recordings, and what is beside the sound of these albums."""
        found = [self.by_track.get(one, set()) for one in tracks]
        found += [self.by_album.get(one, set()) for one in albums]
        return set().union(*found)


@dataclass(frozen=True, slots=True)
class _Ours:
    """The claims that takedowns of the source made, all and by the message."""

    all: tuple[Claim, ...]
    by_mark: dict[str, list[Claim]]

    @staticmethod
    def of(claims: Iterable[Claim], source: str) -> _Ours:
        """Those among all claims."""
        mine = tuple(it for it in claims if it.evidence.startswith(f"{_SOURCE}{source}, message "))
        by_mark: dict[str, list[Claim]] = defaultdict(list)
        for claim in mine:
            by_mark[claim.evidence.partition(_END)[0] + _END].append(claim)
        return _Ours(mine, dict(by_mark))

    def named(self, mark: str) -> set[bytes]:
        """What claims of a message were about. Those that were taken back here may come again."""
        return {
            root
            for claim in self.by_mark.get(mark, ())
            if not (claim.state == State.RESTORED and claim.steps[-1].words.startswith(BACK))
            for root in _objects(claim)
        }


@dataclass(frozen=True, slots=True)
class Applied:
    """What takedowns did: claims upheld and restored, objects withdrawn by the ones and given back
    by the others, and objects that stay because other sources led to them, too."""

    upheld: int
    restored: int
    withdrawn: int
    returned: int
    elsewhere: int


NOTHING = Applied(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Down:
    """What one message takes down: recordings and, where the whole release goes, the album."""

    message: Message
    place: str
    words: str
    tracks: Keys
    album: int | None


@dataclass(slots=True)
class _Said:
    """What the messages of a source say today, by the catalogue's keys."""

    downs: list[_Down] = field(default_factory=list)
    tracks: set[int] = field(default_factory=set)
    albums: set[int] = field(default_factory=set)
    reasons: dict[int, str] = field(default_factory=dict)


def apply_takedowns(archive: Archive, source: Source, found: Survey | None = None) -> Applied:
    """Withdraw what the messages of `source` (of kind `ddex`) take down, and give back what they
    deliver again. Running it again changes nothing. Who publishes does so afterwards.

    `found` is what lies in its folder, where the caller knows. Raises UnavailableError for a folder
    that is not there, InputError when no message in it can be read.
    """
    found = found or whole_survey(source)
    said = _said(source.name, found)
    with archive.ledger.read() as connection:
        held = _Held.of(queries.held_from(connection, source.name))
        ours = _Ours.of(record.list_all(connection), source.name)
    standing = held.led_to(said.tracks, said.albums)
    restored, returned = _give_back(archive, ours, standing, held, said)
    if restored:
        with archive.ledger.read() as connection:
            ours = _Ours.of(record.list_all(connection), source.name)
    upheld = withdrawn = 0
    elsewhere: set[bytes] = set()
    for down in said.downs:
        roots = held.led_to(down.tracks, {down.album} if down.album is not None else ())
        elsewhere |= (roots - standing) & held.shared
        mark = _mark(source.name, down.message)
        upheld += _uphold_open(archive, ours.by_mark.get(mark, ()))
        fresh = sorted(roots - standing - elsewhere - ours.named(mark))
        for first in range(0, len(fresh), MAX_SUBJECTS):
            some = fresh[first : first + MAX_SUBJECTS]
            made = claims.add(archive, _request(mark, down, some))
            withdrawn += claims.decide(archive, made.id, Step.UPHOLD, _why(down)).objects
            upheld += 1
    return Applied(upheld, restored, withdrawn, returned, len(elsewhere))


def _said(source: str, found: Survey) -> _Said:
    """What stands and what is taken down, by the newest message about each release."""
    said = _Said()
    today = clock.now().date()
    for group, message, release in found.current():
        before = frozenset().union(*(_keys(source, it) for it in _before(found, group)))
        now = [] if release is None else offering.tracks(group.key, message, release)
        up = [] if release is None else offering.standing(group.key, message, release, today)
        keys = _keys(source, up)
        album = ids.row_key("al", source, group.key)
        if up:
            said.albums.add(album)
        said.tracks |= keys
        why = f"message {message.key}, {escape(group.newest.path)}"
        said.reasons |= dict.fromkeys((*keys, album) if up else (), why)
        gone = (_keys(source, now) | before) - keys
        if gone or not up:
            words = _words(group, release, len(gone) if up else 0)
            whole = None if up else album
            said.downs.append(_Down(message, escape(group.newest.path), words, gone, whole))
    said.downs = [
        _Down(it.message, it.place, it.words, it.tracks - said.tracks, it.album)
        for it in said.downs
    ]
    return said


def _before(found: Survey, group: Group) -> Iterator[list[Track]]:
    """The recordings of each delivery before the newest message, as far as it is still there: one
    that an update left out may not have been taken down yet when the next update came."""
    for entry in group.entries[1:]:
        if entry.release is None:
            continue
        try:
            message = found.message(entry)
        except InputError:  # cleared away or written over meanwhile
            continue
        if entry.release < len(message.main):
            yield offering.tracks(group.key, message, message.main[entry.release])


def _keys(source: str, tracks: list[Track]) -> Keys:
    return frozenset(ids.row_key("tr", source, one.own_id) for one in tracks)


def _words(group: Group, release: Release | None, some: int) -> str:
    """What is taken down, for people; `some` counts recordings where others stand."""
    if release is None:
        return f"purged: {', '.join(group.newest.ids[:3])}"
    title = f"{', '.join(release.artists[:3])}: {release.title}" if release.title else group.key
    part = f"{some:,} recordings of " if some else ""
    return f"no deal stands for {part}{title} ({release.ids[0]})"


def _mark(source: str, message: Message) -> str:
    """What a claim's evidence begins with: by it the claim of a message is known again."""
    return f"{_SOURCE}{source}, message {message.key.replace(_END, ' ')}{_END}"


_SOURCE, _END = "ddex source ", "; "


def _objects(claim: Claim) -> set[bytes]:
    return {bytes.fromhex(value) for kind, value in claim.subjects if kind == "object"}


def _uphold_open(archive: Archive, of_message: Iterable[Claim]) -> int:
    """Uphold what was added, and not decided because the process ended between the two."""
    waiting = [claim for claim in of_message if claim.state == State.OPEN]
    for claim in waiting:
        claims.decide(archive, claim.id, Step.UPHOLD, f"{BY_MESSAGE}: {claim.ground}")
    return len(waiting)


def _give_back(
    archive: Archive, ours: _Ours, standing: set[bytes], held: _Held, said: _Said
) -> tuple[int, int]:
    """Restore upheld claims of which something stands again. What of it does not is claimed anew
    by the message that takes it down."""
    restored = returned = 0
    for claim in ours.all:
        again = _objects(claim) & standing
        if claim.state != State.UPHELD or not again:
            continue
        by = sorted(
            {said.reasons[key] for root in again for key in held.keys[root] & said.reasons.keys()}
        )
        words = f"{BACK}, by {'; '.join(by)}"
        claims.decide(archive, claim.id, Step.RESTORE, words[:MAX_CHARACTERS])
        restored += 1
        returned += len(again)
    return restored, returned


def _request(mark: str, down: _Down, roots: list[bytes]) -> Request:
    message = down.message
    return Request(
        who=message.sender_name or message.sender or "the label",
        contact=f"DDEX party {message.sender}" if message.sender else "by its deliveries",
        ground=_ground(down),
        evidence=f"{mark}{down.place}, sha256:{message.sha256}",
        objects=tuple(root.hex() for root in roots),
    )


def _ground(down: _Down) -> str:
    return f"takedown by the label, message {down.message.key}: {down.words}"[:2_000]


def _why(down: _Down) -> str:
    return f"{BY_MESSAGE}: {_ground(down)}"
