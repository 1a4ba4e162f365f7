"""`error_pages` from up.yml and its folder to the options of the middleware."""

import pytest

from upproxy.config import ConfigError, load
from upproxy.proxy.middleware.error_pages import DEFAULT
from upproxy.proxy.middleware.templates import Template


def options(folder):
    return load(folder, command="./x").manifest()["middleware"].get("error_pages")


def test_on_if_the_folder_has_pages_or_where_asked_for(write, tmp_path):
    assert options(write({"up.yml": "name: x\n", "index.html": "x", "499x.html": "x"})) is None
    assert options(write({"up.yml": "name: x\nerror_pages: {enable: true}\n"})) == {
        "pages": {}, "variables": {}, "override": False,
    }  # fmt: skip
    assert options(write({"up.yml": "name: x\n", "404.html": "gone"}))["pages"] == {"404": "gone"}
    assert options(write({"up.yml": "name: x\nerror_pages: {enable: false}\n"})) is None


def test_pages_of_a_folder(write):
    pages = {"error": "<h1>{{ status }} {{text}}</h1>", "4xx": "{{ .StatusCode }}", "503": "{{ variables.tel }} é"}
    files = {f"errors/{name}.html": text for name, text in pages.items()}
    text = "name: x\nerror_pages: {dir: errors, override: true, variables: {tel: 007}}\n"
    section = options(write({"up.yml": text, **files, "errors/style.css": "x", "errors/200.html": "x"}))
    assert section == {"pages": pages, "variables": {"tel": "007"}, "override": True}


@pytest.mark.parametrize(
    ("page", "line", "message"),
    [
        ("a\n{{ status }}\n{{ statuss }}", 3, "there is no `{{ statuss }}`; did you mean `{{ status }}`?"),
        ("{{ variables.y }}", 1, "there is no `{{ variables.y }}`"),
        ("\n{{ status + 1 }}", 2, "there is no `{{ status + 1 }}`"),
        ("{{ if .StatusCode }}", 1, "there is no `{{ if .StatusCode }}`"),
        ("\n\n{{ status }", 3, "`{{` without `}}`"),
    ],
)
def test_a_page_that_asks_for_what_there_is_not(write, tmp_path, page, line, message):
    write({"up.yml": "name: x\nerror_pages: {variables: {xyz: 1}}\n", "5xx.html": page})
    with pytest.raises(ConfigError) as raised:
        options(str(tmp_path))
    assert str(raised.value).startswith(f"{tmp_path}/5xx.html:{line}: {message}")


def test_a_folder_that_is_not_there(write):
    with pytest.raises(ConfigError, match=r"up\.yml:3: error_pages\.dir: there is no folder errors"):
        options(write({"up.yml": "name: x\nerror_pages:\n  dir: errors\n"}))


def test_a_stages_own_folder_that_is_not_there(told):
    text = "error_pages: {dir: .}\nstages:\n  development:\n    error_pages:\n      dir: errors\n"
    assert told(text) == "up.yml:6: stages.development.error_pages.dir: there is no folder errors"


def test_a_page_that_is_no_text(write, tmp_path):
    write({"up.yml": "name: x\n"})
    (tmp_path / "error.html").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"error\.html is no UTF-8 text"):
        options(str(tmp_path))


def test_the_default_page_asks_for_what_there_is():
    assert {name for name, _ in Template(DEFAULT).names} == {"status", "text", "detail", "request_id"}
