"""KEEPING IT: the object store, the evidence, fixity."""
