"""Inner loops over columns, compiled by Numba: what would take minutes in Python and has no kernel
in Arrow, NumPy or DuckDB. The compiled code is cached beside the module, and runs without the GIL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

Function = TypeVar("Function", bound=Callable[..., object])


whole = cast(Callable[[object], int], np.int64)
"""A number as 64 bits with a sign, in compiled functions, where `int` keeps one without a sign."""


def compiled(function: Function) -> Function:
    """The function as machine code, made at its first call with arguments of these types."""
    return cast(Function, numba.njit(cache=True, nogil=True)(function))


def inlined(function: Function) -> Function:
    """As `compiled`, and written out where it is called: for short functions of many arrays, which
    take longer to hand over than to read."""
    return cast(Function, numba.njit(cache=True, nogil=True, inline="always")(function))


def string_buffers(texts: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Where each text of a column begins and ends (n + 1 offsets), and their bytes in UTF-8.

    A null has no bytes.
    """
    large = texts.cast(pa.large_string()) if texts.type != pa.large_string() else texts
    if large.null_count:
        large = large.fill_null("")
    _, offsets, data = large.buffers()
    if not len(large) or offsets is None:
        return np.zeros(len(large) + 1, np.int64), np.zeros(0, np.uint8)
    found = np.frombuffer(offsets, np.int64)[large.offset : large.offset + len(large) + 1]
    return found, np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
