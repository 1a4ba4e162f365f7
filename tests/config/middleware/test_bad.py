"""What up.yml may not say of middleware: in `bad`, a file each, wrong lines with what a person is told of them."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from upproxy.config import ConfigError, load

FILES = sorted((Path(__file__).parent / "bad").glob("*.txt"))


def cases(file: Path) -> list[tuple[str, str]]:
    """Return the line of each case, and what is told of it, which is indented below."""
    blocks = [block.split("\n    ") for block in file.read_text(encoding="utf-8").rstrip("\n").split("\n\n")]
    return [(said, "\n".join(message)) for said, *message in blocks]


def told(said: str, directory: str) -> str:
    Path(directory, "up.yml").write_text(f"name: x\n{said}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(directory, command="./x")
    return str(caught.value).replace(f"{directory}/", "")


@pytest.mark.parametrize(
    ("said", "message"), [pytest.param(*case, id=f"{file.stem}: {case[0]}") for file in FILES for case in cases(file)]
)
def test_what_is_told(said, message, tmp_path):
    assert told(said, str(tmp_path)) == message


if __name__ == "__main__":  # writes the messages anew, to be read before they are committed
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            blocks = ["\n    ".join([said, *told(said, folder).split("\n")]) for said, _ in cases(Path(name))]
        Path(name).write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
