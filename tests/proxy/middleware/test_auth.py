"""Rules by path, passwords, keys and networks, through the real chain."""

from __future__ import annotations

import base64
import hashlib
import posix
import posixpath
import urllib.parse

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.proxy.middleware import serving
from tests.proxy.middleware.chaining import EVERY_SOURCE, Chunks, Upstream
from upproxy.proxy.lean import dumps
from upproxy.proxy.manifest import ManifestError
from upproxy.proxy.messages import Headers, Invocation, Request, Response
from upproxy.proxy.middleware.auth import api_key, basic, scrypt
from upproxy.proxy.middleware.auth.credentials import Refused

HASHED = (  # of pässword
    "$scrypt$ln=14,r=8,p=1$4L0WJNQhXqxVn0ACCjgG8Q$6ER7fkOSEgnV6MjnE33S97Jrai64/kLM6IYOT87ouls"
)
CHEAP = (  # the vector of RFC 7914 section 12 for "password"
    "$scrypt$ln=10,r=8,p=16$TmFDbA$"
    "/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA"
)
RENAMED = ("rest_api", "function_url")


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    for name, value in {"PLAIN": b"open sesame", "HASHED": HASHED.encode(), "ONE": b"k-1", "TWO": b"k-2"}.items():
        monkeypatch.setitem(posix.environ, name.encode(), value)
    monkeypatch.setitem(posix.environ, b"EMPTY", b"")
    monkeypatch.delitem(posix.environ, b"MISSING", raising=False)


