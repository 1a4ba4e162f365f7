"""What a path matches, and what no spelling of a path gets around."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from upproxy.proxy.middleware.patterns import FirstMatch, Pattern, PatternError, normal, readings

quick = settings(max_examples=200, deadline=None)


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("/", "/", {}),
        ("/", "/a", None),
        ("/a", "/a", {}),
        ("/a", "/a/", None),
        ("/a", "/A", None),
        ("/a/", "/a/", {}),
        ("/a/", "/a", None),
        ("/a/:id", "/a/1", {"id": "1"}),
        ("/a/:id", "/a/", None),
        ("/a/:id", "/a/1/2", None),
        ("/:a/:b_2", "/x/y", {"a": "x", "b_2": "y"}),
        ("/:a/", "/x/", {"a": "x"}),
        ("/a:b", "/a:b", {}),  # a colon inside a segment is one
        ("/%3Aa", "/:a", {}),
        ("/*", "/", {"splat": ""}),
        ("/*", "/a/b", {"splat": "a/b"}),
        ("/*", "//", {"splat": "/"}),
        ("/a/*", "/a", {"splat": ""}),
        ("/a/*", "/a/", {"splat": ""}),
        ("/a/*", "/a/b/", {"splat": "b/"}),
        ("/a/*", "/ab", None),
        ("/a*", "/a", {"splat": ""}),
        ("/a*", "/ab/c", {"splat": "b/c"}),
        ("/*.js", "/a/b.js", {"splat": "a/b"}),
        ("/*.js", "/.js", {"splat": ""}),
        ("/*.js", "/js", None),
        ("/a*a", "/a", None),  # the two do not share a character
        ("/a*a", "/aa", {"splat": ""}),
        ("/*/edit", "/a/b/edit", {"splat": "a/b"}),
        ("/*/edit", "/edit", None),
        ("/*/edit", "//edit", {"splat": ""}),
        ("/:tenant/*/:id", "/t/a/b/7", {"tenant": "t", "splat": "a/b", "id": "7"}),
        ("/:tenant/*/:id", "/t/7", None),
        ("/:tenant/*", "/t", {"tenant": "t", "splat": ""}),
        ("/:tenant/*", "/", None),
        ("/%2A", "/*", {}),  # an encoded star is one
        ("/%2A", "/x", None),
        ("/a b", "/a%20b", {}),
        ("/café/*", "/caf%c3%a9/1", {"splat": "1"}),
        ("/a/:id", "/%61/%61%2f%26", {"id": "a%2F&"}),  # in normal form
        ("/a/:id", "/a%2f1", None),
        ("/100%", "/100%", {}),
        ("/100%", "/100%25", {}),
    ],
)
def test_match(pattern, path, found):
    assert Pattern(pattern).match(path) == found


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", "a path that starts with /"),
        ("a", "a path that starts with /"),
        ("/a?b", "no query"),
        ("/a#b", "no query"),
        ("/*/*", "at most one"),
        ("/:", "after a :"),
        ("/:1", "after a :"),
        ("/:id.html", "after a :"),
        ("/:id*", "after a :"),
        ("/:a/:a", "each name once"),
        ("/:splat/*", "each name once"),
    ],
)
def test_no_pattern(pattern, expected):
    with pytest.raises(PatternError, match=expected):
        Pattern(pattern)


def test_specificity():
    """Each is more specific than all that follow it."""
    order = [
        "/a/b", "/a/b/*", "/a/:id", "/a/lo*l", "/a/l*", "/a/*/z", "/a/*",
        "/:x/b", "/:x/:y", "/:x/*", "/im*.jpg", "/*.jpg", "/*/b", "/*",
    ]  # fmt: skip
    for seed in (order, order[::-1]):
        assert sorted(seed, key=lambda text: Pattern(text).specificity, reverse=True) == order


SEGMENTS = st.text("ab:%*/;.\\ é2FfcC?#\0", max_size=12)
PATHS = SEGMENTS.map(lambda text: "/" + text)
PATTERNS = st.lists(st.sampled_from(["a", "b", ":x", ":y", "*", "a*", "*b", "a*b", "", "%61", "é"]), max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


@quick
@given(PATHS)
def test_normal_form(path):
    found = normal(path)
    assert normal(found) == found
    assert found.isascii()
    assert found.count("/") == path.count("/")
    if "%" not in path:  # the standard library's encoding, with the same characters left alone
        assert found == quote(path, safe="/-._~!$&'()*+,;=:@")
    bare = path.encode() if "%" not in path else unquote_to_bytes(path)
    assert unquote_to_bytes(found) == bare


@quick
@given(PATTERNS, PATHS)
@example("/:x/*", "/a/b/")
@example("/a*b/:x", "/ab/b")
def test_what_matches_is_the_path(text, path):
    """Put back in place of the names, what they stood for gives the path; only `/a/*` is also `/a`."""
    try:
        pattern = Pattern(text)
    except PatternError:
        return
    found = pattern.match(path)
    if found is None:
        return
    assert all(value and "/" not in value for name, value in found.items() if name != "splat")
    segments = [
        found[one[1:]]
        if one[:1] == ":"
        else "*".join(map(normal, one.split("*"))).replace("*", found.get("splat", "*"))
        for one in text.split("/")
    ]
    rebuilt = "/".join(segments)
    assert normal(path) in (rebuilt, rebuilt.removesuffix("/") if text.endswith("/*") else rebuilt)


@quick
@given(st.lists(st.sampled_from(["a", "b", "c", "/"]), max_size=8), PATTERNS)
def test_match_is_what_a_regular_expression_finds(parts, text):
    """The same by another way: `re`, with `:name` as [^/]+ and `*` as .*."""
    import re

    try:
        pattern = Pattern(text)
    except PatternError:
        return
    path = "/" + "".join(parts)
    expression = "".join(
        "[^/]+" if piece[:1] == ":" else ".*" if piece == "*" else re.escape(piece)
        for piece in re.split(r"((?<=/):[a-z]+|\*)", normal(text))
    )
    if text.endswith("/*") and text != "/*":
        expression = expression.removesuffix("/.*") + "(/.*)?"
    assert (pattern.match(path) is not None) == bool(re.fullmatch(expression, path))


def test_plain_paths_have_one_reading():
    for path in ("/", "/a/b", "/a/b.html", "/a/..b/.c", "/a!$&'()*+,=:@~"):
        assert readings(path) == [path]


TRICKS = [
    "//admin", "///admin", "/%61dmin", "/%61%64%6d%69%6e", "/%2561dmin", "/%252561dmin", "/public/../admin",
    "/public/%2e%2e/admin", "/public/%2E./admin", "/public/..%2fadmin", "/public%2f..%2fadmin", "/public/..%252fadmin",
    "/public/..\\admin", "/public/..%5cadmin", "/public\\..\\admin", "/./admin", "/%2e/admin", "/x/..//admin",
    "//public/../admin", "/public/..;/admin", "/public/..;x=1/admin", "/admin;x=1", "/admin;/", "/admin/", "/admin//",
    "/admin/.", "/admin/./", "/ADMIN", "/Admin/", "/%41dmin", "/admin%2f", "/admin%00", "/admin%00.css", "/admin%3fx",
    "/admin%23x", "/admin%20", "//host/admin", "/\\admin", "/%5cadmin", "/public/x/../../admin",
    "/public//../admin", "/public/%2e%2e%2f%2e%2e%2fadmin", "/admin.", "/admin..", "/admin./", "/admin.;x", "/admin%2e",
    "/admin%20.", "/admin.%00", "/admin%09", "/admin%0a", "/admin%0D%0A", "/admin%7f", "/admin%85", "/admin%C2%A0",
    "/%20admin", "/%09admin%20", "/public/..%20/admin", "/public/%20../admin", "///host/admin", "/%2f/host/admin",
    "/" + "/" * 5000 + "host/admin", "/.//admin", "/;/admin", "/admin/;x", "/x;/..;/admin", "/%61dmin%3bx",
    "/admin%3f/x", "/admin%23/x", "/admin%00/x", "/%2561dmin%2500/public/x", "/public/..%2fadmin%3Fa/b",
]  # fmt: skip


@pytest.mark.parametrize("path", TRICKS)
@pytest.mark.parametrize("protected", ["/admin", "/admin/*", "/Admin/", "/%61dmin"])
def test_no_spelling_gets_around_a_rule(path, protected):
    assert 0 in FirstMatch([protected, "/public/*", "/*"]).deciding(path)


def test_no_spelling_slips_into_a_public_place():
    """A path that some app takes for another one falls under the rules of both."""
    rules = FirstMatch(["/public/*", "/*"])
    for path in ("/admin/../public/x", "/admin/%2e%2e/public", "//public", "/PUBLIC/x", "/a;/../public", "//a/public"):
        assert rules.deciding(path) == {0, 1}
    assert rules.deciding("/public/x") == {0}
    assert rules.deciding("/publicx") == {1}
    assert FirstMatch([]).deciding("/x") == {-1}


@pytest.mark.timeout(30)
def test_long_paths_take_no_longer_than_they_are_long():
    """Looking through what is left once for every dot that goes took minutes for this."""
    path = "//%5C%2520%253b%25252f/..;/%00//./%2e%2e/admin" + "." * 100_000
    assert 0 in FirstMatch(["/admin", "/*"]).deciding(path)


def test_names_that_differ_in_case_only():
    assert FirstMatch(["/:Id/:id"]).deciding("/A/B") == {0}


PIECES = st.sampled_from(["/", "//", "%2f", "\\", "%5c", ".", "..", "%2e", "%252e", ";x", "%00", "a", "%25", "%", " "])


@quick
@given(st.lists(PIECES, max_size=6).map(lambda parts: "/" + "".join(parts)))
def test_readings(path):
    found = readings(path)
    assert found[0] == normal(path)
    assert len(found) == len(set(found)) <= 64 + 6  # the limit, and the steps of its last round
    for reading in found:
        assert reading.startswith("/")
        assert normal(reading) == reading
    assert any(
        ".." not in one.split("/") and "." not in one.split("/") and "" not in one.split("/")[1:-1] for one in found
    )


@quick
@given(st.lists(st.sampled_from(["admin", "public", "x"]), min_size=1, max_size=3), st.data())
def test_encoding_changes_nothing(segments, data):
    """However a path is encoded, the rule for the plain one is among those that decide."""
    plain = "/" + "/".join(segments)
    spelled = "".join(
        data.draw(st.sampled_from([c, f"%{ord(c):02x}", f"%25{ord(c):02X}", f"%{ord(c):02X}"])) for c in plain[1:]
    )
    rules = FirstMatch(["/admin/*", "/public/x", "/:any/public", "/*"])
    assert rules.deciding(plain) <= rules.deciding("/" + spelled)
