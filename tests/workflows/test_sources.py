"""What a source's location may be, told when it is added."""

from __future__ import annotations

from pathlib import Path

import pytest

from longplay.archive import create
from longplay.errors import LongplayError
from longplay.settings import load
from longplay.workflows.sources import add_source


@pytest.mark.parametrize(
    ("kind", "location", "words"),
    [
        ("http", "https://user:word@label.test/list.csv", "carries a password"),
        ("http", "https://user:word@label.test:x/list.csv", "is no web address"),
        ("oai", "https://user:word@library.test/oai", "carries a password"),
        ("oai", "library.test/oai", "is no place for a source of kind oai"),
        ("internetarchive", "collection:a b", "is no place for a source"),
        ("internetarchive", "netlabels", "is no place for a source"),
        ("internetarchive", "item:Ünïcode", "is no place for a source"),
        ("internetarchive", "item:" + "a" * 201, "is no place for a source"),
        ("oai", "https://library.test/oai?sets=sound", "has 'sets' in it"),
        ("oai", "https://library.test/oai?from=soon", "is no date"),
        ("s3", "bucket/prefix", "is no place for a source"),
        ("s3", "s3://KEY:word@bucket/prefix", "carries a password .set AWS_ACCESS_KEY_ID"),
        ("s3", "s3://KEY:wo/word@bucket", "carries a password"),
        ("s3", "s3://bucket/prefix?word", "is no place for a source"),
        ("s3", "s3://bucket:9000/prefix", "is no place for a source"),
    ],
)
def test_a_location_that_cannot_be_one_is_told_and_nothing_is_written(
    tmp_path: Path, kind: str, location: str, words: str
) -> None:
    create(tmp_path / "archive", secrets=tmp_path / "keys").ledger.close()
    with pytest.raises(LongplayError, match=words) as told:
        add_source(tmp_path / "archive", "x", kind, location, "personal", "")
    assert "word@" not in str(told.value)
    assert load(tmp_path / "archive").sources == ()


@pytest.mark.parametrize(
    ("kind", "location"),
    [
        ("http", "https://label.test/list.csv"),
        ("oai", "https://library.test/oai?set=sound"),
        ("internetarchive", "collection:netlabels, item:some_thing-1.2"),
        ("s3", "s3://bucket/prefix"),
        ("s3", "s3://my_Bucket-1.x/a b/c"),
    ],
)
def test_a_location_that_can_be_one_is_kept(tmp_path: Path, kind: str, location: str) -> None:
    create(tmp_path / "archive", secrets=tmp_path / "keys").ledger.close()
    add_source(tmp_path / "archive", "x", kind, location, "personal", "")
    (kept,) = load(tmp_path / "archive").sources
    assert (kept.kind, kept.location) == (kind, location)
