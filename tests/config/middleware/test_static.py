"""What up.yml may say of files, and sites of files alone."""

import pytest

from upproxy.config import ConfigError, load
from upproxy.proxy.manifest import Manifest


@pytest.mark.parametrize("files", [{"index.html": ""}, {"up.yml": "name: x\ntype: static\n"}])
def test_a_site_has_no_app(files, write):
    config = load(write(files))
    assert "static site" in config.found
    manifest = config.manifest()
    assert (manifest["upstream"], Manifest(manifest).upstream) == (None, None)
    hidden = ["_headers", "up.json", "up.yaml", "up.yml"]
    assert manifest["middleware"]["static"] == {"dir": ".", "prefix": "/", "hidden": hidden}


def test_files_beside_an_app(write):
    text = "name: x\nstatic: {dir: ./www/, prefix: /static}\n"
    section = load(write({"up.yml": text}), command="./x").manifest()["middleware"]["static"]
    assert section == {"dir": "www", "prefix": "/static", "hidden": ["_headers"]}
    assert "static" not in load(write({"up.yml": "name: x\n"}), command="./x").manifest()["middleware"]


@pytest.mark.parametrize(
    ("static", "message"),
    [("{dir: ../www}", "a folder of the project"), ("{dir: /www}", "a folder of the project"),
     ("{dir: a/../..}", "a folder of the project"), ("{dir: ''}", "a folder of the project"),
     ("{dir: .}", "nothing but public files"), ("{dir: a/..}", "nothing but public files"),
     ("{prefix: static, dir: www}", "a path that starts with /"), ("{dri: www}", "did you mean `dir`")],
)  # fmt: skip
def test_bad(static, message, write):
    with pytest.raises(ConfigError) as caught:
        load(write({"up.yml": f"name: x\nstatic: {static}\n"}), command="./x")
    assert message in str(caught.value)
    assert caught.value.line == 2
    assert caught.value.path.startswith("static.")


def test_what_a_site_does_not_use_is_told(write):
    text = "name: x\ntype: static\nproxy: {command: ./x}\napp: a:b\n"
    told = load(write({"up.yml": text})).warnings
    assert [warning.split("`")[1] for warning in told] == ["app", "proxy.command"]
