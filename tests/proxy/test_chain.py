"""The order of the middleware: what is built, what is told of it, and what it means for a response."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from upproxy.config.middleware import BUILT
from upproxy.proxy.chain import ORDER

DOCS = Path(__file__).parents[2] / "docs"
ROW = re.compile(r"^\| (\d+) \| \[(\w+)\]\((.*?)\) \| (.+?) \| (.+?) \|$", re.MULTILINE)
TABLE = ROW.findall((DOCS / "middleware.md").read_text())
PAGES = {path.stem for path in (DOCS / "middleware").glob("*.md")}
OUTSIDE = {"logs", "patterns"}  # pages of what is around the chain, and of what several have in common


def test_the_table_of_the_docs_is_the_order():
    assert [(name, why) for _, name, _, _, why in TABLE] == list(ORDER.items())
    assert [int(number) for number, *_ in TABLE] == list(range(1, len(ORDER) + 1))


def test_every_middleware_has_its_module_its_section_and_its_page():
    folder = Path(__file__).parents[2] / "upproxy" / "proxy" / "middleware"
    for name in ORDER:
        assert (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists()
    assert set(BUILT) == set(ORDER)
    assert {*ORDER, *OUTSIDE} == PAGES
    assert [link for _, _, link, _, _ in TABLE] == [f"middleware/{name}.md" for name in ORDER]


@pytest.mark.parametrize(
    "page", [DOCS / "middleware.md", *sorted((DOCS / "middleware").glob("*.md"))], ids=lambda p: p.stem
)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert link.startswith("https://") or (page.parent / link).exists(), link
