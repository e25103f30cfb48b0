"""Bencoding is canonical: one value has one encoding, and only that one is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.errors import TorrentError
from longplay.torrent import bencode

values: st.SearchStrategy[bencode.Encodable] = st.recursive(
    st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
def test_what_was_encoded_is_read_back(value: bencode.Encodable) -> None:
    assert bencode.decode(bencode.encode(value)) == value


@given(st.binary(max_size=60) | st.text("0123456789dlei:-ab", max_size=40).map(str.encode))
def test_whatever_is_read_encodes_to_the_same_bytes(data: bytes) -> None:
    try:
        value = bencode.decode(data)
    except TorrentError:
        return
    assert bencode.encode(value) == data


def test_text_is_utf8_and_keys_are_sorted() -> None:
    assert bencode.encode({b"b": 1, b"a": ["é"]}) == b"d1:al2:\xc3\xa9e1:bi1ee"


MALFORMED = {
    b"": "ends at byte 0",
    b"i12": "has no number at byte 1",
    b"i1x2e": "has no number at byte 1",
    b"ie": "has no number at byte 1",
    b"i-e": "has no number at byte 1",
    b"i-0e": "has no number at byte 1",
    b"i03e": "has no number at byte 1",
    b"i 3e": "has no number at byte 1",
    b"i99999999999999999999e": "has no number at byte 1",
    b"3:ab": "ends inside the string at byte 0",
    b"03:abc": "has no number at byte 0",
    b"3": "has no number at byte 0",
    b"9999999999:a": "ends inside the string at byte 0",
    b"l": "ends at byte 1",
    b"li1e": "ends at byte 4",
    b"d1:a": "ends at byte 4",
    b"d1:ai1e": "ends at byte 7",
    b"di1ei1ee": "has a key that is no string at byte 1",
    b"d1:bi1e1:ai1ee": "has keys out of order at byte 7",
    b"d1:ai1e1:ai1ee": "has keys out of order at byte 7",
    b"x": "has no value at byte 0",
    b"-1:a": "has no value at byte 0",
    b"i1ei2e": "has 3 bytes after its end",
    b"l" * 100 + b"e" * 100: "is nested more than 64 deep",
}


@pytest.mark.parametrize(("data", "message"), MALFORMED.items(), ids=lambda case: case[:24])
def test_malformed(data: bytes, message: str) -> None:
    with pytest.raises(TorrentError) as caught:
        bencode.decode(data)
    assert caught.value.message == message


def test_a_small_document_cannot_take_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bencode, "MAX_ITEMS", 100)
    monkeypatch.setattr(bencode, "MAX_BYTES", 1000)
    with pytest.raises(TorrentError, match="more than 100 values"):
        bencode.decode(b"l" + b"le" * 100 + b"e")
    with pytest.raises(TorrentError, match="longer than 1000 bytes"):
        bencode.decode(bytes(1001))
