"""Claims against a plain model: withdrawn is what upheld claims name, whatever came first."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from longplay.catalogue import curation
from longplay.catalogue.curation import Hand
from longplay.errors import InputError, LedgerError, UsageError
from longplay.ledger import claims as record
from longplay.ledger import log
from longplay.model import ObjectKey
from longplay.rights.claims import Asks, State, Step
from longplay.workflows import claims, judging, withdrawing
from longplay.workflows.claims import MAX_CHARACTERS, MAX_SUBJECTS, Request
from tests.workflows.archives import Made, made, tombstones

TRACKS, ARTISTS = 6, 3


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("claims"), TRACKS, artists=ARTISTS)


def copy_of(template: Made, folder: Path) -> Made:
    """An archive of one's own, quicker than importing again."""
    shutil.copytree(template.folder, folder, dirs_exist_ok=True)
    archive = claims_archive(folder / "archive")
    return Made(archive, folder, [dict(row) for row in template.rows])


def claims_archive(folder: Path):  # type: ignore[no-untyped-def]
    from longplay.archive import open_archive

    return open_archive(folder)


@pytest.fixture
def world(template: Made, tmp_path: Path) -> Iterator[Made]:
    one = copy_of(template, tmp_path / "world")
    yield one
    one.archive.ledger.close()


def request(**named: object) -> Request:
    return Request("A. Holder", "holder@example.org", "it is mine", **named)  # type: ignore[arg-type]


def withdrawn(world: Made) -> set[bytes]:
    return set(withdrawing.standing(world.archive).roots)


def uphold(world: Made, **named: object) -> str:
    claim = claims.add(world.archive, request(**named)).id
    claims.decide(world.archive, claim, Step.UPHOLD, "shown")
    return claim


@dataclass
class Modelled:
    """What the model knows of a claim."""

    kind: str
    number: int
    asks: Asks
    state: State = State.OPEN
    person: str = ""


@dataclass
class Model:
    """Objects with the number of the track that they carry, and claims."""

    objects: list[tuple[ObjectKey, int]] = field(default_factory=list)
    claims: dict[str, Modelled] = field(default_factory=dict)

    def named(self, claim: Modelled, index: int) -> bool:
        _, track = self.objects[index]
        return {
            "recording": track == claim.number,
            "isrc": track == claim.number,
            "artist": track % ARTISTS == claim.number % ARTISTS,
            "object": index == claim.number % len(self.objects),
        }[claim.kind]

    def roots(self, asks: Asks) -> set[bytes]:
        standing = [
            one for one in self.claims.values() if one.state == State.UPHELD and one.asks == asks
        ]
        return {
            self.objects[index][0].root
            for index in range(len(self.objects))
            if any(self.named(claim, index) for claim in standing)
        }


