"""Paths and queries: the bytes that the client sent, and nothing that could end the request line."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proxy.events.decoding import NAMES, decode, event
from upproxy.proxy.errors import BadEvent, Forbidden, UpgradeRefused

ENCODED = [name for name in NAMES if name != "http_api"]


@pytest.mark.parametrize("source", ENCODED)
@pytest.mark.parametrize(
    "path",
    ["/", "//", "//host/x", "/a//b", "/%252F", "/a%2Fb", "/a%2fb", "/a+b", "/a%20b", "/%C3%A9", "/%FF", "/a;v=1/b",
     "/..", "/a/../b", "/[a]|{b}^`\"\\<>", "/%", "/%zz", "/a/", "/:@!$&'()*+,;=~-._"],
)  # fmt: skip
def test_encoded_path_stays(source: str, path: str) -> None:
    assert decode(event(source, path=path)).path == path


@pytest.mark.parametrize("source", ENCODED)
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a b", "/a%20b"),
        ("/a HTTP/1.1\r\nx: y", "/a%20HTTP/1.1%0D%0Ax:%20y"),
        ("/a?b#c", "/a%3Fb%23c"),
        ("/é\t\0\x7f", "/%C3%A9%09%00%7F"),
        ("a", "/a"),
        ("*", "/*"),
        ("", "/"),
        (None, "/"),
    ],
)
def test_hostile_path(source: str, path: Any, expected: str) -> None:
    assert decode(event(source, path=path)).path == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/%2F", "/%252F"),  # the client sent %252F
        ("/a b/ü", "/a%20b/%C3%BC"),
        ("/a?b#c%", "/a%3Fb%23c%25"),
        ("/a+b:@!$&'()*,;=~", "/a+b:@!$&'()*,;=~"),
        ('/[]|{}^`"\\<>', "/%5B%5D%7C%7B%7D%5E%60%22%5C%3C%3E"),
        ("/a\r\nb\0", "/a%0D%0Ab%00"),
        ("/\ufffd", "/%EF%BF%BD"),
        ("", "/"),
        ("x", "/x"),
    ],
)
def test_decoded_path_is_encoded_again(path: str, expected: str) -> None:
    assert decode(event("http_api", path=path)).path == expected


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("path", [1, ["/"], {"a": 1}, "/\ud800", True])
def test_odd_path(source: str, path: Any) -> None:
    with pytest.raises(BadEvent):
        decode(event(source, path=path))


@pytest.mark.parametrize("source", ["function_url", "http_api"])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a%2Bb=a+b&c", "a%2Bb=a+b&c"),
        ("a=1&a=2&&=", "a=1&a=2&&="),
        ("a=b c\r\nd#é", "a=b%20c%0D%0Ad%23%C3%A9"),
        ("a=/?:@%zz[]", "a=/?:@%zz[]"),
        (None, ""),
        ("", ""),
    ],
)
def test_raw_query(source: str, query: Any, expected: str) -> None:
    assert decode(event(source, rawQueryString=query)).query == expected


@pytest.mark.parametrize("source", ["rest_api", "http_api_v1"])
@pytest.mark.parametrize(
    ("lists", "single", "expected"),
    [
        ({"a": ["1", "2"], "b c": ["d&e=f+g/é"]}, {"a": "2"}, "a=1&a=2&b+c=d%26e%3Df%2Bg%2F%C3%A9"),
        (None, {"a": "1", "b": ""}, "a=1&b="),
        ({}, None, ""),
        (None, None, ""),
        ({"a": None, "b": [None, 1], "c": []}, None, "a=&b=&b=1"),
        ({"\r\n": ["\0 "]}, None, "%0D%0A=%00+"),
    ],
)
def test_query_of_decoded_maps(source: str, lists: Any, single: Any, expected: str) -> None:
    changes = {"multiValueQueryStringParameters": lists, "queryStringParameters": single}
    assert decode(event(source, **changes)).query == expected


@given(st.dictionaries(st.text(max_size=8), st.lists(st.text(max_size=8), min_size=1, max_size=3), max_size=4))
def test_query_of_decoded_maps_means_the_same(parameters: dict[str, list[str]]) -> None:
    request = decode(event("rest_api", multiValueQueryStringParameters=parameters))
    assert parse_qsl(request.query, keep_blank_values=True) == [
        (k, v) for k, values in parameters.items() for v in values
    ]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"q": "a%2Bb+c%20d"}, "q=a%2Bb+c%20d"),
        ({"q": "a=b/?"}, "q=a=b/?"),
        ({"a%26b": ""}, "a%26b="),
        ({"a": "b&c d#\r\né"}, "a=b%26c%20d%23%0D%0A%C3%A9"),  # no load balancer sends it so
        ({"a=b": "c"}, "a%3Db=c"),
        (None, ""),
        ({}, ""),
    ],
)
def test_query_of_a_load_balancer(parameters: Any, expected: str) -> None:
    assert decode(event("alb", queryStringParameters=parameters)).query == expected
    lists = parameters and {name: [value] for name, value in parameters.items()}
    assert decode(event("alb_multi", multiValueQueryStringParameters=lists)).query == expected


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("query", [1, ["a"], "\ud800", {"a": {"b": 1}}, {"a": [["b"]]}])
def test_odd_query(source: str, query: Any) -> None:
    changes = {"rawQueryString": query, "queryStringParameters": query, "multiValueQueryStringParameters": query}
    with pytest.raises(BadEvent):
        decode(event(source, **changes))


def with_method(source: str, method: Any) -> dict[str, Any]:
    built = event(source)
    if "httpMethod" in built:
        built["httpMethod"] = method
    else:
        built["requestContext"]["http"]["method"] = method
    return built


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("method", ["GET", "PROPFIND", "get", "M-SEARCH"])
def test_method_stays(source: str, method: str) -> None:
    assert decode(with_method(source, method)).method == method


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("method", ["", "GET /x", "GET\r\n", "GÉT"])
def test_bad_method(source: str, method: str) -> None:
    with pytest.raises(BadEvent):
        decode(with_method(source, method))


@pytest.mark.parametrize("source", NAMES)
def test_tunnels_are_refused(source: str) -> None:
    with pytest.raises(UpgradeRefused):
        decode(with_method(source, "CONNECT"))


TRICKS = [
    "/trigger", "/trigger/", "//trigger", "/Trigger", "/TRIGGER", "/%74rigger", "/%2574rigger", "/x/../trigger",
    "/x/%2e%2e/trigger", "/./trigger", "/%2e/trigger", "/trigger/.", "/trigger/x/..", "/x/..%2ftrigger",
    "/%2ftrigger", "/trigger%2f", "/\\trigger", "/%5ctrigger", "/trigger;v=1", "/trigger%3Fx=1", "/trigger%00",
    "/trigger%3F/x", "/%2574rigger%2523/x", "//host/trigger%00/x",
    "/trigger%20", "/trigger%09", "/trigger%23x", "//host/trigger", "/\\host/trigger", "/../trigger",
    "/%25%37%34rigger",
]  # fmt: skip


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("path", TRICKS)
def test_http_does_not_reach_the_triggers(source: str, path: str) -> None:
    with pytest.raises(Forbidden) as forbidden:
        decode(event(source, path=path), triggers="/trigger")
    assert forbidden.value.status == 404


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("path", ["/", "/triggers", "/trigger/x", "/x/trigger", "/trigge", "/host/trigger"])
def test_other_paths_are_open(source: str, path: str) -> None:
    assert decode(event(source, path=path), triggers="/trigger").path == path


def test_the_triggers_behind_a_prefix() -> None:
    with pytest.raises(Forbidden):
        decode(event("rest_api", path="/v1/a/trigger"), base_path="v1", triggers="/A/trigger/")


def test_the_root_as_path_of_the_triggers() -> None:
    with pytest.raises(Forbidden):
        decode(event("function_url", path="//"), triggers="/")
    assert decode(event("function_url", path="/x"), triggers="/").path == "/x"