def login(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def rules(*given):
    return {"auth": {"rules": list(given)}}


def challenges(reply, source="function_url") -> list[str]:
    name = "x-amzn-remapped-www-authenticate" if source in RENAMED else "www-authenticate"
    return reply.headers.get_all(name)


BASIC = {"basic": {"users": {"ann": "${PLAIN}", "bob": HASHED, "cid": "${HASHED}"}}}
KEYS = {"api_key": {"keys": ["${ONE}", "${TWO}"], "header": "X-Api-Key", "query": "key"}}

# --- rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
def test_every_source(chain, source, streaming):
    upstream = Upstream(body=[b"a", b"b"])
    one = chain(rules(BASIC), upstream, streaming=streaming)
    refused = one.request(source=source)
    assert (refused.status, refused.body) == (401, b"Unauthorized\n")
    assert challenges(refused, source) == ['Basic realm="Restricted", charset="UTF-8"']
    assert refused.headers.get("cache-control") == "no-store"
    assert not upstream.requests, "the app is not asked"
    passed = one.request(source=source, headers=login("ann", "open sesame"))
    assert (passed.status, passed.body) == (200, b"ab")
    if streaming and source in RENAMED:
        assert passed.chunks == [b"a", b"b"], "a stream stays one"
    [request] = upstream.requests
    assert request.headers.get_all("x-auth-method") == ["basic"]
    assert request.headers.get_all("x-auth-user") == ["ann"]


def test_the_first_rule_that_matches_decides(chain):
    one = chain(rules({"path": "/health", "public": True}, {"path": "/partners/*", **KEYS}, {"path": "/*", **BASIC}))
    assert one.request(target="/health").status == 200
    assert one.request(target="/healthy").status == 401
    assert one.request(target="/partners/x", headers={"x-api-key": "k-1"}).status == 200
    assert one.request(target="/partners/x", headers=login("ann", "open sesame")).status == 401
    assert one.request(target="/x", headers={"x-api-key": "k-1"}).status == 401


def test_what_no_rule_matches_is_open(chain):
    upstream = Upstream()
    one = chain(rules({"path": "/admin/*", **BASIC}), upstream)
    assert one.request(target="/other").status == 200
    assert "x-auth-method" not in upstream.requests[0].headers


def test_networks_and_credentials_are_both_needed(chain):
    one = chain(rules({**BASIC, "ip": {"allow": ["203.0.113.0/24"]}}))
    assert one.request().status == 401
    assert one.request(headers=login("ann", "open sesame")).status == 200
    assert one.request(headers=login("ann", "open sesame"), client="198.51.100.1").status == 403
    assert one.request(client="198.51.100.1").status == 403


def test_one_of_several_credentials_is_enough(chain):
    upstream = Upstream()
    one = chain(rules({**BASIC, **KEYS}), upstream)
    assert challenges(one.request()) == ['Basic realm="Restricted", charset="UTF-8", ApiKey realm="Restricted"']
    assert one.request(headers={"x-api-key": "k-2"}).status == 200
    assert one.request(headers=login("bob", "pässword")).status == 200
    assert one.request(headers={**login("bob", "wrong"), "x-api-key": "k-1"}).status == 200
    assert [request.headers.get("x-auth-user") for request in upstream.requests] == ["TWO", "bob", "ONE"]


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_identity_cannot_be_forged(chain, source):
    upstream = Upstream()
    one = chain(rules({"path": "/open", "public": True}, {**BASIC}), upstream)
    forged = {
        "X-Auth-User": "root", "x-auth-method": "jwt", "X-AUTH-CLAIMS": "{}", "X_Auth_User": "root",
        "X-Auth-Roles": "root",
    }  # fmt: skip
    assert one.request(target="/open", source=source, headers=forged).status == 200
    assert one.request(source=source, headers={**forged, **login("ann", "open sesame")}).status == 200
    for request, expected in zip(upstream.requests, ([], ["x-auth-method", "x-auth-user"]), strict=True):
        named = [name for name, _ in request.headers if name.replace("_", "-").startswith("x-auth")]
        assert sorted(named) == expected
    assert upstream.requests[1].headers.get("x-auth-user") == "ann"


def test_triggers_are_no_clients(chain):
    """Their events come from Lambda itself, and nobody could log in."""
    upstream = Upstream()
    one = chain(rules(BASIC), upstream)
    request = Request("POST", "/", "", Headers(), b"{}", invocation=Invocation("id", deadline=0), source="trigger")
    statuses = []

    async def turn():
        statuses.append((await one.handler(request)).status)

    one._loop.run(turn())
    assert statuses == [200]


# --- paths ------------------------------------------------------------------------------------------------------------

TO_ADMIN = [
    "/admin", "/admin/", "/admin/x", "//admin", "///admin//x", "/%61dmin", "/%61%64%6d%69%6e", "/%2561dmin",
    "/public/../admin", "/public/./../admin", "/./admin", "/public/%2e%2e/admin", "/public/.%2E/admin",
    "/public/..%2fadmin", "/public/..%2Fadmin", "/public%2f..%2fadmin", "/public/%252e%252e/admin",
    "/public/..%252fadmin", "/public/..%5cadmin", "/public/..\\admin", "/\\admin", "/%5cadmin", "/ADMIN", "/Admin/x",
    "/%41DMIN", "/admin%2f..", "/admin/..", "/admin%2fx", "/admin/../public/x", "/admin;a=b", "/admin;/x",
    "/public/..;/admin", "/public/..;a=b/admin/x", "/public//../admin", "/public/../../admin", "/admin%00", "/admin%20",
    "/admin%3fx", "/admin%23x", "//example.com/admin", "/public/x/../../admin/../admin", "/public/%2e%2e%2fadmin",
    "/admin.", "/admin./x", "/admin%2e", "/admin%09", "/admin%0a", "/%20admin", "/admin%c2%a0", "////example.com/admin",
]  # fmt: skip


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_no_spelling_of_a_path_gets_around_its_rule(chain, source):
    upstream = Upstream()
    one = chain(rules({"path": "/public/*", "public": True}, {"path": "/admin/*", **BASIC}, {"public": True}), upstream)
    for target in TO_ADMIN:
        assert one.request(target=target, source=source).status == 401, target
        assert one.request(target=target, source=source, headers=login("ann", "open sesame")).status == 200, target
    for target in ("/", "/administration", "/public/admin", "/x?next=/admin", "/x/y.z", "/caf%C3%A9%20x"):
        assert one.request(target=target, source=source).status == 200, target


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_no_spelling_of_a_path_gets_under_a_public_rule(chain, source):
    one = chain(rules({"path": "/public/*", "public": True}, {**BASIC}))
    for target in (
        "/public/../x", "/public/..%2fx", "/public/%2e%2e/x", "/PUBLIC/x", "//public/x", "/public/..;/x",
        "/public/..\\x", "/public//../x", "/public%2f..%2fx", "/%2570ublic/x", "/x/../public/y", "/public/%2e%2e%2fx",
    ):  # fmt: skip
        assert one.request(target=target, source=source).status == 401, target
    assert one.request(target="/public%2fx", source=source).status == (200 if source == "http_api" else 401)
    for target in ("/public", "/public/a/b", "/public/a%20b", "/public/a/../b"):
        assert one.request(target=target, source=source).status == 200, target


DECODINGS = 2
STEPS = {
    "decode": urllib.parse.unquote,
    "resolve": lambda path: posixpath.normpath(path) if path.startswith("/") else path,
    "merge": lambda path: "/" + "/".join(filter(None, path.split("/"))),
    "lower": str.lower,
    "backslash": lambda path: path.replace("\\", "/"),
    "parameters": lambda path: "/".join(segment.partition(";")[0] for segment in path.split("/")),
}
PIECES = st.sampled_from(
    ["/", "/", "//", "admin", "ADMIN", "%61dmin", "%2561dmin", "public", "x", ".", "..", "%2e", "%2e%2e", "%2f", "%5c",
     "\\", ";", ";a", "%252f", "%252e"]
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=8).map(lambda pieces: "/" + "".join(pieces)))
def test_whatever_a_server_makes_of_a_path_the_rule_holds(chain, path):
    """A path that some row of steps brings to `/admin` asks for the password, however it is written."""
    seen = {(path, 0)}
    left = [(path, 0)]
    while left:
        text, decodings = left.pop()
        for name, step in STEPS.items():
            one = (step(text), decodings + (name == "decode"))
            if one[1] <= DECODINGS and one not in seen:
                seen.add(one)
                left.append(one)
    if any(text == "/admin" or text.startswith("/admin/") for text, _ in seen):
        one = chain(rules({"path": "/admin/*", "ip": {"deny": ["0.0.0.0/0"]}}, {"public": True}))
        assert one.request(target=path, source="function_url").status == 403


