"""What came with what: the tracks whose tags an object carries, the pictures beside its music."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.ledger import queries, tables
from longplay.model import Kind

Album = tuple[str, int]
"""An album of a source: that, and the album's key."""

BESIDE = "beside"
"""Role of a picture that lay in the folder of an album."""


def tracks(connection: Connection, sources: list[str]) -> pa.Table:
    """(root, track) of the files of these sources, whose tags are in the objects themselves."""
    h = tables.holdings.c
    query = sa.select(h.root, h.track).where(h.source.in_(sources), h.track.is_not(None))
    rows = connection.execute(query.distinct()).all()
    return pa.table(
        {
            "root": pa.array([row[0] for row in rows], pa.binary()),
            "track": pa.array([row[1] for row in rows], pa.uint64()),
        }
    )


def pictures(connection: Connection) -> pa.Table:
    """Every image object with each audio object that it belongs to: inside its tags (`role` as
    these say), or beside it, as a file of the same album (`path`). Columns `root`, `size`,
    `sha256`, `suffix`, `piece_length`, `holder`, `role`, `path`."""
    o, e, h = tables.objects.c, tables.embedded.c, tables.holdings.c
    inside = (
        sa.select(e.picture.label("root"), e.root.label("holder"), e.role, sa.null().label("path"))
        .join(tables.objects, o.number == e.picture_object)
        .where(o.kind == Kind.IMAGE.value)
    )
    found = [tuple(row) for row in connection.execute(inside)]
    own = (
        sa.select(h.root, h.source, h.album, h.path)
        .join(tables.objects, o.number == h.object)
        .where(o.kind == Kind.IMAGE.value, h.album.is_not(None), h.superseded == 0)
    )
    lying = connection.execute(own).all()
    found += _beside(connection, [tuple(row) for row in lying]) if lying else []
    facts = {
        row.root: row
        for row in connection.execute(
            sa.select(o.root, o.size, o.sha256, o.suffix, o.piece_length).where(
                o.kind == Kind.IMAGE.value
            )
        )
    }
    rows = [(*facts[root], *more) for root, *more in found]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_PICTURES)
    arrays = [pa.array(one, kind.type) for one, kind in zip(columns, _PICTURES, strict=True)]
    return pa.table(arrays, schema=_PICTURES)


_PICTURES = pa.schema(
    [
        ("root", pa.binary()),
        ("size", pa.int64()),
        ("sha256", pa.binary()),
        ("suffix", pa.string()),
        ("piece_length", pa.int32()),
        ("holder", pa.binary()),
        ("role", pa.string()),
        ("path", pa.binary()),
    ]
)


def holders(connection: Connection, pictures: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """The objects in whose tags pictures are, by these."""
    e = tables.embedded.c
    found: dict[bytes, list[bytes]] = {}
    for some in queries.in_parts(sorted(pictures)):
        query = sa.select(e.picture, e.root).where(e.picture.in_(some)).distinct()
        for picture, root in connection.execute(query):
            found.setdefault(picture, []).append(root)
    return found


def albums_of(connection: Connection, roots: Iterable[bytes]) -> dict[bytes, set[Album]]:
    """The albums in which files lie that led to these objects."""
    h = tables.holdings.c
    found: dict[bytes, set[Album]] = {}
    for some in queries.in_parts(sorted(roots)):
        query = sa.select(h.root, h.source, h.album)
        rows = connection.execute(query.where(h.root.in_(some), h.album.is_not(None)))
        for root, source, album in rows:
            found.setdefault(root, set()).add((source, album))
    return found


def music_of(connection: Connection, albums: Collection[Album]) -> dict[Album, set[bytes]]:
    """The music of these albums. It goes through all paths: no index leads from albums to them."""
    return _of_kind(connection, Kind.AUDIO, albums)


def pictures_beside_none_but(connection: Connection, roots: set[bytes]) -> list[bytes]:
    """Pictures that lie in albums of these objects and belong to no other music: none has them in
    its tags, and none lies in any album of theirs. It goes through all paths."""
    own = set().union(*albums_of(connection, roots).values())
    lying = set().union(*_of_kind(connection, Kind.IMAGE, own).values())
    placed, inside = albums_of(connection, lying), holders(connection, lying)
    music = music_of(connection, set().union(*placed.values()))
    return [
        picture
        for picture in sorted(lying)
        if roots.issuperset(inside.get(picture, ()))
        and all(roots.issuperset(music.get(album, ())) for album in placed[picture])
    ]


def _of_kind(
    connection: Connection, kind: Kind, albums: Collection[Album]
) -> dict[Album, set[bytes]]:
    h, o = tables.holdings.c, tables.objects.c
    found: dict[Album, set[bytes]] = {}
    for some in queries.in_parts(sorted({album for _, album in albums})):
        query = (
            sa.select(h.source, h.album, h.root)
            .join(tables.objects, o.number == h.object)
            .where(o.kind == kind.value, h.album.in_(some))
        )
        for source, album, root in connection.execute(query):
            if (source, album) in albums:
                found.setdefault((source, album), set()).add(root)
    return found


def _beside(
    connection: Connection, lying: list[tuple[bytes, str, int, bytes]]
) -> list[tuple[bytes, bytes, str, bytes]]:
    """Pictures that lie beside music, with each object of their album in the same source."""
    h, o = tables.holdings.c, tables.objects.c
    query = (
        sa.select(h.source, h.album, h.root)
        .join(tables.objects, o.number == h.object)
        .where(o.kind == Kind.AUDIO.value, h.album.is_not(None))
        .distinct()
    )
    music: dict[tuple[str, int], list[bytes]] = {}
    albums = {(source, album) for _, source, album, _ in lying}
    for source, album, root in connection.execute(query):
        if (source, album) in albums:
            music.setdefault((source, album), []).append(root)
    return [
        (root, holder, BESIDE, path)
        for root, source, album, path in lying
        for holder in music.get((source, album), ())
    ]
