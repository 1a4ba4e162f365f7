"""`python -m bench`: measure everything, print tables, and write bench/results.json and docs/benchmarks.md.

Results are kept in .bench/results.json after each case, so that a run which is interrupted leaves what it has measured.
A case with a wrong reply of ours has no results, and the run goes on. Exits with 1 then, or when the harness cannot
measure a delay that it knows; slow is no error.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from bench import build, cli, codecs, deploy, document, goals, installed, local, machine, report, rounds, warmth
from bench.cases import CASES, ROOT
from bench.driver import WrongReply
from bench.figures import Figure, WrongAnswer
from bench.results import Results

ROUNDS = 15
STARTS = 9  # cold ones of each candidate
QUICK_CASES = "starlette/first-byte", "starlette/echo-x16", "flask/cold-start"
ROWS = {codecs.NAME: codecs.measure, cli.NAME: cli.measure}
FIGURES = {build.NAME: build.measure, deploy.NAME: deploy.measure, local.NAME: local.measure}
PUBLISHED = os.path.join(ROOT, "bench", "results.json")
RESULTS = os.path.join(installed.FOLDER, "results.json")  # while a run goes on, and of some cases


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure upproxy and its rivals, side by side with their floor."
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few requests a case, without rivals: everything runs, nothing is judged"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds a case (default {ROUNDS})")
    parser.add_argument(
        "--cases",
        metavar="TEXT",
        default="",
        help="only cases whose name has this in it, or one of these, by commas",
    )
    parser.add_argument("--output", metavar="FILE", help="the results (default .bench/results.json)")
    parser.add_argument(
        "--document",
        action="store_true",
        help="measure nothing, but write docs/benchmarks.md from the results again",
    )
    arguments = parser.parse_args()
    if not sys.platform.startswith("linux"):
        parser.error("processes are pinned and looked at as only Linux can")
    if arguments.rounds < 1:
        parser.error("--rounds has to be 1 or more")
    if arguments.document:
        return _document(parser, arguments.output or PUBLISHED)
    wanted = _wanted(arguments.cases, quick=arguments.quick)
    if not wanted:
        known = ", ".join((*CASES, *ROWS, *FIGURES, warmth.NAME))
        parser.error(f"no case has {arguments.cases!r} in its name: {known}")
    whole = not arguments.cases and not arguments.quick
    output = arguments.output or RESULTS
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    try:
        return _measure(arguments, wanted, output, publish=whole and not arguments.output)
    except KeyboardInterrupt:
        print(f"interrupted; what was measured so far is in {output}", file=sys.stderr)
        return 130


def _wanted(texts: str, *, quick: bool) -> list[str]:
    names = (*QUICK_CASES, codecs.NAME) if quick else (*CASES, *ROWS, *FIGURES, warmth.NAME)
    return [name for name in names if any(text in name for text in texts.split(","))]


def _document(parser: argparse.ArgumentParser, path: str) -> int:
    try:
        with open(path) as file:
            results: Results = json.load(file)
    except FileNotFoundError:
        parser.error(f"there is no {path}: measure first, with `make bench`")
    document.write({**results, "goals": goals.judge(results["rows"])})
    return 0


def _measure(arguments: argparse.Namespace, wanted: list[str], output: str, *, publish: bool) -> int:
    quick: bool = arguments.quick
    for folder in ("upproxy/proxy", "upproxy/launchers", "sample_app", "bench"):
        compileall.compile_dir(os.path.join(ROOT, folder), quiet=2)
    missing = _missing(wanted, quick=quick)
    where = machine.describe()
    print(f"{where['cpu']}, {where['cores']} cores, Linux {where['kernel']}, Python {where['python']}")
    print(", ".join(f"{who} on core {cores[0]}" for who, cores in where["pinned"].items()), flush=True)
    turns: int = 2 if quick else arguments.rounds
    check = rounds.check(rounds=turns, count=10 if quick else 50)
    print(report.self_check(check), flush=True)
    results: Results = {
        "machine": where, "harness": check, "complete": False, "goals": [], "rows": [], "not_run": [], "figures": {},
        "warmth": [],
    }  # fmt: skip
    wrong = False
    for name in wanted:
        _progress(name)
        try:
            _part(name, results, turns=turns, quick=quick, missing=missing)
        except (WrongReply, WrongAnswer, OSError) as error:
            print(f"wrong: {error}", file=sys.stderr)
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            results["not_run"].append({"case": name, "candidate": "all", "reason": reason})
            wrong = True
        results["goals"] = goals.judge(results["rows"])
        _keep(results, output)
    _progress("")
    results["complete"] = True
    _keep(results, output)
    if publish:
        _keep(results, PUBLISHED)
        document.write(results)
    _print(results)
    if quick:
        print("(too few rounds to judge by)")
    return 1 if wrong or not (check["ok"] or quick) else 0


def _part(name: str, results: Results, *, turns: int, quick: bool, missing: Mapping[str, str]) -> None:
    """Measure one. Raises WrongReply, WrongAnswer."""
    starts = 1 if quick else min(turns, STARTS)
    if name in CASES:
        case = CASES[name]
        count = min(case.count, 2 * case.slots) if quick else case.count
        outcome = rounds.measure(case, rounds=starts if case.is_cold else turns, count=count, missing=missing)
        results["rows"] += outcome.rows
        results["not_run"] += outcome.not_run
    elif name in ROWS:
        results["rows"] += ROWS[name](starts, _progress)
    elif name in FIGURES:
        results["figures"][name] = [figure._asdict() for figure in FIGURES[name](turns, _progress)]
    else:
        results["warmth"] = warmth.run()


def _missing(wanted: list[str], *, quick: bool) -> dict[str, str]:
    """Install what the wanted cases need; return what is not there."""
    cases = [CASES[name] for name in wanted if name in CASES]
    needs = {kind.needs: None for case in cases for kind in rounds.candidates(case) if kind.needs}
    if quick:
        return dict.fromkeys(needs, "left out of a quick run")
    return installed.install([installed.PACKAGES, *(name for name in needs if name != installed.PACKAGES)], _progress)


def _keep(results: Mapping[str, Any], path: str) -> None:
    """Write the results so that there is always a whole file."""
    with open(f"{path}.new", "w") as file:
        json.dump(results, file, indent=1)
        file.write("\n")
    os.replace(f"{path}.new", path)


def _print(results: Results) -> None:
    print("", report.table(results["rows"]), "", sep="\n")
    for one in results["not_run"]:
        print(f"not run: {one['candidate']} in {one['case']}: {one['reason']}")
    judged = [verdict for verdict in results["goals"] if verdict["measured"] is not None]
    print("", *map(report.judgement, judged), sep="\n")
    for figures in results["figures"].values():
        print(*(Figure(**one) for one in figures), sep="\n")


def _progress(name: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{name}")
        sys.stderr.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    sys.exit(main())