# --- passwords --------------------------------------------------------------------------------------------------------


def test_passwords_plain_and_hashed(chain):
    one = chain(rules(BASIC))
    for user, password in (("ann", "open sesame"), ("bob", "pässword"), ("cid", "pässword")):
        for _ in range(2):
            assert one.request(headers=login(user, password)).status == 200
        for wrong in ("", "x", password + "x", password[:-1], password.upper(), HASHED):
            assert one.request(headers=login(user, wrong)).status == 401
        assert one.request(headers=login(user, password)).status == 200
    for user, password in (("ann", "pässword"), ("Ann", "open sesame"), ("", "open sesame"), ("dan", ""), ("", "")):
        assert one.request(headers=login(user, password)).status == 401


def hashings(monkeypatch) -> list[bytes]:
    """Return a list that gets the password of every hashing from now on."""
    seen = []
    real = scrypt.Hash.derive

    def derive(self, password):
        seen.append((self.cost, password))
        return real(self, password)

    monkeypatch.setattr(scrypt.Hash, "derive", derive)
    return seen


def test_every_wrong_login_costs_the_same(chain, monkeypatch):
    """Known or unknown, plain or hashed: one hashing for each cost that any user has."""
    seen = hashings(monkeypatch)
    one = chain(rules({"basic": {"users": {"ann": "${PLAIN}", "bob": HASHED, "cid": CHEAP}}}))
    for user in ("ann", "bob", "cid", "nobody", ""):
        assert one.request(headers=login(user, "wrong")).status == 401
        assert sorted(cost for cost, _ in seen) == [(10, 8, 16), (14, 8, 1)], user
        seen.clear()


