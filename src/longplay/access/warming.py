"""What a server gets ready before anybody waits for it: the catalogue, opened and its index read
into memory, the library of what is held, and the code that searches, which is compiled when it is
first used on a machine."""

from __future__ import annotations

from contextlib import suppress

from longplay.access.context import Context
from longplay.access.listener import ANONYMOUS
from longplay.catalogue.search import finding, opening, query
from longplay.errors import LongplayError

QUERIES = ("a", "some wor", "sme wrods togehter", "held:yes a")
"""Letters, words, words with mistakes, and filters each go their own way through the index."""


def warm(here: Context) -> None:
    """Ask what listeners will ask. What fails here is told to the first of them."""
    with suppress(LongplayError, OSError):
        here.library(ANONYMOUS)
        known = here.known()
        opening.warm(known.snapshot)
        for text in QUERIES:
            asked = query.parse(text)
            finding.find(known.opened.layers, asked, limit=1, held=known.held)
