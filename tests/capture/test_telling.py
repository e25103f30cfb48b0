"""What a capture tells those who collect metrics and traces, and what it does not."""

from __future__ import annotations

from collections import Counter

import pytest

from longplay import telemetry
from longplay.archive import Archive
from longplay.capture.pipeline import capture
from longplay.capture.sources import Limit
from longplay.errors import StoreError
from tests.capture.giving import Giving
from tests.capture.jobs import NAMES, job
from tests.collecting import Seen


def test_ranges_files_bytes_and_steps_are_told(
    archive: Archive, giving: Giving, seen: Seen
) -> None:
    giving.breaks = Counter({NAMES[0]: 1})
    giving.down = {"down"}
    giving.limits = {NAMES[5]: Limit("down", 2, 1e6)}
    with telemetry.span("longplay capture"):
        totals = capture(archive.places, job(archive, NAMES))
    assert (totals.captured, totals.failed) == (29, 1)
    *ranges, command = seen.spans.get_finished_spans()
    assert command.context is not None
    first = dict(ranges[0].attributes or {})
    assert first == {"first": 0, "last": 29, "claimed": 0}
    for one in ranges:
        assert one.name == "range"
        assert one.parent is not None
        assert one.parent.span_id == command.context.span_id
    files = seen.points("longplay.files")
    assert files.pop("postponed") >= 1
    assert files == {"captured": 29}
    told = seen.points("longplay.bytes")
    assert told["fetched"] + told.get("fetched again", 0) == totals.fetched
    assert told["stored"] == totals.bytes
    steps = seen.points("longplay.step.duration")
    assert steps["decode"] == 29
    assert steps["fetch"] >= 30
    assert steps["store"] >= 1


def test_what_fails_is_told_and_its_name_is_not(seen: Seen) -> None:
    with pytest.raises(StoreError), telemetry.span("range"), telemetry.step("store"):
        raise StoreError("is gone", where="/home/ann/song.flac")
    (told,) = seen.spans.get_finished_spans()
    assert "ann" not in told.to_json()
    assert seen.points("longplay.step.duration") == {"store": 1}
