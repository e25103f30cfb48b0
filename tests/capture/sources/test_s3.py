"""Sound files in a bucket: one in memory, and a real S3 server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import obstore
import pytest
from obstore.exceptions import GenericError, PermissionDeniedError
from obstore.store import MemoryStore

from longplay.capture.sources import Limit, Wanted, s3
from longplay.capture.sources.s3 import S3Source
from longplay.errors import SourceError, StoreError, UnavailableError
from longplay.model import Offer
from longplay.settings import Politeness, Source
from longplay.vault.bucket import Patience, connect
from tests.swift import Swift

SONG = b"fLaC" + os.urandom(100_000)


def opened(store: Any, location: str = "s3://music/in", **politeness: Any) -> S3Source:
    manners = Politeness(**politeness)
    made = Source(
        name="bucket", kind="s3", location=location, rights="personal", politeness=manners
    )
    return S3Source(made, store=store)


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    made.put("Ann/Live/01 - Song.flac", SONG)
    return made


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Files come in small parts; which were asked for."""
    monkeypatch.setattr(s3, "PART_BYTES", 30_000)
    asked: list[Any] = []
    known = obstore.get

    def get(*one: Any, **named: Any) -> Any:
        asked.append(named["options"]["range"])
        return known(*one, **named)

    monkeypatch.setattr(obstore, "get", get)
    yield asked


def test_what_is_called_like_sound_is_offered(store: MemoryStore) -> None:
    for key in ("Ann/Live/cover.jpg", "notes.txt", "Ann/Live/x.ogg.part", "loose.MP3"):
        store.put(key, b"x")
    found = list(opened(store).offers())
    meta = obstore.head(store, "Ann/Live/01 - Song.flac")
    assert found[0] == Offer(
        path=b"Ann/Live/01 - Song.flac",
        size=len(SONG),
        mtime_ns=int(meta["last_modified"].timestamp() * 1000) * 10**6,
        version=meta["e_tag"],
        own_id="Ann/Live/01 - Song.flac",
        title="Song",
        album="Live",
        album_id="Ann/Live",
        track_number=1,
        lossless=True,
    )
    assert [(each.path, each.title, each.album, each.lossless) for each in found[1:]] == [
        (b"loose.MP3", "loose", "", False)
    ]


@pytest.mark.parametrize(
    ("name", "title", "number"),
    [
        ("07. A song.mp3", "A song", 7),
        ("07_song.mp3", "song", 7),
        ("07 song.mp3", "song", 7),
        ("12-song.mp3", "song", 12),
        ("99 Luftballons.mp3", "99 Luftballons", None),
        ("1999.mp3", "1999", None),
        ("01 - 02.mp3", "01 - 02", None),
        ("Süße  Träume.mp3", "Süße Träume", None),
        (".mp3", ".mp3", None),
    ],
)
def test_titles_come_from_names(name: str, title: str, number: int | None) -> None:
    assert s3._title(name) == (title, number)


def test_a_file_comes_in_parts_and_goes_on_where_it_was(
    store: MemoryStore, parts: list[Any]
) -> None:
    source = opened(store)
    (offer,) = source.offers()
    with source.open(Wanted(offer.path)) as stream:
        assert (stream.start, stream.size, stream.version) == (0, len(SONG), offer.version)
        assert stream.mtime_ns == offer.mtime_ns
        assert b"".join(stream.chunks) == SONG
    assert parts == [(0, 30_000), (30_000, 60_000), (60_000, 90_000), (90_000, len(SONG))]
    with source.open(Wanted(offer.path, version=offer.version, start=70_000)) as stream:
        assert stream.start == 70_000
        assert b"".join(stream.chunks) == SONG[70_000:]
    assert parts[4] == (70_000, 100_000)
    with source.open(Wanted(offer.path, version=offer.version, start=len(SONG))) as stream:
        assert (stream.start, list(stream.chunks)) == (len(SONG), [])


@pytest.mark.parametrize("version", ["", '"other"'])
def test_a_replaced_file_begins_anew(store: MemoryStore, version: str) -> None:
    with opened(store).open(
        Wanted(b"Ann/Live/01 - Song.flac", version=version, start=1000)
    ) as stream:
        assert stream.start == 0
        assert b"".join(stream.chunks) == SONG


@pytest.mark.parametrize("other", [SONG[::-1], SONG[:50_000]])
def test_a_file_that_is_replaced_while_it_is_read_is_put_off(
    store: MemoryStore, parts: list[Any], other: bytes
) -> None:
    with opened(store).open(Wanted(b"Ann/Live/01 - Song.flac")) as stream:
        assert next(stream.chunks) == SONG[:30_000]
        store.put("Ann/Live/01 - Song.flac", other)
        with pytest.raises(UnavailableError, match="was replaced while it was read"):
            list(stream.chunks)


