"""`headers`, `secure` and the `_headers` file, from what people write to the options of the middleware."""

import pytest


@pytest.fixture
def options(manifest):
    def options(text, stage="production", **files):
        return manifest(text, stage, **files)["middleware"].get("headers")

    return options


def test_none_unless_there_are_some(options):
    assert options("headers: {}\n") is None


@pytest.mark.parametrize("stage", ["development", "staging"])
def test_robots_are_kept_away_from_what_is_not_production(options, stage):
    assert options("", stage) == {"always": {"x-robots-tag": "none"}}
    text = "headers: {/a: {X-Robots-Tag: all}}\n"
    assert options(text, stage) == {
        "paths": {"/a": {"x-robots-tag": "all"}}, "always": {"x-robots-tag": "none"},
    }  # fmt: skip


def test_the_most_specific_comes_last(options):
    text = (
        "headers:\n"
        "  /static/:name: {X-A: 1}\n"
        "  /*: {X-A: 2, Server: ''}\n"
        "  /static/*: {X-A: ' caf\u00e9 ', X-B: true}\n"
    )
    section = options(text)["paths"]
    assert list(section.items()) == [
        ("/*", {"x-a": "2", "server": ""}),
        ("/static/*", {"x-a": "cafÃ©", "x-b": "true"}),  # the bytes of UTF-8
        ("/static/:name", {"x-a": "1"}),
    ]


FILE = """\
# a comment
/*
  X-Frame-Options: DENY
  Link: </a.css>; rel=preload
  link: </b.css>; rel=preload

/docs/*
\tCache-Control: max-age=600
/nothing
"""


def test_the_file(options):
    section = options("headers: {/*: {x-frame-options: SAMEORIGIN}}\n", _headers=FILE)
    assert section["paths"] == {
        "/*": {"x-frame-options": "SAMEORIGIN", "link": "</a.css>; rel=preload, </b.css>; rel=preload"},
        "/docs/*": {"cache-control": "max-age=600"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n  X-A: 1\n/a\n", "_headers:2: expected a path before the first field"),
        ("/a\n  X A: 1\n", "_headers:2: /a: expected the name of a header field, such as X-Total"),
        ("/a\n  nothing\n  : 1\n", "_headers:3: /a: expected the name of a header field, such as X-Total"),
        ("/a\n  X-A: a\x01b\n", "_headers:2: /a: expected one line without control characters"),
        ("/a\n  Content-Length: 1\n", "_headers:2: /a: cannot be set: Content-Length follows from the body"),
        ("\n\na/*\n  X-A: 1\n", "_headers:3: expected a path that starts with / and has no query"),
        ("/a/*/*\n  X-A: 1\nb\n", ("_headers:1: expected at most one * in a pattern\n"
         "_headers:3: expected a path that starts with / and has no query")),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_file(told, text, message):
    assert told("", _headers=text) == message


def test_a_file_that_is_no_text(told, tmp_path):
    (tmp_path / "_headers").write_bytes(b"/\xff\n")
    assert told("") == "_headers: is not UTF-8"


PRESET = {
    "x-content-type-options": "nosniff", "x-frame-options": "SAMEORIGIN",
    "content-security-policy": "frame-ancestors 'self'", "referrer-policy": "strict-origin-when-cross-origin",
}  # fmt: skip


@pytest.mark.parametrize(
    ("secure", "changes", "hsts"),
    [
        ("true", {}, "max-age=31536000"),
        ("{}", {}, "max-age=31536000"),
        ("{hsts: ''}", {}, ""),
        ("{hsts: max-age=1; includeSubDomains; preload}", {}, "max-age=1; includeSubDomains; preload"),
        ("{referrer_policy: ''}", {"referrer-policy": None}, "max-age=31536000"),
        ("{frame_ancestors: none}", {"x-frame-options": "DENY", "content-security-policy": "frame-ancestors 'none'"},
         "max-age=31536000"),
        ("{frame_ancestors: [self, 'https://*.a.example']}",
         {"x-frame-options": None, "content-security-policy": "frame-ancestors 'self' https://*.a.example"},
         "max-age=31536000"),
        ("{csp: \"default-src 'self';\"}",
         {"content-security-policy": "default-src 'self'; frame-ancestors 'self'"}, "max-age=31536000"),
        ("{csp: Frame-Ancestors *}", {"x-frame-options": None, "content-security-policy": "Frame-Ancestors *"},
         "max-age=31536000"),
    ],
)  # fmt: skip
def test_secure(options, secure, changes, hsts):
    section = options(f"secure: {secure}\n")
    expected = {name: value for name, value in (PRESET | changes).items() if value is not None}
    assert section.get("defaults") == expected
    assert section.get("hsts", "") == hsts


def test_secure_is_off_by_default(options):
    assert options("secure: false\n") is None
