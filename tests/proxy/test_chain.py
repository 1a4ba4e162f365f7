"""The order of the middleware, and the page that tells it."""

from __future__ import annotations

import re
from pathlib import Path

from upproxy.proxy import middleware
from upproxy.proxy.chain import ORDER

DOCS = Path(__file__).parents[2] / "docs"
ROW = re.compile(r"^\| (\d+) \| \[(\w+)\]\((\S+)\) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def test_the_page_has_the_order_and_its_reasons():
    rows = ROW.findall((DOCS / "middleware.md").read_text())
    assert [(name, why) for _, name, _, _, why in rows] == list(ORDER.items())
    assert [int(number) for number, *_ in rows] == list(range(1, len(ORDER) + 1))
    for _, _, page, _, _ in rows:
        assert (DOCS / page).is_file()


def test_every_middleware_that_can_be_configured_is_in_the_order():
    folder = Path(middleware.__file__).parent
    files = [*folder.glob("*.py"), *folder.glob("*/__init__.py")]
    found = {
        path.parent.name if path.name == "__init__.py" else path.stem
        for path in files
        if path.parent != folder or path.name != "__init__.py"
        if "def middleware(options: Options" in path.read_text()
    }
    assert found == set(ORDER)
