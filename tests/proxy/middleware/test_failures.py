"""What becomes of a failure that nobody foresaw, through the real chain."""

from __future__ import annotations

from tests.proxy.middleware.chaining import Upstream


def test_the_log_says_what_and_where_and_not_what_was_in_the_request(chain):
    """The representation of an error may hold the whole text that it is about, such as the head of a request."""
    head = "GET / HTTP/1.1\r\nauthorization: Bearer s3cr3t\r\nx: €\r\n\r\n"
    try:
        head.encode("latin-1")
    except UnicodeEncodeError as error:
        one = chain({}, Upstream(error=error))
    reply = one.request()
    assert (reply.status, reply.body) == (500, b"Internal Server Error\n")
    [line] = one.log()
    assert line["message"].startswith("an error in the proxy: UnicodeEncodeError: 'latin-1' codec can't encode")
    assert "test_failures.py" in line["trace"]
    assert "s3cr3t" not in str(line)
