"""Section Playlists. https://opensubsonic.netlify.app/categories/playlists"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from longplay.access.library.things import Sum
from longplay.access.people import accounts, playlists
from longplay.access.people.playlists import Playlist
from longplay.access.subsonic import shapes, things
from longplay.access.subsonic.calls import Call, Handler
from longplay.access.subsonic.failures import missing, not_authorized, not_found
from longplay.access.subsonic.rendering import Tree
from longplay.access.subsonic.shapes import Shape
from longplay.errors import AccessError


def _shape(call: Call, playlist: Playlist, total: Sum) -> Shape:
    """A playlist, without its songs; what counts is what the listener may hear of it."""
    shape: Shape = {
        "id": playlist.id,
        "name": playlist.name,
        "comment": playlist.comment,
        "owner": playlist.owner,
        "public": playlist.public,
        "songCount": total.tracks,
        "duration": total.duration_ms // 1000,
        "created": playlist.created,
        "changed": playlist.changed,
        "readonly": playlist.owner_id != call.account,
    }
    return shape if total.cover is None else {**shape, "coverArt": total.cover}


def _whole(call: Call, playlist: Playlist) -> Tree:
    entries = [shapes.song(track, call.marks) for track in call.view.tracks(playlist.entries)]
    total = call.view.total(playlist.entries)
    return {"playlist": {**_shape(call, playlist, total), "entry": entries}}


def _listed(call: Call, account: int, playlist: Playlist) -> Shape:
    """A playlist in a list: its tracks are looked at when it is another one, or the library. Raises
    AccessError for one that was hidden or deleted in this moment."""

    def find() -> Sum:
        return call.view.total(playlists.read(call.people, account, playlist.id).entries)

    key = playlist.id, playlist.changed, call.view.version
    return _shape(call, playlist, call.moment.remembered.total(key, find))


def get_playlists(call: Call) -> Tree:
    """The listener's own playlists and those that all may see; for administrators, somebody's."""
    owner, account = call.asked.text_or_none("username"), call.account
    if owner is not None and owner != call.listener.name:
        call.require_admin("see somebody else's playlists")
        account = _account(call, owner)
    told = []
    for one in playlists.listing(call.people, account):
        if owner is None or one.owner_id == account:
            with suppress(AccessError):
                told.append(_listed(call, account, one))
    return {"playlists": {"playlist": told}}


def _account(call: Call, name: str) -> int:
    try:
        return accounts.find(call.people, name).id
    except AccessError as error:
        raise not_found("the user") from error


def get_playlist(call: Call) -> Tree:
    """A playlist with its songs."""
    return _whole(call, _read(call, call.asked.text("id")))


def create_playlist(call: Call) -> Tree:
    """Make a playlist, or put other songs into one."""
    entries = [one.id for one in things.tracks(call.view, call.asked.texts("songId"))]
    identity, name = call.asked.text_or_none("playlistId"), call.asked.text_or_none("name")
    if identity:
        _own(call, identity)
        if name:
            playlists.change(call.people, call.account, identity, name=name)
        return _whole(call, playlists.replace(call.people, call.account, identity, entries))
    if not name:
        raise missing("name")
    return _whole(call, playlists.create(call.people, call.account, name, entries))


def update_playlist(call: Call) -> Tree:
    """Change a playlist's name, comment and who may see it; take songs out, and add some."""
    asked = call.asked
    identity = asked.text("playlistId")
    _own(call, identity)
    added = [one.id for one in things.tracks(call.view, asked.texts("songIdToAdd"))]
    removed = asked.wholes("songIndexToRemove")
    name, comment = asked.text_or_none("name"), asked.text_or_none("comment")
    public = asked.flag_or_none("public")
    if name or comment is not None or public is not None:
        playlists.change(
            call.people, call.account, identity, name=name or None, comment=comment, public=public
        )
    if added or removed:
        # Places are those of the songs that the listener sees.
        places = _places(call, playlists.read(call.people, call.account, identity), removed)
        playlists.update(call.people, call.account, identity, added=added, removed=places)
    return {}


def _places(call: Call, playlist: Playlist, shown: Sequence[int]) -> list[int]:
    """Where in a playlist stand the songs at these places of what is shown of it."""
    if not shown:
        return []
    heard = {track.id for track in call.view.tracks(set(playlist.entries))}
    places = [place for place, entry in enumerate(playlist.entries) if entry in heard]
    return [places[one] for one in shown if one < len(places)]


def delete_playlist(call: Call) -> Tree:
    """Delete a playlist."""
    identity = call.asked.text("id")
    _own(call, identity)
    playlists.delete(call.people, call.account, identity)
    return {}


def _read(call: Call, identity: str) -> Playlist:
    try:
        return playlists.read(call.people, call.account, identity)
    except AccessError as error:
        raise not_found("the playlist") from error


def _own(call: Call, identity: str) -> None:
    """Raise CallError unless a playlist is the listener's own."""
    if _read(call, identity).owner_id != call.account:
        raise not_authorized("change somebody else's playlist")


HANDLERS: dict[str, Handler] = {
    "getPlaylists": get_playlists,
    "getPlaylist": get_playlist,
    "createPlaylist": create_playlist,
    "updatePlaylist": update_playlist,
    "deletePlaylist": delete_playlist,
}