def test_plain_passwords_alone_need_no_hashing(chain, monkeypatch):
    seen = hashings(monkeypatch)
    one = chain(rules({"basic": {"users": {"ann": "${PLAIN}"}}}))
    assert one.request(headers=login("ann", "open sesame")).status == 200
    assert one.request(headers=login("bob", "open sesame")).status == 401
    assert not seen


def test_a_right_password_is_remembered_for_a_while(chain, monkeypatch):
    seen = hashings(monkeypatch)
    one = chain(rules({"basic": {"users": {"bob": HASHED, "cid": HASHED}}}))
    now = [1000.0]
    monkeypatch.setattr(basic, "monotonic", lambda: now[0])
    for _ in range(3):
        assert one.request(headers=login("bob", "pässword")).status == 200
    assert len(seen) == 1
    assert one.request(headers=login("bob", "wrong")).status == 401
    assert one.request(headers=login("cid", "pässword")).status == 200, "what is remembered is one user's"
    assert len(seen) == 3
    assert one.request(headers=login("bob", "pässword")).status == 200, "a wrong one does not drive out the right one"
    assert len(seen) == 3
    now[0] += basic.REMEMBERED
    assert one.request(headers=login("bob", "pässword")).status == 200
    assert len(seen) == 4


def test_a_password_that_is_not_hashed_in_time(chain, monkeypatch):
    upstream = Upstream()
    one = chain(rules(BASIC), upstream)
    monkeypatch.setattr(basic, "MARGIN", 60)  # more than the request has
    reply = one.request(headers=login("bob", "pässword"))
    assert (reply.status, reply.headers.get("retry-after")) == (503, "1")
    assert not upstream.requests
    [line] = one.log()
    assert (line["error"], "trace" in line) == ("Busy", False)


def test_the_border_between_name_and_password_counts(chain):
    """`a:` with `b`, and `a` with `:b`, are different logins, also for what is remembered."""
    one = chain(rules({"basic": {"users": {"ann": "${PLAIN}", "annopen": "${ONE}"}}}))
    assert one.request(headers=login("ann", "open sesame")).status == 200
    assert one.request(headers=login("annopen", " sesame")).status == 401


def test_vectors_of_scrypt():
    """RFC 7914 section 12."""
    hashed = scrypt.parse(CHEAP)
    assert hashed.salt == b"NaCl"
    assert hashed.derive(b"password") == hashed.digest
    assert hashed.digest.hex().startswith("fdbabe1c9d3472007856e7190d01e9fe")
    assert str(hashed) == CHEAP


@pytest.mark.parametrize(
    "text",
    ["", "$", "$scrypt$", "$scrypt$ln=14,r=8,p=1$$", "$scrypt$ln=14,r=8$TmFDbA$" + "A" * 43,
     "$scrypt$ln=4,r=8,p=1$TmFDbA$" + "A" * 43, "$scrypt$ln=20,r=8,p=1$TmFDbA$" + "A" * 43,
     "$scrypt$ln=-4,r=8,p=1$TmFDbA$" + "A" * 43, "$scrypt$ln=١٤,r=8,p=1$TmFDbA$" + "A" * 43,
     "$scrypt$ln=14,r=8,p=1$TmFDbA$AAAA", "$scrypt$ln=14,r=8,p=1$TmFD!A$" + "A" * 43,
     "$scrypt$r=8,ln=14,p=1$TmFDbA$" + "A" * 43, "x$scrypt$ln=14,r=8,p=1$TmFDbA$" + "A" * 43,
     "$bcrypt$ln=14,r=8,p=1$TmFDbA$" + "A" * 43, HASHED + "$"],
)  # fmt: skip
def test_no_hash(text):
    with pytest.raises(scrypt.HashError):
        scrypt.parse(text)


@settings(max_examples=200)
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["$", "scrypt", "ln=", "14", ",", "r=8", "p=1", "TmFDbA", "A" * 43, "="])).map("".join)
    | st.tuples(
        st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.binary(max_size=9), st.binary(max_size=70)
    ).map(
        lambda parts: "$scrypt$ln={},r={},p={}${}${}".format(
            *parts[:3], *[base64.b64encode(part).decode().rstrip("=") for part in parts[3:]]
        )
    )
)
def test_any_text_is_a_hash_or_an_error(text):
    try:
        found = scrypt.parse(text)
    except scrypt.HashError:
        return
    assert str(found) == text
    ln, r, _ = found.cost
    assert 128 * r << ln <= scrypt.MEMORY_LIMIT


