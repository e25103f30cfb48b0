"""Finding what exists: words, look-ups and counts over the layers of a snapshot."""
