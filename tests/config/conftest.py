import os
import textwrap

import pytest


@pytest.fixture
def write(tmp_path):
    """Write files (names with their texts) below a fresh folder, or another, and return the folder."""

    def write(files, directory=tmp_path):
        os.makedirs(directory, exist_ok=True)
        for name, text in files.items():
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(textwrap.dedent(text))
        return str(directory)

    return write
