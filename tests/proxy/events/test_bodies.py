"""Bodies of events, whatever form they have."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proxy.events.decoding import NAMES, decode, event
from upproxy.proxy.errors import BadEvent
from upproxy.proxy.events import payload
from upproxy.proxy.lean import JSONError, dumps, loads

LARGE = base64.b64encode(bytes(range(256)) * 300).decode()
KEYS = st.sampled_from(["body", "isBase64Encoded", "a", 'x"body', "\\"])
TEXTS = st.sampled_from(["", "QUJD", "QUJDRA==", 'a"b', '"body":"QUJDRA=="', "\\", "\u00e9", "a/b"])
EVENTS = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much the JSON scanner was given."""
    sizes: list[int] = []

    def count(data: bytes) -> Any:
        sizes.append(len(data))
        return loads(data)

    monkeypatch.setattr(payload, "loads", count)
    return sizes


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize(
    ("body", "is_base64", "expected"),
    [
        (None, False, b""),
        ("", False, b""),
        ("", True, b""),
        ("h\u00e9\0", False, "h\u00e9\0".encode()),
        ("AAEC/w==", True, b"\0\1\2\xff"),
        ("AAEC/w==", False, b"AAEC/w=="),
        ("AAEC/w==", None, b"AAEC/w=="),
        ("AAEC/w==", "true", b"AAEC/w=="),
    ],
)
def test_body(source: str, body: Any, is_base64: Any, expected: bytes) -> None:
    assert decode(event(source, body=body, isBase64Encoded=is_base64)).body == expected


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 1_000_000])
def test_large_body(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    text = base64.b64encode(data[:size]).decode()
    assert decode(event("rest_api", body=text, isBase64Encoded=True)).body == data[:size]


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("body", ["A", "AAEC/w", "AA EC", "AAEC\n", "é", "AAEC/w==AAEC", "-_-_", "A" * 100_001])
def test_body_that_is_no_base64(source: str, body: str) -> None:
    with pytest.raises(BadEvent):
        decode(event(source, body=body, isBase64Encoded=True))


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("body", [{"a": 1}, ["a"], 1, True, 0, False, [], {}, "\ud800"])
def test_body_that_is_no_text(source: str, body: Any) -> None:
    with pytest.raises(BadEvent):
        decode(event(source, body=body))


@pytest.mark.parametrize("source", NAMES)
def test_large_base64_is_not_scanned(source: str, read: list[int]) -> None:
    whole = event(source, body=LARGE, isBase64Encoded=True)
    assert payload.read_event(dumps(whole).encode()) == whole
    assert read == [len(dumps(whole)) - len(LARGE) + 32]


def test_nor_behind_something_small_of_the_same_name(read: list[int]) -> None:
    whole = {"headers": {"body": "x"}, "queryStringParameters": {"body": ""}, "body": LARGE, "isBase64Encoded": True}
    assert payload.read_event(dumps(whole).encode()) == whole
    assert read == [len(dumps(whole)) - len(LARGE) + 32]


@pytest.mark.parametrize(
    "whole",
    [
        {"body": LARGE, "isBase64Encoded": False},
        {"body": LARGE, "isBase64Encoded": "true"},
        {"body": LARGE},
        {"body": LARGE + "\u00e9", "isBase64Encoded": True},
        {"body": LARGE + "\\", "isBase64Encoded": True},
        {"a": {"body": LARGE}, "body": "QUJD", "isBase64Encoded": True},
        {"a": [{"body": LARGE, "isBase64Encoded": True}]},
        {'"body': LARGE, "isBase64Encoded": True},
        {"a": f'"body":"{LARGE}"', "isBase64Encoded": True},
        [{"body": LARGE, "isBase64Encoded": True}],
    ],
)
def test_any_other_large_event_is_scanned(whole: Any, read: list[int]) -> None:
    data = dumps(whole).encode()
    assert payload.read_event(data) == whole
    assert read[-1] == len(data)


def test_of_two_bodies_the_last_one_counts() -> None:
    """As of any name that is twice in an object."""
    large, small = f'"body":"{LARGE}"', '"body":"QUJD"'
    for first, last, body in ((large, small, "QUJD"), (small, large, LARGE)):
        data = f'{{{first},{last},"isBase64Encoded":true}}'.encode()
        assert payload.read_event(data) == {"body": body, "isBase64Encoded": True}


@pytest.mark.parametrize(
    "data", [f'{{"body":"{LARGE}', f'{{"body":"{LARGE}",}}', f'{{"body":"{LARGE}"}}x', " " * 99_999]
)
def test_large_events_that_are_no_json(data: str) -> None:
    with pytest.raises(JSONError):
        payload.read_event(data.encode())


@given(EVENTS, st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_events_are_read_as_json(whole: Any, separators: tuple[str, str], ascii_only: bool) -> None:
    data = json.dumps(whole, separators=separators, ensure_ascii=ascii_only).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payload, "_LARGE", 2)
        assert payload.read_event(data) == whole


def test_large_bodies_go_through_the_vendored_library(tmp_path: Path) -> None:
    """It lies beside the proxy, in `vendor`, where nobody else looks, and is loaded for no small body."""
    shutil.copytree(Path(payload.__file__).parents[1], tmp_path / "upproxy" / "proxy")
    (tmp_path / "upproxy" / "__init__.py").touch()
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "pybase64.py").write_text("def b64decode(text, validate):\n    return b'vendored'\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from upproxy.proxy.events.payload import request_body\n"
        "for size in (4, 100_000): print(request_body({'body': 'A' * size, 'isBase64Encoded': True}))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.splitlines() == [str(b"\0\0\0"), str(b"vendored")], done.stderr
