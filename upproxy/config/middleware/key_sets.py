"""Public keys of a token's issuer (RFC 7517): from its address, from a file of the project, or from up.yml itself."""

from __future__ import annotations

import binascii
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from upproxy.config.errors import ConfigError, Path
from upproxy.proxy.middleware.auth.jwt import algorithms_of

FETCH_TIMEOUT = 10  # seconds
SIZE_LIMIT = 1 << 20  # bytes
RSA_LEAST = 2_048  # bits (RFC 7518 section 3.3)
_COORDINATES = {"P-256": 32, "P-384": 48, "P-521": 66, "Ed25519": 32}  # bytes
_PUBLIC = ("kty", "kid", "alg", "crv", "n", "e", "x", "y")  # what is needed of a key, and may be in an artefact


class KeySetError(ValueError):
    """There are no keys that tokens can be verified by; `str(error)` says why."""


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only: whoever is on the way could hand out keys of his own."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith("https://"):
            raise KeySetError(f"it redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_place(place: str) -> None:
    """See that a text is an https address or the path of a file in the project. Raises KeySetError."""
    if "://" in place:
        try:
            parts = urllib.parse.urlsplit(place)
            usable = parts.scheme == "https" and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or not place.isascii() or not place.isprintable():
            raise KeySetError("expected an address that begins with https:// and a host")
        return
    path = os.path.normpath(place) if place else ".."
    if os.path.isabs(path) or path.split(os.sep)[0] == ".." or "\0" in place:
        raise KeySetError("expected an https address, a file of the project, or the key set itself")


def load(place: str | dict[str, Any], directory: str, path: Path) -> list[dict[str, Any]]:
    """Return public keys; `path` is where up.yml names them. Raises ConfigError."""
    try:
        if isinstance(place, dict):
            return public_keys(place)
        text = _fetched(place) if "://" in place else _read(os.path.join(directory, place))
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise KeySetError("it is no JSON") from None
        return public_keys(document)
    except KeySetError as error:
        raise ConfigError(
            f"no keys from {place if isinstance(place, str) else 'the key set'}: {error}",
            path=path,
            hint="Name the issuer's JSON Web Key Set: its address is the `jwks_uri` of its OpenID configuration.",
        ) from None


def public_keys(document: Any) -> list[dict[str, Any]]:
    """Return the keys of a set that tokens can be verified by, without what is not needed of them.

    Raises KeySetError for a set without any, and for keys that no set should have: private, shared or weak ones.
    """
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise KeySetError("expected a key set: `keys` with a list of keys")
    usable = []
    for key in keys:
        name = f"the key {key['kid']!r}" if isinstance(key.get("kid"), str) else "a key"
        if key.get("kty") == "oct":
            raise KeySetError(f"{name} is a shared secret, which belongs into `secret`, as a reference")
        if "d" in key:
            raise KeySetError(f"{name} is a private one, which only its issuer may have")
        operations = key.get("key_ops", ["verify"])
        signs = key.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
        public = {part: key[part] for part in _PUBLIC if part in key}
        if not signs or not all(isinstance(value, str) for value in public.values()) or not algorithms_of(public):
            continue
        _check(public, name)
        usable.append(public)
    if not usable:
        raise KeySetError("it has no key for RS, PS, ES or EdDSA signatures")
    return usable


def _check(key: dict[str, str], name: str) -> None:
    if key["kty"] == "RSA":
        bits = int.from_bytes(_number(key, "n", name), "big").bit_length()
        if bits < RSA_LEAST:
            raise KeySetError(f"{name} has {bits} bits, and less than {RSA_LEAST} are not safe")
        _number(key, "e", name)
        return
    for part in ("x", "y") if key["kty"] == "EC" else ("x",):
        if len(_number(key, part, name)) != _COORDINATES[key["crv"]]:
            raise KeySetError(f"{name} has a `{part}` of the wrong length")


def _number(key: dict[str, str], part: str, name: str) -> bytes:
    text = key.get(part, "").replace("-", "+").replace("_", "/")
    try:
        number = binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        number = b""
    if not number:
        raise KeySetError(f"{name} has no `{part}` that is base64url")
    return number


def _fetched(address: str) -> bytes:
    request = urllib.request.Request(address, headers={"Accept": "application/json", "User-Agent": "upproxy"})  # noqa: S310
    try:
        with urllib.request.build_opener(_SecureRedirects).open(request, timeout=FETCH_TIMEOUT) as response:
            return _limited(response.read(SIZE_LIMIT + 1))
    except urllib.error.HTTPError as error:
        error.close()
        raise KeySetError(f"it answered with status {error.code}") from None
    except urllib.error.URLError as error:
        raise KeySetError(f"it cannot be reached: {error.reason}") from None
    except TimeoutError:
        raise KeySetError(f"it did not answer within {FETCH_TIMEOUT} seconds") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, KeySetError):
            raise
        raise KeySetError(f"it cannot be reached: {error}") from None


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            return _limited(stream.read(SIZE_LIMIT + 1))
    except OSError as error:
        raise KeySetError(f"it cannot be read: {error.strerror}") from None


def _limited(data: bytes) -> bytes:
    if len(data) > SIZE_LIMIT:
        raise KeySetError("it is larger than 1 MB")
    return data
