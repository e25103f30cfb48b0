"""The demo, as a newcomer runs it."""

from __future__ import annotations

from pathlib import Path

from tests.system.conftest import Longplay


def test_the_demo_goes_from_music_to_a_mirror_and_leaves_nothing_running(tmp_path: Path) -> None:
    demo = tmp_path / "demo"
    done = Longplay(demo / "archive").json("demo", demo)
    assert done["verified"] == done["capture"]["captured"] + 1  # and a picture that one embeds
    released = {row["release"] for row in done["release"]["releases"]}
    assert released == {"s1-0001", "s2-0001", "s3-0001", "s4-0001"}
    # Two recordings that are nobody's business, pictures that only they or the folder have, and two
    # that stand in files of both sorts.
    assert done["release"]["withheld"] == {"personal": 6, "contradictory": 2}
    assert done["mirror"]["objects"] == done["mirror"]["verified"] > 0
    assert done["mirror"]["missing"] == 0
    assert done["mirror"]["refused"] == []
    mirror = Longplay(demo / "mirror").json("verify")
    assert (mirror["checked"], mirror["damaged"]) == (done["mirror"]["objects"], [])
    assert Path(done["picture"]).stat().st_size > 0
