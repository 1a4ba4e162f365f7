"""One round of the figures of builds: every step runs; no time is judged."""

import subprocess
import sys

import pytest

from bench.cases import ROOT


@pytest.mark.soak
def test_one_round():
    done = subprocess.run(
        [sys.executable, "-m", "bench.build", "--rounds", "1"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, again = done.stdout.splitlines()
    assert first.startswith("first build, uv's cache warm: ")
    assert again.startswith("build after a change of code: ")
