"""An app that answers late, in pieces, wrongly, half, or dies: every request gets its own answer or a clear refusal."""

from __future__ import annotations

import base64
import json
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.ways import Lambda, manifest
from tests.proxy.runtime.conftest import APP
from tests.proxy.runtime.events import http
from upproxy.local.invocation import Buffered

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

REQUESTS = {1: 4_000, 64: 24_000}
SETTLED = 0.2  # of the requests, after which memory is looked at for the first time
GROWTH = 3 << 20  # bytes that may come on top until the end


def raw(answer: bytes, how: str) -> dict[str, Any]:
    """Return the event that has the app send these bytes: `keep` or `reset` the connection, so many bytes a `step`."""
    event = http(f"/raw?{how}", "POST", body=base64.b64encode(answer).decode())
    event["isBase64Encoded"] = True
    return event


def attempt(chance: random.Random, number: int) -> tuple[dict[str, Any], str]:
    """Return an event, and what its answer has to hold: a text of the body, or the status of a refusal."""
    body = chance.randbytes(chance.choice((0, 1, 500, 70_000))).hex().encode()
    sized = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%b" % (len(body) + 9, body)
    mark = b"<%07d>" % number
    match chance.randrange(9):
        case 0 | 1 | 2:
            return http(f"/echo?n={number}"), f'"target": "/echo?n={number}"'
        case 3:
            return http(f"/slow?ms={chance.randrange(1, 40)}&mark={mark.decode()}"), mark.decode()
        case 4:
            return http(f"/stream?n={chance.randrange(1, 200)}&mark={mark.decode()}"), mark.decode()
        case 5:  # in a trickle
            return raw(sized + mark, f"keep=1&step={max(1, len(body) // chance.randrange(1, 50))}"), mark.decode()
        case 6:  # cut off or reset, anywhere
            return raw((sized + mark)[: chance.randrange(1, len(sized))], chance.choice(("cut=1", "reset=1"))), "502"
        case 7:  # ambiguous, malformed, or more than was announced
            wrong = (
                b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
                b"HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n",
                b"nonsense\r\n\r\n",
            )
            return raw(chance.choice(wrong), "keep=1"), "502"
        case _:  # a second answer that nobody asked for has to reach nobody
            surplus = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nsurplus"
            return raw(sized + mark + surplus, "keep=1"), mark.decode()


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid: int) -> int:
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


@pytest.mark.parametrize("slots", REQUESTS)
def test_every_request_gets_its_own_answer(slots: int, tmp_path: Path) -> None:
    chance = random.Random(slots)
    document = manifest(APP, upstream={"timeout": 20.0})
    one = Lambda(document, tmp_path, slots=slots)
    try:
        one.invoke(http("/pid"))
        pid = one.instance.pid
        open_before, done, settled = descriptors(pid), 0, 0
        while done < REQUESTS[slots]:
            batch = [attempt(chance, done + number) for number in range(slots * 4)]
            dying = chance.random() < 0.02
            if dying:
                batch.insert(chance.randrange(len(batch)), (http("/kill"), "502"))
            for (event, wanted), reply in zip(batch, one.invoke_all([event for event, _ in batch]), strict=True):
                assert isinstance(reply, Buffered), (event, reply)
                answer = json.loads(reply.payload)
                text = answer["body"] if not answer["isBase64Encoded"] else base64.b64decode(answer["body"]).decode()
                right = answer["statusCode"] == 502 if wanted == "502" else wanted in text
                assert right or (dying and answer["statusCode"] in (502, 503)), (event, wanted, answer)
                assert text != "surplus"
            done += len(batch)
            if not settled and done > SETTLED * REQUESTS[slots]:
                settled = resident(pid)
        one.invoke_all([http("/pid")] * slots)
        assert descriptors(pid) <= open_before + 2 * slots  # a connection each way for every slot
        assert resident(pid) < settled + GROWTH
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert len(children) == 1, "a zombie, or an app too many"
    finally:
        one.close()
