"""Section Media retrieval: sound, pictures, words.

https://opensubsonic.netlify.app/categories/media-retrieval and the extensions transcodeOffset and
songLyrics
"""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi.responses import Response

from longplay.access.library import covers
from longplay.access.subsonic import things
from longplay.access.subsonic.calls import Call, Handler, Sound
from longplay.access.subsonic.failures import malformed, not_found
from longplay.rights.statements import Act

FORMATS = {"mp3": "mp3", "opus": "opus", "ogg": "opus", "oga": "opus"}
"""What is made of a song when one of these is preferred; of what else is preferred, MP3, which
everything plays."""


MOST_SECONDS = 10**6
"""An offset beyond eleven days is beyond every song."""


def stream(call: Call) -> Sound:
    """A song to listen to: as it is held, or smaller."""
    asked = call.asked
    track = things.track(call.view, asked.text("id"))
    preferred = (asked.text_or_none("format") or "").lower()
    if preferred not in ("", "raw"):
        own = preferred == track.suffix.lstrip(".")
        preferred = "" if own else FORMATS.get(preferred, "mp3")
    offset = min(asked.whole("timeOffset", 0), MOST_SECONDS)
    return Sound(track.id, Act.STREAM, preferred, asked.whole("maxBitRate", 0), float(offset))


def download(call: Call) -> Sound:
    """A song's file as it is held."""
    track = things.track(call.view, call.asked.text("id"))
    return Sound(track.id, Act.DOWNLOAD)


def hls(call: Call) -> Response:
    """A playlist (RFC 8216) of one segment, the whole song; of several bit rates a playlist of
    playlists."""
    track = things.track(call.view, call.asked.text("id"))
    rates = [_rate(text) for text in call.asked.texts("bitRate")]
    if len(rates) > 1:
        lines = ["#EXTM3U", "#EXT-X-VERSION:3"]
        for rate in rates:
            lines.append(f"#EXT-X-STREAM-INF:BANDWIDTH={rate * 1000}")
            lines.append(f"hls.m3u8?{_query(call, bitRate=str(rate))}")
    else:
        seconds = track.duration_ms / 1000
        most = {"maxBitRate": str(rates[0])} if rates else {}
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:3",
            "#EXT-X-PLAYLIST-TYPE:VOD",
            f"#EXT-X-TARGETDURATION:{int(seconds) + 1}",
            f"#EXTINF:{seconds:.3f},",
            f"stream?{_query(call, format='mp3', **most)}",
            "#EXT-X-ENDLIST",
        ]
    body = "\n".join([*lines, ""])
    return Response(body, media_type="application/vnd.apple.mpegurl")


def _rate(text: str) -> int:
    """A bit rate in kbit/s, of video with its size after it."""
    number = text.partition("@")[0]
    if not number.isascii() or not number.isdigit() or not 0 < int(number[:9]) < 10_000:
        raise malformed("bitRate", "is no bit rate in kbit/s")
    return int(number)


def _query(call: Call, **more: str) -> str:
    """The call's own proof of who calls, for the calls that a playlist names."""
    kept = {name: call.asked.values[name][0] for name in PROOF if name in call.asked.values}
    return urlencode(kept | {"id": call.asked.text("id")} | more)


PROOF = ("u", "p", "t", "s", "apiKey", "v", "c")
"""The parameters that say who calls, and with what."""


def get_cover_art(call: Call) -> Response:
    """The picture of a cover, a song, an album or an artist."""
    size = call.asked.whole_or_none("size", least=1)
    identity = call.asked.text("id")
    picture = covers.picture(call.here, call.listener, identity, size)
    if picture is None:
        raise not_found("the picture")
    headers = {"ETag": f'"{picture.tag}"', "Cache-Control": "private, max-age=86400"}
    if headers["ETag"] in call.request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(picture.data, headers=headers, media_type=picture.media_type)


def get_avatar(call: Call) -> Response:
    """The picture of a user: nobody has one."""
    call.asked.text("username")
    raise not_found("the user's picture")


HANDLERS: dict[str, Handler] = {
    "stream": stream,
    "download": download,
    "hls.m3u8": hls,
    "hls": hls,
    "getCoverArt": get_cover_art,
    "getAvatar": get_avatar,
}
