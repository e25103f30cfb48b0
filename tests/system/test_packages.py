"""From kept music to packages that other programs validate: whole, stopped, damaged, withdrawn."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bagit
import pytest
from lxml import etree
from ocfl.storage_root import StorageRoot

from longplay.archive import open_archive
from longplay.errors import ReleaseError
from longplay.files import escape
from longplay.ledger import pages
from longplay.release.packages import xml
from longplay.rights.claims import Step
from longplay.workflows import claims, package_facts, packaging
from longplay.workflows.claims import Request
from longplay.workflows.packaging import Format
from tests import schemas
from tests.system.conftest import Longplay, song

BY = "https://creativecommons.org/licenses/by/4.0/"
P = {"p": xml.PREMIS}

HOSTILE = (
    b"CON.txt", b"Case.txt", b"case.txt", b"two\nlines\r.txt", b"100%.txt", b"caf\xe9.txt",
    b"mets.xml", b"premis.xml", b"-rf.txt", b".hidden", b"x" * 251 + b".txt", b" ", b"a:b?.txt",
    "ﬁn\u202e.txt".encode(),
)  # fmt: skip
"""Names that some file system, manifest or shell takes amiss."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive: open and closed songs, a picture in two of them, texts with hostile names."""
    top = tmp_path_factory.mktemp("kept")
    folder = top / "music"
    for number, codec in enumerate(("flac", "vorbis", "mp3"), 1):
        song(folder / "Ann" / f"{number} Piece.{codec}", codec, pitch=200 + 60 * number,  # type: ignore[arg-type]
             title=f"Piece {number} <&>", artists=("Ann", "Ö"), album="First",
             track_number=number, licences=(BY,))  # fmt: skip
    shutil.copy(folder / "Ann" / "1 Piece.flac", folder / "twin.flac")
    song(folder / "secret.flac", "flac", pitch=900, title="Secret", artists=("Bob",),
         copyrights=("© 2020 Bob, all rights reserved",))  # fmt: skip
    for number, name in enumerate(HOSTILE):
        (folder / os.fsdecode(name)).write_text(f"text {number}\n")
    (folder / "empty.txt").write_bytes(b"")
    Longplay(top / "archive").run("keep", folder)
    return top / "archive"


@pytest.fixture
def longplay(kept: Path, tmp_path: Path) -> Longplay:
    shutil.copytree(kept, tmp_path / "archive")
    return Longplay(tmp_path / "archive")


def exported(longplay: Longplay, form: Format, place: Path, *, only_open: bool = False) -> Any:
    """As `export --json`, in this process."""
    with open_archive(longplay.archive) as archive:
        done = packaging.export(archive, place, form, only_open=only_open, progress=lambda *_: None)
    return done.document()


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, and every empty folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


def without_times(found: dict[str, bytes]) -> dict[str, Any]:
    """A storage root's files without the time at which its versions were made, and what follows
    from it."""

    def timeless(name: str, data: bytes) -> Any:
        if name.endswith("inventory.json"):
            inventory = json.loads(data)
            for version in inventory["versions"].values():
                version.pop("created")
            return inventory
        return None if name.endswith(".sha512") else data

    return {name: timeless(name, data) for name, data in found.items()}


def check(form: str, place: Path) -> None:
    """Validate an export with the programs of those who read such packages."""
    if form == "bagit":
        bag = bagit.Bag(str(place))
        bag.validate()
        assert bag.algorithms == ["sha512"]
    elif form == "ocfl":
        root = StorageRoot(root=str(place))
        assert root.validate(log_warnings=True), root.log.status_str()
        assert not root.errors
    about = {"mets.xml": schemas.load("mets/mets.xsd")}
    other = schemas.load("premis/premis.xsd")
    documents = list(place.rglob("premis.xml" if form != "premis" else "*.xml"))
    assert documents
    for path in (*documents, *place.rglob("mets.xml")):
        is_ours = path.name != "mets.xml" or (path.parent / "premis.xml").exists()
        if is_ours:
            about.get(path.name, other).assertValid(etree.parse(path))


