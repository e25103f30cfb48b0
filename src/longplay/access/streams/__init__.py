"""Listening: the sound of a track or recording, as it is held or made smaller on the way."""

from longplay.access.streams.answering import Wanted, answer

__all__ = ["Wanted", "answer"]
