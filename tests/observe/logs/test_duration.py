"""How long ago, as people write it."""

import pytest

from upproxy.observe.logs import duration


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("2d", 172_800), ("1w", 604_800)])
def test_durations(text, seconds):
    assert duration.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-5m", "5", "5y", "1.5h", "1h 30m", "30m1h", "1e9d", "9999999d", "٣d"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is not a duration such as 90s, 1h30m or 2d"):
        duration.seconds(text)
