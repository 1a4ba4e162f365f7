"""What both launchers do: take over the socket, find the server, import the app; each failure is one clear message.

Its name keeps out of the way of the app's own modules, beside which it is imported. Works on Python 3.9 and later,
since the app's interpreter need not be the proxy's.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType, TracebackType
    from typing import Any, NoReturn

FAILED = 1
USAGE = 2
NO_SERVER = 3  # also what uvicorn's own command exits with when it cannot start


def prepare(arguments: Sequence[str]) -> tuple[list[socket.socket], str]:
    """Read `FD[,FD] MODULE:ATTRIBUTE`, take over the sockets and put the project first on the import path.

    Returns the listening sockets and the name of the app.
    """
    if len(arguments) != 3 or not arguments[1].replace(",", "").isdigit():
        fail(
            "usage: python LAUNCHER FD[,FD] MODULE:ATTRIBUTE, where FD is the number of an inherited listening socket",
            USAGE,
        )
    _, numbers, app = arguments
    listeners = []
    for number in numbers.split(","):
        try:
            listener = socket.socket(fileno=int(number))
        except (OSError, OverflowError, ValueError) as error:
            fail(f"number {number} is no inherited socket: {getattr(error, 'strerror', error)}", USAGE)
        # What the app starts must not hold it: connections to an app that has died would be taken, and hang.
        listener.set_inheritable(False)
        os.register_at_fork(after_in_child=listener.close)
        listeners.append(listener)
    # Nor is a process that the app has forked to take SIGTERM for the end of a server.
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
    folder = os.path.dirname(os.path.abspath(__file__))
    # The launchers' folder would put our `wsgi` in place of the app's.
    sys.path[:] = [os.getcwd(), *(entry for entry in sys.path if entry not in ("", folder, os.getcwd()))]
    del sys.argv[1:]  # an app that reads its arguments when it is imported finds none, and not ours
    return listeners, app


def import_server(name: str, *requirements: str) -> Any:
    """Import the server, by preference the one in the app's environment.

    Otherwise from the folder in UPPROXY_SERVER_PATH, of which nothing but `name` and its `requirements` is importable.
    """
    folder = os.environ.pop("UPPROXY_SERVER_PATH", "")
    if folder:
        sys.meta_path.append(_Spare(folder, (name, *requirements)))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        fail(
            f"the app is served by {name}, and {sys.executable} has no package {error.name}: "
            f"pip install {name}, and name it in the app's requirements",
            NO_SERVER,
        )


class _Spare:
    """Finds a few packages in a folder, when nobody else does."""

    def __init__(self, folder: str, packages: tuple[str, ...]) -> None:
        self._path = [folder]
        self._packages = packages

    def find_spec(self, name: str, _path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, self._path, target) if name in self._packages else None


def import_app(name: str) -> Callable[..., Any]:
    """Import `module:attribute`, where the attribute may be dotted and may end in `()`, a factory to call.

    Ends the process with a message when there is none, and with the app's own traceback when it raises.
    """
    module_name, colon, attribute = name.partition(":")
    factory = attribute.endswith("()")
    attribute = attribute[:-2] if factory else attribute
    if not colon or not all(word.isidentifier() for word in (*module_name.split("."), *attribute.split("."))):
        fail(f"expected MODULE:ATTRIBUTE or MODULE:FACTORY() as the app, such as main:app, not {name!r}", USAGE)
    _add_source_folder(module_name)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # noqa: BLE001  # whatever the app raises is shown
        if isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}."):
            fail(f"there is no module {error.name} in {os.getcwd()}; name the app in up.yml, such as app: main:app")
        _show(error)
    app: Any = module
    for word in attribute.split("."):
        try:
            app = getattr(app, word)
        except AttributeError:
            found = ", ".join(_apps(module))
            fail(
                f"the module {module_name} ({module.__file__}) has no {attribute}"
                + (
                    f", but it has {found}; name the app in up.yml: app: {module_name}:NAME"
                    if found
                    else " and no other app"
                )
            )
    if not callable(app):
        fail(f"{name} is no app: {type(app).__name__} objects cannot be called")
    if factory:
        try:
            app = app()
        except Exception as error:  # noqa: BLE001
            _show(error)
        if not callable(app):
            fail(f"{name} returned no app: {type(app).__name__} objects cannot be called")
    return app  # type: ignore[no-any-return]


def forwarded(value: str) -> str:
    """Return the last entry of an X-Forwarded-* list.

    Each hop appends what it saw: the last entry is from the hop nearest to us, the others are anybody's claim.
    """
    return value.rpartition(",")[2].strip()


def address(entry: str) -> tuple[str, int]:
    """Split an X-Forwarded-For entry into address and port, 0 where there is none (load balancers can add it)."""
    host, colon, port = entry.rpartition(":")
    is_port = port.isascii() and port.isdigit()
    if entry.startswith("["):
        return (host[1:-1], int(port)) if is_port else (entry[1:-1], 0)
    if colon and ":" not in host and is_port:
        return host, int(port)
    return entry, 0


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Print one line and end."""
    sys.stderr.write(f"{message}\n")
    sys.exit(code)


def _add_source_folder(module_name: str) -> None:
    """Make `src/` importable, behind the project itself, when that is where the module is."""
    top = module_name.partition(".")[0]
    source = os.path.join(os.getcwd(), "src")
    if PathFinder.find_spec(top, [os.getcwd()]) is None and PathFinder.find_spec(top, [source]) is not None:
        sys.path.insert(1, source)


def _apps(module: ModuleType) -> list[str]:
    """Name what looks like an app: objects and functions called like WSGI or ASGI, factories with app in the name."""
    import inspect  # which costs 5 ms, and is for this message alone

    found = []
    for name, value in vars(module).items():
        kind = type(value)
        if name.startswith("_") or issubclass(kind, type):
            continue
        is_function = inspect.isfunction(value)
        try:
            parameters = list(inspect.signature(value if is_function else kind.__call__).parameters.values())
        except (TypeError, ValueError, AttributeError):
            continue  # cannot be called, or does not say how
        needed = [parameter for parameter in parameters if parameter.default is parameter.empty]
        count = len(needed) if is_function else len(needed) - 1  # without self
        if is_function and not needed and "app" in name and value.__module__ == module.__name__:
            found.append(f"{name}()")
        elif count in (2, 3) and needed[-1].name in ("start_response", "send"):
            found.append(name)
    return found


def _show(error: Exception) -> NoReturn:
    """Show the app's error as Python would, without the frames of the launcher."""
    frames: TracebackType | None = error.__traceback__
    while frames is not None and _is_ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    sys.excepthook(type(error), error.with_traceback(frames), frames)
    if isinstance(error, ModuleNotFoundError):
        fail(f"{sys.executable} has no module {error.name}: install what the app requires into its environment")
    sys.exit(FAILED)


def _is_ours(path: str) -> bool:
    return path in (__file__, importlib.__file__) or path.startswith("<frozen importlib")