def bits(place: Path) -> set[bytes]:
    return {path.read_bytes() for path in place.rglob("*") if path.is_file()}


def access(place: Path, form: str = "premis") -> dict[str, str]:
    """The access class that each document tells, by object."""
    found = {}
    for path in place.rglob("premis.xml" if form != "premis" else "obj*.xml"):
        document = etree.parse(path)
        value = document.findtext("p:object/p:objectIdentifier/p:objectIdentifierValue", None, P)
        notes = [each.text for each in document.iterfind(".//p:otherRightsNote", P)]
        found[value] = notes[-1].removeprefix("access class: ")
    return found


@pytest.mark.parametrize("form", ["bagit", "ocfl", "premis"])
def test_an_export_is_valid_holds_everything_and_repeats_to_nothing(
    longplay: Longplay, tmp_path: Path, form: Format
) -> None:
    place = tmp_path / "export"
    done = exported(longplay, form, place)
    stored = sorted((longplay.archive / "objects").rglob("*.*"))
    assert done["objects"] == done["written"] == len(stored) == 19
    assert done["damaged"] == done["missing"] == []
    check(form, place)
    if form != "premis":
        assert {path.read_bytes() for path in stored} <= bits(place)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*") if "data" in path.parts
              or path.suffix in (".flac", ".xml")}  # fmt: skip
    again = exported(longplay, form, place)
    assert (again["objects"], again["written"], again["removed"]) == (19, 0, 0)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    check(form, place)


def test_every_original_name_is_told_and_no_name_is_hostile(
    longplay: Longplay, tmp_path: Path
) -> None:
    exported(longplay, "bagit", tmp_path / "bag")
    told = {
        each.text
        for path in (tmp_path / "bag").rglob("premis.xml")
        for each in etree.parse(path).iterfind(".//p:objectIdentifierValue", P)
    }
    assert {escape(name) for name in HOSTILE} <= told
    assert {"twin.flac", "Ann/1 Piece.flac"} <= told
    for path in (tmp_path / "bag").rglob("*"):
        assert path.name.isprintable()
        assert not set(path.name) & set('%\\<>:"|?*')
        assert len(str(path.relative_to(tmp_path))) < 200


def test_what_no_longer_is_whole_is_named_and_the_rest_is_exported(
    longplay: Longplay, tmp_path: Path
) -> None:
    rotten, gone, *_ = sorted((longplay.archive / "objects").rglob("*.flac"))
    data = bytearray(rotten.read_bytes())
    data[1000] ^= 1
    rotten.chmod(0o600)
    rotten.write_bytes(data)
    gone.unlink()
    for form in ("bagit", "ocfl"):
        place = tmp_path / form
        done = exported(longplay, form, place)
        assert done["damaged"] == [rotten.stem]
        assert done["missing"] == [gone.stem]
        assert done["objects"] == 17
        check(form, place)
        assert bytes(data) not in bits(place)
        assert not list(place.rglob(f"*{rotten.stem}*"))
    told = longplay.run("export", "bagit", tmp_path / "bagit", expect=3)
    assert f"damaged   {rotten.stem}" in told.out


