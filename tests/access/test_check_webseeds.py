"""`release check-webseeds`: what an archive's web seeds serve, against its own torrents."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.access.conftest import Served
from tests.release.test_probing import lies, seed


def all_files(served: Served) -> dict[str, bytes]:
    """What a served archive answers for each file of each torrent."""
    found = {}
    for torrent in served.torrents():
        for file in torrent.files:
            path = f"/seed/{'/'.join((torrent.name, *file.path))}"
            found[path] = served.web.get(quote(path)).content
    return found


def check(served: Served, *seeds: str, expect: int = 0) -> Any:
    settings = served.longplay.archive / "longplay.toml"
    lines = settings.read_text().split("\n[sharing]")[0]
    settings.write_text(f"{lines}\n[sharing]\nweb_seeds = {list(seeds)!r}\n")
    return served.longplay.json("release", "check-webseeds", expect=expect)


def test_each_seed_is_asked_for_a_piece_of_each_volume(served: Served) -> None:
    files = all_files(served)
    with seed(files) as good, seed(files, give=lies) as lying, seed({}) as empty:
        found = check(served, good, lying, empty, expect=3)
    assert (found["volumes"], found["empty"], found["good"], found["wrong"]) == (2, 0, 2, 2)
    facts = [(one["good"], one["wrong"], one["silent"], one["not_asked"]) for one in found["seeds"]]
    assert facts == [(2, 0, 0, 0), (0, 2, 0, 0), (0, 0, 2, 0)]
    assert {one["volume"] for one in found["seeds"][1]["troubles"]} == {
        "longplay-s1-m0001",
        "longplay-s1-v0001",
    }
    assert {one["why"] for one in found["seeds"][2]["troubles"]} == {"answers 404 Not Found"}


def test_what_is_withdrawn_is_not_asked_for(served: Served) -> None:
    files = all_files(served)
    for line in served.manifest():
        claim = served.longplay.json(
            "claim", "add", "--who", "A", "--contact", "a@example.org", "--ground", "mine",
            "--recording", line["recording"],
        )["claim"]  # fmt: skip
        served.longplay.run("claim", "uphold", claim)
    with seed({path: data for path, data in files.items() if "-m0001/" in path}) as good:
        found = check(served, good)
    assert (found["volumes"], found["empty"], found["good"], found["wrong"]) == (2, 1, 1, 0)


def test_no_seed_proves_anything_or_none_is_known(served: Served) -> None:
    with seed({}) as empty:
        assert check(served, empty, expect=1)["good"] == 0
    assert check(served, expect=1)["error"]["message"] == "no web seed is known"
