"""`alerts` and `actions`: what they come to, and what follows of them for other keys.

What does not fit together is among the bad files.
"""

import pytest

from upproxy.config import load
from upproxy.config.alerts import Alert, in_words, taken, wanted

ALERT = "alerts: [{metric: %s, statistic: sum, threshold: 1%s}]\n"
TEAM = "{name: team, type: email, emails: [team@shop.example]}"
CHAT = '{name: chat, type: slack, url: "${SLACK_URL}"}'


def loaded(tmp_path, text, stage="production"):
    (tmp_path / "up.yml").write_text(f"name: shop\n{text}")
    return load(str(tmp_path), stage, "./server")


@pytest.mark.parametrize(
    ("alert", "written"),
    [(("http.5xx", ""), True), (("lambda.errors", ""), False), (("http.5xx", ", namespace: Mine"), False)],
)
def test_metrics_are_written_for_those_who_alert_on_them(tmp_path, alert, written):
    assert loaded(tmp_path, ALERT % alert).manifest()["logs"]["metrics"] is written


def test_nothing_by_default(tmp_path):
    for text in ("", "alerts: false\n", "alerts: []\n"):
        found = loaded(tmp_path, f"{text}actions: [{TEAM}]\n")
        assert wanted(found.settings) == taken(found.settings) == found.resolved()["alerts"] == []
        assert found.manifest()["logs"]["metrics"] is False


def test_true_is_what_most_apps_want_and_is_shown(tmp_path):
    found = loaded(tmp_path, f"alerts: true\nactions: [{TEAM}, {CHAT}]\nproxy: {{timeout: 4}}\n")
    shown = found.resolved()["alerts"]
    assert [one["metric"] for one in shown] == ["http.5xx", "http.latency", "lambda.errors", "lambda.throttles"]
    assert shown[1]["threshold"] == 2000
    assert all(one["action"] == ["team", "chat"] for one in shown)
    assert found.manifest()["logs"]["metrics"] is True
    assert not found.warnings


def test_what_is_shown_can_be_written_into_the_file(tmp_path):
    """For those who want the defaults and something else."""
    from upproxy.config.render import to_yaml

    text = f"actions: [{TEAM}]\n"
    before = loaded(tmp_path, f"alerts: true\n{text}")
    after = loaded(tmp_path, to_yaml({"alerts": before.resolved()["alerts"]}) + text)
    assert wanted(after.settings) == wanted(before.settings)


def test_a_stage_alone(tmp_path):
    text = f"actions: [{TEAM}]\nstages: {{production: {{alerts: true}}}}\n"
    assert wanted(loaded(tmp_path, text).settings)
    assert not wanted(loaded(tmp_path, text, "staging").settings)


@pytest.mark.parametrize(
    ("said", "names"),
    [("", ["team", "chat"]), (", action: chat", ["chat"]), (", action: [chat, team, chat]", ["chat", "team"]),
     (", action: []", [])],
)  # fmt: skip
def test_which_actions_an_alert_takes(tmp_path, said, names):
    settings = loaded(tmp_path, ALERT % ("lambda.errors", said) + f"actions: [{TEAM}, {CHAT}]\n").settings
    assert wanted(settings)[0].action == names
    assert [action.name for action in taken(settings)] == sorted(names, reverse=True)


def test_nobody_is_told_is_told(tmp_path):
    assert any("no `actions`" in one for one in loaded(tmp_path, "alerts: true\n").warnings)
    assert not loaded(tmp_path, ALERT % ("lambda.errors", ", disable: true")).warnings


def test_pictures_are_told_to_be_missing(tmp_path):
    text = f"alerts: true\nactions: [{CHAT.replace('}}', '')[:-1]}, gifs: true}}]\n"
    [warning] = loaded(tmp_path, text).warnings
    assert "`gifs` does nothing" in warning


@pytest.mark.parametrize(
    ("alert", "words"),
    [
        ({"metric": "http.latency", "statistic": "p95", "threshold": 1500.0}, "p95 of http.latency > 1500 ms in 1m"),
        ({"metric": "http.5xx", "statistic": "avg", "threshold": 0.05}, "http.5xx > 5 % of requests in 1m"),
        ({"metric": "http.5xx", "statistic": "sum", "threshold": 5.0}, "sum of http.5xx > 5 in 1m"),
        ({"metric": "http.latency", "statistic": "count", "threshold": 1.0, "operator": "<", "period": "1h"},
         "count of http.latency < 1 in 1h"),
        ({"metric": "Orders", "namespace": "Shop", "statistic": "avg", "threshold": 0.5, "evaluation_periods": 3},
         "avg of Orders > 0.5 in 1m, 3 times in a row"),
    ],
)  # fmt: skip
def test_in_words(alert, words):
    assert in_words(Alert(**alert)) == words
