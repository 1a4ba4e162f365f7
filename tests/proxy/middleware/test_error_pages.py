"""Pages and problem details in place of bare errors, through the real chain."""

from __future__ import annotations

import html
import http
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.middleware.chaining import EVERY_SOURCE, Upstream
from upproxy.config.middleware import sections
from upproxy.config.settings import StageSettings
from upproxy.proxy.errors import UpstreamTimeout
from upproxy.proxy.middleware.error_pages import DEFAULT, PHRASES, SHORT, phrase, preferred
from upproxy.proxy.middleware.negotiation import weights
from upproxy.proxy.middleware.templates import Template, TemplateError, escape

ON = {"error_pages": {}}
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
SCRIPT = {"accept": "application/json, text/plain, */*"}
TEXT = [("content-type", "text/plain; charset=utf-8")]


@pytest.mark.parametrize("source", EVERY_SOURCE)
@pytest.mark.parametrize("streaming", [False, True])
def test_every_source_gets_the_page(chain, source, streaming):
    one = chain(ON, Upstream(status=404, headers=TEXT, body=b"Not Found"), streaming=streaming)
    reply = one.request(headers=BROWSER, source=source)
    assert reply.status == 404
    assert reply.headers.get("content-type") == "text/html; charset=utf-8"
    assert reply.headers.get("vary") == "Accept"
    assert reply.headers.get("content-length") in ("", str(len(reply.body)))
    assert b"<title>404 Not Found</title>" in reply.body
    assert b"<p></p>" in reply.body


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_problem_details_for_those_who_ask_for_json(chain, source):
    one = chain(ON, Upstream(status=503, headers=[*TEXT, ("retry-after", "5")], body="später".encode()))
    reply = one.request(headers=SCRIPT, source=source)
    assert (reply.status, reply.headers.get("content-type")) == (503, "application/problem+json")
    assert reply.headers.get("retry-after") == "5"
    problem = json.loads(reply.body)
    assert problem.pop("request_id")
    assert problem == {"title": "Service Unavailable", "status": 503, "detail": "später"}


def test_errors_of_the_proxy_are_dressed_too(chain):
    one = chain(ON, Upstream(error=UpstreamTimeout("the app did not answer within 15.0 s")))
    reply = one.request(headers=BROWSER)
    assert reply.status == 504
    assert b"The app did not answer in time" in reply.body
    assert reply.headers.get("cache-control") == "no-store"
    [line] = one.log()
    assert f"Request {line['request_id']}".encode() in reply.body


@pytest.mark.parametrize("accept", ["", "*/*", "image/*", "text/html;q=0", "text/plain, text/html;q=0.5", "text/*"])
def test_all_others_get_the_error_as_it_is(chain, accept):
    one = chain(ON, Upstream(status=404, headers=TEXT, body=b"Not Found"))
    reply = one.request(headers={"accept": accept} if accept else {})
    assert reply.body == b"Not Found"
    assert reply.headers.get("content-type") == TEXT[0][1]
    assert reply.headers.get("vary") == "Accept"


OWN = [
    (404, [("content-type", "text/html")], b"<h1>lost?</h1>"),
    (422, [("content-type", "application/json")], b'{"detail": []}'),
    (400, TEXT, b"x" * (SHORT + 1)),
    (400, TEXT, [b"in ", b"parts"]),
    (500, [*TEXT, ("content-encoding", "gzip")], b"\x1f\x8b"),
    (500, [("content-type", "text/plain; charset=latin-1")], b"\xe9"),
    (500, [("content-type", "image/png")], b"x"),
]


@pytest.mark.parametrize(("status", "headers", "body"), OWN)
@pytest.mark.parametrize("accept", [BROWSER, SCRIPT])
def test_what_the_app_says_itself_stays(chain, status, headers, body, accept):
    reply = chain(ON, Upstream(status=status, headers=headers, body=body)).request(headers=accept)
    assert (reply.status, reply.body) == (status, body if isinstance(body, bytes) else b"".join(body))
    assert reply.headers.get("content-type") == headers[0][1]
    assert "vary" not in reply.headers


@pytest.mark.parametrize(("status", "headers", "body"), OWN)
def test_unless_the_page_is_wanted_all_the_same(chain, status, headers, body):
    upstream = Upstream(status=status, headers=headers, body=body)
    one = chain({"error_pages": {"override": True}}, upstream)
    reply = one.request(headers=BROWSER)
    assert f"<title>{status} ".encode() in reply.body
    assert "content-encoding" not in reply.headers
    assert all(stream.closed for stream in upstream.streams)
    reply = one.request(headers=SCRIPT)
    assert reply.headers.get("content-type") == headers[0][1]
    assert reply.headers.get("vary") == "Accept"


@pytest.mark.parametrize("status", [200, 204, 302, 304, 399])
def test_what_is_no_error(chain, status):
    reply = chain(ON, Upstream(status=status, headers=TEXT, body=b"")).request(headers=BROWSER)
    assert reply.body == b""
    assert "vary" not in reply.headers


