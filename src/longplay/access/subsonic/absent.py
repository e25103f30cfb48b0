"""What Longplay has nothing of: podcasts, video, jukebox, radio, chat, shares.

What lists such things is answered with an empty list, so that clients that ask go on; what would
make or change one is refused.
"""

from __future__ import annotations

from longplay.access.subsonic.calls import Call, Handler
from longplay.access.subsonic.failures import CallError, Code, not_found
from longplay.access.subsonic.rendering import Tree

EMPTY: dict[str, Tree] = {
    "getPodcasts": {"podcasts": {"channel": []}},
    "getNewestPodcasts": {"newestPodcasts": {"episode": []}},
    "getVideos": {"videos": {}},
    "getInternetRadioStations": {"internetRadioStations": {"internetRadioStation": []}},
    "getChatMessages": {"chatMessages": {"chatMessage": []}},
    "getShares": {"shares": {"share": []}},
}
"""Lists of which nothing is in."""

NO_ROLE = {
    "createPodcastChannel": "podcasts",
    "deletePodcastChannel": "podcasts",
    "deletePodcastEpisode": "podcasts",
    "downloadPodcastEpisode": "podcasts",
    "refreshPodcasts": "podcasts",
    "createShare": "shares",
    "updateShare": "shares",
    "deleteShare": "shares",
    "jukeboxControl": "a jukebox",
}
"""Calls that need a role which no user has: `getUser` says so."""

NO_ROOM = {
    "createInternetRadioStation": "radio stations",
    "updateInternetRadioStation": "radio stations",
    "deleteInternetRadioStation": "radio stations",
    "addChatMessage": "chat",
}

NO_SUCH = {
    "getVideoInfo": "the video",
    "getCaptions": "the video",
    "getPodcastEpisode": "the episode",
}
"""Calls about one thing, of which there is none."""


def _answering(tree: Tree) -> Handler:
    return lambda _: tree


def _refusing(code: Code, what: str) -> Handler:
    def refuse(_: Call) -> Tree:
        raise CallError(code, f"Longplay has no {what.removeprefix('a ')}")

    return refuse


def _without(what: str) -> Handler:
    def refuse(call: Call) -> Tree:
        call.asked.text("id")
        raise not_found(what)

    return refuse


HANDLERS: dict[str, Handler] = {
    **{name: _answering(tree) for name, tree in EMPTY.items()},
    **{name: _refusing(Code.NOT_AUTHORIZED, what) for name, what in NO_ROLE.items()},
    **{name: _refusing(Code.GENERIC, what) for name, what in NO_ROOM.items()},
    **{name: _without(what) for name, what in NO_SUCH.items()},
}
