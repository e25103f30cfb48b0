"""Lines that tell which part of a track they are: a track counts once, for all its pieces."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.guard import scan as scanning
from longplay.guard.events import MARKED, UNMARKED, UNTOLD
from longplay.guard.reading.mapping import wanted
from longplay.guard.reading.parts import mark_of
from longplay.guard.reading.reader import Counts, read
from longplay.guard.scan import Options
from longplay.guard.verdict import Judged, Verdict
from tests.guard.made import MONDAY, Row, listener, row, write

OF = 1_000_000


def marks(tmp_path: Path, rows: list[Row], *pairs: str) -> list[int]:
    """What is made of the parts of some lines."""
    path = tmp_path / "log"
    given = [{"time": MONDAY, "account": "ann", "track": "t1"} | one for one in rows]
    path.write_text("".join(json.dumps(one) + "\n" for one in given))
    found = [one.events for one in read(path, wanted(None, pairs), Counts(), 7)]
    return [int(one) for one in np.concatenate(found)["mark"]]


def place(tmp_path: Path) -> int:
    """The mark of the track in a million bytes."""
    path = tmp_path / "one"
    path.write_text(json.dumps({"time": MONDAY, "account": "ann", "track": "t1"}) + "\n")
    (block,) = read(path, {}, Counts(), 7)
    return int(mark_of(block.events["track"][0], 1_000_000))


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.integers(1, OF - 1), max_size=20, unique=True), st.integers(0, 2**64 - 1))
def test_one_piece_of_all_has_the_mark(cuts: list[int], track: int) -> None:
    ends = [0, *sorted(cuts), OF]
    mark = mark_of(np.uint64(track), OF)
    assert sum(low <= mark < high for low, high in pairwise(ends)) == 1
    assert OF // 8 <= mark < OF


@pytest.mark.parametrize(
    "text",
    [
        *(
            "bytes 0-999999/1000000",
            "0-999999/1000000",
            "bytes 0-99,5-999999/1000000",
            "bytes -1000000/1000000",
        ),
        *("bytes 5-3,0-999999/1000000", " bytes  0 - 999999 / 1000000 ", "bytes 0-/1000000"),
        "bytes 0-999999999999999999/1000000",
    ],
)
def test_who_has_all_has_the_mark(tmp_path: Path, text: str) -> None:
    assert marks(tmp_path, [{"part": text}]) == [MARKED]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "bytes 0-124999/1000000",
            "bytes 1-0,7-3,0-0/1000000",
            "bytes 0-1,0-1,0-1/1000000",
            "-1/1000000",
        ),
        "0-0/9007199254740992",
    ],
)
def test_who_has_none_of_it_has_not(tmp_path: Path, text: str) -> None:
    assert marks(tmp_path, [{"part": text}]) == [UNMARKED]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "-",
            "x",
            "bytes */1000000",
            "bytes 0-999999/*",
            "bytes 0-999999",
            "0-999999/0",
            "0-9/-1",
        ),
        *(
            "0-9/999999999999999999999999999999",
            "9-3/1000000",
            "1000000-10005/1000000",
            "0-999999/9007199254740993",
        ),
        *(
            "bytes 0-999999/1000000/2",
            "bytes=0-999999/1000000",
            "１-２/３",
            "0--9/1000000",
            "," * 300,
            "\\",
            "-/1000000",
        ),
    ],
)
def test_what_is_no_part_is_not_told(tmp_path: Path, text: str) -> None:
    assert marks(tmp_path, [{"part": text}, {"part": None}, {}]) == [UNTOLD] * 3


def test_only_what_was_sent_counts(tmp_path: Path) -> None:
    mark = place(tmp_path)
    whole = {"part": "bytes 0-999999/1000000"}
    rows = [whole | {"bytes": mark}, whole | {"bytes": mark + 1}, whole | {"bytes": 0}]
    assert marks(tmp_path, rows) == [UNMARKED, MARKED, UNMARKED]
    two = {"part": f"bytes 0-99,{mark}-{mark + 99}/1000000"}
    assert marks(tmp_path, [two | {"bytes": 100}, two | {"bytes": 101}]) == [UNMARKED, MARKED]


def test_who_asks_for_a_part_and_gets_all_has_all(tmp_path: Path) -> None:
    """As with an `If-Range` that does not hold: a log of what was asked for tells only the part."""
    asked = {"part": "bytes=0-9", "whole": 5_000_000}
    assert marks(tmp_path, [asked | {"bytes": 300}, asked | {"bytes": 5_000_000}]) == [
        *(UNMARKED, MARKED)
    ]


def test_what_the_client_claims_hides_nothing(tmp_path: Path) -> None:
    """A request's range in place of the answer's, with an `If-Range` that does not hold: all of
    the file is sent, whatever was asked for."""
    many = ",".join(f"{2 * at}-{2 * at}" for at in range(2000))
    texts = [
        *("bytes=0-1/9000000000000000", "0-1/9000000000000000", "items=0-1/9000000000000000"),
        *("bytes 0-1/9000000000000000", "bytes */9000000000000000"),
        *("bytes=" + ",".join(["0-124998"] * 9), "bytes=5-124998,0-4,6-900000", f"bytes={many}"),
        *("bytes=124000-124999,0-123999", "bytes=0-"),
    ]
    rows: list[Row] = [{"part": text, "whole": OF, "bytes": OF} for text in texts]
    assert dict(zip(texts, marks(tmp_path, rows), strict=True)) == (
        dict.fromkeys(texts, MARKED) | {texts[1]: UNMARKED}  # of any unit, as no request's is
    )


def test_an_error_page_is_no_track(tmp_path: Path) -> None:
    """Of a range outside the file nginx tells the page's own length."""
    page: Row = {"part": f"bytes */{OF}", "whole": 300, "bytes": 300}
    assert marks(tmp_path, [page]) == [UNTOLD]


