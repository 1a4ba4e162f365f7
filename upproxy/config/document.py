"""Text of up.yml or up.json to plain data that remembers its lines.

The scalars are those of YAML 1.2 (JSON's, in effect): only `true` and `false` are booleans, so that `on`, `NO` and
`22:22` are what they look like, and a number with a leading zero stays a text. Anchors, aliases and `<<` work.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from upproxy.config.errors import ConfigError, Path, Problem

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_VALUES = 100_000  # after aliases are expanded, so that nine lines cannot become a billion values


class Document:
    """A mapping read from a file: its data, the line of each path, and each scalar's text as it was written."""

    def __init__(self, file: str, data: dict[str, Any], lines: dict[Path, int], texts: dict[Path, str]) -> None:
        self.file = file
        self.data = data
        self._lines = lines
        self.texts = texts

    def line(self, path: Path) -> int:
        """Return the line of the path, or of the nearest mapping around it."""
        while path not in self._lines and path:
            path = path[:-1]
        return self._lines.get(path, 1)

    def __contains__(self, path: Path) -> bool:
        return path in self._lines


def read(file: str) -> Document:
    """Read a YAML or JSON file. Raises ConfigError with all that is wrong with its form."""
    try:
        with open(file, "rb") as source:
            content = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=file) from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"is larger than {MAX_BYTES:,} bytes", file=file)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8", file=file, line=line, hint="Save the file as UTF-8.") from None
    if file.endswith(".json"):
        text = text.replace("\t", " ")  # JSON may be indented by tabs and has none in its strings; YAML knows neither
    return parse(text, file)


def parse(text: str, file: str) -> Document:
    """Turn YAML text into a document. Raises ConfigError."""
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise ConfigError(f"column {column}: {_explained(error)}", file=file, line=line) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"the character U+{int(error.character):04X} is not allowed", file=file, line=line) from None
    except RecursionError:
        raise ConfigError(f"is nested deeper than {MAX_DEPTH} levels", file=file) from None
    conversion = _Conversion()
    data = conversion.convert(root, (), 0) if root is not None else {}
    if data is None:
        data = {}
    if not conversion.problems and not isinstance(data, dict):
        conversion.problems.append(Problem("expected keys with values, such as `name: shop`", (), 1))
    if conversion.problems:
        raise ConfigError(file=file, problems=conversion.problems)
    return Document(file, data, conversion.lines, conversion.texts)


_EXPLAINED = {
    "'\\t'": "a tab; YAML is indented by spaces",
    "expected <block end>": "this line does not go on with what is above it; is its indentation right?",
    "mapping values are not allowed here": "a second `: `; a value that has one needs quotes",
    "could not find expected ':'": "a `:` is missing, on this line or above it",
    "expected ',' or": "a comma or a closing bracket is missing, on this line or above it",
    "found unexpected end of stream": "a closing quote is missing",
    "expected a single document": "a second document begins; one is read",
    "found undefined alias": "this alias has no anchor",
}
"""What PyYAML says, and what it means for whoever wrote the file."""


def _explained(error: yaml.MarkedYAMLError) -> str:
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return next((meaning for words, meaning in _EXPLAINED.items() if words in said), said)


class _Loader(yaml.SafeLoader):
    """PyYAML's composer with the scalars of YAML 1.2 and a bound on nesting."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RecursionError
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_TAG = "tag:yaml.org,2002:"
for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][-+]?[0-9]+)?(?<=[0-9])", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first)


def _joined(text: str) -> str:
    """Join surrogates: JSON writes what is beyond U+FFFF as two escapes, which YAML takes for two characters."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class _Abandoned(Exception):
    """The document is too large to go on with."""


class _Conversion:
    """Walks composed nodes once, collecting values, lines and problems."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.texts: dict[Path, str] = {}
        self.problems: list[Problem] = []
        self._values = 0

    def convert(self, node: yaml.Node, path: Path, depth: int) -> Any:
        try:
            return self._value(node, path, depth)
        except _Abandoned as error:
            self.problems = [Problem(str(error))]
            return None

    def _value(self, node: yaml.Node, path: Path, depth: int) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            raise _Abandoned(f"its aliases stand for more than {MAX_VALUES:,} values")
        if depth > MAX_DEPTH:
            raise _Abandoned(f"is nested deeper than {MAX_DEPTH} levels")
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.CollectionNode) and node.tag not in (_TAG + "map", _TAG + "seq"):
            return self._unknown_tag(node, path)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        self.texts[path] = node.value
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for part in reversed(parts):  # what stands first wins
                    if isinstance(part, yaml.MappingNode):
                        merged |= self._value(part, path, depth + 1)
                    else:
                        self._problem("`<<` takes a mapping or a list of mappings", path, value)
        own: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                continue
            if not isinstance(key, yaml.ScalarNode):
                self._problem("a key has to be a text", path, key)
                continue
            name, line = _joined(key.value), key.start_mark.line + 1
            if name in first:
                self._problem(f"is given twice, first on line {first[name]}", (*path, name), key)
                continue
            first[name] = line
            self.lines[*path, name] = line
            own[name] = self._value(value, (*path, name), depth + 1)
        return merged | own

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        text: str = node.value
        match node.tag.removeprefix(_TAG):
            case "str" if "\0" in text:
                self._problem("a NUL character has no place here", path, node)
                return ""
            case "str":
                return _joined(text)
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" if len(text) <= 20:
                try:
                    return int(text)
                except ValueError:  # `!!int x`
                    self._problem(f"{text!r} is no number", path, node)
                    return 0
            case "int" | "float":
                try:
                    number = float(text)
                except ValueError:
                    number = math.nan
                if not math.isfinite(number):
                    self._problem(f"{text[:20]!r} is no number that can be used", path, node)
                    return 0
                return number
        return self._unknown_tag(node, path)

    def _unknown_tag(self, node: yaml.Node, path: Path) -> None:
        self._problem(f"the tag {node.tag.replace(_TAG, '!!')} is not known here", path, node)

    def _problem(self, message: str, path: Path, node: yaml.Node) -> None:
        self.problems.append(Problem(message, path, node.start_mark.line + 1))
