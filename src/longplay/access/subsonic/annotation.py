"""Section Media annotation: stars, ratings, what was heard, what is being played.

https://opensubsonic.netlify.app/categories/media-annotation and its extension playbackReport
"""

from __future__ import annotations

from datetime import UTC, datetime

from longplay import clock
from longplay.access.library.things import Track
from longplay.access.people import plays, stars
from longplay.access.people.plays import Playing
from longplay.access.subsonic import shapes, things
from longplay.access.subsonic.calls import Call, Handler
from longplay.access.subsonic.failures import malformed, missing
from longplay.access.subsonic.rendering import Tree

HEARD_MS = 240_000
"""Four minutes: after so long a song counts as heard however long it is."""


def star(call: Call) -> Tree:
    """Put stars on things."""
    for identity in _named(call):
        things.existing(call.view, identity)
    stars.star(call.people, call.account, _named(call))
    return {}


def unstar(call: Call) -> Tree:
    """Take stars away; where there is none, or the thing is gone, that is all right."""
    stars.unstar(call.people, call.account, _named(call))
    return {}


def _named(call: Call) -> list[str]:
    named = [one for name in ("id", "albumId", "artistId") for one in call.asked.texts(name)]
    if not named:
        raise missing("id")
    return named


def set_rating(call: Call) -> Tree:
    """Rate a thing with one to five; 0 takes the rating away."""
    identity, rating = call.asked.text("id"), call.asked.whole("rating")
    if rating > 5:
        raise malformed("rating", "is not from 0 to 5")
    things.existing(call.view, identity)
    stars.rate(call.people, call.account, identity, rating)
    return {}


def scrobble(call: Call) -> Tree:
    """Note that songs were heard, or are being heard."""
    identities, times = call.asked.texts("id"), call.asked.wholes("time")
    if not identities:
        raise missing("id")
    submission = call.asked.flag("submission", True)
    found = things.tracks(call.view, identities)
    for place, track in enumerate(found):
        at = _moment(times[place]) if place < len(times) else clock.now()
        plays.scrobble(
            call.people, call.account, track.id, at, submission=submission, client=call.client
        )
    return {}


def _moment(milliseconds: int) -> datetime:
    """A time in milliseconds since 1970. Raises CallError for one beyond the calendar."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise malformed("time", "is no time in milliseconds since 1970") from error


def report_playback(call: Call) -> Tree:
    """Note what a player does, and where in a song it stands."""
    asked = call.asked
    identity, kind, state = asked.text("mediaId"), asked.text("mediaType"), asked.text("state")
    position = asked.whole("positionMs")
    if kind != "song":
        raise malformed("mediaType", "is not song")
    if state not in plays.STATES:
        raise malformed("state", f"is none of {', '.join(plays.STATES)}")
    track = things.track(call.view, identity)
    rate = asked.number("playbackRate", 1.0, least=0.0, most=100.0)
    if not asked.flag("ignoreScrobble", False) and _was_heard(call, track, state, position):
        plays.scrobble(call.people, call.account, track.id, client=call.client)
    plays.report(
        call.people,
        call.account,
        track.id,
        state=state,
        position_ms=position,
        rate=rate,
        client=call.client,
    )
    return {}


def _was_heard(call: Call, track: Track, state: str, position: int) -> bool:
    """Whether what ends now was a play: half of the song or four minutes of it were heard, of a
    song that was reported to be playing."""
    if state != "stopped" or position < min(track.duration_ms / 2, HEARD_MS):
        return False
    return any(
        (one.account, one.client, one.track) == (call.account, call.client, track.id)
        for one in plays.now_playing(call.people)
    )


def get_now_playing(call: Call) -> Tree:
    """Who hears what: of what the asking listener may hear."""
    playing = plays.now_playing(call.people)
    tracks = {one.id: one for one in call.view.tracks({each.track for each in playing})}
    now = clock.now()
    entries = [
        {
            **shapes.song(tracks[one.track], call.marks),
            "username": one.name,
            "minutesAgo": _milliseconds_since(one.reported, now) // 60_000,
            "playerId": 0,
            "playerName": one.client,
            "state": one.state,
            "positionMs": _position(one, tracks[one.track], now),
            "playbackRate": one.rate,
        }
        for one in playing
        if one.track in tracks
    ]
    return {"nowPlaying": {"entry": entries}}


def _position(playing: Playing, track: Track, now: datetime) -> int:
    """Where a player stands by now: what plays has moved on since it was reported."""
    if playing.state != "playing":
        return playing.position_ms
    moved = playing.rate * _milliseconds_since(playing.reported, now)
    return round(min(playing.position_ms + moved, max(track.duration_ms, playing.position_ms)))


def _milliseconds_since(time: str, now: datetime) -> int:
    return max(0, shapes.milliseconds(now) - shapes.milliseconds(time))


HANDLERS: dict[str, Handler] = {
    "star": star,
    "unstar": unstar,
    "setRating": set_rating,
    "scrobble": scrobble,
    "reportPlayback": report_playback,
    "getNowPlaying": get_now_playing,
}
