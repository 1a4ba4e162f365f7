"""Start the app as a process. Imports next to nothing: the app is started before the rest of the proxy is loaded."""

from __future__ import annotations

import posix
import sys
from time import monotonic

from upproxy.proxy.lean import signal, socket
from upproxy.proxy.manifest import UnsetVariable, expand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.http1 import Address
    from upproxy.proxy.manifest import UpstreamOptions

LOOPBACK = "127.0.0.1"
BACKLOG = 1_024

# Whether the system tells how many connections wait at a listening socket (Linux does, macOS does not).
QUEUE_IS_TOLD = hasattr(socket, "TCP_INFO")

# Whether a unix socket can have a name that is no file (Linux alone).
UNIX_HAS_NAMES = sys.platform == "linux"

SCHED_BATCH: int | None = getattr(posix, "SCHED_BATCH", None)  # Linux alone has it

# What the app must not see: it is a client of nobody's Runtime API, and the manifest is ours.
_PRIVATE = (b"AWS_LAMBDA_RUNTIME_API", b"UPPROXY_MANIFEST")

# Where layers have packages. https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
_LAYERS = (b"/opt/python", b"/opt/python/lib/python%d.%d/site-packages" % sys.version_info[:2])


class SpawnError(Exception):
    """The app could not be started at all; `str(error)` says what to do."""


class Child:
    """A running app. `address` is where requests go, `port` what it knows as `$PORT`.

    `listeners` are our copies of the sockets that it inherited, the one on the port first; none are left where it opens
    the port itself. `stdout` and `stderr` are the non-blocking reading ends of its pipes.
    """

    __slots__ = ("address", "listeners", "pid", "port", "started", "stderr", "stdout")

    def __init__(
        self, pid: int, address: Address, port: int, listeners: list[socket.socket], stdout: int, stderr: int
    ) -> None:
        self.pid = pid
        self.address = address
        self.port = port
        self.listeners = listeners
        self.stdout = stdout
        self.stderr = stderr
        self.started = monotonic()


def spawn(options: UpstreamOptions, *, stage: str, restarts: int = 0, launchers: str = "", packages: str = "") -> Child:
    """Start the app in a process group of its own, with a new listening socket or a free port.

    `launchers` is the folder that `{launchers}` in the command stands for, `packages` a folder of the app's
    dependencies to put before Python's own, or empty. Raises SpawnError.
    """
    variables = environment(options, stage, packages)
    variables[b"UP_RESTARTS"] = b"%d" % restarts
    words = ["/bin/sh", "-c", options.command] if isinstance(options.command, str) else options.command
    listeners: list[socket.socket] = []
    try:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
        listeners.append(listener)
        listener.bind((LOOPBACK.encode(), 0))
        port: int = listener.getsockname()[1]
        address: Address = LOOPBACK, port
        variables[b"PORT"] = b"%d" % port
        if words is not options.command:
            argv = words
            _close(listeners)  # the number is free again, for the app
        else:
            # Accepted sockets inherit it; without it uvicorn needs 44 ms for every request on a kept connection.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if UNIX_HAS_NAMES and any("{fds}" in word for word in words):
                name = _bind_unix(listeners)
                address = name or address
            for listener in listeners:
                if QUEUE_IS_TOLD:
                    listener.listen(BACKLOG)
                posix.set_inheritable(listener.fileno(), True)
            fds = [str(listener.fileno()) for listener in listeners]
            filled = {"{fd}": fds[0], "{fds}": ",".join(fds), "{launchers}": launchers}
            argv = [_fill(word, filled) for word in words]
        pid, stdout, stderr = launch([word.encode("utf-8", "surrogateescape") for word in argv], variables)
    except OSError as error:
        _close(listeners)
        raise SpawnError(f"cannot start {words[0]}: {error.strerror}; see proxy.command in up.yml") from None
    _let_us_finish(pid)
    for listener in listeners:
        posix.set_inheritable(listener.fileno(), False)
    if not QUEUE_IS_TOLD:  # then the app's listening is what tells that it is ready, as with `$PORT`
        _close(listeners)
    return Child(pid, address, port, listeners, stdout, stderr)


