"""Goals are judged by what was measured, round by round, and what is said beside them stays."""

import tomllib
import xml.etree.ElementTree as ET

import pytest

from bench import document
from bench.cases import CASES, COLD
from bench.cli import HELP, START
from bench.goals import GOALS, judge
from bench.report import judgement, table
from bench.rounds import candidates

MACHINE = {
    "date": "2026-01-02", "cpu": "a CPU", "cores": 2, "kernel": "6.1", "python": "3.11.7",
    "packages": {"mangum": "0.22.0"}, "pinned": {}, "load": 0.5,
}  # fmt: skip


def row(case, candidate, median_us=(100.0,), cpu_us=(50.0,), per_second=(10.0,), **values):
    return {
        "case": case, "candidate": candidate, "median_us": median_us[0], "ratio": 1.0, "ratio_spread": (0.9, 1.1),
        "cpu_us": cpu_us[0], "cpu_all_us": 2 * cpu_us[0], "rss_mb": 9.0, "pss_mb": 4.0, "rss_all_mb": 20.0,
        "per_second": per_second[0],
        "n": 5, "rounds": {"median_us": [*median_us], "cpu_us": [*cpu_us], "per_second": [*per_second]},
    } | values  # fmt: skip


ROWS = [
    row("starlette/get", "empty hop", (50.0, 60.0, 500.0)),
    row("starlette/get", "direct", (150.0, 140.0, 1500.0)),
    row("starlette/get", "upproxy", (250.0, 260.0, 2600.0), rss_mb=11.25),
    row("starlette/first-byte", "direct", (1000.0, 1100.0, 1200.0)),
    row("starlette/first-byte", "upproxy", (1500.0, 2200.0, 1900.0)),
    row("starlette/echo-x16", "upproxy", per_second=(100.0, 110.0, 121.0)),
    row("starlette/echo-x16", "Lambda Web Adapter", per_second=(100.0, 100.0, 100.0)),
    row("starlette/wait-x64", "upproxy", per_second=(80.0,)),
    row("starlette/wait-x64", "direct", per_second=(100.0,)),
    row("starlette/cold-start", "upproxy", cpu_us=(17_000.0,)),
]


def verdicts():
    return {verdict["key"]: verdict for verdict in judge(ROWS)}


def test_goals_that_are_met_and_missed():
    said = [judgement(verdict) for verdict in verdicts().values() if verdict["measured"] is not None]
    assert said == [
        (
            "small GET, latency × (empty hop + direct): 1.3 × (quartiles 1.275 to 1.3), at most 1.25 × wanted: "
            "missed, 0.05 × too much"
        ),
        "resident memory when idle: 11.25 MB, at most 11 MB wanted: missed, 0.25 MB too much",
        "first byte of a stream, later than direct: 0.7 ms (quartiles 0.6 to 0.9), at most 1 ms wanted: met",
        "our own CPU until the first reply, one core: 17 ms, at most 18 ms wanted: met",
        (
            "echo, 16 at once, requests/s × Lambda Web Adapter: 1.1 × (quartiles 1.05 to 1.155), "
            "at least 1.1 × wanted: met"
        ),
        "echo, 16 at once, CPU × Lambda Web Adapter: 1 ×, at most 0.9 × wanted: missed, 0.1 × too much",
        (
            "a handler of 20 ms, 64 at once, requests/s × direct: 0.8 ×, at least 0.85 × wanted: "
            "missed, 0.05 × too little"
        ),
    ]


def test_what_was_not_measured_is_not_judged():
    verdict = verdicts()["get-mangum"]
    assert (verdict["measured"], verdict["missed_by"]) == (None, 0.0)
    assert judgement(verdict).endswith("not measured, at most 1.05 × wanted: not judged")


def test_goals_name_what_is_measured():
    """A goal for a candidate that a case does not have would never be judged."""
    for goal in GOALS:
        if goal.case in CASES:
            assert {goal.candidate, *goal.others} <= {kind.name for kind in candidates(CASES[goal.case])}, goal.key
        else:
            assert goal.case in (HELP, START)
    assert len({goal.key for goal in GOALS}) == len(GOALS)


def test_every_case_has_candidates_of_different_names():
    for case in CASES.values():
        names = [kind.name for kind in candidates(case)]
        assert len(set(names)) == len(names) > 1
        assert "upproxy" in names
    assert {case.cores for case in COLD} == {1, 2}


def test_what_is_explained_is_a_goal():
    with open(document.EXPLANATIONS, "rb") as file:
        assert tomllib.load(file).keys() <= {goal.key for goal in GOALS}


def results(**more):
    check = {"delay_us": 2000, "latency_us": 2010.0, "cpu_us": 2000.0, "ok": True}
    return {
        "machine": MACHINE, "harness": check, "complete": True, "goals": judge(ROWS), "rows": ROWS, "not_run": [],
        "figures": {}, "warmth": [],
    } | more  # fmt: skip


def test_the_page_has_the_numbers_and_what_is_said_about_them():
    page = document.text(
        results(
            not_run=[
                {"case": "flask/get", "candidate": "serverless-wsgi", "reason": "a | wrong cookie\nmore"},
                {"case": "flask/form", "candidate": "serverless-wsgi", "reason": "a | wrong cookie\nmore"},
            ],
            figures={"build": [{"name": "a build", "value": 7.0, "target": 6, "unit": " s", "values": [7.0]}]},
        ),
        {"memory": "The interpreter has **$8**.", "get-mangum": "This one is not missed."},
    )
    assert "Measured on 2026-01-02: a CPU, 2 cores, Linux 6.1, Python 3.11.7; mangum 0.22.0." in page
    assert "| resident memory when idle | ≤ 11 MB | 11.25 MB | missed, 0.25 MB too much |" in page
    assert "**resident memory when idle**: missed, 0.25 MB too much. The interpreter has **$8**." in page
    assert f"requests/s × direct**: missed, 0.05 × too little. {document.UNEXPLAINED}" in page
    assert "This one is not missed." not in page
    assert "| upproxy | 0.250 | 1.00 (0.90–1.10) | 0.050 | 0.100 | 11.2 | 20.0 | 10 | 5 |" in page
    assert "| serverless-wsgi | flask/get, flask/form | a \\| wrong cookie |" in page
    assert "| a build | ≤ 6 s | 7.00 s | missed, 1.00 s too much |" in page


def test_an_explanation_of_what_is_no_goal_is_an_error():
    with pytest.raises(KeyError, match="no-such-goal"):
        document.text(results(), {"no-such-goal": "?"})


def test_plots_are_pictures_and_say_who_was_not_run():
    plots = document.plots({(one["case"], one["candidate"]): one for one in ROWS})
    assert {"get-starlette", "concurrent", "cold-start-2-cores"} < plots.keys()
    texts = [element.text for element in ET.fromstring(plots["get-starlette"]).iter("{http://www.w3.org/2000/svg}text")]
    assert "250" in texts
    assert "not run" in texts
    with open(document.TEXT) as file:
        assert {line[line.rindex("/") + 1 : -6] for line in file if line.startswith("![")} == plots.keys()


def test_a_table_has_a_line_for_each_row_and_a_gap_between_cases():
    lines = table([row("a", "direct"), row("a", "upproxy", (1234.5,)), row("b", "direct", rss_mb=None)]).splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["case", "candidate"], [], ["a", "direct"], ["a", "upproxy"], [], ["b", "direct"],
    ]  # fmt: skip
    assert "1,234.5" in lines[3]
    assert len({len(line) for line in lines if line}) == 1
