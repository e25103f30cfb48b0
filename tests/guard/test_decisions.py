"""`longplay guard` for services other than Longplay: their logs, and the forms that others read."""

from __future__ import annotations

import csv
import io
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from longplay.cli.commands import app
from longplay.cli.options import opened
from longplay.errors import AccessError, InputError, LongplayError, UsageError
from longplay.guard import policy, record, stream
from tests.guard.made import copier, listener

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`longplay` beside an archive that nobody listens to; with a class of errors, what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "keys"))
    monkeypatch.setenv("LONGPLAY_ARCHIVE", "archive")

    def one(*words: str, fails: type[LongplayError] | None = None) -> str:
        done = CliRunner().invoke(app, list(words))
        if fails is None:
            assert done.exception is None, done.exception
            return str(done.stdout)
        assert isinstance(done.exception, fails), done.exception
        return str(done.exception)

    one("init", "archive")
    with Path("archive/longplay.toml").open("a") as file:
        file.write('\n[guard]\nact = "slow"\n')
    return one


def combined(path: str, rows: list[tuple[int, str, str, str]]) -> None:
    """A log in the Combined Log Format: time, address, user, track."""
    form = '{host} - {user} [{at}] "GET /stream/{track}.mp3 HTTP/1.1" 200 5000000 "-" "player"\n'
    with Path(path).open("w") as file:
        for at, host, user, track in sorted(rows):
            when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at))
            file.write(form.format(host=host, user=user, at=when, track=track))


def traffic(copies: int = 400) -> list[tuple[int, str, str, str]]:
    """Mallory copies, and so does somebody who did not sign in; Alice listens."""
    rows = []
    for at in range(copies):
        rows.append((1_750_032_000 + 210 * at, "198.51.100.8", "mallory", f"tm{at}x"))
        rows.append((1_750_032_000 + 210 * at, "198.51.100.7", "-", f"ta{at}x"))
    for one in listener("alice", days=5):
        rows.append((one["time"], "198.51.100.9", "alice", one["track"]))
    return rows


def watch(run: Callable[..., str], *words: str) -> str:
    return run("guard", "run", *words, "--once")


def document(run: Callable[..., str], *words: str) -> list[dict[str, object]]:
    return list(json.loads(run("guard", "decisions", "--json", *words))["decisions"])


def test_a_service_that_is_not_longplay_is_watched(run: Callable[..., str]) -> None:
    combined("web.log", traffic())
    out = watch(run, "web.log", "--map", "track=request|/stream/")
    assert "slow account:mallory (scraper" in out
    assert "slow address:198.51.100.7 (scraper" in out
    assert "alice" not in out
    run("guard", "hold", "account:mallory", "--reason", "asked")
    run("guard", "disable", "198.51.100.7")
    acts = {one["who"]: one["act"] for one in document(run)}
    assert acts == {"account:mallory": "hold", "address:198.51.100.7": "disable"}
    run("guard", "release", "mallory")
    run("guard", "exclude", "account:bob", "--reason", "an agreement")
    assert [one["who"] for one in document(run)] == ["address:198.51.100.7"]
    assert "there is no such account" in run("guard", "hold", "nobody", fails=AccessError)


def test_it_goes_on_where_it_was_and_through_turns(run: Callable[..., str]) -> None:
    combined("web.log", traffic(100))
    first = watch(run, "web.log", "--map", "track=request|/stream/")
    assert "slow" not in first.replace("'slow'", "")
    Path("web.log").rename("web.log.1")
    combined("web.log", [one for one in traffic(400) if one not in traffic(100)])
    assert "slow account:mallory" in watch(run, "web.log", "--map", "track=request|/stream/")


