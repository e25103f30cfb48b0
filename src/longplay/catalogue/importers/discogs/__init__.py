"""Discogs' monthly dumps: four gzipped XML files, read record by record."""
