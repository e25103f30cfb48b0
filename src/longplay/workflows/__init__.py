"""Each a short sequence over the archive's parts: what a command does, without its printing."""
