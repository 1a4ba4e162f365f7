"""`compress`: compression of responses."""

# pydantic copies mutable defaults

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from upproxy.config.derive import Strict


class Compress(Strict):
    """Compression of responses."""

    enable: bool = False
    """Compress what the app leaves uncompressed, for clients that accept it."""
    min_size: Annotated[int, Field(ge=0)] = 1024
    """Bytes from which it is worth it."""
