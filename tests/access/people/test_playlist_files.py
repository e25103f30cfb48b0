"""Playlists as files: what players write is read, and what is written is read again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.access.people import playlist_files
from longplay.access.people.playlist_files import Wanted
from longplay.access.people.playlists import Playlist
from longplay.errors import InputError

M3U = """#EXTM3U
#PLAYLIST:Evening
#EXTINF:215,Ann - First Song
#EXTALB:One
/music/Ann/One/01 - First Song.flac

#EXTINF:-1,Only a title
http://host.example/stream?id=tr0123456789abc&x=1
Bob/Two/07. Third%20Song.mp3
C:\\Music\\Cid\\Three\\1-02 Fourth.ogg
"""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_what_players_write(end: str, encoding: str) -> None:
    read = playlist_files.read(M3U.replace("\n", end).encode(encoding), "evening.m3u")
    assert read.name == "Evening"
    first, second, third, fourth = read.tracks
    assert (first.artist, first.title, first.album, first.duration_ms) == (
        "Ann", "First Song", "One", 215_000)  # fmt: skip
    assert (second.artist, second.title, second.duration_ms) == ("", "Only a title", None)
    assert second.identifiers == ("longplay:tr0123456789abc",)
    assert (third.artist, third.album, third.title) == ("Bob", "Two", "Third Song")
    assert (fourth.artist, fourth.album, fourth.title) == ("Cid", "Three", "Fourth")


def test_an_m3u_of_old_windows() -> None:
    (found,) = playlist_files.read("#EXTINF:1,Björk - Jóga\nx.mp3\n".encode("cp1252")).tracks
    assert (found.artist, found.title) == ("Björk", "Jóga")


def test_jspf_as_others_write_it() -> None:
    document = {
        "playlist": {
            "title": "Liked",
            "track": [
                {
                    "title": "First Song",
                    "creator": "Ann",
                    "identifier": [
                        "https://musicbrainz.org/recording/9c9f1380-2516-4fc9-a3e6-f9f61941d090"
                    ],
                    "duration": 1000.5,
                },
                {
                    "location": "file:///x.mp3",
                    "identifier": "isrc:QZLP02600001",
                    "duration": float("inf"),
                },
                {"title": 7, "creator": None},
            ],
        }
    }
    read = playlist_files.read(json.dumps(document).encode(), "liked.jspf")
    assert [one.duration_ms for one in read.tracks] == [1000, None, None]
    assert read.tracks[0].identifiers[0].endswith("9c9f1380-2516-4fc9-a3e6-f9f61941d090")
    assert (read.tracks[1].path, read.tracks[1].identifiers) == (
        "file:///x.mp3", ("isrc:QZLP02600001",))  # fmt: skip
    assert read.tracks[2] == Wanted()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "has no track in it (is it a playlist (M3U, JSPF)?)"),
        (b"#EXTM3U\n# nothing\n", "has no track in it (is it a playlist (M3U, JSPF)?)"),
        (b"fLaC\x00\x00\x00\x22music", "is no playlist: it has bytes of other files in it"),
        (b"{", "is no JSPF (see https://www.xspf.org/jspf)"),
        (b'{"playlist": 7}', "is no JSPF (see https://www.xspf.org/jspf)"),
        (b'{"playlist": {"track": [7]}}', "is no JSPF (see https://www.xspf.org/jspf)"),
        (b'{"playlist": {"track": {}}}', "is no JSPF (see https://www.xspf.org/jspf)"),
        (b'{"a":' * 100_000, "is no JSPF (see https://www.xspf.org/jspf)"),
        (b'{"playlist": {"track": []}}', "has no track in it"),
        (b"x\n" * 100_001, "a playlist has at most 100,000 tracks"),
        (b"x" * (8 * 2**20 + 1), "a playlist's file has at most 8,388,608 bytes"),
    ],
)
def test_what_is_no_playlist(data: bytes, words: str) -> None:
    with pytest.raises(InputError) as refused:
        playlist_files.read(data, "file")
    assert str(refused.value) == f"file: {words}"


texts = st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), max_size=40).map(
    str.strip
)
tracks = st.builds(
    Wanted,
    title=texts.filter(bool),
    artist=texts,
    album=texts,
    duration_ms=st.none() | st.integers(1, 10**6).map(lambda seconds: seconds * 1000),
    path=st.from_regex(r"https://host/tracks/[a-z0-9]{1,20}", fullmatch=True),
)


@given(name=texts, wanted=st.lists(tracks, min_size=1, max_size=5))
def test_what_is_written_as_m3u_is_read_again(name: str, wanted: list[Wanted]) -> None:
    read = playlist_files.read(playlist_files.as_m3u(name, wanted).encode(), "x.m3u8")
    assert read.name == name
    assert read.tracks == tuple(wanted)


@given(name=texts, comment=texts, wanted=st.lists(tracks, min_size=1, max_size=5))
def test_what_is_written_as_jspf_is_read_again(
    name: str, comment: str, wanted: list[Wanted]
) -> None:
    entries = tuple(f"tr{at:013}" for at in range(len(wanted)))
    playlist = Playlist("pl-1", name, comment, False, "Ann", 1, "", "", len(entries), entries)
    document = playlist_files.as_jspf(playlist, dict(zip(entries, wanted, strict=True)))
    read = playlist_files.read(json.dumps(document).encode(), "x.jspf")
    assert (read.name, read.comment) == (name, comment)
    for entry, was, one in zip(entries, wanted, read.tracks, strict=True):
        assert one.identifiers == (f"longplay:{entry}",)
        assert (one.title, one.artist, one.album, one.duration_ms, one.path) == (
            was.title, was.artist, was.album, was.duration_ms, was.path)  # fmt: skip


@given(st.binary(max_size=300))
def test_any_bytes_are_a_playlist_or_refused(data: bytes) -> None:
    try:
        assert playlist_files.read(data, "file").tracks
    except InputError as refused:
        assert refused.where == "file"
