"""What is served out of a bucket is what would be served out of a folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from obstore.store import MemoryStore

from longplay.access import answers
from longplay.errors import StoreError
from longplay.vault.bucket import Bucket
from longplay.vault.s3store import S3Store
from tests.access.conftest import Served
from tests.access.test_webseeds import path_of


@pytest.fixture
def bucket(served: Served) -> Iterator[Bucket]:
    """The archive's objects lie here, and no longer in its folder."""
    bucket = Bucket("the object store", MemoryStore())
    objects = served.longplay.archive / "objects"
    for path in objects.glob("??/??/*"):
        bucket.put(f"objects/{path.relative_to(objects)}", path)
    archive = served.web.app.state.context.archive  # type: ignore[attr-defined]
    archive.store = S3Store(bucket, "s3://bucket", served.longplay.archive / "spool")
    yield bucket


def test_ranges_come_out_of_a_bucket(
    served: Served, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _, data = path_of(served)
    monkeypatch.setattr(answers, "FAR_CHUNK", 10_000)
    for small in (answers.SMALL, 100):
        monkeypatch.setattr(answers, "SMALL", small)
        assert served.web.get(path).content == data
        got = served.web.get(path, headers={"Range": "bytes=7-20006"})
        assert (got.status_code, got.content) == (206, data[7:20_007])


def test_an_object_that_is_not_in_the_bucket_is_not_served(served: Served, bucket: Bucket) -> None:
    path, root, _ = path_of(served)
    place = next(one.path for one in bucket.walk("objects") if root in one.path)
    bucket.remove(place)
    assert served.web.get(path).status_code == 503


def test_a_bucket_that_stays_away_is_told_before_the_first_byte(
    served: Served, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bytes:
        raise StoreError("away")

    path, _, _ = path_of(served)
    monkeypatch.setattr(Bucket, "read", away)
    got = served.web.get(path)
    assert got.status_code == 503
    assert got.json()["error"]["code"] == "unreachable"


def test_an_object_cut_short_in_the_bucket_is_no_whole_answer(
    served: Served, bucket: Bucket
) -> None:
    path, root, data = path_of(served)
    place = next(one.path for one in bucket.walk("objects") if root in one.path)
    bucket.put(place, data[:-1])
    assert served.web.get(path).status_code == 500
