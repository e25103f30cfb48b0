"""What a file says about itself: tags of every container, CUE sheets, kinds; and tags written."""

from longplay.audio.tags.cue import CueFile, CueSheet, CueTrack, parse_cue
from longplay.audio.tags.kinds import kind_of, media_type_of, mime_of, suffix_of
from longplay.audio.tags.reader import read_tags
from longplay.audio.tags.write import vorbis_comments, write_tags

__all__ = [
    "CueFile",
    "CueSheet",
    "CueTrack",
    "kind_of",
    "media_type_of",
    "mime_of",
    "parse_cue",
    "read_tags",
    "suffix_of",
    "vorbis_comments",
    "write_tags",
]
