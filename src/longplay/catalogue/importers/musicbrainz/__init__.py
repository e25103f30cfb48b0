"""MusicBrainz's database dumps, read straight from their archives: no PostgreSQL is needed."""
