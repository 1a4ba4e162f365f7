"""`python -m bench`: measure everything, print a table, leave the results in bench/results.json.

Exits with 1 when a reply was wrong or the harness cannot measure a delay that it knows; slow is no error.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import signal
import sys
from itertools import chain

from bench import build, deploy, local, machine, report, rounds, warmth
from bench.cases import CASES, COLD_START, ROOT
from bench.driver import WrongReply
from bench.figures import WrongAnswer

ROUNDS = 15
QUICK_CASES = "starlette/get", "starlette/get-streamed", "starlette/megabyte", "flask/form", "flask/get-x16"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure the hop, side by side with its floor."
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few requests a case: everything runs, nothing is judged"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds a case (default {ROUNDS})")
    parser.add_argument("--cases", metavar="TEXT", default="", help="only the cases whose name has this in it")
    parser.add_argument("--output", metavar="FILE", default=os.path.join(ROOT, "bench", "results.json"))
    arguments = parser.parse_args()
    if not sys.platform.startswith("linux"):
        parser.error("processes are pinned and looked at as only Linux can")
    if arguments.rounds < 1:
        parser.error("--rounds has to be 1 or more")
    known = (*CASES, COLD_START.name, build.NAME, deploy.NAME, local.NAME, warmth.NAME)
    if not any(arguments.cases in name for name in known):
        parser.error(f"no case has {arguments.cases!r} in its name: {', '.join(known)}")
    try:
        return _measure(arguments)
    except (WrongReply, WrongAnswer) as error:
        print(f"wrong: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _measure(arguments: argparse.Namespace) -> int:
    quick: bool = arguments.quick
    for folder in ("upproxy/proxy", "upproxy/launchers", "sample_app", "bench"):
        compileall.compile_dir(os.path.join(ROOT, folder), quiet=2)
    names = [name for name in (QUICK_CASES if quick else CASES) if arguments.cases in name]
    turns: int = 2 if quick else arguments.rounds
    where = machine.describe()
    print(f"{where['cpu']}, {where['cores']} cores, Linux {where['kernel']}, Python {where['python']}")
    print(", ".join(f"{who} on core {cores[0]}" for who, cores in where["pinned"].items()), flush=True)
    check = rounds.check(rounds=turns, count=10 if quick else 50)
    print(report.self_check(check), flush=True)
    rows: list[rounds.Row] = []
    for name in names:
        _progress(name)
        case = CASES[name]
        rows += rounds.warm(case, rounds=turns, count=2 * case.slots if quick else case.count)
    if arguments.cases in COLD_START.name:
        _progress(COLD_START.name)
        rows += rounds.cold(starts=1 if quick else turns)
    figures = {
        bench.NAME: bench.measure(turns, _progress)
        for bench in (build, deploy, local)
        if arguments.cases in bench.NAME and not quick
    }
    _progress("")
    verdicts = report.verdicts(rows)
    warming = warmth.run(quick=quick) if arguments.cases in warmth.NAME else []
    results = {
        "machine": where,
        "harness": check,
        "targets": verdicts,
        "rows": rows,
        **{name: [figure._asdict() for figure in found] for name, found in figures.items()},
        warmth.NAME: warming,
    }
    with open(arguments.output, "w") as file:
        json.dump(results, file, indent=1)
        file.write("\n")
    print("", report.table(rows), "", *map(report.judgement, verdicts), *chain(*figures.values()), sep="\n")
    if quick:
        print("(too few rounds to judge by)")
        return 0
    return 0 if check["ok"] else 1


def _progress(name: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{name}")
        sys.stderr.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    sys.exit(main())
