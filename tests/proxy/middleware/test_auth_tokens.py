"""Tokens: the published examples, what attackers make of them, and claims, through the real chain."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import posix
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.middleware.chaining import EVERY_SOURCE, Upstream
from upproxy.proxy.lean import loads
from upproxy.proxy.manifest import ManifestError
from upproxy.proxy.middleware.auth import jwt as tokens
from upproxy.proxy.middleware.auth.credentials import Refused

LONG_AGO = 10**11  # a leeway in seconds that the examples of 2011 need
SECRET = "a secret of at least thirty-two bytes"


def url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_url64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def public(key: Any, **more: str) -> dict[str, str]:
    """Return a private key's public half, as a key set has it."""
    kind = {rsa.RSAPrivateKey: "RS256", ec.EllipticCurvePrivateKey: "ES256", ed25519.Ed25519PrivateKey: "EdDSA"}
    algorithm = next(name for base, name in kind.items() if isinstance(key, base))
    found = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key()))
    return {part: found[part] for part in ("kty", "crv", "n", "e", "x", "y") if part in found} | more


RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
P521 = ec.generate_private_key(ec.SECP521R1())
ED = ed25519.Ed25519PrivateKey.generate()
KEYS = [
    public(RSA, kid="rsa"), public(P256, kid="p256"), public(P384, kid="p384"), public(P521, kid="p521"),
    public(ED, kid="ed"),
]  # fmt: skip
PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    monkeypatch.setitem(posix.environ, b"JWT_SECRET", SECRET.encode())
    monkeypatch.setitem(posix.environ, b"SHORT", b"x" * 31)


def section(**options: Any) -> dict[str, Any]:
    return {"auth": {"rules": [{"jwt": options}]}}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "ann", "exp": int(time.time()) + 60, **more}


def signed(key: Any, algorithm: str, given: dict[str, Any] | None = None, **head: Any) -> str:
    return jwt.encode(claims() if given is None else given, key, algorithm, headers=head)


def by_hand(head: dict[str, Any], payload: dict[str, Any], secret: bytes | None = None) -> str:
    """Write a token as no library would."""
    text = f"{url64(json.dumps(head).encode())}.{url64(json.dumps(payload).encode())}"
    signature = hmac.digest(secret, text.encode(), hashlib.sha256) if secret is not None else b""
    return f"{text}.{url64(signature)}"


def refusal(chain: Any, token: str) -> str:
    """Send a token that has to be refused; return the reason that is logged."""
    reply = chain.request(headers=bearer(token))
    assert reply.status == 401
    assert reply.headers.get_all("x-amzn-remapped-www-authenticate") == [
        'Bearer realm="Restricted", error="invalid_token"'
    ]
    [line] = chain.log()
    assert line["level"] == "warn"
    assert len(token) < 20 or token not in json.dumps(line)
    return line["message"].removeprefix("refused: ")


# --- published examples -----------------------------------------------------------------------------------------------

