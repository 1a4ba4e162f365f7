"""The recorded events, as lines."""

from __future__ import annotations

import json
from pathlib import Path

from upproxy.observe.logs import line

RECORDED = [json.loads(text) for text in (Path(__file__).parent / "recorded.jsonl").read_text().splitlines()]


def read(event):
    return line.read(
        event["message"], timestamp=event["timestamp"], stream=event["stream"], origin={"stage": event["stage"]}
    )
