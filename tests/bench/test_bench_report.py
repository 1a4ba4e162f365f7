"""Targets are judged by what was measured, and said in plain words."""

from bench.report import judgement, table, verdicts


def row(case, candidate, **values):
    return {
        "case": case, "candidate": candidate, "median_us": 100.0, "ratio": 1.0, "ratio_spread": (0.9, 1.1),
        "cpu_us": 50.0, "rss_mb": 9.0, "pss_mb": 4.0, "per_second": 10.0, "n": 5,
    } | values  # fmt: skip


def test_targets_that_are_met_and_missed():
    rows = [
        row("starlette/get", "upproxy", ratio=1.35, rss_mb=16.25),
        row("starlette/get", "direct", ratio=9.0, rss_mb=99.0),
        row("sample-fastapi/cold-start", "direct", median_us=300_000.0),
        row("sample-fastapi/cold-start", "upproxy", median_us=1.0, ratio=1.145, ratio_spread=(1.1, 1.2)),
    ]
    assert [judgement(verdict) for verdict in verdicts(rows)] == [
        "a small GET, starlette, × (empty hop + direct): 1.35 × (quartiles 0.9 to 1.1), at most 1.35 × wanted: met",
        "resident memory when idle, starlette: 16.25 MB, at most 16 MB wanted: not met: 0.25 MB too much",
        (
            "first response later than without us, one core: 43.5 ms (quartiles 30 to 60), at most 40 ms wanted: "
            "not met: 3.5 ms too much"
        ),
    ]


def test_what_was_not_measured_is_not_judged():
    assert verdicts([row("flask/form", "upproxy"), row("sample-fastapi/cold-start", "upproxy")]) == []


def test_a_table_has_a_line_for_each_row_and_a_gap_between_cases():
    lines = table([row("a", "direct"), row("a", "upproxy", median_us=1234.5), row("b", "direct")]).splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["case", "candidate"], [], ["a", "direct"], ["a", "upproxy"], [], ["b", "direct"],
    ]  # fmt: skip
    assert "1,234.5" in lines[3]
    assert len({len(line) for line in lines if line}) == 1
