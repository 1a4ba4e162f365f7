"""The examples of the pages on freezing, warming and operations are configurations that load."""

import re
from pathlib import Path

import pytest

from upproxy.config import load

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "freezing.md", DOCS / "warming.md", DOCS / "operations.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_load(page, write):
    for example in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        assert load(write({"up.yml": f"name: x\n{example}"}), command="./x").settings.name == "x"
