"""A real S3 server, and what goes wrong on the way to one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from longplay.errors import StoreError
from longplay.vault import uploads
from longplay.vault.bucket import PART_BYTES, Bucket, Patience, open_bucket
from longplay.vault.s3store import S3Store
from tests.faulty import Deed, Faults, proxy
from tests.swift import Swift
from tests.vault.test_object_store import DATA, ONE, key_of

pytestmark = pytest.mark.real

NUMBERS = count()
QUICK = Patience(request_seconds=20, retries=3, retry_seconds=20)


@pytest.fixture
def location(swift: Swift, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket's address; the environment has what is needed to use it."""
    name = f"bucket-{next(NUMBERS)}"
    swift.make_bucket(name)
    for key, value in swift.environment().items():
        monkeypatch.setenv(key, value)
    return f"s3://{name}/some prefix"


@pytest.fixture
def faults(swift: Swift, location: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """The environment leads to the server through a proxy that does what is planned."""
    with proxy(swift.port) as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.endpoint)
        yield found


@pytest.fixture
def bucket(location: str, faults: Faults) -> Bucket:
    return open_bucket(location, "the object store", QUICK)


@pytest.fixture
def store(bucket: Bucket, location: str, tmp_path: Path) -> S3Store:
    made = S3Store(bucket, location, tmp_path / "spool")
    made.prepare()
    return made


def test_objects_lie_in_a_real_bucket(store: S3Store) -> None:
    large = os.urandom(2 * PART_BYTES + 1)
    arrivals = []
    for number, (data, suffix) in enumerate(((DATA, ".ogg"), (large, ".flac"), (b"", ""))):
        path = store.spool / str(number)
        path.write_bytes(data)
        arrivals.append((path, key_of(data), suffix))
    store.settle(store.admit(arrivals))
    assert {one.root for one in store.walk()} == {key.root for _, key, _ in arrivals}
    rows = [(key, suffix, b"") for _, key, suffix in arrivals]
    assert all(finding.sound for finding in store.check(rows, workers=2))
    with store.open(key_of(large), ".flac") as source:
        source.seek(PART_BYTES - 5)
        assert source.read(10) == large[PART_BYTES - 5 : PART_BYTES + 5]
    assert store.read(key_of(b""), "", 0, 5) == b""
    assert store.destroy(ONE) == 1
    assert store.size(ONE, ".ogg") is None
    assert store.bucket.names("incoming") == []


@pytest.mark.parametrize("deed", ["500", "503", "hang up", "lost answer", "wrong request"])
@pytest.mark.parametrize("part", ["objects/small", "partNumber=2", "uploadId"])
def test_an_upload_survives(
    bucket: Bucket, faults: Faults, tmp_path: Path, deed: Deed, part: str
) -> None:
    data = os.urandom(1000 if part == "objects/small" else PART_BYTES + 1)
    path = tmp_path / "file"
    path.write_bytes(data)
    name = "objects/small" if len(data) == 1000 else "objects/large"
    faults.plan("POST" if part == "uploadId" else "PUT", part, deed)
    bucket.put(name, path)
    assert faults.done == [deed]
    assert bucket.size(name) == len(data)
    assert bucket.read(name, 0, len(data)) == data


@pytest.mark.parametrize("deed", ["500", "503", "hang up", "lost answer", "cut"])
def test_a_read_survives(bucket: Bucket, faults: Faults, deed: Deed) -> None:
    data = os.urandom(500_000)
    bucket.put("objects/it", data)
    faults.plan("GET", "objects/it", deed)
    assert bucket.read("objects/it", 0, len(data)) == data
    faults.plan("GET", "list-type", deed)
    assert bucket.names("objects") == ["it"]
    faults.plan("GET", "list-type", deed)
    assert [one.path for one in bucket.walk("objects")] == ["objects/it"]
    assert faults.done == [deed] * 3


def test_wrong_bytes_are_found_by_reading_all(store: S3Store, faults: Faults) -> None:
    path = store.spool / "it"
    path.write_bytes(DATA)
    store.settle(store.admit([(path, ONE, ".ogg")]))
    faults.plan("GET", ONE.hex, "wrong answer")
    (finding,) = store.check([(ONE, ".ogg", b"")], workers=1)
    assert not finding.sound
    (finding,) = store.check([(ONE, ".ogg", b"")], workers=1)
    assert finding.sound


@pytest.mark.parametrize("deed", ["500", "503", "hang up"])
def test_what_does_not_pass_ends_in_one_line(bucket: Bucket, faults: Faults, deed: Deed) -> None:
    faults.always = lambda _method, _path: deed
    for ask in (
        lambda: bucket.put("objects/it", b"it"),
        lambda: bucket.read("objects/it", 0, 5),
        lambda: bucket.size("objects/it"),
        lambda: bucket.names("objects"),
        lambda: bucket.remove("objects/it"),
        lambda: list(bucket.walk("objects")),
    ):
        with pytest.raises(StoreError, match=r"the object store cannot be used: ") as told:
            ask()
        assert "\n" not in str(told.value)


def test_a_refused_key_and_a_missing_bucket_are_told(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match="404 Not Found, NoSuchBucket"):
        open_bucket("s3://no-such-bucket/it", "the object store", QUICK).size("objects/it")
    with pytest.raises(StoreError, match="404 Not Found, NoSuchBucket"):
        open_bucket("s3://no-such-bucket/it", "the object store", QUICK).put("it", b"it")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError, match="403 Forbidden, SignatureDoesNotMatch"):
        open_bucket(location, "the object store", QUICK).put("it", b"it")


def begin_upload(location: str, path: str) -> None:
    """As a worker does that dies before the first part."""
    with uploads._Client(location) as client:
        client.ask("POST", path, {"uploads": ""})


def test_uploads_that_nobody_finishes_are_found_and_aborted(location: str) -> None:
    bucket = location.removeprefix("s3://").partition("/")[0]
    begin_upload(location, "some prefix/objects/ab c")
    begin_upload(location, "elsewhere/objects/abc")
    begin_upload(location, "some prefix/videos/abc")
    assert uploads.unfinished(location) == []  # too young
    soon = timedelta(minutes=-1)
    found = uploads.unfinished(location, older=soon)
    assert [one.path for one in found] == ["some prefix/objects/ab c"]
    uploads.abort(location, found)
    uploads.abort(location, found)
    assert uploads.unfinished(location, older=soon) == []
    begin_upload(location, "evidence/abc")
    at_the_root = uploads.unfinished(f"s3://{bucket}", older=soon)
    assert [one.path for one in at_the_root] == ["evidence/abc"]


def test_unfinished_uploads_that_cannot_be_asked_for_are_told(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError, match="the server answers 403"):
        uploads.unfinished(location)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match="without an access key"):
        uploads.unfinished(location)


def test_a_server_that_sends_us_elsewhere_has_not_said_that_there_are_none(
    location: str, faults: Faults
) -> None:
    faults.plan("GET", "uploads", "307")
    with pytest.raises(StoreError, match="the server answers 307"):
        uploads.unfinished(location)
