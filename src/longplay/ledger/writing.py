"""Inserting many rows at once, in SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection

QUERY_ROWS = 500
"""Keys looked up in one query; SQLite takes at most 32,766 variables."""

T = TypeVar("T")


def insert(
    connection: Connection,
    table: sa.Table,
    values: list[dict[str, Any]],
    *,
    returning: Sequence[str] = (),
) -> list[tuple[Any, ...]]:
    """Add rows; one that is there already stays as it is. Returns the columns `returning` of the
    rows that were added."""
    if not values:
        return []
    statement = upserting(connection, table).on_conflict_do_nothing()
    if not returning:
        connection.execute(statement, in_order(table, values))
        return []
    told = statement.returning(*(table.c[name] for name in returning))
    return [tuple(row) for row in connection.execute(told, in_order(table, values))]


def upsert(connection: Connection, table: sa.Table, values: list[dict[str, Any]]) -> None:
    """Add rows; one that is there already is replaced."""
    if values:
        statement = upserting(connection, table)
        keys = [column.name for column in table.primary_key]
        changed = {name: statement.excluded[name] for name in values[0] if name not in keys}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
        connection.execute(statement, in_order(table, values))


def in_order(table: sa.Table, values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by key: two captures that bring the same objects never wait for each other in a ring.
    Rows that the database numbers come as they are."""
    keys = [column.name for column in table.primary_key]
    if any(key not in values[0] for key in keys):
        return values
    return sorted(values, key=lambda row: tuple(row[key] for key in keys))


def upserting(connection: Connection, table: sa.Table) -> Any:
    """An INSERT that knows ON CONFLICT."""
    if connection.dialect.name == "postgresql":
        return postgresql_insert(table)
    return sqlite_insert(table)


def parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """A long list in parts that one query takes."""
    return (values[at : at + QUERY_ROWS] for at in range(0, len(values), QUERY_ROWS))
