"""What a file says about itself: tags read from every container, and written to ours."""

from longplay.audio.tags.write import vorbis_comments, write_tags

__all__ = ["vorbis_comments", "write_tags"]
