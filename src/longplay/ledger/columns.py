"""How values lie in the ledger's columns: small, and the same in every database.

At tens of millions of objects a word of twelve letters in every row is a gigabyte. So words are
numbers there, moments are milliseconds, and a root is found by its first bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Dialect, LargeBinary, SmallInteger, TypeDecorator
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.visitors import InternalTraversal

from longplay import clock

BEGINNING = 6
"""Bytes at the beginning of a root that SQLite's index has: of 86 million roots some thirteen share
theirs with another one, and those cost one look more."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Key(TypeDecorator[int]):
    """An unsigned 64-bit id in the signed integers that SQL has."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """To SQL: the same 64 bits, read as signed."""
        return value if value is None or value < 2**63 else value - 2**64

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:
        """From SQL: the same 64 bits, read as unsigned."""
        return value if value is None or value >= 0 else value + 2**64


class Word(TypeDecorator[str]):
    """One of the words of an enumeration, as its place there. Words are only ever added at its end.

    Raises ValueError for another word.
    """

    impl = SmallInteger
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.words = tuple(one.value for one in kind)
        self._places = {word: place for place, word in enumerate(self.words)}

    def process_bind_param(self, value: str | None, dialect: Dialect) -> int | None:
        """To SQL: the word's place."""
        if value is None:
            return None
        place = self._places.get(value)
        if place is None:
            raise ValueError(f"{value!r} is none of {', '.join(self.words)}")
        return place

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        """From SQL: the word."""
        return None if value is None else self.words[value]


class Moment(TypeDecorator[str]):
    """A moment as `clock.timestamp` writes it, in SQL as milliseconds since 1970 began."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> int | None:
        """To SQL: milliseconds. Raises ValueError for what is no moment."""
        if value is None:
            return None
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // _MILLISECOND

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        """From SQL: the text."""
        return None if value is None else clock.text_of(_EPOCH + value * _MILLISECOND)


class Power(TypeDecorator[int]):
    """A power of two, in SQL as its exponent."""

    impl = SmallInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """To SQL: the exponent. Raises ValueError for what is no power of two."""
        if value is None:
            return None
        if value < 1 or value & (value - 1):
            raise ValueError(f"{value} is no power of two")
        return value.bit_length() - 1

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:
        """From SQL: the power."""
        return None if value is None else 1 << value


class Root(LargeBinary):
    """An object's root. Compared with anything, its beginning is compared too, because that is what
    SQLite's index has; PostgreSQL's has the whole of it, for there two may write at once."""

    class Comparator(LargeBinary.Comparator[bytes]):
        """Comparisons with the beginning beside the whole."""

        def operate(self, op: Any, *other: Any, **kwargs: Any) -> sa.ColumnElement[Any]:
            """What SQLAlchemy calls for every operator."""
            whole = super().operate(op, *other, **kwargs)
            bound = _BOUNDS.get(op)
            if bound is None or other[0] is None:
                return whole
            if op is operators.in_op:
                if not isinstance(other[0], Sequence | set | frozenset):
                    return whole  # a query
                return sa.and_(bound(_of(self.expr), [one[:BEGINNING] for one in other[0]]), whole)
            return sa.and_(bound(_of(self.expr), _of(other[0])), whole)

    comparator_factory = Comparator


_BOUNDS: dict[Any, Any] = {
    operators.eq: operators.eq,
    operators.in_op: operators.in_op,
    operators.gt: operators.ge,
    operators.ge: operators.ge,
    operators.lt: operators.le,
    operators.le: operators.le,
}


def beginning(root: sa.ColumnElement[bytes]) -> sa.ColumnElement[bytes]:
    """The first bytes of a root, in the words that the index is made with."""
    # Written out: with bound numbers SQLite would not know it for its index's.
    first: sa.ColumnElement[int] = sa.literal_column("1")
    count: sa.ColumnElement[int] = sa.literal_column(str(BEGINNING))
    return sa.func.substr(root, first, count, type_=LargeBinary())


def _of(value: Any) -> Any:
    """The beginning of a root, whatever it is given as."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value[:BEGINNING])
    return beginning(value)


class joined(sa.ColumnElement[bytes]):  # noqa: N801 - it reads as a function
    """Two values of bytes, one after the other, in SQL."""

    inherit_cache = True
    type = LargeBinary()
    _traverse_internals = [  # noqa: RUF012
        ("first", InternalTraversal.dp_clauseelement),
        ("second", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, first: sa.ColumnElement[bytes], second: sa.ColumnElement[bytes]) -> None:
        self.first, self.second = first, second


@compiles(joined)
def _both(element: joined, compiler: Any, **kwargs: Any) -> str:
    first, second = (compiler.process(one, **kwargs) for one in (element.first, element.second))
    return f"({first} || {second})"


@compiles(joined, "sqlite")
def _both_as_bytes(element: joined, compiler: Any, **kwargs: Any) -> str:
    return f"CAST({_both(element, compiler, **kwargs)} AS BLOB)"  # SQLite's `||` makes a text


class by_root(sa.ColumnElement[bytes]):  # noqa: N801 - it reads as a function
    """The order of roots, for ORDER BY, as each database's index has it."""

    inherit_cache = True
    _traverse_internals = [("root", InternalTraversal.dp_clauseelement)]  # noqa: RUF012

    def __init__(self, root: sa.ColumnElement[bytes]) -> None:
        self.root = root


@compiles(by_root)
def _in_whole(element: by_root, compiler: Any, **kwargs: Any) -> str:
    return str(compiler.process(element.root, **kwargs))


@compiles(by_root, "sqlite")
def _from_the_beginning(element: by_root, compiler: Any, **kwargs: Any) -> str:
    first = compiler.process(beginning(element.root), **kwargs)
    return f"{first}, {compiler.process(element.root, **kwargs)}"
