"""Requests that cover every route of httpbin, an app that nobody here wrote."""

from __future__ import annotations

from dataclasses import dataclass, field

FORM = b"name=Ada+Lovelace&note=%C3%A9t%C3%A9&empty="
JSON = b'{"a": [1, 2.5, null], "name": "\xc3\xa9"}'
MULTIPART = (
    b'--xYz\r\ncontent-disposition: form-data; name="field"\r\n\r\nvalue\r\n'
    b'--xYz\r\ncontent-disposition: form-data; name="file"; filename="a.bin"\r\n'
    b"content-type: application/octet-stream\r\n\r\n" + bytes(range(256)) + b"\r\n--xYz--\r\n"
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request of httpbin.

    `random`: the answer is drawn by lot or tells the time, so that its body is compared by length. `repeats`: a query
    name or a Set-Cookie comes more than once, which a load balancer without multi-value headers loses.
    """

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    random: bool = False
    repeats: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


def get(target: str, *, random: bool = False, repeats: bool = False, **headers: str) -> Sent:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Sent("GET", target, fields, random=random, repeats=repeats)


REQUESTS = [
    get("/"),
    get("/absolute-redirect/2"),
    *(Sent(method, "/anything?a=1&a=2&b=%C3%A9", repeats=True) for method in ("GET", "DELETE", "TRACE")),
    *(
        Sent(method, "/anything/some/path", {"content-type": "application/json"}, JSON)
        for method in ("POST", "PUT", "PATCH")
    ),
    get("/anything/with%20space/and%2Fslash?q=a%2Bb&q=a+b&empty=", repeats=True),
    Sent("POST", "/anything", {"content-type": "multipart/form-data; boundary=xYz"}, MULTIPART),
    get("/base64/SFRUUEJJTiBpcyBhd2Vzb21l"),
    get("/basic-auth/ada/secret"),
    get("/basic-auth/ada/secret", authorization="Basic YWRhOnNlY3JldA=="),
    get("/bearer"),
    get("/bearer", authorization="Bearer abc"),
    get("/brotli"),
    get("/bytes/2048?seed=7"),
    get("/cache", random=True),
    get("/cache", if_modified_since="Sat, 31 Jan 2026 08:15:00 GMT"),
    get("/cache/60"),
    get("/cookies", cookie="a=1; b=2"),
    get("/cookies/set?one=1&two=2", repeats=True),
    get("/cookies/delete?one=&two=", cookie="one=1; two=2", repeats=True),
    get("/cookies/set/name/value"),
    get("/deflate"),
    get("/delay/0.05"),
    Sent("POST", "/delay/0", {"content-type": "application/x-www-form-urlencoded"}, FORM),
    Sent("DELETE", "/delete"),
    get("/deny"),
    get("/digest-auth/auth/ada/secret", random=True),
    get("/digest-auth/auth/ada/secret/SHA-256", random=True),
    get("/digest-auth/auth/ada/secret/MD5/3", random=True),
    get("/drip?numbytes=20&duration=0.1&delay=0"),
    get("/encoding/utf8"),
    get("/etag/abc"),
    get("/etag/abc", if_none_match='"abc"'),
    get("/etag/abc", if_match='"other"'),
    get("/forms/post"),
    get("/get?x=1"),
    get("/gzip"),
    get("/headers", x_custom="one, two"),
    get("/hidden-basic-auth/ada/secret"),
    get("/hidden-basic-auth/ada/secret", authorization="Basic YWRhOnNlY3JldA=="),
    get("/html"),
    get("/image", accept="image/png"),
    get("/image", accept="application/pdf"),
    get("/image/jpeg"),
    get("/image/png"),
    get("/image/svg"),
    get("/image/webp"),
    get("/ip"),
    get("/json"),
    get("/links/3"),
    get("/links/3/1"),
    Sent("PATCH", "/patch", {"content-type": "application/json"}, JSON),
    Sent("POST", "/post", {"content-type": "application/x-www-form-urlencoded"}, FORM),
    Sent("POST", "/post", {"content-type": "application/octet-stream"}, bytes(range(256))),
    Sent("POST", "/post", {"content-type": "application/octet-stream"}, bytes(range(256)) * 1_000),
    Sent("PUT", "/put", {"content-type": "text/plain"}, b"plain text"),
    get("/range/1024?chunk_size=100"),
    get("/range/1024", range="bytes=10-19"),
    get("/range/1024", range="bytes=5000-"),
    get("/redirect-to?url=http%3A%2F%2Fexample.com%2F&status_code=307"),
    Sent("POST", "/redirect-to?url=%2Fget", {"content-type": "application/x-www-form-urlencoded"}, b""),
    get("/redirect/3"),
    get("/relative-redirect/3"),
    get(
        "/response-headers?Set-Cookie=a%3D1%3B+Expires%3DWed%2C+21+Oct+2026+07%3A28%3A00+GMT&Set-Cookie=b%3D2&X-One=1",
        repeats=True,
    ),
    Sent("POST", "/response-headers?X-One=a%2C+b"),
    get("/robots.txt"),
    get("/static/favicon.ico"),
    get("/static/../app.py"),
    *(get(f"/status/{code}") for code in (200, 204, 301, 304, 400, 401, 402, 404, 406, 407, 418, 500, 503)),
    Sent("POST", "/status/201"),
    get("/stream-bytes/3000?seed=3&chunk_size=500"),
    get("/stream/5?x=1"),
    get("/user-agent", user_agent="conformance/1.0"),
    get("/uuid", random=True),
    get("/xml"),
    Sent("HEAD", "/get"),
    Sent("HEAD", "/image/png"),
    Sent("OPTIONS", "/get", {"origin": "https://example.com", "access-control-request-method": "POST"}),
    get("/no/such/route"),
]
