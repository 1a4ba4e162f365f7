"""The framing of streams of events in answers of AWS.

https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
from binascii import crc32

_STRING = 7  # the type of a header's value


def event(kind: str, content_type: str, payload: bytes) -> bytes:
    """Frame an event: lengths and their checksum, header fields, payload, checksum of it all."""
    fields = {":message-type": "event", ":event-type": kind, ":content-type": content_type}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(value)) + value.encode()
        for name, value in fields.items()
    )
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return message + struct.pack("!I", crc32(message))
