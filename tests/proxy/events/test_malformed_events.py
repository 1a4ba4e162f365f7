"""Events that no source ever made: a request or a proper error, never anything else."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from upproxy.proxy import lean
from upproxy.proxy.errors import ProxyError
from upproxy.proxy.events import Codecs
from upproxy.proxy.manifest import EventOptions
from upproxy.proxy.messages import Headers, Invocation, Request, Response

GOOD = [json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "events").glob("*.json"))]
STRANGE: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e308, 10**4000, "", " ", "\r\n", "\0", "é", "\ud800", "%", "%zz", "/../..", "=",
    "A", "x" * 5_000, [], [None], [[]], [1, "a", {}], {}, {"": ""}, {"a": {"b": None}}, {"\r\n": "a"}, "$default",
    "http",
]  # fmt: skip
ROUNDS = 2_000


def mutated(chance: random.Random) -> Any:
    """Take a good event and put strange things into it, take things away, or move them."""
    event: Any = copy.deepcopy(chance.choice(GOOD))
    for _ in range(chance.randint(1, 4)):
        holder: Any = event
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(holder[key], (dict, list)) and holder[key] and chance.random() < 0.6:
                holder = holder[key]
                continue
            action = chance.random()
            if action < 0.6:
                holder[key] = copy.deepcopy(chance.choice(STRANGE))
            elif action < 0.8:
                del holder[key]
            elif isinstance(holder, dict):
                holder[chance.choice(["headers", "body", "http", "é", "Cookie", "x\r\ny"])] = holder.pop(key)
            break
    return event


@pytest.mark.parametrize("triggers", [None, "/events"])
def test_mutated_events(triggers: str | None) -> None:
    chance = random.Random(20_261_124)
    codecs = Codecs(EventOptions(base_path="v1", triggers=triggers))
    decoded = refused = 0
    for _ in range(ROUNDS):
        text = lean.dumps_ascii(mutated(chance))
        event = lean.loads(text)
        try:
            codec = codecs.codec_for(event)
            request = codec.decode(event, Invocation("r-1", deadline=1.0))
        except ProxyError:
            refused += 1
            continue
        decoded += 1
        check(request)
        payload = codec.encode(request, Response(200, Headers([("content-type", "text/plain")]), b"ok"), b"ok")
        assert isinstance(json.loads(payload), (dict, str))
    assert min(decoded, refused) > ROUNDS // 20


def check(request: Request) -> None:
    """Hold that the request can be written as a head, and means one request only."""
    lines = [request.method, request.path, request.query, request.prefix, request.client, request.scheme]
    for text in lines:
        assert text.isascii()
        assert not set(text) & set(" \r\n\0\t#")
    assert request.path.startswith("/")
    assert "?" not in request.path
    names = set()
    for name, value in request.headers:
        assert name.isascii()
        assert name == name.lower()
        assert not set(name) & set(" \r\n\0:_")
        assert not set(value) & set("\r\n\0")
        value.encode("latin-1")
        names.add(name)
    assert not names & {"content-length", "transfer-encoding", "connection", "x-amzn-request-context"}
    assert isinstance(request.body, bytes)
    assert request.context is None or isinstance(request.context, dict)
