"""What was called, and what shall go wrong: for tests of programs that call AWS."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qs

from upproxy.local.sandbox.errors import ApiError


class Call(NamedTuple):
    """A call. `operation` is its name in the API; for protocols without names, its method and the shape of its path."""

    service: str
    operation: str
    region: str


@dataclass
class Fault:
    """Makes calls fail: the `nth` that fits from now on, and with `times` those after it.

    Without a `service` and `operation` every call fits. With an `error` the call is refused with it, after `act` was
    called, if that is given; `drop` breaks the connection; `late` does all of that only when the call has been done.
    """

    service: str = ""
    operation: str = ""
    nth: int = 1
    times: int = 1
    error: ApiError | None = None
    act: Callable[[], None] | None = None
    drop: bool = False
    late: bool = False
    seen: int = field(default=0, init=False)

    def hits(self, call: Call) -> bool:
        """Count a call and say whether it is to fail."""
        if self.service not in ("", call.service) or self.operation not in ("", call.operation):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


def operation(service: str, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> str:
    """Return the name of an operation, as far as the protocol tells it."""
    if target := headers.get("x-amz-target"):
        return target.rpartition(".")[2]
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
    if service == "s3":
        place = "Bucket" if path.count("/") < 2 or (path.endswith("/") and path.count("/") == 2) else "Object"
        names = "".join(f"?{name}" for name in sorted(parse_qs(query, keep_blank_values=True)) if name in _S3)
        return f"{method} {place}{names}"
    return f"{method} {re.sub(r'[0-9a-f-]{8,}', '*', path)}"


_S3 = ("tagging", "publicAccessBlock", "encryption", "lifecycle", "uploads", "uploadId", "list-type", "accelerate")


def is_read(call: Call) -> bool:
    """Whether a call changes nothing."""
    name = call.operation
    return name.startswith(("Get", "List", "Describe", "Head", "Filter", "GET ", "HEAD ", "Lookup"))
