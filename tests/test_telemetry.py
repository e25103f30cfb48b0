"""What is told to those who watch: metrics and traces in memory, events as lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from longplay import logs, telemetry
from longplay.archive import create
from longplay.ledger import batches
from longplay.ledger.batches import Batch, File
from longplay.model import ObjectKey
from tests.collecting import Seen


def test_spans_lie_inside_each_other(seen: Seen) -> None:
    with telemetry.span("longplay capture"), telemetry.span("range", first=0, last=1023):
        pass
    inner, outer = seen.spans.get_finished_spans()
    assert (inner.name, outer.name) == ("range", "longplay capture")
    assert dict(inner.attributes or {}) == {"first": 0, "last": 1023}
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id


def test_counters_add_up(seen: Seen) -> None:
    telemetry.files("captured", 3)
    telemetry.files("captured", 4)
    telemetry.files("failed", 1)
    telemetry.files("skipped", 0)
    telemetry.fetched(1000, again=100)
    telemetry.stored(700)
    telemetry.took("decode", 0.5)
    telemetry.took("decode", 0.7)
    assert seen.points("longplay.files") == {"captured": 7, "failed": 1}
    assert seen.points("longplay.bytes") == {"fetched": 900, "fetched again": 100, "stored": 700}
    assert seen.points("longplay.step.duration") == {"decode": 2}


def batch() -> Batch:
    key = ObjectKey(b"r" * 32, 500)
    files = [
        File("a", b"one", key, 500, 0, 0, "original", 1, 1, "audio", ".ogg", None, (), (), None),
        File("a", b"two", None, 9, 0, 0, "original", 1, 1, "other", "", None, (), (), "no music"),
    ]
    return Batch(7, "plan", "2026-11-28T00:00:00.000Z", files, {key: (bytes(32), 1)})


def test_a_batch_is_told_of_when_it_is_committed(
    seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "log"
    monkeypatch.setenv(logs.VARIABLE, str(place))
    with create(tmp_path / "archive", secrets=tmp_path / "keys") as archive:
        with pytest.raises(RuntimeError), archive.ledger.write(alone=False) as connection:
            batches.add(connection, batch())
            batches.append(connection, batch(), bytes(32), {})
            raise RuntimeError
        assert seen.points("longplay.files") == {}
        with archive.ledger.write(alone=False) as connection:
            batches.add(connection, batch())
            batches.append(connection, batch(), bytes(32), {})
    assert seen.points("longplay.files") == {"captured": 1, "quarantined": 1}
    assert seen.points("longplay.bytes") == {"stored": 500}
    assert seen.points("longplay.step.duration")["ledger"] > 0
    told = [json.loads(line) for line in place.read_text().splitlines()]
    assert [(one["event"], one["files"], one["quarantined"], one["bytes"]) for one in told] == [
        ("batch", 1, 1, 500)
    ]


def test_nothing_happens_where_nobody_asked(tmp_path: Path) -> None:
    program = (
        "import sys; from longplay import telemetry\n"
        "assert telemetry.start('1') is None\n"
        "with telemetry.span('a'): telemetry.files('captured', 1)\n"
        "telemetry.took('a', 1); telemetry.stop()\n"
        "assert 'opentelemetry' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(telemetry.ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    problem = telemetry.start("1")
    assert problem is not None
    assert "install longplay[telemetry]" in problem


def test_settings_that_the_sdk_refuses_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    monkeypatch.setenv(telemetry.ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "-1")
    problem = telemetry.start("1")
    assert problem is not None
    assert problem.startswith("OpenTelemetry refuses its settings: ")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9", True),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://127.0.0.1:9", True),
        (telemetry.ENDPOINT, "", False),
        ("OTEL_SDK_DISABLED", "True", False),
    ],
)
def test_the_environment_says_whether_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, wanted: bool
) -> None:
    if name == "OTEL_SDK_DISABLED":
        monkeypatch.setenv(telemetry.ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setenv(name, value)
    # With the extra away, whoever would begin to send says so.
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    assert (telemetry.start("1") is not None) is wanted


def test_nobody_waits_for_a_collector_after_ctrl_c(tmp_path: Path) -> None:
    program = (
        "from longplay import telemetry; from longplay.cli import main\n"
        "def impatient(): raise KeyboardInterrupt\n"
        "telemetry.stop = impatient; main.run()\n"
    )
    words = ["init", str(tmp_path / "archive"), "--keys", str(tmp_path / "keys")]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["status", "--archive"], "longplay status"),
        (["catalogue", "search", "--archive"], "longplay catalogue"),
        (["--archive"], "longplay"),
        ([], "longplay"),
    ],
)
def test_what_is_told_of_a_command_line_names_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv(logs.VARIABLE, str(log))
    command = [sys.executable, "-m", "longplay", *words, str(tmp_path / "mine")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    ended = [json.loads(line) for line in log.read_text().splitlines()][-1]
    assert (ended["event"], ended["command"]) == ("command", told)


def test_a_collector_that_is_away_is_no_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    monkeypatch.setenv(telemetry.ENDPOINT, "http://127.0.0.1:9")
    words = [sys.executable, "-m", "longplay", "init", str(tmp_path / "archive"), "--keys"]
    done = subprocess.run(
        [*words, str(tmp_path / "keys")], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stderr == ""
    assert (tmp_path / "archive" / "longplay.toml").is_file()


def test_a_command_and_its_error_are_lines_of_their_own(tmp_path: Path) -> None:
    place = tmp_path / "log"
    words = [sys.executable, "-m", "longplay", "--log", str(place), "status", "--archive"]
    done = subprocess.run(
        [*words, str(tmp_path / "no\nne")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    told = [json.loads(line) for line in place.read_text().splitlines()]
    assert [(one["event"], one["level"]) for one in told] == [
        ("error", "error"),
        ("command", "error"),
    ]
    assert told[0]["code"] == "archive"
    assert told[0]["where"] == str(tmp_path / "no\nne")
    assert (told[1]["command"], told[1]["status"]) == ("longplay status", 1)
    assert told[0]["time"].endswith("Z")


def test_a_log_may_be_standard_error(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "longplay", "--log", "-", "status", "--json", "--archive"]
    done = subprocess.run(
        [*words, str(tmp_path / "none")], capture_output=True, text=True, check=False
    )
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert [one["event"] for one in told] == ["error", "command"]
    assert json.loads(done.stdout)["error"]["where"] == str(tmp_path / "none")


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("/no/such/folder/log", "/"):
        monkeypatch.setenv(logs.VARIABLE, place)
        logs.event("batch", files=1, odd=b"bytes", path="\udce9" * 5000)


def test_a_line_is_bounded_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(logs.VARIABLE, str(tmp_path / "log"))
    logs.event("odd", logs.WARNING, text="x\n" * 10_000, lone="\udce9", mark="\u2028")
    (line,) = (tmp_path / "log").read_bytes().split(b"\n")[:-1]
    told = json.loads(line)
    assert len(told["text"]) == logs.MAX_TEXT
    assert told["level"] == "warning"
