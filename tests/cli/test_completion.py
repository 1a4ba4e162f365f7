"""Shells complete the words of the command line."""

import os
import shutil
import subprocess
import sys

import pytest

from upproxy.cli.frame import COMMANDS, main

BIN = os.path.dirname(sys.executable)


def asked(*words):
    """Ask as bash's script does: which words fit the last one."""
    done = subprocess.run(
        [sys.executable, "-m", "upproxy"], capture_output=True, text=True, timeout=60,
        env={**os.environ, "_UPPROXY_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words),
             "COMP_CWORD": str(len(words) - 1)},
    )  # fmt: skip
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_commands():
    assert asked("upproxy", "") == list(COMMANDS)
    assert asked("upproxy", "ver") == ["version"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("env", "r"), ["rm"]),
        (("start", "--max"), ["--max-instances"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("run", "pre"), ["prebuild", "predeploy"]),
        (("start", "--source", "rest"), ["rest_api"]),
    ],
)
def test_what_belongs_to_a_command(words, expected):
    assert asked("upproxy", *words) == expected


def test_a_command_that_does_not_exist_ends_nothing():
    assert asked("upproxy", "nonsense", "") == list(COMMANDS)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(shell, capsys, monkeypatch):
    assert main(["completion", shell]) == 0
    named = capsys.readouterr().out
    assert f"_UPPROXY_COMPLETE={shell}_complete" in named
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    assert main(["completion"]) == 0
    assert capsys.readouterr().out == named


@pytest.mark.parametrize(("shell", "said"), [("/bin/tcsh", "tcsh"), ("", "a shell that is not named")])
def test_another_shell(shell, said, capsys, monkeypatch):
    monkeypatch.setenv("SHELL", shell)
    assert main(["completion"]) == 2
    assert f"there is no completion for {said}" in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_itself():
    script = (
        'eval "$(upproxy completion bash)"; COMP_WORDS=(upproxy env ex); COMP_CWORD=2; '
        '_upproxy_completion upproxy ex env; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.returncode) == ("export\n", 0), done.stderr
