"""Section Transcoding: the extension of that name.

https://opensubsonic.netlify.app/docs/extensions/transcoding/
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from longplay.access.subsonic import things
from longplay.access.subsonic.calls import Call, Handler, Sound
from longplay.access.subsonic.decision import Stream, decide, source_of
from longplay.access.subsonic.failures import malformed
from longplay.access.subsonic.rendering import Tree
from longplay.access.subsonic.retrieval import MOST_SECONDS
from longplay.access.subsonic.shapes import Shape, known
from longplay.rights.statements import Act

_PARAMS = re.compile(r"(mp3|opus)-([0-9]{2,3})")
"""`transcodeParams`: a format and kbit/s."""


def get_transcode_decision(call: Call) -> Tree:
    """Whether a player, which describes itself in the body, plays a song as it is."""
    track = things.track(call.view, _media(call))
    made = decide(source_of(track), _client_info(call))
    told: Shape = {
        "canDirectPlay": made.direct,
        "canTranscode": made.target is not None,
        "transcodeReason": list(made.reasons),
        "sourceStream": _details(made.source),
    }
    if made.target is not None:
        told["transcodeStream"] = _details(made.target)
        told["transcodeParams"] = f"{made.format}-{(made.target.bit_rate or 0) // 1000}"
    elif not made.direct:
        told["errorReason"] = "no transcoding profile is of a format that can be made: mp3, opus"
    return {"transcodeDecision": told}


def _media(call: Call) -> str:
    if call.asked.text("mediaType") != "song":
        raise malformed("mediaType", "is not song")
    return call.asked.text("mediaId")


def _client_info(call: Call) -> dict[str, Any]:
    try:
        said = orjson.loads(call.body)
    except orjson.JSONDecodeError as error:
        raise malformed("(the body)", "is not JSON") from error
    if not isinstance(said, dict):
        raise malformed("(the body)", "does not describe a client")
    return said


def _details(stream: Stream) -> Shape:
    return known(
        {
            "protocol": "http",
            "container": stream.container,
            "codec": stream.codec,
            "audioChannels": stream.channels,
            "audioBitrate": stream.bit_rate,
            "audioSamplerate": stream.sample_rate,
            "audioBitdepth": stream.bit_depth,
        }
    )


def get_transcode_stream(call: Call) -> Sound:
    """A song in the format and at the bit rate that was decided."""
    track = things.track(call.view, _media(call))
    params = _PARAMS.fullmatch(call.asked.text("transcodeParams"))
    if params is None:
        raise malformed("transcodeParams", "is not what getTranscodeDecision said")
    offset = float(min(call.asked.whole("offset", 0), MOST_SECONDS))
    return Sound(track.id, Act.STREAM, params[1], int(params[2]), offset)


HANDLERS: dict[str, Handler] = {
    "getTranscodeDecision": get_transcode_decision,
    "getTranscodeStream": get_transcode_stream,
}