def test_a_table_with_a_header_is_followed(run: Callable[..., str]) -> None:
    with Path("plays.csv").open("w") as file:
        file.write("at;who;what;seconds\n")
        for one in copier("mallory", [f"t{at}x" for at in range(400)], gap=210):
            file.write(f"{one['time']};mallory;{one['track']};200\n")
    maps = ["time=at", "account=who", "track=what", "listened_s=seconds"]
    words = [word for one in maps for word in ("--map", one)]
    assert "slow account:mallory" in watch(run, "plays.csv", *words)
    assert "400 events" in watch(run, "plays.csv", *words)


def test_a_log_that_tells_no_account_is_refused(run: Callable[..., str]) -> None:
    Path("odd.log").write_text('{"a": 1}\n')
    error = run("guard", "run", "odd.log", "--once", fails=InputError)
    assert "odd.log: no field of this log is known to tell the time" in error


def test_a_name_without_an_end_is_cut(run: Callable[..., str]) -> None:
    names = ["x" * 100_000 + end for end in "ab"]
    with Path("plays.json").open("w") as file:
        for name in names:
            for one in copier(name, [f"t{name[-1]}{at}x" for at in range(150)], gap=210):
                file.write(json.dumps(one) + "\n")
    watch(run, "plays.json")
    found = [str(one["who"]) for one in document(run)]
    assert len(set(found)) == 2
    assert max(map(len, found)) < 250


def test_a_spreadsheet_has_pseudonyms_and_no_formulas(run: Callable[..., str]) -> None:
    combined("web.log", traffic())
    watch(run, "web.log", "--map", "track=request|/stream/")
    run("guard", "hold", "account:=1+1", "--reason", "@odd")
    text = run("guard", "decisions", "--format", "csv")
    for name in ("mallory", "198.51.100.7", "=1+1", "operator"):
        assert name not in text
    rows = list(csv.DictReader(io.StringIO(text)))
    called = record.pseudonyms(Path("archive"))
    assert {one["who"] for one in rows} == {
        called("account:mallory"), called("address:198.51.100.7"), called("account:=1+1")
    }  # fmt: skip
    assert {one["reasons"] for one in rows if one["act"] == "hold"} == {"'@odd"}
    assert {one["by"] for one in rows} == {"guard", "person"}
    assert "different tracks" in text
    named = run("guard", "decisions", "--format", "csv", "--names")
    assert {one["who"] for one in csv.DictReader(io.StringIO(named))} == {
        "account:mallory", "address:198.51.100.7", "account:=1+1"
    }  # fmt: skip
    graver = run("guard", "decisions", "--format", "csv", "--least", "hold")
    assert len(graver.splitlines()) == 2
    hidden = run("guard", "decisions", "--json", "--pseudonyms")
    assert "mallory" not in hidden
    assert "operator" not in hidden


def test_a_table_under_pseudonyms_names_nobody(run: Callable[..., str]) -> None:
    run("guard", "hold", "account:bob", "--reason", "odd")
    with opened(Path("archive")) as it:
        policy.appeal(it.folder, it.ledger, "account:bob", "It was Ann's party.")
    named = run("guard", "decisions")
    assert "account:bob appeals: It was Ann's party." in named
    assert "operator" in named
    hidden = run("guard", "decisions", "--pseudonyms")
    called = record.pseudonyms(Path("archive"))("account:bob")
    assert f"{called} appeals\n" in hidden
    assert f"{called}: odd" in hidden
    assert "person" in hidden
    for name in ("bob", "operator", "party"):
        assert name not in hidden


def test_changes_are_told_in_their_order(run: Callable[..., str]) -> None:
    assert json.loads(run("guard", "decisions", "--changes", "--json")) == []
    run("guard", "hold", "account:bob", "--reason", "odd")
    run("guard", "release", "account:bob")
    rows = list(csv.DictReader(io.StringIO(
        run("guard", "decisions", "--changes", "--format", "csv"))))  # fmt: skip
    assert [(one["act"], one["reasons"]) for one in rows] == [("hold", "odd"), ("release", "")]
    assert "bob" not in str(rows)
    told = json.loads(run("guard", "decisions", "--changes", "--json"))
    assert [one["who"] for one in told] == ["account:bob"] * 2
    assert "account:bob" in run("guard", "decisions", "--changes")


