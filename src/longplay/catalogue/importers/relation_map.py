"""Maps of databases whose tracks, albums and artists are tables of their own, as TOML."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from longplay.settings import Model

Entity = Literal["artists", "albums", "tracks"]

OURS: dict[Entity, tuple[str, ...]] = {
    "artists": ("id", "name", "mbid"),
    "albums": ("id", "title", "release_date", "upc", "mbid", "label"),
    "tracks": (
        "id", "title", "album", "disc_number", "track_number", "duration_ms", "isrc",
        "recording_mbid", "release_date", "explicit", "popularity", "listens", "licence",
    ),
}  # fmt: skip
"""What a table of each kind may give; `album` is the key of the album's row."""

NUMBERS = ("disc_number", "track_number", "duration_ms", "popularity", "listens")


class Relation(Model):
    """One table: its name, the column of whole numbers by which others name its rows, and which of
    its columns are ours."""

    table: str
    key: str = "rowid"
    columns: dict[str, str]


class Link(Model):
    """A table of links: the columns that name a track or an album, an artist, a genre, and say in
    which order an artist is credited."""

    table: str
    track: str | None = None
    album: str | None = None
    artist: str
    order: str | None = None
    genre: str | None = None


class RelationMap(Model):
    """A map of several tables. `joins` are `track_artists`, `album_artists` and `artist_genres`."""

    format: Literal["sqlite"] = "sqlite"
    tables: dict[Entity, Relation]
    joins: dict[Literal["track_artists", "album_artists", "artist_genres"], Link] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _names_what_there_is(self) -> RelationMap:
        if "id" not in self.tables.get("tracks", Relation(table="", columns={})).columns:
            raise ValueError("tables.tracks must say which column is `id`")
        for entity, relation in self.tables.items():
            unknown = set(relation.columns) - set(OURS[entity])
            if unknown:
                raise ValueError(f"tables.{entity} has no {sorted(unknown)[0]}")
        needed = {"track_artists": "track", "album_artists": "album", "artist_genres": "genre"}
        for name, link in self.joins.items():
            if getattr(link, needed[name]) is None:
                raise ValueError(f"joins.{name} must say which column is `{needed[name]}`")
        return self
