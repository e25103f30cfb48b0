"""Names as they are searched: folded and cut into words, when writing and when asking alike."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longplay.access.library.layout import EXACT, INSIDE, OPEN
from longplay.catalogue.search import words

MAX_EXACT = 200
"""Characters of a name that are told from others as a whole."""

MAX_ASKED = 32
"""Words of a question that count."""

REMEMBERED = 256
"""Questions whose words are remembered: one is asked of artists, albums and tracks in turn."""


def texts(names: pa.Array, others: pa.Array, is_open: pa.Array, sources: pa.Array) -> pa.Array:
    """For each thing its words with a space between them: those of its name, those of `others`, the
    whole name as one word, whether anybody may hear it, and the folders of its sources, of which
    each has a list."""
    exact = pc.replace_substring(_words(names, indexing=False), pattern=" ", replacement="_")
    exact = pc.utf8_slice_codeunits(exact, 0, MAX_EXACT)
    exact = pc.binary_join_element_wise(EXACT, exact, "")
    may = pc.if_else(is_open, OPEN, "")
    inside = pc.binary_join(sources, f" {INSIDE}")
    inside = pc.binary_join_element_wise(INSIDE, inside, "")
    return pc.binary_join_element_wise(_words(names), _words(others), exact, may, inside, " ")


@lru_cache(REMEMBERED)
def asked(text: str, *, everybody: bool, source: str | None = None) -> tuple[str, str] | None:
    """Two questions for a full-text index: what is called exactly so, and what else has all the
    words, the last of which may be cut short. None where there are no words. Without `everybody`
    only what anybody may hear is meant; with a source's folder, what is from that source."""
    found = words.words(text)[:MAX_ASKED]
    if not found:
        return None
    may = "" if everybody else f" AND {_quoted(OPEN)}"
    if source is not None:
        may += f" AND {_quoted(INSIDE + source)}"
    exact = _quoted(EXACT + "_".join(found)[:MAX_EXACT])
    parts = [_quoted(one) + ("*" if words.is_sign(one) else "") for one in found[:-1]]
    whole = " AND ".join([*parts, _quoted(found[-1]) + "*"]) + may
    return exact + may, f"({whole}) NOT {exact}"


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _words(texts: pa.Array, *, indexing: bool = True) -> pa.Array:
    """The words of each text with a space between them; an empty text where there are none."""
    cut = words.cut(texts, indexing=indexing)
    ends = np.concatenate([[0], cut.ends]).astype(np.int32)
    each = pa.StringArray.from_buffers(len(cut.ends), pa.py_buffer(ends), pa.py_buffer(cut.data))
    offsets = np.concatenate([[0], np.cumsum(cut.counts, dtype=np.int32)])
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), each), " ")
