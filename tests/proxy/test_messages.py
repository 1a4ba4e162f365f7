"""Headers, and the errors that know their answers."""

from __future__ import annotations

import pytest

from upproxy.proxy import errors
from upproxy.proxy.errors import ProxyError
from upproxy.proxy.messages import Headers


def test_headers_keep_their_order_and_repeats():
    headers = Headers([("a", "1"), ("b", "2"), ("a", "3")])
    headers.add("c", "4")
    assert list(headers) == [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")]
    assert headers.get("a") == "1"
    assert headers.get_all("a") == ["1", "3"]
    assert headers.get("none") == ""
    assert headers.get("none", "else") == "else"
    assert "b" in headers
    assert "none" not in headers
    assert len(headers) == 4


def test_headers_are_replaced_and_removed():
    headers = Headers([("a", "1"), ("b", "2"), ("a", "3")])
    headers.set("a", "4")
    assert headers.items == [("b", "2"), ("a", "4")]
    headers.remove("a", "b", "none")
    assert headers == Headers()
    assert not len(headers)


def test_headers_are_their_own_and_cannot_be_hashed():
    items = [("a", "1")]
    headers = Headers(items)
    headers.add("b", "2")
    assert items == [("a", "1")]
    with pytest.raises(TypeError):
        hash(headers)
    assert headers != items
    assert repr(headers) == "Headers([('a', '1'), ('b', '2')])"


@pytest.mark.parametrize(
    "kind", [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, ProxyError)]
)
def test_an_error_answers_without_telling_of_the_inside(kind):
    error = kind("the secret inside", address="10.0.0.1")
    response = error.response()
    assert 400 <= response.status <= 599
    assert response.status == kind.status
    assert b"secret" not in response.body
    assert b"10.0.0.1" not in response.body
    assert error.fields == {"address": "10.0.0.1"}
    assert error.level == ("error" if kind.status >= 500 else "warn")
    assert response.headers.get("cache-control") == "no-store"
    assert ("retry-after" in response.headers) is (kind.status == 503)
