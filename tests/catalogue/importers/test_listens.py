"""Listening histories of every form: counted, balanced, matched, and nothing of persons kept."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from longplay.catalogue import imports
from longplay.catalogue.importers.listens import counting, forms, lines, streams
from longplay.catalogue.importers.listens.importing import import_listens
from longplay.catalogue.importers.table import import_table
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError, UsageError

MBID = "f8d186be-5bdf-4e2d-883a-0a3c4d7a9989"


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return tmp_path / "catalogue"


def listen(artist: str, title: str, **more: Any) -> dict[str, Any]:
    """One line of a ListenBrainz dump."""
    extra = {name: more.pop(name) for name in ("isrc", "recording_mbid") if name in more}
    return {
        "user_id": more.pop("user", 1),
        "timestamp": more.pop("at", 1_700_000_000),
        "track_metadata": {
            "artist_name": artist,
            "track_name": title,
            "additional_info": extra,
            **more,
        },
    }


def jsonl(path: Path, rows: Iterable[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows(catalogue: Path, query: str) -> list[tuple[Any, ...]]:
    with open_current(catalogue).connect() as connection:
        return list(connection.execute(query).fetchall())


def counts(catalogue: Path) -> list[tuple[Any, ...]]:
    return rows(
        catalogue,
        "SELECT coalesce(track, mbid, isrc, title), listens, accounts FROM listens"
        " ORDER BY listens DESC, 1",
    )


def balance(done: imports.Imported, catalogue: Path) -> int:
    """Rows read; what is held, repeats and is rejected is all of them."""
    layer = open_current(catalogue).manifest.layers[done.source]
    assert layer.input == done.listens + done.duplicates + done.rejected
    assert layer.rows("rejects") == done.rejected
    return layer.input


def test_listens_and_accounts_by_the_surest_thing_known(catalogue: Path, tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "1.listens",
        [
            listen("A", "One", recording_mbid=MBID, isrc="DEA619300020", user=1),
            listen("a", "one!", mbid_mapping={"recording_mbid": MBID.upper()}, user=2),
            listen("A", "One", isrc="DE-A61-93-00020", user=1, at=1_700_000_001),
            listen("Björk", "Jóga (feat. Nobody)", user=1),
            listen("BJORK", "joga", user=1, at=1_700_000_001),
            listen("BJORK", "joga", user=1, at=1_700_000_001),
        ],
    )
    done = import_listens(catalogue, "lb", [path])

    assert counts(catalogue) == [
        ("Jóga (feat. Nobody)", 2, 1), (MBID, 2, 2), ("DEA619300020", 1, 1),
    ]  # fmt: skip
    assert (done.listens, done.duplicates, done.rejected) == (5, 1, 0)
    assert balance(done, catalogue) == 6


def test_rows_that_say_too_little_are_counted_with_their_place_and_reason(
    catalogue: Path, tmp_path: Path
) -> None:
    good = json.dumps(listen("A", "One")).encode()
    timeless = {**listen("A", "One"), "timestamp": None}
    late = listen("A", "One", at=10**19)
    path = tmp_path / "odd.jsonl"
    path.write_bytes(
        b"\n".join(
            [
                good,
                b"{",
                b"\xff\xfe",
                b"",
                json.dumps(listen("", "x")).encode(),
                json.dumps(listen("Unknown Artist", "Track 01")).encode(),
                json.dumps(timeless).encode(),
                json.dumps(late).encode(),
                json.dumps(listen("A" * 2000, "One")).encode(),
                b'{"a": "' + b"x" * (lines.MAX_LINE_BYTES + 10) + b'"}',
                b"[1, 2]",
                b'{"user_id": "a\\u0000b", "timestamp": 5, "track_metadata": "no"}',
            ]
        )
    )
    done = import_listens(catalogue, "lb", [path])

    assert rows(catalogue, "SELECT place, reason, content FROM rejects ORDER BY place") == [
        (f"odd.jsonl:{number}", reason, None)
        for number, reason in [
            (10, lines.TOO_LONG),
            (11, "has no time"),
            (12, counting.NAMELESS),
            (2, "is not JSON"),
            (3, lines.NOT_UTF8),
            (5, counting.NAMELESS),
            (6, counting.NAMELESS),
            (7, "has no time"),
            (8, "has a time outside of 1970 to 2106"),
            (9, "has a name of more than 1000 letters"),
        ]
    ]
    assert balance(done, catalogue) == 11


def test_a_line_that_never_ends_is_one_reject(
    catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "CHUNK", 4096)
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 10_000)
    good = json.dumps(listen("A", "One"))
    path = tmp_path / "long.jsonl"
    path.write_text(f"{good}\n{'x' * 100_000}\n{good}\n{'y' * 50_000}")
    done = import_listens(catalogue, "lb", [path])
    assert (done.listens, done.duplicates, done.rejected) == (1, 1, 2)
    assert rows(catalogue, "SELECT place FROM rejects ORDER BY 1") == [
        ("long.jsonl:2",), ("long.jsonl:4",),
    ]  # fmt: skip


@pytest.mark.parametrize("length", [1e300, "nan", "-inf", "long", True, [1]])
def test_a_length_that_is_no_number_costs_its_row(
    length: object, catalogue: Path, tmp_path: Path
) -> None:
    play = {"time": 5, "account": "x", "track": "tr0000000000000", "action": "play"}
    beyond_time = {**play, "listened_s": 1e16}
    log = jsonl(tmp_path / "log.jsonl", [play, {**play, "listened_s": length}, beyond_time])
    export = tmp_path / "endsong_0.json"
    export.write_text(json.dumps([EXPORT[0], {**EXPORT[0], "ms_played": length}]))
    table = tmp_path / "plays.tsv"
    table.write_text(f"artist\ttitle\tms_played\nA\tOne\t\nA\tTwo\t{length}\n")

    done = import_listens(catalogue, "plays", [log, export, table])

    assert (done.listens, balance(done, catalogue)) == (3, 7)
    assert rows(catalogue, "SELECT reason FROM rejects") == [(forms.NO_LENGTH,)] * 4


def test_what_no_query_can_read_is_told_in_one_line(
    catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overflowing = forms.LISTENBRAINZ.query.replace(
        "SELECT row", f"SELECT row + {2**63 - 1} AS row", 1
    )
    form = dataclasses.replace(forms.LISTENBRAINZ, query=overflowing)
    monkeypatch.setattr(forms, "LISTENBRAINZ", form)
    with pytest.raises(InputError, match=r"^b\.jsonl: Out of Range") as told:
        import_listens(catalogue, "lb", [jsonl(tmp_path / "b.jsonl", [listen("A", "Two")])])
    assert "\n" not in str(told.value)


def test_a_play_that_was_mapped_later_is_the_same_play(catalogue: Path, tmp_path: Path) -> None:
    """The full dump has it by its name, the incremental one by its recording."""
    mapped = {"mbid_mapping": {"recording_mbid": MBID}}
    full = [listen("A", "One", at=at) for at in (1, 2, 3)] + [listen("A", "One", at=2, user=2)]
    later = [listen("a", "ONE", at=2, **mapped), listen("A", "One", at=4, **mapped)]
    renamed = [listen("A feat. B", "Eins", at=2, **mapped)]

    done = import_listens(
        catalogue,
        "lb",
        [jsonl(tmp_path / f"{n}.jsonl", r) for n, r in enumerate((full, later, renamed))],
    )

    assert counts(catalogue) == [("One", 3, 2), (MBID, 2, 1)]
    assert (done.listens, done.duplicates, balance(done, catalogue)) == (5, 2, 7)


def test_a_play_that_is_said_to_last_longer_is_the_same_play(
    catalogue: Path, tmp_path: Path
) -> None:
    """Unless times are in minutes, in which one may be stopped and started again."""
    plays = [streamed("One", 60_000), streamed("One", 60_001), streamed("One", 90_000)]
    export = tmp_path / "endsong_0.json"
    export.write_text(json.dumps(plays))
    done = import_listens(catalogue, "mine", [export])
    assert (done.listens, done.duplicates) == (1, 2)

    export.write_text(json.dumps([{**play, "ts": "2023-03-19T18:31:00Z"} for play in plays]))
    done = import_listens(catalogue, "mine", [export])
    assert (done.listens, done.duplicates) == (2, 1)


def test_rows_of_no_use_do_not_pile_up(
    catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MAX_REJECTED", 100)
    good = [listen("A", "One")]
    assert import_listens(catalogue, "lb", [jsonl(tmp_path / "a", good + [{}] * 99)]).listens == 1
    with pytest.raises(InputError, match="of the first 102 rows only 1 are listens: has no time"):
        import_listens(catalogue, "lb", [jsonl(tmp_path / "b.jsonl", good + [{}] * 101)])
    assert counts(catalogue) == [("One", 1, 1)]


def test_an_empty_history_replaces_nothing(catalogue: Path, tmp_path: Path) -> None:
    import_listens(catalogue, "lb", [jsonl(tmp_path / "a.jsonl", [listen("A", "One")])])
    for content in ("", "\n\n", "[]", "artist\ttitle\n"):
        (tmp_path / "b.txt").write_text(content)
        with pytest.raises(InputError, match="none of its 0 rows is a listen"):
            import_listens(catalogue, "lb", [tmp_path / "b.txt"])
    assert counts(catalogue) == [("One", 1, 1)]


def test_time_decay_counts_from_the_newest_listen(catalogue: Path, tmp_path: Path) -> None:
    day = 86_400
    path = jsonl(
        tmp_path / "x.jsonl",
        [
            listen("A", "New", at=1_600_000_000),
            listen("A", "Old", at=1_600_000_000 - 30 * day),
            listen("A", "Old", at=1_600_000_000 - 60 * day),
            listen("A", "Newer in milliseconds", at=1_600_000_000_000),
        ],
    )
    import_listens(catalogue, "lb", [path], half_life_days=30)
    assert counts(catalogue) == [
        ("New", 1, 1), ("Newer in milliseconds", 1, 1), ("Old", 0.75, 1),
    ]  # fmt: skip


def tarred(names: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in names.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def compressed(data: bytes, suffix: str) -> bytes:
    codec = {".zst": "zstd", ".gz": "gzip"}.get(suffix)
    return pa.compress(data, codec=codec, asbytes=True) if codec else data


@pytest.mark.parametrize("suffix", ["", ".zst", ".gz"])
def test_dumps_are_read_straight_from_their_archives(
    suffix: str, catalogue: Path, tmp_path: Path
) -> None:
    lines_of = [json.dumps(listen("A", f"Song {n}")).encode() + b"\n" for n in range(3)]
    path = tmp_path / f"listenbrainz-listens-dump.tar{suffix}"
    whole = compressed(
        tarred(
            {
                "dump/COPYING": b"CC0",
                "dump/listens/2005/1.listens": lines_of[0] * 1,
                "dump/listens/2005/2.listens": lines_of[1] + lines_of[2],
                "/evil.listens": lines_of[0],
            }
        ),
        suffix,
    )
    path.write_bytes(whole)
    done = import_listens(catalogue, "lb", [path])
    assert (done.listens, done.duplicates) == (3, 1)

    number = open_current(catalogue).number
    for cut in (len(whole) // 4, len(whole) // 3):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError) as told:
            import_listens(catalogue, "lb", [path])
        assert "\n" not in str(told.value)
        assert str(path) in str(told.value)
    assert open_current(catalogue).number == number
    assert not (catalogue / "scratch").exists()


def test_a_tar_header_cannot_ask_for_all_memory(catalogue: Path, tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 2**33
    path = tmp_path / "x.tar"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    with pytest.raises(InputError, match="far too long"):
        import_listens(catalogue, "lb", [path])


def sparse(kind: str) -> bytes:
    """An archive with one file of 2^60 bytes, all of them a hole."""
    entry = tarfile.TarInfo("1.listens")
    if kind == "gnu":
        block = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
        block[156:157] = tarfile.GNUTYPE_SPARSE
        block[483:495] = b"\x80" + (2**60).to_bytes(11)
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        return bytes(block) + bytes(10_240)
    entry.pax_headers = {
        "0.0": {"GNU.sparse.size": str(2**60), "GNU.sparse.numblocks": "0"},
        "0.1": {"GNU.sparse.size": str(2**60), "GNU.sparse.map": f"{2**60},0"},
        "1.0": {
            "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**60),
        },
    }[kind]  # fmt: skip
    entry.size = 512
    return entry.tobuf(tarfile.PAX_FORMAT) + b"0\n".ljust(10_752, b"\0")


@pytest.mark.parametrize("kind", ["gnu", "0.0", "0.1", "1.0"])
def test_a_tar_cannot_hold_an_exabyte_of_zeros(kind: str, catalogue: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(sparse(kind))
    with pytest.raises(InputError, match="sparse"):
        import_listens(catalogue, "lb", [path])


def test_a_tar_header_with_numbers_that_are_none_is_told(catalogue: Path, tmp_path: Path) -> None:
    entry = tarfile.TarInfo("1.listens")
    entry.pax_headers = {"comment": "x"}
    path = tmp_path / "x.tar"
    whole = entry.tobuf(tarfile.PAX_FORMAT)
    path.write_bytes(whole.replace(b"13 comment=x", b"9" * 5000) + bytes(10_240))
    with pytest.raises(InputError, match=r"x\.tar"):
        import_listens(catalogue, "lb", [path])


def streamed(title: str | None, ms: int, **more: Any) -> dict[str, Any]:
    """One play of a streaming service's extended history."""
    return {
        "ts": "2023-03-19T18:31:37Z",
        "username": "somebody",
        "ms_played": ms,
        "master_metadata_track_name": title,
        "master_metadata_album_artist_name": "The Band" if title else None,
        "spotify_track_uri": "spotify:track:50DMJJpAeQv4fIpxZvQz2e" if title else None,
        "episode_name": None,
        "ip_addr": "203.0.113.9",
        **more,
    }