JOE = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
RFC7515_A1 = f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
A1_KEY = from_url64("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
RFC7515_A2 = (
    f"eyJhbGciOiJSUzI1NiJ9.{JOE}."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcA"
    "cQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHW"
    "EsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)
A2_KEY = {
    "kty": "RSA", "e": "AQAB",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp"
    "-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pC"
    "gNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmt"
    "dVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
}  # fmt: skip
RFC7515_A3 = (
    f"eyJhbGciOiJFUzI1NiJ9.{JOE}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
A3_KEY = {
    "kty": "EC", "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}  # fmt: skip
RFC7515_A4 = (
    "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."
    "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xK"
    "pRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
)
A4_KEY = {
    "kty": "EC", "crv": "P-521",
    "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
    "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
}  # fmt: skip
RFC7515_A5 = f"eyJhbGciOiJub25lIn0.{JOE}."  # and RFC 7519 section 6.1
RFC8037_A4 = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
RFC8037_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


def broken(token: str) -> str:
    """Change one bit in the middle of the signature."""
    text, _, signature = token.rpartition(".")
    data = bytearray(from_url64(signature))
    data[len(data) // 2] ^= 1
    return f"{text}.{url64(bytes(data))}"


@pytest.mark.parametrize(("token", "key"), [(RFC7515_A2, A2_KEY), (RFC7515_A3, A3_KEY)], ids=["A.2", "A.3"])
def test_published_tokens(chain, token, key):
    upstream = Upstream()
    one = chain(section(keys=[key], leeway=LONG_AGO, issuer="joe"), upstream)
    assert one.request(headers=bearer(token)).status == 200
    told = upstream.requests[0].headers
    assert loads(told.get("x-auth-claims")) == {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}
    assert (told.get("x-auth-method"), "x-auth-user" in told) == ("jwt", False)
    assert refusal(one, broken(token)) == "the token's signature is wrong"
    assert refusal(chain(section(keys=[key])), token) == "the token has expired"


def test_published_token_with_a_shared_secret(chain, monkeypatch):
    monkeypatch.setitem(posix.environ, b"JWT_SECRET", A1_KEY)
    one = chain(section(secret="${JWT_SECRET}", leeway=LONG_AGO))
    assert one.request(headers=bearer(RFC7515_A1)).status == 200
    assert refusal(one, broken(RFC7515_A1)) == "the token's signature is wrong"
    assert refusal(chain(section(secret="${JWT_SECRET}")), RFC7515_A1) == "the token has expired"


@pytest.mark.parametrize(("token", "key"), [(RFC7515_A4, A4_KEY), (RFC8037_A4, RFC8037_KEY)], ids=["7515", "8037"])
def test_published_signatures_of_what_is_no_claims(chain, token, key):
    """The signature is right, which is looked at first, and the payload is a sentence."""
    one = chain(section(keys=[key]))
    assert refusal(one, token).startswith("the token is not right: Invalid payload")
    assert refusal(one, broken(token)) == "the token's signature is wrong"


@pytest.mark.parametrize("options", [{"keys": [A2_KEY]}, {"secret": "${JWT_SECRET}"}])
def test_published_unsecured_token(chain, options):
    assert refusal(chain(section(**options, leeway=LONG_AGO)), RFC7515_A5) == (
        "the token's algorithm is not one of the keys'"
    )


# --- algorithms and keys ----------------------------------------------------------------------------------------------

ALGORITHMS = [
    *[(name, RSA, "rsa") for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")],
    ("ES256", P256, "p256"), ("ES384", P384, "p384"), ("ES512", P521, "p521"), ("EdDSA", ED, "ed"),
]  # fmt: skip


@pytest.mark.parametrize(("algorithm", "key", "kid"), ALGORITHMS, ids=[row[0] for row in ALGORITHMS])
def test_every_algorithm(chain, algorithm, key, kid):
    one = chain(section(keys=KEYS))
    assert one.request(headers=bearer(signed(key, algorithm, kid=kid))).status == 200
    assert one.request(headers=bearer(signed(key, algorithm))).status == 200, "without a key id all that fit are tried"
    assert refusal(one, signed(key, algorithm, kid=kid)[:-8] + "AAAAAAAA") in (
        "the token's signature is wrong", "the token is not right: Invalid crypto padding",
    )  # fmt: skip


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_every_source(chain, source):
    upstream = Upstream()
    one = chain(section(keys=KEYS, realm="Shop"), upstream)
    name = "x-amzn-remapped-www-authenticate" if source in ("rest_api", "function_url") else "www-authenticate"
    refused = one.request(source=source)
    assert (refused.status, refused.headers.get_all(name)) == (401, ['Bearer realm="Shop"'])
    assert one.log()[0]["message"] == "refused: no credentials"
    token = signed(P256, "ES256", claims(sub="j\u00fcrgen", roles=["\u00fc", "b\nc"]), kid="p256")
    assert one.request(source=source, headers=bearer(token)).status == 200
    told = upstream.requests[0].headers
    assert told.get("x-auth-user").encode("latin-1").decode() == "jürgen"
    assert loads(told.get("x-auth-claims"))["roles"] == ["ü", "b\nc"]
    assert told.get("x-auth-claims").isprintable()
    assert told.get("x-auth-claims").isascii()


@pytest.mark.parametrize("name", ["none", "None", "nOnE", "NONE", ""])
def test_no_algorithm(chain, name):
    for options in ({"keys": KEYS}, {"secret": "${JWT_SECRET}"}):
        assert refusal(chain(section(**options)), by_hand({"alg": name}, claims())) == (
            "the token's algorithm is not one of the keys'"
        )


@pytest.mark.parametrize(
    "secret",
    [PEM, PEM.strip(), from_url64(public(RSA)["n"]), json.dumps(KEYS[0]).encode(), b"", SECRET.encode()],
    ids=["pem", "stripped", "modulus", "jwk", "empty", "guess"],
)
@pytest.mark.parametrize("head", [{"kid": "rsa"}, {}, {"jwk": public(OTHER_RSA)}, {"jku": "https://evil.example/keys"}])
def test_a_public_key_is_no_shared_secret(chain, secret, head):
    """The confusion of keys: HS256 by what everybody knows."""
    one = chain(section(keys=KEYS))
    assert refusal(one, by_hand({"alg": "HS256", **head}, claims(), secret)) == (
        "the token's algorithm is not one of the keys'"
    )


def test_a_key_that_the_token_brings_itself(chain):
    token = signed(OTHER_RSA, "RS256", jwk=public(OTHER_RSA), x5u="https://evil.example", kid="rsa")
    assert refusal(chain(section(keys=KEYS)), token) == "the token's signature is wrong"


def test_the_right_key_by_another_algorithm(chain):
    one = chain(section(keys=[public(RSA, alg="RS256")]))
    assert one.request(headers=bearer(signed(RSA, "RS256"))).status == 200
    assert refusal(one, signed(RSA, "PS256")) == "the token's algorithm is not one of the keys'"
    one = chain(section(secret="${JWT_SECRET}"))
    assert one.request(headers=bearer(signed(SECRET, "HS256"))).status == 200
    assert one.request(headers=bearer(signed(SECRET, "HS256", kid="any"))).status == 200
    for token in (jwt.encode(claims(), SECRET * 2, "HS512"), signed(RSA, "RS256")):
        assert refusal(one, token) == "the token's algorithm is not one of the keys'"


def test_a_key_of_another_id_does_not_count(chain):
    one = chain(section(keys=KEYS))
    assert refusal(one, signed(P256, "ES256", kid="rsa")) == "the token's algorithm is not one of the keys'"


def test_a_rotated_key_is_named_with_the_remedy(chain):
    one = chain(section(keys=KEYS))
    assert one.request(headers=bearer(signed(OTHER_RSA, "RS256", kid="new" * 100))).status == 401
    [line] = one.log()
    assert line["message"].startswith("refused: no key has the token's key id.")
    assert "`upproxy deploy` fetches them" in line["message"]
    assert line["kid"] == ("new" * 100)[:80]


def test_keys_without_an_id_are_tried_for_any(chain):
    one = chain(section(keys=[public(OTHER_RSA), public(RSA)]))
    assert one.request(headers=bearer(signed(RSA, "RS256", kid="any"))).status == 200


def test_a_key_that_cannot_be(chain):
    one = chain(section(keys=[public(P256) | {"y": public(P256)["x"]}]))
    assert one.request(headers=bearer(signed(P256, "ES256"))).status == 500
    assert one.log()[0]["message"].startswith("a key of `auth` in up.yml cannot be used")


# --- claims -----------------------------------------------------------------------------------------------------------

NOW = int(time.time())


@pytest.mark.parametrize(
    ("given", "reason"),
    [({"exp": NOW - 100}, "the token has expired"), ({"exp": "soon"}, "the token is not right: "),
     ({"exp": None}, "the token is not right: "), ({}, 'the token is not right: Token is missing the "exp" claim'),
     ({"exp": NOW + 7200, "nbf": NOW + 3600}, "the token is not valid yet"),
     ({"exp": NOW + 7200, "iat": NOW + 3600}, "the token is not valid yet")],
)  # fmt: skip
def test_times(chain, given, reason):
    assert refusal(chain(section(keys=KEYS)), signed(RSA, "RS256", given)).startswith(reason)


def test_leeway(chain):
    late = signed(RSA, "RS256", {"exp": int(time.time()) - 20, "nbf": int(time.time()) - 60})
    assert chain(section(keys=KEYS)).request(headers=bearer(late)).status == 200, "30 seconds by default"
    assert refusal(chain(section(keys=KEYS, leeway=0)), late) == "the token has expired"
    early = signed(RSA, "RS256", claims(nbf=int(time.time()) + 20))
    assert chain(section(keys=KEYS)).request(headers=bearer(early)).status == 200
    assert refusal(chain(section(keys=KEYS, leeway=0)), early) == "the token is not valid yet"


@pytest.mark.parametrize(
    ("given", "reason"),
    [({"iss": "https://a.example", "aud": "shop"}, ""), ({"iss": "https://a.example", "aud": ["x", "shop"]}, ""),
     ({"iss": "https://a.example", "aud": "other"}, "the token is for another audience"),
     ({"iss": "https://a.example", "aud": ["sho", "p"]}, "the token is for another audience"),
     ({"iss": "https://a.example", "aud": []}, "the token is "),
     ({"iss": "https://a.example", "aud": {"shop": 1}}, "the token is "),
     ({"iss": "https://a.example"}, 'the token is not right: Token is missing the "aud" claim'),
     ({"iss": "https://a.example/", "aud": "shop"}, "the token is of another issuer"),
     ({"iss": ["https://a.example"], "aud": "shop"}, "the token is "),
     ({"aud": "shop"}, 'the token is not right: Token is missing the "iss" claim')],
)  # fmt: skip
def test_issuer_and_audience(chain, given, reason):
    one = chain(section(keys=KEYS, issuer="https://a.example", audience=["shop", "store"]))
    token = by_hand_signed(claims(**given))
    if reason:
        assert refusal(one, token).startswith(reason)
    else:
        assert one.request(headers=bearer(token)).status == 200


def by_hand_signed(payload: Any) -> str:
    """Sign any payload, right or wrong, by the RSA key."""
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return jwt.PyJWS().encode(text, RSA, "RS256")


@pytest.mark.parametrize(
    "subject", ["a\r\nX-Auth-Roles: admin", " ann", "ann ", "a\0b", "a\u2028b", 7, ["ann"], {"a": 1}, "\ud800"]
)
def test_a_subject_that_is_no_name(chain, subject):
    upstream = Upstream()
    one = chain(section(keys=KEYS), upstream)
    refusal(one, by_hand_signed(claims(sub=subject)))
    assert not upstream.requests


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b'"x"', b"{", b"\xff", b'{"exp": 1e999}', b'{"exp": NaN}'])
def test_payloads_that_are_no_claims(chain, payload):
    upstream = Upstream()
    one = chain(section(keys=KEYS), upstream)
    assert one.request(headers=bearer(by_hand_signed(payload))).status in (401, 500)
    assert not upstream.requests


def test_claims_that_are_no_json(chain):
    payload = json.dumps(claims(x=float("nan"))).encode()
    assert refusal(chain(section(keys=KEYS)), by_hand_signed(payload)) == "the token's claims are no JSON"


# --- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["rest_api", "http_api", "function_url"])
def test_two_tokens_are_none(chain, source):
    token = signed(RSA, "RS256")
    one = chain(section(keys=KEYS))
    twice = [("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")]
    assert one.request(source=source, headers=twice).status == 401
    assert one.request(source=source, headers=bearer(f"{token}, Bearer {token}")).status == 401


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b", "a.b.c", "e30.e30.e30", "bnVsbA.e30.AA", "WyJhIl0.e30.AA"]
)
def test_malformed_tokens(chain, token):
    assert refusal(chain(section(keys=KEYS)), token) == "malformed token"


@pytest.mark.parametrize("head", [{"crit": ["b64"], "b64": False}, {"crit": []}])
def test_critical_extensions(chain, head):
    token = by_hand({"alg": "HS256", **head}, claims(), SECRET.encode())
    assert refusal(chain(section(secret="${JWT_SECRET}")), token) == "the token has a critical extension"


@pytest.mark.parametrize("change", [" ", "=", "\t", "%20"])
def test_what_is_beside_the_token(chain, change):
    token = signed(RSA, "RS256")
    one = chain(section(keys=KEYS))
    text, _, signature = token.rpartition(".")
    for spoilt in (f"{text}{change}.{signature}", f"{token}{change}x"):
        assert one.request(headers=bearer(spoilt)).status == 401


VALID = signed(RSA, "RS256")


@settings(max_examples=200)
@given(
    st.text(max_size=60)
    | st.lists(st.text("abcXYZ019-_=+/. ", max_size=12), max_size=5).map(".".join)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["alg", "kid", "crit", "typ"]) | st.text(max_size=3), inner, max_size=4)
        ),
    ).map(lambda head: f"{url64(json.dumps(head).encode())}.e30.AA")
)
def test_any_text_has_a_head_or_is_refused(text):
    try:
        algorithm, kid = tokens.head_of(text)
    except Refused:
        return
    head = json.loads(from_url64(text.split(".")[0]))
    assert (head["alg"], head.get("kid")) == (algorithm, kid)
    assert "crit" not in head