def test_only_what_may_be_released_is_open_and_a_claim_takes_it_back(
    longplay: Longplay, tmp_path: Path
) -> None:
    exported(longplay, "ocfl", tmp_path / "all")
    done = exported(longplay, "bagit", tmp_path / "open", only_open=True)
    assert done["objects"] == 3
    assert sum(done["withheld"].values()) == 16
    assert set(access(tmp_path / "open", "bagit").values()) == {"open"}
    one = next(iter(access(tmp_path / "open", "bagit"))).rpartition(":")[2]
    claim = longplay.json("claim", "add", "--who", "Ann", "--contact", "a@example.org",
                          "--ground", "mine", "--object", one)  # fmt: skip
    longplay.run("claim", "uphold", claim["claim"], "--reason", "hers")
    done = exported(longplay, "bagit", tmp_path / "open", only_open=True)
    assert (done["objects"], done["removed"], done["withheld"]["withdrawn"]) == (2, 1, 1)
    assert not list((tmp_path / "open").rglob(f"*{one}*"))
    check("bagit", tmp_path / "open")
    # The institution's own copy keeps it, and says that it is dark and why: as a new version.
    done = exported(longplay, "ocfl", tmp_path / "all")
    assert (done["objects"], done["written"]) == (19, 1)
    (place,) = (path for path in (tmp_path / "all").rglob(f"*{one}") if path.is_dir())
    document = etree.parse(place / "v2" / "content" / "premis.xml")
    assert "policy assignment" in [each.text for each in document.iterfind(".//p:eventType", P)]
    assert access(place / "v2", "ocfl").popitem()[1] == "dark"
    check("ocfl", tmp_path / "all")


def test_a_claim_that_is_decided_meanwhile_keeps_the_export_from_being_finished(
    longplay: Longplay, tmp_path: Path
) -> None:
    exported(longplay, "bagit", tmp_path / "open", only_open=True)
    one = next(iter(access(tmp_path / "open", "bagit"))).rpartition(":")[2]
    with open_archive(longplay.archive) as archive:
        request = Request(who="Ann", contact="a@example.org", ground="mine", objects=(one,))
        claim = claims.add(archive, request)

        def meanwhile(*_: object) -> None:
            if claims.list_all(archive)[0].state == "open":
                claims.decide(archive, claim.id, Step.UPHOLD, "hers")

        with pytest.raises(ReleaseError, match="a claim was decided meanwhile"):
            packaging.export(
                archive, tmp_path / "open", "bagit", only_open=True, progress=meanwhile
            )
    assert not (tmp_path / "open" / "bagit.txt").exists()
    done = exported(longplay, "bagit", tmp_path / "open", only_open=True)
    assert (done["objects"], done["removed"]) == (2, 1)
    check("bagit", tmp_path / "open")


def test_a_release_and_a_fixity_check_are_events(longplay: Longplay, tmp_path: Path) -> None:
    longplay.run("release", "cut")
    longplay.run("verify")
    exported(longplay, "premis", tmp_path / "premis")
    kinds: dict[str, int] = {}
    for path in (tmp_path / "premis").rglob("obj*.xml"):
        for each in etree.parse(path).iterfind(".//p:eventType", P):
            kinds[each.text] = kinds.get(each.text, 0) + 1
    assert kinds == {"ingestion": 19, "message digest calculation": 19, "validation": 4,
                     "fixity check": 19, "dissemination": 3}  # fmt: skip


def test_pages_are_no_matter_of_what_is_told(
    longplay: Longplay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longplay.run("release", "cut")
    exported(longplay, "premis", tmp_path / "one")
    monkeypatch.setattr(pages, "ROWS", 3)
    monkeypatch.setattr(pages, "QUERY_ROWS", 2)
    exported(longplay, "premis", tmp_path / "many")
    assert tree(tmp_path / "one") == tree(tmp_path / "many")


def test_of_very_many_paths_a_document_names_some_and_counts_all(
    longplay: Longplay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_facts, "NAMED", 1)
    exported(longplay, "premis", tmp_path / "premis")
    (path,) = (
        path
        for path in (tmp_path / "premis").rglob("obj*.xml")
        if b"paths that led to it" in path.read_bytes()
    )
    document = etree.parse(path)
    values = [each.text for each in document.iterfind(".//p:significantPropertiesValue", P)]
    assert values[-1] == "2"
    assert len(list(document.iterfind("p:object[1]/p:objectIdentifier", P))) == 2


def test_no_object_is_opened_for_premis(longplay: Longplay, tmp_path: Path) -> None:
    shutil.rmtree(longplay.archive / "objects")
    assert exported(longplay, "premis", tmp_path / "premis")["objects"] == 19


def test_evidence_that_is_lost_is_named_and_keeps_no_object_back(
    longplay: Longplay, tmp_path: Path
) -> None:
    (lost,) = (longplay.archive / "evidence").glob("events-*.parquet")
    lost.unlink()
    answer = longplay.run("export", "bagit", tmp_path / "bag", expect=3)
    assert f"evidence/{lost.name}" in answer.out
    check("bagit", tmp_path / "bag")
    assert len(list((tmp_path / "bag").rglob("premis.xml"))) == 19


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda place: (place / "mine.txt").write_text("x"), "is not empty and no export"),
        (lambda place: (place / "longplay-export.json").write_text("{}"), "is no marker"),
    ],
)
def test_a_folder_of_somebody_else_is_refused_in_one_line(
    longplay: Longplay, tmp_path: Path, prepare: Callable[[Path], object], words: str
) -> None:
    place = tmp_path / "theirs"
    place.mkdir()
    prepare(place)
    before = tree(place)
    for form in ("bagit", "ocfl", "premis"):
        answer = longplay.run("export", form, place, expect=1)
        assert words in answer.err
        assert len(answer.err.strip().splitlines()) == 1
    assert tree(place) == before


