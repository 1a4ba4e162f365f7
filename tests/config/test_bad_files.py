"""Bad configuration files, each beside the exact message that a person gets."""

import os
import shutil
import sys

import pytest

from upproxy.config import ConfigError, load

BAD = os.path.join(os.path.dirname(__file__), "bad")
FILES = sorted(name for name in os.listdir(BAD) if not name.endswith(".txt"))


def message(name: str, directory: str) -> str:
    shutil.copy(os.path.join(BAD, name), os.path.join(directory, "up" + os.path.splitext(name)[1]))
    with pytest.raises(ConfigError) as caught:
        load(directory, command="./server")
    told = f"{caught.value}\n{caught.value.hint}".strip() + "\n"
    return told.replace(directory + os.sep, "")


@pytest.mark.parametrize("name", FILES)
def test_message(name, tmp_path):
    with open(os.path.join(BAD, name + ".txt"), encoding="utf-8") as expected:
        assert message(name, str(tmp_path)) == expected.read()


def test_first_problem_is_in_the_fields(tmp_path):
    shutil.copy(os.path.join(BAD, "stage.yml"), tmp_path / "up.yml")
    with pytest.raises(ConfigError) as caught:
        load(str(tmp_path))
    error = caught.value
    assert error.file == str(tmp_path / "up.yml")
    assert (error.line, error.path) == (7, "stages.production.lambda.memory")
    assert [problem.line for problem in error.problems] == sorted(problem.line for problem in error.problems)


if __name__ == "__main__":  # writes the messages anew, to be read before they are committed
    import tempfile

    for name in FILES if len(sys.argv) < 2 else sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            told = message(name, folder)
        with open(os.path.join(BAD, name + ".txt"), "w", encoding="utf-8") as expected:
            expected.write(told)
