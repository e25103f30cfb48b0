"""Pure functions on sound: probe, decode, integrity, tags, loudness, transcode, fingerprint."""

CODECS = ("longplay.audio.describe", "longplay.audio.tags", "longplay.audio.transcode")
"""Modules that load the codecs, and what sound is measured with: workers are forked with them, and
other processes do without."""
