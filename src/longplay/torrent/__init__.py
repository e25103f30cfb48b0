"""BitTorrent metainfo from stored hashes: bencoding, merkle trees, v1, v2, hybrid. No disk, no network."""
