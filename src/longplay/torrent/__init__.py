"""BitTorrent metainfo from stored hashes: bencoding, merkle, v1, v2, hybrid. Pure functions."""
