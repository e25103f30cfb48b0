"""Section System: is it there, what can it do. https://opensubsonic.netlify.app/categories/system"""

from __future__ import annotations

from longplay.access.subsonic.calls import Call, Handler
from longplay.access.subsonic.failures import CallError, Code
from longplay.access.subsonic.rendering import Tree

EXTENSIONS = {
    "apiKeyAuthentication": [1],
    "formPost": [1],
    "indexBasedQueue": [1],
    "playbackReport": [1],
    "songLyrics": [1],
    "topSongsByArtistId": [1],
    "transcodeOffset": [1],
    "transcoding": [1],
}
"""Open extensions that are spoken, with their versions."""


def ping(_: Call) -> Tree:
    """Whether the server answers, and knows the listener."""
    return {}


def get_license(_: Call) -> Tree:
    """Nobody needs a licence for Longplay."""
    return {"license": {"valid": True}}


def extensions() -> Tree:
    """The extensions: the one answer that is given without login."""
    told = [{"name": name, "versions": versions} for name, versions in EXTENSIONS.items()]
    return {"openSubsonicExtensions": told}


def token_info(call: Call) -> Tree:
    """Whose key it is that the call was made with."""
    if call.asked.text_or_none("apiKey") is None:
        raise CallError(Code.INVALID_KEY, "the call was made without an API key")
    return {"tokenInfo": {"username": call.listener.name}}


HANDLERS: dict[str, Handler] = {
    "ping": ping,
    "getLicense": get_license,
    "getOpenSubsonicExtensions": lambda _: extensions(),
    "tokenInfo": token_info,
}
