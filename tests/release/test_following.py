"""What a mirror believes of a feed: each attack that TUF names, and the reason it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.errors import FeedError
from longplay.release import following, minisign
from longplay.release.following import Delivery, News, Remembered
from longplay.release.minisign import PublicKey
from tests.release.feeding import NOW, Origin, head, secret, tombstone

ORIGIN = Origin()
OTHER = Origin(root=secret(7), feed=secret(8))


def accept(
    delivery: Delivery,
    known: Remembered | None = None,
    *,
    root: PublicKey | None = None,
    at: datetime = NOW,
    accept_expired: bool = False,
) -> News:
    return following.accept(delivery, known, root=root, at=at, accept_expired=accept_expired)


def remembered(origin: Origin = ORIGIN) -> Remembered:
    return accept(origin.delivery()).remembered


def test_the_first_feed_is_believed_and_remembered() -> None:
    news = accept(ORIGIN.delivery(), root=ORIGIN.root.public)
    assert not news.stale
    assert news.remembered.root == ORIGIN.root.public.line
    assert (news.remembered.serial, news.remembered.entries) == (1, 10)


def test_the_same_feed_and_later_ones_are_believed() -> None:
    known = remembered()
    assert accept(ORIGIN.delivery(), known).remembered == known
    later = ORIGIN.next().next()
    assert accept(later.delivery(), known).remembered.serial == 3


def test_a_feed_key_may_be_replaced() -> None:
    rotated = ORIGIN.next(feed=secret(3), keys_version=2)
    news = accept(rotated.delivery(), remembered())
    assert news.remembered.keys_version == 2
    with pytest.raises(FeedError, match="of version 1, and 2 is known"):
        accept(ORIGIN.next().next().delivery(), news.remembered)


def unsigned(delivery: Delivery) -> Delivery:
    return replace(delivery, feed=delivery.feed.replace(b'"test"', b'"tost"'))


def by_nobody(delivery: Delivery) -> Delivery:
    signature = minisign.sign(secret(9), delivery.feed, "a feed")
    return replace(delivery, signature=signature)


def of_other_keys(delivery: Delivery) -> Delivery:
    other = OTHER.delivery()
    return replace(delivery, keys=other.keys, keys_signature=other.keys_signature)


def with_keys_unsigned(delivery: Delivery) -> Delivery:
    return replace(delivery, keys=delivery.keys.replace(b'"version": 1', b'"version": 9'))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (unsigned, "signature"),
        (by_nobody, "by no key that the archive's root key names"),
        (of_other_keys, "not by the archive's root key"),
        (with_keys_unsigned, "signature"),
    ],
)
def test_what_was_tampered_with_is_refused(spoil: Callable[[Delivery], Delivery], why: str) -> None:
    with pytest.raises(FeedError, match=why):
        accept(spoil(ORIGIN.next().delivery()), remembered())


def test_another_archive_is_refused_where_one_is_followed_or_named() -> None:
    with pytest.raises(FeedError, match="not by the archive's root key"):
        accept(OTHER.delivery(), remembered())
    with pytest.raises(FeedError, match="not by the archive's root key"):
        accept(OTHER.delivery(), root=ORIGIN.root.public)
    with pytest.raises(FeedError, match="this mirror follows the archive"):
        accept(OTHER.delivery(), remembered(), root=OTHER.root.public)


def test_a_feed_in_another_archives_name_is_refused() -> None:
    with pytest.raises(FeedError, match="is of the archive"):
        accept(ORIGIN.delivery(archive=OTHER.root.public.name))


def test_a_feed_that_was_rolled_back_is_refused() -> None:
    known = remembered(ORIGIN.next())
    with pytest.raises(FeedError, match="rolled back"):
        accept(ORIGIN.delivery(), known)


def test_two_feeds_of_one_number_are_a_lie() -> None:
    with pytest.raises(FeedError, match="is another number 1"):
        accept(ORIGIN.delivery(name="tost"), remembered())


@pytest.mark.parametrize(
    "log",
    [
        {"entries": 20, "hash": head(20), "heads": []},
        {"entries": 20, "hash": head(20), "heads": [[1, 10, head(11)]]},
        {"entries": 9, "hash": head(9), "heads": [[1, 10, head(10)]]},
    ],
)
def test_a_log_whose_past_was_rewritten_is_refused(log: dict[str, Any]) -> None:
    with pytest.raises(FeedError, match="the past was rewritten"):
        accept(ORIGIN.next().delivery(log=log), remembered())


def test_an_expired_feed_is_no_news_but_can_still_be_mirrored() -> None:
    late = NOW + timedelta(days=30)
    with pytest.raises(FeedError, match="expired on 2026-12-28"):
        accept(ORIGIN.delivery(), at=late)
    assert accept(ORIGIN.delivery(), at=late, accept_expired=True).stale


def test_expiry_does_not_excuse_a_rolled_back_feed() -> None:
    with pytest.raises(FeedError, match="rolled back"):
        accept(ORIGIN.delivery(), remembered(ORIGIN.next()), at=NOW + timedelta(days=99),
               accept_expired=True)  # fmt: skip


def test_what_is_remembered_survives_and_a_damaged_memory_is_no_first_visit(tmp_path: Path) -> None:
    path = tmp_path / "following.json"
    assert following.recall(path) is None
    known = remembered()
    known.write(path)
    assert following.recall(path) == known
    for damaged in (b"", b"{}", b"[1]", b"\xff", b'{"root": 1}', path.read_bytes()[:-20]):
        path.write_bytes(damaged)
        with pytest.raises(FeedError, match="is damaged"):
            following.recall(path)
    known.write(path)
    odd = {**json.loads(path.read_bytes()), "keys_version": True}
    path.write_bytes(json.dumps(odd).encode())
    with pytest.raises(FeedError, match="is damaged"):
        following.recall(path)


def test_a_feed_that_withdraws_much_at_once_waits() -> None:
    held = {bytes(31) + bytes([number]) for number in range(200)}

    def waits(*numbers: int, withdrawn: frozenset[bytes] = frozenset(), size: int = 10) -> int:
        told = [tombstone(number, size) for number in numbers]
        news = accept(ORIGIN.delivery(tombstones=told))
        return following.withdraws_too_much(news, held, withdrawn, 0.01 * len(held))

    assert waits() == 0
    assert waits(1, 2) == 0
    assert waits(1, 2, 3) == 3
    assert waits(1, 2, 3, withdrawn=frozenset({bytes(31) + b"\x01"})) == 0
    # What is not held is none of the mirror's objects; what has another size is shut all the same.
    assert waits(1, 2, 201, 202, 203) == 0
    assert waits(1, 2, 3, size=11) == 3
    assert waits(1, 1, 2) == 0


@given(st.integers(0, 20_000), st.integers(1, 255))
def test_no_changed_byte_of_a_delivery_passes(at: int, by: int) -> None:
    delivery = ORIGIN.delivery()
    data = bytearray(delivery.feed + delivery.keys)
    data[at % len(data)] ^= by
    changed = replace(
        delivery,
        feed=bytes(data[: len(delivery.feed)]),
        keys=bytes(data[len(delivery.feed) :]),
    )
    with pytest.raises(FeedError) as caught:
        accept(changed)
    assert "\n" not in str(caught.value)
