"""What REPORT lines add up to."""

from hypothesis import given
from hypothesis import strategies as some

from upproxy.observe.metrics import reports
from upproxy.observe.metrics.reports import Reports

ROW = {
    "bin(5m)": "2026-01-31 08:15:00.000",
    "count(*)": "12",
    "count(@initDuration)": "2",
    "sum(@initDuration)": "1150.26",
    "sum(@billedDuration)": "1.3E3",
    "max(@maxMemoryUsed)": "8.1E7",
}
MOMENT = 1_769_847_300


def test_a_row():
    assert reports.read([ROW]) == {MOMENT: Reports(12, 2, 1150.26, 1300.0, 81 * 1_048_576)}


def test_what_has_no_value_is_not_in_a_row():
    row = {field: value for field, value in ROW.items() if "sum" not in field and "max" not in field}
    assert reports.read([{**row, "count(@initDuration)": "0"}]) == {MOMENT: Reports(12, 0, 0.0, 0.0, 0)}


def test_the_query_is_of_what_is_read():
    text = reports.query(300)
    assert text.startswith('filter @type = "REPORT"\n| stats ')
    assert all(field in text for field in ROW)


portion = some.builds(Reports, *[some.integers(0, 10**6)] * 5)


@given(portions=some.dictionaries(some.integers(0, 100), portion), cut=some.integers(0, 101))
def test_portions_add_up_to_whatever_they_are_put_together_to(portions, cut):
    whole = reports.between(portions, 0, 101)
    parts = [one for one in (reports.between(portions, 0, cut), reports.between(portions, cut, 101)) if one]
    assert whole == reports.between(dict(enumerate(parts)), 0, 2)
    assert (whole is None) == (not portions)