EXPORT = [
    streamed("Long", 200_000),
    streamed("Just", 30_000, skipped=True),
    streamed("Short", 29_999),
    streamed(None, 900_000, episode_name="A talk", spotify_episode_uri="spotify:episode:x"),
    streamed(None, 900_000, audiobook_title="A book", audiobook_uri="spotify:show:y"),
    streamed(None, 900_000),
]


@pytest.mark.parametrize("how", ["file", "folder", "zip"])
def test_a_persons_own_export(how: str, catalogue: Path, tmp_path: Path) -> None:
    name = "Streaming_History_Audio_2023_1.json"
    content = json.dumps(EXPORT, indent=2)
    path = tmp_path / name
    if how == "folder":
        path = tmp_path / "my_data"
        (path / "sub").mkdir(parents=True)
        (path / "sub" / name).write_text(content)
        (path / "Userdata.json").write_text('{"email": "x@example.org"}')
        (path / "Streaming_History_Video_2023.json").write_text(content)
    elif how == "zip":
        path = tmp_path / "my_data.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"Spotify Extended Streaming History/{name}", content)
            archive.writestr("__MACOSX/._" + name, b"\0\0")
            archive.writestr("ReadMeFirst.pdf", b"%PDF")
    else:
        path.write_text(content)
    done = import_listens(catalogue, "mine", [path])

    assert counts(catalogue) == [("Just", 1, 1), ("Long", 1, 1)]
    assert sorted(rows(catalogue, "SELECT reason FROM rejects")) == [
        ("is a podcast",), ("is an audiobook",), (counting.NAMELESS,), (counting.SHORT,),
    ]  # fmt: skip
    assert balance(done, catalogue) == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"ts": "2023', "is not a JSON list"),
        ("[1, 2, 3]", "none of its 3 rows is a listen"),
        ("[]", "none of its 0 rows is a listen"),
        ('{"plays": 1}', "no listening history of a known form"),
        ("\x00\x01\x02", "no listening history of a known form"),
        ("hello", "no listening history of a known form"),
        ("", "none of its 0 rows"),
    ],
)
def test_json_of_the_wrong_shape_is_refused_in_one_line(
    content: str, message: str, catalogue: Path, tmp_path: Path
) -> None:
    path = tmp_path / "endsong_0.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as told:
        import_listens(catalogue, "mine", [path])
    assert "\n" not in str(told.value)
    assert not (catalogue / "current").exists()


