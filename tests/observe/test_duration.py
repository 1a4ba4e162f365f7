"""How long ago: what is a duration, and what is none."""

import pytest

from upproxy.observe import duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1h30m", 5_400), ("2d", 172_800), ("1w", 604_800), ("1d1s", 86_401)]
)
def test_durations(text, seconds):
    assert duration.seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "1", "m", "30m1h", "1.5h", "-1h", "0s", "1 h", "1h ", "1x", "1234567s", "²d", "٣d"]
)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is not a duration such as"):
        duration.seconds(text)
