"""`max_body` from up.yml to the options of the middleware."""

import pytest

from upproxy.config import load


def test_no_limit_unless_there_is_one(manifest):
    assert "max_body" not in manifest("")["middleware"]


@pytest.mark.parametrize(
    ("size", "limit"),
    [("1", 1), ("500", 500), ("10b", 10), ("500kb", 512_000), ("1mb", 1_048_576), ("'2mb'", 2_097_152)],
)
def test_sizes(manifest, size, limit):
    assert manifest(f"max_body: {size}\n")["middleware"]["max_body"] == {"bytes": limit}


@pytest.mark.parametrize(("size", "warned"), [("6291455", False), ("6mb", True), ("10mb", True)])
def test_a_limit_that_is_never_reached(write, size, warned):
    warnings = load(write({"up.yml": f"name: x\nmax_body: {size}\n"}), command="./x").warnings
    assert any("max_body" in warning for warning in warnings) == warned
