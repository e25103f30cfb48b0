"""Identifiers: the standards' own examples, what people type, and columns that agree with texts."""

from __future__ import annotations

import string
import uuid
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.catalogue import identifiers
from longplay.errors import InputError

Scalar = Callable[[str], str | None]
Column = Callable[[pa.Array], pa.Array]
FORMS: dict[str, tuple[Scalar, Column]] = {
    "isrc": (identifiers.isrc, identifiers.isrcs),
    "gtin": (identifiers.gtin, identifiers.gtins),
    "iswc": (identifiers.iswc, identifiers.iswcs),
    "mbid": (identifiers.mbid, identifiers.mbids),
}
MBID = "76df3287-6cda-33eb-8e9a-044b5e15ffdd"

GOOD = [
    ("isrc", "DE-A61-93-00020", "DEA619300020"),
    ("isrc", "ISRC: us rc1 76 07839", "USRC17607839"),
    ("isrc", "ISRCUSRC17607839", "USRC17607839"),
    ("isrc", "US\u2011RC1\u201176\u201107839", "USRC17607839"),
    ("isrc", "ＵＳＲＣ１７６０７８３９", "USRC17607839"),
    ("isrc", "https://musicbrainz.org/isrc/USRC17607839?inc=x", "USRC17607839"),
    ("isrc", "urn:isrc:USRC17607839", "USRC17607839"),
    ("gtin", "614141 00734 9", "00614141007349"),
    ("gtin", "4006381333931", "04006381333931"),
    ("gtin", "73513537", "00000073513537"),
    ("gtin", "10614141007346", "10614141007346"),
    ("gtin", "04252614", "00042100005264"),
    ("gtin", "UPC-A 614141007349", "00614141007349"),
    ("gtin", "EAN13: 4006381333931", "04006381333931"),
    ("gtin", "https://id.gs1.org/01/09506000134352/10/ABC", "09506000134352"),
    ("iswc", "T-034.524.680-1", "T-034.524.680-1"),
    ("iswc", "t0345246801", "T-034.524.680-1"),
    ("iswc", "ISWC T-345246800-3", "T-345.246.800-3"),
    ("mbid", MBID.upper(), MBID),
    ("mbid", MBID.replace("-", ""), MBID),
    ("mbid", f"{{{MBID}}}", MBID),
    ("mbid", f"urn:uuid:{MBID}", MBID),
    ("mbid", f"http://musicbrainz.org/recording/{MBID}/relationships#r", MBID),
]
BAD = [
    ("isrc", "USRC1760783"),
    ("isrc", "U1RC17607839"),
    ("isrc", "USRC1760783X"),
    ("isrc", "USRC17607839USRC17607840"),
    ("isrc", "x/USRC17607839/USRC17607840"),
    ("isrc", "USRC1٧٦٠٧٨٣٩"),
    ("gtin", "614141007348"),
    ("gtin", "0000000000000"),
    ("gtin", "06141410073"),
    ("gtin", "614141007349.0"),
    ("gtin", "00123457"),
    ("iswc", "T-034.524.680-2"),
    ("iswc", "A-034.524.680-1"),
    ("mbid", "00000000-0000-0000-0000-000000000000"),
    ("mbid", "76df3287-6cda-33eb-8e9a-044b5e15ffdg"),
    ("mbid", f"{MBID}0"),
]
HOSTILE = ["", " ", "\0", "\ud800", "-" * 100_000, "A" * 299, "\N{ARABIC LIGATURE JALLAJALALOUHOU}"]


@pytest.mark.parametrize(("kind", "written", "normal"), GOOD)
def test_what_people_write_is_understood(kind: str, written: str, normal: str) -> None:
    scalar, column = FORMS[kind]
    assert scalar(written) == normal
    assert column(pa.array([written, None])).to_pylist() == [normal, None]
    assert identifiers.kind_of(written) == kind


@pytest.mark.parametrize(("kind", "written"), [*BAD, *((k, t) for k in FORMS for t in HOSTILE)])
def test_what_is_none_is_none(kind: str, written: str) -> None:
    scalar, column = FORMS[kind]
    assert scalar(written) is None
    if written != "\ud800":
        assert column(pa.array([written])).to_pylist() == [None]


def test_an_eight_digit_code_that_reads_two_ways_is_none() -> None:
    # As EAN-8 and as UPC-E (012000000171, 8 digits) the check digit is right.
    both = [
        code
        for number in range(10_000_000, 10_002_000)
        if identifiers.gtin(code := str(number)) is None and _weighted(code) % 10 == 0
    ]
    assert both


