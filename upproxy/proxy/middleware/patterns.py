"""Patterns of paths, as `headers`, `redirects` and `auth` have them, and what it means that a path matches one.

A pattern is a path in which `:name` as a whole segment stands for one segment that is not empty, and one `*` for any
characters, slashes and none at all included. `/docs/*` is also `/docs`. Everything else stands for itself: case and
trailing slashes count.

Both sides are compared in the normal form of `normal`, the only one that every event source keeps (an HTTP API decodes
paths before the function sees them). Neither empty nor dot segments are resolved in it, since apps differ in what they
make of them: who decides about access asks `FirstMatch`, which goes through all that an app may see in a path.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_WORD = _LETTERS | frozenset("0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")
_PLAIN = _WORD | frozenset("-.~!$&'()*+,;=:@")  # pchar (RFC 3986 section 3.3) without %
_PATH = _PLAIN | {"/"}
_ESCAPES = {byte: chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}" for byte in range(256)}
_ESCAPES_OF_RAW = _ESCAPES | {ord("/"): "/"}

SPLAT = "splat"
"""The name of what `*` stood for."""

# Ranks of a segment, the greater the more specific; the end of a pattern beats a `*` in its place.
_STAR, _PARTIAL, _NAME, _LITERAL, _END = range(5)


class PatternError(ValueError):
    """The text is no pattern; `str(error)` says why, to go after `expected`."""


def normal(path: str) -> str:
    """Return a raw path in its normal form (after RFC 3986 section 6.2.2).

    Characters that a segment may hold as they are are decoded, all others are percent-encoded in capitals; so
    `/%61+b` is `/a+b`, while `%2F` and `%25` stay. A `%` that begins no escape is one itself, `%25`.
    """
    if _PATH.issuperset(path):
        return path
    first, *rest = path.encode("utf-8", "surrogatepass").decode("latin-1").split("%")
    parts = [first.translate(_ESCAPES_OF_RAW)]
    for part in rest:
        if len(part) >= 2 and _HEX.issuperset(part[:2]):
            parts += _ESCAPES[int(part[:2], 16)], part[2:].translate(_ESCAPES_OF_RAW)
        else:
            parts += "%25", part.translate(_ESCAPES_OF_RAW)
    return "".join(parts)


class Pattern:
    """A pattern of paths. Raises PatternError.

    `specificity` orders patterns: of two that match a path the greater one is the more specific. It compares segment
    by segment from the left: a literal, then a `:name`, then a `*` with characters around it, then a bare `*`.
    """

    __slots__ = ("_after", "_before", "_names", "_prefix", "_starred", "_suffix", "specificity", "text")

    def __init__(self, text: str, *, loose: bool = False) -> None:
        """Read a pattern; a `loose` one is for paths that went through `loosened`."""
        if text[:1] != "/" or "?" in text or "#" in text:
            raise PatternError("a path that starts with / and has no query")
        if text.count("*") > 1:
            raise PatternError("at most one * in a pattern")
        self.text = text
        self._names: list[str] = []
        self._before: list[str | None] = []  # segments, None for a name
        self._after: list[str | None] = []  # those that follow the one with the star
        self._prefix = self._suffix = ""
        self._starred = False
        ranks: list[tuple[int, int]] = []
        literal = _lower_normal if loose else normal
        for segment in (text.rstrip("/") if loose else text)[1:].split("/"):
            if segment[:1] == ":":
                name = segment[1:]
                if name[:1] not in _LETTERS or not _WORD.issuperset(name):
                    raise PatternError(
                        "after a : a name of letters, digits and underscores, and no more in its segment"
                    )
                self._name(name)
                (self._after if self._starred else self._before).append(None)
                ranks.append((_NAME, 0))
            elif "*" in segment:
                self._name(SPLAT)
                self._starred = True
                self._prefix, self._suffix = map(literal, segment.split("*"))
                ranks.append((_PARTIAL if len(segment) > 1 else _STAR, len(segment)))
            else:
                (self._after if self._starred else self._before).append(literal(segment))
                ranks.append((_LITERAL, 0))
        if not self._starred or self._after or self._suffix:
            ranks.append((_END, 0))
        self.specificity = tuple(ranks)

    def _name(self, name: str) -> None:
        if name in self._names:
            raise PatternError(f"each name once, and not {SPLAT} beside a *, where it means what the * stands for")
        self._names.append(name)

    def match(self, path: str) -> dict[str, str] | None:
        """Return what the names stand for in a raw path, in normal form, or None where the pattern does not match.

        A match may have no names: compare with None.
        """
        return self.match_normal(normal(path))

    def match_normal(self, path: str) -> dict[str, str] | None:
        """Match a path that is in normal form already."""
        segments = path[1:].split("/")
        before, after = self._before, self._after
        if not self._starred:
            if len(segments) != len(before):
                return None
            found = _captured(before, segments)
            return None if found is None else dict(zip(self._names, found, strict=True))
        head = _captured(before, segments[: len(before)])
        end = len(segments) - len(after)
        if head is None or end < len(before):
            return None
        tail = _captured(after, segments[end:])
        if tail is None:
            return None
        if end == len(before):
            if after or self._prefix or self._suffix or not before:
                return None
            return dict(zip(self._names, [*head, ""], strict=True))
        middle = "/".join(segments[len(before) : end])
        least = len(self._prefix) + len(self._suffix)
        if len(middle) < least or not middle.startswith(self._prefix) or not middle.endswith(self._suffix):
            return None
        splat = middle[len(self._prefix) : len(middle) - len(self._suffix)]
        return dict(zip(self._names, [*head, splat, *tail], strict=True))

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"


def _captured(expected: list[str | None], segments: list[str]) -> list[str] | None:
    """Compare segments; return those that names stand for."""
    if len(segments) != len(expected):
        return None
    found = []
    for one, segment in zip(expected, segments, strict=True):
        if one is None and segment:
            found.append(segment)
        elif one != segment:
            return None
    return found


class FirstMatch:
    """Patterns of which the first that matches decides, so that no spelling of a path gets around the decision.

    Raises PatternError.
    """

    __slots__ = ("_loose", "_patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [Pattern(text) for text in patterns]
        self._loose = [Pattern(pattern.text, loose=True) for pattern in self._patterns]

    def deciding(self, path: str) -> set[int]:
        """Return the positions of the patterns that decide about a raw path: one for each way of reading it.

        Where no pattern matches, the position is -1. More than one position means that apps differ in what they would
        serve; who passes has to satisfy all of them.
        """
        found: set[int] = set()
        ways = readings(path)
        if len(ways) > _READINGS:  # nobody needs such a path, and going on would take long: all rules at once
            return set(range(len(self._patterns)))
        for reading in ways:
            found.add(_first(self._patterns, reading))
            found.add(_first(self._loose, loosened(reading)))
        return found


def _first(patterns: list[Pattern], path: str) -> int:
    for position, pattern in enumerate(patterns):
        if pattern.match_normal(path) is not None:
            return position
    return -1


def loosened(path: str) -> str:
    """Return a path in normal form without what many routers do not look at: case, and slashes at the end."""
    return path.lower().rstrip("/") or "/"


def _lower_normal(text: str) -> str:
    return normal(text).lower()


_DECODINGS = 3  # by a gateway, a server and a framework; what is encoded more often stays so for all of them
_READINGS = 64


def readings(path: str) -> list[str]:
    """Return every path in normal form that some server or framework may take a raw path for.

    They differ in how often they decode, whether a backslash is a slash, whether `?`, `#` and NUL end a path, whether
    they and `;` end a segment, whether blanks around it and dots at its end are a part of it, whether a `//` in front
    begins a host name, and whether empty and dot segments are resolved; also in the order of all this but the decoding,
    which is first. A path with none of it has one reading; with more than 64 the list is not complete.
    """
    plain = normal(path)
    if not ("%" in plain or ";" in plain or "//" in plain or "/." in plain or "./" in plain or plain.endswith(".")):
        return [plain]
    found = {plain: None}
    text = path.encode("utf-8", "surrogatepass").decode("latin-1")
    for _ in range(_DECODINGS):
        decoded = _decoded(text)
        if decoded == text:
            break
        text = decoded
        found[text.translate(_ESCAPES_OF_RAW)] = None
    left = list(found)
    while left and len(found) <= _READINGS:
        reading = left.pop()
        for step in (_with_slashes, _without_query, _without_ends, _without_host, _without_empty, _resolved):
            other = step(reading)
            if other not in found:
                found[other] = None
                left.append(other)
    return list(found)


def _decoded(text: str) -> str:
    """Decode every escape once. Code points are bytes."""
    first, *rest = text.split("%")
    parts = [first]
    for part in rest:
        if len(part) >= 2 and _HEX.issuperset(part[:2]):
            parts += chr(int(part[:2], 16)), part[2:]
        else:
            parts += "%", part
    return "".join(parts)


def _with_slashes(path: str) -> str:
    return path.replace("%5C", "/")


_ENDS_OF_PATHS = ("%3F", "%23", "%00")
_ENDS = (";", *_ENDS_OF_PATHS)
_BLANKS = "".join(map(chr, (*range(0x01, 0x21), 0x7F, 0x85, 0xA0)))
_BLANKS_OF_UTF_8 = {"\xc2\x85": "\u0100", "\xc2\xa0": "\u0101"}  # each with one character that is no byte


def _without_query(path: str) -> str:
    """Drop what is no path once it has been decoded: a query, a fragment, what follows the end of a text in C."""
    for end in _ENDS_OF_PATHS:
        path = path.partition(end)[0]
    return path


def _without_ends(path: str) -> str:
    return "/".join([_bare(segment) for segment in path.split("/")])


def _bare(segment: str) -> str:
    """Return a segment without parameters, blanks around it and dots at its end; one of dots alone keeps them."""
    if "%" not in segment and ";" not in segment and segment[-1:] != ".":
        return segment
    for end in _ENDS:
        segment = segment.partition(end)[0]
    text = _decoded(segment)
    for blank, character in _BLANKS_OF_UTF_8.items():
        text = text.replace(blank, character)
    blanks = _BLANKS + "".join(_BLANKS_OF_UTF_8.values())
    text = text.lstrip(blanks)
    text = text.rstrip(f"{blanks}.") or "." * (len(text) - len(text.lstrip(".")))
    for blank, character in _BLANKS_OF_UTF_8.items():
        text = text.replace(character, blank)
    return text.translate(_ESCAPES)


def _without_host(path: str) -> str:
    """Drop what some take for a host name, after any number of slashes (as browsers do: URL Standard, section 4.4)."""
    return f"/{path.lstrip('/').partition('/')[2]}" if path.startswith("//") else path


def _without_empty(path: str) -> str:
    first, *middle, last = path.split("/")
    return "/".join([first, *[segment for segment in middle if segment], last])


def _resolved(path: str) -> str:
    """Resolve dot segments (RFC 3986 section 5.2.4)."""
    kept: list[str] = []
    segments = path[1:].split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
