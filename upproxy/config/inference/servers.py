"""Which server runs an app object, and how it is started."""

from __future__ import annotations

import re
from typing import NamedTuple

from upproxy.config.inference.dependencies import Dependencies


class Flag(NamedTuple):
    """An option of a server's command line, why it is wanted, and the version that brought it."""

    name: str
    value: str | None
    why: str
    since: tuple[int, ...] = ()
    short: str | None = None

    @property
    def words(self) -> list[str]:
        """The option as arguments."""
        return [self.name] if self.value is None else [self.name, self.value]


_GUNICORN = (
    Flag("--timeout", "0", "the arbiter kills a worker that Lambda froze for longer", short="-t"),
    Flag("--keep-alive", "86400", "a connection that times out during a freeze resets the next request"),
    Flag("--graceful-timeout", "1", "Lambda gives an app less than a second to end"),
    Flag("--preload", None, "an app that exits while it is imported would be started again for ever"),
    Flag("--limit-request-line", "0", "addresses of over 4 kB would be refused"),
    Flag("--limit-request-field_size", "131072", "header fields of over 8 kB would be refused"),
    Flag("--limit-request-fields", "1000", "requests with over 100 header fields would be refused"),
    Flag("--forwarder-headers", "", "a header field could rewrite the app's addresses", since=(22, 0)),
    Flag("--no-control-socket", None, "it is of no use on Lambda", since=(25, 1)),
)
_UVICORN = (
    Flag("--timeout-keep-alive", "1000000", "a connection that times out during a freeze resets the next request"),
    Flag("--forwarded-allow-ips", "127.0.0.1", "the app would not learn the client's address and scheme"),
    Flag("--timeout-graceful-shutdown", "2", "Lambda gives an app little time to end", since=(0, 22)),
)
_HYPERCORN = (
    Flag("--workers", "0", "worker processes need /dev/shm, and hide a failed start", short="-w"),
    Flag("--keep-alive", "1000000", "a connection that times out during a freeze resets the next request"),
)

SERVERS: dict[str, dict[str, tuple[str, ...]]] = {
    "waitress": {"wsgi": ("{python}", "{launchers}/wsgi.py", "{fd}", "{app}")},
    "uvicorn": {"asgi": ("{python}", "{launchers}/asgi.py", "{fds}", "{app}")},
    "gunicorn": {
        "wsgi": (
            "{python}", "-m", "gunicorn", "--bind", "fd://{fd}", "--workers", "1", "--threads", "16",
            "{flags}", "{app}",
        ),
    },
    "hypercorn": {"asgi": ("{python}", "-m", "hypercorn", "--bind", "fd://{fd}", "{flags}", "{app}")},
}  # fmt: skip
"""Commands by server and interface. `{fd}`, `{fds}` and `{launchers}` are left for the proxy, the rest is filled in."""

FLAGS = {"gunicorn": _GUNICORN, "uvicorn": _UVICORN, "hypercorn": _HYPERCORN}

DEFAULT = {"wsgi": "waitress", "asgi": "uvicorn"}


class Unsuitable(Exception):
    """The server cannot run an app of this interface."""


def able(interface: str) -> tuple[str, ...]:
    """Return the servers for an interface."""
    return tuple(name for name, commands in SERVERS.items() if interface in commands)


def choose(interface: str, dependencies: Dependencies, asked: str | None) -> tuple[str, str]:
    """Return the server for an interface, and in words why it is that one. Raises Unsuitable."""
    suitable = able(interface)
    if asked:
        if asked not in suitable:
            raise Unsuitable(f"{asked} is no server for {interface.upper()} apps; use {' or '.join(suitable)}")
        return asked, "as `server` says"
    if named := dependencies.first_of(suitable):
        return named, "which the dependencies name"
    return DEFAULT[interface], "since the dependencies name no server that fits"


def command(server: str, interface: str, app: str, python: str, dependencies: Dependencies) -> list[str]:
    """Return the arguments that start the app object on the server."""
    arguments: list[str] = []
    for word in SERVERS[server][interface]:
        if word == "{flags}":
            version = dependencies.version(server)
            for flag in FLAGS[server]:
                if version is None or version >= flag.since:
                    arguments += flag.words
        else:
            arguments.append(word.replace("{python}", python).replace("{app}", app))
    return arguments


_SEGMENT = re.compile(r"&&|\|\|?|[;&\n()]")
_NAMED = re.compile(
    r"""\s*(?:(?:exec|env|time|[A-Za-z_]\w*=\S*
            |(?:uv|poetry|pipenv|pdm|hatch|rye)\ run
            |\S*python[\d.]*(?:\ -[A-Za-z]+)*?\ -m)\s+)*
        (?:[^\s"'$]*/)?(gunicorn|uvicorn|hypercorn)(?=\s|$)""",
    re.VERBOSE,
)


def complete(text: str, dependencies: Dependencies) -> tuple[str, list[str]]:
    """Add to a user's command the options that its server needs behind a proxy that freezes.

    Returns the command and a sentence for each thing added or doubtful; a command that names no known server is left
    alone.
    """
    start = 0
    for end, after in [*(match.span() for match in _SEGMENT.finditer(text)), (len(text), len(text))]:
        segment = text[start:end]
        if match := _NAMED.match(segment):
            server = match[1]
            added, notes = _missing(server, segment[match.end() :], dependencies.version(server))
            at = start + match.end()
            return text[:at] + "".join(f" {word or repr(word)}" for word in added) + text[at:], notes
        start = after
    return text, []


def _missing(server: str, rest: str, version: tuple[int, ...] | None) -> tuple[list[str], list[str]]:
    words = rest.split()
    added: list[str] = []
    notes: list[str] = []
    for flag in (*_listening(server, words, notes), *FLAGS[server]):
        if version is not None and version < flag.since:
            continue
        given = _given(words, flag)
        if given is None:
            added += flag.words
            notes.append(f"added `{' '.join(word or repr(word) for word in flag.words)}` to {server}: {flag.why}")
        elif flag.name in ("--timeout", "--workers") and given != flag.value:
            notes.append(f"{server} has `{flag.name} {given}`; better `{flag.value}`: {flag.why}")
    return added, notes


def _listening(server: str, words: list[str], notes: list[str]) -> tuple[Flag, ...]:
    """Return the option that makes a server listen on $PORT, which gunicorn does by itself."""
    if server == "gunicorn":
        flag = Flag("--bind", None, "", short="-b")
        given = _given(words, flag)
        wanted: tuple[Flag, ...] = ()
    elif server == "uvicorn":
        if any(word.startswith(("--fd", "--uds")) for word in words):
            return ()
        flag = Flag("--port", '"$PORT"', "the proxy says which port")
        given, wanted = _given(words, flag), (flag,)
    else:
        flag = Flag("--bind", '"127.0.0.1:$PORT"', "the proxy says which port", short="-b")
        given, wanted = _given(words, flag), (flag,)
    if given is not None and "PORT" not in given:
        notes.append(f"{server} has `{flag.name} {given}`, but the proxy looks for it on $PORT: write $PORT there")
    return wanted


def _given(words: list[str], flag: Flag) -> str | None:
    """Return the value that the words give an option; None if they do not."""
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == flag.name:
            return value if equals else "".join(words[index + 1 : index + 2])
        if flag.short and word.startswith(flag.short) and not word.startswith("--"):
            return word[len(flag.short) :].lstrip("=") or "".join(words[index + 1 : index + 2])
    return None