def _weighted(code: str) -> int:
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(code)))


signs = st.text(alphabet=string.ascii_letters + string.digits + "-. /:{}é１ ", max_size=40)
near = st.one_of(
    signs,
    st.from_regex(r"[A-Za-z]{2}-?[A-Z0-9]{3} ?[0-9]{7}", fullmatch=True),
    st.from_regex(r"[0-9]{7,15}", fullmatch=True),
    st.from_regex(r"[01][0-9]{7}", fullmatch=True),
    st.from_regex(r"[Tt]-?[0-9]{3}\.?[0-9]{6}-?[0-9]", fullmatch=True),
    st.uuids().map(str),
    st.uuids().map(lambda each: each.hex.upper()),
)


@pytest.mark.parametrize("kind", FORMS)
@settings(deadline=None)  # the first example compiles
@given(texts=st.lists(st.none() | near, max_size=20), start=st.integers(0, 5))
def test_columns_say_what_the_scalar_says(kind: str, texts: list[str | None], start: int) -> None:
    scalar, column = FORMS[kind]
    expected = [None if text is None else scalar(text) for text in texts]
    whole = pa.array(texts, pa.string())
    views = [
        (whole, 0),
        (whole.cast(pa.large_string()), 0),
        (whole.dictionary_encode(), 0),
        (whole.slice(start), start),
        (pa.chunked_array([whole.slice(0, start), whole.slice(start)]), 0),
    ]
    for view, skipped in views:
        made = column(view)
        made.validate(full=True)
        assert made.type == pa.string()
        assert made.to_pylist() == expected[skipped:]
        assert column(made).to_pylist() == made.to_pylist(), "what is normal stays"


@given(st.integers(0, 9_999_999_999_999))
def test_every_wrong_digit_of_a_gtin_shows(body: int) -> None:
    code = next(
        text for check in range(10) if (text := f"{body:013d}{check}") and _weighted(text) % 10 == 0
    )
    assert identifiers.gtin(code) == (code if body else None)
    for place in range(14):
        other = str((int(code[place]) + 1) % 10)
        assert identifiers.gtin(code[:place] + other + code[place + 1 :]) is None


@settings(deadline=None)
@given(st.lists(st.none() | st.lists(st.none() | near, max_size=8), max_size=8), st.integers(0, 4))
def test_lists_keep_each_good_one_once(rows: list[list[str | None] | None], start: int) -> None:
    column = pa.array(rows, pa.list_(pa.string())).slice(start)
    made = identifiers.isrc_lists(column)
    made.validate(full=True)
    expected = [
        row
        if row is None
        else list(dict.fromkeys(one for text in row if text and (one := identifiers.isrc(text))))
        for row in rows[start:]
    ]
    assert made.to_pylist() == expected


def test_lists_of_many_and_of_works() -> None:
    many = pa.array([["USRC17607839", "us-rc1-76-07839", "x"] * 10_000, [], None])
    assert identifiers.isrc_lists(many).to_pylist() == [["USRC17607839"], [], None]
    works = pa.array([["T-034.524.680-1", "T0345246801", "T-1"]])
    assert identifiers.iswc_lists(works).to_pylist() == [["T-034.524.680-1"]]
    assert identifiers.isrc_lists(pa.nulls(2)).to_pylist() == [None, None]
    assert identifiers.isrc_lists(pa.chunked_array([], pa.list_(pa.string()))).to_pylist() == []


def test_columns_of_numbers_are_read_as_texts_and_others_are_refused() -> None:
    assert identifiers.gtins(pa.array([614141007349])).to_pylist() == ["00614141007349"]
    assert identifiers.isrcs(pa.nulls(2)).to_pylist() == [None, None]
    with pytest.raises(InputError, match="holds no identifiers"):
        identifiers.isrcs(pa.array([{"a": 1}]))


@pytest.mark.parametrize("text", ["", "hello", "12345678", "tr0123456789abc", "a" * 64])
def test_other_texts_are_no_identifier(text: str) -> None:
    assert identifiers.kind_of(text) is None


def test_any_uuid_but_the_one_of_zeros_is_an_mbid() -> None:
    made = [str(uuid.UUID(int=number)) for number in (0, 1, 2**127, 2**128 - 1)]
    assert identifiers.mbids(pa.array(made)).to_pylist() == [None, *made[1:]]
