"""The whole of `python -m bench`, in its quick form: every step runs and every reply is checked; no time is judged."""

import json
import os
import sys

import pytest

from bench import __main__ as command
from bench import cli, document, goals, installed
from bench.__main__ import QUICK_CASES
from bench.rounds import Row


def test_quick_run_measures_every_candidate_in_every_case(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(installed, "VENV", str(tmp_path))  # as where no rivals are installed
    path = tmp_path / "results.json"
    monkeypatch.setattr(sys, "argv", ["bench", "--quick", "--output", str(path)])
    assert command.main() == 0
    told = capsys.readouterr().out
    results = json.loads(path.read_text())
    rows = {(row["case"], row["candidate"]): row for row in results["rows"]}
    expected = {(case, name) for case in QUICK_CASES for name in ("empty hop", "direct", "upproxy")}
    expected -= {("flask/cold-start", "empty hop")}
    assert {key for key in rows if not key[0].startswith("codec/")} == expected
    assert rows.keys() - expected == {
        (f"codec/{source}-{step}", "upproxy")
        for source in ("function_url", "http_api", "rest_api", "alb")
        for step in ("decode", "encode")
    }
    for (case, name), row in rows.items():
        assert set(row) == set(Row.__annotations__)
        low, high = row["ratio_spread"]
        assert 0 < low <= row["ratio"] <= high
        assert min(row["median_us"], row["cpu_us"], row["cpu_all_us"], row["per_second"], row["n"]) > 0
        assert (row["rss_mb"] is None) == (row["rss_all_mb"] is None) == case.startswith("codec/")
        assert row["cpu_us"] <= row["cpu_all_us"]
        assert len(set(map(len, row["rounds"].values()))) == 1
        assert f"{case} " in told
        assert name in told
    assert {one["candidate"] for one in results["not_run"]} >= {"Lambda Web Adapter", "Mangum", "apig-wsgi"}
    assert results["complete"]
    assert results["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert results["harness"]["delay_us"] == 2_000
    assert len(results["goals"]) == len(goals.GOALS)
    for verdict in results["goals"]:
        assert (verdict["goal"] in told) == (verdict["measured"] is not None)
    assert "the harness: a delay of 2000 µs was measured as" in told
    page = document.text(results, {})
    assert "| direct |" in page
    assert "Not measured in this run." in page


@pytest.mark.parametrize("case", [cli.HELP, pytest.param(cli.START, marks=pytest.mark.soak)])
def test_the_command_line_answers(case):
    for way in cli.WAYS[case].values():
        assert way() > 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--cases", "nothing-like-it"], "no case has 'nothing-like-it'"),
        (["--rounds", "0"], "--rounds has to be"),
        (["--document", "--output", "/nowhere/results.json"], "there is no /nowhere/results.json"),
    ],
)
def test_what_cannot_be_measured_is_said(arguments, complaint, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert complaint in capsys.readouterr().err
