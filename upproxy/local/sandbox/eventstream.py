"""The framing of streams of events in answers of AWS.

https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
from binascii import crc32
from collections.abc import Mapping

_STRING = 7  # the type of a header's value


def event(kind: str, content_type: str, payload: bytes) -> bytes:
    """Frame an event."""
    return _message({":message-type": "event", ":event-type": kind, ":content-type": content_type}, payload)


def exception(kind: str, payload: bytes) -> bytes:
    """Frame an exception, which is JSON and the last message of a stream."""
    fields = {":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"}
    return _message(fields, payload)


def _message(fields: Mapping[str, str], payload: bytes) -> bytes:
    """Frame a message: lengths and their checksum, header fields, payload, checksum of it all."""
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(value)) + value.encode()
        for name, value in fields.items()
    )
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return message + struct.pack("!I", crc32(message))
