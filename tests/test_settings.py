"""Settings: typed, told by line, and newer ones left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from longplay import archive, settings
from longplay.errors import ArchiveError, UsageError
from longplay.settings import Settings, Source


def load(folder: Path, text: str) -> Settings:
    (folder / settings.SETTINGS_FILE).write_text(text)
    return settings.load(folder)


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Settings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("policy = 3", "policy"),
        ("[policy]\nstages = [0.5, 0.4, 1.0]", "stages must rise"),
        ("[policy]\nstages = [0.5]", "last stage"),
        ("colour = 'red'", "colour"),
        ("name = ]", "line 1"),
        ("version = 2", "newer Longplay"),
        ("[[sources]]\nname='A b'\nkind='folder'\nlocation='/'\nrights='x'", "sources.0.name"),
        ("[limits]\nfile_seconds = 0", "limits.file_seconds"),
        ("[serving]\nlog_days = 1000000", "serving.log_days"),
        ("[serving]\nlog_days = inf", "serving.log_days"),
        ("[serving]\nlog_days = nan", "serving.log_days"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert "longplay.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_settings_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="longplay init"):
        settings.load(tmp_path)


@pytest.mark.parametrize(
    ("size", "piece"),
    [(0, 2**18), (64 * 2**20, 2**18), (64 * 2**20 + 1, 2**20), (2**30, 2**20), (2**31, 2**22)],
)
def test_piece_lengths_go_by_size_class(size: int, piece: int) -> None:
    assert Settings().piece_length(size) == piece


def test_sources_are_added_to_the_file_as_it_stands(tmp_path: Path) -> None:
    archive.create(tmp_path / "a").ledger.close()
    path = tmp_path / "a" / settings.SETTINGS_FILE
    path.write_text(path.read_text() + "# my own note\n")
    source = Source(name="cds", kind="folder", location="/music", rights="personal")
    for _ in range(2):
        assert archive.add_source(tmp_path / "a", source).sources == (source,)
    assert "# my own note" in path.read_text()
    other = source.model_copy(update={"location": "/elsewhere"})
    with pytest.raises(UsageError, match="another source named cds"):
        archive.add_source(tmp_path / "a", other)
    second = source.model_copy(update={"name": "lps"})
    assert archive.add_source(tmp_path / "a", second).sources == (source, second)


def test_an_archive_is_made_once_and_not_among_strangers(tmp_path: Path) -> None:
    archive.create(tmp_path / "a").ledger.close()
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "a").glob("*.toml"))
    archive.create(tmp_path / "a").ledger.close()
    assert before == sorted((p, p.stat().st_mtime_ns) for p in (tmp_path / "a").glob("*.toml"))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "diary.txt").write_text("dear")
    with pytest.raises(ArchiveError, match="not empty"):
        archive.create(tmp_path / "b")


def test_a_making_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    archive.create(tmp_path / "a").ledger.close()
    (tmp_path / "a" / settings.SETTINGS_FILE).unlink()
    archive.create(tmp_path / "a").ledger.close()
    with archive.open_archive(tmp_path / "a") as opened:
        assert opened.settings == Settings()
