"""TLS to an address that was checked still proves the name that was asked for."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from longplay.web.connecting import Transport


def certificate(folder: Path, name: str) -> Path:
    """A certificate for one name that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.headers["Host"].encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server on loopback that is music.test, and trusted."""
    path = certificate(tmp_path, "music.test")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path)
    trusting = ssl.create_default_context(cafile=str(path))
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **_: trusting)
    known = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _host, *more, **named: known("127.0.0.1", *more, **named)
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = serving.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def got(port: int, name: str) -> str:
    with httpx.Client(transport=Transport(allow_private=True)) as client:
        return client.get(f"https://{name}:{port}/").text


def test_the_name_is_asked_for_and_proved(port: int) -> None:
    assert got(port, "music.test") == f"music.test:{port}"


@pytest.mark.parametrize("name", ["other.test", "127.0.0.1"])
def test_another_name_at_the_same_address_is_not_believed(port: int, name: str) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        got(port, name)


def test_a_connection_for_one_name_is_not_used_for_another(port: int) -> None:
    with httpx.Client(transport=Transport(allow_private=True)) as client:
        assert client.get(f"https://music.test:{port}/").status_code == 200
        with pytest.raises(httpx.ConnectError):
            client.get(f"https://other.test:{port}/")


def test_a_server_without_tls_is_a_connection_that_fails(port: int) -> None:
    plain: Any = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        plain.accept()[0].close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    with pytest.raises(httpx.ConnectError):
        got(plain.getsockname()[1], "music.test")
    thread.join()
    plain.close()
