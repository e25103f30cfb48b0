"""A folder of deliveries as a source: what it offers, which message counts, what it refuses."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longplay.capture import listings
from longplay.capture.sources import Wanted
from longplay.capture.sources.ddex import DdexSource, manifests
from longplay.errors import InputError, LongplayError, SourceError, UnavailableError
from longplay.files import mtime_ns
from longplay.model import Kind, Offer
from longplay.settings import Source
from tests.ddex_made import ENDED, OPEN, SINCE, WORLD, Delivery, Recording, two

SHARED = HealthCheck.function_scoped_fixture  # each example writes the same files anew

MESSAGE = b"one/0720642442524.xml"


def source(folder: Path) -> DdexSource:
    return DdexSource(
        Source(name="label", kind="ddex", location=str(folder), rights="longplay:agreement")
    )


def listed(folder: Path) -> tuple[dict[bytes, Offer], list[str]]:
    """What a folder offers, and what is told of it."""
    one = source(folder)
    return {offer.path: offer for offer in one.offers()}, list(map(str, one.problems))


def delivered(folder: Path, name: str, **values: object) -> Path:
    return Delivery(recordings=two(), **values).write(folder / name)  # type: ignore[arg-type]


def test_a_delivery_offers_its_sound_and_what_is_beside_it(tmp_path: Path) -> None:
    delivered(tmp_path, "one", cover=b"art")
    found, told = listed(tmp_path)
    assert told == []
    assert list(found) == [
        b"one/resources/01.flac", b"one/resources/02.flac", b"one/resources/cover.png", MESSAGE,
    ]  # fmt: skip
    sound = found[b"one/resources/01.flac"]
    facts = (tmp_path / "one/resources/01.flac").stat()
    assert sound == Offer(
        path=b"one/resources/01.flac",
        size=3,
        mtime_ns=facts.st_mtime_ns,
        checksum="md5:" + hashlib.md5(b"one").hexdigest(),
        version=f"3-{facts.st_mtime_ns}",
        own_id="icpn:00720642442524 isrc:QZLP02600001",
        title="Piece 1",
        artists=("Ann", "Bob"),
        album="First",
        album_id="icpn:00720642442524",
        album_artists=("Ann",),
        track_number=1,
        duration_ms=62_500,
        isrcs=("QZLP02600001",),
        upc="00720642442524",
        label="Made-up Records",
        release_date="2026-03-01",
        genres=("Folk",),
        codec="flac",
        lossless=True,
        rights=(
            ("phonographic", "℗ 2026 Made-up Records"),
            ("copyright", "© 2026 Made-up Records"),
        ),
    )
    art, message = found[b"one/resources/cover.png"], found[MESSAGE]
    assert (art.kind, art.beside) == (Kind.IMAGE, sound.path)
    assert (message.kind, message.beside) == (Kind.TEXT, sound.path)
    body = (tmp_path / os.fsdecode(MESSAGE)).read_bytes()
    assert message.checksum == "sha256:" + hashlib.sha256(body).hexdigest()


def test_the_message_made_last_counts_wherever_it_lies(tmp_path: Path) -> None:
    delivered(tmp_path, "b", title="Second", created="2026-01-03T00:30:00+02:00")
    delivered(tmp_path, "a", title="Third", created="2026-01-03T00:00:00Z")
    delivered(tmp_path, "c", title="First")
    found, _ = listed(tmp_path)
    assert {offer.album for offer in found.values() if offer.kind is Kind.AUDIO} == {"Third"}
    assert {path.partition(b"/")[0] for path in found} == {b"a"}


def test_what_a_message_does_not_bring_again_lies_where_it_was_brought(tmp_path: Path) -> None:
    delivered(tmp_path, "one")
    later = Delivery(recordings=[Recording(1, "QZLP02600001", "New name"), two()[1]],
                     created="2026-02-01T00:00:00Z", message="m2")  # fmt: skip
    later.recordings[0].hash_sum = hashlib.md5(b"one").hexdigest()
    later.write(tmp_path / "two")
    found, told = listed(tmp_path)
    assert told == []
    assert found[b"one/resources/01.flac"].title == "New name"
    assert found[b"one/resources/01.flac"].own_id == "icpn:00720642442524 isrc:QZLP02600001"
    assert b"two/resources/02.flac" in found


def test_identifiers_join_messages_over_others(tmp_path: Path) -> None:
    delivered(tmp_path, "one")
    icpn, own = "<ICPN>0720642442524</ICPN>", "<ProprietaryId Namespace='L'>X</ProprietaryId>"
    for name, ids, month in (("two", icpn + own, "02"), ("three", own, "03")):
        (tmp_path / name).mkdir()
        text = Delivery(recordings=two(), title=name, created=f"2026-{month}-01T00:00:00Z").xml()
        (tmp_path / name / "m.xml").write_text(text.replace(icpn, ids))
    found, _ = listed(tmp_path)
    sounds = [offer for offer in found.values() if offer.kind is Kind.AUDIO]
    assert {(offer.album, offer.album_id) for offer in sounds} == {("three", "icpn:00720642442524")}


@pytest.mark.parametrize("way", ["purge", "no deal", "ended", "taken"])
def test_what_is_taken_down_is_not_offered(tmp_path: Path, way: str) -> None:
    delivered(tmp_path, "one")
    terms = {"no deal": (), "ended": (OPEN.replace(SINCE, ENDED),),
             "taken": (OPEN, WORLD + SINCE + "<TakeDown>true</TakeDown>")}  # fmt: skip
    later = Delivery(recordings=two(), created="2026-02-01T00:00:00Z", terms=terms.get(way, ()))
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "m.xml").write_text(later.purge() if way == "purge" else later.xml())
    found, told = listed(tmp_path)
    assert found == {}
    assert told == [] if way == "purge" else told == [
        "two/m.xml line 8: no deal stands for First: it is not offered"
    ]  # fmt: skip
    delivered(tmp_path, "three", created="2026-03-01T00:00:00Z")
    assert b"three/resources/01.flac" in listed(tmp_path)[0]


def test_a_track_without_a_deal_of_its_own_is_left_out(tmp_path: Path) -> None:
    path = delivered(tmp_path, "one")
    text = path.read_text()
    path.write_text(text.replace("<DealReleaseReference>R0<", "<DealReleaseReference>R2<"))
    assert [one for one in listed(tmp_path)[0] if one.endswith(b".flac")] == [
        b"one/resources/02.flac"
    ]


def test_a_test_message_does_nothing(tmp_path: Path) -> None:
    delivered(tmp_path, "one", control="TestMessage")
    found, told = listed(tmp_path)
    assert found == {}
    assert told[0].startswith("one/0720642442524.xml: is a TestMessage: nothing is done with it")


def named(folder: Path, name: str) -> list[str]:
    """What is told of a delivery whose first file bears that name."""
    delivery = Delivery(recordings=[Recording(1, "QZLP02600001", name=name), two()[1]])
    delivery.write(folder / "one")
    found, told = listed(folder)
    assert [path for path in found if path.endswith(b".flac")] == [b"one/resources/02.flac"]
    return told


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resources/03.flac", "the file 'resources/03.flac' is not in the delivery;"
         " send it, or correct the name in the message"),
        ("resources/02.FLAC", "the file 'resources/02.FLAC' is not in the delivery;"
         " '02.flac' is there: names must agree in every letter"),
        ("other/02.flac", "the file 'other/02.flac' is not in the delivery;"
         " '02.flac' lies elsewhere in the delivery: correct its path"),
        ("../secret.flac", "the file '../secret.flac' would lie outside the delivery;"
         " name files by their place beside the message, such as resources/01.flac"),
        ("resources/../../secret.flac", "would lie outside the delivery"),
        ("%2e%2e/secret.flac", "would lie outside the delivery"),
        ("..\\secret.flac", "would lie outside the delivery"),
        ("/etc/passwd", "would lie outside the delivery"),
        ("https://example.org/01.flac", "is an address, not a name in the delivery;"
         " put the file into resources/ and name it"),
        ("file:///etc/passwd", "is an address"),
        ("resources//", "has a name that leads nowhere"),
        ("link.flac", "the file 'link.flac' is a link; send the file itself"),
        ("linked/secret.flac", "is a link"),
        ("pipe", "is no regular file"),
        ("resources", "is not in the delivery"),
    ],
)  # fmt: skip
def test_names_that_lead_nowhere_are_told(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "secret.flac").write_bytes(b"secret")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "link.flac").symlink_to(tmp_path / "secret.flac")
    (tmp_path / "one" / "linked").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "one" / "pipe")
    told = [one for one in named(tmp_path, name) if "SoundRecording A1" in one]
    assert len(told) == 1
    assert told[0].startswith("one/0720642442524.xml line 5: SoundRecording A1: the file ")
    assert words in told[0]


@pytest.mark.parametrize("name", ["a%20b.flac", "resources\\a b.flac", "./resources/a b.flac"])
def test_names_may_be_spelt_as_addresses_or_as_windows_does(tmp_path: Path, name: str) -> None:
    (tmp_path / "one" / "resources").mkdir(parents=True)
    (tmp_path / "one" / "resources" / "a b.flac").write_bytes(b"one")
    Delivery(recordings=[Recording(1, "QZLP02600001", name=name)]).write(tmp_path / "one")
    assert b"one/resources/a b.flac" in listed(tmp_path)[0]


def batch(folder: Path, name: str, releases: int = 1) -> Path:
    for number in range(releases):
        delivered(folder, f"{name}/r{number}", icpn=f"072064244252{number}")
    return folder / name


def test_a_batch_waits_for_its_manifest(tmp_path: Path) -> None:
    first = batch(tmp_path, "N_20260102100000000")
    with pytest.raises(InputError) as caught:
        list(source(tmp_path).offers())
    assert str(caught.value) == (
        "N_20260102100000000: is a batch without its BatchComplete file: nothing in it is read"
        " yet (send BatchComplete_N_20260102100000000.xml when all of it is there)"
    )
    (first / "BatchComplete_20260102100000000.xml").write_bytes(b"")
    assert len(listed(tmp_path)[0]) == 3
    batch(tmp_path, "second")
    assert "second: is a batch without" in listed(tmp_path)[1][0]
    assert len(listed(tmp_path)[0]) == 3


MANIFEST = """<m:ManifestMessage xmlns:m="http://ddex.net/xml/2011/ern-c/16"><NumberOfMessages>1
</NumberOfMessages><MessageInBatch><URL>{url}</URL><HashSum><HashSum>{digest}</HashSum>
<HashSumAlgorithmType>SHA-256</HashSumAlgorithmType></HashSum></MessageInBatch>
</m:ManifestMessage>"""


@pytest.mark.parametrize(
    ("url", "digest", "words"),
    [
        ("r0/0720642442520.xml", "", ""),
        ("/drop/B1/r0/0720642442520.xml", "", ""),
        ("r9/0720642442520.xml", "", "names 'r9/0720642442520.xml', which is not in the batch;"
         " send it, or correct its URL"),
        ("../../x.xml", "", "names a message '../../x.xml' outside its batch; correct its URL"),
        ("r0/0720642442520.xml", "00" * 32, "has another checksum for 'r0/0720642442520.xml' than"
         " the file; send the batch again"),
        ("r0/0720642442520.xml", "xyz", "a HashSum 'xyz' is no SHA-256, which has 64"),
    ],
)  # fmt: skip
def test_a_manifest_is_compared(tmp_path: Path, url: str, digest: str, words: str) -> None:
    here = batch(tmp_path, "B1")
    delivered(tmp_path, "other", icpn="0720642442588")
    body = (here / "r0" / "0720642442520.xml").read_bytes()
    text = MANIFEST.format(url=url, digest=digest or hashlib.sha256(body).hexdigest())
    (here / "BatchComplete_B1.xml").write_text(text)
    (tmp_path / "other" / "BatchComplete_other.xml").write_bytes(b"")
    found, told = listed(tmp_path)
    assert any(path.startswith(b"B1/") for path in found) is (not words)
    if words:
        assert words in told[0]
        assert told[0].startswith("B1/BatchComplete_B1.xml: ")


@pytest.mark.parametrize("body", [b" " * (manifests.MAX_BYTES + 1), b"<m/>"])
def test_a_manifest_that_is_too_long_is_not_read(tmp_path: Path, body: bytes) -> None:
    here = batch(tmp_path, "B1")
    (here / "BatchComplete_B1.xml").write_bytes(body)
    if len(body) <= manifests.MAX_BYTES:
        assert len(listed(tmp_path)[0]) == 3
        return
    with pytest.raises(InputError, match="is longer than 4,194,304 bytes"):
        list(source(tmp_path).offers())


def test_a_message_may_have_any_name(tmp_path: Path) -> None:
    path = delivered(tmp_path, "one")
    odd = os.fsencode(tmp_path) + b"/one/caf\xe9 %2e.xml"
    os.rename(os.fsencode(path), odd)  # noqa: PTH104 - a name that no text has
    found, told = listed(tmp_path)
    assert told == []
    assert b"one/caf\xe9 %2e.xml" in found


def test_one_broken_message_stops_no_other(tmp_path: Path) -> None:
    delivered(tmp_path, "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "m.xml").write_text("a")
    (tmp_path / "two" / "mead.xml").write_text("<MeadMessage/>")
    (tmp_path / "linked").symlink_to(tmp_path / "one")
    found, told = listed(tmp_path)
    assert len(found) == 3
    assert told[0] == "linked: is a link, and not followed; send what it leads to"
    assert told[1].startswith("two/m.xml line 1: is no XML")
    assert told[2].startswith("two/mead.xml: is no message of releases, but 'MeadMessage'")


def test_when_nothing_can_be_read_the_first_reason_is_told(tmp_path: Path) -> None:
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_text("a")
    with pytest.raises(InputError) as caught:
        list(source(tmp_path).offers())
    assert str(caught.value).startswith("a.xml line 1: is no XML")
    assert "(and 1 more)" in str(caught.value)
    with pytest.raises(UnavailableError, match="cannot be looked at"):
        list(source(tmp_path / "gone").offers())
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no DDEX message in it"):
        list(source(tmp_path / "empty").offers())


BODY = Delivery(recordings=two(), cover=b"art").xml().encode()


@settings(max_examples=100, deadline=None, suppress_health_check=[SHARED])
@given(seed=st.integers(0, 2**32))
def test_damaged_messages_never_stop_a_source_without_words(tmp_path: Path, seed: int) -> None:
    """Names, numbers and references of a message become anything, and its XML stays well formed."""
    chance = random.Random(seed)
    parts = BODY.decode().split(">")
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(4, len(parts) - 1)
        tag = parts[at].partition("<")[2]
        parts[at] = chance.choice(ODD) + "<" + tag
    delivered(tmp_path, "one", cover=b"art")
    (tmp_path / "one" / "0720642442524.xml").write_text(">".join(parts), encoding="utf-8")
    one = source(tmp_path)
    try:
        found = list(one.offers())
        assert all(offer.path.startswith(b"one/") for offer in found)
        written = listings.write(tmp_path / "listings", "label", found, may_be_empty=True)
        assert written.files + written.repeated == len(found)
    except LongplayError as error:
        assert "\n" not in str(error)
    assert all("\n" not in str(problem) for problem in one.problems)


ODD = (
    "", "x", "A1", "R0", "../x", "-1", "9" * 30, "²", "PT", "P1Y", "true", "0000-00-00", "NaN",
    "Infinity", "é\u202e", "a" * 5_000, "Worldwide", "9999-12-31T23:59:59Z", "%00", "\t\n ",
    "http://", "0001-01-01T00:00:00+14:00",
)  # fmt: skip


def test_old_versions_are_told_once(tmp_path: Path) -> None:
    for number in range(3):
        delivered(tmp_path, f"r{number}", icpn=f"072064244252{number}",
                  namespace="http://ddex.net/xml/ern/41")  # fmt: skip
    _, told = listed(tmp_path)
    assert [one for one in told if "on its way out" in one] == [
        f"{tmp_path}: 3 messages are ERN 4.1, which is read, but on its way out; send ERN 4.3"
    ]


def test_a_file_is_opened_from_where_one_left_off(tmp_path: Path) -> None:
    delivered(tmp_path, "one")
    path = tmp_path / "one" / "resources" / "01.flac"
    path.write_bytes(bytes(range(256)) * 8192)
    one = source(tmp_path)
    with one.open(Wanted(b"one/resources/01.flac")) as stream:
        assert (stream.start, stream.size) == (0, 2_097_152)
        assert b"".join(stream.chunks) == path.read_bytes()
    wanted = Wanted(b"one/resources/01.flac", version=stream.version, start=2_000_000)
    with one.open(wanted) as again:
        assert again.start == 2_000_000
        assert b"".join(again.chunks) == path.read_bytes()[2_000_000:]
    with one.open(Wanted(b"one/resources/01.flac", version="other", start=5)) as anew:
        assert anew.start == 0


STRANGE = (
    ("PT1M2.5S", "PT2000H"),
    ("<SequenceNumber>1<", "<SequenceNumber>000000000099999999999<"),
    ("<SequenceNumber>2<", f"<SequenceNumber>{'9' * 5_000}<"),
    ("<AudioCodecType>FLAC</AudioCodecType>",
     '<AudioCodecType>FLAC</AudioCodecType><BitRate UnitOfMeasure="Mbps">1e300</BitRate>'),
    ("<ReleaseDate>2026-03-01<", "<ReleaseDate>9999-99-99<"),
    ("<FullName>Ann<", "<FullName>&#xFFFD;&#x10FFFF;\u202e<"),
    ("<GenreText>Folk<", "<GenreText>" + "x" * 100_000 + "<"),
    (">QZLP02600001<", "><"),
)  # fmt: skip
"""What a message says, and what nobody should say."""


@settings(max_examples=25, suppress_health_check=[SHARED], deadline=None)
@given(
    strange=st.sets(st.sampled_from(STRANGE)),
    seconds=st.sampled_from((-(2**31), 0, 2**31, 2**33, 2**34)),
)
def test_whatever_a_message_says_fits_a_listing(
    tmp_path: Path, strange: set[tuple[str, str]], seconds: int
) -> None:
    path = delivered(tmp_path, "one")
    text = path.read_text()
    for plain, odd in strange:
        assert plain in text
        text = text.replace(plain, odd)
    path.write_text(text)
    os.utime(tmp_path / "one" / "resources" / "02.flac", (seconds, seconds))
    found, _ = listed(tmp_path)
    written = listings.write(tmp_path / "listings", "label", found.values())
    kept = listings.look_up(tmp_path / "listings", "label", list(found))
    assert written.files == len(kept) == len(found)
    assert {path: at.mtime_ns for path, (at, _) in kept.items()} == {
        path: offer.mtime_ns for path, offer in found.items()
    }


def test_a_date_that_no_table_holds_is_the_last_that_one_does(tmp_path: Path) -> None:
    delivered(tmp_path, "one")
    path = tmp_path / "one" / "resources" / "01.flac"
    os.utime(path, (2**34, 2**34))
    found, _ = listed(tmp_path)
    offer = found[b"one/resources/01.flac"]
    assert offer.mtime_ns == mtime_ns(path.stat()) < 2**63
    with source(tmp_path).open(Wanted(offer.path, version=offer.version, start=1)) as stream:
        assert (stream.start, stream.mtime_ns) == (1, offer.mtime_ns)


def test_a_file_that_changes_or_goes_is_told(tmp_path: Path) -> None:
    delivered(tmp_path, "one")
    path = tmp_path / "one" / "resources" / "01.flac"
    path.write_bytes(bytes(3 * 2**20))
    one = source(tmp_path)
    with (
        one.open(Wanted(b"one/resources/01.flac")) as stream,
        pytest.raises(UnavailableError, match="changed while it was read"),
    ):
        next(stream.chunks)
        path.write_bytes(bytes(2**20))
        list(stream.chunks)
    path.unlink()
    for name, kind, words in (
        (b"one/resources/01.flac", SourceError, "is no longer in the delivery"),
        (b"one/../../etc/passwd", SourceError, "path leaves its folder"),
        (b"one/resources", SourceError, "is no regular file"),
    ):
        with pytest.raises(kind, match=words), one.open(Wanted(name)):
            pass
    path.symlink_to("/etc/passwd")
    with pytest.raises(SourceError), one.open(Wanted(b"one/resources/01.flac")):
        pass
    shutil.rmtree(tmp_path / "one")
    tmp_path.rename(tmp_path.with_name("moved"))
    with pytest.raises(UnavailableError, match="cannot be reached"), one.open(Wanted(b"a")):
        pass
