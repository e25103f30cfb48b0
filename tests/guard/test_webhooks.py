"""Changes that are posted to other servers: signed, until they are taken, and to nobody else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from longplay import clock
from longplay.cli.commands import app
from longplay.errors import ArchiveError, SourceError
from longplay.guard import policy, posting, record, signing, stream
from longplay.guard.posting import Endpoint, Poster
from longplay.guard.record import Act
from longplay.ledger import database
from longplay.ledger.database import Ledger
from longplay.settings import Webhook

SECRET = b"s" * 32


@dataclass
class Receiver:
    """A server, what it was sent, and what it answers: a status, or a function; then 200."""

    address: str
    answers: list[Any] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    more: dict[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"].rpartition("-")[2] for headers, _ in self.got]

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            one.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            answer = one.answers.pop(0) if one.answers else 200
            if callable(answer):
                answer = answer(self)
            if answer:
                self.send_response(answer)
                for name, value in one.more.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        one = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook?a=b")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield one
        finally:
            server.shutdown()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return database.create("sqlite:///ledger.sqlite3", tmp_path)


@dataclass
class Guarded:
    """An archive whose decisions are posted."""

    folder: Path
    ledger: Ledger

    def decide(self, *names: str) -> None:
        policy.act_on(self.folder, self.ledger, names, Act.HOLD, "ann", "odd")

    @contextmanager
    def poster(self, address: str, **more: Any) -> Iterator[Poster]:
        """What posts, as after a start of the guard."""
        hook = Webhook(**{"address": address, "private": True, **more})
        called = record.pseudonyms(self.folder)
        one = Poster(self.folder / record.FOLDER, Endpoint(hook, SECRET), called)
        try:
            yield one
        finally:
            one.close()


@pytest.fixture
def guarded(tmp_path: Path, ledger: Ledger) -> Guarded:
    return Guarded(tmp_path, ledger)


def test_the_signature_is_that_of_the_standard() -> None:
    """The example that the standard's own libraries are tested by."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    found = signing.headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert signing.secret_text(secret) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_what_is_decided_is_told_under_a_pseudonym(guarded: Guarded, receiver: Receiver) -> None:
    guarded.decide("account:1")  # before: not told
    with guarded.poster(receiver.address) as poster:
        guarded.decide("account:2", "address:192.0.2.1")
        policy.release(guarded.folder, guarded.ledger, ["account:2"], "ann", "")
        poster.post()
        poster.post()
    assert receiver.ids == ["2", "3", "4"]
    assert [one["type"] for one in receiver.told] == ["guard.hold", "guard.hold", "guard.release"]
    headers, body = receiver.got[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mark = base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{mark}"
    assert abs(int(headers["webhook-timestamp"]) - clock.now().timestamp()) < 100
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("Longplay/")
    called = record.pseudonyms(guarded.folder)
    assert receiver.told[0]["data"] == {
        "who": called("account:2"), "act": "hold", "by": "person", "verdict": "by hand",
        "probability": 1.0, "tracks": 0, "group": None, "reasons": ["odd"],
    }  # fmt: skip
    everything = str(receiver.got)
    assert "192.0.2.1" not in everything
    assert "account:2'" not in everything
    assert "ann" not in everything


def test_names_are_told_where_the_settings_say_so(guarded: Guarded, receiver: Receiver) -> None:
    with guarded.poster(receiver.address, names=True) as poster:
        guarded.decide("address:192.0.2.1")
        poster.post()
    assert [one["data"]["who"] for one in receiver.told] == ["address:192.0.2.1"]
    assert receiver.told[0]["data"]["by"] == "ann"


def test_a_server_that_fails_is_tried_again(guarded: Guarded, receiver: Receiver) -> None:
    receiver.answers = [500, 503]
    receiver.more = {"retry-after": "20"}
    with guarded.poster(receiver.address) as poster:
        guarded.decide("account:1", "account:2")
        assert poster.post() == 20  # as it asks
        assert "it answers 500" in poster.posted.problem
        receiver.more = {"retry-after": "99999999"}
        assert poster.post() == posting.WAITS[-1]
        receiver.more = {}
        assert poster.post() == posting.LOOK_SECONDS
        assert (poster.posted.taken, poster.posted.problem) == (2, "")
    assert receiver.ids == ["1", "1", "1", "2"]
    assert receiver.told[0] == receiver.told[2]


def test_waits_grow_up_to_an_end(guarded: Guarded) -> None:
    with guarded.poster(f"http://127.0.0.1:{_closed_port()}/") as poster:
        guarded.decide("account:1")
        waits = [poster.post() for _ in range(9)]
    assert waits == [*posting.WAITS, posting.WAITS[-1], posting.WAITS[-1]]
    assert poster.posted.problem


def test_a_server_that_hangs_holds_up_nothing(
    guarded: Guarded, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "ANSWER_SECONDS", 0.3)
    held = threading.Event()
    receiver.answers = [lambda _: held.wait(20), _drips]
    try:
        with guarded.poster(receiver.address) as poster:
            guarded.decide("account:1")
            assert poster.post() == posting.WAITS[0]
            assert poster.post() == posting.WAITS[1]
            assert poster.posted.problem
            assert poster.post() == posting.LOOK_SECONDS
    finally:
        held.set()
    assert receiver.ids == ["1", "1", "1"]


def _drips(handler: Any) -> int:
    """A header without an end, a byte at a time: each comes before any silence is too long."""
    for _ in range(200):
        try:
            handler.connection.sendall(b"H")
        except OSError:
            break
        time.sleep(0.05)
    return 0


def test_the_end_of_the_guard_does_not_wait_for_a_server(
    guarded: Guarded, receiver: Receiver
) -> None:
    came, held = threading.Event(), threading.Event()

    def hangs(_: Any) -> int:
        came.set()
        held.wait(60)
        return 0

    receiver.answers = [hangs]
    endpoint = Endpoint(Webhook(address=receiver.address, private=True), SECRET)
    folder = guarded.folder / record.FOLDER
    called = record.pseudonyms(guarded.folder)
    with posting.started(folder, [endpoint], called, once=False):
        guarded.decide("account:1")
        assert came.wait(30)
    assert not held.is_set()
    held.set()
    assert not [one for one in threading.enumerate() if one.name == "webhook"]
    with guarded.poster(receiver.address) as poster:  # what it did not take comes again
        poster.post()
    assert receiver.ids == ["1", "1"]


def test_a_kill_after_a_server_took_it_posts_the_same_again(
    guarded: Guarded, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with guarded.poster(receiver.address) as poster:
        guarded.decide("account:1", "account:2")
        with monkeypatch.context() as patch:
            patch.setattr(Poster, "_note", _killed)
            with pytest.raises(KeyboardInterrupt):
                poster.post()
    with guarded.poster(receiver.address) as again:
        again.post()
        assert again.posted.taken == 2
    assert receiver.ids == ["1", "1", "2"]
    assert receiver.got[0][0]["webhook-id"] == receiver.got[1][0]["webhook-id"]
    assert receiver.got[0][1] == receiver.got[1][1]


def _killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_nothing_is_posted_inside_unless_that_is_meant(
    guarded: Guarded, receiver: Receiver
) -> None:
    with guarded.poster(receiver.address, private=False) as poster:
        guarded.decide("account:1")
        poster.post()
        assert "127.0.0.1 lies in a private network" in poster.posted.problem
    assert not receiver.got


def test_redirects_are_not_followed(guarded: Guarded, receiver: Receiver) -> None:
    with receiving() as other:
        receiver.answers = [307]
        receiver.more = {"location": other.address}
        with guarded.poster(receiver.address) as poster:
            guarded.decide("account:1")
            poster.post()
        assert poster.posted.problem == "it answers 307; redirects are not followed"
        assert not other.got


def test_a_server_that_is_gone_is_left_alone(guarded: Guarded, receiver: Receiver) -> None:
    receiver.answers = [410]
    with guarded.poster(receiver.address) as poster:
        guarded.decide("account:1")
        poster.post()
        poster.post()
        assert "nothing more until the guard starts anew" in poster.posted.problem
    assert receiver.ids == ["1"]


def test_a_stream_of_which_all_is_given_up_is_not_read_again(
    guarded: Guarded, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers = [500] * posting.ENOUGH
    with guarded.poster(receiver.address) as poster:
        guarded.decide("account:1")
        later = clock.now() + posting.PATIENCE * 2
        monkeypatch.setattr("longplay.clock.now", lambda: later)
        for _ in range(posting.ENOUGH + 1):
            poster.post()
        assert poster.posted.given_up == 1
        with monkeypatch.context() as patch:
            patch.setattr(posting, "waiting", lambda *_: pytest.fail("read again"))
            poster.post()
        guarded.decide("account:2")
        poster.post()
    assert receiver.ids == ["1"] * posting.ENOUGH + ["2"]


def test_what_is_old_is_given_up_when_a_server_keeps_failing(
    guarded: Guarded, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers = [500] * posting.ENOUGH
    with guarded.poster(receiver.address) as poster:
        guarded.decide("account:1", "account:2")
        later = clock.now() + posting.PATIENCE * 2
        monkeypatch.setattr("longplay.clock.now", lambda: later)
        guarded.decide("account:3")
        for _ in range(posting.ENOUGH):
            assert poster.posted.given_up == 0
            poster.post()
        assert poster.posted.given_up == 2
        poster.post()
    assert receiver.ids == ["1"] * posting.ENOUGH + ["3"]
    assert poster.posted.taken == 1


def test_what_the_stream_lost_meanwhile_is_counted(guarded: Guarded, receiver: Receiver) -> None:
    with guarded.poster(receiver.address) as poster:
        guarded.decide("account:1")
        poster.post()
    for number in range(2, 7):
        guarded.decide(f"account:{number}")
    path = guarded.folder / record.FOLDER / stream.FILE
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[4:]))
    with guarded.poster(receiver.address) as poster:
        poster.post()
        assert (poster.posted.lost, poster.posted.taken) == (3, 3)
    assert receiver.ids == ["1", "5", "6"]


def test_a_broken_state_is_told(guarded: Guarded, receiver: Receiver) -> None:
    path = posting.path_of(guarded.folder / record.FOLDER, receiver.address)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with (
        pytest.raises(ArchiveError, match="does not tell what was posted"),
        guarded.poster(receiver.address),
    ):
        pass


@pytest.mark.parametrize("address", ["http://", "https://user:word@example.org/", "http://a b/"])
def test_what_is_no_address_is_refused(guarded: Guarded, address: str) -> None:
    with pytest.raises(SourceError), guarded.poster(address):
        pass


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    monkeypatch.chdir(tmp_path)
    run = _archive(tmp_path, monkeypatch, receiver.address)
    (told,) = json.loads(run("guard", "webhooks", "--json"))["webhooks"]
    assert (told["taken"], told["waiting"]) == (0, 0)
    assert "secret" not in told
    run("guard", "run", "--once")
    run("guard", "hold", "192.0.2.1", "--reason", "odd")
    assert json.loads(run("guard", "webhooks", "--json"))["webhooks"][0]["waiting"] == 1
    run("guard", "run", "--once")
    secret = json.loads(run("guard", "webhooks", "--json", "--secrets"))["webhooks"][0]["secret"]
    assert secret in run("guard", "webhooks", "--secrets")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    ((headers, body),) = receiver.got
    marks = signing.headers(key, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] == marks["webhook-signature"]
    inside = [path for path in (tmp_path / "archive").rglob("*") if path.is_file()]
    assert not [path for path in inside if key.hex().encode() in path.read_bytes()]


def _archive(folder: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> Callable[..., str]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "keys"))
    monkeypatch.setenv("LONGPLAY_ARCHIVE", str(folder / "archive"))

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, list(words))
        assert done.exception is None, done.exception
        return str(done.stdout)

    run("init", str(folder / "archive"))
    with (folder / "archive" / "longplay.toml").open("a") as file:
        file.write(f'\n[[guard.webhooks]]\naddress = "{address}"\nprivate = true\n')
    return run


@pytest.mark.long
def test_a_killed_process_posts_again_what_was_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    run = _archive(tmp_path, monkeypatch, receiver.address)
    run("guard", "run", "--once")
    words = [sys.executable, "-m", "longplay", "guard", "run"]
    for answer in (0, 200):
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:

            def kills(_: Any, answer: int = answer, number: int = process.pid) -> int:
                os.kill(number, signal.SIGKILL)
                return answer

            receiver.answers = [kills]
            if not receiver.got:
                run("guard", "hold", "192.0.2.1", "192.0.2.2")
            process.wait(120)
        assert process.returncode == -signal.SIGKILL
    run("guard", "run", "--once")
    assert receiver.ids in (["1", "1", "1", "2"], ["1", "1", "2"])
    (told,) = json.loads(run("guard", "webhooks", "--json"))["webhooks"]
    assert (told["waiting"], told["taken"]) == (0, 2)


def _closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
