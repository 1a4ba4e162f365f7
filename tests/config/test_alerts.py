"""`alerts` and `actions`: what follows of them for other keys. What does not fit together is among the bad files."""

import pytest

from upproxy.config import load

ALERT = "alerts: [{metric: %s, statistic: sum, threshold: 1%s}]\n"


def loaded(tmp_path, text):
    (tmp_path / "up.yml").write_text(f"name: shop\n{text}")
    return load(str(tmp_path), "production", "./server")


@pytest.mark.parametrize(
    ("alert", "written"),
    [(("http.5xx", ""), True), (("lambda.errors", ""), False), (("http.5xx", ", namespace: Mine"), False)],
)
def test_metrics_are_written_for_those_who_alert_on_them(tmp_path, alert, written):
    assert loaded(tmp_path, ALERT % alert).manifest()["logs"]["metrics"] is written


def test_slack_is_told_to_be_missing(tmp_path):
    action = "actions: [{name: chat, type: slack, url: https://hooks.example/1}]\n"
    assert any(
        "slack" in one for one in loaded(tmp_path, ALERT % ("lambda.errors", ", action: chat") + action).warnings
    )
    assert not any("slack" in one for one in loaded(tmp_path, ALERT % ("lambda.errors", "") + action).warnings)