TABLES = {
    "1k.tsv": (
        f"user_1\t2009-05-04T23:08:57Z\tm\tDeep Dish\t{MBID}\tFuck Me Im Famous\n"
        'user_1\t2009-05-04T13:54:10Z\t\t坂本"龍一\t\tComposition 0919\n'
        "user_2\t2009-05-04T13:52:04Z\t\tUnderworld\t\tBoy\r\n"
        "user_2\tbroken\n",
        {(MBID, 1.0), ("Composition 0919", 1.0), ("Boy", 1.0)},
        "has 2 cells, not 6",
    ),
    "lfm.tsv": (
        "u\tA\tOne\tAlbum\t2021-01-31 23:36:00\nv\tA\tOne\t\t2021-01-31 23:37:00\n"
        "v\tA\tTwo\t\tnever\n",
        {("One", 2.0)},
        "has a time that cannot be read",
    ),
    "kaggle.csv": (
        ",Username,Artist,Track,Album,Date,Time\n"
        '0,x,"Simon, Paul","50 ""Ways""",A,31 Jan 2021,23:36\n'
        "1,x,,Nothing,A,31 Jan 2021,23:37\n",
        {('50 "Ways"', 1.0)},
        counting.NAMELESS,
    ),
    "own.csv": (
        "Radiohead,In Rainbows,Nude,31 Jan 2021 23:36\nRadiohead,,,31 Jan 2021 23:40\n",
        {("Nude", 1.0)},
        counting.NAMELESS,
    ),
    "radio.tsv": ("artist\ttitle\nA\tOne\nA\tOne\nA\t\n", {("One", 2.0)}, counting.NAMELESS),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_plays(name: str, catalogue: Path, tmp_path: Path) -> None:
    content, wanted, reason = TABLES[name]
    path = tmp_path / name
    path.write_text(content)
    done = import_listens(catalogue, "plays", [path])
    assert {row[:2] for row in counts(catalogue)} == wanted
    assert rows(catalogue, "SELECT reason FROM rejects") == [(reason,)]
    assert balance(done, catalogue) == sum(wanted_row[1] for wanted_row in wanted) + 1


def test_nothing_of_persons_is_kept(catalogue: Path, tmp_path: Path) -> None:
    histories = [
        jsonl(tmp_path / "a.jsonl", [listen("A", "One", user="someone-special"), {}]),
        tmp_path / "endsong_0.json",
    ]
    histories[1].write_text(json.dumps(EXPORT))
    import_listens(catalogue, "mine", histories)
    kept = b"".join(path.read_bytes() for path in catalogue.rglob("*") if path.is_file())
    for trace in (b"someone-special", b"somebody", b"203.0.113.9", b"2023-03-19"):
        assert trace not in kept


def test_rows_are_matched_by_id_mbid_isrc_and_then_name(catalogue: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(
        "id,title,artists,isrc,duration_ms,popularity\n1,One,A,DEA619300020,200000,10\n"
        "2,Two,B,,100000,1\n3,Two,B,,300000,90\n4,Three,C,,1000,\n"
    )
    import_table(catalogue, "t", [table])
    ids = dict(rows(catalogue, "SELECT own_id, recording FROM tracks JOIN members USING (track)"))
    with open_current(catalogue).connect() as connection:
        key = connection.execute("SELECT track FROM tracks WHERE own_id = '4'").fetchall()[0][0]
    from longplay.catalogue.ids import text

    log = jsonl(
        tmp_path / "log.jsonl",
        [
            {"time": 5, "account": "x", "track": text("tr", key), "listened_s": 31},
            {"time": 6, "account": "y", "track": "tr0000000000000", "action": "play"},
            {"time": 7, "account": "y", "track": text("tr", key), "action": "download"},
        ],
    )
    dump = jsonl(
        tmp_path / "d.jsonl",
        [
            listen("Someone", "Else", isrc="DEA619300020"),
            listen("a", "ONE"),
            listen("B", "Two"),
            listen("B", "Nothing like it"),
        ],
    )
    done = import_listens(catalogue, "plays", [log, dump])

    assert (done.listens, done.matched, done.rejected) == (6, 4, 1)
    found = dict(rows(catalogue, "SELECT recording, listens FROM popularity"))
    assert found == {ids["1"]: 2, ids["3"]: 1, ids["4"]: 1}, "the more popular Two was meant"


def test_what_comes_later_is_matched_too(catalogue: Path, tmp_path: Path) -> None:
    dump = jsonl(tmp_path / "d.jsonl", [listen("A", "One"), listen("A", "Two")])
    assert import_listens(catalogue, "plays", [dump]).matched == 0
    table = tmp_path / "t.csv"
    table.write_text("id,title,artists\n1,One,A\n")
    import_table(catalogue, "t", [table])
    assert [row[0] for row in rows(catalogue, "SELECT listens FROM popularity")] == [1]
    assert import_listens(catalogue, "plays", [dump]).matched == 1


def test_the_same_history_again_changes_nothing(catalogue: Path, tmp_path: Path) -> None:
    dump = jsonl(tmp_path / "d.jsonl", [listen("A", f"S {n % 7}", at=n + 9) for n in range(99)])
    first = import_listens(catalogue, "plays", [dump], half_life_days=0.0001)
    again = import_listens(catalogue, "plays", [dump], half_life_days=0.0001)
    assert first.snapshot == again.snapshot == 1


def test_what_cannot_be_asked_for_is_refused(catalogue: Path, tmp_path: Path) -> None:
    dump = jsonl(tmp_path / "d.jsonl", [listen("A", "One")])
    for half_life in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError):
            import_listens(catalogue, "plays", [dump], half_life_days=half_life)
    with pytest.raises(InputError, match="is not there"):
        import_listens(catalogue, "plays", [tmp_path / "missing"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no listening history"):
        import_listens(catalogue, "plays", [tmp_path / "empty"])


def test_spellings_do_not_pile_up(
    catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "SPARE_SPELLINGS", 10)
    monkeypatch.setattr(lines, "CHUNK", 2000)
    rows_of = [listen("A", f"S {n % 5}", at=n) for n in range(500)]
    dump = jsonl(tmp_path / "d.jsonl", rows_of)
    assert import_listens(catalogue, "plays", [dump]).listens == 500
    assert counts(catalogue) == [(f"S {n}", 100, 1) for n in range(5)]


KILLED = """
import sys
from pathlib import Path
from longplay.catalogue.importers.listens.importing import import_listens
show = lambda done, total: print(done, flush=True)
import_listens(Path(sys.argv[1]), "plays", [Path(sys.argv[2])], progress=show)
"""


def test_a_killed_import_leaves_the_old_snapshot(catalogue: Path, tmp_path: Path) -> None:
    import_listens(catalogue, "plays", [jsonl(tmp_path / "a.jsonl", [listen("A", "One")])])
    before = sorted(str(path) for path in catalogue.rglob("*"))
    pipe = tmp_path / "b.jsonl"
    jsonl(pipe, (listen("A", f"S {n}", at=n) for n in range(300_000)))
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(catalogue), str(pipe)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert counts(catalogue) == [("One", 1, 1)]
    done = import_listens(catalogue, "plays", [jsonl(tmp_path / "c.jsonl", [listen("A", "Two")])])
    assert done.snapshot == 2
    left = {str(path) for path in catalogue.rglob("*")} - set(before)
    assert all("000002" in path for path in left), left


@pytest.mark.real
def test_real_histories_balance(data: Path, catalogue: Path) -> None:
    done = import_listens(catalogue, "lb", [data / "listening" / "listenbrainz_dump_sample.jsonl"])
    assert (balance(done, catalogue), done.listens) == (100, 100)
    log = data / "listening" / "honest_listeners.jsonl.zst"
    done = import_listens(catalogue, "log", [log])
    assert (balance(done, catalogue), done.listens, done.duplicates, done.rejected) == (
        280_139, 182_384, 80, 97_675,
    )  # fmt: skip
    samples = data / "formats" / "listenbrainz" / "testdata"
    exported = [
        samples / "spotify_streaming_endsong_0.json",
        samples / "spotify_skipped_tracks.json",
    ]
    done = import_listens(catalogue, "mine", exported)
    assert balance(done, catalogue) == sum(len(json.loads(p.read_text())) for p in exported)
    done = import_listens(catalogue, "mixed", [samples / "listenbrainz_mixed_validity.jsonl"])
    assert (done.listens, done.rejected) == (3, 2)
    with pytest.raises(InputError, match="none of its 3 rows"):
        import_listens(catalogue, "bad", [samples / "listenbrainz_all_invalid.jsonl"])
    assert streams.is_history("endsong_0.json")
