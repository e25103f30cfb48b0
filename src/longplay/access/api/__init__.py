"""The JSON API: the catalogue, what is held of it, what was published, and how that was decided."""
