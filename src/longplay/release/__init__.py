"""HANDING IT ON: stages, volumes, manifests, torrents; all from stored hashes."""