def test_an_export_into_the_archive_is_refused(longplay: Longplay) -> None:
    answer = longplay.run("export", "bagit", longplay.archive / "bag", expect=2)
    assert "an export and its archive cannot lie in each other" in answer.err
    assert not (longplay.archive / "bag").exists()


KILLED = """
import os, signal, sys
from longplay.cli import main
step, real = int(sys.argv.pop(1)), os.fsync
def fsync(descriptor):
    global step
    step -= 1
    if not step:
        os.kill(os.getpid(), signal.SIGKILL)
    real(descriptor)
os.fsync = fsync
main.run()
"""
"""The command, killed when it is about to sync for the n-th time: a disk has the least then."""


def killed_at(longplay: Longplay, step: int, *words: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(step), *map(str, words)],
        capture_output=True, check=False, timeout=120, env=longplay.environment(),
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr


STEPS: dict[Format, tuple[int, ...]] = {"bagit": (4, 90), "ocfl": (12, 150), "premis": (5, 60)}
"""Where an export is killed: while it lays out, and between its objects."""

AGAIN: dict[Format, int] = {"bagit": 7, "ocfl": 5, "premis": 2}
"""Where an export that has all its objects is killed when it is repeated, or finishes."""


@pytest.mark.long
@pytest.mark.parametrize("form", ["bagit", "ocfl", "premis"])
def test_killed_at_any_moment_the_same_command_finishes(
    longplay: Longplay, tmp_path: Path, form: Format
) -> None:
    exported(longplay, form, tmp_path / "undisturbed")
    for step in STEPS[form]:
        killed_at(longplay, step, "export", form, tmp_path / "killed")
        assert not (tmp_path / "killed" / "bagit.txt").exists()
    exported(longplay, form, tmp_path / "killed")
    killed_at(longplay, AGAIN[form], "export", form, tmp_path / "killed")
    assert not (tmp_path / "killed" / "bagit.txt").exists()
    longplay.run("export", form, tmp_path / "killed")
    one, two = tree(tmp_path / "undisturbed"), tree(tmp_path / "killed")
    assert without_times(one) == without_times(two)
    if form == "bagit":
        assert one == two
    check(form, tmp_path / "killed")


@pytest.mark.long
@pytest.mark.real
def test_real_recordings_become_valid_packages(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    chosen = sorted((data / "audio").glob("*.*"), key=lambda path: path.stat().st_size)[:40]
    for path in chosen:
        shutil.copy(path, folder)
    longplay = Longplay(tmp_path / "archive")
    longplay.run("keep", folder)
    for form in ("bagit", "ocfl", "premis"):
        done = exported(longplay, form, tmp_path / form)
        assert done["objects"] >= 35
        check(form, tmp_path / form)