@pytest.mark.parametrize("text", ["", "-"])
def test_with_an_empty_part_the_beginning_was_sent(tmp_path: Path, text: str) -> None:
    mark = place(tmp_path)
    of = {"whole": 1_000_000, "part": text}
    rows: list[Row] = [of | {"bytes": mark}, of | {"bytes": mark + 1}, of]
    assert marks(tmp_path, rows) == [UNMARKED, MARKED, UNTOLD]


@pytest.mark.parametrize("name", ["whole", "object_size", "file_size"])
def test_less_than_the_file_and_no_part_may_be_any_part(tmp_path: Path, name: str) -> None:
    """Else each slice would be the beginning, and nine of them no track."""
    sizes = [-1, 0, 500_000, 999_999, 1_000_000, 1_000_400]
    rows: list[Row] = [{name: 1_000_000, "bytes": size} for size in sizes]
    assert marks(tmp_path, [*rows, {name: 1_000_000}]) == [*[UNTOLD] * 4, MARKED, MARKED, UNTOLD]


def test_fields_of_other_services(tmp_path: Path) -> None:
    assert marks(tmp_path, [{"sent_http_content_range": "bytes 0-999999/1000000"}]) == [MARKED]
    rows: list[Row] = [{"sent": "bytes 0-999999/*", "size_b": "1000000"}]
    assert marks(tmp_path, rows, "part=sent", "whole=size_b") == [MARKED]
    table = tmp_path / "table"
    table.write_text(f"time,account,track,object_size,bytes\n{MONDAY},ann,t1,1000000,1000000\n")
    (block,) = read(table, {}, Counts(), 7)
    assert block.events["mark"].tolist() == [MARKED]


@pytest.mark.parametrize("told", [{"part": "bytes 0-99/100"}, {"whole": 100}])
def test_pages_and_covers_are_no_tracks(tmp_path: Path, told: Row) -> None:
    assert marks(tmp_path, [told | {"bytes": 100}]) == [UNTOLD]


def test_a_search_is_no_part(tmp_path: Path) -> None:
    assert marks(tmp_path, [{"part": "0-999999/1000000", "action": "search"}]) == [UNTOLD]


def judged(tmp_path: Path, rows: list[Row]) -> Judged:
    (one,) = scanning.scan([write(tmp_path / "log", rows)], Options(cells=1 << 16)).verdicts
    return one