@pytest.mark.parametrize(
    "value",
    ["Basic", "Basic ", "Basic !!!", "Basic YTpi YTpi", "Basic YTpi=", "Basic " + base64.b64encode(b"\xff:x").decode(),
     "Basic " + base64.b64encode(b"nocolon").decode(), "Basic " + base64.b64encode(b"ann:open\nsesame").decode(),
     "Basic " + base64.b64encode(b"ann:open sesame").decode() + ", Basic YTpi", "Basic\t" + "YTpi", "Digest YTpi",
     "YTpi", "Basic é"],
)  # fmt: skip
def test_malformed_logins(chain, value):
    one = chain(rules(BASIC))
    assert one.request(headers={"authorization": value}).status == 401
    assert "sesame" not in dumps(one.log())


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "Basic  "])
def test_the_scheme_has_no_case(chain, scheme):
    value = login("ann", "open sesame")["authorization"].replace("Basic", scheme)
    assert chain(rules(BASIC)).request(headers={"authorization": value}).status == 200


@pytest.mark.parametrize("source", ["http_api", "function_url", "rest_api", "alb"])
def test_two_logins_are_none(chain, source):
    """Apps may take either. A load balancer hands on the last alone, and an HTTP API a list, which is no login."""
    right = login("ann", "open sesame")["authorization"]
    wrong = login("ann", "x")["authorization"]
    one = chain(rules(BASIC))
    statuses = {
        one.request(source=source, headers=[("authorization", a), ("authorization", b)]).status
        for a, b in ((right, wrong), (wrong, right), (right, right))
    }
    assert statuses <= ({200, 401} if source == "alb" else {401})


@settings(max_examples=200)
@given(st.text(max_size=30), st.text(max_size=30))
def test_any_login_is_read_as_it_was_written(user, password):
    try:
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    except UnicodeEncodeError:
        return
    control = any(char < " " or char == "\x7f" for char in user + password)
    try:
        found = basic.parse(encoded)
    except Refused:
        assert control
    else:
        name, _, rest = f"{user}:{password}".partition(":")
        assert found == (name.encode(), rest.encode())
        assert not control


@settings(max_examples=200)
@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_any_text_is_a_login_or_refused(text):
    try:
        user, password = basic.parse(text)
    except Refused:
        pass
    else:
        assert base64.b64encode(user + b":" + password).decode() == text


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_keys(chain, source):
    upstream = Upstream()
    one = chain(rules(KEYS), upstream)
    assert one.request(source=source, headers={"X-API-Key": "k-1"}).status == 200
    assert one.request(source=source, target="/?a=b&key=k-2&c").status == 200
    assert one.request(source=source, target="/?key=%6B%2d2").status == 200
    assert [request.headers.get("x-auth-user") for request in upstream.requests] == ["ONE", "TWO", "TWO"]
    for target, headers in (
        ("/", {}), ("/", {"x-api-key": ""}), ("/", {"x-api-key": "k-3"}), ("/", {"x-api-key": "K-1"}),
        ("/?key=", {}), ("/?key=k-3", {}), ("/?Key=k-1", {}), ("/?keys=k-1", {}), ("/?a=key=k-1", {}),
        ("/?key=k-1", {"x-api-key": "k-1"}), ("/?key=k-1&key=k-1", {}), ("/", {"authorization": "ApiKey k-1"}),
        ("/", {"x-api-key": "k-1, k-1"}), ("/", {"x_api_key": "k-1"}), ("/", {"x-api-key": "${ONE}"}),
    ):  # fmt: skip
        if source == "alb" and target.count("key=") > 1 and not headers and "a=" not in target:
            continue  # of two parameters the last arrives
        refused = one.request(source=source, target=target, headers=headers)
        assert refused.status == 401, (target, headers)
        assert challenges(refused, source) == ['ApiKey realm="Restricted"']
    assert len(upstream.requests) == 3


