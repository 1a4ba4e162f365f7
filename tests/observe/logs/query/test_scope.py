import pytest

from tests.observe.logs.events import RECORDED, read
from tests.observe.logs.query.test_recorded import SELECTED
from upproxy.observe.logs.query import may_keep, names, parse, predicate

STAGES = ("development", "staging", "production")


@pytest.mark.parametrize(
    ("query", "stages"),
    [
        ("", "development staging production"),
        ("error", "development staging production"),
        ("production (warn or error)", "production"),
        ("(production or staging) error", "staging production"),
        ("not staging", "development production"),
        ("production or error", "development staging production"),
        ("not (production or error)", "development staging"),
        ("not (production and error)", "development staging production"),
        ("production error or staging fatal", "staging production"),
        ('stage = "*ing"', "staging"),
        ("production staging", ""),
    ],
)
def test_the_stages_of_which_a_query_keeps_lines(query, stages):
    node = parse(query)
    assert [stage for stage in STAGES if may_keep(node, {"stage": stage})] == stages.split()


@pytest.mark.parametrize("query", SELECTED)
def test_no_line_that_a_query_keeps_is_elsewhere(query):
    node = parse(query)
    keeps = predicate(node)
    for event in RECORDED:
        line = read(event)
        if keeps(line.fields) and "stage" not in line.own:
            assert may_keep(node, {"stage": event["stage"]})


def test_the_fields_that_a_query_asks_for():
    asked = names(parse("production (warn or not user.email = a) tags[0] = b"))
    assert asked == {"stage", "level", "user", "tags"}
    assert names(parse("")) == frozenset()