def by_turns(name: str, at_once: int, parts: int, length: int = 240) -> list[Row]:
    """So many tracks at a time, 14 hours a day, as fast as two people hear, each in pieces of any
    order, by turns."""
    dice = random.Random(5)
    rows: list[Row] = []
    elapsed = 0
    while elapsed < 4 * 14 * 3600:
        pieces = [(f"x{dice.randrange(10**9)}q", *dice.sample(range(parts), parts))
                  for _ in range(at_once)]  # fmt: skip
        for turn in range(parts):
            for track, *order in pieces:
                day, second = divmod(int(elapsed), 14 * 3600)
                one = row(MONDAY + day * 86400 + 8 * 3600 + second, name, track,
                          length // parts, "play" if length // parts >= 30 else "skip")  # fmt: skip
                at = order[turn] * OF // parts
                rows.append(one | {"part": f"{at}-{at + OF // parts - 1}/{OF}"})
                elapsed += length / parts / 2
    return rows


@pytest.mark.parametrize(("at_once", "parts"), [(9, 2), (16, 4), (40, 2), (1, 16)])
def test_pieces_by_turns_hide_no_copier(tmp_path: Path, at_once: int, parts: int) -> None:
    whole = judged(tmp_path, by_turns("thief", at_once, 1))
    pieces = judged(tmp_path, by_turns("thief", at_once, parts))
    assert whole.verdict is pieces.verdict is Verdict.SCRAPER
    # The pace is told from the start on; without a pause of the night, breadth waits for one.
    assert pieces.tracks < 480


def test_who_skips_and_later_hears_the_whole_is_honest(tmp_path: Path) -> None:
    """Skips are told as the parts that were heard, and plays that were broken off too."""
    dice = random.Random(9)
    rows = []
    for one in listener("ann", days=40):
        skip = one["action"] == "skip"
        share = dice.uniform(0.02, 0.15) if skip else dice.choice([1, 1, 1, dice.random()])
        rows.append(one | {"part": f"0-{int(share * OF)}/{OF}"})
    assert judged(tmp_path, rows).verdict is Verdict.HONEST


def test_a_curator_who_samples_widely_is_honest(tmp_path: Path) -> None:
    dice = random.Random(2)
    rows = []
    for day in range(30):
        at = MONDAY + day * 86400 + 10 * 3600
        for n in range(250):
            heard = dice.randrange(3, 25)
            one = row(at + n * 20, "dj", f"new{day}-{n}x", heard, "skip")
            rows.append(one | {"part": f"0-{heard * OF // 200}/{OF}"})
        for n in range(30):
            track = f"new{dice.randrange(day + 1)}-{dice.randrange(25)}x"
            one = row(at + 6000 + n * 220, "dj", track, dice.randrange(130, 220), "play")
            rows.append(one | {"part": f"0-{OF - 1}/{OF}"})
    assert judged(tmp_path, rows).verdict is Verdict.HONEST


def broken_off(share: float, tracks: int = 1, tries: int = 600) -> list[Row]:
    """A song that is tried again every four seconds, and breaks off there each time."""
    last = int(share * OF) - 1
    return [
        row(MONDAY + 4 * n, "ann", f"s{n * tracks // tries}q", int(share * 240), "play")
        | {"part": f"0-{last}/{OF}"}
        for n in range(tries)
    ]


def test_a_phone_that_retries_is_honest(tmp_path: Path) -> None:
    """As often as it likes with the mark, and fifteen times each of ten songs without."""
    assert judged(tmp_path, broken_off(1)).verdict is Verdict.HONEST
    assert judged(tmp_path, broken_off(0.12, 10, 150)).verdict is Verdict.HONEST


def test_slices_before_the_mark_count_for_the_pace(tmp_path: Path) -> None:
    """They are not told from tries: were only the first of a track's charged, who cuts tracks up
    would be as fast as he pleases."""
    rows = [
        row(MONDAY + 2 * n, "thief", f"x{n // 16 * 7919}q", 15, "play")
        | {"part": f"{n % 16 * OF // 16}-{(n % 16 + 1) * OF // 16 - 1}/{OF}"}
        for n in range(6000)
    ]
    one = judged(tmp_path, rows)
    assert one.verdict is Verdict.SCRAPER
    assert one.tracks < 200
