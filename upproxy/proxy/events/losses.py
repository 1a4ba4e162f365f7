"""What each source loses: all that may differ between what one side of it sent and what the other side got.

Not imported by the runtime: it is for the tests, which hold everything else equal, and for the documentation.
"""

from __future__ import annotations

_EVERYWHERE = {
    "header_bytes": "bytes of a header value that are no UTF-8 become U+FFFD",
    "framing": "Transfer-Encoding, trailers and hop-by-hop fields end at the gateway",
    "response_header_bytes": "a header value that is no UTF-8 is sent as the UTF-8 of its latin-1 text",
    "response_content_type": "a response that has a body and no Content-Type gets the source's default",
    "response_order": "fields of one name stand together, Set-Cookie last",
    "response_framing": "Transfer-Encoding, trailers and hop-by-hop fields; Content-Length is counted anew",
}
_JOINED = {
    "repeated_headers": "repeats of a field arrive as one, joined with commas",
    "cookie_spacing": "cookies are split at semicolons: space around them and empty ones are lost",
    "response_repeated_headers": "repeats of a field but Set-Cookie are sent as one, joined with commas",
}
_DECODED_QUERY = {
    "query_order": "pairs of one name stand together, the order of names is not kept",
    "query_spelling": "the query is decoded and encoded anew: `%20` and `+`, `a` and `a=`, `%7E` and `~` are one",
    "query_bytes": "bytes of the query that are no UTF-8 become U+FFFD",
    "query_semicolon": "a semicolon separates pairs, as & does",
}
_AUTHENTICATE = {
    "response_www_authenticate": "WWW-Authenticate is renamed to x-amzn-remapped-www-authenticate: browsers never ask",
}

LOSSES: dict[str, dict[str, str]] = {  # source -> what is lost, under a name; ways back begin with `response_`
    "function_url": {
        **_EVERYWHERE,
        **_JOINED,
        **_AUTHENTICATE,
    },
    "http_api": {
        **_EVERYWHERE,
        **_JOINED,
        "path_decoded": "the path is decoded once: `%2F` and `/`, `%41` and `A` are one",
        "path_bytes": "bytes of the path that are no UTF-8 become U+FFFD",
    },
    "http_api_v1": {
        **_EVERYWHERE,
        **_DECODED_QUERY,
    },
    "rest_api": {
        **_EVERYWHERE,
        **_DECODED_QUERY,
        **_AUTHENTICATE,
        "header_order": "repeats of a field whose names differ in case are not kept in order",
        "dropped_headers": "Content-MD5, Expect, Max-Forwards, Proxy-Authenticate, Server, TE, WWW-Authenticate",
        "response_dropped_headers": "Expect, Host, Proxy-Authenticate, TE, Trailer, Upgrade, Via",
        "response_remapped_headers": "Authorization, Content-MD5, Date, Max-Forwards, Server and User-Agent "
        "get the prefix x-amzn-remapped-",
    },
    "alb": {
        **_EVERYWHERE,
        "repeated_headers": "of repeats of a field the last arrives",
        "query_order": "of pairs of one name the last arrives",
        "query_equals": "`a` and `a=` are one, empty pairs are lost",
        "response_repeated_headers": "repeats of a field but Set-Cookie are sent as one, joined with commas",
        "response_set_cookie_case": "repeats of Set-Cookie are sent in different cases, at most 512",
    },
    "alb_multi": {
        **_EVERYWHERE,
        "query_order": "pairs of one name stand together, the order of names is not kept",
        "query_equals": "`a` and `a=` are one, empty pairs are lost",
    },
}