def _bind_unix(listeners: list[socket.socket]) -> bytes:
    """Add a unix socket and return its name, which the system chooses and which is no file (unix(7), autobind).

    Where the sandbox that we run in allows none, the name is empty: TCP serves as well.
    """
    unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0)
    try:
        unix.bind("")
        name: bytes = unix.getsockname()
    except OSError:
        unix.close()
        return b""
    listeners.append(unix)
    return name


def _fill(word: str, filled: dict[str, str]) -> str:
    for name, value in filled.items():
        word = word.replace(name, value)
    return word


def _close(listeners: list[socket.socket]) -> None:
    while listeners:
        listeners.pop().close()


def launch(argv: list[bytes], variables: dict[bytes, bytes]) -> tuple[int, int, int]:
    """Start a program in a process group of its own, with nothing to read.

    Returns its number and the non-blocking reading ends of its stdout and stderr. Raises OSError.
    """
    pipes: list[int] = []
    try:
        pipes += posix.pipe()
        pipes += posix.pipe()
        out_read, out_write, err_read, err_write = pipes
        pid = posix.posix_spawn(
            _find(argv[0], variables),
            argv,
            variables,
            file_actions=[
                (posix.POSIX_SPAWN_OPEN, 0, "/dev/null", posix.O_RDONLY, 0),
                (posix.POSIX_SPAWN_DUP2, out_write, 1),
                (posix.POSIX_SPAWN_DUP2, err_write, 2),
            ],
            setpgroup=0,
            # Python ignores these two, and an ignored signal stays ignored in a new program.
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            setsigmask=[],
        )
    except OSError:
        for end in pipes:
            posix.close(end)
        raise
    posix.close(out_write)
    posix.close(err_write)
    posix.set_blocking(out_read, False)
    posix.set_blocking(err_read, False)
    return pid, out_read, err_read


def _let_us_finish(pid: int) -> None:
    """Have the scheduler not interrupt us for the app whenever we send it something (sched(7), SCHED_BATCH).

    We are about to wait anyway: on a shared core, going there and back in the middle of a write costs 5 % of a request.
    """
    if SCHED_BATCH is not None:
        try:
            posix.sched_setscheduler(pid, SCHED_BATCH, posix.sched_param(0))
        except OSError:  # not allowed here, or it has ended
            pass


def environment(options: UpstreamOptions, stage: str, packages: str) -> dict[bytes, bytes]:
    """Return the variables of the app, but for those of one process of it. Raises SpawnError."""
    private = {*_PRIVATE, *map(str.encode, options.private)}
    variables = {name: value for name, value in posix.environ.items() if name not in private}
    for name, text in options.environment.items():
        try:
            variables[name.encode()] = expand(text, posix.environ).encode("utf-8", "surrogateescape")
        except UnsetVariable as error:
            raise SpawnError(str(error)) from None
    variables[b"UP_STAGE"] = stage.encode()
    variables.setdefault(b"PYTHONUNBUFFERED", b"1")  # a line that is printed is a line that is logged
    if packages:
        folder = packages.encode()
        # What AWS's own bootstrap, which we stand in for, would have put there: layers and the runtime's boto3.
        tail = [*_LAYERS, variables.get(b"LAMBDA_RUNTIME_DIR", b""), variables.get(b"PYTHONPATH", b"")]
        variables[b"PYTHONPATH"] = b":".join([folder, *filter(None, tail)])
        variables[b"PATH"] = folder + b"/bin:" + variables.get(b"PATH", b"/usr/local/bin:/usr/bin:/bin")
    return variables


def _find(program: bytes, variables: dict[bytes, bytes]) -> bytes:
    if b"/" not in program:
        for folder in variables.get(b"PATH", b"/usr/local/bin:/usr/bin:/bin").split(b":"):
            path = (folder or b".") + b"/" + program
            if posix.access(path, posix.X_OK):
                return path
    return program
