"""Bodies of events, whatever form they have."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.events.decoding import NAMES, decode, event
from upproxy.proxy.errors import BadEvent
from upproxy.proxy.events import payload


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
