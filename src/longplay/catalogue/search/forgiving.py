"""What a query may have meant, from exactly what it says to what is furthest from it.

First every word as it is. If nothing is found: words that no track has are replaced by terms that
are a letter or two away, or are cut in two, or joined with the next; then all words may be; then,
of four words and more, one may be left out. Words in quotes stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from longplay.catalogue.search.query import Query
from longplay.catalogue.search.ranking import Word
from longplay.catalogue.search.words import is_sign

LETTERS_FOR_ONE = 3
LETTERS_FOR_TWO = 8
"""Letters of a word in which one is forgiven, or two: shorter words are near too many others."""

LETTERS_OF_BEGINNING = 4
"""Letters of the beginning of a word in which one is forgiven."""

MOST_ALTERNATIVES = 64
"""Terms that one word may stand for; the nearest come first."""

WORDS_TO_DROP_ONE = 4
"""Words that a query must have for one of them to be left out."""


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Terms(Protocol):
    """What is asked of the words of an index."""

    def has(self, term: str) -> bool:
        """Whether any track has the word."""

    def begins(self, beginning: str) -> bool:
        """Whether any track has a word that begins so."""

    def similar(self, word: str, distance: int) -> Sequence[tuple[str, int]]:
        """The terms that are at most `distance` letters away, with how far, nearest first."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a query: `words`, as many as the query has; None is left out.

    `changed` says whether it is another than what was typed.
    """

    words: tuple[Word | None, ...]
    changed: bool


def readings(query: Query, terms: Terms) -> Iterator[tuple[Reading, ...]]:
    """The readings of a query, in steps: the next step is for when the one before finds nothing."""
    last = len(query.words) - 1
    exact = tuple(
        Word({word: 0}, (word,) if is_sign(word) or (query.prefix and at == last) else (), word)
        for at, word in enumerate(query.words)
    )
    yield (Reading(exact, changed=False),)
    if not exact:
        return
    fixed = _fixed(query)
    unknown = [
        at
        for at, word in enumerate(exact)
        if at not in fixed and not terms.has(word.typed) and not _begins(word, terms)
    ]
    nearest = {at: _alternatives(exact[at], terms) for at in range(len(exact)) if at not in fixed}
    if unknown:
        yield from _steps(exact, {at: nearest[at] for at in unknown})
    yield from _steps(exact, nearest)
    if len(exact) >= WORDS_TO_DROP_ONE:
        for words in (exact, tuple(nearest.get(at, word) for at, word in enumerate(exact))):
            yield tuple(
                Reading((*words[:at], None, *words[at + 1 :]), changed=True)
                for at in range(len(exact))
                if at not in fixed
            )


def _steps(exact: tuple[Word, ...], alternatives: dict[int, Word]) -> Iterator[tuple[Reading, ...]]:
    """One reading in which these words may be others, if any can."""
    words = tuple(alternatives.get(at, word) for at, word in enumerate(exact))
    if words != exact:
        yield (Reading(words, changed=True),)


def _fixed(query: Query) -> set[int]:
    return {
        at for phrase in query.phrases if phrase.quoted for at in range(phrase.start, phrase.stop)
    }


def _begins(word: Word, terms: Terms) -> bool:
    return any(map(terms.begins, word.beginnings))


def _alternatives(word: Word, terms: Terms) -> Word:
    """The word with the terms that it may have been meant for."""
    letters = len(word.typed)
    if letters < LETTERS_FOR_ONE or word.typed.isdigit():
        return word
    distance = 2 if letters >= LETTERS_FOR_TWO else 1
    found = dict(terms.similar(word.typed, distance)[:MOST_ALTERNATIVES])
    beginnings = word.beginnings
    if beginnings and letters >= LETTERS_OF_BEGINNING:
        beginnings += tuple(each for each in _near(word.typed) if terms.begins(each))
    return Word({**found, **word.terms}, beginnings, word.typed)


def _near(typed: str) -> list[str]:
    """What was meant where one of the letters typed is wrong, missing, too much, or exchanged."""
    halves = [(typed[:at], typed[at:]) for at in range(len(typed))]
    without = {one + two[1:] for one, two in halves}
    exchanged = {one + two[1] + two[0] + two[2:] for one, two in halves if len(two) > 1}
    replaced = {one + letter + two[1:] for one, two in halves for letter in _LETTERS}
    longer = {one + letter + two for one, two in halves for letter in _LETTERS}
    return sorted((without | exchanged | replaced | longer) - {typed})
