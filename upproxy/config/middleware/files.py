"""Files of the project whose text goes into the manifest."""

from __future__ import annotations

import os

from upproxy.config.errors import ConfigError


def read_text(directory: str, name: str, key: str) -> str:
    """Return the text of a file that a key names, relative to the project's folder. Raises ConfigError."""
    path = os.path.join(directory, name)
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"{key}: cannot read {name}: {error.strerror}", hint=_HINT) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{key}: {name} is no UTF-8 text", hint="Save it as UTF-8.") from None


_HINT = "Paths are relative to the folder of up.yml."
