"""A label's messages in the archive: deals become statements, takedowns claims, and back."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.archive import Archive, create, open_archive
from longplay.capture.sources.ddex import deliveries, reading
from longplay.capture.sources.ddex.contents import Message
from longplay.catalogue import ids
from longplay.errors import InputError
from longplay.ledger import claims as record
from longplay.ledger import log, queries
from longplay.ledger.record import (
    HoldingRow,
    ManifestationRow,
    ObjectRow,
    add_holdings,
    add_manifestations,
    add_objects,
)
from longplay.model import Action, Kind, ObjectKey, Role, Statement
from longplay.rights.claims import Step
from longplay.rights.statements import AGREEMENT
from longplay.settings import Source
from longplay.workflows import claims, deals, sources, takedowns, withdrawing
from longplay.workflows.takedowns import Applied
from tests.ddex_made import ENDED, FREE, OPEN, SALE, SINCE, STREAM, WORLD, Delivery, Recording, two
from tests.workflows.archives import tombstones

KEY = "icpn:00720642442524"
LATER = "2026-02-01T00:00:00Z"
LATEST = "2026-03-01T00:00:00Z"


@dataclass
class World:
    """An archive with a source of deliveries, and what it holds of them."""

    archive: Archive
    folder: Path

    @property
    def source(self) -> Source:
        found = self.archive.settings.source("label")
        assert found is not None
        return found

    def deliver(self, name: str, **values: object) -> None:
        values = {"recordings": two(), **values}
        Delivery(**values).write(self.folder / name)  # type: ignore[arg-type]

    def purge(self, name: str, created: str) -> None:
        path = self.folder / name / "purge.xml"
        path.parent.mkdir()
        path.write_text(Delivery(message="p", created=created).purge())

    def hold(
        self, isrc: str, source: str = "label", kind: Kind = Kind.AUDIO, key: str = KEY
    ) -> bytes:
        """Hold what a file of a delivery led to, as a capture would; the same for every source."""
        root = hashlib.sha256(isrc.encode()).digest()
        it = ObjectKey(root, 9)
        track = ids.row_key("tr", source, f"{key} isrc:{isrc}") if kind is Kind.AUDIO else None
        album = ids.row_key("al", source, key)
        row = HoldingRow(source, isrc.encode(), it, 9, 0, 0o644, Action.ORIGINAL, track, album)
        with self.archive.ledger.write() as connection:
            add_objects(connection, [ObjectRow(it, root, kind, ".x", 262_144, None)], 1)
            add_holdings(connection, [row], 1)
            if track is not None:
                add_manifestations(
                    connection, [ManifestationRow(track, it, 0, None, Role.PRESERVATION)]
                )
            log.append(connection, "capture", "test", {"batch": 1})
        return root

    def apply(self) -> Applied:
        return takedowns.apply_takedowns(self.archive, self.source)

    def withdrawn(self) -> set[bytes]:
        return set(withdrawing.standing(self.archive).roots)

    def statements(self, isrc: str | None) -> list[Statement]:
        """What is stated of a recording, or of the release."""
        subject = ids.text("al", ids.row_key("al", "label", KEY))
        if isrc:
            subject = deals.track_id("label", f"{KEY} isrc:{isrc}")
        with self.archive.ledger.read() as connection:
            return queries.statements_about(connection, [subject])

    def state(self) -> list[str]:
        """The states of all claims, oldest first."""
        with self.archive.ledger.read() as connection:
            return [one.state for one in record.list_all(connection)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    folder = tmp_path / "deliveries"
    folder.mkdir()
    create(tmp_path / "archive").ledger.close()
    sources.add_source(tmp_path / "archive", "label", "ddex", str(folder), "longplay:agreement", "")
    with open_archive(tmp_path / "archive") as archive:
        yield World(archive, folder)


ONE, TWO = "QZLP02600001", "QZLP02600002"


def uses(found: list[Statement]) -> list[tuple[str, ...]]:
    return [one.uses for one in found]


def test_deals_become_statements_of_tracks_and_the_album(world: World) -> None:
    here = "<TerritoryCode>DE</TerritoryCode>" + ENDED.replace("2020-12", "2030-12")
    world.deliver("one", terms=(OPEN, here + FREE + STREAM))
    done = deals.state_deals(world.archive, world.source)
    assert (done.releases, done.recordings, done.statements) == (1, 2, 6)
    for isrc in (ONE, TWO, None):
        first, second = sorted(world.statements(isrc), key=lambda one: one.uses)
        assert (first.uri, first.uses) == (AGREEMENT, ("release", "stream"))
        assert (first.start, first.end, first.territories) == ("2020-01-01", "", ())
        assert (second.uses, second.start, second.end, second.territories) == (
            ("stream",), "2020-01-01", "2030-12-31", ("DE",),
        )  # fmt: skip
        assert first.evidence.startswith(
            "deals in one/0720642442524.xml, message m1 from PADPIDA2026000001A of"
            " 2026-01-02T10:00:00+00:00; read 2026-01-02T10:00:00+00:00; sha256:"
        )


def test_stating_again_writes_nothing(world: World) -> None:
    world.deliver("one")
    deals.state_deals(world.archive, world.source)
    with world.archive.ledger.read() as connection:
        before = log.head(connection)
    deals.state_deals(world.archive, world.source)
    with world.archive.ledger.read() as connection:
        assert log.head(connection) == before


def test_what_no_deal_permits_is_stated_so(world: World) -> None:
    world.deliver("one", terms=(SALE,))
    deals.state_deals(world.archive, world.source)
    assert uses(world.statements(ONE)) == [("describe",)]
    world.deliver("two", created=LATER)
    deals.state_deals(world.archive, world.source)
    assert uses(world.statements(ONE)) == [("release", "stream")]
    world.deliver("three", created=LATEST, recordings=two()[:1])
    deals.state_deals(world.archive, world.source)
    assert uses(world.statements(ONE)) == [("release", "stream")]
    assert uses(world.statements(TWO)) == [("describe",)]
    world.purge("four", "2026-04-01T00:00:00Z")
    deals.state_deals(world.archive, world.source)
    assert uses(world.statements(ONE)) == uses(world.statements(None)) == [("describe",)]


def test_statements_stay_when_a_delivery_is_cleared_away(world: World) -> None:
    world.deliver("one")
    deals.state_deals(world.archive, world.source)
    (world.folder / "one" / "0720642442524.xml").unlink()
    with pytest.raises(InputError, match="has no DDEX message"):
        deals.state_deals(world.archive, world.source)
    world.deliver("other", icpn="0720642442500")
    deals.state_deals(world.archive, world.source)
    assert uses(world.statements(ONE)) == [("release", "stream")]


def take(world: World, way: str) -> None:
    """Take the release down in one of the ways that DDEX has."""
    if way == "purge":
        world.purge("two", LATER)
    else:
        terms = {"no deal": (), "ended": (OPEN.replace(SINCE, ENDED),),
                 "taken": (OPEN, WORLD + SINCE + "<TakeDown>true</TakeDown>")}  # fmt: skip
        world.deliver("two", message="m2", created=LATER, terms=terms[way])


@pytest.mark.parametrize("way", ["purge", "no deal", "ended", "taken"])
def test_a_takedown_is_an_upheld_claim_and_a_new_deal_takes_it_back(world: World, way: str) -> None:
    world.deliver("one", cover=b"art")
    roots = {world.hold(ONE), world.hold(TWO), world.hold("cover", kind=Kind.IMAGE)}
    kept = world.hold("QZLP02600099", key="icpn:00720642442500")
    assert world.apply() == Applied(0, 0, 0, 0, 0)
    take(world, way)
    assert world.apply() == Applied(1, 0, 3, 0, 0)
    assert world.withdrawn() == roots == set(tombstones(world.archive))
    with world.archive.ledger.read() as connection:
        (claim,) = record.list_all(connection)
    name = "p" if way == "purge" else "m2"
    assert claim.person.name == "Made-up Records"
    assert claim.person.contact == "DDEX party PADPIDA2026000001A"
    assert claim.ground.startswith(
        f"takedown by the label, message {name} from PADPIDA2026000001A of"
        " 2026-02-01T00:00:00+00:00: "
    )
    reasons = claims.statement(claim, 1)
    assert "It was decided by rule: the rights holder's own message asks for it." in reasons
    assert "A person decided" not in reasons
    assert world.apply() == Applied(0, 0, 0, 0, 0)
    world.deliver("three", message="m3", created=LATEST, cover=b"art")
    assert world.apply() == Applied(0, 1, 0, 3, 0)
    assert world.withdrawn() == set()
    with world.archive.ledger.read() as connection:
        (claim,) = record.list_all(connection)
    assert claim.state == "restored"
    assert "it stands again, by message m3 from" in claim.steps[-1].words
    assert world.apply() == Applied(0, 0, 0, 0, 0)
    assert kept not in world.withdrawn()


def test_what_returns_in_part_is_claimed_in_part(world: World) -> None:
    world.deliver("one")
    first, second = world.hold(ONE), world.hold(TWO)
    take(world, "no deal")
    world.apply()
    assert world.withdrawn() == {first, second}
    world.deliver("three", message="m3", created=LATEST, recordings=two()[:1])
    assert world.apply() == Applied(1, 1, 1, 2 - 1, 0)
    assert world.withdrawn() == {second}
    assert world.state() == ["restored", "upheld"]
    assert world.apply() == Applied(0, 0, 0, 0, 0)


def test_what_any_older_delivery_had_and_the_newest_has_not_is_taken_down(world: World) -> None:
    world.deliver("one")
    world.hold(ONE)
    second = world.hold(TWO)
    for number in (2, 3):
        world.deliver(f"{number}", message=f"m{number}", created=f"2026-0{number}-01T00:00:00Z",
                      recordings=two()[:1])  # fmt: skip
    assert world.apply() == Applied(1, 0, 1, 0, 0)
    assert world.withdrawn() == {second}
    assert world.apply() == Applied(0, 0, 0, 0, 0)


def test_one_message_may_purge_several_releases(world: World) -> None:
    other = "0720642442500"
    world.deliver("one")
    world.deliver("other", icpn=other, title="Other")
    roots = {world.hold(ONE), world.hold(TWO, key=f"icpn:0{other}")}
    path = world.folder / "purge" / "purge.xml"
    path.parent.mkdir()
    text = Delivery(message="p", created=LATER).purge()
    start, end = text.index("<PurgedRelease>"), text.index("</ern:Purge")
    purged = text[start:end]
    path.write_text(text[:end] + purged.replace("0720642442524", other) + text[end:])
    assert world.apply() == Applied(2, 0, 2, 0, 0)
    assert world.withdrawn() == roots
    world.deliver("again", icpn=other, message="m9", created=LATEST)
    assert world.apply().restored == 1
    assert world.withdrawn() == {world.hold(ONE)}, "of the other nothing was delivered again"


def test_deals_of_many_messages_take_the_memory_of_a_few(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        world.deliver(f"{number}", icpn=f"07206424425{number:02}", message=f"m{number}")
    monkeypatch.setattr(deliveries, "KEPT_BYTES", 0)
    found = deliveries.survey(world.folder)
    alive, read = [], reading.read

    def reads(path: Path, where: str) -> Message:
        alive.append(sum(isinstance(it, Message) for it in gc.get_objects()))
        return read(path, where)

    monkeypatch.setattr(reading, "read", reads)
    done = deals.state_deals(world.archive, world.source, found)
    assert (done.releases, done.recordings, len(alive)) == (30, 60, 30)
    assert max(alive) <= 3


def test_statements_are_written_part_by_part(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        world.deliver(f"{number}", icpn=f"07206424425{number:02}", message=f"m{number}")
    monkeypatch.setattr(deals, "PART_STATEMENTS", 6)
    assert deals.state_deals(world.archive, world.source).statements == 21


def test_a_person_has_the_last_word_on_a_message(world: World) -> None:
    world.deliver("one")
    world.hold(ONE)
    take(world, "purge")
    world.apply()
    with world.archive.ledger.read() as connection:
        (claim,) = record.list_all(connection)
    claims.decide(world.archive, claim.id, Step.RESTORE, "the label told us on the telephone")
    assert world.apply() == Applied(0, 0, 0, 0, 0)
    assert world.withdrawn() == set()


def test_a_claim_that_was_added_and_not_yet_upheld_is_upheld(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver("one")
    root = world.hold(ONE)
    take(world, "purge")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(claims, "decide", killed)
        world.apply()
    assert (world.state(), world.withdrawn()) == (["open"], set())
    world.apply()
    assert (world.state(), world.withdrawn()) == (["upheld"], {root})


def test_killed_at_any_write_and_run_again_it_arrives_at_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A takedown of a part, after a restoration, with deals: killed at each of its writes."""
    world.deliver("one")
    first, second = world.hold(ONE), world.hold(TWO)
    take(world, "no deal")
    world.apply()
    deals.state_deals(world.archive, world.source)
    world.deliver("three", message="m3", created=LATEST, recordings=two()[:1])
    ledger = world.archive.ledger
    write, killed = ledger.write, 0

    def follow() -> None:
        world.apply()
        deals.state_deals(world.archive, world.source)

    for allowed in range(10):
        left = allowed

        @contextmanager
        def limited() -> Iterator[Connection]:
            nonlocal left
            if not left:
                raise KeyboardInterrupt
            left -= 1
            with write() as connection:
                yield connection

        monkeypatch.setattr(ledger, "write", limited)
        try:
            follow()
        except KeyboardInterrupt:
            killed += 1
        monkeypatch.setattr(ledger, "write", write)
        if left:
            break
    assert killed >= 1
    follow()
    assert world.withdrawn() == {second} == set(tombstones(world.archive))
    assert world.state() == ["restored", "upheld"]
    assert uses(world.statements(ONE)) == [("release", "stream")]
    assert uses(world.statements(TWO)) == [("describe",)]
    assert first not in world.withdrawn()


