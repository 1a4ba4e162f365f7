"""Files of the project whose text goes into the manifest."""

from __future__ import annotations

import os

from upproxy.config.errors import ConfigError, Path

BESIDE = "Paths are relative to the folder of up.yml."


def read_text(directory: str, name: str, key: Path) -> str:
    """Return the text of a file that a key names, relative to the project's folder. Raises ConfigError."""
    path = os.path.join(directory, name)
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror}", hint=BESIDE, path=key) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{name} is no UTF-8 text", hint="Save it as UTF-8.", path=key) from None
