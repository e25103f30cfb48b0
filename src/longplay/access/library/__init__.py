"""What is held, as listeners browse it: artists, albums, tracks, genres, folders, covers."""
