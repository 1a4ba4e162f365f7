"""`auth` from up.yml to the rules in the manifest, and what is told of it before anybody is kept out."""

from __future__ import annotations

import json

import pytest

from upproxy.config import load
from upproxy.proxy.middleware.auth import RuleOptions
from upproxy.proxy.middleware.auth.jwt import Options as JwtOptions

HASH = "$scrypt$ln=14,r=8,p=1$4L0WJNQhXqxVn0ACCjgG8Q$6ER7fkOSEgnV6MjnE33S97Jrai64/kLM6IYOT87ouls"
KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "one"}  # RFC 8037


@pytest.fixture
def rules(manifest):
    def rules(text, **files):
        return manifest(text, **files)["middleware"]["auth"]["rules"]

    return rules


def test_nobody_is_asked_unless_there_are_rules(manifest):
    assert "auth" not in manifest("")["middleware"]
    assert "auth" not in manifest("auth: []\n")["middleware"]


def test_every_kind_of_rule(rules):
    text = f"""\
auth:
  - path: /health
    public: true
  - path: /a b/:id/*
    basic: {{realm: Shop, users: {{ann: "${{ANN}}", "j\u00fcrgen w": "{HASH}", 7: "${{SEVEN}}"}}}}
  - api_key: {{keys: ["${{ONE}}", "${{TWO}}"]}}
  - api_key: {{keys: ["${{ONE}}"], header: X-Partner, query: key}}
  - jwt: {{secret: "${{SECRET}}", issuer: joe, audience: [shop, store], leeway: 5}}
  - ip: {{allow: [10.0.0.0/8, 192.0.2.1, "2001:db8::/32"], deny: [10.9.0.0/255.255.0.0]}}
"""
    assert rules(text) == [
        {"path": "/health", "public": True},
        {"path": "/a b/:id/*", "public": False,
         "basic": {"realm": "Shop", "users": {"ann": "${ANN}", "jürgen w": HASH, "7": "${SEVEN}"}}},
        {"path": "/*", "public": False,
         "api_key": {"keys": ["${ONE}", "${TWO}"], "header": "X-Api-Key", "query": None, "realm": "Restricted"}},
        {"path": "/*", "public": False,
         "api_key": {"keys": ["${ONE}"], "header": "X-Partner", "query": "key", "realm": "Restricted"}},
        {"path": "/*", "public": False,
         "jwt": {"secret": "${SECRET}", "issuer": "joe", "audience": ["shop", "store"], "leeway": 5.0,
                 "realm": "Restricted"}},
        {"path": "/*", "public": False,
         "ip": {"allow": ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"], "deny": ["10.9.0.0/16"]}},
    ]  # fmt: skip


def test_no_header_field_means_none(rules):
    """What is left out of the manifest would get its default back, a field that clients could send the key in."""
    [rule] = rules("auth: [{api_key: {keys: ['${A}'], header: null, query: key}}]\n")
    assert rule["api_key"]["header"] is None


def test_defaults_are_those_of_the_proxy(rules):
    [public, token] = rules("auth: [{path: /a, public: true}, {jwt: {secret: '${A}'}}]\n")
    assert vars(RuleOptions.from_manifest(public)) == public
    for name in ("issuer", "audience", "leeway", "realm"):
        assert token["jwt"][name] == getattr(JwtOptions, name)


@pytest.mark.parametrize("place", ["keys.json", "./keys.json", json.dumps({"keys": [KEY]})])
def test_public_keys_come_with_the_manifest(rules, place):
    document = {"keys": [
        {**KEY, "use": "sig", "x5c": ["chain"]}, {**KEY, "kid": "two", "key_ops": ["verify"]},
        {**KEY, "kid": "three", "use": "enc"}, {**KEY, "kid": "four", "crv": "X25519"},
    ]}  # fmt: skip
    [rule] = rules(f"auth: [{{jwt: {{jwks: {place}, audience: [a]}}}}]\n", **{"keys.json": json.dumps(document)})
    assert "jwks" not in rule["jwt"]
    assert rule["jwt"]["keys"] == ([KEY, {**KEY, "kid": "two"}] if place.endswith(".json") else [KEY])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("[]", "expected a key set: `keys` with a list of keys"),
        ('{"keys": {}}', "expected a key set: `keys` with a list of keys"),
        ('{"keys": []}', "it has no key for RS, PS, ES or EdDSA signatures"),
        ('{"keys": [{"kty": ["RSA"]}]}', "it has no key for RS, PS, ES or EdDSA signatures"),
        ('{"keys": [{"kty": "oct", "k": "aHVudGVyMg"}]}',
         "a key is a shared secret, which belongs into `secret`, as a reference"),
        (json.dumps({"keys": [{**KEY, "d": "aHVudGVyMg"}]}),
         "the key 'one' is a private one, which only its issuer may have"),
        ("x" * (1 << 20) + "{}", "it is larger than 1 MB"),
        (None, "it cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_a_file_that_has_no_keys(told, text, why):
    files = {} if text is None else {"keys.json": text}
    message = told("auth: [{path: /a, public: true}, {jwt: {jwks: keys.json}}]\n", **files)
    assert message == f"up.yml:2: auth[1].jwt.jwks: no keys from keys.json: {why}"
    assert "hunter2" not in message
    assert "aHVudGVyMg" not in message


def test_what_the_app_does_not_see(manifest):
    """Variables that auth alone refers to."""
    text = (
        "environment: {SHARED: '${BOTH}'}\n"
        "auth: [{basic: {users: {ann: '${ANN}', bob: '${BOTH}'}}}, {api_key: {keys: ['${ONE}']}}, "
        "{jwt: {secret: '${TOKENS}'}}]\n"
    )
    assert manifest(text)["upstream"]["private"] == ["ANN", "ONE", "TOKENS"]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("auth: [{public: true}, {path: /a, ip: {deny: [10.0.0.0/8]}}]",
         "`auth[1]` never decides: `auth[0]` comes first, and matches all that it does"),
        ("auth: [{path: /a, public: true}, {path: /b, public: true}, {path: /a, ip: {deny: [10.0.0.0/8]}}]",
         "`auth[2]` never decides: `auth[0]` comes first, and matches all that it does"),
        ("endpoint: rest_api\nauth: [{basic: {users: {ann: '${A}'}}}]",
         ("`auth[0].basic`: REST APIs rename WWW-Authenticate, so that browsers do not ask for the password; "
          "`endpoint: http_api` leaves it as it is")),
        ("endpoint: http_api\nauth: [{jwt: {jwks: keys.json}}]",
         "`auth[0].jwt` names no `audience`: tokens that the issuer made for others pass too"),
    ],
)  # fmt: skip
def test_what_may_not_be_meant(write, text, warning):
    assert load(write({"up.yml": f"name: x\n{text}\n"}), command="./x").warnings == (warning,)


def test_what_is_all_right(write):
    text = (
        "endpoint: http_api\n"
        "auth: [{path: /a, public: true}, {path: /a/*, basic: {users: {ann: '${A}'}}}, {jwt: {secret: '${A}'}}]\n"
    )
    assert load(write({"up.yml": f"name: x\n{text}"}), command="./x").warnings == ()
