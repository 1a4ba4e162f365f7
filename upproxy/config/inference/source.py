"""App objects in Python source, found by reading it, never by running it."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from upproxy.config.inference.frameworks import (
    CONSTRUCTORS,
    FACTORIES,
    GENERIC,
    INSTANCES,
    PARAMETERS,
    WRAPPED,
    Framework,
)

MAX_BYTES = 1_000_000
MAX_IMPORTS = 5  # how far an app object is followed from file to file


class Candidate(NamedTuple):
    """An app object: how it is written (`app`, `create_app()`), its framework and its line."""

    attribute: str
    framework: Framework
    line: int

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Objects before factories, then by name, then by line."""
        name = self.attribute.removesuffix("()")
        names = FACTORIES if self.is_factory else INSTANCES
        return self.is_factory, names.index(name) if name in names else len(names), self.line

    @property
    def is_factory(self) -> bool:
        """Whether the object is what a function returns."""
        return self.attribute.endswith("()")


class Unreadable(NamedTuple):
    """A source file that Python cannot parse."""

    file: str
    line: int
    reason: str


class Sources:
    """The Python files of a project, each parsed at most once. `unreadable` collects those that do not parse."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.unreadable: dict[str, Unreadable] = {}
        self.following = 0
        self._modules: dict[str, Module | None] = {}

    def module(self, file: str) -> Module | None:
        """Return the module of a file below the directory; None if there is none or it does not parse."""
        if file not in self._modules:
            self._modules[file] = None  # what a circle of imports meets
            if (tree := self._parse(file)) is not None:
                try:
                    self._modules[file] = Module(self, file, self._root(file, tree), tree)
                except RecursionError:
                    self._give_up(file)
        return self._modules[file]

    def candidates(self, file: str) -> list[tuple[Module, Candidate]]:
        """Return the app objects of a file, the one that is most likely meant first, each with its module."""
        module = self.module(file)
        try:
            return [(module, candidate) for candidate in module.candidates()] if module else []
        except RecursionError:
            self._give_up(file)
            return []

    def _give_up(self, file: str) -> None:
        """Leave out a file with thousands of functions that call each other, or the like."""
        self.unreadable[file] = Unreadable(file, 1, "too much to follow")

    def _root(self, file: str, tree: ast.Module) -> str:
        """Return the folder that the file's absolute imports start from: the first one that has what it imports.

        A folder called src is such a folder by convention; a folder inside a package is none.
        """
        folders = os.path.dirname(file).split(os.sep) if os.path.dirname(file) else []
        roots = []
        for depth in range(len(folders) + 1):
            root = os.path.join("", *folders[:depth])
            if depth and os.path.isfile(os.path.join(self.directory, root, "__init__.py")):
                break
            if all(map(str.isidentifier, folders[depth:])) and not (depth == 0 and folders[:1] == ["src"]):
                roots.append(root)
        imported = {name.partition(".")[0] for name in _absolute_imports(tree)}
        local = {name for name in imported for root in roots if self._has(root, name)}
        fitting = (root for root in roots if all(self._has(root, name) for name in local))
        return next(fitting, roots[0] if roots else os.path.dirname(file))

    def _has(self, root: str, name: str) -> bool:
        path = os.path.join(self.directory, root, name)
        return os.path.isfile(path + ".py") or os.path.isdir(path)

    def _parse(self, file: str) -> ast.Module | None:
        try:
            with open(os.path.join(self.directory, file), "rb") as source:
                content = source.read(MAX_BYTES + 1)
        except OSError:
            return None
        if len(content) > MAX_BYTES:
            return None
        try:
            return ast.parse(content)
        except SyntaxError as error:
            self.unreadable[file] = Unreadable(file, error.lineno or 1, error.msg)
        except (ValueError, RecursionError, MemoryError) as error:
            self.unreadable[file] = Unreadable(file, 1, str(error) or "nested too deep")
        return None

    def file_of(self, dotted: str, root: str) -> str | None:
        """Return the file that an absolute import of a module would load from the root, None if it is elsewhere."""
        base = os.path.join(root, *dotted.split("."))
        for file in (os.path.join(base, "__init__.py"), base + ".py"):
            if os.path.isfile(os.path.join(self.directory, file)):
                return file
        return None


class _Scope:
    """What names stand for in a module or a function: a dotted import, an app object, or something unknown."""

    def __init__(self, module: Module, outer: _Scope | None = None) -> None:
        self.module = module
        self.outer = outer
        self.imports: dict[str, str] = {}
        self.classes: dict[str, Framework] = {}
        self.functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
        self.apps: dict[str, tuple[Framework, int]] = {}
        self.bound: dict[str, int] = {}

    def read(self, body: list[ast.stmt]) -> None:
        """Take in statements, in order, those inside `if`, `try` and `with` too."""
        for statement in body:
            match statement:
                case ast.Import(names=names):
                    for name in names:
                        self._import(name.asname or name.name.partition(".")[0], name.asname and name.name, statement)
                case ast.ImportFrom(names=names):
                    origin = self.module.absolute(statement)
                    for name in names:
                        self._import(name.asname or name.name, f"{origin}.{name.name}", statement)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self.functions[statement.name] = statement
                    self.bound[statement.name] = statement.lineno
                    if plain := _plain_app(statement):
                        self.apps[statement.name] = plain, statement.lineno
                case ast.ClassDef(name=name, bases=bases):
                    self.bound[name] = statement.lineno
                    for base in bases:
                        if framework := self.constructed(base):
                            self.classes[name] = framework
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self._assign(target, value)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self._assign(target, value)
                case ast.If(test=test) if _is_main_guard(test):
                    self.read(statement.orelse)
                case ast.If() | ast.For() | ast.While():
                    self.read(statement.body)
                    self.read(statement.orelse)
                case ast.With() | ast.AsyncWith():
                    self.read(statement.body)
                case ast.Try():
                    self.read(statement.body)
                    for handler in statement.handlers:
                        self.read(handler.body)
                    self.read(statement.orelse)
                    self.read(statement.finalbody)

    def _import(self, name: str, dotted: str | None, statement: ast.stmt) -> None:
        self.imports[name] = dotted or name
        self.bound[name] = statement.lineno
        self.apps.pop(name, None)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if not isinstance(target, ast.Name):
            return
        self.bound[target.id] = target.lineno
        framework = self.framework(value)
        if not framework and target.id in WRAPPED:
            framework = self.wrapped(value)
        if framework:
            self.apps[target.id] = framework, target.lineno

    def wrapped(self, value: ast.expr) -> Framework | None:
        """Tell what kind of app object a call wraps, as middleware does; it is then one of that kind itself."""
        if not isinstance(value, ast.Call):
            return None
        arguments = [*value.args, *(keyword.value for keyword in value.keywords)]
        found = (self.framework(one) or self.wrapped(one) for one in arguments)
        return next(filter(None, found), None)

    def framework(self, value: ast.expr) -> Framework | None:
        """Tell what kind of app object an expression is, None if it is none or cannot be known."""
        match value:
            case ast.Name(id=name):
                if name in self.apps:
                    return self.apps[name][0]
                if name in self.imports:
                    return self.module.imported(self.imports[name])
                return self.outer.framework(value) if self.outer else None
            case ast.Attribute() if dotted := self.dotted(value):
                return self.module.imported(dotted)
            case ast.Call(func=function):
                return self.constructed(function) or self.returned(function)
            case ast.IfExp(body=body, orelse=orelse):
                return self.framework(body) or self.framework(orelse)
            case ast.Await(value=inner):
                return self.framework(inner)
        return None

    def dotted(self, function: ast.expr) -> str | None:
        """Return the absolute dotted name that an expression stands for."""
        match function:
            case ast.Name(id=name):
                if name in self.imports:
                    return self.imports[name]
                return self.outer.dotted(function) if self.outer else None
            case ast.Attribute(value=value, attr=attr):
                base = self.dotted(value)
                return f"{base}.{attr}" if base else None
        return None

    def constructed(self, function: ast.expr) -> Framework | None:
        """Tell the framework whose app a call of this expression constructs."""
        if isinstance(function, ast.Subscript):
            function = function.value
        scope: _Scope | None = self
        while scope and isinstance(function, ast.Name):
            if function.id in scope.classes:
                return scope.classes[function.id]
            scope = scope.outer
        dotted = self.dotted(function)
        if not dotted:
            return None
        return CONSTRUCTORS.get(dotted) or self.module.imported_class(dotted)

    def returned(self, function: ast.expr) -> Framework | None:
        """Tell what a function of the project returns."""
        scope: _Scope | None = self
        while scope and isinstance(function, ast.Name):
            if definition := scope.functions.get(function.id):
                return self.module.returned(definition)
            scope = scope.outer
        dotted = self.dotted(function)
        return self.module.imported_function(dotted) if dotted else None


class Module:
    """One parsed file, and what its names stand for."""

    def __init__(self, sources: Sources, file: str, root: str, tree: ast.Module) -> None:
        self.sources = sources
        self.file = file
        self.root = root
        self._returned: dict[str, Framework | None] = {}
        self.scope = _Scope(self)
        self.scope.read(tree.body)

    @property
    def name(self) -> str:
        """The dotted name that the file is imported by, from its root."""
        path = os.path.relpath(self.file, self.root) if self.root else self.file
        return path.removesuffix(".py").removesuffix(os.sep + "__init__").replace(os.sep, ".")

    def candidates(self) -> list[Candidate]:
        """Return the module's app objects, the one that is most likely meant first.

        In a file called wsgi.py or asgi.py whatever is called `app` or `application` counts.
        """
        found = [Candidate(name, framework, line) for name, (framework, line) in self.scope.apps.items()]
        found += self._reexported()
        for name, definition in self.scope.functions.items():
            if name in FACTORIES and _callable_bare(definition) and (framework := self.returned(definition)):
                found.append(Candidate(f"{name}()", framework, definition.lineno))
        if generic := GENERIC.get(os.path.basename(self.file).removesuffix(".py")):
            known = {candidate.attribute for candidate in found}
            found += [
                Candidate(name, generic, self.scope.bound[name])
                for name in ("application", "app")
                if name in self.scope.bound and name not in known
            ]
        return sorted(
            (candidate for candidate in found if not candidate.attribute.startswith("_")), key=lambda c: c.rank
        )

    def lookup(self, attribute: str) -> Framework | None:
        """Tell what kind of app object a name is, or the function of a name with `()` makes; None if unknown."""
        known = {candidate.attribute: candidate.framework for _, candidate in self.sources.candidates(self.file)}
        if attribute in known:
            return known[attribute]
        name = ast.Name(attribute.removesuffix("()"))
        try:
            if attribute.endswith("()"):
                return self.scope.constructed(name) or self.scope.returned(name)
            return self.scope.framework(name)
        except RecursionError:
            return None

    def _reexported(self) -> Iterator[Candidate]:
        for name, dotted in self.scope.imports.items():
            if name in INSTANCES and (framework := self.imported(dotted)):
                yield Candidate(name, framework, self.scope.bound[name])

    def absolute(self, statement: ast.ImportFrom) -> str:
        """Return the absolute name of the module that a `from … import` names."""
        if not statement.level:
            return statement.module or ""
        parts = self.name.split(".")
        if os.path.basename(self.file) == "__init__.py":
            parts.append("")
        parts = parts[: -statement.level]
        return ".".join(filter(None, [*parts, statement.module]))

    def _follow(self, dotted: str, ask: Callable[[_Scope, ast.Name], Framework | None]) -> Framework | None:
        """Ask another module of the project about one of its names."""
        origin, _, attribute = dotted.rpartition(".")
        file = self.sources.file_of(origin, self.root) if origin else None
        if not file or file == self.file or self.sources.following >= MAX_IMPORTS:
            return None
        self.sources.following += 1
        try:
            module = self.sources.module(file)
            return ask(module.scope, ast.Name(attribute)) if module else None
        finally:
            self.sources.following -= 1

    def imported(self, dotted: str) -> Framework | None:
        """Tell what kind of app object another module of the project has under a name."""
        return self._follow(dotted, _Scope.framework)

    def imported_class(self, dotted: str) -> Framework | None:
        """Tell the framework that a class of another module of the project belongs to."""
        return self._follow(dotted, _Scope.constructed)

    def imported_function(self, dotted: str) -> Framework | None:
        """Tell what a function of another module of the project returns."""
        return self._follow(dotted, _Scope.returned)

    def returned(self, definition: ast.FunctionDef | ast.AsyncFunctionDef) -> Framework | None:
        """Tell what a function returns, by its annotation or its body."""
        if isinstance(definition, ast.AsyncFunctionDef):
            return None
        if definition.name not in self._returned:
            self._returned[definition.name] = None  # a function that calls itself
            scope = _Scope(self, self.scope)
            scope.read(definition.body)
            found = scope.constructed(definition.returns) if definition.returns else None
            for node in _returns(definition.body):
                if node.value:
                    found = found or scope.framework(node.value) or scope.wrapped(node.value)
            self._returned[definition.name] = found
        return self._returned[definition.name]


def _returns(body: list[ast.stmt]) -> Iterator[ast.Return]:
    """Go through the return statements of a function, not those of functions inside it."""
    for statement in body:
        if isinstance(statement, ast.Return):
            yield statement
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for _, field in ast.iter_fields(statement):
                if isinstance(field, list):
                    yield from _returns([item for item in field if isinstance(item, ast.stmt)])
                    for handler in field:
                        if isinstance(handler, ast.ExceptHandler):
                            yield from _returns(handler.body)


def _absolute_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _is_main_guard(test: ast.expr) -> bool:
    """Recognise `__name__ == "__main__"`, below which nothing happens when the module is imported."""
    return ast.unparse(test) in ("__name__ == '__main__'", "'__main__' == __name__")


def _callable_bare(definition: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function can be called without arguments."""
    arguments = definition.args
    required = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    return required == 0 and all(default is not None for default in arguments.kw_defaults)


def _plain_app(definition: ast.FunctionDef | ast.AsyncFunctionDef) -> Framework | None:
    """Recognise a function that is an app by its parameters."""
    framework = PARAMETERS.get(tuple(argument.arg for argument in definition.args.args))
    is_async = isinstance(definition, ast.AsyncFunctionDef)
    return framework if framework and is_async == (framework.interface == "asgi") else None
