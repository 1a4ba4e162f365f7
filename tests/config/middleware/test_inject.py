"""`inject` from up.yml to the HTML that goes in, and what somebody may try to break out of it."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upproxy.config import ConfigError, load
from upproxy.config.middleware.inject import written


def options(folder):
    return load(folder, command="./x").manifest()["middleware"].get("inject")


def test_off_unless_there_is_something(write):
    assert options(write({"up.yml": "name: x\ninject: {head: []}\n"})) is None


def test_values_and_files(write):
    text = """
        name: x
        inject:
          head:
            - {type: style, value: "/a.css?b&c=\\"d"}
            - {type: inline script, file: js/a.js}
            - {value: <meta name=a>}
          body:
            - {type: comment, file: note.txt}
        """
    section = options(write({"up.yml": text, "js/a.js": "let a = `${b}é`;\n", "note.txt": "x"}))
    assert section == {
        "head": '<link rel="stylesheet" href="/a.css?b&amp;c=&quot;d">\n'
        "<script>let a = `${b}é`;\n</script>\n"
        "<meta name=a>\n",
        "body": "<!-- x -->\n",
    }


def test_a_file_that_is_not_there(write):
    folder = write({"up.yml": "name: x\ninject: {body: [{value: a}, {type: comment, file: b.txt}]}\n"})
    with pytest.raises(
        ConfigError, match=r"up\.yml:2: inject\.body\[1\]\.file: cannot read b\.txt: No such file"
    ) as raised:
        options(folder)
    assert "folder of up.yml" in raised.value.hint


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("comment", "a --> b", "<!-- a - -> b -->"),
        ("comment", "----", "<!-- - - - - -->"),
        ("comment", "<!-- x --!>", "<!-- <!- - x - -!> -->"),
        ("comment", "> -", "<!-- > - -->"),
        ("script", "/a.js", '<script src="/a.js"></script>'),
        ("inline style", "a::after { content: '</STYLE>' }", r"<style>a::after { content: '<\/STYLE>' }</style>"),
        ("inline script", "x = '</Script><!--<script>'", r"<script>x = '\x3C/Script>\x3C!--<script>'</script>"),
        ("inline script", "if (a</b/.exec(c)) {}", "<script>if (a</b/.exec(c)) {}</script>"),
    ],
)
def test_nothing_ends_its_own_element(kind, text, expected):
    assert written(kind, text) == expected


def test_analytics():
    for kind in ("google analytics", "segment"):
        html = written(kind, "G-ABC_123")
        assert '"G-ABC_123"' in html
        assert elements(html) == [("script", True), ("/script", True), ("script", True), ("/script", True)]


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, True))

    def handle_endtag(self, tag):
        self.seen.append((f"/{tag}", True))

    def handle_comment(self, data):
        self.seen.append(("comment", True))


def elements(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader.seen


attacks = st.lists(
    st.sampled_from(
        ["--", ">", "-", "!", "<!--", "-->", "--!>", "</script>", "</SCRIPT ", "<script>", "</style", "</style >", '"',
         "'", "&", "<img src=x onerror=y>", "\n", "x", "</"]
    ),
    max_size=10,
).map("".join)  # fmt: skip


@given(attacks)
@settings(max_examples=200, deadline=None)
def test_a_parser_sees_what_was_meant_and_nothing_else(text):
    assert elements(written("comment", text)) == [("comment", True)]
    assert elements(written("style", text)) == [("link", True)]
    assert elements(written("script", text)) == [("script", True), ("/script", True)]
    assert elements(written("inline script", text)) == [("script", True), ("/script", True)]
    assert elements(written("inline style", text)) == [("style", True), ("/style", True)]
