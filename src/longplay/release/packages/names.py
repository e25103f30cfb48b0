"""File names inside packages: like the original's, and safe on whatever system receives them."""

from __future__ import annotations

import os
import re

from longplay.files import escape
from longplay.release.paths import TITLE_BYTES, fold, safe

METS = "mets.xml"
PREMIS = "premis.xml"
"""The two documents beside each object."""

PLAIN_SUFFIXES = ("", ".bin", ".txt")
"""Suffixes in the store that say less than the one that a file had."""

_SUFFIX = r"\.[A-Za-z0-9]{1,8}"


def file_name(original: bytes, suffix: str) -> str:
    """A name for an object that came from the path `original` (empty: from none) and has `suffix`
    in the store. It is none of the documents' names, and has no sign that a manifest escapes."""
    last = escape(original.rpartition(b"/")[2]).replace("%", "_")
    stem, given = os.path.splitext(last)  # noqa: PTH122 - a text, of no path here
    if not re.fullmatch(_SUFFIX, given):
        stem, given = last, ""
    ending = given if given and suffix in PLAIN_SUFFIXES else suffix
    name = f"{safe(stem, TITLE_BYTES) or 'object'}{ending}"
    return f"_{name}" if fold(name) in (METS, PREMIS) else name


def root_in(name: str) -> bytes | None:
    """The root that the name of an object's folder or document ends with."""
    found = re.search(r"obj([0-9a-f]{64})(\.xml)?$|^([0-9a-f]{64})$", name)
    return bytes.fromhex(found[1] or found[3]) if found else None