def test_what_stands_elsewhere_stays(world: World) -> None:
    """Another release of the label, or another source, has its own say."""
    world.deliver("one")
    world.deliver("best of", icpn="0720642442500", recordings=[Recording(1, ONE, body=b"one")])
    shared = world.hold(ONE)
    world.hold(ONE, key="icpn:00720642442500")
    given = world.hold(TWO, source="given")
    world.hold(TWO)
    take(world, "purge")
    assert world.apply() == Applied(0, 0, 0, 0, 1)
    assert not {shared, given} & world.withdrawn()


def test_nothing_is_claimed_of_what_was_never_held(world: World) -> None:
    world.deliver("one")
    take(world, "purge")
    assert world.apply() == Applied(0, 0, 0, 0, 0)
    assert world.state() == []


def test_a_deal_that_ends_takes_down_when_its_day_has_passed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = (OPEN.replace(SINCE, ENDED.replace("2020-12-31", "2026-12-31")),)
    world.deliver("one", terms=terms)
    root = world.hold(ONE)
    days = [datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)]
    monkeypatch.setattr(clock, "now", lambda: days[0])
    assert world.apply() == Applied(0, 0, 0, 0, 0)
    monkeypatch.setattr(clock, "now", lambda: days[1])
    assert world.apply() == Applied(1, 0, 1, 0, 0)
    assert world.withdrawn() == {root}


def test_an_older_takedown_is_superseded(world: World) -> None:
    world.purge("two", "2025-12-01T00:00:00Z")
    world.deliver("one")
    world.hold(ONE)
    assert world.apply() == Applied(0, 0, 0, 0, 0)
