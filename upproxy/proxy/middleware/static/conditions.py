"""Conditional requests and ranges (RFC 9110 sections 13 and 14), and the dates in them (section 5.6.7)."""

from __future__ import annotations

from time import gmtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.messages import Headers

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DIGITS = frozenset("0123456789")
_LARGEST = 18  # digits of a position that can matter; no file is as large
_DAY = 86_400  # seconds


def http_date(moment: int) -> str:
    """Write seconds since 1970 as an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`."""
    year, month, day, hour, minute, second, weekday, *_ = gmtime(moment)
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"


def moment_of(text: str) -> int | None:
    """Read an IMF-fixdate; None for anything else. The two obsolete forms count as no date, which is always safe."""
    if len(text) != 29 or text[16] != " ":
        return None
    day, month, year, clock = text[5:7], text[8:11], text[12:16], text[17:25].split(":")
    if month not in _MONTHS or len(clock) != 3 or not all(len(part) == 2 for part in clock):
        return None
    if not _DIGITS.issuperset(day + year + "".join(clock)):
        return None
    days = _days(int(year), _MONTHS.index(month) + 1, int(day))
    moment = days * _DAY + int(clock[0]) * 3_600 + int(clock[1]) * 60 + int(clock[2])
    try:
        return moment if http_date(moment) == text else None  # no 30 February, and the day of the week is right
    except (OverflowError, ValueError, OSError):
        return None


def _days(year: int, month: int, day: int) -> int:
    """Count the days since 1970 in the Gregorian calendar, whose years are taken to begin in March."""
    if month <= 2:
        year, month = year - 1, month + 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719_469


def entity_tags(field: str) -> list[str]:
    """Read a list of entity tags, `W/` kept; what follows something that is none is left out."""
    tags = []
    rest = field.lstrip(" \t,")
    while rest:
        weak = "W/" if rest.startswith('W/"') else ""
        opened = len(weak)
        closed = rest.find('"', opened + 1)
        if rest[opened : opened + 1] != '"' or closed < 0:
            break
        tags.append(rest[: closed + 1])
        rest = rest[closed + 1 :].lstrip(" \t")
        if rest and rest[0] != ",":
            break
        rest = rest.lstrip(" \t,")
    return tags


def evaluate(headers: Headers, etag: str, modified: int | None) -> int:
    """Evaluate the preconditions of a GET or HEAD in their order: 304, 412, or 0 to go on.

    `etag` is strong, `modified` in seconds since 1970, None where it is not known.
    """
    if "if-match" in headers:
        wanted = _field(headers, "if-match")
        if wanted != "*" and etag not in entity_tags(wanted):
            return 412
    elif modified is not None and "if-unmodified-since" in headers:
        limit = moment_of(headers.get("if-unmodified-since"))
        if limit is not None and modified > limit:
            return 412
    if "if-none-match" in headers:
        known = _field(headers, "if-none-match")
        if known == "*" or any(tag.removeprefix("W/") == etag for tag in entity_tags(known)):
            return 304
    elif modified is not None and "if-modified-since" in headers:
        since = moment_of(headers.get("if-modified-since"))
        if since is not None and modified <= since:
            return 304
    return 0


def requested_range(headers: Headers, size: int, etag: str, modified: int | None) -> range | None:
    """Return the positions that the request wants of a file's content; None for all of it.

    An empty range means that none of what is wanted is there (416). `If-Range` makes it all where the file is
    another than the client's.
    """
    wanted = headers.get_all("range")
    if len(wanted) != 1:
        return None
    if "if-range" in headers:
        condition = headers.get("if-range")
        if condition != etag and (modified is None or condition != http_date(modified)):
            return None
    return byte_range(wanted[0], size)


def byte_range(field: str, size: int) -> range | None:
    """Read a Range field of one range of bytes. None for what cannot be read, other units, and several ranges."""
    unit, equals, spec = field.partition("=")
    if not equals or unit.lower() != "bytes":
        return None
    first, dash, last = spec.strip(" \t,").partition("-")
    if not dash or not _DIGITS.issuperset(first + last) or not first + last:
        return None
    if not first:
        length = _position(last)
        if length and not size:
            return None  # all of nothing, which a 206 cannot say
        return range(size - min(length, size), size)
    start = _position(first)
    stop = _position(last) + 1 if last else size
    if last and stop <= start:
        return None
    return range(start, min(stop, size)) if start < size else range(0)


def _position(digits: str) -> int:
    return int(digits) if len(digits) <= _LARGEST else 10**_LARGEST


def _field(headers: Headers, name: str) -> str:
    return ", ".join(headers.get_all(name)).strip(" \t")
