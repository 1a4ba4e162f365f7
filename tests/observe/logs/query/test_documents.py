"""The examples of docs/logs.md."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.observe.logs.events import RECORDED, read
from upproxy.observe.logs.query import QueryError, compile_pattern, explain, parse, predicate
from upproxy.observe.logs.query.evaluate import look_up
from upproxy.observe.logs.query.tree import Comparison, dotted
from upproxy.observe.logs.query.units import SIZES, TIMES

PAGE = (Path(__file__).parents[4] / "docs" / "logs.md").read_text()


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def rows(*header):
    """Return the cells of the table with this header."""
    table = PAGE.split(f"| {' | '.join(header)} |\n", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[1:]]


def codes(cell):
    return re.findall(r"`([^`]+)`", cell)


QUERIES = [query for block in blocks("query") for query in block.splitlines()]
CONDITIONS = [codes(cells[0])[0] for cells in rows("condition", "keeps lines")]


@pytest.mark.parametrize("query", [*QUERIES, *CONDITIONS])
def test_queries(query):
    assert any(predicate(parse(query))(read(event).fields) for event in RECORDED)


def test_command_lines():
    queries = re.findall(r"^\$ upproxy logs [^#']*'([^']+)'", PAGE, re.MULTILINE)
    assert len(queries) > 5
    assert all(map(parse, queries))


@pytest.mark.parametrize("cells", rows("line", "field", "query"), ids=lambda cells: cells[1])
def test_fields(cells):
    line, field, query = (codes(cell)[0] for cell in cells)
    tree = parse(query)
    assert isinstance(tree, Comparison)
    assert dotted(tree.path) == field
    assert look_up(json.loads(line), tree.path) is not None
    assert predicate(tree)(json.loads(line))


@pytest.mark.parametrize("cells", rows("query", "keeps", "leaves out"), ids=lambda cells: cells[0])
def test_values(cells):
    keeps = predicate(parse(codes(cells[0])[0]))
    kept, left = (codes(cell) for cell in cells[1:])
    assert kept
    assert left
    assert all(keeps(json.loads(line)) for line in kept)
    assert not any(keeps(json.loads(line)) for line in left)


def test_units():
    written = {}
    for names, values in rows("unit", "is"):
        numbers = [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", values)]
        written.update(zip(codes(names), numbers, strict=True))
    assert written == {**TIMES, **SIZES}


def test_lines_of_lambda():
    """The table has every type that there is, and each field of it is one that lines have."""
    said = " ".join(" ".join(cells) for cells in rows("line", "`type`", "level", "fields"))
    for event in RECORDED:
        fields = read(event).fields
        if str(fields.get("type", "")).startswith("platform."):
            assert f"`{fields['type']}`" in said
            assert all(f"`{name}`" in said for name in fields.keys() - {"type", "level", "message", "stage"})


def test_precedence_as_the_page_says():
    short, long = re.search(r"group: `([^`]+)` is `([^`]+)`", PAGE.replace("\n", " ")).groups()
    assert parse(short) == parse(long)


def test_the_explanation():
    query = re.search(r"`(production error [^`]+)` in the stage production", PAGE)[1]
    assert explain(parse(query), {"stage": "production"}) + "\n" == blocks("explain")[0]


@pytest.mark.parametrize("block", blocks("error"))
def test_errors(block):
    query, *told = block.splitlines()
    with pytest.raises(QueryError) as raised:
        parse(query)
    assert f"{raised.value}\n{raised.value.hint}".splitlines() == told


def test_what_cloudwatch_is_asked_twice():
    assert len(compile_pattern(parse("error")).patterns) == 2
