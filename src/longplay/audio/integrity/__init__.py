"""What can be proved of a media file's bits. A decoder conceals damage, so each container's own
proof is read first, and what the decoder says is held against it."""

from longplay.audio.integrity.judge import judge
from longplay.audio.integrity.sniff import examine
from longplay.audio.integrity.structure import Structure

__all__ = ["Structure", "examine", "judge"]
