"""What exists: sources as immutable layers, joined into recordings by snapshots that never change.

`docs/formats/catalogue.md` describes the files; every function takes the catalogue's folder.
"""
