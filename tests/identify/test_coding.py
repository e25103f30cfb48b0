"""Numbers in few bits: what is written is read, and bytes that were not written harm nobody."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.identify import coding


@settings(deadline=None, max_examples=150)
@given(st.lists(st.integers(0, 2**20 - 1), max_size=300), st.integers(0, 20))
def test_what_is_encoded_is_decoded(numbers: list[int], width: int) -> None:
    keys = np.array(sorted(numbers), np.int64)
    buckets = 1 << (20 - width)
    data, starts = coding.encode(keys, width, buckets, 0)
    found = coding.decode(data.view("u8"), starts.astype("u4"), width, 0, buckets, len(keys))
    assert found.tolist() == keys.tolist()


@settings(deadline=None, max_examples=150)
@given(st.binary(min_size=24, max_size=80), st.integers(0, 54))
def test_rotten_bytes_give_few_keys_and_no_crash(rotten: bytes, width: int) -> None:
    data = np.frombuffer(rotten + bytes(-len(rotten) % 8 + coding.PADDING), np.uint64)
    starts = np.array([0, len(rotten) // 2, len(rotten)], np.uint32)
    assert len(coding.decode(data, starts, width, 0, 2, 50)) <= 50


def test_sparse_numbers_take_the_bits_that_they_need() -> None:
    keys = np.sort(np.random.default_rng(3).integers(0, 2**40, 100_000))
    data, _ = coding.encode(keys, 28, 1 << 12, 0)
    # 40 bits each would be 500 kB; sorted, log2(2^40 / 100,000) + 1.5 = 25 bits are enough.
    assert len(data) * 8 / len(keys) < 26
