"""Key sets from an address: a real https server, and everything that such a server can do wrong."""

from __future__ import annotations

import datetime
import http.server
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from upproxy.config import ConfigError
from upproxy.config.middleware import key_sets

KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "one"}  # RFC 8037
SET = json.dumps({"keys": [KEY]}).encode()
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of localhost that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Serve by https, to a client that trusts the certificate unless told otherwise; return the address."""
    servers: list[http.server.ThreadingHTTPServer] = []
    cert, key = certificate(tmp_path)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))

    def start(answer: Answer, *, trusted: bool = True) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        if not trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(key))
            monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
        return f"https://localhost:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def answering(status: int, body: bytes, **fields: str) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in fields.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def why_not(place: str) -> str:
    with pytest.raises(ConfigError) as caught:
        key_sets.load(place, "", ("auth", 0, "jwt", "jwks"))
    assert "jwks_uri" in caught.value.hint
    start = f"auth[0].jwt.jwks: no keys from {place}: "
    assert str(caught.value).startswith(start)
    return str(caught.value).removeprefix(start)


def test_keys_from_an_address(serve):
    seen: list[tuple[str, str | None]] = []

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        seen.append((handler.path, handler.headers["accept"]))
        if handler.path == "/here":
            answering(302, b"", Location="/there")(handler)
        else:
            answering(200, SET)(handler)

    assert key_sets.load(f"{serve(answer)}/here", "", ()) == [KEY]
    assert seen == [("/here", "application/json"), ("/there", "application/json")]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (answering(404, SET), "it answered with status 404"),
        (answering(200, b"<html>"), "it is no JSON"),
        (answering(200, b"\xff\xfe\x00"), "it is no JSON"),
        (answering(200, b'{"keys": []}'), "it has no key for RS, PS, ES or EdDSA signatures"),
        (answering(200, b" " * key_sets.SIZE_LIMIT + SET), "it is larger than 1 MB"),
        (answering(302, b"", Location="http://localhost/keys"),
         "it redirects to http://localhost/keys, which is not https"),
        (answering(302, b"", Location="file:///etc/passwd"), "it answered with status 302"),
        (lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"), "it cannot be reached: nonsense"),
        (lambda handler: None, "it cannot be reached: Remote end closed connection"),
    ],
)  # fmt: skip
def test_an_address_that_has_none(serve, answer, why):
    assert why_not(serve(answer)).startswith(why)


def test_a_certificate_that_nobody_vouches_for(serve):
    seen: list[str] = []
    assert "certificate verify failed" in why_not(serve(lambda handler: seen.append(handler.path), trusted=False))
    assert not seen, "nothing is asked of it"


def test_an_address_where_nobody_listens(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # it does not listen
        assert why_not(f"https://127.0.0.1:{taken.getsockname()[1]}/") == (
            "it cannot be reached: [Errno 111] Connection refused"
        )


def test_an_address_that_never_answers(serve, monkeypatch):
    monkeypatch.setattr(key_sets, "FETCH_TIMEOUT", 0.1)
    done = threading.Event()
    try:
        assert why_not(serve(lambda handler: done.wait(30))) == "it did not answer within 0.1 seconds"
    finally:
        done.set()
