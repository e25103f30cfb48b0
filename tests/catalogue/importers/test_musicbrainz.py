"""MusicBrainz dumps: a small made one, the real rows, and what is damaged."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from longplay.catalogue import licences
from longplay.catalogue.importers.musicbrainz import spool
from longplay.catalogue.importers.musicbrainz.importing import import_musicbrainz
from longplay.catalogue.imports import Imported
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError

TIME = "2020-01-01 00:00:00+00"
BY = "https://creativecommons.org/licenses/by/4.0/"
Tables = dict[str, list[list[str]]]
Bring = Callable[..., Imported]


def gid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def made() -> Tables:
    """Two artists; one release of two mediums, 3 tracks; recording 4 is on no release."""
    n = r"\N"
    redirect = [gid(901), "2", TIME]
    return {
        "artist": [_artist(1, "Ærlig"), _artist(2, "Else")],
        "artist_credit_name": [
            *(["7", "1", "2", "E.", ""], ["7", "0", "1", "Ærlig", " & "]),
            ["8", "0", "2", "Else", ""],
        ],
        "release_group": [["5", gid(500), "Først", "7", "1", "", "0", TIME]],
        "release": [
            [
                "10",
                gid(10),
                r"F\\ørst\t",
                "7",
                "5",
                "1",
                *[n] * 3,
                "5012981010010",
                *["", "0", "-1"],
                TIME,
            ]
        ],
        "release_country": [["10", "1", "2001", "5", n], ["10", "2", "2001", n, n]],
        "release_unknown_country": [["10", "2003", n, n]],
        "release_label": [["2", "10", "31", n, TIME], ["1", "10", "30", n, TIME]],
        "label": [_label(30, "Nord"), _label(31, "Sør")],
        "medium": [
            ["100", "10", "1", "1", "", "0", TIME, "2", gid(100)],
            ["101", "10", "2", "1", "", "0", TIME, "2"],
        ],
        "track": [
            _track(1, 1, 100, 1, "Blå", 7, "181000"),
            _track(2, 2, 100, 2, "", 8, n),
            _track(3, 1, 101, 1, "Blå igjen", 7, n),
        ],
        "recording": [
            _recording(1, "Blå", 7, "180000"),
            _recording(2, "Rød", 8, "90000"),
            _recording(4, "Alene", 8, n),
        ],
        "isrc": [
            ["1", "1", "NOABC2300002", n, "0", TIME],
            ["2", "1", "NOABC2300001", n, "0", TIME],
        ],
        "iswc": [["1", "70", "T-034.524.680-1", n, "0", TIME]],
        "l_recording_work": [["1", "1", "1", "70", "0", TIME, "0", "", ""]],
        "l_recording_url": [["1", "60", "2", "50", "0", TIME, "0", "", ""]],
        "l_release_url": [["1", "61", "10", "51", "0", TIME, "0", "", ""]],
        "link": [["60", "40", *[n] * 6, "0", TIME, "f"], ["61", "40", *[n] * 6, "0", TIME, "t"]],
        "link_type": [["40", n, "0", gid(40), "recording", "url", "license", *["x"] * 9]],
        "url": [
            ["50", gid(50), BY, "0", TIME],
            ["51", gid(51), "https://example.org/ended", "0", TIME],
        ],
        "recording_tag": [["1", "80", "3", TIME], ["1", "81", "9", TIME], ["1", "82", "5", TIME]],
        "release_group_tag": [["5", "80", "1", TIME]],
        "tag": [["80", "jazz", "1"], ["81", "seen live", "1"], ["82", "folk", "1"]],
        "genre": [["1", gid(90), "Jazz", "", "0", TIME], ["2", gid(91), "folk", "", "0", TIME]],
        "artist_gid_redirect": [redirect],
        "recording_gid_redirect": [[gid(902), "1", TIME]],
    }


def _artist(number: int, name: str) -> list[str]:
    n = r"\N"
    return [str(number), gid(number + 1000), name, name, *[n] * 9, "", "0", TIME, "f", n, n]


def _label(number: int, name: str) -> list[str]:
    n = r"\N"
    return [str(number), gid(number), name, *[n] * 9, "", "0", TIME, "f"]


def _track(
    number: int, recording: int, medium: int, position: int, name: str, credit: int, length: str
) -> list[str]:
    place = [str(recording), str(medium), str(position), str(position)]
    return [str(number), gid(number + 2000), *place, name, str(credit), length, "0", TIME, "f"]


def _recording(number: int, name: str, credit: int, length: str) -> list[str]:
    return [str(number), gid(number + 3000), name, str(credit), length, "", "0", TIME, "f"]


def content(rows: list[list[str]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def archive(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:bz2") if path.suffix == ".bz2" else tarfile.open(path, "w") as out:
        for name, data in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            out.addfile(header, io.BytesIO(data))
    return path


def dump(path: Path, tables: Mapping[str, list[list[str]]], sequence: bytes = b"30\n") -> Path:
    files = {f"mbdump/{name}": content(rows) for name, rows in tables.items()}
    return archive(path, {"SCHEMA_SEQUENCE": sequence, "COPYING": b"CC0", **files})


@pytest.fixture
def bring(tmp_path: Path) -> Bring:
    def write(*paths: Path) -> Imported:
        return import_musicbrainz(tmp_path / "catalogue", "mb", paths, progress=lambda *_: None)

    return write


def ask(tmp_path: Path, query: str) -> list[tuple[object, ...]]:
    with open_current(tmp_path / "catalogue").connect() as connection:
        return list(connection.execute(query).fetchall())


def test_a_dump_becomes_tracks_with_all_that_it_says(tmp_path: Path, bring: Bring) -> None:
    done = bring(dump(tmp_path / "mbdump.tar.bz2", made()))

    assert (done.tracks, done.albums, done.artists, done.rejected) == (4, 1, 2, 0)
    assert done.coverage == 4 / 5  # the mediums say that they have four tracks
    found = ask(
        tmp_path,
        "SELECT own_id, title, disc_number, track_number, duration_ms, isrcs, recording_mbid,"
        " iswcs, release_date, genres, licence FROM tracks ORDER BY own_id",
    )
    isrcs, iswcs, folk = ["NOABC2300001", "NOABC2300002"], ["T-034.524.680-1"], ["folk", "jazz"]
    assert found == [
        (gid(2001), "Blå", 1, 1, 181000, isrcs, gid(3001), iswcs, "2001-05", folk, None),
        (gid(2002), "Rød", 1, 2, 90000, None, gid(3002), None, "2001-05", ["jazz"], BY),
        (gid(2003), "Blå igjen", 2, 1, 180000, isrcs, gid(3001), iswcs, "2001-05", folk, None),
        (gid(3004), "Alene", None, None, None, None, gid(3004), None, None, None, None),
    ]


def test_credits_keep_their_order_and_albums_their_facts(tmp_path: Path, bring: Bring) -> None:
    bring(dump(tmp_path / "mbdump.tar.bz2", made()))

    assert ask(
        tmp_path,
        "SELECT own_id, [[x.name for x in everyone if x.artist = a] for a in t.artists]"
        " FROM tracks t, (SELECT list({artist: artist, name: name}) AS everyone FROM artists)"
        f" WHERE own_id = '{gid(2001)}'",
    ) == [(gid(2001), [["Ærlig"], ["Else"]])]
    assert ask(tmp_path, "SELECT own_id, title, release_date, upc, mbid, label FROM albums") == [
        (gid(10), "F\\ørst\t", "2001-05", "05012981010010", gid(10), "Nord; Sør")
    ]


def test_merged_ids_and_licences_are_kept(tmp_path: Path, bring: Bring) -> None:
    bring(dump(tmp_path / "mbdump.tar.bz2", made()))

    assert ask(tmp_path, "SELECT kind, old, new FROM aliases ORDER BY kind") == [
        ("artist", gid(901), gid(1002)),
        ("recording", gid(902), gid(3001)),
    ]
    assert ask(tmp_path, "SELECT text, field, place FROM rights") == [
        (BY, "license", "mbdump/l_recording_url")
    ]


def test_several_archives_and_folders_are_one_import(tmp_path: Path, bring: Bring) -> None:
    tables = made()
    derived = {name: tables.pop(name) for name in ("tag", "recording_tag", "release_group_tag")}
    whole = bring(dump(tmp_path / "mbdump.tar.bz2", made()))
    folder = tmp_path / "unpacked" / "mbdump"
    folder.mkdir(parents=True)
    for name, rows in tables.items():
        (folder / name).write_bytes(content(rows))
    more = archive(
        tmp_path / "derived.tar", {f"mbdump/{n}": content(r) for n, r in derived.items()}
    )

    again = bring(more, folder.parent)

    assert again.snapshot == whole.snapshot  # nothing differs


@pytest.mark.parametrize(
    ("table", "row", "reason"),
    [
        ("track", b"1\t2\n", "2 columns instead of 12"),
        ("track", b"\n", "1 columns instead of 12"),
        ("recording", content([_recording(9, "x", 7, "1")]).replace(b"x", b"\xff\xfe"), "name is"),
        ("recording", content([["9", "no uuid", *_recording(9, "x", 7, "1")[2:]]]), "gid is no"),
        ("recording", content([["x", *_recording(9, "x", 7, "1")[1:]]]), "id is no number"),
        ("recording", content([[r"\N", *_recording(9, "x", 7, "1")[1:]]]), "no id"),
        ("artist", content([_artist(9, "x")])[:-1], "the table ends within this row"),
        ("artist", content([_artist(9, r"\x00")]), "name is no text in UTF-8"),
        ("link", content([["60", "40", *[r"\N"] * 6, "0", TIME, "yes"]]), "ended is neither"),
    ],
)
def test_rows_that_do_not_fit_are_rejected_and_counted(
    tmp_path: Path, bring: Bring, table: str, row: bytes, reason: str
) -> None:
    files = {f"mbdump/{name}": content(rows) for name, rows in made().items()}
    files[f"mbdump/{table}"] += row

    done = bring(archive(tmp_path / "mbdump.tar.bz2", files))

    assert (done.tracks, done.rejected) == (4, 1)
    ((place, why),) = ask(tmp_path, "SELECT place, reason FROM rejects")
    count = len(made()[table])
    assert place == f"mbdump.tar.bz2:mbdump/{table}:row {count + 1}"
    assert str(why).startswith(reason)
    layer = open_current(tmp_path / "catalogue").manifest.layers["mb"]
    assert layer.input == done.tracks + done.duplicates + done.rejected


def test_a_row_without_end_is_passed_over_in_bounded_memory(tmp_path: Path, bring: Bring) -> None:
    files = {f"mbdump/{name}": content(rows) for name, rows in made().items()}
    files["mbdump/artist"] += b"x" * 40_000_000 + b"\n" + content([_artist(3, "After")])

    done = bring(archive(tmp_path / "mbdump.tar", files))

    assert (done.artists, done.rejected) == (3, 1)
    assert ask(tmp_path, "SELECT reason FROM rejects") == [("a row of more than 1048576 bytes",)]


def test_a_table_with_hardly_a_good_row_ends_the_import(
    tmp_path: Path, bring: Bring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_REJECTED", 10)
    files = {f"mbdump/{name}": content(rows) for name, rows in made().items()}
    files["mbdump/artist"] += b"\n" * 10
    assert bring(archive(tmp_path / "mbdump.tar", files)).rejected == 10
    files["mbdump/artist"] += b"\n"

    with pytest.raises(InputError, match="only 2 of its first 13 rows can be used: 1 columns"):
        bring(archive(tmp_path / "mbdump.tar", files))


def test_an_empty_dump_replaces_nothing(tmp_path: Path, bring: Bring) -> None:
    bring(dump(tmp_path / "mbdump.tar.bz2", made()))
    before = sorted((tmp_path / "catalogue").rglob("*"))
    with pytest.raises(InputError, match="has no row in it"):
        bring(dump(tmp_path / "empty.tar.bz2", {name: [] for name in made()}))
    assert sorted((tmp_path / "catalogue").rglob("*")) == before


@pytest.mark.parametrize("stated", [None, BY])
def test_the_layer_says_what_its_genres_are_under(tmp_path: Path, stated: str | None) -> None:
    path = dump(tmp_path / "mbdump.tar", made())
    import_musicbrainz(
        tmp_path / "catalogue", "mb", [path], licence=stated, progress=lambda *_: None
    )
    layer = open_current(tmp_path / "catalogue").manifest.layers["mb"]
    assert layer.licence == (stated or licences.CC0)
    assert layer.licences == {"tracks.genres": licences.CC_BY_NC_SA_3}


@pytest.mark.parametrize("keep", [0, 3, 4, 100, 900, -1, -100])
def test_a_truncated_archive_changes_nothing(tmp_path: Path, bring: Bring, keep: int) -> None:
    path = dump(tmp_path / "mbdump.tar.bz2", made())
    bring(path)
    before = sorted((tmp_path / "catalogue").rglob("*"))
    short = tmp_path / "short.tar.bz2"
    short.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(InputError) as told:
        bring(short)

    assert "short.tar.bz2" in str(told.value)
    assert "\n" not in str(told.value)
    assert sorted((tmp_path / "catalogue").rglob("*")) == before


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"mbdump/artist": content([_artist(1, "x")])}, "neither tracks nor recordings"),
        ({"README": b"hello"}, "holds no table"),
        ({"SCHEMA_SEQUENCE": b"99\n"}, "known are 24 to 31"),
        ({"SCHEMA_SEQUENCE": b"\xff"}, "known are 24 to 31"),
        ({"mbdump/track": b"1\t2\n1\t2\n"}, "none of its 2 rows can be used"),
        ({"mbdump/track": b"", "mbdump/recording": b""}, "track: has no row in it"),
        ({"mbdump/recording": b""}, "recording: has no row in it"),
        ({"a/genre": b"", "b/genre": b""}, "has table genre, as"),
    ],
)
def test_what_is_no_dump_is_refused_in_one_line(
    tmp_path: Path, bring: Bring, files: dict[str, bytes], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        bring(archive(tmp_path / "mbdump.tar.bz2", files))
    assert not (tmp_path / "catalogue" / "current").exists()


@pytest.mark.real
def test_the_real_rows_balance(tmp_path: Path, bring: Bring, data: Path) -> None:
    folder = data / "formats" / "musicbrainz" / "mbdump-rows"
    files = {f"mbdump/{path.name}": path.read_bytes() for path in folder.iterdir()}
    lines = {name.rpartition("/")[2]: data.count(b"\n") for name, data in files.items()}
    tracks = [line.split(b"\t") for line in files["mbdump/track"].splitlines()]
    recordings = [line.split(b"\t")[0] for line in files["mbdump/recording"].splitlines()]
    alone = set(recordings) - {row[2] for row in tracks}

    done = bring(archive(tmp_path / "mbdump.tar.bz2", files))

    assert done.tracks == lines["track"] + len(alone)
    assert (done.albums, done.artists) == (lines["release"], lines["artist"])
    assert (done.rejected, done.duplicates, done.coverage) == (0, 0, 1.0)
    assert bring(folder).snapshot == done.snapshot
