"""A ledger as older versions of its tables had it, made from one of today."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.ledger import tables, version_3

INDEXES = (
    "object_by_check ON object (checked, root)",
    "object_unjudged ON object (root) WHERE access IS NULL",
    "holding_by_object ON holding (root, track, album, source, action)",
    "manifestation_by_object ON manifestation (root, role)",
    "embedded_by_picture ON embedded (picture)",
    "copy_by_check ON copy (replica, checked, root)",
)


def contents(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """What version 3 said, table by table, each in order, read from the tables of today."""
    queries: dict[str, Any] = {
        "object": sa.select(tables.objects),
        "holding": sa.select(tables.holdings),
        "manifestation": sa.select(tables.manifestations, tables.object_rows.c.size).join(
            tables.object_rows, tables.object_rows.c.number == tables.manifestations.c.object
        ),
        "embedded": sa.select(tables.embedded),
        "copy": sa.select(tables.copies),
    }
    found = {}
    for name, query in queries.items():
        names = [column.name for column in version_3.metadata.tables[name].c]
        rows = [{each: row[each] for each in names} for row in connection.execute(query).mappings()]
        found[name] = sorted(rows, key=repr)
    return found


def to_version_3(connection: Connection) -> None:
    """Make the tables those of version 3, with the same content."""
    forgotten = dict(
        connection.execute(sa.select(tables.forgotten.c.root, tables.forgotten.c.size)).all()
    )
    found = contents(connection)
    for name in ("source", "folder", *version_3.NAMES):
        tables.metadata.tables[name].drop(connection)
    version_3.metadata.create_all(connection)
    for index in INDEXES:
        connection.exec_driver_sql(f"CREATE INDEX {index}")
    for name, rows in found.items():
        for row in rows:
            if row.get("size", 0) is None:
                row["size"] = forgotten[row["root"]]
        if rows:
            connection.execute(version_3.metadata.tables[name].insert(), rows)
    connection.execute(tables.meta.update().where(tables.meta.c.key == "version").values(value="3"))