def test_programs_that_block_are_told_true_names(run: Callable[..., str]) -> None:
    run("guard", "disable", "192.0.2.1", "2001:DB8::1", "account:eve smith")
    run("guard", "cap", "192.0.2.2")
    assert run("guard", "decisions", "--format", "fail2ban").split() == ["192.0.2.1", "2001:db8::1"]
    capped = run("guard", "decisions", "--format", "fail2ban", "--least", "cap").split()
    assert capped == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    rows = json.loads(run("guard", "decisions", "--format", "crowdsec", "--hours", "6"))
    assert sorted((one["scope"], one["type"], one["value"]) for one in rows) == [
        ("Ip", "ban", "192.0.2.1"), ("Ip", "ban", "2001:db8::1"), ("Ip", "throttle", "192.0.2.2"),
        ("username", "ban", "eve smith"),
    ]  # fmt: skip
    assert {one["duration"] for one in rows} == {"6h"}
    assert {one["reason"] for one in rows} == {"longplay/guard-by-hand"}
    error = run("guard", "decisions", "--format", "fail2ban", "--pseudonyms", fails=UsageError)
    assert "fail2ban blocks by name" in error


def block(kind: str) -> str:
    """What docs/guard.md says is to be written into a file of fail2ban."""
    text = (DOCS / "guard.md").read_text()
    found = re.search(rf"```ini\n(# [^\n]*{kind}[^\n]*\n.*?)```", text, re.DOTALL)
    assert found, kind
    return found[1]


def hostile(run: Callable[..., str]) -> None:
    """Decisions of which one is about an account that is named like a line of the stream."""
    run("guard", "disable", "192.0.2.1", "2001:db8::1", "--reason", '"who":"address:203.0.113.1"')
    name = '","act":"disable","who":"address:203.0.113.2"}\n{"time":"","id":"a-1","act":"disable"'
    run("guard", "disable", f"account:{name}", 'account:192.0.2.9" ')
    run("guard", "cap", "192.0.2.2")


@pytest.mark.real
def test_the_filter_for_fail2ban_finds_who_is_disabled_and_nobody_else(
    run: Callable[..., str], program: Callable[[str], str]
) -> None:
    hostile(run)
    Path("longplay.conf").write_text(block("filter.d"))
    log = f"archive/guard/{stream.FILE}"
    words = [program("fail2ban-regex"), "-o", "<ip>", log, str(Path("longplay.conf").resolve())]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["192.0.2.1", "2001:db8::1"]


