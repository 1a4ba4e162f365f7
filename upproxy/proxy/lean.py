"""JSON, sockets and signals from the C modules under the standard ones, whose Python halves cost 9 to 13 ms to import.

Each name here behaves as its documented counterpart, which a contract test holds on every Python version; where a C
module is missing, the ordinary one is used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from collections.abc import Callable, Iterable
    from typing import Any
else:
    try:
        import _signal as signal
        import _socket as socket
    except ImportError:
        import signal
        import socket

__all__ = ["JSONError", "dumps", "dumps_ascii", "dumps_text", "loads", "signal", "socket"]


class JSONError(ValueError):
    """The text is no JSON (RFC 8259), or the value cannot be written as JSON."""


def _no_constant(name: str) -> Any:
    raise JSONError(f"{name} is no JSON")


class _Decoding:
    """The attributes that the C scanner takes its settings from."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_no_constant)
    memo: dict[str, str] = {}  # noqa: RUF012


_scan: Callable[[str, int], tuple[Any, int]]
_encode: Callable[[Any, int], Iterable[str]]
_encode_ascii: Callable[[Any, int], Iterable[str]]
dumps_text: Callable[[str], str]
"""Write a text as JSON, as `dumps` does."""
try:
    import _json

    dumps_text = _json.encode_basestring
    _settings: Any = _Decoding()
    _scan = _json.make_scanner(_settings)
    #             markers, default, string encoder, indent, separators, sort_keys, skip_keys, allow_nan
    _encode = _json.make_encoder(None, repr, _json.encode_basestring, None, ":", ",", False, False, False)
    _encode_ascii = _json.make_encoder(None, repr, _json.encode_basestring_ascii, None, ":", ",", False, False, False)
except ImportError:
    import json

    dumps_text = json.encoder.encode_basestring
    _decoder: Any = json.JSONDecoder(parse_constant=_no_constant)
    _scan = _decoder.scan_once

    def _encode(value: Any, _: int) -> list[str]:
        return [json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=repr, allow_nan=False)]

    def _encode_ascii(value: Any, _: int) -> list[str]:
        return [json.dumps(value, separators=(",", ":"), default=repr, allow_nan=False)]


def loads(data: bytes | str) -> Any:
    """Read one JSON value, as `json.loads` but strict: UTF-8 without a byte order mark, no NaN or Infinity.

    Raises JSONError for everything that is wrong with the text, nesting too deep for the interpreter included.
    """
    try:
        text = (data if isinstance(data, str) else data.decode()).strip(" \t\r\n")
        value, end = _scan(text, 0)
    except StopIteration:
        raise JSONError("there is no JSON value") from None
    except RecursionError:
        raise JSONError("nested too deep") from None
    except SystemError:  # a malformed string, on Python 3.11
        raise JSONError("a malformed string") from None
    except ValueError as error:  # no UTF-8, a malformed string, a number of over 4,300 digits
        raise JSONError(str(error)) from None
    if end != len(text):
        raise JSONError(f"something follows the value at character {end}")
    return value


def _writer(encode: Callable[[Any, int], Iterable[str]]) -> Callable[[Any], str]:
    def write(value: Any) -> str:
        try:
            return "".join(encode(value, 0))
        except RecursionError:
            raise JSONError("nested too deep") from None
        except (ValueError, TypeError) as error:
            raise JSONError(str(error)) from None

    return write


dumps = _writer(_encode)
"""Write a value as compact JSON; what JSON does not know becomes its `repr`.

Raises JSONError for NaN, infinities, keys that JSON cannot have, and nesting too deep.
"""

dumps_ascii = _writer(_encode_ascii)
"""Write a value as compact JSON in ASCII, so that lone surrogates survive and a header can carry it."""
