"""Packages: names, documents against the real schemas, storage roots, what belongs in a folder."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from ocfl.storage_root import StorageRoot as TheirRoot

from longplay.errors import IntegrityFoundError, LockedError, ReleaseError
from longplay.model import ObjectKey
from longplay.release.packages import folder, mets, names, ocfl, premis, xml
from longplay.release.packages.folder import Purpose, Roots
from longplay.release.packages.item import Carried, Event, Granted, Item, Origin, Right
from longplay.release.paths import fold
from longplay.torrent.merkle import ObjectHasher
from tests import schemas

P = {"p": xml.PREMIS}
M = {"m": xml.METS, "x": xml.XLINK}
BASES = ("license", "copyright", "statute", "other")


def right(basis: str, **facts: object) -> Right:
    granted = (Granted("release", "allow", "asks for attribution"), Granted("stream", "disallow"))
    made = Right(f"https://example.org/{basis}", f"Terms of {basis}", basis, "in a tag", "", "", (),
                 granted)  # fmt: skip
    return replace(made, **facts)  # type: ignore[arg-type]


def item(data: bytes = b"sound", **facts: object) -> Item:
    hasher = ObjectHasher(32768)
    hasher.update(data)
    hashes = hasher.finish()
    made = Item(
        key=ObjectKey(hashes.root, len(data)),
        sha256=hashlib.sha256(data).digest(),
        kind="audio",
        name="a song.flac",
        media_type="audio/flac",
        format="container flac, codec flac",
        properties=(("channels", "2"),),
        origins=(Origin("mine", "Ann/a song.flac"), Origin("mine", "twin.flac")),
        carries=(Carried("rec0001", 0, None, "preservation", "A Song", ("Ann", "Bob"), "First",
                         "2001", "QZLP02600001"),),
        inside=(),
        events=(Event("ingestion", "2026-11-23T09:30:00.123Z", "captured", "from mine", 7),
                Event("validation", "2026-11-23T09:30:00.123Z", "whole", "", None, "FFmpeg")),
        rights=tuple(map(right, BASES)),
        access="open",
        granted=(Granted("release", "allow"),),
        archive="longplay",
        suffix=".flac",
    )  # fmt: skip
    return replace(made, **facts)  # type: ignore[arg-type]


STRANGE = {
    "no facts at all": item(origins=(), carries=(), events=(), rights=(), properties=(),
                            format=""),
    "dates and territories": item(
        rights=tuple(right(basis, start="2020-01-01", end="2030-12-31", territories=("DE", "FR"))
                     for basis in BASES)),
    "an end only": item(rights=(right("license", end="2030-12-31"),)),
    "several recordings in one file": item(carries=(
        Carried("rec1", 0, 61_500, "part", "One"), Carried("rec2", 61_500, None, "part"))),
    "a picture": item(kind="image", carries=(), inside=(b"r" * 32, b"s" * 32)),
    "signs that XML has not": item(
        origins=(Origin("mine", "a\ufffe\x01b"),),
        carries=(Carried("rec1", 0, None, "preservation", "\x00\x0b<&]]>\ud800",
                         ("\x1b[31m",), "“”"),)),
    "a name with signs": item(name="100 & <more> #1? ü.flac"),
}  # fmt: skip


@pytest.mark.parametrize("told", STRANGE.values(), ids=STRANGE)
def test_documents_are_what_the_schemas_ask_for(told: Item) -> None:
    one = premis.render(told, "1.0")
    schemas.load("premis/premis.xsd").assertValid(etree.fromstring(one))
    two = mets.render(told, "1.0", "ab" * 64, one, "cd" * 64)
    schemas.load("mets/mets.xsd").assertValid(etree.fromstring(two))
    assert mets.digest_in(two) == "ab" * 64


def test_a_document_with_units_out_of_order_is_refused_by_the_schema() -> None:
    document = etree.fromstring(premis.render(item(), "1.0"))
    document.append(document.find("p:event", P))
    assert not schemas.load("premis/premis.xsd").validate(document)


def test_premis_says_what_happened_who_did_it_and_what_may_be_done() -> None:
    document = etree.fromstring(premis.render(item(), "1.0"))
    texts = lambda path: [each.text for each in document.iterfind(path, P)]  # noqa: E731
    assert texts(".//p:eventType") == ["ingestion", "validation"]
    assert "entry 7 of the archive's log" in texts(".//p:eventDetail")
    assert texts(".//p:agentName") == ["Longplay", "FFmpeg", "longplay"]
    assert texts(".//p:rightsBasis") == [*BASES, "other"]
    assert texts(".//p:licenseDocumentationIdentifierValue") == ["https://example.org/license"]
    assert texts(".//p:act")[:2] == ["release", "stream"]
    assert texts("p:object/p:objectIdentifier/p:objectIdentifierValue") == [
        item().urn, "Ann/a song.flac", "twin.flac", "urn:longplay:rec0001",
    ]  # fmt: skip
    units = ("Event", "Agent", "RightsStatement")
    linked = {text for unit in units for text in texts(f".//p:linking{unit}Identifier/*[2]")}
    there = {
        text for unit in units for text in texts(f".//p:{unit[0].lower()}{unit[1:]}Identifier/*[2]")
    }
    assert linked == there


def test_mets_points_at_its_file_by_a_uri_and_at_times_inside_it() -> None:
    told = STRANGE["several recordings in one file"]
    document = etree.fromstring(mets.render(replace(told, name="ü #1.flac"), "1", "", b"", ""))
    (place,) = document.iterfind(".//m:FLocat", M)
    assert place.get(f"{{{xml.XLINK}}}href") == "%C3%BC%20%231.flac"
    areas = [(each.get("BEGIN"), each.get("END")) for each in document.iterfind(".//m:area", M)]
    assert areas == [("00:00:00.000", "00:01:01.500"), ("00:01:01.500", None)]


def test_the_same_facts_give_the_same_bytes() -> None:
    assert premis.render(item(), "1.0") == premis.render(item(), "1.0")


NAMES = {
    (b"Ann/01 Piece.flac", ".flac"): "01 Piece.flac",
    (b"Ann/01 Piece.FLAC", ".flac"): "01 Piece.flac",
    (b"rip.log", ".txt"): "rip.log",
    (b"notes", ".txt"): "notes.txt",
    (b"CON.flac", ".flac"): "_CON.flac",
    (b"nul", ".bin"): "_nul.bin",
    (b"caf\xe9.txt", ".txt"): "caf_E9.txt",
    (b"two\nlines\r.flac", ".flac"): "two_0Alines_0D.flac",
    (b"100%.flac", ".flac"): "100_25.flac",
    (b"..flac", ".flac"): "_flac.flac",
    (b"mets.xml", ".txt"): "_mets.xml",
    (b"PREMIS.XML", ".txt"): "_PREMIS.XML",
    (b'a<b>:"|?*.mp3', ".mp3"): "a_b______.mp3",
    (b"dots...", ".bin"): "dots.bin",
    (b"a.no suffix", ""): "a.no suffix",
    (b"", ".jpg"): "object.jpg",
    (b"   ", ".bin"): "object.bin",
}


@pytest.mark.parametrize(("original", "suffix"), NAMES)
def test_names_are_like_the_original_s_and_safe(original: bytes, suffix: str) -> None:
    assert names.file_name(original, suffix) == NAMES[original, suffix]


@given(st.binary(max_size=300), st.sampled_from(["", ".flac", ".txt", ".bin"]))
def test_any_name_becomes_one_that_every_system_takes(original: bytes, suffix: str) -> None:
    name = names.file_name(original, suffix)
    assert name
    assert len(name.encode()) <= 255
    assert name.isprintable()
    assert not set(name) & set('%/\\<>:"|?*')
    assert fold(name) not in ("mets.xml", "premis.xml", ".", "..")
    assert name[-1] not in ". "


def test_the_layout_is_the_extension_s() -> None:
    # Ids and digests: the extension's own examples.
    assert ocfl.object_path("object-01") == "3c/0f/object-01"
    assert ocfl.object_path("..hor/rib:le-$id") == "48/73/%2e%2ehor%2frib%3ale-%24id"


def test_an_object_whose_facts_change_gets_a_version_and_keeps_its_bytes(tmp_path: Path) -> None:
    told = item()
    root = ocfl.StorageRoot(tmp_path, "1.0", "me", "2026-11-23T09:30:00Z")
    with folder.claimed(tmp_path, Purpose("ocfl", "me", False)):
        root.begin()
        assert root.put(told, lambda: io.BytesIO(b"sound")).fresh
        assert not root.put(told, broken).fresh
        assert root.put(replace(told, access="dark"), broken).fresh
        assert root.put(told, broken).fresh
    place = tmp_path / ocfl.object_path(told.urn)
    inventory = json.loads((place / "inventory.json").read_text())
    assert inventory["head"] == "v3"
    assert inventory["versions"]["v3"]["state"] == inventory["versions"]["v1"]["state"]
    assert [path.name for path in sorted(place.rglob("*.flac"))] == ["a song.flac"]
    assert sorted(path.name for path in (place / "v2" / "content").iterdir()) == [
        "mets.xml", "premis.xml",
    ]  # fmt: skip
    assert not (place / "v3" / "content").exists()
    valid(tmp_path, 1)


def broken() -> io.BytesIO:
    raise AssertionError("the object was opened again")


def valid(place: Path, objects: int) -> None:
    """The storage root passes ocfl-py, warnings counted."""
    theirs = TheirRoot(root=str(place))
    assert theirs.validate(log_warnings=True), theirs.log.status_str()
    assert not theirs.errors
    assert theirs.num_objects == theirs.good_objects == objects


@pytest.mark.parametrize("cut_after", ["version", "inventory"])
def test_a_version_that_was_cut_short_is_put_in_order(tmp_path: Path, cut_after: str) -> None:
    told = item()
    root = ocfl.StorageRoot(tmp_path, "1.0", "me", "2026-11-23T09:30:00Z")
    with folder.claimed(tmp_path, Purpose("ocfl", "me", False)):
        root.begin()
        root.put(told, lambda: io.BytesIO(b"sound"))
        place = tmp_path / ocfl.object_path(told.urn)
        before = {name: (place / name).read_bytes() for name in (ocfl.INVENTORY, ocfl.SIDECAR)}
        root.put(replace(told, access="dark"), broken)
        # As a kill leaves it: the version is there, and of inventory and sidecar none or one.
        (place / ocfl.SIDECAR).write_bytes(before[ocfl.SIDECAR])
        if cut_after == "version":
            (place / ocfl.INVENTORY).write_bytes(before[ocfl.INVENTORY])
        root.put(replace(told, access="dark"), broken)
    inventory = json.loads((place / "inventory.json").read_text())
    assert inventory["head"] == "v2"
    valid(tmp_path, 1)


def test_bytes_that_are_not_the_object_s_are_not_exported(tmp_path: Path) -> None:
    root = ocfl.StorageRoot(tmp_path, "1.0", "me", "2026-11-23T09:30:00Z")
    with folder.claimed(tmp_path, Purpose("ocfl", "me", False)):
        root.begin()
        with pytest.raises(IntegrityFoundError, match="its stored bytes are damaged"):
            root.put(item(), lambda: io.BytesIO(b"sounds"))
        assert not (tmp_path / ocfl.object_path(item().urn)).exists()


def test_a_folder_with_anything_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with (
        pytest.raises(ReleaseError, match="is not empty and no export"),
        folder.claimed(tmp_path, Purpose("ocfl", "me", False)),
    ):
        raise AssertionError("it was taken")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("purpose", "words"),
    [
        (Purpose("bagit", "me", False), "holds another export: ocfl"),
        (Purpose("ocfl", "you", False), "holds another export: another archive"),
        (Purpose("ocfl", "me", True), "holds another export: ocfl"),
    ],
)
def test_a_folder_with_another_export_is_refused(
    tmp_path: Path, purpose: Purpose, words: str
) -> None:
    with folder.claimed(tmp_path, Purpose("ocfl", "me", False)):
        pass
    with pytest.raises(ReleaseError, match=words), folder.claimed(tmp_path, purpose):
        raise AssertionError("it was taken")


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"x": 1}', "x" * 70_000])
def test_a_marker_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / folder.MARKER).write_text(text)
    with (
        pytest.raises(ReleaseError, match="is no marker of an export"),
        folder.claimed(tmp_path, Purpose("ocfl", "me", False)),
    ):
        raise AssertionError("it was taken")


def test_two_exports_do_not_write_one_folder(tmp_path: Path) -> None:
    purpose = Purpose("ocfl", "me", False)
    with (
        folder.claimed(tmp_path, purpose),
        pytest.raises(LockedError, match="another export is writing there"),
        folder.claimed(tmp_path, purpose),
    ):
        raise AssertionError("both have it")


ROOT = st.binary(min_size=32, max_size=32)


@given(st.sets(ROOT, max_size=40), ROOT)
def test_roots_know_what_was_added(roots: set[bytes], other: bytes) -> None:
    known = Roots()
    for root in sorted(roots):
        known.add(root)
    assert len(known) == len(roots)
    assert all(root in known for root in roots)
    assert (other in known) == (other in roots)


def test_what_does_not_belong_is_swept_and_nothing_else(tmp_path: Path) -> None:
    known = Roots()
    stays, goes = b"\xaa" * 32, b"\xbb" * 32
    known.add(stays)
    for root in (stays, goes):
        place = tmp_path / root.hex()[:2] / root.hex()[2:4] / f"obj{root.hex()}"
        place.mkdir(parents=True)
        (place / "file").write_text("x")
    (tmp_path / "aa" / "aa" / f"obj{stays.hex()}.xml.7.part").write_text("cut short")
    (tmp_path / "extensions").mkdir()
    assert folder.sweep(tmp_path, known) == 1
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert found == {"extensions", "aa", "aa/aa", f"aa/aa/obj{stays.hex()}",
                     f"aa/aa/obj{stays.hex()}/file"}  # fmt: skip
