"""Pure functions on sound: probe, decode, integrity, tags, loudness, transcode, fingerprint."""
