"""What each source loses of a request or a response: all that may differ between what one side sent and the other got.

Never imported by the runtime: for tests, which hold everything else equal, and for the documentation.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Mapping


class Loss:
    """One thing that is lost, under a name; `what` says it to people. Names that begin with `response_` are ways back."""

    __slots__ = ("name", "what")

    def __init__(self, name: str, what: str) -> None:
        self.name = name
        self.what = what


_EVERYWHERE = (
    Loss("header_bytes", "bytes of a header value that are no UTF-8 become U+FFFD"),
    Loss("framing", "Transfer-Encoding, trailers and hop-by-hop fields end at the gateway"),
    Loss(
        "response_header_bytes", "bytes of a header value that are no UTF-8 are sent as the UTF-8 of their latin-1 text"
    ),
    Loss("response_content_type", "a response that has a body and no Content-Type gets the source's default"),
    Loss("response_order", "fields of one name stand together, Set-Cookie last"),
    Loss("response_framing", "Transfer-Encoding, trailers and hop-by-hop fields; Content-Length is counted anew"),
)
_JOINED = (
    Loss("repeated_headers", "repeats of a field arrive as one, joined with commas"),
    Loss("cookie_spacing", "cookies are split at semicolons: space around them and empty ones are lost"),
    Loss("response_repeated_headers", "repeats of a field but Set-Cookie are sent as one, joined with commas"),
)
_DECODED_QUERY = (
    Loss("query_order", "pairs of one name stand together, the order of names is not kept"),
    Loss("query_spelling", "the query is decoded and encoded anew: `%20` and `+`, `a` and `a=`, `%7E` and `~` are one"),
    Loss("query_bytes", "bytes of the query that are no UTF-8 become U+FFFD"),
    Loss("query_semicolon", "a semicolon separates pairs, as & does"),
)
_REMAPPED_AUTHENTICATE = Loss(
    "response_www_authenticate",
    "WWW-Authenticate is renamed to x-amzn-remapped-www-authenticate: browsers do not ask for a password",
)

LOSSES: Mapping[str, tuple[Loss, ...]] = {
    "function_url": (*_EVERYWHERE, *_JOINED, _REMAPPED_AUTHENTICATE),
    "http_api": (
        *_EVERYWHERE,
        *_JOINED,
        Loss("path_decoded", "the path is decoded once: `%2F` and `/`, `%41` and `A` are one"),
        Loss("path_bytes", "bytes of the path that are no UTF-8 become U+FFFD"),
    ),
    "http_api_v1": (*_EVERYWHERE, *_DECODED_QUERY),
    "rest_api": (
        *_EVERYWHERE,
        *_DECODED_QUERY,
        Loss(
            "dropped_headers", "Content-MD5, Expect, Max-Forwards, Proxy-Authenticate, Server, TE and WWW-Authenticate"
        ),
        Loss("response_dropped_headers", "Expect, Host, Proxy-Authenticate, TE, Trailer, Upgrade and Via"),
        Loss(
            "response_remapped",
            "Authorization, Content-MD5, Date, Max-Forwards, Server and User-Agent get the prefix x-amzn-remapped-",
        ),
        _REMAPPED_AUTHENTICATE,
    ),
    "alb": (
        *_EVERYWHERE,
        Loss("repeated_headers", "of repeats of a field the last arrives"),
        Loss("query_order", "of pairs of one name the last arrives; a name without = gets one"),
        Loss("response_repeated_headers", "repeats of a field but Set-Cookie are sent as one, joined with commas"),
        Loss("response_set_cookie_case", "repeats of Set-Cookie are sent in different cases, at most 512"),
    ),
    "alb_multi": (
        *_EVERYWHERE,
        Loss("query_order", "pairs of one name stand together; a name without = gets one"),
    ),
}