def test_every_key_is_compared_whichever_it_is(chain, monkeypatch):
    seen = []
    real = api_key.compare_digest
    monkeypatch.setattr(api_key, "compare_digest", lambda one, two: seen.append(1) or real(one, two))
    one = chain(rules(KEYS))
    for key in ("k-1", "k-2", "k-3", ""):
        one.request(headers={"x-api-key": key})
        assert len(seen) == 2
        seen.clear()


def test_a_key_in_the_query_alone(chain):
    one = chain(rules({"api_key": {"keys": ["${ONE}"], "header": None, "query": "key", "realm": "Partners"}}))
    assert one.request(target="/?key=k-1").status == 200
    refused = one.request(headers={"x-api-key": "k-1"})
    assert challenges(refused) == ['ApiKey realm="Partners"']


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_the_app_does_not_get_a_key_that_is_in_the_query(chain, source):
    asked: list[str] = []

    async def app(request):
        asked.append(request.query)
        return Response(200, Headers())

    one = chain(rules({"path": "/open", "public": True}, {**KEYS, **BASIC}), app)
    for target in ("/?key=k-1", "/?a=1&key=k-2&b=%20", "/?keys=1&key=k-1"):
        assert one.request(target=target, source=source).status == 200
    assert one.request(target="/?key=x&a=1", headers=login("ann", "open sesame"), source=source).status == 200
    assert one.request(target="/open?key=x", source=source).status == 200, "it is the app's business there"
    assert asked == ["", "a=1&b=+" if source == "rest_api" else "a=1&b=%20", "keys=1", "a=1", "key=x"]


def test_the_access_line_knows_that_there_was_a_key(tmp_path):
    one = serving.Chain(tmp_path, rules(KEYS), lambda request: Response(200, Headers()), frozenset())
    try:
        assert one.ask("/", query="a=1&key=k-1").status == 200
        assert one.seen[0].query == "a=1&key=k-1", "the log redacts it"
    finally:
        one.close()


@settings(max_examples=200)
@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=8)), max_size=4), st.text(max_size=8))
def test_any_query_gives_the_values_of_a_name(pairs, value):
    pairs = [*pairs, ("key", value)]
    try:
        query = urllib.parse.urlencode(pairs)
    except UnicodeEncodeError:
        return
    expected = [text.encode() for name, text in pairs if name == "key"]
    assert api_key.values_of("key", query) == expected


@settings(max_examples=200)
@given(st.text(st.characters(max_codepoint=126, min_codepoint=33), max_size=30))
def test_any_raw_query_has_values_or_none(query):
    for value in api_key.values_of("key", query):
        assert isinstance(value, bytes)


# --- networks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("networks", "client", "status"),
    [({"allow": ["203.0.113.0/24"]}, "203.0.113.7", 200), ({"allow": ["203.0.113.0/24"]}, "203.0.114.7", 403),
     ({"allow": ["203.0.113.7"]}, "203.0.113.7", 200), ({"deny": ["203.0.113.0/24"]}, "203.0.113.7", 403),
     ({"deny": ["203.0.113.0/24"]}, "198.51.100.1", 200), ({"deny": ["203.0.113.0/24"]}, "2001:db8::1", 200),
     ({"allow": ["203.0.113.0/24"], "deny": ["203.0.113.7/32"]}, "203.0.113.7", 403),
     ({"allow": ["2001:db8::/32"]}, "2001:db8::1", 200), ({"allow": ["2001:db8::/32"]}, "2001:db9::1", 403),
     ({"allow": ["203.0.113.0/24"]}, "::ffff:203.0.113.7", 200),
     ({"deny": ["203.0.113.0/24"]}, "::ffff:203.0.113.7", 403),
     ({"allow": ["0.0.0.0/0", "::/0"]}, "", 403), ({"deny": ["10.0.0.0/8"]}, "", 403),
     ({"deny": ["10.0.0.0/8"]}, "unknown", 403)],
)  # fmt: skip
def test_networks(chain, networks, client, status):
    one = chain(rules({"ip": networks}))
    refused = one.request(client=client)
    assert refused.status == status
    if status == 403:
        assert refused.body == b"Forbidden\n"
        assert challenges(refused) == []


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_an_address_that_the_client_made_up_does_not_count(chain, source):
    one = chain(rules({"ip": {"allow": ["10.0.0.0/8"]}}))
    forged = {"x-forwarded-for": "10.0.0.1", "x-real-ip": "10.0.0.1", "forwarded": "for=10.0.0.1"}
    assert one.request(source=source, headers=forged).status == 403
    assert one.request(source=source, headers={"x-forwarded-for": "1.2.3.4"}, client="10.0.0.1").status == 200


