"""A shell reads back what was written."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upproxy.deploy import dotenv

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


def read_by_shell(text: str, names: list[str]) -> dict[str, str]:
    """Let a shell run the text, and ask a process that it starts for its environment."""
    done = subprocess.run(
        ["/bin/sh", "-c", 'eval "$1"; exec env -0', "sh", text], env={"PATH": "/usr/bin:/bin"}, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    found = dict(entry.decode().split("=", 1) for entry in done.stdout.split(b"\0") if entry)
    return {name: found[name] for name in names if name in found}


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_any_text_comes_back(texts):
    values = {f"NAME_{number}": text for number, text in enumerate(texts)}
    assert read_by_shell(dotenv.write(values), list(values)) == values


@pytest.mark.parametrize(
    "text",
    [
        "$(touch /tmp/x)",
        "`id`",
        "it's",
        "it's $HOME",
        "a\nb'c\n",
        "\\",
        "'\\",
        "'\\n",
        '"',
        "'\"",
        "!",
        "'!",
        "'$(id)`id`",
    ],
)
def test_nothing_is_run_or_replaced(text):
    assert read_by_shell(dotenv.write({"AB": text}), ["AB"]) == {"AB": text}


def test_the_form():
    assert dotenv.write({"AB": "a b", "CD": "it's", "EF": "it's $5"}) == (
        "export AB='a b'\nexport CD=\"it's\"\nexport EF=\"it's \\$5\"\n"
    )
    assert dotenv.write({}) == ""
