"""Who may call: a process that was given the key. No web page is, whatever a browser can be made to send.

Whoever may call can run code on this machine, since that is what functions are.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qs

_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/,\s]+)/([^/,\s]+)/aws4_request")
_SCOPE_ONLY = re.compile(r"([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")


class Denied(Exception):
    """The call is refused, for the reason that `str(denied)` gives."""


class Caller:
    """What a signed request says of itself: the region and the service that it is for."""

    def __init__(self, key: str, region: str, service: str) -> None:
        self.key = key
        self.region = region
        self.service = service

    @classmethod
    def of(cls, headers: Mapping[str, str], query: str) -> Caller | None:
        """Read the scope of a signature, in the header or in a presigned address (SigV4); None without one."""
        found = _SCOPE.search(headers.get("Authorization", ""))
        if found is None:
            found = _SCOPE_ONLY.fullmatch(parse_qs(query).get("X-Amz-Credential", [""])[0])
        return None if found is None else cls(found[1], found[2], found[3])


def check(headers: Mapping[str, str], query: str, hosts: frozenset[str], key: str) -> Caller:
    """Return the caller. Raises Denied for a request that a web page may have sent, or one without the key.

    `hosts` are the values of Host that stand for this address: another one has been rebound to it.
    """
    if headers.get("Origin"):
        raise Denied("requests of web pages are refused")
    if headers.get("Host", "").lower() not in hosts:
        raise Denied(f"this is not {headers.get('Host', '')}")
    caller = Caller.of(headers, query)
    if caller is None or not hmac.compare_digest(caller.key.encode(), key.encode()):
        raise Denied("the access key is not the one that the sandbox has printed")
    return caller


def is_key(caller: Caller | None, key: str, service: str) -> bool:
    """Whether a request is signed with the key, for a service."""
    return caller is not None and caller.service == service and hmac.compare_digest(caller.key.encode(), key.encode())