class ClaimMachine(RuleBasedStateMachine):
    """Claims overlap on purpose: few tracks, fewer artists."""

    source: Made

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = copy_of(self.source, self.folder)
        self.memory = withdrawing.Memory()
        self.model = Model()
        for number in range(3):
            self.model.objects.append((self.world.hold(number), number))

    def teardown(self) -> None:
        self.world.archive.ledger.close()
        shutil.rmtree(self.folder)

    @rule(
        kind=st.sampled_from(["recording", "isrc", "artist", "name", "object"]),
        number=st.integers(0, TRACKS - 1),
        asks=st.sampled_from([Asks.WITHDRAW, Asks.WITHDRAW, Asks.RESERVE_TDM]),
    )
    def add(self, kind: str, number: int, asks: Asks) -> None:
        objects = self.model.objects
        value = {
            "recording": lambda: {"recordings": (self.world.recording(number),)},
            "isrc": lambda: {"isrcs": (f"qz-tst-26-{number:05}",)},
            "artist": lambda: {"artists": (f"ARTIST  {number % ARTISTS}",)},
            "name": lambda: {"artists": (f"artist {number % ARTISTS}",)},
            "object": lambda: {"objects": (f"obj{objects[number % len(objects)][0].hex}",)},
        }[kind]()
        made = claims.add(self.world.archive, request(asks=asks, **value))
        kind = "artist" if kind == "name" else kind
        pinned = number % len(objects) if kind == "object" else number
        self.model.claims[made.id] = Modelled(kind, pinned, asks, person=made.person.id)

    def pick(self, at: int) -> tuple[str, Modelled]:
        items = list(self.model.claims.items())
        return items[at % len(items)]

    @precondition(lambda self: self.model.claims)
    @rule(at=st.integers(0, 50), step=st.sampled_from([Step.UPHOLD, Step.UPHOLD, Step.REJECT,
                                                      Step.RESTORE]))  # fmt: skip
    def decide(self, at: int, step: Step) -> None:
        identity, claim = self.pick(at)
        after = {
            (Step.UPHOLD, State.OPEN): State.UPHELD,
            (Step.UPHOLD, State.REJECTED): State.UPHELD,
            (Step.UPHOLD, State.RESTORED): State.UPHELD,
            (Step.REJECT, State.OPEN): State.REJECTED,
            (Step.RESTORE, State.UPHELD): State.RESTORED,
        }.get((step, claim.state))
        before = self.world.log_size()
        if after is None:
            with pytest.raises(UsageError, match=f"a claim that is {claim.state} cannot"):
                claims.decide(self.world.archive, identity, step, "because")
            assert self.world.log_size() == before
            return
        done = claims.decide(self.world.archive, identity, step, "because")
        claim.state = after
        assert done.state == after
        assert "because" in done.reasons

    @precondition(lambda self: self.model.claims)
    @rule(at=st.integers(0, 50))
    def answer(self, at: int) -> None:
        identity, claim = self.pick(at)
        done = claims.answer(self.world.archive, identity, "Artist", "", "we have a licence")
        assert done.state == claim.state

    @precondition(lambda self: self.model.claims)
    @rule(at=st.integers(0, 50), words=st.booleans())
    def erase(self, at: int, words: bool) -> None:
        claims.erase_person(self.world.archive, self.pick(at)[1].person, words=words)

    @precondition(lambda self: len(self.model.objects) < 12)
    @rule(number=st.integers(0, TRACKS - 1))
    def capture(self, number: int) -> None:
        # What an object claim names is an index: let new ones not move it.
        self.model.objects.append((self.world.hold(number), number))

    @rule()
    def catch_up(self) -> None:
        claims.catch_up(self.world.archive)
        assert self.model.roots(Asks.WITHDRAW) <= tombstones(self.world.archive).keys()

    @invariant()
    def withdrawn_is_what_upheld_claims_name(self) -> None:
        expected = self.model.roots(Asks.WITHDRAW)
        assert set(withdrawing.standing(self.world.archive, self.memory).roots) == expected

    @invariant()
    def reserved_is_what_upheld_claims_name(self) -> None:
        found = withdrawing.reserved(self.world.archive)
        assert found.roots == self.model.roots(Asks.RESERVE_TDM)

    @invariant()
    def tombstones_have_an_upheld_cause(self) -> None:
        for causes in tombstones(self.world.archive).values():
            assert all(self.model.claims[one].state == State.UPHELD for one in causes)

    @invariant()
    def the_chain_follows(self) -> None:
        with self.world.archive.ledger.read() as connection:
            assert log.walk(connection).ok


@pytest.mark.usefixtures("template")
def test_claims_as_a_state_machine(template: Made) -> None:
    machine = type("Machine", (ClaimMachine,), {"source": template})
    run = machine.TestCase
    run.settings = settings(max_examples=8, stateful_step_count=14, deadline=None)
    run("runTest").runTest()


def test_lifting_one_claim_does_not_lift_another(world: Made) -> None:
    key = world.hold(0)
    first = uphold(world, recordings=(world.recording(0),))
    second = uphold(world, artists=("Artist 0",))
    claims.decide(world.archive, first, Step.RESTORE, "settled")
    assert withdrawn(world) == {key.root}
    assert tombstones(world.archive) == {key.root: {second}}
    claims.decide(world.archive, second, Step.RESTORE, "settled")
    assert withdrawn(world) == set()
    assert tombstones(world.archive) == {}