def test_fields_stay_but_for_those_of_the_body(chain):
    kept = [
        ("access-control-allow-origin", "https://a.example"), ("strict-transport-security", "max-age=1"),
        ("content-security-policy", "default-src 'self'"), ("set-cookie", "a=1"), ("set-cookie", "b=2"),
        ("www-authenticate", "Bearer"), ("allow", "GET"), ("content-range", "bytes */9"), ("vary", "Origin"),
        ("cache-control", "max-age=60"),
    ]  # fmt: skip
    gone = [("etag", '"1"'), ("content-md5", "x"), ("last-modified", "x"), ("content-disposition", "x"),
            ("content-language", "de"), ("accept-ranges", "bytes")]  # fmt: skip
    one = chain(ON, Upstream(status=416, headers=[*TEXT, *kept, *gone], body=b""))
    reply = one.request(headers=BROWSER, source="http_api")  # which renames none of them
    for name, value in kept:
        if name == "vary":
            assert reply.headers.get("vary") == "Origin, Accept"
        else:
            assert value in reply.headers.get_all(name), name
    assert not [name for name, _ in gone if name in reply.headers]


def test_fields_of_the_middleware_before_are_on_the_page(chain, tmp_path):
    said = {
        "name": "x", "error_pages": {"enable": True}, "cors": {"enable": True, "allowed_origins": ["https://a.example"]},
    }  # fmt: skip
    one = chain(
        sections(StageSettings.model_validate(said), str(tmp_path), "production"),
        Upstream(status=500, headers=TEXT, body=b""),
    )
    reply = one.request(headers={**BROWSER, "origin": "https://a.example"})
    assert b"<title>500 " in reply.body
    assert reply.headers.get("access-control-allow-origin") == "https://a.example"


def test_head_has_the_fields_of_get(chain):
    for body, length in ((b"Not Found", "9"), (b"", "0"), (b"x" * 5000, "5000")):
        headers = [*TEXT, ("content-length", length)]
        got = chain(ON, Upstream(status=404, headers=headers, body=body), streaming=True).request(headers=BROWSER)
        one = chain(ON, Upstream(status=404, headers=headers, body=b""), streaming=True)
        head = one.request("HEAD", headers=BROWSER)
        assert head.body == b""
        for name in ("content-type", "vary"):
            assert head.headers.get(name) == got.headers.get(name)


def test_the_most_specific_page(chain):
    pages = {"404": "four", "4xx": "client {{ status }}", "error": "any {{status}}", "503": "busy"}
    for status, expected in {404: "four", 403: "client 403", 500: "any 500", 503: "busy"}.items():
        one = chain({"error_pages": {"pages": pages}}, Upstream(status=status, headers=TEXT, body=b""))
        assert one.request(headers=BROWSER).body.decode() == expected
    one = chain({"error_pages": {"pages": {"5xx": "ours"}}}, Upstream(status=404, headers=TEXT, body=b""))
    assert b"<title>404 Not Found</title>" in one.request(headers=BROWSER).body


def test_what_is_filled_in_is_escaped(chain):
    section = {
        "pages": {"error": "<p title='{{ detail }}'>{{ variables.who }} {{ .Variables.who }} {{ .StatusText }}"},
        "variables": {"who": "<b>"},
    }
    one = chain({"error_pages": section}, Upstream(status=400, headers=TEXT, body=b"' onload='x\" <&"))
    assert one.request(headers=BROWSER).body == (
        b"<p title='&#39; onload=&#39;x&quot; &lt;&amp;'>&lt;b&gt; &lt;b&gt; Bad Request"
    )


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/html, application/json", "html"),
        ("application/json, text/html", "json"),
        ("application/json;q=0.9, text/html", "html"),
        ("application/problem+json", "json"),
        ("application/vnd.api+json;q=0.1", "json"),
        ("application/json;q=0", ""),
        ("text/plain, application/json;q=0.9", ""),
        ("*/*", ""),
        ("application/*", ""),
    ],
)
def test_what_is_preferred(accept, wanted):
    assert preferred(weights(accept)) == wanted


def test_statuses_are_called_as_they_are_registered():
    known = {status.value: status.phrase for status in http.HTTPStatus if status >= 400}
    assert set(PHRASES) == set(known)
    renamed = {status for status in known if PHRASES[status].lower() != known[status].lower()}
    assert renamed <= {413, 414, 416, 422}  # as RFC 9110 has them; the library of older versions as RFC 7231
    assert (phrase(499), phrase(599)) == ("Client Error", "Server Error")


# --- templates --------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_characters="{}"), max_size=20)


@given(st.lists(st.tuples(texts, st.sampled_from(["a", "b.c", "unknown"])), max_size=6), texts, texts, texts)
@settings(max_examples=150, deadline=None)
def test_a_template_is_its_text_with_values_in_place(parts, end, a, bc):
    values = {"a": a, "b.c": bc}
    template = Template("".join(f"{text}{{{{ {name} }}}}" for text, name in parts) + end)
    assert [name for name, _ in template.names] == [name for _, name in parts]
    expected = "".join(text + html.escape(values.get(name, "")).replace("&#x27;", "&#39;") for text, name in parts)
    assert template.render(values) == expected + end


@given(st.text("{} a\n", max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_template_or_told_where_it_is_not(text):
    try:
        lines = [line for _, line in Template(text).names]
    except TemplateError as error:
        lines = [error.line]
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


def test_lines_are_counted():
    assert Template("a\n\n{{ x }}\n{{\ny }} {{z}}").names == [("x", 3), ("y", 4), ("z", 5)]
    with pytest.raises(TemplateError, match="without") as raised:
        Template("{{ x }}\n\n {{ y }")
    assert raised.value.line == 3


def test_values_bring_no_places_with_them():
    assert Template("{{ a }}").render({"a": "{{ b }}", "b": "x"}) == "{{ b }}"
    assert escape("<\"'&>") == "&lt;&quot;&#39;&amp;&gt;"
    assert "{{ detail }}" in DEFAULT
