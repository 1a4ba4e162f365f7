"""The C modules against the documented ones that they stand under."""

from __future__ import annotations

import ast
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upproxy import proxy
from upproxy.proxy import lean
from upproxy.proxy.lean import JSONError, dumps, dumps_ascii, dumps_text, loads

PACKAGE = Path(proxy.__file__).parent

texts = st.text(st.characters(exclude_categories=()))  # lone surrogates too
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)

MALFORMED = [
    "",
    " ",
    "\n",
    "\ufeff{}",
    "{",
    "}",
    "[",
    "]",
    "[1,]",
    "[1 2]",
    "{,}",
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    "{a:1}",
    "{1:1}",
    '"',
    '"a',
    '"\\',
    '"\\x"',
    '"\\u12"',
    '"\\u12g4"',
    '"\n"',
    '"\0"',
    "nul",
    "nulll",
    "tru",
    "True",
    "+1",
    "01",
    "1.",
    ".5",
    "1e",
    "-",
    "0x1",
    "1 2",
    "{} {}",
    "[] x",
    "{}\0",
    "\v1",
    "\u00a01",
    "'a'",
    "//",
]


@pytest.mark.parametrize("write", [dumps, dumps_ascii])
@given(value=values)
@settings(max_examples=150)
def test_what_is_written_is_what_json_writes(write, value):
    assert write(value) == json.dumps(value, ensure_ascii=write is dumps_ascii, separators=(",", ":"))


@given(text=texts)
def test_a_text_is_written_as_any_value_is(text):
    assert dumps_text(text) == dumps(text)


@given(value=values, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
@settings(max_examples=150)
def test_what_is_read_is_what_json_reads(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    expected = json.loads(text)
    assert loads(text) == expected
    assert loads(f"\r\n\t {text} \n") == expected
    if ascii_only:
        assert loads(text.encode()) == expected


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_malformed_for_json_is_for_us(text):
    with pytest.raises(ValueError):  # noqa: PT011  # json's own error
        json.loads(text)
    with pytest.raises(JSONError) as raised:
        loads(text)
    assert str(raised.value)
    with pytest.raises(JSONError):
        loads(text.encode())


@given(data=st.binary(max_size=40) | st.text('[]{}",:\\u0123e-.truefalsn ', max_size=20).map(str.encode))
@settings(max_examples=300)
def test_any_bytes_are_read_as_json_reads_them_or_refused(data):
    try:
        expected = json.loads(data.decode())
    except ValueError:
        with pytest.raises(JSONError):
            loads(data)
    else:
        if any(name in data for name in (b"NaN", b"Infinity")):
            with pytest.raises(JSONError):
                loads(data)
        else:
            assert loads(data) == expected


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "[NaN]", '{"a":-Infinity}'])
def test_what_only_python_knows_is_no_json(text):
    with pytest.raises(JSONError, match="is no JSON"):
        loads(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")], {(): 1}, {b"a": 1}])
def test_what_json_cannot_hold_is_not_written(value):
    for write in (dumps, dumps_ascii):
        with pytest.raises(JSONError):
            write(value)


def test_what_json_does_not_know_is_written_as_its_repr():
    assert json.loads(dumps({"a": {1}, "b": b"x", "c": (1, 2)})) == {"a": "{1}", "b": "b'x'", "c": [1, 2]}
    assert json.loads(dumps_ascii([1 + 2j])) == ["(1+2j)"]


@pytest.mark.parametrize("data", [b"\xff", b'"\xff"', b'"\xed\xa0\x80"', b"\xef\xbb\xbf1", "1".encode("utf-16")])
def test_only_utf_8_is_read(data):
    with pytest.raises(JSONError):
        loads(data)


def test_nesting_that_is_too_deep_is_an_error_like_any_other():
    for depth in (1_000_000,):
        with pytest.raises(JSONError):
            loads("[" * depth + "]" * depth)
        with pytest.raises(JSONError):
            loads('{"a":' * depth)
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(JSONError):
        dumps(circle)


def test_numbers_of_more_digits_than_python_converts_are_refused():
    digits = "1" * 5_000
    with pytest.raises(JSONError):
        loads(digits)
    assert loads("1" * 4_000) == int("1" * 4_000)


def test_lone_surrogates_survive_in_ascii():
    assert loads(dumps_ascii("\ud800x")) == "\ud800x"
    assert dumps_ascii("\ud800é") == '"\\ud800\\u00e9"'


def test_without_the_c_modules_everything_is_the_same():
    """One program, run over the C modules and without them."""
    program = f"""
import sys
if sys.argv[1] == "without":
    sys.modules["_json"] = None
from upproxy.proxy import lean
print("json" in sys.modules)
for text in {MALFORMED!r} + ["NaN", "[" * 100_000, "1" * 5_000, '"\\\\ud800"', '{{"a":[1,2.5e3,null,true]}}', "1e999"]:
    try:
        print(ascii(lean.loads(text)))
    except lean.JSONError:
        print("refused")
print(ascii(lean.dumps_text('a "quoted" é\\ud800\\n')))
circle = []
circle.append(circle)
for value in [{{"a": {{1}}, "é\\ud800": (1, None)}}, [float("nan")], circle, {{(): 1}}, {{1: 2, None: True}}]:
    for write in (lean.dumps, lean.dumps_ascii):
        try:
            print(ascii(write(value)))
        except lean.JSONError:
            print("refused")
"""
    with_c, without = (
        subprocess.run(
            [sys.executable, "-c", program, how], check=True, capture_output=True, text=True, timeout=60
        ).stdout.splitlines()
        for how in ("with", "without")
    )
    assert (with_c.pop(0), without.pop(0)) == ("False", "True")
    assert without == with_c


@pytest.mark.parametrize("blocked", ["_socket", "_signal"])
def test_without_a_c_module_the_ordinary_ones_serve(blocked):
    program = (
        f"import sys; sys.modules[{blocked!r}] = None\n"
        "try:\n from upproxy.proxy import lean\n"
        "except ImportError:\n print('the standard library itself needs it')\n"
        "else:\n print(lean.socket.__name__, lean.signal.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() in ("socket signal", "the standard library itself needs it")


def _names_used(module: str) -> set[str]:
    """Every attribute of `lean.socket` or `lean.signal` that the package uses."""
    names = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module:
                names.add(node.attr)
    return names


@pytest.mark.parametrize("documented", [socket, signal])
def test_every_name_used_is_the_documented_one(documented):
    ours = getattr(lean, documented.__name__)
    names = _names_used(documented.__name__)
    assert names
    for name in names - {"socket"}:
        value = getattr(ours, name)
        if isinstance(value, int):
            assert value == getattr(documented, name)
        else:
            assert callable(value)
            assert callable(getattr(documented, name))


def test_the_socket_is_what_the_documented_one_is_made_of():
    assert issubclass(socket.socket, lean.socket.socket)
    one, two = lean.socket.socketpair()
    try:
        assert one.send(b"x") == 1
        assert two.recv(1) == b"x"
    finally:
        one.close()
        two.close()