# --- the log, the start -----------------------------------------------------------------------------------------------


def test_failures_are_logged_without_the_secret(chain):
    one = chain(rules({"path": "/a/*", **BASIC}, {"path": "/k/*", **KEYS}, {"path": "/n/*", "ip": {"deny": ["::/0"]}}))
    secrets = ["hunter2", "my-password-as-name", base64.b64encode(b"ann:hunter2").decode()]
    expected = [
        (("/a/x", {}), ("info", "refused: no credentials", {"rule": "/a/*", "status": 401})),
        (("/a/x", login("ann", "hunter2")), ("warn", "refused: wrong user or password", {"user": "ann"})),
        (("/a/x", login("my-password-as-name", "hunter2")), ("warn", "refused: wrong user or password", {})),
        (("/a/x", {"authorization": "Basic hunter2"}), ("warn", "refused: malformed Basic credentials", {})),
        (("/k/x", {"x-api-key": "hunter2"}), ("warn", "refused: unknown key", {"rule": "/k/*"})),
        (("/k/x?key=hunter2&key=1", {}), ("warn", "refused: more than one key", {})),
    ]
    for (target, headers), (level, message, fields) in expected:
        assert one.request(target=target, headers=headers).status == 401
        [line] = one.log()
        assert (line["level"], line["message"]) == (level, message)
        assert line["request_id"]
        assert fields.items() <= line.items()
        assert ("user" in line) == ("user" in fields)
        assert not any(secret in dumps(line) for secret in secrets)
    assert one.request(target="/n/x", client="2001:db8::1").status == 403
    assert one.log()[0]["ip"] == "2001:db8::1"


def test_who_passes_is_not_logged_here(chain):
    one = chain(rules(BASIC))
    one.request(headers=login("ann", "open sesame"))
    assert one.log() == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [({"basic": {"users": {"ann": "${MISSING}"}}}, "MISSING"), ({"basic": {"users": {"ann": "${EMPTY}"}}}, "EMPTY"),
     ({"api_key": {"keys": ["${ONE}", "${MISSING}"]}}, "MISSING"), ({"api_key": {"keys": ["${EMPTY}"]}}, "EMPTY"),
     ({"basic": {"users": {"ann": "$scrypt$x"}}}, "ann")],
)  # fmt: skip
def test_a_start_that_cannot_be(chain, rule, said):
    with pytest.raises(ManifestError, match=said):
        chain(rules(rule))


def test_a_fault_of_ours_lets_nobody_pass(chain, monkeypatch):
    upstream = Upstream()
    one = chain(rules(BASIC), upstream)

    def fail(*arguments):
        raise MemoryError

    monkeypatch.setattr(hashlib, "scrypt", fail)
    monkeypatch.setattr(scrypt, "scrypt", fail)
    assert one.request(headers=login("bob", "pässword")).status == 500
    assert not upstream.requests
    assert one.log()[0]["level"] == "error"


def test_an_app_that_fails_after_login_is_answered_as_ever(chain):
    streams = []

    async def upstream(request):
        streams.append(Chunks(b"a", failing=ValueError("x")))
        return Response(200, Headers(), streams[0])

    one = chain(rules(BASIC), upstream)
    with pytest.raises(ValueError, match="x"):
        one.request(headers=login("ann", "open sesame"))
    assert streams[0].closed
