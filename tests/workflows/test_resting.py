"""What a mirror lets go is gone in its replicas too, whoever fills them meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from longplay.archive import open_archive, set_sharing
from longplay.model import ObjectKey
from longplay.vault.store import FolderStore
from longplay.workflows import replicating, resting, verifying
from tests.release.feeding import tombstone
from tests.workflows.conftest import quiet
from tests.workflows.mirrored import Published, follow, held, mirror_in, serving


def test_what_is_replicated_while_it_is_let_go_stays_in_no_replica(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = Published(tmp_path / "origin")
    mirror, replica = mirror_in(tmp_path / "mirror"), tmp_path / "second"
    replica.mkdir()
    settings = mirror / "longplay.toml"
    settings.write_text(
        settings.read_text() + f'\n[[replicas]]\nname = "second"\nlocation = "{replica}"\n'
    )
    with serving(published) as address:
        published.seeds = (f"{address}/seed/",)
        published.publish()
        follow(mirror, f"{address}/releases/feed.json")
        published.origin = published.origin.next()
        root, size = next((root, len(data)) for root, data in held(mirror).items() if data)
        published.publish(tombstones=[{**tombstone(1, size), "root": root}])
        follow(mirror, f"{address}/releases/feed.json")
    assert root in held(mirror)
    set_sharing(mirror, rest_days=0)
    destroy = FolderStore.destroy
    with open_archive(mirror) as archive:

        def meanwhile(store: FolderStore, key: ObjectKey) -> int:
            replicating.replicate(archive, limit=None, progress=quiet)
            assert list(replica.rglob(f"{root}*"))
            return destroy(store, key)

        monkeypatch.setattr(FolderStore, "destroy", meanwhile)
        feed = (mirror / "releases" / "feed.json").read_text()
        archive_id = feed.partition('"archive": "')[2][:16]
        assert resting.let_go(archive, archive_id) == 1
        assert root not in held(mirror)
        assert list(replica.rglob(f"{root}*")) == []
        assert resting.let_go(archive, archive_id) == 0
        assert verifying.verify(archive, progress=quiet).sound