@settings(max_examples=150)
@given(st.integers(0, len(VALID) - 1), st.sampled_from("AZaz09-_.=!"))
def test_no_other_spelling_of_a_token_passes(position, char):
    """But for the bits that base64 has no use for at the end of a part."""
    one = tokens.Jwt(tokens.Options(keys=KEYS), None)
    other = VALID[:position] + char + VALID[position + 1 :]
    try:
        one._claims(other)
    except Refused:
        return
    assert [from_url64(part) for part in other.split(".")] == [from_url64(part) for part in VALID.split(".")]


# --- the start --------------------------------------------------------------------------------------------------------


def test_short_secrets_are_refused_at_the_start(chain):
    with pytest.raises(ManifestError, match=r"\$\{SHORT\}.* holds 31 bytes; HS256 needs 32"):
        chain(section(secret="${SHORT}"))


def test_a_library_that_is_not_there(chain, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.setattr(tokens, "_FOLDERS", (str(tmp_path),))
    with pytest.raises(ManifestError, match=r'pip install "upproxy\[jwt\]"'):
        chain(section(keys=KEYS))


def test_the_library_is_loaded_with_the_first_token(chain, monkeypatch):
    calls = []
    real = tokens._library
    monkeypatch.setattr(tokens, "_library", lambda: calls.append(1) or real())
    one = chain(section(keys=KEYS))
    one.request()
    one.request(headers=bearer("x"))
    assert not calls
    one.request(headers=bearer(VALID))
    assert calls
