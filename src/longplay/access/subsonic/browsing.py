"""Section Browsing: folders, artists, albums, songs.

https://opensubsonic.netlify.app/categories/browsing
"""

from __future__ import annotations

import random
from collections.abc import Callable

from fastapi.responses import Response

from longplay.access.library.things import Album, Artist, Folder
from longplay.access.library.view import View
from longplay.access.subsonic import shapes, things
from longplay.access.subsonic.artists import ARTICLES, indexed, roles_folder
from longplay.access.subsonic.calls import Call, Handler
from longplay.access.subsonic.failures import missing, not_found
from longplay.access.subsonic.prepared import prepared
from longplay.access.subsonic.rendering import Tree
from longplay.access.subsonic.shapes import Shape


def get_music_folders(call: Call) -> Response:
    """The sources."""
    return prepared(call, "folders", _music_folders)


def _music_folders(view: View) -> Tree:
    told = [{"id": things.number(one), "name": one.name} for one in view.folders()]
    return {"musicFolders": {"musicFolder": told}}


def get_artists(call: Call) -> Tree | Response:
    """All album artists under their letters, or those of one source."""
    return indexed(call, things.confined(call), "artists")


def get_indexes(call: Call) -> Tree | Response:
    """All album artists under their letters, for clients that browse by folders: with ways to the
    sources' own folders, to composers and to conductors. Of one source: its folders."""
    modified = shapes.milliseconds(call.view.modified)
    since = call.asked.whole_or_none("ifModifiedSince")
    if since is not None and since >= modified:
        return {"indexes": {"lastModified": modified, "ignoredArticles": ARTICLES}}
    source = things.chosen_folder(call)
    if source is None:
        return indexed(call, call.view, "indexes")
    return {"indexes": _indexes_of(call, source, modified)}


def _indexes_of(call: Call, source: Folder, modified: int) -> Shape:
    """A source's topmost folders under their letters, and the songs beside them."""
    whole = call.view.folder(source.id) or source
    letters: dict[str, list[Shape]] = {}
    for one in whole.folders:
        first = one.name[:1].upper()
        letters.setdefault(first if first.isalpha() else "#", []).append(
            {"id": one.id, "name": one.name}
        )
    return {
        "lastModified": modified,
        "ignoredArticles": ARTICLES,
        "index": [{"name": letter, "artist": found} for letter, found in letters.items()],
        "child": [shapes.song(one, call.marks, parent=whole.id) for one in whole.tracks],
    }


def get_music_directory(call: Call) -> Tree:
    """What is in a folder; an artist is a folder of albums, an album one of songs."""
    identity = call.asked.text("id")
    roles = roles_folder(call, identity)
    if roles is not None:
        return {"directory": roles}
    kinds: dict[str, Callable[[Call, str], Shape]] = {
        "fo": _folder_directory,
        "ar": _artist_directory,
        "al": _album_directory,
    }
    reader = kinds.get(things.kind(identity))
    if reader is None:
        raise not_found("the directory")
    return {"directory": reader(call, identity)}


def _folder_directory(call: Call, identity: str) -> Shape:
    folder = call.view.folder(identity)
    if folder is None:
        raise not_found("the directory")
    inside = [shapes.folder(one, folder.id) for one in folder.folders]
    inside += [shapes.song(one, call.marks, parent=folder.id) for one in folder.tracks]
    above = {"parent": folder.parent} if folder.parent else {}
    return {"id": folder.id, **above, "name": folder.name, "child": inside}


def _artist_directory(call: Call, identity: str) -> Shape:
    artist = things.artist(call.view, identity)
    albums = call.view.albums_of_artist(artist.id)
    return {
        **shapes.artist_folder(artist, call.marks),
        "child": [shapes.album_folder(one, call.marks) for one in albums],
    }


def _album_directory(call: Call, identity: str) -> Shape:
    album = things.album(call.view, identity)
    above = {"parent": album.artists[0][0]} if album.artists else {}
    songs = call.view.tracks_of_album(album.id)
    return {
        "id": album.id,
        **above,
        "name": album.title,
        **shapes.rated(album.id, call.marks),
        "child": [shapes.song(one, call.marks) for one in songs],
    }


def get_genres(call: Call) -> Response:
    """All genres, with how much there is of each."""
    return prepared(call, "genres", _genres)


def _genres(view: View) -> Tree:
    told = [
        {"value": one.name, "songCount": one.tracks, "albumCount": one.albums}
        for one in view.genres()
    ]
    return {"genres": {"genre": told}}