def test_a_claim_on_an_artist_covers_what_is_captured_later(world: Made) -> None:
    claim = uphold(world, artists=("Artist 1",))
    later = world.hold(4)
    assert withdrawn(world) == {later.root}
    assert tombstones(world.archive) == {}
    assert claims.catch_up(world.archive) == 1
    assert tombstones(world.archive) == {later.root: {claim}}
    assert claims.catch_up(world.archive) == 0
    claims.decide(world.archive, claim, Step.RESTORE, "settled")
    assert withdrawn(world) == set()


def test_a_claim_follows_recordings_that_are_joined_and_split(world: Made) -> None:
    kept, taken, other = world.hold(0), world.hold(1), world.hold(2)
    memory = withdrawing.Memory()
    uphold(world, recordings=(world.recording(1),))
    assert withdrawing.standing(world.archive, memory).roots == {taken.root}
    pair = [world.recording(0), world.recording(1)]
    curation.join(world.archive.catalogue, pair, Hand("me", "the same"))
    assert withdrawing.standing(world.archive, memory).roots == {kept.root, taken.root}
    curation.join(world.archive.catalogue, pair, Hand("me", "not the same"), undo=True)
    after = withdrawing.standing(world.archive, memory).roots
    assert taken.root in after
    assert other.root not in after


def test_a_recording_credited_to_the_artist_later_is_withdrawn_then(world: Made) -> None:
    key = world.hold(2)
    uphold(world, artists=("Somebody Else",))
    assert withdrawn(world) == set()
    world.rows[2]["artists"] = "Artist 2;Somebody Else"
    world.write()
    assert withdrawn(world) == {key.root}
    assert claims.catch_up(world.archive) == 1


def test_pictures_that_only_withdrawn_recordings_carry_go_with_them(world: Made) -> None:
    first, second = world.hold(0), world.hold(1)
    mine, shared = world.picture(first), world.picture(first, second)
    uphold(world, recordings=(world.recording(0),))
    assert withdrawn(world) == {first.root, mine.root}
    uphold(world, recordings=(world.recording(1),))
    assert withdrawn(world) == {first.root, mine.root, second.root, shared.root}


def test_the_same_claim_decided_twice_at_once_is_decided_once(world: Made) -> None:
    world.hold(0)
    claim = claims.add(world.archive, request(recordings=(world.recording(0),)))
    with world.archive.ledger.write() as connection:
        record.step(connection, claim, Step.REJECT, State.REJECTED, "no")
    with (
        pytest.raises(LedgerError, match="somebody else decided at the same time"),
        world.archive.ledger.write() as connection,
    ):
        record.step(connection, claim, Step.UPHOLD, State.UPHELD, "yes")
    assert claims.list_all(world.archive)[0].state == State.REJECTED


@pytest.mark.parametrize(
    ("named", "error", "words"),
    [
        ({}, UsageError, "names what it is about"),
        ({"recordings": ("tr0000000000001",)}, InputError, "is no recording"),
        ({"recordings": ("rec\x1b[31m",)}, InputError, "rec"),
        ({"isrcs": ("QZTST2600001",)}, None, ""),
        ({"isrcs": ("nonsense",)}, InputError, "is no ISRC"),
        ({"artists": ("  ",)}, UsageError, "needs a name"),
        ({"artists": ("x" * (MAX_CHARACTERS + 1),)}, UsageError, "more than the 20,000"),
        ({"objects": ("obj12",)}, InputError, "is no object"),
        ({"objects": ("obj" + "z" * 64,)}, InputError, "is no object"),
        ({"isrcs": tuple(f"QZTST26{n:05}" for n in range(MAX_SUBJECTS + 1))}, UsageError,
         "at most 10,000"),
        ({"isrcs": tuple(f"QZTST26{n:05}" for n in range(MAX_SUBJECTS))}, None, ""),
    ],
)  # fmt: skip
def test_what_a_claim_may_be_about(
    world: Made, named: dict[str, object], error: type[Exception] | None, words: str
) -> None:
    before = world.log_size()
    if error is None:
        assert claims.add(world.archive, request(**named)).state == State.OPEN
        return
    with pytest.raises(error, match=words) as caught:
        claims.add(world.archive, request(**named))
    assert "\n" not in str(caught.value)
    assert world.log_size() == before
    assert claims.list_all(world.archive) == []


