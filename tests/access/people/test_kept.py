"""What listeners keep: playlists, stars, ratings, queues, bookmarks, plays."""

from __future__ import annotations

from datetime import timedelta

import pytest

from longplay import clock
from longplay.access.people import bookmarks, playlists, plays, queues, stars
from longplay.access.people.store import People
from longplay.errors import AccessError, UsageError


def test_a_playlist_is_made_changed_and_deleted(people: People, ann: int) -> None:
    made = playlists.create(people, ann, "Mine", ["tr1", "tr2", "tr1"], comment="words")
    assert made.id.startswith("pl-")
    assert (made.entries, made.count, made.owner) == (("tr1", "tr2", "tr1"), 3, "Ann")
    assert playlists.append(people, ann, made.id, ["tr3"]).entries[-1] == "tr3"
    assert playlists.remove(people, ann, made.id, [0, 2, 99]).entries == ("tr2", "tr3")
    assert playlists.replace(people, ann, made.id, ["tr9"]).entries == ("tr9",)
    assert playlists.change(people, ann, made.id, name="Other").name == "Other"
    assert [one.name for one in playlists.listing(people, ann)] == ["Other"]
    playlists.delete(people, ann, made.id)
    with pytest.raises(AccessError, match="no such playlist"):
        playlists.read(people, ann, made.id)


def test_playlists_of_others_are_seen_when_public_and_never_changed(
    people: People, ann: int, bob: int
) -> None:
    made = playlists.create(people, ann, "Mine", ["tr1"])
    for who in (bob, None):
        assert playlists.listing(people, who) == []
        with pytest.raises(AccessError, match="no such playlist"):
            playlists.read(people, who, made.id)
    playlists.change(people, ann, made.id, public=True)
    for who in (bob, None):
        assert playlists.read(people, who, made.id).entries == ("tr1",)
    with pytest.raises(AccessError, match="somebody else's"):
        playlists.append(people, bob, made.id, ["tr2"])
    with pytest.raises(AccessError, match="somebody else's"):
        playlists.delete(people, bob, made.id)


def test_a_playlist_too_long_changes_nothing(people: People, ann: int) -> None:
    made = playlists.create(people, ann, "Mine", ["tr1"])
    with pytest.raises(UsageError, match="at most 100000 tracks"):
        playlists.append(people, ann, made.id, ["tr2"] * playlists.MOST_ENTRIES)
    assert playlists.read(people, ann, made.id).entries == ("tr1",)


def test_stars_and_ratings(people: People, ann: int, bob: int) -> None:
    stars.star(people, ann, ["tr1", "al1"], "2026-01-01T00:00:00.000Z")
    stars.star(people, ann, ["tr1", "ar1"])
    assert stars.starred(people, ann)["tr1"] == "2026-01-01T00:00:00.000Z"
    assert next(iter(stars.starred(people, ann))) == "ar1"
    stars.unstar(people, ann, ["al1", "unknown"])
    assert set(stars.starred(people, ann)) == {"tr1", "ar1"}
    assert stars.starred(people, bob) == stars.starred(people, None) == {}
    stars.rate(people, ann, "tr1", 5)
    stars.rate(people, bob, "tr1", 2)
    assert stars.ratings(people, ann) == {"tr1": 5}
    stars.rate(people, ann, "tr1", 0)
    assert stars.ratings(people, ann) == {}
    with pytest.raises(UsageError, match="1 to 5"):
        stars.rate(people, ann, "tr1", 6)


def test_a_queue_is_gone_on_with(people: People, ann: int) -> None:
    assert queues.read(people, ann) is None
    queues.save(people, ann, ["tr1", "tr2", "tr2"], place=2, position_ms=1500, client="phone")
    found = queues.read(people, ann)
    assert found is not None
    assert (found.entries, found.place, found.current, found.position_ms, found.client) == (
        ("tr1", "tr2", "tr2"), 2, "tr2", 1500, "phone")  # fmt: skip
    queues.save(people, ann, ["tr1", "tr2"], current="tr2")
    found = queues.read(people, ann)
    assert found is not None and found.place == 1
    with pytest.raises(UsageError, match="not in the queue"):
        queues.save(people, ann, ["tr1"], current="tr9")
    queues.save(people, ann, [])
    assert queues.read(people, ann) is None


def test_bookmarks(people: People, ann: int, bob: int) -> None:
    bookmarks.create(people, ann, "tr1", 1000, "here")
    bookmarks.create(people, ann, "tr1", 2000)
    (found,) = bookmarks.all_of(people, ann)
    assert (found.track, found.position_ms, found.comment) == ("tr1", 2000, "")
    with pytest.raises(AccessError, match="no bookmark"):
        bookmarks.delete(people, bob, "tr1")
    bookmarks.delete(people, ann, "tr1")
    assert bookmarks.all_of(people, ann) == []


def test_a_scrobble_sent_twice_counts_once(people: People, ann: int, bob: int) -> None:
    time = clock.now() - timedelta(hours=1)
    assert plays.scrobble(people, ann, "tr1", time, client="phone")
    assert not plays.scrobble(people, ann, "tr1", time, client="phone")
    assert plays.scrobble(people, bob, "tr1", time)
    assert plays.scrobble(people, ann, "tr1", time + timedelta(minutes=5))
    count, last = plays.counts(people, ann)["tr1"]
    assert (count, last) == (2, clock.text_of(time + timedelta(minutes=5)))
    assert [track for _, track, _ in plays.history(people, ann)] == ["tr1", "tr1"]


def test_a_play_of_the_future_is_one_of_now(people: People, ann: int) -> None:
    plays.scrobble(people, ann, "tr1", clock.now() + timedelta(days=400))
    assert plays.counts(people, ann)["tr1"][1] <= clock.timestamp()


def test_what_plays_now(people: People, ann: int) -> None:
    plays.scrobble(people, ann, "tr1", submission=False, client="phone")
    assert plays.counts(people, ann) == {}
    plays.report(people, ann, "tr1", state="paused", position_ms=5000, client="phone")
    (found,) = plays.now_playing(people)
    assert (found.name, found.track, found.state, found.position_ms) == (
        "Ann", "tr1", "paused", 5000)  # fmt: skip
    plays.report(people, ann, "tr1", state="stopped", client="phone")
    assert plays.now_playing(people) == []