def get_artist(call: Call) -> Tree:
    """An artist with all albums."""
    artist = things.artist(call.view, call.asked.text("id"))
    albums = call.view.albums_of_artist(artist.id)
    told = [shapes.album(one, call.marks) for one in albums]
    return {"artist": {**shapes.artist(artist, call.marks), "album": told}}


def get_album(call: Call) -> Tree:
    """An album with all songs."""
    album = things.album(call.view, call.asked.text("id"))
    songs = call.view.tracks_of_album(album.id)
    told = [shapes.song(one, call.marks) for one in songs]
    return {"album": {**shapes.album(album, call.marks), "song": told}}


def get_song(call: Call) -> Tree:
    """One song."""
    track = things.track(call.view, call.asked.text("id"))
    return {"song": shapes.song(track, call.marks)}


def _artist_info(name: str, shape: Callable[[Artist, shapes.Marks], Shape]) -> Handler:
    def get_artist_info(call: Call) -> Tree:
        """What is known of an artist, and who is like them: those on the same albums."""
        artist = things.artist_of(call.view, call.asked.text("id"))
        alike = _beside(call, artist, call.asked.count("count", 20))
        told: Shape = {"similarArtist": [shape(one, call.marks) for one in alike]}
        if artist.mbid:
            told["musicBrainzId"] = artist.mbid
        return {name: told}

    return get_artist_info


def _beside(call: Call, artist: Artist, count: int) -> list[Artist]:
    """Artists who are named on an artist's tracks, the most often named first."""
    often: dict[str, int] = {}
    for track in call.view.tracks_of_artist(artist.id):
        for identity, _ in (*track.artists, *track.album_artists):
            often[identity] = often.get(identity, 0) + 1
    often.pop(artist.id, None)
    return call.view.artists_by(sorted(often, key=lambda one: -often[one])[:count])


def get_album_info(call: Call) -> Tree:
    """What is known of an album, or of that of a song."""
    album = _album_of(call, call.asked.text("id"))
    return {"albumInfo": {"musicBrainzId": album.mbid} if album.mbid else {}}


def _album_of(call: Call, identity: str) -> Album:
    if things.kind(identity) in ("tr", "rec"):
        identity = things.track(call.view, identity).album_id
    return things.album(call.view, identity)


def _similar_songs(name: str) -> Handler:
    def get_similar_songs(call: Call) -> Tree:
        """Songs for a radio that begins with an artist, an album or a song: half of them the
        artist's own, the others of the genre; in no order."""
        artist = things.artist_of(call.view, call.asked.text("id"))
        count = call.asked.count("count", 50)
        own = call.view.tracks_of_artist(artist.id)
        genres = [one for track in own for one in track.genres]
        chosen = random.sample(own, min(len(own), (count + 1) // 2))
        if genres:
            known = {one.id for one in chosen}
            others = call.view.random(count, genre=max(set(genres), key=genres.count))
            chosen += [one for one in others if one.id not in known][: count - len(chosen)]
        random.shuffle(chosen)
        return {name: {"song": [shapes.song(one, call.marks) for one in chosen]}}

    return get_similar_songs


def get_top_songs(call: Call) -> Tree:
    """The most popular songs of an artist, by id or by name."""
    artist = call.asked.text_or_none("id") or call.asked.text_or_none("artist")
    if not artist:
        raise missing("artist")
    if call.asked.text_or_none("id"):
        things.artist(call.view, artist)
    found = call.view.top_tracks(artist, call.asked.count("count", 50))
    return {"topSongs": {"song": [shapes.song(one, call.marks) for one in found]}}


HANDLERS: dict[str, Handler] = {
    "getMusicFolders": get_music_folders,
    "getIndexes": get_indexes,
    "getMusicDirectory": get_music_directory,
    "getGenres": get_genres,
    "getArtists": get_artists,
    "getArtist": get_artist,
    "getAlbum": get_album,
    "getSong": get_song,
    "getArtistInfo": _artist_info("artistInfo", shapes.artist_folder),
    "getArtistInfo2": _artist_info("artistInfo2", shapes.artist),
    "getAlbumInfo": get_album_info,
    "getAlbumInfo2": get_album_info,
    "getSimilarSongs": _similar_songs("similarSongs"),
    "getSimilarSongs2": _similar_songs("similarSongs2"),
    "getTopSongs": get_top_songs,
}
