"""The whole of `python -m bench`, in its quick form: every step runs and every reply is checked; no time is judged."""

import json
import os
import subprocess
import sys

import pytest

from bench.__main__ import QUICK_CASES
from bench.cases import COLD_START, ROOT
from bench.rounds import MIDDLEWARE_CASE, Row


def bench(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )


def test_quick_run_measures_every_candidate_in_every_case(tmp_path):
    path = tmp_path / "results.json"
    done = bench("--quick", "--output", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(path.read_text())
    rows = {(row["case"], row["candidate"]): row for row in results["rows"]}
    expected = {(case, name) for case in QUICK_CASES for name in ("empty hop", "direct", "upproxy")}
    expected |= {(COLD_START.name, "direct"), (COLD_START.name, "upproxy"), (MIDDLEWARE_CASE, "with middleware")}
    assert set(rows) == expected
    for (case, name), row in rows.items():
        assert set(row) == set(Row.__annotations__)
        low, high = row["ratio_spread"]
        assert 0 < low <= row["ratio"] <= high
        assert min(row["median_us"], row["cpu_us"], row["rss_mb"], row["pss_mb"], row["per_second"], row["n"]) > 0
        assert f"{case} " in done.stdout
        assert name in done.stdout
    assert [one["strategy"] for one in results["warmth"]] == ["no warming", "one ping", "warmer"]
    assert results["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert results["harness"]["delay_us"] == 2_000
    assert len(results["targets"]) == 4
    for verdict in results["targets"]:
        assert verdict["target"] in done.stdout
    assert "the harness: a delay of 2000 µs was measured as" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--cases", "nothing-like-it"], "no case has 'nothing-like-it'"), (["--rounds", "0"], "--rounds has to be")],
)
def test_what_cannot_be_measured_is_said(arguments, complaint):
    done = bench(*arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
