"""Many ISRCs at once: on the command line, and over HTTP."""

from __future__ import annotations

import csv
import io
import json

import pytest

from longplay.access import lookup as room
from longplay.archive import open_archive
from longplay.rights.claims import Step
from longplay.workflows import claims, looking_up
from tests.access.conftest import Served

HELD = "QZLP02600002"


def ask(served: Served, body: str | bytes, **headers: str) -> list[dict[str, object]]:
    told = {"content-type": "text/csv", **headers}
    got = served.web.post("/api/lookup", content=body, headers=told)
    assert got.status_code == 200, got.text
    rows: list[dict[str, object]] = got.json()["rows"]
    return rows


def test_answers_stand_in_the_order_of_the_lines(served: Served) -> None:
    lines = ["qz-lp0-26-00002", "DEA619300020", "nonsense", "", HELD, "x" * 20_000, HELD]
    rows = ask(served, "\n".join(lines) + "\n")
    assert [row["line"] for row in rows] == list(range(1, 8))
    assert [row["held"] for row in rows] == [True, False, False, False, True, False, True]
    problems = [None, None, "is no ISRC", "is empty", None, "is too long", None]
    assert [row["problem"] for row in rows] == problems
    line = next(line for line in served.manifest() if line["isrc"] == HELD)
    assert rows[0] == {
        "line": 1,
        "asked": "qz-lp0-26-00002",
        "isrc": HELD,
        "problem": None,
        "held": True,
        "access": "open",
        "rights": ["https://creativecommons.org/licenses/by/4.0/"],
        "recordings": [line["recording"]],
        "arks": [],
        "objects": [f"obj{line['root']}"],
    }


@pytest.mark.parametrize(
    "text",
    [
        f"title,ISRC\nPiece 2,{HELD}\n",
        f"\ufefftitle;isrc;n\r\nPiece 2;{HELD};1\r\n",
        f'title\tIsrc Code\n"a ""b"\t{HELD}',
        f"x\n{HELD}",
        f"{HELD}\n",
    ],
)
def test_tables_and_lists_are_read_alike(served: Served, text: str) -> None:
    rows = ask(served, text)
    assert [row["isrc"] for row in rows][-1] == HELD and rows[-1]["held"]


def test_a_return_within_a_line_ends_nothing(served: Served) -> None:
    rows = ask(served, f"\r{HELD}\n\rx\r\x04\n")
    assert [(row["held"], row["problem"]) for row in rows] == [(True, None), (False, "is no ISRC")]


def test_csv_is_answered_to_who_asks_for_it(served: Served) -> None:
    got = served.web.post(
        "/api/lookup",
        content=f"{HELD}\n=1+1\n",
        headers={"content-type": "text/plain", "accept": "text/csv"},
    )
    assert got.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(got.text)))
    assert [(row["held"], row["problem"]) for row in rows] == [("yes", ""), ("no", "is no ISRC")]


def test_what_is_withdrawn_is_not_held_any_more(served: Served) -> None:
    (before,) = ask(served, HELD)
    archive = open_archive(served.longplay.archive)
    made = claims.add(archive, claims.Request("Me", "me@example.org", "mine", isrcs=(HELD,)))
    claims.decide(archive, made.id, Step.UPHOLD, "shown")
    (after,) = ask(served, HELD)
    assert before["held"] and not after["held"]
    assert (after["access"], after["rights"], after["objects"]) == (None, [], [])
    (own,) = served.longplay.json("lookup", _file(served, HELD))  # its keeper is told
    assert (own["access"], len(own["objects"])) == ("dark", 1)


def test_lists_are_bounded(served: Served) -> None:
    def status(body: bytes, kind: str) -> int:
        got = served.web.post("/api/lookup", content=body, headers={"content-type": kind})
        assert got.json()["error"]["message"]
        return got.status_code

    assert status(b"x" * (room.MAX_BYTES + 1), "text/csv") == 413
    assert status(b"\n" * (room.MAX_LINES + 1), "text/csv") == 413
    assert status(b"{}", "application/json") == 415
    assert ask(served, b"\xff\xfe\x00\n" + HELD.encode())[1]["held"]


def test_the_command_prints_lines_csv_and_json(served: Served) -> None:
    file = _file(served, f"{HELD}\nDEA619300020\nnonsense\n")
    longplay = served.longplay
    said = longplay.run("lookup", file).out.splitlines()
    assert said[0].startswith(f"{HELD}  held  open  https://creativecommons.org")
    assert said[1] == "DEA619300020  unknown"
    assert said[2] == "line 3: nonsense is no ISRC"
    assert said[3] == "3 lines: 1 held, 1 known, 1 malformed"
    rows = list(csv.DictReader(io.StringIO(longplay.run("lookup", file, "--csv").out)))
    assert tuple(rows[0]) == looking_up.COLUMNS
    assert [row["held"] for row in rows] == ["yes", "no", "no"]
    assert [row["isrc"] for row in longplay.json("lookup", file)] == [HELD, "DEA619300020", None]
    assert json.loads(longplay.run("lookup", _file(served, ""), "--json").out) == []


def test_wrong_calls_are_told_in_one_line(served: Served) -> None:
    longplay = served.longplay
    file = _file(served, HELD)
    assert "choose one" in longplay.run("lookup", file, "--csv", "--json", expect=2).out
    assert "no such file" in longplay.run("lookup", "nowhere.csv", expect=1).err
    assert "is a folder" in longplay.run("lookup", served.longplay.archive, expect=1).err


def _file(served: Served, text: str) -> str:
    path = served.longplay.archive.parent / "codes.csv"
    path.write_text(text)
    return str(path)
