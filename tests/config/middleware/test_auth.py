"""`auth` in up.yml: what is wrong with it, what goes into the manifest, and where keys come from."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from upproxy.config import ConfigError, load
from upproxy.config.middleware import auth, key_sets
from upproxy.proxy.middleware.auth import Options, RuleOptions, api_key, basic, ip
from upproxy.proxy.middleware.auth import jwt as tokens

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = {**json.loads(jwt.get_algorithm_by_name("ES256").to_jwk(KEY.public_key())), "kid": "one"}
PUBLIC.pop("key_ops", None)
HASH = "$scrypt$ln=14,r=8,p=1$4L0WJNQhXqxVn0ACCjgG8Q$6ER7fkOSEgnV6MjnE33S97Jrai64/kLM6IYOT87ouls"
GUIDE = os.path.join(os.path.dirname(__file__), "..", "..", "..", "docs", "middleware", "auth.md")


def loaded(folder, text, stage="staging"):
    (folder / "up.yml").write_text(f"name: shop\n{text}")
    return load(str(folder), stage, command="./server")


def rule_of(folder, rule):
    return loaded(folder, f"auth:\n  - {json.dumps(rule)}\n").manifest()["middleware"]["auth"]["rules"][0]


BAD = [
    ({}, "", "expected who may pass"), ({"public": False}, "", "expected who may pass"),
    ({"public": True, "ip": {"deny": ["::/0"]}}, "", "expected either `public` or `ip`"),
    ({"path": "/a*b*", "public": True}, ".path", "expected at most one *"),
    ({"path": "/a?b", "public": True}, ".path", "expected a path"),
    ({"basic": {"users": {}}}, ".basic.users", "expected one at least"),
    ({"basic": {"users": {"a:b": "${A}"}}}, ".basic.users.a:b", "expected a name without colons"),
    ({"basic": {"users": {"a": "$sesame"}}}, ".basic.users.a", "expected a hash that `upproxy auth hash` prints"),
    ({"basic": {"users": {"a": "sesame"}}}, ".basic.users.a", "never the password itself"),
    ({"basic": {"users": {"a": HASH[:-4]}}}, ".basic.users.a", ""),
    ({"basic": {"users": {"a": HASH.replace("14", "9")}}}, ".basic.users.a", "too cheap"),
    ({"basic": {"users": {"a": "${A}"}, "realm": 'a"b'}}, ".basic.realm", "without quotes"),
    ({"api_key": {"keys": []}}, ".api_key.keys", "expected one at least"),
    ({"api_key": {"keys": ["sesame"]}}, ".api_key.keys[0]", "never the secret itself"),
    *[({"api_key": {"keys": ["${A}"], "header": name}}, ".api_key.header", "expected a header field")
      for name in ("X_Key", "a b", "", "X-Auth-Key", "Authorization", "Connection", "X-Request-Id")],
    ({"api_key": {"keys": ["${A}"], "query": "a=b"}}, ".api_key.query", "expected a parameter's name"),
    ({"api_key": {"keys": ["${A}"], "header": None}}, ".api_key", "expected a `header` or a `query`"),
    ({"jwt": {}}, ".jwt", "expected either `jwks` or `secret`"),
    ({"jwt": {"secret": "sesame"}}, ".jwt.secret", "never the secret itself"),
    ({"jwt": {"secret": "${A}", "leeway": 3600}}, ".jwt.leeway", "expected at most 300"),
    ({"jwt": {"jwks": "http://issuer.example/keys"}}, ".jwt.jwks", "expected an address that begins with https://"),
    ({"jwt": {"jwks": "../keys.json"}}, ".jwt.jwks", "a file of the project"),
    ({"jwt": {"jwks": "/etc/passwd"}}, ".jwt.jwks", "a file of the project"),
    ({"jwt": {"jwks": {}}}, ".jwt.jwks", "expected a key set"),
    ({"jwt": {"jwks": {"keys": []}}}, ".jwt.jwks", "it has no key"),
    ({"jwt": {"jwks": {"keys": [{"kty": "oct", "k": "AA"}]}}}, ".jwt.jwks", "is a shared secret"),
    ({"jwt": {"jwks": {"keys": [PUBLIC | {"d": "AA"}]}}}, ".jwt.jwks", "the key 'one' is a private one"),
    ({"jwt": {"jwks": {"keys": [PUBLIC | {"x": "AAAA"}]}}}, ".jwt.jwks", "has a `x` of the wrong length"),
    ({"jwt": {"jwks": {"keys": [PUBLIC | {"use": "enc"}]}}}, ".jwt.jwks", "it has no key"),
    ({"jwt": {"jwks": {"keys": [PUBLIC | {"alg": "HS256"}]}}}, ".jwt.jwks", "it has no key"),
    ({"jwt": {"jwks": {"keys": [{"kty": "RSA", "n": "A" * 171, "e": "AQAB"}]}}}, ".jwt.jwks", "are not safe"),
    ({"ip": {}}, ".ip", "expected networks to `allow` or to `deny`"),
    ({"ip": {"allow": ["10.0.0.1/8"]}}, ".ip.allow[0]", "which would be 10.0.0.0/8"),
    ({"ip": {"deny": ["example.com"]}}, ".ip.deny[0]", "expected a network such as 10.0.0.0/8"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "path", "said"), BAD, ids=range(len(BAD)))
def test_bad_rules(tmp_path, rule, path, said):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"auth:\n  - {json.dumps(rule)}\n")
    told = str(caught.value)
    assert f"up.yml:3: auth[0]{path}: " in told
    assert said in told
    assert "sesame" not in told


def test_the_manifest_is_what_the_proxy_reads(tmp_path):
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [PUBLIC | {"x5t": "no use"}, {"kty": "new"}]}))
    config = loaded(
        tmp_path,
        f"""auth:
  - {{path: /health, public: true}}
  - path: /api/*
    jwt: {{jwks: keys.json, audience: [shop]}}
    ip: {{allow: [10.0.0.0/8, "2001:DB8::/32"]}}
  - api_key: {{keys: ["${{ONE}}"]}}
    basic: {{users: {{ann: "${{PASSWORD}}", bob: "{HASH}"}}}}
environment: {{PASSWORD: "${{PASSWORD}}"}}
""",
    )
    document = json.loads(json.dumps(config.manifest()))
    rules = [RuleOptions.from_manifest(rule) for rule in Options.from_manifest(document["middleware"]["auth"]).rules]
    assert [rule.path for rule in rules] == ["/health", "/api/*", "/*"]
    assert rules[0].public
    found = tokens.Options.from_manifest(rules[1].jwt)
    assert found.keys == [PUBLIC]
    assert (found.audience, found.leeway, found.issuer, found.secret) == (["shop"], 30, None, None)
    assert ip.Options.from_manifest(rules[1].ip).allow == ["10.0.0.0/8", "2001:db8::/32"]
    assert api_key.Options.from_manifest(rules[2].api_key).header == "X-Api-Key"
    assert basic.Options.from_manifest(rules[2].basic).users == {"ann": "${PASSWORD}", "bob": HASH}
    assert document["upstream"]["private"] == ["ONE"], "what the app refers to itself, it gets"


@pytest.mark.parametrize(
    ("model", "options", "other"),
    [(auth.BasicAuth, basic.Options, set()), (auth.ApiKey, api_key.Options, set()), (auth.Networks, ip.Options, set()),
     (auth.Rule, RuleOptions, set()), (auth.Jwt, tokens.Options, {"jwks", "keys"})],
)  # fmt: skip
def test_fields_and_defaults_are_the_proxys(model, options, other):
    fields = options.__annotations__
    assert set(model.model_fields) ^ set(fields) == other
    for name in set(fields) - other:
        if hasattr(options, name):
            assert model.model_fields[name].default == getattr(options, name)


def test_no_rules_no_middleware(tmp_path):
    assert "auth" not in loaded(tmp_path, "auth: []\n").manifest()["middleware"]


def test_keys_in_the_file_itself(tmp_path):
    rule = rule_of(tmp_path, {"jwt": {"jwks": {"keys": [PUBLIC]}}})
    assert rule["jwt"]["keys"] == [PUBLIC]
    assert "jwks" not in rule["jwt"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "it cannot be read: No such file"), ("{", "it is no JSON"), ("[]", "expected a key set"),
     ("[" * 100_000, "it is no JSON"), (" " * (1 << 20) + "{}", "it is larger than 1 MB")],
)  # fmt: skip
def test_bad_key_files(tmp_path, content, said):
    if content is not None:
        (tmp_path / "keys.json").write_text(content)
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        rule_of(tmp_path, {"jwt": {"jwks": "keys.json"}})
    assert caught.value.path == "auth[0].jwt.jwks"
    assert caught.value.hint


# --- fetching ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def issuer(tmp_path, monkeypatch):
    """An issuer with a certificate that is trusted; answers by path. Yields its address."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "issuer.pem"
    pem.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Issuer(BaseHTTPRequestHandler):
        def do_GET(self):
            status, fields = 200, {}
            body = json.dumps({"keys": [PUBLIC]}).encode()
            if self.path == "/moved":
                status, fields, body = 302, {"Location": "/keys"}, b""
            elif self.path == "/insecure":
                status, fields, body = 302, {"Location": f"http://127.0.0.1:{self.server.server_port}/keys"}, b""
            elif self.path == "/gone":
                status, body = 404, b""
            elif self.path == "/page":
                body = b"<html>"
            self.send_response(status)
            for field, value in (fields | {"Content-Length": str(len(body))}).items():
                self.send_header(field, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_keys_are_fetched_for_the_manifest(tmp_path, issuer):
    for path in ("/keys", "/moved"):
        assert rule_of(tmp_path, {"jwt": {"jwks": issuer + path}})["jwt"]["keys"] == [PUBLIC]


@pytest.mark.parametrize(
    ("path", "said"),
    [("/gone", "it answered with status 404"), ("/page", "it is no JSON"), ("/insecure", "which is not https")],
)
def test_keys_that_cannot_be_fetched(tmp_path, issuer, path, said):
    with pytest.raises(ConfigError, match=said):
        rule_of(tmp_path, {"jwt": {"jwks": issuer + path}})


def test_an_issuer_that_nobody_vouches_for(tmp_path, issuer, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ConfigError, match=r"it cannot be reached: .*[Cc]ertificate"):
        rule_of(tmp_path, {"jwt": {"jwks": f"{issuer}/keys"}})


# --- warnings, the guide ----------------------------------------------------------------------------------------------


def test_warnings(tmp_path):
    text = 'auth: [{basic: {users: {a: "${A}"}}}, {path: /x, public: true}, {jwt: {jwks: keys.json}}]\n'
    renamed, unreached, audience, unreached_too = sorted(loaded(tmp_path, text).warnings, key=lambda one: one[:24])[:4]
    told = f"{renamed} {unreached} {audience} {unreached_too}"
    assert "`auth[0].basic`: Function URLs rename WWW-Authenticate" in told
    assert "`auth[1]` never decides: `auth[0]` comes first" in told
    assert "`auth[2]` never decides: `auth[0]` comes first" in told
    assert "`auth[2].jwt` names no `audience`" in told
    assert "REST APIs rename" in " ".join(loaded(tmp_path, f"endpoint: rest_api\n{text}").warnings)
    assert "rename" not in " ".join(loaded(tmp_path, f"endpoint: http_api\n{text}").warnings)


def test_the_guide_loads(tmp_path):
    with open(GUIDE, encoding="utf-8") as file:
        [example] = re.findall(r"```yaml\n(.*?)```", file.read(), re.DOTALL)
    settings = loaded(tmp_path, example).settings
    assert [rule.path for rule in settings.auth] == ["/health", "/partners/*", "/api/*", "/internal/*", "/*"]


# --- any key set ------------------------------------------------------------------------------------------------------

VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.text(max_size=3), max_size=2)
PARTS = st.fixed_dictionaries(
    {}, optional={name: st.just(PUBLIC[name]) | VALUES for name in ("kty", "crv", "x", "y", "kid")}
    | dict.fromkeys(("alg", "use", "key_ops", "n", "e", "d"), VALUES),
)  # fmt: skip


@settings(max_examples=200)
@given(st.one_of(VALUES, st.fixed_dictionaries({"keys": st.one_of(VALUES, st.lists(PARTS, max_size=3))})))
def test_any_document_has_keys_or_is_an_error(document):
    try:
        keys = key_sets.public_keys(document)
    except key_sets.KeySetError:
        return
    assert all(tokens.algorithms_of(key) and "d" not in key for key in keys)
