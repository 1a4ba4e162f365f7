import pytest

from upproxy.observe.logs.measure import measured


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("duration", 0, "0ms"), ("duration", 0.25, "0.25ms"), ("duration", 12.34, "12.3ms"), ("duration", 999, "999ms"),
        ("duration", 1_500, "1.5s"), ("timeout", 90_000, "1.5m"), ("size", 512, "512b"), ("size", 1_536, "1.5kb"),
        ("used", 83_886_080, "80mb"), ("used", 5_000_000_000, "4768mb"), ("duration", -1, "-1ms"),
    ],
)  # fmt: skip
def test_what_has_a_unit(name, value, shown):
    assert measured({name: value}) == {name: shown}


def test_what_has_none():
    fields = {"status": 200, "duration": "1s", "size": True, "init": None, "used": [1]}
    assert measured(fields) == fields