@pytest.mark.parametrize("text", ["nul \x00", "half \ud800 a pair", "x" * (MAX_CHARACTERS + 1)])
def test_words_that_cannot_be_kept_are_refused(world: Made, text: str) -> None:
    for change in ({"who": text}, {"contact": text}, {"ground": text}, {"evidence": text}):
        with pytest.raises(UsageError):
            claims.add(world.archive, Request(**{**PLAIN, **change}))  # type: ignore[arg-type]
    claim = claims.add(world.archive, Request(**PLAIN)).id  # type: ignore[arg-type]
    for step in (Step.UPHOLD, Step.REJECT):
        with pytest.raises(UsageError):
            claims.decide(world.archive, claim, step, text)
    with pytest.raises(UsageError):
        claims.answer(world.archive, claim, "who", "", text)


PLAIN = {"who": "W", "contact": "c", "ground": "g", "isrcs": ("QZTST2600001",)}


def test_an_erased_person_is_in_no_file_of_the_ledger(world: Made) -> None:
    name, contact, ground = "Zebulon Quartermaine", "zq@example.org", "my grandmother's song"
    claim = claims.add(world.archive, Request(name, contact, ground, isrcs=("QZTST2600001",)))
    claims.decide(world.archive, claim.id, Step.UPHOLD, "")
    claims.erase_person(world.archive, claim.person.id, words=True)
    files = b"".join(path.read_bytes() for path in (world.folder / "archive").glob("ledger*"))
    for text in (name, contact, ground):
        assert text.encode() not in files
    with world.archive.ledger.read() as connection:
        assert log.walk(connection).ok
    after = claims.list_all(world.archive)[0]
    assert (after.person.name, after.person.contact, after.state) == (None, None, State.UPHELD)
    assert after.ground == "(erased)"
    with pytest.raises(InputError, match="is no person"):
        claims.erase_person(world.archive, "pe00")


def test_the_statement_of_reasons_can_be_read_again(world: Made) -> None:
    claim = claims.add(world.archive, request(isrcs=("QZTST2600001",), evidence="a contract"))
    claims.answer(world.archive, claim.id, "B", "", "we have a licence")
    said = claims.decide(world.archive, claim.id, Step.UPHOLD, "the contract is older").reasons
    claims.answer(world.archive, claim.id, "B", "", "here it is")
    again = claims.list_all(world.archive)[0]
    assert claims.statement(again, 2) == said
    assert [bool(claims.statement(again, index)) for index in range(4)] == [
        False, False, True, False,
    ]  # fmt: skip
    for part in ("a contract", "we have a licence", "the contract is older", "A person decided"):
        assert part in said
    assert "A. Holder" not in said
    assert "here it is" not in said


def test_what_is_withdrawn_and_what_is_gone_is_explained(world: Made) -> None:
    key = world.hold(0)
    claim = uphold(world, recordings=(world.recording(0),))
    for asked in (f"obj{key.hex}", key.hex, world.recording(0), "QZTST2600000"):
        (found,) = judging.explain(world.archive, asked)
        assert (found.object, found.access, found.withdrawn) == (f"obj{key.hex}", "dark", True)
        assert [cause.split(",")[0] for cause in found.causes] == [claim]
        assert {answer.reason for answer in found.answers} == {"withdrawn"}
    with world.archive.ledger.write() as connection:
        for table in ("object", "manifestation", "holding"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    for asked in (f"obj{key.hex}", world.recording(0)):
        (found,) = judging.explain(world.archive, asked)
        assert (found.kind, found.access, found.size) == ("absent", "dark", key.size)
    for unknown in ("obj" + "0" * 64, world.recording(3)):
        with pytest.raises(InputError, match="nothing of it is held"):
            judging.explain(world.archive, unknown)
    for nonsense in ("rec\x1b", "", "obj12", "QZTST2699999"):
        with pytest.raises(InputError):
            judging.explain(world.archive, nonsense)
