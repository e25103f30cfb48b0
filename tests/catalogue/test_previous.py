"""A source's tracks before and after an import, compared in parts on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longplay.catalogue import ids, layout, parted, previous
from tests.catalogue.conftest import Write

Layer = dict[int, int]
"""Tracks with the one that stands for each."""

layers = st.dictionaries(st.integers(1, 9), st.integers(1, 9), min_size=1, max_size=8).map(
    lambda drawn: {track: min(t for t in drawn if drawn[t] == drawn[track]) for track in drawn}
)


def spread(track: int) -> int:
    """A key for a small number, such that keys fall into different parts."""
    return track * 0x1C71_C71C_71C7_1C71 % 2**64


def arrays(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    tracks = list(layer)
    own_keys = np.array([spread(track) for track in tracks], np.uint64)
    return own_keys, np.array([tracks.index(layer[track]) for track in tracks], np.uint32)


def unsettled(was: Layer, now: Layer, said: set[int]) -> set[int]:
    """The rule of `Pair.compare` in plain words."""
    fellows = {track: {t for t in was if was[t] == was[track]} for track in was}
    found = set()
    for track, standing in now.items():
        if track in was:
            stay = all(t in now and now[t] == standing for t in fellows[track])
            settled = was[track] == standing and stay
        else:
            settled = not {track, standing} & said
        if not settled:
            found.add(track)
    return found


@pytest.mark.parametrize("one_part", [parted.ONE_PART, 0, 4])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(was=layers, now=layers, said=st.sets(st.integers(1, 9)))
def test_what_changed_is_told_in_any_number_of_parts(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    one_part: int,
    was: Layer,
    now: Layer,
    said: set[int],
) -> None:
    monkeypatch.setattr(parted, "ONE_PART", one_part)
    scratch = tmp_path_factory.mktemp("pair")
    own_keys, same = arrays(was)
    records = np.empty(len(was), previous.DATED)
    records["key"], records["standing"] = own_keys, own_keys[same]
    records["since"] = list(was)
    cut = parted.Parted(scratch, "before", previous.DATED, parted.bits_for(len(was)))
    cut.add(records, own_keys)

    pair = previous.follow(previous.Tracks(len(was), cut), *arrays(now), scratch)
    names = {spread(track): track for track in range(1, 10)}
    found = pair.compare(lambda keys: np.isin(keys, [spread(track) for track in said]))

    assert pair.since(77).tolist() == [track if track in was else 77 for track in now]
    assert {names[key] for key in found.gone.tolist()} == set(was) - set(now)
    both = set(was) & set(now)
    assert {names[key] for key in found.moved.tolist()} == {t for t in both if was[t] != now[t]}
    assert {list(now)[place] for place in found.unsettled} == unsettled(was, now, said)
    asked = pair.before.of(np.array([spread(3), spread(4), spread(3)], np.uint64))
    assert {(names[r["key"]], names[r["standing"]], r["since"]) for r in asked} == {
        (track, was[track], track) for track in (3, 4) if track in was
    }


def test_the_layer_before_is_read_as_it_was_written(
    catalogue: Path, bring: Write, tmp_path: Path
) -> None:
    one, two = ({"id": own_id, "isrc": "USABC0000001"} for own_id in "12")
    bring("a", [one])
    bring("a", [one, two, {"id": "3"}])
    layer = layout.read(catalogue, layout.current_number(catalogue)).layers["a"]
    keys = {own_id: ids.row_key("tr", "a", own_id) for own_id in "123"}
    found = previous.read(catalogue, layer, tmp_path).of(np.array(list(keys.values()), np.uint64))
    stands = min(keys["1"], keys["2"])
    assert {(r["key"], r["standing"], r["since"]) for r in found} == {
        (keys["1"], stands, 1),
        (keys["2"], stands, 2),
        (keys["3"], keys["3"], 2),
    }
