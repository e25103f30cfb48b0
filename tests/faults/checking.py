"""What must hold after every fault, and how an archive is told where to work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from longplay.archive import open_archive
from longplay.ledger import tables
from longplay.planning import table
from longplay.workflows import planning
from tests.dask_cluster import DaskCluster
from tests.system.conftest import Longplay


def use(longplay: Longplay, **settings: str) -> None:
    """Make the archive if need be, and say in its settings where it shall work."""
    longplay.run("init", longplay.archive)
    path = longplay.archive / "longplay.toml"
    kept = [
        line
        for line in path.read_text().splitlines(keepends=True)
        if line.partition(" = ")[0] not in settings
    ]
    lines = [f'{name} = "{value}"\n' for name, value in settings.items() if value]
    at = kept.index("version = 1\n") + 1
    path.write_text("".join([*kept[:at], *lines, *kept[at:]]))


def rows(longplay: Longplay) -> dict[tuple[str, bytes], str]:
    """Every row of the newest plan: `held`, why it is in quarantine, or `due`."""
    with open_archive(longplay.archive) as archive:
        plan = planning.current_plan(archive)
        path = planning.plan_path(archive, plan.id)
        listed = table.read_range(path, 0, plan.entries - 1).to_pylist()
        h, q = tables.holdings.c, tables.quarantine.c
        with archive.ledger.read() as connection:
            held = set(map(tuple, connection.execute(sa.select(h.source, h.path))))
            aside = {
                (source, name): reason
                for source, name, reason in connection.execute(
                    sa.select(q.source, q.path, q.reason)
                )
            }
    found = {}
    for row in listed:
        name = (row["source"], row["path"])
        found[name] = "held" if name in held else aside.get(name, "due")
    return found


def settle(longplay: Longplay, cluster: DaskCluster) -> None:
    """Another capture, by this machine alone: it removes what those left that died."""
    for worker in list(cluster.workers):
        cluster.kill(worker)
    use(longplay, engine="")
    done = longplay.json("capture")
    assert (done["captured"], done["failed"]) == (0, 0)


def check(longplay: Longplay, *, due: int = 0) -> dict[tuple[str, bytes], str]:
    """Assert that nothing was lost and nothing is half there; `due` files may still be due.

    Gives the state of every row of the plan.
    """
    found = rows(longplay)
    assert all(found.values())  # a quarantine without a reason would be empty
    assert list(found.values()).count("due") == due
    assert longplay.json("status")["due"] == due
    said = longplay.json("verify")
    wrong = ("damaged", "missing", "unvouched", "unknown_files", "damaged_evidence")
    assert {name: said[name] for name in wrong} == {name: [] for name in wrong}
    assert said["log"]["ok"]
    strays = leftovers(longplay.archive)
    assert strays == []
    return found


def leftovers(folder: Path) -> list[str]:
    """Files that nothing names: temporary ones, evidence and quarantine of no row."""
    with open_archive(folder) as archive:
        with archive.ledger.read() as connection:
            named = set(connection.scalars(sa.select(tables.evidence_files.c.name)))
            q = tables.quarantine.c
            aside = {
                f"{root.hex()}-{size}"
                for root, size in connection.execute(sa.select(q.root, q.size))
                if root is not None
            }
        kept: list[tuple[Path, set[str]]] = [
            (archive.evidence, named),
            (archive.quarantine, aside),
            (folder / "objects" / "incoming", set()),
        ]
    strays = [
        str(path)
        for place, names in kept
        for path in (place.iterdir() if place.is_dir() else ())
        if path.name not in names
    ]
    for top, _, names in os.walk(folder):
        strays += [f"{top}/{name}" for name in names if name.endswith(".part")]
    return sorted(set(strays))


def facts(longplay: Longplay) -> dict[str, Any]:
    """What is held, from where and as what, whoever captured it: equal after equal captures."""
    o, h, m, q = (
        tables.objects.c,
        tables.holdings.c,
        tables.manifestations.c,
        tables.quarantine.c,
    )
    asked = {
        "objects": sa.select(o.root, o.size, o.sha256, o.kind, o.suffix, o.piece_length, o.verdict),
        "holdings": sa.select(
            *(h.source, h.path, h.root, h.size, h.source_size, h.mtime_ns, h.mode),
            *(h.action, h.track, h.album, h.superseded, h.version),
        ),
        "manifestations": sa.select(
            m.recording, m.root, m.start_ms, m.end_ms, m.role, m.derived_from
        ),
        "quarantine": sa.select(q.source, q.path, q.reason, q.root, q.size, q.mtime_ns),
    }
    with open_archive(longplay.archive) as archive, archive.ledger.read() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(query)), key=repr)
            for name, query in asked.items()
        }
