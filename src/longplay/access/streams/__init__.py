"""Listening: the sound of a track or recording, as it is held or made smaller on the way."""
