"""Real messages: the standard's own samples, and those of others' tests."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from lxml import etree

from longplay.capture.sources.ddex import DdexSource, deliveries, reading, shapes
from longplay.errors import InputError
from longplay.model import Kind
from longplay.rights.ddex import permissions
from longplay.settings import Source
from tests.ddex_made import Delivery, two

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def samples(data: Path) -> Path:
    return data / "formats" / "ddex"


@pytest.fixture(scope="module")
def schemas(samples: Path) -> Path:
    """DDEX's own schemas, which may not be handed on with the code or the data: a folder with one
    folder for each version, `382` to `43`, named by LONGPLAY_DDEX_SCHEMAS."""
    folder = Path(os.environ.get("LONGPLAY_DDEX_SCHEMAS", samples / "schemas"))
    if not folder.is_dir():
        pytest.skip("no schemas of DDEX: name their folder by LONGPLAY_DDEX_SCHEMAS")
    return folder


def test_every_sample_is_read(samples: Path) -> None:
    found: Counter[str] = Counter()
    versions: Counter[str] = Counter()
    refused = {}
    for path in sorted(samples.rglob("*.xml")):
        name = path.relative_to(samples).as_posix()
        try:
            message = reading.read(path, name)
        except InputError as error:
            refused[name] = str(error)
            continue
        versions[message.version] += 1
        recordings = [one for one in message.resources.values() if one.kind is Kind.AUDIO]
        found["messages"] += 1
        found["releases"] += len(message.main)
        found["track releases"] += len(message.releases) - len(message.main)
        found["recordings"] += len(recordings)
        found["files"] += sum(len(e.files) for one in recordings for e in one.editions)
        found["deals"] += len(message.deals.all)
        found["cancelled"] += sum(deal.cancelled for deal in message.deals.all)
        found["permitting"] += sum(bool(deal.uses) for deal in message.deals.all)
        found["purges"] += bool(message.purged)
        found["tests"] += message.test
    assert versions == VERSIONS
    assert found == FOUND
    assert sorted(refused) == [
        "audius/mead_artist_update.xml",
        "ddex-suite/test-suite/nasty/billion-laughs.xml",
        "ddex-suite/test-suite/nasty/deep-nesting.xml",
    ]
    assert all("\n" not in words for words in refused.values())


VERSIONS = {
    "3.4": 1, "3.6": 1, "3.7": 2, "3.8.1": 2, "3.8.2": 10, "4.1.1": 8, "4.2": 19, "4.3": 19,
}  # fmt: skip
FOUND = {
    "messages": 62, "releases": 61, "track releases": 361, "recordings": 374, "files": 323,
    "deals": 5113, "cancelled": 2, "permitting": 5, "purges": 1, "tests": 1,
}  # fmt: skip
"""62 of 65 files; 65 `Release` and 357 `TrackRelease`; 375 `SoundRecording`, two of which bear the
same reference within one message; 5,113 `Deal`."""


def test_the_folder_of_samples_is_a_source(samples: Path) -> None:
    """Without a file beside any message: each is told, and nothing is offered."""
    one = DdexSource(
        Source(name="s", kind="ddex", location=str(samples), rights="longplay:unknown")
    )
    assert list(one.offers()) == []
    missing = [it for it in one.problems if "is not in the delivery" in it.what]
    assert len(missing) > 100
    assert all(it.remedy for it in missing)


def test_updates_and_a_purge_by_their_time(samples: Path, tmp_path: Path) -> None:
    """Delivery, update, purge, and again: all three messages of one label have the same id."""

    def titles() -> list[str]:
        survey = deliveries.survey(tmp_path)
        return [release.title if release else "purged" for _, _, release in survey.current()]

    expected = (
        ("01_delivery", "Example Album"), ("02_update", "Example Album"),
        ("03_delete", "purged"), ("04_no_deal", "Example Album"),
    )  # fmt: skip
    for name, title in expected:
        shutil.copy(samples / "audius" / f"{name}.xml", tmp_path)
        assert titles() == [title]
    (group,) = deliveries.survey(tmp_path).groups
    assert [os.fsdecode(it.path)[:2] for it in group.entries] == ["04", "03", "02", "01"]


def test_what_is_free_alone_opens_anything(samples: Path) -> None:
    permitted: dict[str, set[tuple[str, ...]]] = {}
    for path in sorted(samples.rglob("*.xml")):
        try:
            message = reading.read(path, path.name)
        except InputError:
            continue
        for one in permissions(message.deals.all):
            if one.uses != ("describe",):
                assert one.words.startswith("FreeOfChargeModel")
                permitted.setdefault(path.name, set()).add(one.uses)
    assert permitted["track_basic.xml"] == {("download", "stream")}
    assert "1 Audio.xml" not in permitted


def schema(folder: Path, version: str) -> etree.XMLSchema:
    path = folder / version / "release-notification.xsd"
    return etree.XMLSchema(etree.parse(str(path), etree.XMLParser(no_network=True)))


@pytest.mark.long
@pytest.mark.parametrize("version", ["382", "411", "42", "43"])
def test_what_the_schemas_accept_has_its_shape(samples: Path, schemas: Path, version: str) -> None:
    """The table of shapes asks for nothing that a valid message may lack, but for territories and
    identifiers, without which nothing can be done here."""
    valid = schema(schemas, version)
    checked = 0
    for path in sorted(samples.rglob("*.xml")):
        try:
            message = reading.read(path, path.name)
        except InputError:
            continue
        if message.version.replace(".", "") != version or not valid.validate(
            etree.parse(str(path))
        ):
            continue
        checked += 1
        # An empty id is valid XML; here it tells no message from another.
        asked = [
            one for one in message.problems if " has " in one.what and "HashSum" not in one.what
        ]
        asked = [one for one in asked if one.what != "MessageHeader has no MessageId"]
        assert asked == [], path
    assert checked


@pytest.mark.long
def test_made_messages_are_valid(schemas: Path) -> None:
    valid = schema(schemas, "43")
    made = Delivery(recordings=two(), cover=b"art")
    for text in (made.xml(), made.purge(), Delivery(recordings=two(), terms=()).xml()):
        valid.assertValid(etree.fromstring(text.encode()))


@pytest.mark.long
def test_each_row_of_the_table_is_in_a_schema(schemas: Path) -> None:
    """No row asks for an element that no version of the standard has."""
    named: set[str] = set()
    for version in ("382", "411", "42", "43"):
        path = schemas / version / "release-notification.xsd"
        named |= {one.get("name", "") for one in etree.parse(str(path)).iter("{*}element")}
    asked = {child for row in shapes.TABLE for child in (row.at, *row.children)}
    assert asked <= named
