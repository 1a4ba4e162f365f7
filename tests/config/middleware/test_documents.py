"""The examples of docs/middleware: configurations that load, and a chain that is built of them."""

from __future__ import annotations

import json
import posix
import re
from pathlib import Path

import pytest

from upproxy.config import load
from upproxy.config.middleware import references
from upproxy.proxy import chain
from upproxy.proxy.log import Log
from upproxy.proxy.middleware.context import Context
from upproxy.proxy.waiting import InPlace

PAGES = sorted((Path(__file__).parents[3] / "docs" / "middleware").glob("*.md"))
EXAMPLES = [
    pytest.param(page.stem, example, id=page.stem)
    for page in PAGES
    for example in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
]
KEYS = json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})
FILES = {
    "errors/404.html": "{{ variables.support }}",
    "scripts/theme.js": "1",
    "snippets/chat.html": "<p>",
    "keys": KEYS,
}


def test_every_middleware_has_an_example():
    assert {example.id for example in EXAMPLES} == {page.stem for page in PAGES} - {"patterns"}


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_examples(name, example, write, monkeypatch):
    for variable in references(example):
        monkeypatch.setitem(posix.environ, variable.encode(), b"32 bytes at least, as tokens need")
    example = re.sub(r"https://\S+/jwks\.json", "keys", example)  # a file in place of an address that is nobody's
    folder = write({"up.yml": f"name: x\n{example}", **FILES})
    sections = load(folder, "production", command="./x").manifest()["middleware"]
    assert name in sections or name == "logs"
    loop = InPlace(print)
    try:
        context = Context(log=Log(), loop=loop, stage="production", directory=folder)
        assert callable(chain.build(None, sections, context))
    finally:
        loop.close()