def test_what_is_gone_is_refused(store: MemoryStore) -> None:
    with (
        pytest.raises(SourceError, match=r"s3://music/in/gone.mp3: is not there") as told,
        opened(store).open(Wanted(b"gone.mp3")),
    ):
        pass
    assert not isinstance(told.value, UnavailableError)


def test_limits_of_size_and_time_hold(store: MemoryStore, parts: list[Any]) -> None:
    wanted = Wanted(b"Ann/Live/01 - Song.flac")
    with (
        pytest.raises(SourceError, match=r"has 100,004 bytes, more than 5e-05 GB"),
        opened(store, file_gb=0.00005).open(wanted),
    ):
        pass
    with (
        opened(store, file_hours=1e-12).open(wanted) as stream,
        pytest.raises(SourceError, match="takes more than 1e-12 hours"),
    ):
        list(stream.chunks)
    source = opened(store)
    with source.open(wanted) as stream:
        next(stream.chunks)
        source.close()
        with pytest.raises(UnavailableError, match="was stopped"):
            next(stream.chunks)


def test_nobody_is_spared(store: MemoryStore) -> None:
    assert opened(store).limit(b"x") == Limit()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (PermissionDeniedError("no"), "may not be read with the credentials"),
        (GenericError("Generic S3 error: gone\n\nDebug"), "cannot be read: gone .check the"),
    ],
)
def test_a_store_that_refuses_puts_the_file_off(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, fault: Exception, words: str
) -> None:
    def head(*_: Any) -> Any:
        raise fault

    monkeypatch.setattr(obstore, "head", head)
    with (
        pytest.raises(UnavailableError, match=words) as told,
        opened(store).open(Wanted(b"Ann/Live/01 - Song.flac")),
    ):
        pass
    assert "\n" not in str(told.value)


@pytest.mark.real
def test_a_real_server_gives_what_is_below_the_prefix(
    swift: Swift, monkeypatch: pytest.MonkeyPatch, parts: list[Any]
) -> None:
    for name, value in swift.environment().items():
        monkeypatch.setenv(name, value)
    swift.make_bucket("music")
    whole = connect("s3://music", "the bucket", Patience())
    keys = ["in/Ann/02 - Größe & Co + 100%.flac", "in/b.mp3", "in/note.txt", "out/c.mp3"]
    for key in keys:
        obstore.put(whole, key, SONG)
    source = opened(None)
    first, second = source.offers()
    assert [first.path.decode(), second.path.decode()] == [each[3:] for each in keys[:2]]
    assert (first.title, first.album, first.track_number) == ("Größe & Co + 100%", "Ann", 2)
    assert first.size == len(SONG)
    assert first.version

    with source.open(Wanted(first.path)) as stream:
        assert (stream.version, stream.mtime_ns) == (first.version, first.mtime_ns)
        assert b"".join(stream.chunks) == SONG
    with source.open(Wanted(first.path, version=first.version, start=70_000)) as stream:
        assert stream.start == 70_000
        assert b"".join(stream.chunks) == SONG[70_000:]
    obstore.put(whole, keys[0], SONG[::-1])
    with source.open(Wanted(first.path, version=first.version, start=70_000)) as stream:
        assert stream.start == 0
        assert b"".join(stream.chunks) == SONG[::-1]
    obstore.delete(whole, keys[1])
    with pytest.raises(SourceError, match="is not there"), source.open(Wanted(second.path)):
        pass
    assert list(opened(None, "s3://music/nothing").offers()) == []


@pytest.mark.real
@pytest.mark.parametrize(
    ("changed", "location", "kind", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "s3://music", UnavailableError, "credentials"),
        ({}, "s3://nowhere", SourceError, "is not there|cannot be read"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "s3://music", UnavailableError, "cannot be"),
    ],
)
def test_a_real_server_that_cannot_be_read_is_told_in_one_line(
    swift: Swift,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    location: str,
    kind: type[SourceError],
    words: str,
) -> None:
    for name, value in (swift.environment() | changed).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(kind, match=words) as told:
        list(opened(None, location, patience_seconds=1).offers())
    assert "\n" not in str(told.value)
    assert told.value.hint


@pytest.mark.parametrize(
    "location", ["s3://hush@music", "s3://KEY:hush@music/a", "s3://KEY:hush/hush@music"]
)
def test_a_password_in_a_location_is_refused_and_not_told(location: str) -> None:
    with pytest.raises(StoreError, match="location of the bucket carries a password") as told:
        connect(location, "the bucket", Patience())
    assert "hush" not in str(told.value)
