"""Where names lead, by the resolver of this machine."""

import socket
import threading

import pytest

from upproxy.deploy.stack import resolution
from upproxy.deploy.stack.resolution import leads


@pytest.mark.parametrize(
    ("domain", "target", "expected"),
    [
        ("localhost", "127.0.0.1", "here"),
        ("127.0.0.1", "127.0.0.2", "elsewhere"),
        ("nowhere.invalid", "127.0.0.1", "nowhere"),
        ("127.0.0.1", "nowhere.invalid", "elsewhere"),
        ("a" * 70 + ".example", "127.0.0.1", "nowhere"),
    ],
)
def test_leads(domain, target, expected):
    assert leads(domain, target) == expected


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch):
    released = threading.Event()

    def hang(*_, **__):
        released.wait(30)
        raise socket.gaierror

    monkeypatch.setattr(resolution.socket, "getaddrinfo", hang)
    try:
        assert leads("shop.example", "127.0.0.1", timeout=0.05) == "nowhere"
    finally:
        released.set()
