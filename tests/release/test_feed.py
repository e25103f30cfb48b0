"""The feed's document: what it may say, its schema, its RSS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.errors import FeedError
from longplay.release import feed as feeds
from longplay.release.rss import rss
from tests.release.feeding import Origin, tombstone

SCHEMA = json.loads(Path(feeds.__file__).with_name(feeds.SCHEMA_FILE).read_text())
ORIGIN = Origin()


def volume(**more: Any) -> dict[str, Any]:
    return {
        "name": "test-s1-v0001",
        "kind": "audio",
        "torrent": "s1-0001/test-s1-v0001.torrent",
        "torrent_bytes": 2_000,
        "info_hash_v1": "ab" * 20,
        "info_hash_v2": "cd" * 32,
        "magnet": "magnet:?xt=urn:btih:" + "ab" * 20,
        "objects": 3,
        "bytes": 1_000_000,
        "share_of_listens": 0.5,
        "supersedes": None,
        "copies": None,
        **more,
    }


def release(**more: Any) -> dict[str, Any]:
    return {
        "release": "s1-0001",
        "stage": 1,
        "current": True,
        "supersedes": None,
        "objects": 3,
        "bytes": 1_000_000,
        "share_of_listens": 0.5,
        "tdm_reserved": 0,
        "files": [{"path": "manifest.jsonl", "bytes": 3, "sha256": "ef" * 32}],
        "volumes": [volume()],
        **more,
    }


FULL = ORIGIN.said(
    releases=[release()],
    tombstones=[tombstone(1)],
    scarcity=[{"volume": "test-s1-v0001", "copies": 2, "share_of_listens": 0.5, "score": 0.2}],
)


def read(said: Any) -> feeds.Feed:
    return feeds.parse(json.dumps(said).encode(), "feed")


def test_the_schema_that_ships_is_that_of_the_types() -> None:
    assert feeds.schema() == SCHEMA
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_feed_is_read_as_it_is_written_and_fits_the_schema() -> None:
    found = read(FULL)
    jsonschema.validate(json.loads(found.document()), SCHEMA)
    assert feeds.parse(found.document(), "feed") == found
    assert [one.release for one in found.current] == ["s1-0001"]


def test_fields_of_later_versions_are_passed_over() -> None:
    assert read({**FULL, "news": 1, "releases": [release(more=[])]}) == read(FULL)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 2}, "made by a newer Longplay"),
        ({"format": "rss"}, "format"),
        ({"serial": 0}, "serial"),
        ({"serial": "1"}, "serial"),
        ({"serial": True}, "serial"),
        ({"expires": "soon"}, "expires"),
        ({"expires": "2026-11-28T12:00:00"}, "time zone"),
        ({"archive": "x"}, "archive"),
        ({"releases": [release(release="../s1")]}, "releases.0.release"),
        ({"releases": [release(files=[{"path": "../x", "bytes": 1, "sha256": "ef" * 32}])]},
         "releases.0.files.0.path"),
        ({"releases": [release(files=[{"path": ".x", "bytes": 1, "sha256": "ef" * 32}])]},
         "releases.0.files.0.path"),
        ({"releases": [release(volumes=[volume(torrent="/etc/passwd")])]}, "torrent"),
        ({"releases": [release(volumes=[volume(torrent="s1-0001/../x.torrent")])]}, "torrent"),
        ({"releases": [release(volumes=[volume(name="CON/x")])]}, "name"),
        ({"releases": [release(), release(stage=2)]}, "names one thing twice"),
        ({"releases": [release(volumes=[volume(), volume()])]}, "names one thing twice"),
        ({"releases": [release(), release(release="s2-0001", stage=2)]}, "names one thing twice"),
        ({"releases": [release(volumes=[volume(torrent_bytes=2**40)])]}, "torrent_bytes"),
        ({"releases": [release(volumes=[volume(info_hash_v2="ab")])]}, "info_hash_v2"),
        ({"releases": [release(share_of_listens=1.5)]}, "share_of_listens"),
        ({"tombstones": [{**tombstone(1), "root": "zz"}]}, "tombstones.0.root"),
        ({"tombstones": [{**tombstone(1), "size": -1}]}, "tombstones.0.size"),
        ({"log": None}, "log"),
    ],
)  # fmt: skip
def test_what_a_feed_must_not_say_is_named(change: dict[str, Any], why: str) -> None:
    with pytest.raises(FeedError, match=why) as caught:
        read({**FULL, **change})
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from([*FULL, "x"]), inner, max_size=5), max_leaves=10,
).map(lambda said: json.dumps(said).encode()))  # fmt: skip
def test_anything_else_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(FeedError) as caught:
        feeds.parse(data, "feed")
    assert "\n" not in str(caught.value)


def test_a_feed_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MAX_FEED_BYTES", 100)
    with pytest.raises(FeedError, match="is larger than 100 bytes"):
        read(FULL)


def test_deeply_nested_json_is_refused() -> None:
    with pytest.raises(FeedError):
        feeds.parse(b"[" * 100_000, "feed")


def test_rss_has_an_item_for_each_volume_with_an_address_that_stays() -> None:
    found = read({**FULL, "name": "test"})
    tree = ElementTree.fromstring(rss(found, "https://example.org/"))
    items = tree.findall("channel/item")
    assert [item.findtext("link") for item in items] == [
        "https://example.org/releases/s1-0001/test-s1-v0001.torrent"
    ]
    assert items[0].findtext("guid") == "cd" * 32
    assert items[0].find("enclosure").get("type") == "application/x-bittorrent"  # type: ignore[union-attr]
    bare = ElementTree.fromstring(rss(found, ""))
    assert str(bare.findtext("channel/item/link")).startswith("magnet:")