@pytest.mark.real
@pytest.mark.long
def test_a_running_fail2ban_bans_and_takes_the_list(
    run: Callable[..., str], program: Callable[[str], str], tmp_path: Path
) -> None:
    server, client = program("fail2ban-server"), program("fail2ban-client")
    hostile(run)
    folder = tmp_path / "f2b"
    for part in ("filter.d", "action.d", "jail.d"):
        (folder / part).mkdir(parents=True)
    (folder / "filter.d" / "longplay.conf").write_text(block("filter.d"))
    (folder / "action.d" / "none.conf").write_text("[Definition]\nactionban =\nactionunban =\n")
    (folder / "fail2ban.conf").write_text(
        f"[Definition]\nloglevel = INFO\nlogtarget = {folder}/log\nsocket = {folder}/socket\n"
        f"pidfile = {folder}/pid\ndbfile = None\n"
    )
    jail = block("jail.d").replace(
        "/srv/music/guard", str((tmp_path / "archive" / "guard").resolve())
    )
    (folder / "jail.conf").write_text(f"{jail}\naction = none\nbackend = polling\n")
    options = ["-c", str(folder), "-s", str(folder / "socket"), "-p", str(folder / "pid")]
    with subprocess.Popen([server, *options, "-f", "-x", "start"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:  # fmt: skip
        try:

            def ask(*words: str) -> str:
                done = subprocess.run([client, *options, *words], capture_output=True, text=True,
                                      timeout=60, check=False)  # fmt: skip
                return done.stdout

            def banned(count: int) -> set[str]:
                for _ in range(300):
                    found = ask("get", "longplay", "banip").split()
                    if len(found) >= count:
                        break
                    time.sleep(0.1)
                return set(found)

            assert banned(2) == {"192.0.2.1", "2001:db8::1"}
            run("guard", "disable", "192.0.2.3")
            assert banned(3) == {"192.0.2.1", "192.0.2.3", "2001:db8::1"}
            ask("unban", "--all")
            listed = run("guard", "decisions", "--format", "fail2ban").split()
            ask("set", "longplay", "banip", *listed)
            assert banned(3) == {"192.0.2.1", "192.0.2.3", "2001:db8::1"}
        finally:
            process.terminate()


@pytest.mark.real
@pytest.mark.long
def test_crowdsec_takes_the_decisions(run: Callable[..., str], tmp_path: Path) -> None:
    """A local API of its own, on loopback, that knows no central one."""
    root = Path(__file__).parents[2] / ".venv" / "crowdsec" / "usr" / "bin"
    if not (root / "cscli").exists():
        pytest.skip("CrowdSec is not there: `make crowdsec`")
    hostile(run)
    (tmp_path / "decisions.json").write_text(run("guard", "decisions", "--format", "crowdsec"))
    folder, port = tmp_path / "crowdsec", _free_port()
    (folder / "hub").mkdir(parents=True)
    (folder / "hub" / ".index.json").write_text("{}")
    for name in ("login.yaml", "profiles.yaml", "simulation.yaml"):
        (folder / name).touch()
    profile = (
        "name: all\nfilters: ['Alert.Remediation == true']\ndecisions: [{type: ban, duration: 4h}]"
    )
    (folder / "profiles.yaml").write_text(profile)
    settings = {
        "common": {"log_media": "stdout", "log_dir": str(folder), "working_dir": "."},
        "config_paths": {"config_dir": f"{folder}/", "data_dir": f"{folder}/", "hub_dir":
                         f"{folder}/hub/", "index_path": f"{folder}/hub/.index.json",
                         "simulation_path": f"{folder}/simulation.yaml",
                         "notification_dir": f"{folder}/", "plugin_dir": f"{folder}/"},
        "crowdsec_service": {"enable": False},
        "db_config": {"type": "sqlite", "db_path": f"{folder}/crowdsec.db"},
        "api": {"client": {"credentials_path": f"{folder}/login.yaml"},
                "server": {"listen_uri": f"127.0.0.1:{port}", "profiles_path":
                           f"{folder}/profiles.yaml", "console_path": f"{folder}/console.yaml"}},
        "prometheus": {"enabled": False},
    }  # fmt: skip
    (folder / "config.yaml").write_text(json.dumps(settings))

    def ask(*words: str) -> str:
        words = (str(root / "cscli"), "-c", f"{folder}/config.yaml", *words)
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    address = f"http://127.0.0.1:{port}"
    ask("machines", "add", "one", "--password", "x" * 32, "-u", address, "-f",
        f"{folder}/login.yaml", "--force")  # fmt: skip
    words = [str(root / "crowdsec"), "-c", f"{folder}/config.yaml", "-no-cs"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _answers(port)
            ask("decisions", "import", "--scope", "", "-i", str(tmp_path / "decisions.json"))
            listed = json.loads(ask("decisions", "list", "--all", "-o", "json"))
        finally:
            process.terminate()
    found = {
        (one["scope"], one["type"], one["value"], one["scenario"])
        for alert in listed
        for one in alert["decisions"]
    }
    wanted = json.loads((tmp_path / "decisions.json").read_text())
    assert found == {(one["scope"], one["type"], one["value"], one["reason"]) for one in wanted}
    assert len(found) == 5


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _answers(port: int) -> None:
    for _ in range(300):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("CrowdSec does not answer")
